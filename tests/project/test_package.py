"""What importing companion brings with it."""

import ast
import graphlib
import re
import subprocess
import sys
from pathlib import Path

import yaml

import companion

COMPANION = Path(__file__).resolve().parents[2] / "companion"
HEAVY = ("matplotlib", "torch", "ipywidgets", "pandas")


def test_importing_companion_needs_numpy_only():
    program = f"import sys, companion; print(*[name for name in {HEAVY} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, encoding="utf-8", check=True)
    assert run.stdout.split() == []


def test_arrows_run_one_way():
    """companion never imports from the book, the exercises, the tests or the tools."""
    for path in COMPANION.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {name.split(".")[0] for name in names} & {"book", "exercises", "tests", "tools"}, path.name


ROOMS = ("core", "rnn", "bptt", "gates", "applications", "page")  # in the order of the book


def imported(path):
    """Modules of companion that a module imports, such as core.walk; those of its own room and of the rooms before."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("companion."):
            name = node.module.removeprefix("companion.")
            within = [f"{name}.{alias.name}" for alias in node.names]
            found |= {full if (COMPANION / f"{full.replace('.', '/')}.py").exists() else name for full in within}
    return found


MODULES = {f"{room}.{path.stem}": imported(path) for room in ROOMS for path in sorted((COMPANION / room).glob("*.py"))}


def test_a_room_imports_from_those_before_it_never_from_one_after():
    for module, others in MODULES.items():
        after = ROOMS[ROOMS.index(module.split(".")[0]) + 1 :]
        assert not {other for other in others if other.split(".")[0] in (*after, "exercises", "grade")}, module
    assert sum(map(len, MODULES.values())) > 100


def test_no_module_imports_itself_by_way_of_others():
    sorter = graphlib.TopologicalSorter(MODULES)
    assert set(sorter.static_order()) >= set(MODULES)  # raises CycleError


def test_the_changelog_and_the_citation_name_the_packages_version_and_one_date():
    changes = (COMPANION.parent / "CHANGELOG.md").read_text(encoding="utf-8")
    citation = yaml.safe_load((COMPANION.parent / "CITATION.cff").read_text(encoding="utf-8"))
    newest = re.search(r"^## (\d+\.\d+\.\d+) - (\d{4}-\d\d-\d\d)$", changes, re.M).groups()
    assert newest == (companion.__version__, citation["date-released"])
    assert citation["version"] == companion.__version__
