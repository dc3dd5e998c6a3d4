"""The stored runs on the adding problem are whole. For the rest see test_stored_runs.py."""

import numpy as np
import pytest
import stored_checks as checks
import train_long_lags as tool


@pytest.fixture(scope="module")
def stored():
    return checks.read(tool)


def test_runs_are_whole(stored):
    for name, entry in stored["experiments"].items():
        experiment = tool.EXPERIMENTS[name]
        for run in entry["runs"]:
            seen = [sequences for sequences, _ in run["curve"]]
            errors = [error for _, error in run["curve"]]
            assert seen == list(range(0, seen[-1] + 1, tool.EVERY))
            assert all(error >= tool.SOLVED for error in errors[:-1])
            if run["solved"]:
                assert run["solved"] == seen[-1] and errors[-1] < tool.SOLVED and run["overflow"] is None
            elif run["overflow"]:
                assert run["test"] is None and seen[-1] <= run["overflow"] * experiment.batch <= experiment.budget
            else:
                assert seen[-1] == experiment.budget and errors[-1] >= tool.SOLVED
            assert run["test"] is None or np.isfinite(run["test"])
