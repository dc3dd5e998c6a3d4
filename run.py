#!/usr/bin/env python3
"""Set up and run everything in this repository with one command; make only calls this file.

Needs Python 3.11 to 3.14 and nothing else: the first command creates the environment .venv and installs into it what
requirements.txt and requirements-data.txt pin. Later commands use it as it is, until one of those files changes.

On Linux the package index has torch with CUDA (several GB). So the build for the CPU is taken from PyTorch's own index,
if that answers. UNROLLED_TORCH=cpu takes no other, UNROLLED_TORCH=cuda the one of the package index.
"""

from __future__ import annotations

import argparse
import hashlib
import http.server
import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
STAMP = VENV / "unrolled-stamp"
SITE = ROOT / "_build" / "html"
BUILT = ROOT / "_build" / "built"  # as old as the last build that succeeded
DESK = ROOT / "desk"
REPORTS = ROOT / "reports"
SCRIPTS, EXE = ("Scripts", ".exe") if os.name == "nt" else ("bin", "")
PYTHON = VENV / SCRIPTS / f"python{EXE}"

OLDEST, NEWEST = (3, 11), (3, 14)
INPUTS = ("requirements.txt", "requirements-data.txt", "constraints.txt", "pyproject.toml")
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
PATIENCE = 30.0  # seconds for that index to answer; a busy machine takes 10 to start pip

BOOK = [str(VENV / SCRIPTS / f"jupyter-book{EXE}"), "build", ".", "-W", "-n", "--keep-going"]
PYTEST = [str(PYTHON), "-m", "pytest", "-q", "-n", "2"]  # tests/conftest.py says which tests run one by one
NBVAL = [
    *(str(PYTHON), "-m", "pytest", "-q", "-n", "2", "--dist", "loadfile"),
    *("--nbval", "--nbval-current-env", "--nbval-cell-timeout", "300"),
    *("--nbval-sanitize-with", "tests/nbval_sanitize.cfg", "book", "exercises"),
]
SIDE_BY_SIDE = {  # each keeps one core busy, and two run at a time: the longest first
    "solutions": [str(PYTHON), "tools/mutants.py", "solutions"],
    "types": [str(PYTHON), "-m", "mypy"],
    "book": [*BOOK, "--all"],
    "lint": [str(PYTHON), "-m", "ruff", "check", "."],
    "format": [str(PYTHON), "-m", "ruff", "format", "--check", "."],
}
ALONE = {  # these share their work between two processes, and the tests look at the book
    "tests": [*PYTEST, "tests"],
    "notebooks": NBVAL,
    "mutants": [str(PYTHON), "tools/mutants.py", "--sample", "36"],
}
NOTEBOOK_STAGES = ("notebooks",)  # these draw with the kernel's own backend


# --- the environment -------------------------------------------------------------------------------------------------


def set_up() -> None:
    """Create or complete .venv, unless its stamp says that it holds what the files ask for."""
    asked = asked_torch()
    fingerprint = inputs_hash(asked)
    if STAMP.exists() and STAMP.read_text(encoding="utf-8") == fingerprint:
        return
    start = time.monotonic()
    STAMP.unlink(missing_ok=True)  # from here to the end the environment is not to be trusted
    print("Setting up .venv: this downloads a few hundred MB the first time, several GB if torch has CUDA", flush=True)
    install([sys.executable, "-m", "venv", *(["--clear"] if is_stale(VENV) else []), str(VENV)])
    for command in install_plan(str(PYTHON), asked or default_torch(str(PYTHON))):
        install(command)
    STAMP.write_text(fingerprint, encoding="utf-8")
    there = installed_torch()
    print(f"Set up in {time.monotonic() - start:.0f} s" + (f", with torch {there}" if there else ""), flush=True)


def install(command: list[str]) -> None:
    if run(command) != 0:
        sys.exit("The set-up failed; what pip printed says why. The same command starts it again.")


def install_plan(python: str, torch: str = "") -> list[list[str]]:
    """What pip is asked for, in order; without ``torch`` that is there already, or as the package index has it."""
    pip = [python, "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    plan = []
    if torch:
        # alone: PyTorch's index has few of the other packages; by force: the other build has the same version
        index = ["--index-url", CPU_INDEX] if torch == "cpu" else []
        plan.append([*pip, "--no-deps", "--force-reinstall", *index, pinned("torch")])
    plan.append([*pip, "-r", "requirements.txt"])
    plan.append([*pip, "--no-deps", "--no-build-isolation", "-r", "requirements-data.txt"])
    plan.append([*pip, "--no-deps", "--no-build-isolation", "-e", "."])
    return plan


def asked_torch() -> str:
    asked = os.environ.get("UNROLLED_TORCH", "")
    if asked not in ("", "cpu", "cuda"):
        sys.exit(f"UNROLLED_TORCH is {asked!r}; it should be cpu, cuda, or not set")
    return asked


def default_torch(python: str) -> str:
    """The small build where it can be had; only on Linux does the package index have another."""
    version = pinned("torch").removeprefix("torch==")
    if sys.platform != "linux" or installed_torch().startswith(version):
        return ""
    if f"{version}+cpu" in offered_torch(python):
        return "cpu"
    print(f"{CPU_INDEX} did not offer torch {version}+cpu: now from the package index, as a rule with CUDA", flush=True)
    return ""


def offered_torch(python: str) -> list[str]:
    """The versions at PyTorch's own index, as pip sees it; none if it does not answer soon."""
    ask = [python, "-m", "pip", "index", "versions", "torch", "--index-url", CPU_INDEX, "--retries", "1", "--no-input"]
    try:
        said = subprocess.run(ask, capture_output=True, encoding="utf-8", timeout=PATIENCE, check=False).stdout
    except subprocess.TimeoutExpired:
        return []
    return said.replace(",", " ").split()


def installed_torch() -> str:
    """Such as '2.13.0+cpu, without CUDA'; nothing before the first set-up, and on Windows, which has one build."""
    folders = [str(folder) for folder in VENV.glob("lib/python*/site-packages")]
    for torch in importlib.metadata.distributions(name="torch", path=folders):
        cuda = any("nvidia" in line for line in torch.requires or [])
        return f"{torch.version}, {'with CUDA' if cuda else 'without CUDA'}"
    return ""


def is_stale(venv: Path) -> bool:
    """Whether there is an environment of another Python, or half of one."""
    config = venv / "pyvenv.cfg"
    whole = (venv / SCRIPTS / f"python{EXE}").exists() and config.exists()
    return venv.exists() and not (whole and f"version = {release()}\n" in config.read_text(encoding="utf-8"))


def pinned(package: str) -> str:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return next(line for line in lines if line.startswith(f"{package}=="))


def inputs_hash(torch: str) -> str:
    """Changes with whatever the environment depends on, its place included: its scripts hold absolute paths."""
    digest = hashlib.sha256("\n".join((release(), torch, str(ROOT))).encode())
    for name in INPUTS:
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def release() -> str:
    return ".".join(map(str, sys.version_info[:3]))


def require_python(version: tuple[int, ...] = tuple(sys.version_info[:2])) -> None:
    if not OLDEST <= version[:2] <= NEWEST:
        sys.exit(
            f"This is Python {version[0]}.{version[1]}; Unrolled needs 3.11 to 3.14. Name another one, such as "
            "`make book PYTHON=python3.13`, or `py -3.13 run.py book` on Windows."
        )
    missing = [module for module in ("venv", "ensurepip") if importlib.util.find_spec(module) is None]
    if missing:
        sys.exit(
            f"This Python lacks its own module {' and '.join(missing)}. On Debian or Ubuntu: "
            f"sudo apt-get install python{version[0]}.{version[1]}-venv"
        )


def surroundings() -> dict[str, str]:
    """The environment's variables for a command: this repository's own Python, and no other's."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONHOME", "PYTHONPATH", "MPLBACKEND")}
    path = os.pathsep.join((str(PYTHON.parent), os.environ.get("PATH", "")))
    return {**kept, "PYTHONUTF8": "1", "PATH": path}


def run(command: list[str], notebooks: bool = False, output: IO[bytes] | None = None) -> int:
    """Run a command in the root, with the settings that make results the same everywhere; what it prints is shown
    or, with ``output``, kept there."""
    environment = surroundings()
    environment |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    environment |= {"PYTHONHASHSEED": "0", "UNROLLED_REPORT": str(REPORTS / "round-off.tsv")}
    environment |= {"UNROLLED_PROGRESS": "off"}  # running the exercises' notebooks here is no student's progress
    if not notebooks:
        environment["MPLBACKEND"] = "agg"
    REPORTS.mkdir(exist_ok=True)
    try:
        streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": output}
        return subprocess.run(command, cwd=ROOT, env=environment, check=False, **streams).returncode
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 127


# --- the commands ----------------------------------------------------------------------------------------------------


def book(arguments: list[str]) -> int:
    set_up()
    failed = run(BOOK)
    if not failed:
        BUILT.touch()
        print(
            f"\nThe book is built. Open {(SITE / 'index.html').as_uri()} or see it with `make serve`."
            "\nTo work in its notebooks and in the exercises: `make lab`."
        )
    return failed


def is_built() -> bool:
    """Whether nothing of which the book is made changed since it was built; what it prints of companion may have."""
    parts = (path for folder in ("book", "exercises") for path in (ROOT / folder).rglob("*") if path.is_file())
    made_of = (ROOT / "_config.yml", ROOT / "_toc.yml", *(path for path in parts if "." not in path.parent.name))
    return BUILT.exists() and SITE.exists() and max(p.stat().st_mtime for p in made_of) <= BUILT.stat().st_mtime


def desk(arguments: list[str]) -> int:
    """Copies of the notebooks to work in; one that was worked in stays as it is."""
    set_up()
    return (0 if is_built() else book([])) or run([str(PYTHON), "tools/desk_copies.py"])


def lab(arguments: list[str]) -> int:
    if failed := desk([]):
        return failed
    print("JupyterLab opens in the browser, and shows what is in desk/ (Ctrl+C ends it)", flush=True)
    with subprocess.Popen(
        [*lab_command(str(PYTHON), DESK, ROOT / "_build" / "lab"), *arguments], cwd=ROOT, env=surroundings()
    ) as process:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                pass  # it reached JupyterLab too, which ends its kernels, and then itself


def lab_command(python: str, folder: Path, tabs: Path) -> list[str]:
    """JupyterLab on this folder, with our look; it keeps in ``tabs`` which tabs are open.

    What the user has set for Jupyter holds, and is not changed.
    """
    look = ROOT / "tools" / "lab"
    return [
        *(python, "-m", "jupyterlab", "-y", f"--ServerApp.root_dir={folder}"),
        *("--custom-css", f"--ServerApp.tornado_settings={ {'static_custom_path': [str(look)]} }"),
        f"--LabApp.app_settings_dir={look}",
        f"--LabApp.workspaces_dir={tabs}",
        "--LabApp.default_url=/lab/tree/book/index.ipynb",
    ]


def test(arguments: list[str]) -> int:
    """Every stage, even after one has failed, so that one run shows all there is to mend."""
    set_up()
    (REPORTS / "round-off.tsv").unlink(missing_ok=True)
    begun, results = time.monotonic(), {}

    def timed(command: list[str], **options: Any) -> tuple[int, float]:
        start = time.monotonic()
        return run(command, **options), time.monotonic() - start

    def kept(command: list[str]) -> tuple[IO[bytes], tuple[int, float]]:
        output = tempfile.TemporaryFile()
        return output, timed(command, output=output)

    with ThreadPoolExecutor(2) as pool:
        for name, (output, result) in zip(SIDE_BY_SIDE, pool.map(kept, SIDE_BY_SIDE.values()), strict=True):
            print(f"\n== {name}", flush=True)
            with output:
                output.seek(0)
                shutil.copyfileobj(output, sys.stdout.buffer)
            results[name] = result
    for name, command in ALONE.items():
        print(f"\n== {name}", flush=True)
        results[name] = timed(command, notebooks=name in NOTEBOOK_STAGES)
    results["all"] = int(any(failed for failed, _ in results.values())), time.monotonic() - begun
    print("\n== summary")
    for name, (failed, seconds) in results.items():
        print(f"{name:<10} {'FAILED' if failed else 'passed'} {seconds:6.0f} s")
    return results["all"][0]


def test_fast(arguments: list[str]) -> int:
    set_up()
    slow = ("tests/site", "tests/project", "tests/grade", "tests/exercises/test_catalogue.py")
    return run([*PYTEST, "tests", *(part for path in slow for part in ("--ignore", path)), *arguments])


def mutants(arguments: list[str]) -> int:
    set_up()
    return run([str(PYTHON), "tools/mutants.py", *arguments])


def bench(arguments: list[str]) -> int:
    set_up()
    return run([str(PYTHON), "tools/bench.py", *arguments])


def notebooks(arguments: list[str]) -> int:
    set_up()
    executed = run([str(PYTHON), "tools/notebooks.py", *arguments], notebooks=True)
    return executed or run([str(PYTHON), "tools/equations.py"])  # the page that lists what they check


def exercises(arguments: list[str]) -> int:
    set_up()
    return run([str(PYTHON), "tools/exercise_notebooks.py", *arguments], notebooks=True)


def cohort(arguments: list[str]) -> int:
    """The notebooks of a class: cohort NAME FOLDER, and perhaps chapters and further options of the tool."""
    if len(arguments) < 2:
        sys.exit("Name the class and the folder to write to, such as: python run.py cohort 2027 ../class-2027")
    name, folder, *others = arguments
    return exercises([*others, "--cohort", name, "--out", folder])


def autograder(arguments: list[str]) -> int:
    set_up()
    return run([str(PYTHON), "tools/autograder.py", *arguments])


def text(arguments: list[str]) -> int:
    set_up()
    return run([str(PYTHON), "tools/notebooks.py", "--to-text", *arguments], notebooks=True)


def serve(arguments: list[str]) -> int:
    if failed := book([]):
        return failed
    port = int(arguments[0]) if arguments else 8000
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(SITE))
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        print(f"http://127.0.0.1:{port}/ (Ctrl+C ends it)", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            pass
    return 0


def lock(arguments: list[str]) -> int:
    return run([sys.executable, "tools/lock.py"])


def address(arguments: list[str]) -> int:
    return run([sys.executable, "tools/address.py", *arguments]) or notebooks([])  # their first cell holds the address


def check_env(arguments: list[str]) -> int:
    current = STAMP.exists() and STAMP.read_text(encoding="utf-8") == inputs_hash(asked_torch())
    names = ("UNROLLED_CHROMIUM", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
    browser = next(filter(None, map(shutil.which, (os.environ.get(names[0], ""), *names[1:]))), "not on the path")
    print(f"Python {release()}: supported\n.venv: {'up to date' if current else 'to be set up by the next command'}")
    print(f"Chromium: {browser} (the browser tests skip without one)")
    return 0


def clean(arguments: list[str]) -> int:
    """Remove what is made here, and the environment too with `clean all`."""
    for name in ("_build", "build", "reports", "unrolled.egg-info", *([".venv"] if arguments == ["all"] else [])):
        shutil.rmtree(ROOT / name, ignore_errors=True)
    return 0


COMMANDS = {
    "book": (book, "build the book, with warnings as errors"),
    "test": (test, "every check: style, types, tests, the book, its notebooks, the site in a browser"),
    "test-fast": (test_fast, "the quick unit tests only"),
    "mutants": (mutants, "break companion, or solutions, in every way, one at a time: a test must notice [MODULES]"),
    "bench": (bench, "time the layers against PyTorch's, by turns [CELLS] [SHAPES]"),
    "notebooks": (notebooks, "execute book/text/NAME.md into book/NAME.ipynb (default: all); list their equations"),
    "exercises": (exercises, "make the exercises' notebooks from exercises/text/NAME.md (default: all)"),
    "cohort": (cohort, "make the notebooks of a class, with questions of its own: cohort NAME FOLDER [CHAPTER …]"),
    "autograder": (
        autograder,
        "pack a chapter's autograder for Gradescope: autograder CHAPTER [--cohort NAME] [--checks FILE]",
    ),
    "text": (text, "bring edits made in Jupyter back to book/text"),
    "serve": (serve, "build the book and show it on this machine [PORT]"),
    "lab": (lab, "build the book if it changed, copy its notebooks to desk/ and work there in JupyterLab"),
    "desk": (desk, "make these copies only; what you have worked in is kept"),
    "lock": (lock, "refresh constraints.txt"),
    "address": (address, "move the book to another repository: address URL"),
    "check-env": (check_env, "say what this machine has"),
    "clean": (clean, "remove what was built (`clean all`: the environment too)"),
}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="commands:\n" + "\n".join(f"  {name:<12}{what}" for name, (_, what) in COMMANDS.items()),
    )
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="chapters' names, a port or an address")
    options = parser.parse_args(arguments)
    require_python()
    task, _ = COMMANDS[options.command]
    return task(options.arguments)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
