"""A wrong sign in companion turns a chapter red: shown on a copy, on every run of the tests."""

import ast
import os
import shutil
import subprocess
import sys

import pytest
from notebooks import ROOT

CHAPTER = "unrolling"


class WrongSign(ast.NodeTransformer):
    """h_t = tanh(… − W_hh h_{t-1} …) in the step of Elman's network."""

    def __init__(self):
        self.changed = []

    def visit_ClassDef(self, node):
        for method in node.body:
            if node.name == "Elman" and isinstance(method, ast.FunctionDef) and method.name == "step":
                self.generic_visit(method)
        return node

    def visit_BinOp(self, node):
        self.generic_visit(node)
        if isinstance(node.op, ast.Add) and "W_hh" in ast.unparse(node.right):
            before = ast.unparse(node)
            node.op = ast.Sub()
            self.changed.append((before, ast.unparse(node)))
        return node


@pytest.fixture
def copy_of_the_book(tmp_path):
    shutil.copytree(ROOT / "companion", tmp_path / "companion", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "book").mkdir()
    shutil.copy(ROOT / "book" / f"{CHAPTER}.ipynb", tmp_path / "book")
    if (ROOT / "book" / "data").is_dir():
        shutil.copytree(ROOT / "book" / "data", tmp_path / "book" / "data")
    shutil.copy(ROOT / "tests" / "nbval_sanitize.cfg", tmp_path)
    return tmp_path


def nbval(directory):
    left_out = ("MPLBACKEND", "UNROLLED_REPORT", "PYTEST_ADDOPTS")  # the kernel draws with its own backend
    environment = {name: value for name, value in os.environ.items() if name not in left_out}
    environment = {name: value for name, value in environment.items() if not name.startswith("PYTEST_XDIST")}
    environment |= {"PYTHONPATH": str(directory), "PYTHONUTF8": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--tb=no", "-rA"]
    command += ["--nbval", "--nbval-current-env", "--nbval-cell-timeout", "120"]
    command += ["--nbval-sanitize-with", "nbval_sanitize.cfg", f"book/{CHAPTER}.ipynb"]
    done = subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, text=True, encoding="utf-8", check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_a_wrong_sign_in_the_recurrence_turns_its_chapter_red(copy_of_the_book):
    code, report = nbval(copy_of_the_book)
    assert code == 0, f"the unchanged copy should pass\n{report}"

    path = copy_of_the_book / "companion" / "cells.py"
    tree, wrong = ast.parse(path.read_text(encoding="utf-8")), WrongSign()
    path.write_text(ast.unparse(wrong.visit(tree)), encoding="utf-8")
    assert len(wrong.changed) == 1, f"expected one recurrent term in Elman.step, found {wrong.changed}"

    code, report = nbval(copy_of_the_book)
    assert code == 1, f"a wrong sign should fail as tests do, not by an error of pytest ({code})\n{report}"
    assert "failed" in report
