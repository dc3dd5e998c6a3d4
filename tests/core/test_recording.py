"""A recorded computation, run again, is the computation."""

import numpy as np
import pytest

from companion.core.functions import sigmoid, softmax
from companion.core.recording import NotRecordable, Operation, Rows, record, run, with_operands, written_to


def again(equations, inputs, steps=3):
    """Record equations on arrays of zeros, run them on the rows of the inputs; returns the results' rows."""
    examples = {name: np.zeros_like(rows[0]) for name, rows in inputs.items()}
    log, results = record(equations, examples)
    shapes = {name: getattr(value, "shape", None) for name, value in results.items()}
    outs = {name: np.full((steps, *shape), np.nan) for name, shape in shapes.items()}
    targets = {name: Rows(out) for name, out in outs.items()}
    places = {id(array): Rows(inputs[name]) for name, array in examples.items()}
    run(with_operands(written_to(log, results, targets), places), steps)
    return outs


W = np.random.default_rng(0).normal(size=(4, 4))


@pytest.mark.parametrize(
    "equations",
    [
        lambda v: {"y": v["a"] * v["b"] - 3 / v["a"]},
        lambda v: {"y": np.tanh(v["a"]), "z": sigmoid(v["b"]) ** 2},
        lambda v: {"y": (v["a"] @ W.T) * W[0] + 1},
        lambda v: {"y": np.maximum(v["a"], 0.5), "z": -v["b"]},
        lambda v: {
            "y": np.add.reduce(v["a"], axis=-1, keepdims=True) / np.maximum.reduce(v["b"], axis=-1, keepdims=True)
        },
        lambda v: {"y": v["a"], "z": v["b"]},  # handed on as they are
        lambda v: (lambda s: {"y": s, "z": s})(v["a"] + v["b"]),  # one result under two names
        lambda v: (lambda s: {"y": s, "z": s * s})(v["a"] + v["b"]),  # a result that another one needs
    ],
)
def test_run_again_it_gives_the_same(equations):
    rng = np.random.default_rng(1)
    inputs = {name: rng.uniform(1, 2, (3, 2, 4)) for name in "ab"}
    found = again(equations, inputs)
    for step in range(3):
        for name, value in equations({name: rows[step] for name, rows in inputs.items()}).items():
            np.testing.assert_array_equal(found[name][step], value)


@pytest.mark.parametrize(
    ("equations", "copies"),
    [
        (lambda v: {"y": v["a"] + v["b"], "z": v["a"] * v["b"]}, 0),
        (lambda v: {"y": v["a"], "z": v["a"] + v["b"]}, 1),  # an argument handed on
        (lambda v: (lambda s: {"x": s, "y": s, "z": s})(v["a"] + v["b"]), 2),  # one result under three names
    ],
)
def test_a_result_is_computed_into_its_place_and_nothing_else_is_copied(equations, copies):
    log, results = record(equations, {name: np.zeros(3) for name in "ab"})
    targets = {name: np.empty(3) for name in results}
    placed = written_to(log, results, targets)
    assert len(placed) == len(log) + copies
    assert {id(operation.out) for operation in placed} == set(map(id, targets.values()))


@pytest.mark.parametrize(
    ("equations", "message"),
    [
        (lambda v: {"y": np.where(v["a"] > 0, 1, 0)}, "where is no ufunc"),
        (lambda v: {"y": np.array(v["a"])}, "no values to copy"),
        (lambda v: {"y": v["a"].sum()}, "sum"),
        (lambda v: {"y": np.add(v["a"], 1, out=np.zeros((2, 4)))}, "add: equations make new arrays"),
        (lambda v: {"y": softmax(v["a"])}, "no values to copy"),  # it accepts lists; the activation SOFTMAX does not
        (lambda v: {"y": v["a"][0]}, "subscriptable"),
    ],
)
def test_what_leaves_no_record_is_refused(equations, message):
    with pytest.raises(NotRecordable, match=message):
        record(equations, {"a": np.zeros((2, 4))})


def test_each_row_is_used_once_and_none_is_left():
    out = np.zeros((2, 3))
    with pytest.raises(ValueError, match="zip"):
        run([Operation(np.positive, (Rows(np.ones((3, 3))),), Rows(out))], 2)
