"""The mutation tool: what is listed, what it misses, what it prints, and that a mutant really meets the tests."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib

import pytest
from companion_mutants import BROKEN, every_mutant, imported, modules_of, stages
from mutants import LISTED, ROOT, Same, gaps, judgement, listed, sample, stale, summary, table
from mutation import ENDLESS, ERROR, SURVIVED, WRONG, Mutant, Outcome

KINDS = {"said nonsense": (WRONG,), "stopped": (ERROR, ENDLESS)}


def outcome(name, verdict=SURVIVED, question="", operator="sign"):
    """Of a mutant of the function core.toy.NAME."""
    return Outcome(
        Mutant("core.toy", f"core.toy.{name}", operator, "a → b", 1, str, question), verdict, f"a test\n{name}"
    )


def same(name, question="always"):
    return Same(question, "so", outcome(name).mutant.id)


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


# --- what is known to compute the same -------------------------------------------------------------------------------


def test_what_survives_must_be_listed_for_its_question():
    found = outcome("f", question="the book's")
    assert gaps([found], []) == gaps([found], [same("g")]) == gaps([found], [same("f", "all changed")]) == [found]
    assert gaps([found], [same("f")]) == gaps([found], [same("f", "the book's")]) == []
    assert gaps([outcome("f", WRONG), outcome("f", ENDLESS)], []) == []


def test_what_is_listed_must_exist_and_survive_in_every_question_that_has_it():
    found = [outcome("f", SURVIVED, "the book's"), outcome("f", WRONG, "all changed")]
    mutants = [each.mutant for each in found]
    assert stale([same("f")], mutants, found) == {same("f"): "noticed by a test"}
    assert stale([same("f", "the book's")], mutants, found) == {}
    assert stale([same("f", "the book's")], mutants[1:], found[1:]) == {
        same("f", "the book's"): "there is no such mutant now"
    }
    assert stale([same("f")], mutants, [outcome("f", ENDLESS)]) == {}  # a busy machine


def test_what_is_listed_exists_has_a_reason_and_stands_there_once():
    known = listed(ROOT, BROKEN)
    assert known and stale(known, every_mutant(ROOT, BROKEN), []) == {}
    whole = listed(ROOT, [*BROKEN, "solutions"])
    assert len({(entry.id, entry.question) for entry in whole}) == len(whole)
    assert [entry for entry in whole if not entry.reason] == []
    with (ROOT / LISTED).open("rb") as file:
        assert len(whole) == sum(len(ids) for section in tomllib.load(file).values() for ids in section.values())


def test_only_what_is_named_is_looked_up():
    of = {entry.id.split(".")[1] for entry in listed(ROOT, ["bptt.dynamics", "solutions.clip-norm"])}
    assert of == {"dynamics", "clip-norm"}


def test_all_that_survive_are_listed_and_of_a_room_they_are_few():
    found = [outcome(f"f{number}", WRONG) for number in range(19)] + [outcome("f19")]
    mutants, one = [each.mutant for each in found], same("f19")
    assert judgement(["core"], [one], mutants, found) == 0
    assert judgement(["core"], [], mutants, found) == 1
    assert judgement(["core"], [one, same("gone")], mutants, found) == 1
    assert judgement(["core"], [one], mutants[1:], found[1:]) == 1  # 94.7 %
    assert judgement(["core.toy"], [one], mutants[1:], found[1:]) == 0


# --- what is printed -------------------------------------------------------------------------------------------------


def test_the_table_and_the_sentence_count_what_is_the_same_apart():
    found = [outcome("f"), outcome("g"), *(outcome("h", verdict, operator="index") for verdict in (WRONG, ENDLESS))]
    heads, *rows = table(found, [same("f")], KINDS).splitlines()
    assert heads.split() == ["mutants", "wrong", "error", "endless", "survived", "same", "noticed", "without", "same"]
    assert [row.split() for row in rows] == [
        ["core.toy", *"410111", "50.0%", "66.7%"],
        ["sign", *"200011", "0.0%", "0.0%"],
        ["index", *"210100", "100.0%", "100.0%"],
        ["all", *"410111", "50.0%", "66.7%"],
    ]
    text = summary(found, [same("f")], KINDS)
    assert text == "of 3 that do not compute the same 2 were noticed: 1 (33.3%) said nonsense, 1 (33.3%) stopped"


def test_the_sample_is_the_same_each_time_and_takes_from_every_module():
    mutants = every_mutant(ROOT, BROKEN)
    drawn = sample(mutants, 36)
    assert drawn == sample(reversed(mutants), 36) and len(drawn) == 36
    assert {mutant.module for mutant in drawn} == {mutant.module for mutant in mutants}


# --- companion's ------------------------------------------------------------------------------------------------------


def test_imports_are_traced_to_the_module_that_defines_the_name():
    names = {"Elman": "rnn.cells", "forward": "core.recurrent"}
    assert imported("from companion import Elman", names) == {"rnn.cells"}
    assert imported("from companion import bptt", names) == {"bptt"}
    assert imported("import companion", names) == {"rnn.cells", "core.recurrent"}
    assert imported("import companion.bptt.rtrl\nimport numpy", names) == {"bptt.rtrl"}
    assert "bptt.equations" in imported("from companion.bptt.equations import bp1", names)
    assert "gates.cells" in imported("from companion.gates import cells", names)


def test_a_mutant_meets_its_own_tests_then_the_others_then_the_notebooks_that_import_the_module():
    own, rest, notebooks = stages(ROOT, ["core.functions"])["core.functions"]
    assert own == ["tests/core/test_functions.py"]
    assert {"tests/core/test_recurrent.py", "tests/rnn/test_language_model.py"} <= set(rest) and own[0] not in rest
    assert "book/unrolling.ipynb" in notebooks and "book/index.ipynb" not in notebooks


def test_two_modules_of_one_name_have_each_their_own_tests(tmp_path):
    for path in ("companion/__init__.py", "companion/gates/cells.py", "companion/rnn/cells.py"):
        write(tmp_path / path, "")
    for path in ("tests/gates/test_cells.py", "tests/rnn/test_cells.py"):
        write(tmp_path / path, "from companion.gates.cells import GRU\nfrom companion.rnn import cells")
    assert stages(tmp_path, ["gates.cells", "rnn.cells"]) == {
        "gates.cells": (["tests/gates/test_cells.py"], ["tests/rnn/test_cells.py"], []),
        "rnn.cells": (["tests/rnn/test_cells.py"], ["tests/gates/test_cells.py"], []),
    }


def test_a_room_means_all_its_modules():
    assert modules_of(ROOT, "gates") == ["gates.cells", "gates.ablation", "gates.convert"]
    assert modules_of(ROOT, "gates.cells") == ["gates.cells"]
    with pytest.raises(
        SystemExit, match=r"NAME: expected one of core, rnn, bptt, gates, applications, or a module .* got cells"
    ):
        modules_of(ROOT, "cells")


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
[always]
"adding nothing is subtracting nothing" = ["core.toy.same | sign | x - 0 → x + 0 | 1"]
"a wrong claim" = ["core.toy.double | dropped term | 2 * x → x | 1"]
"an old claim" = ["core.toy.gone | sign | a → b | 1"]
"""


def test_mutants_are_noticed_by_tests_and_notebooks_and_hang_and_survive(tmp_path):
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
        write(tmp_path / path, text)
    shutil.copy(ROOT / "tests" / "nbval_sanitize.cfg", tmp_path / "tests")

    script = "from mutants import *; sys.exit(main(sys.argv[2:], Path(sys.argv[1])))"
    options = ["--patience", "1", "--workers", "1", "--show", "all"]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "tools")}
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path), "core.toy", *options],
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    said = done.stdout
    assert done.returncode == 1, said + done.stderr
    shown = re.findall(r"core.toy.\w+ \| (.*) \| 1    \[(.*)\]\n(.*)\n", said)
    test, page = "tests/core/test_toy.py::test_toy AssertionError", "book/toy.ipynb::Cell 0 NbCellError"
    assert {change: (verdict, by) for change, verdict, by in shown} == {
        "dropped term | 2 * x → 2": ("wrong", test),
        "dropped term | 2 * x → x": ("wrong", test),
        "sign | x - 0 → x + 0": ("same", ""),
        "dropped term | x - 0 → x": ("survived", ""),
        "dropped term | x - 0 → -0": ("wrong", test),
        "sign | n - 1 → n + 1": ("endless", ""),
        "dropped term | n - 1 → n": ("endless", ""),
        "dropped term | n - 1 → -1": ("wrong", test),
        "dropped term | 3 * x → 3": ("wrong", page),
        "dropped term | 3 * x → x": ("wrong", page),
    }
    assert "survived and not listed in tests/mutants.toml: core.toy.same | dropped term | x - 0 → x | 1" in said
    assert f"but noticed by {test}: core.toy.double | dropped term | 2 * x → x | 1 (always)" in said
    assert "but there is no such mutant now: core.toy.gone | sign | a → b | 1 (always)" in said
    assert "80.0% of all were noticed, 95% of a room required" in said
    assert "6 (66.7%) gave something wrong, 2 (22.2%) could not go on or hung" in said.splitlines()[-1]
    assert (tmp_path / "companion" / "core" / "toy.py").read_text(encoding="utf-8") == TOY  # only copies were changed
