"""The stored runs on the adding problem are those that the present code and settings would give."""

import json
from dataclasses import replace

import numpy as np
import pytest
import stored_runs
import train_long_lags as tool

RUNS = tool.RUNS


@pytest.fixture(scope="module")
def stored():
    return json.loads(tool.RESULTS.read_text(encoding="utf-8"))


def test_every_experiment_was_run_with_its_present_settings_all_rates_and_seeds(stored):
    assert {name: entry["experiment"] for name, entry in stored["experiments"].items()} == {
        name: stored_runs.described(experiment) for name, experiment in tool.EXPERIMENTS.items()
    }
    assert [name for name in tool.EXPERIMENTS if RUNS.missing(stored, name)] == []
    assert stored["common"] == dict(RUNS.common)
    assert len(tool.SEEDS) >= 3


def test_the_code_is_the_one_that_the_runs_used(stored):
    assert stored["code"] == RUNS.code(), (
        "a definition that the runs use was changed after they were stored: if it still computes the same, "
        "tools/train_long_lags.py --stamp says so; else run it with --afresh"
    )


@pytest.mark.parametrize("name", tool.EXPERIMENTS)
def test_the_code_still_learns_what_it_learnt(name, stored):
    one = {"experiments": {name: stored["experiments"][name]}}
    assert RUNS.changed(one) == [], f"{name}: training gives something else now; run with --afresh"


def test_another_fingerprint_is_not_stamped(stored, tmp_path, monkeypatch):
    name, entry = next(iter(stored["experiments"].items()))
    other = [value * 1.001 for value in entry["fingerprint"]]
    path = tmp_path / "long_lags.json"
    monkeypatch.setattr(stored_runs.Runs, "code", lambda self: "the new hash")
    runs = replace(RUNS, results=path)
    for fingerprint, stamped in ((other, False), (entry["fingerprint"], True)):
        one = stored | {"experiments": {name: entry | {"fingerprint": fingerprint}}}
        path.write_text(stored_runs.to_text(one), encoding="utf-8")
        if stamped:
            runs.stamp()
        else:
            with pytest.raises(SystemExit, match="not stamped, these must be trained again: " + name):
                runs.stamp()
        assert (json.loads(path.read_text(encoding="utf-8"))["code"] == "the new hash") == stamped


def test_runs_are_whole_and_the_rate_follows_from_them(stored):
    for name, entry in stored["experiments"].items():
        experiment = tool.EXPERIMENTS[name]
        assert entry["rate"] == RUNS.chosen_rate(experiment, entry["runs"]) in experiment.rates
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
    for entry in stored["experiments"].values():
        for rate in entry["experiment"]["rates"]:
            curves = [str(run["curve"]) for run in entry["runs"] if run["rate"] == rate]
            assert len(set(curves)) == len(tool.SEEDS)


def test_the_text_of_the_file_is_what_the_script_writes(stored):
    assert tool.RESULTS.read_text(encoding="utf-8") == stored_runs.to_text(stored)
