"""Seeded faults: break companion in every way that mutation_operators.py knows, one at a time, and see a test turn red.

    python tools/mutants.py               every mutant, what `make mutants` runs
    python tools/mutants.py gates rnn.cells    those of these modules only; a room means all its modules
    python tools/mutants.py --sample 24   some of every module, always the same ones, what `make test` runs
    python tools/mutants.py --list        their ids, nothing is run

A mutant is a module with one node of its syntax tree replaced, in a copy of the repository. It meets the module's own
test file, then the other unit tests that import it, then the notebooks that do. What none of them notices must stand,
with its reason, in tests/mutants.toml, under an id that survives when lines move.

Own code because: mutmut's operators are fixed; Cosmic Ray takes operators as plugins, but starts an interpreter for
each mutant (seconds to import torch; a fork of a warm process needs none) and changes the working files in place.
"""

from __future__ import annotations

import argparse
import ast
import compileall
import gc
import hashlib
import importlib
import json
import multiprocessing
import os
import re
import shutil
import signal
import sys
import tempfile
import time
import tomllib
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from mutation_operators import OPERATORS, Mutant, fields_of, mutants_of

ROOT = Path(__file__).resolve().parents[1]
LISTED = Path("tests", "mutants.toml")
BROKEN = {  # room of companion → its modules whose mutants are made
    "core": ("functions", "cell", "order", "walk", "recurrent", "networks", "optimisers"),
    "rnn": ("cells", "layers"),
    "bptt": (
        *("equations", "gradients", "rtrl", "truncation", "dynamics", "initialisation", "training", "skip_elman"),
    ),
    "gates": ("cells", "ablation", "convert"),
}
MODULES = tuple(f"{room}.{name}" for room, names in BROKEN.items() for name in names)
REQUIRED = 0.95
COPIED = ("companion", "tests", "tools", "book", "pyproject.toml")
UNCHANGED = "unchanged"  # a second copy of companion
WARM = ("numpy", "torch", "torch._dynamo", "hypothesis.extra.numpy", "pytest", "matplotlib.pyplot")
FORK = sys.platform == "linux"  # elsewhere it is not safe once torch is loaded: every run starts an interpreter

KILLED, HUNG, SURVIVED = "killed", "hung", "survived"
CLAIMS = ("AssertionError", "Failed", "NbCellError")  # what a test or a notebook raises whose claim does not hold
Stage = Sequence[str]  # test files or notebooks, relative to the root


# --- which tests see a module ----------------------------------------------------------------------------------------


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


def stages(root: Path, module: str) -> list[Stage]:
    """Test files, then more test files, then notebooks, for a mutant of this module to meet; a stage may be empty."""
    package = ast.parse((root / "companion" / "__init__.py").read_text(encoding="utf-8"))
    lines = [node for node in package.body if isinstance(node, ast.ImportFrom)]
    names = {alias.name: str(node.module).removeprefix("companion.") for node in lines for alias in node.names}

    def users(*patterns: str) -> dict[Path, set[str]]:
        paths = sorted(path for pattern in patterns for path in root.glob(pattern))
        return {path.relative_to(root): imported(code(path), names) for path in paths}

    inside = {f"{path.parts[1]}.{path.stem}": found for path, found in users(*in_rooms("companion", "*.py")).items()}
    reached = {module}
    while more := {user for user, modules in inside.items() if modules & reached} - reached:
        reached |= more
    tests = users(*in_rooms("tests", "test_*.py"))
    room, _, name = module.partition(".")
    direct = [path for path, modules in tests.items() if module in modules]
    own = [path for path in direct if path == Path("tests", room, f"test_{name}.py")] or direct
    rest = [path for path in direct if path not in own]
    rest += [path for path, modules in tests.items() if path not in direct and modules & reached]
    notebooks = [path for path, modules in users("book/*.ipynb").items() if module in modules]
    return [[path.as_posix() for path in stage] for stage in (own, rest, notebooks)]


def in_rooms(folder: str, files: str) -> list[str]:
    return [f"{folder}/{room}/{files}" for room in BROKEN]


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
    """Stages to go through until one fails; for a mutant, with its module's text in place of the original."""

    name: str
    stages: Sequence[Stage]
    module: str = ""
    source: Callable[[], str] = str


@dataclass(frozen=True)
class Outcome:
    name: str
    verdict: str
    by: str  # the test that failed first, and its exception
    seconds: float


@dataclass(frozen=True)
class Run:
    job: Job
    stage: int
    directory: Path
    process: BaseProcess
    receiver: Connection
    started: float
    deadline: float


def run(jobs: Iterable[Job], benches: Sequence[Path], limits: Mapping[str, float]) -> Iterator[Outcome]:
    """Outcomes, as they come, of jobs shared among copies made by `copied`; `limits`: seconds that a file may take."""
    waiting, idle, running = deque(jobs), list(benches), list[Run]()
    while waiting or running:
        while waiting and idle:
            job, directory = waiting.popleft(), idle.pop()
            if job.module:
                (directory / file_of(job.module)).write_text(job.source(), encoding="utf-8")
            running.append(started(job, 0, directory, limits))
        wait([r.process.sentinel for r in running], timeout=1)
        for done in [r for r in running if not r.process.is_alive() or time.monotonic() > r.deadline]:
            running.remove(done)
            verdict, by = ended(done)
            if verdict == SURVIVED and done.stage + 1 < len(done.job.stages):
                running.append(started(done.job, done.stage + 1, done.directory, limits))
                continue
            if done.job.module:
                shutil.copy2(
                    done.directory / UNCHANGED / file_of(done.job.module), done.directory / file_of(done.job.module)
                )
            idle.append(done.directory)
            yield Outcome(done.job.name, verdict, by, time.monotonic() - done.started)


def copied(root: Path, directory: Path) -> Path:
    skipped = shutil.ignore_patterns("__pycache__", "_build", ".ipynb_checkpoints")
    for name in COPIED:
        if (root / name).is_dir():
            shutil.copytree(root / name, directory / name, ignore=skipped)
        elif (root / name).exists():
            shutil.copy2(root / name, directory / name)
    shutil.copytree(directory / "companion", directory / UNCHANGED / "companion")
    compileall.compile_dir(directory / "companion", quiet=1)  # once: the runs write no bytecode
    return directory


def started(job: Job, stage: int, directory: Path, limits: Mapping[str, float]) -> Run:
    context: Any = multiprocessing.get_context("fork" if FORK else "spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=child, args=(sender, str(directory), job.stages[stage]))
    process.start()
    sender.close()
    now = time.monotonic()
    limit = sum(limits.get(path, 3600.0) for path in job.stages[stage])
    return Run(job, stage, directory, process, receiver, now, now + limit)


def ended(done: Run) -> tuple[str, str]:
    """The verdict on a run that is over or has to be, and the test that failed."""
    if done.process.is_alive():
        if FORK:
            os.killpg(done.process.pid or 0, signal.SIGKILL)
        done.process.kill()
        done.process.join()
        return HUNG, ""
    done.process.join()
    try:
        status, by = done.receiver.recv()
    except EOFError:
        return KILLED, f"the process, which ended with {done.process.exitcode}"
    if status in (-1, 4, 5):  # 4, 5: pytest was called wrongly, or found no test
        raise RuntimeError(f"{done.job.name}: {' '.join(done.job.stages[done.stage])} could not be run ({status}) {by}")
    return (KILLED if status else SURVIVED), by


# --- all of them -----------------------------------------------------------------------------------------------------


def modules_of(name: str) -> Sequence[str]:
    """Those of a room; a module is named in full, and need not be one of MODULES."""
    return [module for module in MODULES if module.startswith(f"{name}.")] or [name]


def file_of(module: str) -> Path:
    return Path("companion", f"{module.replace('.', '/')}.py")


def every_mutant(root: Path, modules: Iterable[str]) -> dict[str, Mutant]:
    files = sorted(path for pattern in in_rooms("companion", "*.py") for path in root.glob(pattern))
    fields = fields_of(path.read_text(encoding="utf-8") for path in files)
    texts = {module: (root / file_of(module)).read_text(encoding="utf-8") for module in modules}
    return {mutant.id: mutant for module, text in texts.items() for mutant in mutants_of(module, text, fields)}


def sample(mutants: Mapping[str, Mutant], number: int) -> dict[str, Mutant]:
    """So many in all, as evenly from the modules as can be; a change of the code changes few of them."""
    drawn: dict[str, list[str]] = {}
    for name in sorted(mutants, key=lambda name: hashlib.sha256(name.encode()).digest()):
        drawn.setdefault(mutants[name].module, []).append(name)
    turns = [name for names in zip_longest(*(drawn[module] for module in sorted(drawn))) for name in names if name]
    return {name: mutants[name] for name in turns[:number]}


def listed(root: Path) -> dict[str, dict[str, Any]]:
    """What is known to survive: id → {"reason": …, "equivalent": …}."""
    entries = tomllib.loads((root / LISTED).read_text(encoding="utf-8")).get("mutant", [])
    return {entry["id"]: entry for entry in entries}


def table(mutants: Mapping[str, Mutant], outcomes: Mapping[str, Outcome], equivalent: set[str]) -> str:
    """Rates for each module and each operator: of all mutants, and of those that are not equivalent to the original."""
    lines = [f"{'':<20}mutants  killed    hung survived equivalent    rate  without equivalent"]
    groups = [("module", m) for m in dict.fromkeys(mutant.module for mutant in mutants.values())]
    groups += [("operator", o) for o in OPERATORS]
    for kind, group in [*groups, ("", "all")]:
        names = [name for name, mutant in mutants.items() if not kind or getattr(mutant, kind) == group]
        verdicts = Counter(outcomes[name].verdict for name in names)
        same = sum(name in equivalent and outcomes[name].verdict == SURVIVED for name in names)
        dead = len(names) - verdicts[SURVIVED]
        rates = [f"{dead / total:8.1%}" if total else f"{'-':>8}" for total in (len(names), len(names) - same)]
        lines.append(
            f"{group:<20}{len(names):7}{dead:8}{verdicts[HUNG]:8}{verdicts[SURVIVED]:9}{same:11}{rates[0]}{rates[1]:>12}"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "modules", nargs="*", metavar="MODULE", help=f"a room ({', '.join(BROKEN)}), or one of its modules"
    )
    parser.add_argument("--sample", type=int, default=0, metavar="N", help="N that are not listed, of all modules")
    parser.add_argument("--list", action="store_true", help="print the ids and stop")
    parser.add_argument("--no-notebooks", action="store_true", help="what the unit tests miss counts as survived")
    parser.add_argument("--workers", type=int, default=2)
    late = "seconds a run may last beyond ten times what the unchanged code needs, before it counts as hung"
    parser.add_argument("--patience", type=float, default=30.0, help=late)
    options = parser.parse_args(arguments)

    modules = [module for name in options.modules or BROKEN for module in modules_of(name)]
    mutants = everything = every_mutant(root, modules)
    if options.list:
        print("\n".join(mutants))
        return 0
    known, begun = listed(root), time.monotonic()
    if options.sample:
        mutants = sample({name: mutant for name, mutant in mutants.items() if name not in known}, options.sample)
    outcomes = judged(root, mutants, known, options)
    print(table(mutants, outcomes, {name for name, entry in known.items() if entry.get("equivalent")}))

    survivors = [name for name in mutants if outcomes[name].verdict == SURVIVED]
    for name in known:
        if name in outcomes and name not in survivors:
            print(f"listed in {LISTED.as_posix()}, but killed by {outcomes[name].by}: {name}")
        elif name.startswith(tuple(f"{module}." for module in modules)) and name not in everything:
            print(f"listed in {LISTED.as_posix()}, but there is no such mutant now: {name}")
    unlisted = [name for name in survivors if name not in known]
    for name in unlisted:
        print(f"survived and not listed in {LISTED.as_posix()}: {name}")
    killed = 1 - len(survivors) / len(mutants)
    wrong = sum(outcome.by.endswith(CLAIMS) for outcome in outcomes.values())
    print(f"{wrong} gave something wrong, {len(mutants) - len(survivors) - wrong} could not go on or hung")
    required = 1 if options.sample else REQUIRED
    print(f"{killed:.1%} killed, {required:.0%} required; {time.monotonic() - begun:.0f} s")
    if not options.sample:
        rows = [f"{o.verdict}\t{o.seconds:.1f}\t{o.name}\t{o.by}\n" for o in map(outcomes.__getitem__, mutants)]
        (root / "reports").mkdir(exist_ok=True)
        (root / "reports" / "mutants.tsv").write_text("".join(rows), encoding="utf-8")
    return int(bool(unlisted) or killed < required)


def judged(
    root: Path, mutants: Mapping[str, Mutant], known: Iterable[str], options: argparse.Namespace
) -> dict[str, Outcome]:
    """What became of each: by the unit tests; where they noticed nothing and it is not known, by the notebooks."""
    plans = {module: stages(root, module) for module in dict.fromkeys(mutant.module for mutant in mutants.values())}
    if FORK:
        for name in WARM:
            importlib.import_module(name)
        gc.freeze()  # what is loaded already need not be looked through in every child
    outcomes = {name: Outcome(name, SURVIVED, "", 0.0) for name in mutants}
    with tempfile.TemporaryDirectory() as temporary:
        benches = [copied(root, Path(temporary, str(number)).resolve()) for number in range(options.workers)]
        for first, last in ((0, 2), (2, 2 if options.no_notebooks else 3)):
            names = [name for name in mutants if not first or (survived(outcomes[name]) and name not in known)]
            used = {module: plans[module][first:last] for module in {mutants[name].module for name in names}}
            limits = unchanged(used.values(), benches, options)
            jobs = []
            for mutant in map(mutants.__getitem__, names):
                quick = [sorted(stage, key=lambda path: limits[path]) for stage in used[mutant.module] if stage]
                if quick:
                    jobs.append(Job(mutant.id, quick, mutant.module, mutant.source))
            for number, outcome in enumerate(run(jobs, benches, limits), 1):
                outcomes[outcome.name] = outcome
                if survived(outcome) and outcome.name not in known:
                    print(f"not noticed by {'notebooks' if first else 'unit tests'}: {outcome.name}", flush=True)
                if number % 100 == 0:
                    print(f"{number} of {len(jobs)} mutants", flush=True)
    return outcomes


def survived(outcome: Outcome) -> bool:
    return outcome.verdict == SURVIVED


def unchanged(plans: Iterable[list[Stage]], benches: Sequence[Path], options: argparse.Namespace) -> dict[str, float]:
    """See the unchanged code pass; returns how many seconds each file may take with a mutant."""
    begun = time.monotonic()
    files = sorted({path for plan in plans for stage in plan for path in stage})
    limits = {}
    for outcome in run([Job(path, [[path]]) for path in files], benches, {}):
        if not survived(outcome):
            sys.exit(f"{outcome.name} fails on the unchanged code: {outcome.by or outcome.verdict}")
        limits[outcome.name] = 10 * outcome.seconds + options.patience
    if files:
        print(f"{len(files)} files pass on the unchanged code, {time.monotonic() - begun:.0f} s", flush=True)
    return limits


if __name__ == "__main__":
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = "1"
    sys.exit(main())
