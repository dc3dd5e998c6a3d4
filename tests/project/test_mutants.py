"""Seeded faults: the operators find what they should and nothing else, and a mutant really meets the tests."""

import json
import os
import shutil
import subprocess
import sys
import textwrap

import pytest
from mutants import MODULES, ROOT, every_mutant, imported, listed, modules_of, sample, stages
from mutation_operators import fields_of, mutants_of


def changes(source, operator):
    return [mutant.change for mutant in mutants_of("m", textwrap.dedent(source)) if mutant.operator == operator]


@pytest.mark.parametrize(
    ("line", "operator", "expected"),
    [
        ("return a + b", "sign", ["a + b → a - b"]),
        ("return a - b", "sign", ["a - b → a + b"]),
        ("return f(-a)", "sign", ["f(-a) → f(a)"]),
        ("a += b", "sign", ["a += b → a -= b"]),
        ("return a + b", "dropped term", ["a + b → a", "a + b → b"]),
        ("return a - b", "dropped term", ["a - b → a", "a - b → -b"]),
        ("return a * b", "dropped term", ["a * b → a", "a * b → b"]),
        ("return a / b", "dropped term", ["a / b → a"]),
        ("return a ** b", "dropped term", ["a ** b → a"]),
        ("a += b", "dropped term", ["a += b → a = b", "a += b → pass"]),
        ("return a.T", "transpose", ["a.T → a"]),
        ("return a @ b.T", "transpose", ["a @ b.T → a.T @ b.T", "b.T → b"]),
        ("return a.swapaxes(0, 1)", "transpose", ["a.swapaxes(0, 1) → a"]),
        ("return np.outer(a, b)", "transpose", ["np.outer(a, b) → np.outer(b, a)"]),
        (
            "return np.einsum('ij,j->i', a, b)",
            "transpose",
            ["np.einsum('ij,j->i', a, b) → np.einsum('ji,j->i', a, b)"],
        ),
        ("return a[0]", "index", ["a[0] → a[-1]", "a[0] → a[1]"]),
        ("return a[1:]", "index", ["a[1:] → a[:-1]"]),
        ("return a[:-1]", "index", ["a[:-1] → a[1:]"]),
        ("return a[b:]", "index", ["a[b:] → a[b - 1:]", "a[b:] → a[b + 1:]"]),
        ("return a[b]", "index", []),  # nothing says that b is a whole number
        ("return a['h']", "index", []),
        (
            "return [a[t - 1] for t in range(b)]",
            "index",
            ["a[t - 1] → a[t - 2]", "a[t - 1] → a[t]", "range(b) → range(b - 1)", "range(b) → range(b + 1)"],
        ),
        ("return reversed(a)", "index", ["reversed(a) → a"]),
        ("return a + b", "swapped name", ["a + b → b + b", "a + b → a + a"]),
        ("return a.shape", "swapped name", []),  # b need not have a shape
        (
            "return a['x'] + a['h']",
            "swapped name",
            ["a['x'] → a['h']", "a['x'] → b['x']", "a['h'] → a['x']", "a['h'] → b['h']"],
        ),
        ("return {'h': 1, 'y': 2}", "swapped name", ["{'h': 1, 'y': 2} → {'y': 1, 'h': 2}"]),
        ("return a['W_xh'] + a['b_h']", "swapped name", ["a['W_xh'] → b['W_xh']", "a['b_h'] → b['b_h']"]),
    ],
)
def test_an_operator_finds_each_place_where_it_applies(line, operator, expected):
    assert changes(f"def f(a, b):\n    {line}\n", operator) == expected


def test_only_names_of_one_kind_are_swapped():
    source = """
        def f(x: Array, w: Arrays, y: Array, n: int):
            m = {}
            for k, v in w.items():
                m[k] = x @ v
            return m, n
    """
    assert changes(source, "swapped name") == ["m[k] → w[k]", "x @ v → y @ v", "x @ v → x @ y", "(m, n) → (w, n)"]


def test_fields_of_one_class_with_one_annotation_are_swapped():
    source = """
        class Adam:
            rate: float
            beta: float
            m: Arrays

            def step(self):
                return self.rate, self.beta, self.m
    """
    assert fields_of([textwrap.dedent(source)]) == {
        "rate": ("rate", "beta"),
        "beta": ("rate", "beta"),
        "m": ("m",),
        "step": (),
    }
    assert changes(source, "swapped name") == ["self.rate → self.beta", "self.beta → self.rate"]


def test_validation_and_messages_are_left_alone():
    source = '''
        def f(a: Union[-1], b=None):
            """a + b"""
            if a + b > 0:
                raise ValueError(f"{a - 1}")
            assert a - b
            a = require_array("a", a + b, (-1, 2))
            a = _checked_input(a - b)

        def require_small(a, b):
            return a + b

        class C:
            def __str__(self):
                return self.a + self.b
    '''
    assert mutants_of("m", textwrap.dedent(source)) == []


def test_an_else_beside_a_refusal_is_not_left_alone():
    source = "def f(a, b):\n    if a > b:\n        raise ValueError\n    else:\n        return a + b\n"
    assert "a + b → a - b" in changes(source, "sign")


def test_a_mutant_is_the_module_with_one_change_and_the_tree_is_as_before():
    source = "def f(a, b):\n    x = a + b\n    return x * b\n"
    mutants = mutants_of("m", source)
    by_change = {mutant.change: mutant.source() for mutant in mutants}
    assert by_change["a + b → a - b"] == "def f(a, b):\n    x = a - b\n    return x * b"
    assert by_change["x * b → b"] == "def f(a, b):\n    x = a + b\n    return b"
    assert len({mutant.source() for mutant in mutants}) == len(mutants)  # each once


def test_an_id_survives_when_lines_move_and_tells_equal_changes_apart():
    source = "def f(t):\n    return t + 1, t + 1\n\n\nclass C:\n    def g(self, t):\n        return t + 1\n"
    ids = [mutant.id for mutant in mutants_of("m", source) if mutant.operator == "sign"]
    assert ids == [
        "m.f | sign | t + 1 → t - 1 | 1",
        "m.f | sign | t + 1 → t - 1 | 2",
        "m.C.g | sign | t + 1 → t - 1 | 1",
    ]
    moved = mutants_of("m", '"""Text."""\n\nimport os  # comment\n\n' + source)
    assert [mutant.id for mutant in moved if mutant.operator == "sign"] == ids


def test_the_sample_is_the_same_each_time_and_takes_from_every_module():
    mutants = every_mutant(ROOT, MODULES)
    drawn = sample(mutants, 24)
    assert list(drawn) == list(sample(dict(reversed(mutants.items())), 24)) and len(drawn) == 24
    assert {mutant.module for mutant in drawn.values()} == set(MODULES)


def test_what_is_listed_exists_and_has_a_reason():
    mutants = every_mutant(ROOT, MODULES)
    for name, entry in listed(ROOT).items():
        assert name in mutants, f"tests/mutants.toml lists a mutant that does not exist now: {name}"
        assert len(entry["reason"]) > 20, name


def test_imports_are_traced_to_the_module_that_defines_the_name():
    names = {"Elman": "rnn.cells", "forward": "core.recurrent"}
    assert imported("from companion import Elman", names) == {"rnn.cells"}
    assert imported("from companion import bptt", names) == {"bptt"}
    assert imported("import companion", names) == {"rnn.cells", "core.recurrent"}
    assert imported("import companion.bptt.rtrl\nimport numpy", names) == {"bptt.rtrl"}
    assert "bptt.equations" in imported("from companion.bptt.equations import bp1", names)
    assert "gates.cells" in imported("from companion.gates import cells", names)


def test_a_mutant_meets_its_own_tests_then_the_others_then_the_notebooks_that_import_the_module():
    own, rest, notebooks = stages(ROOT, "core.functions")
    assert own == ["tests/core/test_functions.py"]
    assert {"tests/core/test_recurrent.py", "tests/rnn/test_language_model.py"} <= set(rest) and own[0] not in rest
    assert "book/unrolling.ipynb" in notebooks and "book/index.ipynb" not in notebooks


def test_two_modules_of_one_name_have_each_their_own_tests():
    own = [stages(ROOT, module)[0] for module in ("rnn.cells", "gates.cells")]
    assert own == [["tests/rnn/test_cells.py"], ["tests/gates/test_cells.py"]]


def test_a_room_means_all_its_modules():
    assert modules_of("gates") == ["gates.cells", "gates.ablation", "gates.convert"]
    assert modules_of("gates.cells") == ["gates.cells"]


TOY = """
def double(x):
    return 2 * x

def same(x):
    return x - 0

def countdown(n):
    while n > 0:
        n = n - 1
    return n

def triple(x):
    return 3 * x
"""
TOY_TEST = """
from companion.core.toy import countdown, double, same

def test_toy():
    assert double(3) == 6 and same(2) == 2 and countdown(2) == 0
"""
TOY_LIST = """
[[mutant]]
id = "core.toy.same | sign | x - 0 → x + 0 | 1"
equivalent = true
reason = "adding nothing is subtracting nothing"

[[mutant]]
id = "core.toy.double | dropped term | 2 * x → x | 1"
reason = "a wrong claim"

[[mutant]]
id = "core.toy.gone | sign | a → b | 1"
reason = "an old claim"
"""


def test_mutants_are_killed_by_tests_and_notebooks_and_hang_and_survive(tmp_path):
    for folder in ("companion/core", "tests/core", "book"):
        (tmp_path / folder).mkdir(parents=True)
    cell = {"cell_type": "code", "execution_count": 1, "id": "a", "metadata": {}, "outputs": []}
    cell["source"] = "from companion.core.toy import triple\nassert triple(2) == 6"
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    notebook = {"cells": [cell], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
    for path, text in {
        "companion/__init__.py": "",
        "companion/core/__init__.py": "",
        "companion/core/toy.py": TOY,
        "tests/core/test_toy.py": TOY_TEST,
        "tests/mutants.toml": TOY_LIST,
        "book/toy.ipynb": json.dumps(notebook),
        "pyproject.toml": "",
    }.items():
        (tmp_path / path).write_text(text, encoding="utf-8")
    shutil.copy(ROOT / "tests" / "nbval_sanitize.cfg", tmp_path / "tests")

    script = "from mutants import *; sys.exit(main(sys.argv[2:], Path(sys.argv[1])))"
    command = [sys.executable, "-c", script, str(tmp_path), "core.toy", "--patience", "1", "--workers", "1"]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "tools")}
    done = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", check=False)
    said = done.stdout
    assert done.returncode == 1, said + done.stderr
    rows = (tmp_path / "reports" / "mutants.tsv").read_text(encoding="utf-8").splitlines()
    verdicts = {
        name.partition(" | ")[2][:-4]: (verdict, by) for verdict, _, name, by in (row.split("\t") for row in rows)
    }
    test, page = "tests/core/test_toy.py::test_toy AssertionError", "book/toy.ipynb::Cell 0 NbCellError"
    assert verdicts == {
        "dropped term | 2 * x → 2": ("killed", test),
        "dropped term | 2 * x → x": ("killed", test),
        "sign | x - 0 → x + 0": ("survived", ""),
        "dropped term | x - 0 → x": ("survived", ""),
        "dropped term | x - 0 → -0": ("killed", test),
        "sign | n - 1 → n + 1": ("hung", ""),
        "dropped term | n - 1 → n": ("hung", ""),
        "dropped term | n - 1 → -1": ("killed", test),
        "dropped term | 3 * x → 3": ("killed", page),
        "dropped term | 3 * x → x": ("killed", page),
    }
    assert "survived and not listed in tests/mutants.toml: core.toy.same | dropped term | x - 0 → x | 1" in said
    assert f"but killed by {test}: core.toy.double | dropped term | 2 * x → x | 1" in said
    assert "but there is no such mutant now: core.toy.gone | sign | a → b | 1" in said
    assert said.splitlines()[-2] == "6 gave something wrong, 2 could not go on or hung"
    assert said.splitlines()[-1].startswith("80.0% killed, 95% required")
    assert (tmp_path / "companion" / "core" / "toy.py").read_text(encoding="utf-8") == TOY  # only copies were changed
