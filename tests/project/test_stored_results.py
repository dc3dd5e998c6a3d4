"""The stored training results are those that the present code and settings would give."""

import json
from dataclasses import asdict

import numpy as np
import pytest
import train_language_models as tool


@pytest.fixture(scope="module")
def stored():
    return json.loads(tool.RESULTS.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def corpora():
    return {"names": tool.names(), "words": tool.words()}


def test_every_experiment_was_run_with_its_present_settings_and_all_seeds(stored):
    assert {name: result["experiment"] for name, result in stored.items()} == {
        name: asdict(experiment) for name, experiment in tool.EXPERIMENTS.items()
    }
    assert all([done["seed"] for done in result["runs"]] == list(tool.SEEDS) for result in stored.values())


@pytest.mark.parametrize("name", tool.EXPERIMENTS)
def test_the_code_still_learns_what_it_learnt_when_the_results_were_stored(name, stored, corpora):
    now = tool.fingerprint(name, corpora[tool.EXPERIMENTS[name].text])
    assert now == pytest.approx(stored[name]["fingerprint"], abs=2e-6), (
        f"{name}: training no longer gives what it gave when book/data/language_models.json was written; "
        f"if the change is meant, run book/data/train_language_models.py --afresh"
    )


def test_the_runs_differ_by_seed_and_none_is_lost(stored):
    for result in stored.values():
        values = [done["test"] for done in result["runs"]]
        assert len(set(values)) == len(tool.SEEDS)
        assert np.isfinite(values).all()
