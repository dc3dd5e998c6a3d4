"""How a mutant of companion is judged: it stands in a copy of the repository, and meets tests and notebooks there.

First the module's own test file, then the other unit tests that import it, then the notebooks that do.

Own code because: mutmut's operators are fixed; Cosmic Ray takes operators as plugins, but starts an interpreter for
each mutant (seconds to import torch; a fork of a warm process needs none) and changes the working files in place.
"""

from __future__ import annotations

import ast
import compileall
import gc
import importlib
import json
import multiprocessing
import os
import py_compile
import re
import shutil
import signal
import sys
import tempfile
import time
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from mutation import ENDLESS, ERROR, SURVIVED, WRONG, Mutant, Outcome, fields_of, mutants_of
from mutation_operators import OPERATORS

BROKEN = {  # room of companion → its modules whose mutants are made
    "core": "functions cell order walk recurrent layers networks dropout optimisers",
    "rnn": "cells",
    "bptt": "equations gradients rtrl truncation cliff dynamics initialisation training skip_elman",
    "gates": "cells ablation convert",
    "applications": "pooling crf network per_word fitting labelling spans words negation"
    " writing search translator bleu parallel",
}
KINDS = {"gave something wrong": (WRONG,), "could not go on or hung": (ERROR, ENDLESS)}
CLAIMS = ("AssertionError", "Failed", "NbCellError")  # what a test or a notebook raises whose claim does not hold

COPIED = ("companion", "tests", "tools", "book", "pyproject.toml")
WARM = ("numpy", "torch", "torch._dynamo", "hypothesis.extra.numpy", "pytest", "matplotlib.pyplot")
FORK = sys.platform == "linux"  # elsewhere it is not safe once torch is loaded: every run starts an interpreter

Stage = Sequence[str]  # test files or notebooks, relative to the root


# --- which mutants there are, and which tests see a module -----------------------------------------------------------


def every_mutant(root: Path, names: Iterable[str]) -> list[Mutant]:
    """Those of modules such as gates.cells, or of all modules of a room; another name ends the run."""
    fields = fields_of(path.read_text(encoding="utf-8") for path in in_rooms(root, "companion", "*.py"))
    modules = dict.fromkeys(module for name in names for module in modules_of(root, name))
    texts = {module: (root / file_of(module)).read_text(encoding="utf-8") for module in modules}
    return [mutant for module, text in texts.items() for mutant in mutants_of(module, text, OPERATORS, fields)]


def modules_of(root: Path, name: str) -> Sequence[str]:
    if name not in BROKEN and not (root / file_of(name)).is_file():
        sys.exit(f"NAME: expected one of {', '.join(BROKEN)}, or a module such as gates.cells, got {name}")
    return [f"{name}.{module}" for module in BROKEN.get(name, "").split()] or [name]


def file_of(module: str) -> Path:
    return Path("companion", f"{module.replace('.', '/')}.py")


def in_rooms(root: Path, folder: str, files: str) -> list[Path]:
    return sorted(path for room in BROKEN for path in root.glob(f"{folder}/{room}/{files}"))


def imported(source: str, names: Mapping[str, str]) -> set[str]:
    """Modules of companion that a text imports, such as gates.cells, and names in them that may be modules.

    `names` says from which module each name of the package itself comes.
    """
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.ImportFrom("companion", aliases):
                found |= {names.get(alias.name, alias.name) for alias in aliases}
            case ast.ImportFrom(str(module), aliases) if module.startswith("companion."):
                module = module.removeprefix("companion.")
                found |= {module, *(f"{module}.{alias.name}" for alias in aliases)}
            case ast.Import(aliases) if any(alias.name.partition(".")[0] == "companion" for alias in aliases):
                found |= {alias.name.partition(".")[2] for alias in aliases} - {""} or set(names.values())
    return found


def code(path: Path) -> str:
    """The Python of a file; of a notebook, that of its code cells without magic."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    return re.sub(r"^(\s*)[%!].*", r"\1pass", text, flags=re.MULTILINE)


def stages(root: Path, modules: Iterable[str]) -> dict[str, tuple[Stage, Stage, Stage]]:
    """What the mutants of each module meet: its own tests, other tests, notebooks; each may be empty."""
    package = ast.parse((root / "companion" / "__init__.py").read_text(encoding="utf-8"))
    lines = [node for node in package.body if isinstance(node, ast.ImportFrom)]
    names = {alias.name: str(node.module).removeprefix("companion.") for node in lines for alias in node.names}

    def users(paths: Iterable[Path]) -> dict[Path, set[str]]:
        return {path.relative_to(root): imported(code(path), names) for path in paths}

    inside = {f"{path.parts[1]}.{path.stem}": used for path, used in users(in_rooms(root, "companion", "*.py")).items()}
    tests, notebooks = users(in_rooms(root, "tests", "test_*.py")), users(sorted(root.glob("book/*.ipynb")))

    def of(module: str) -> tuple[Stage, Stage, Stage]:
        reached = {module}
        while more := {user for user, used in inside.items() if used & reached} - reached:
            reached |= more
        room, _, name = module.partition(".")
        direct = [path for path, used in tests.items() if module in used]
        own = [path for path in direct if path == Path("tests", room, f"test_{name}.py")] or direct
        rest = [path for path, used in tests.items() if path not in own and used & reached]
        pages = [path for path, used in notebooks.items() if module in used]
        return as_names(own), as_names(rest), as_names(pages)

    return {module: of(module) for module in modules}


def as_names(paths: Iterable[Path]) -> Stage:
    return [path.as_posix() for path in paths]


# --- one run ---------------------------------------------------------------------------------------------------------


def child(sender: Connection, directory: str, stage: Stage) -> None:
    """Run pytest on a stage in a process of its own that sees only the copy in `directory`; send what failed first."""
    if FORK:
        os.setsid()  # so that a notebook's kernel ends with it
    silence = os.open(os.devnull, os.O_RDWR)
    for stream in (1, 2):
        os.dup2(silence, stream)
    for name in [name for name in os.environ if name.startswith(("PYTEST_", "UNROLLED_", "COV_"))]:
        del os.environ[name]
    os.environ |= {"CI": "true", "PYTHONPATH": directory, "PYTHONUTF8": "1", "MPLBACKEND": "agg"}
    os.environ |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    os.chdir(directory)
    sys.path.insert(0, directory)
    sys.dont_write_bytecode = True
    options = ["-q", "-x", "--tb=no", "-W", "ignore"]
    for plugin in ("cacheprovider", "unraisableexception", "threadexception"):  # the last two collect garbage
        options += ["-p", f"no:{plugin}"]
    if stage[0].endswith(".ipynb"):
        del os.environ["MPLBACKEND"]  # the kernel draws with its own
        options += ["-p", "nbval.plugin", "--nbval", "--nbval-current-env", "--nbval-cell-timeout", "300"]
        options += ["--nbval-sanitize-with", "tests/nbval_sanitize.cfg"]
    else:
        options += ["-p", "_hypothesis_pytestplugin", "--hypothesis-profile=mutants"]
    import hypothesis
    import pytest

    # the first failing example is enough: no time goes into a smaller one
    phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
    hypothesis.settings.register_profile("mutants", deadline=None, derandomize=True, database=None, phases=phases)
    first = Plugin()
    status = int(pytest.main([*options, *stage], plugins=[first]))
    seen = getattr(sys.modules.get("companion"), "__file__", None) or directory
    if not Path(seen).is_relative_to(directory):
        status, first.name = -1, f"the tests saw {seen}, not the mutant"
    sender.send((status, first.name))


class Plugin:
    """For pytest: tests of one example come first, and what fails first, a test or a file as a whole, is kept."""

    name = ""

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        items.sort(key=lambda item: bool(getattr(getattr(item, "obj", None), "is_hypothesis_test", False)))

    def pytest_exception_interact(self, node: Any, call: Any) -> None:
        self.name = self.name or f"{node.nodeid} {call.excinfo.typename}"


@dataclass(frozen=True)
class Job:
    """Test files or notebooks to run until a test fails: with a mutant in place of its module, or the code as it is."""

    files: Stage
    limit: float = 3600.0  # seconds
    mutant: Mutant | None = None


@dataclass(frozen=True)
class Run:
    job: Job
    directory: Path
    process: BaseProcess
    receiver: Connection
    begun: float
    original: bytes  # of the module


def run(jobs: Iterable[Job], benches: Sequence[Path]) -> Iterator[tuple[Job, str, str, float]]:
    """Jobs as they end, with verdict, what said so, and seconds; each process has one of the copies `benches`."""
    waiting, idle, running = deque(jobs), list(benches), list[Run]()
    while waiting or running:
        while waiting and idle:
            running.append(started(waiting.popleft(), idle.pop()))
        wait([r.process.sentinel for r in running], timeout=1)
        for done in [r for r in running if not r.process.is_alive() or time.monotonic() > r.begun + r.job.limit]:
            running.remove(done)
            verdict, said = ended(done)
            idle.append(done.directory)
            yield done.job, verdict, said, time.monotonic() - done.begun


def copied(root: Path, directory: Path) -> Path:
    skipped = shutil.ignore_patterns("__pycache__", "_build", ".ipynb_checkpoints")
    for name in COPIED:
        if (root / name).is_dir():
            shutil.copytree(root / name, directory / name, ignore=skipped)
        elif (root / name).exists():
            shutil.copy2(root / name, directory / name)
    checked = py_compile.PycInvalidationMode.CHECKED_HASH  # by what a file says, not by when it was written
    compileall.compile_dir(directory / "companion", quiet=1, invalidation_mode=checked)  # the runs write no bytecode
    return directory


def started(job: Job, directory: Path) -> Run:
    original = b""
    if job.mutant:
        original = (directory / file_of(job.mutant.module)).read_bytes()
        (directory / file_of(job.mutant.module)).write_text(job.mutant.source(), encoding="utf-8")
    context: Any = multiprocessing.get_context("fork" if FORK else "spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=child, args=(sender, str(directory), job.files))
    process.start()
    sender.close()
    return Run(job, directory, process, receiver, time.monotonic(), original)


def ended(done: Run) -> tuple[str, str]:
    """The verdict of a run that is over or has to be, and the test that failed; the module is as before."""
    hangs = done.process.is_alive()
    if hangs and FORK:
        os.killpg(done.process.pid or 0, signal.SIGKILL)
    elif hangs:
        done.process.kill()
    done.process.join()
    if done.job.mutant:
        (done.directory / file_of(done.job.mutant.module)).write_bytes(done.original)
    if hangs:
        return ENDLESS, ""
    try:
        status, said = done.receiver.recv()
    except EOFError:
        return ERROR, f"the process, which ended with {done.process.exitcode}"
    if status in (-1, 4, 5):  # 4, 5: pytest was called wrongly, or found no test
        raise RuntimeError(f"{' '.join(done.job.files)} could not be run ({status}) {said}")
    return (SURVIVED if not status else WRONG if said.endswith(CLAIMS) else ERROR), said


# --- all of them -----------------------------------------------------------------------------------------------------


def judged(
    root: Path, listed: Collection[str], workers: int, patience: float, mutants: Sequence[Mutant]
) -> list[Outcome]:
    """What became of each: by its module's own tests, else by other tests, else, if it is not listed, by notebooks."""
    plans = stages(root, dict.fromkeys(mutant.module for mutant in mutants))
    if FORK:
        for name in WARM:
            importlib.import_module(name)
        gc.freeze()  # what is loaded already need not be looked through in every child
    outcomes = {mutant: Outcome(mutant, SURVIVED) for mutant in mutants}
    limits: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as temporary:
        benches = [copied(root, Path(temporary, str(number)).resolve()) for number in range(workers)]
        for number, what in enumerate(("their own tests", "other tests", "notebooks")):
            left = [mutant for mutant in mutants if outcomes[mutant].verdict == SURVIVED]
            if what == "notebooks":  # they take long
                left = [mutant for mutant in left if mutant.id not in listed]
                for mutant in left:
                    print(f"not noticed by unit tests: {mutant.id}", flush=True)
            files = {mutant: plans[mutant.module][number] for mutant in left if plans[mutant.module][number]}
            new = {file for stage in files.values() for file in stage if file not in limits}
            limits |= unchanged(new, benches, patience)
            jobs = [
                Job(sorted(stage, key=lambda file: limits[file]), sum(limits[file] for file in stage), mutant)
                for mutant, stage in files.items()
            ]
            for count, (job, verdict, said, _) in enumerate(run(jobs, benches), start=1):
                if job.mutant:
                    outcomes[job.mutant] = Outcome(job.mutant, verdict, said)
                if count % 100 == 0 or count == len(jobs):
                    print(f"{count} of {len(jobs)} mutants met {what}", flush=True)
    return list(outcomes.values())


def unchanged(files: Collection[str], benches: Sequence[Path], patience: float) -> dict[str, float]:
    """See the unchanged code pass; returns how many seconds each file may take with a mutant."""
    begun, limits = time.monotonic(), {}
    for job, verdict, said, seconds in run([Job([file]) for file in sorted(files)], benches):
        if verdict != SURVIVED:
            sys.exit(f"{job.files[0]} fails on the unchanged code: {said or verdict}")
        limits[job.files[0]] = 10 * seconds + patience
    if files:
        print(f"{len(files)} files pass on the unchanged code, {time.monotonic() - begun:.0f} s", flush=True)
    return limits
