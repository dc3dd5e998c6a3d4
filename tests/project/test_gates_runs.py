"""The stored runs with gates taken away are whole, and compare like with like. For the rest see test_stored_runs.py."""

import numpy as np
import pytest
import stored_checks as checks
import train_gates as tool

from companion.core.cell import weight_shapes
from companion.core.networks import readout_shapes
from companion.gates.agreement import Agreement


@pytest.fixture(scope="module")
def stored():
    return checks.read(tool)


def test_runs_are_whole(stored):
    for name, entry in stored["experiments"].items():
        experiment = tool.EXPERIMENTS[name]
        every = experiment.budget // tool.CHECKS
        for run in entry["runs"]:
            seen = [look[0] for look in run["curve"]]
            assert seen == list(range(0, seen[-1] + 1, every))
            assert {len(look) for look in run["curve"]} == {3 if experiment.task == "agreement" else 2}
            if run["overflow"]:
                assert run["test"] is None and "accuracy" not in run
                assert seen[-1] <= run["overflow"] * experiment.batch <= experiment.budget
            else:
                assert seen[-1] == experiment.budget and np.isfinite(run["test"])
            if experiment.task == "agreement" and not run["overflow"]:
                assert len(run["accuracy"]) == len(tool.DISTANCES)
                answers = np.array(run["accuracy"]) * 2 * tool.PAIRS
                np.testing.assert_allclose(answers, np.round(2 * answers) / 2, atol=0.02)  # equal ones count half


def test_the_networks_that_are_compared_on_agreement_have_equally_many_weights():
    task = Agreement(0, 12)

    def weights(name):
        experiment = tool.EXPERIMENTS[f"agreement, {name}"]
        cell = tool.CELLS[experiment.cell](task.inputs, experiment.hidden)
        shapes = weight_shapes(cell) | readout_shapes(experiment.hidden, task.outputs)
        return sum(int(np.prod(shape)) for shape in shapes.values())

    assert [weights(name) / weights("NP") for name in ("Elman", "GRU")] == pytest.approx([1, 1], abs=0.02)


@pytest.mark.parametrize("task", ["agreement", "adding"])
def test_all_variants_of_the_lstm_have_one_size_and_one_budget(task):
    variants = [tool.EXPERIMENTS[f"{task}, {name}"] for name in tool.VARIANTS]
    assert [experiment.cell for experiment in variants] == list(tool.VARIANTS)
    assert len({(e.hidden, e.budget, e.batch, e.rates, e.length) for e in variants}) == 1
