"""The hash of stored results: it follows what the code uses, and only that."""

import ast

import pytest
import reached as tool
import train_long_lags

SOURCE = '''"""A script."""
from companion.core.optimisers import clip_by_norm
from companion.bptt.long_lags import AddingProblem as Task

LIMIT: float = 2.0
UNUSED = 3.0


def run(gradients):
    """Doc."""
    return helper(clip_by_norm(gradients, LIMIT))  # a comment


def helper(x):
    return Task(x)


def apart():
    return UNUSED
'''


@pytest.fixture
def digest(tmp_path):
    def of(source, *names):
        path = tmp_path / f"script{len(list(tmp_path.iterdir()))}" / "script.py"
        path.parent.mkdir()
        path.write_text(source, encoding="utf-8")
        return tool.digest(path, *(names or ("run",)))

    return of


def test_it_reaches_what_is_used_directly_and_through_others(tmp_path):
    path = tmp_path / "script.py"
    path.write_text(SOURCE, encoding="utf-8")
    found = set(tool.reached(path, "run"))
    assert {("script", "run"), ("script", "helper"), ("script", "LIMIT")} <= found
    assert {
        ("core.optimisers", "clip_by_norm"),
        ("core.optimisers", "norm"),
        ("bptt.long_lags", "AddingProblem"),
    } <= found
    assert {("core.networks", "MANY_TO_ONE"), ("core.networks", "Arity"), ("core.validation", "require_size")} <= found
    assert (
        not {("script", "apart"), ("script", "UNUSED"), ("core.optimisers", "Adam"), ("bptt.long_lags", "CopyMemory")}
        & found
    )
    with pytest.raises(ValueError, match=r"names: expected one defined in script.py, got walk"):
        tool.reached(path, "walk")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# a comment", "# another comment"),
        ('"""Doc."""', '"""Other words."""'),
        ('"""A script."""', ""),
        ("UNUSED = 3.0", "UNUSED = 4.0"),
        ("return helper(", "return  helper( "),
    ],
)
def test_words_and_what_is_not_used_change_nothing(digest, old, new):
    assert old in SOURCE
    assert digest(SOURCE.replace(old, new)) == digest(SOURCE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("2.0", "2.5"),
        ("return Task(x)", "return Task(-x)"),
        ("import clip_by_norm", "import clip_by_value as clip_by_norm"),
        ("def helper(x)", "def helper(x, y=0)"),
    ],
)
def test_what_is_used_changes_the_hash(digest, old, new):
    assert old in SOURCE
    assert digest(SOURCE.replace(old, new)) != digest(SOURCE)


def test_the_hash_of_the_long_runs_covers_the_whole_core():
    found = set(tool.reached(train_long_lags.Path(train_long_lags.__file__), "run"))
    expected = {
        "core.recurrent": ["forward", "backward"],
        "core.walk": ["forward", "deltas", "SLOPES"],
        "core.order": ["order", "Order"],
        "core.layers": ["forward_stack", "backward_stack"],
        "rnn.cells": ["Elman"],
        "bptt.skip_elman": ["SkipElman"],
        "core.networks": ["loss_and_gradients", "readout", "readout_gradients"],
        "core.optimisers": ["Adam", "clip_by_norm", "norm"],
        "core.functions": ["squared_error", "TANH", "RELU"],
        "bptt.long_lags": ["AddingProblem"],
        "bptt.initialisation": ["identity", "orthogonal"],
        "bptt.training": ["training", "mean_gradients", "network_weights"],
    }
    assert {(module, name) for module, names in expected.items() for name in names} <= found


def test_a_docstring_is_dropped_and_a_text_that_is_none_is_kept():
    def dump(source):
        return tool.normal(ast.parse(source).body[0])

    assert dump('def f():\n    """Doc."""\n    return "a"') == dump('def f():\n    return "a"')
    assert dump('def f():\n    return "a"') != dump('def f():\n    return "b"')
    assert dump("def f(): return 0") != dump("def f(): return None")
    assert dump("x = 0") != dump("x = False")
