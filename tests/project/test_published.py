"""The stored runs on published tasks are whole, and say what they are said to."""

import numpy as np
import pytest
import stored_checks as checks
import train_published as tool


@pytest.fixture(scope="module")
def stored():
    return checks.read(tool)


def test_a_run_ends_when_it_has_solved_its_task_or_spent_its_budget(stored):
    for name, entry in stored["experiments"].items():
        experiment = tool.EXPERIMENTS[name]
        solved = tool.JUDGES[experiment.task].solved
        for run in entry["runs"]:
            seen, measures = np.array(run["curve"]).T
            assert seen.tolist() == list(range(0, int(seen[-1]) + 1, experiment.every)), name
            first = next((int(n) for n, measure in run["curve"] if solved(measure)), None)
            assert run["solved"] == first, name
            assert seen[-1] == (first if first and experiment.stop else experiment.budget), name
            assert not run["overflow"] and np.isfinite([run["test"], run["loss"]]).all(), name


def test_what_solved_its_task_did_so_on_other_sequences_too(stored):
    """The test sequences are others than those that ended the training; a solved task stays nearly solved there."""
    for name, entry in stored["experiments"].items():
        for run in entry["runs"]:
            if run["solved"] and tool.EXPERIMENTS[name].task != "counting":
                assert run["test"] < 0.011, name


def test_an_error_counts_answers_and_not_batches():
    """Three quarters of the answers are wrong when one class is always given, whatever the batches."""
    task = tool.TASKS["order"](0)
    cell = tool.CELLS["LSTM"](task.inputs, 3)
    rng = np.random.default_rng(0)
    weights = tool.network_weights(cell, task, rng)
    always_first = weights | {"W_hy": np.zeros_like(weights["W_hy"]), "b_y": np.array([1.0, 0, 0, 0])}
    assert 0.70 < tool.wrong(task, cell, always_first, 0, 400) < 0.80


def test_the_gates_start_where_the_experiment_says():
    task = tool.TASKS["order"](0)
    for name, expected in (("order, forget 1", lambda b: (b == 1).all()), ("order, chrono", lambda b: b.max() > 3)):
        experiment = tool.EXPERIMENTS[name]
        cell = tool.CELLS[experiment.cell](task.inputs, experiment.hidden)
        rng = np.random.default_rng(0)
        assert expected(tool.started_as(experiment, tool.network_weights(cell, task, rng), rng)["b_f"])
