"""The stored runs on the adding problem are those that the present code and settings would give."""

import numpy as np
import pytest
import stored_checks as checks
import train_long_lags as tool


@pytest.fixture(scope="module")
def stored():
    return checks.read(tool)


def test_every_experiment_was_run_with_its_present_settings_all_rates_and_seeds(stored):
    checks.settings_are_the_present_ones_with_all_rates_and_seeds(tool, stored)


def test_the_code_is_the_one_that_the_runs_used(stored):
    checks.code_is_the_one_that_the_runs_used(tool, stored)


@pytest.mark.parametrize("name", tool.EXPERIMENTS)
def test_the_code_still_learns_what_it_learnt(name, stored):
    checks.code_still_learns_what_it_learnt(tool, stored, name)


def test_another_fingerprint_is_not_stamped(stored, tmp_path, monkeypatch):
    checks.another_fingerprint_is_not_stamped(tool, stored, tmp_path, monkeypatch)


def test_runs_are_whole_and_the_rate_follows_from_them(stored):
    checks.rates_follow_from_the_runs(tool, stored)
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


def test_the_runs_differ_by_seed(stored):
    checks.runs_differ_by_seed(tool, stored)


def test_the_text_of_the_file_is_what_the_script_writes(stored):
    checks.text_of_the_file_is_what_the_script_writes(tool, stored)
