"""Stored runs of training are those that the present code and settings give, for every script that stores some."""

import pytest
import stored_checks as checks
import train_applications
import train_gates
import train_long_lags
import train_one_writer
import train_published
import train_translators
import train_writers

TOOLS = (
    train_long_lags,
    train_published,
    train_gates,
    train_applications,
    train_one_writer,
    train_writers,
    train_translators,
)


@pytest.fixture(scope="module", params=TOOLS, ids=lambda tool: tool.__name__)
def tool(request):
    return request.param


@pytest.fixture(scope="module")
def stored(tool):
    return checks.read(tool)


def test_every_experiment_was_run_with_its_present_settings_all_rates_and_seeds(tool, stored):
    checks.settings_are_the_present_ones_with_all_rates_and_seeds(tool, stored)


def test_the_code_is_the_one_that_the_runs_used(tool, stored):
    checks.code_is_the_one_that_the_runs_used(tool, stored)


EACH = [pytest.param(tool, name, id=f"{tool.__name__}: {name}") for tool in TOOLS for name in tool.EXPERIMENTS]


@pytest.mark.parametrize(("script", "name"), EACH)
def test_the_code_still_learns_what_it_learnt(script, name):
    checks.code_still_learns_what_it_learnt(script, checks.read(script), name)


def test_another_fingerprint_is_not_stamped(tool, stored, tmp_path, monkeypatch):
    checks.another_fingerprint_is_not_stamped(tool, stored, tmp_path, monkeypatch)


def test_the_rate_follows_from_the_runs(tool, stored):
    checks.rates_follow_from_the_runs(tool, stored)


def test_the_runs_differ_by_seed(tool, stored):
    checks.runs_differ_by_seed(tool, stored)


def test_the_text_of_the_file_is_what_the_script_writes(tool, stored):
    checks.text_of_the_file_is_what_the_script_writes(tool, stored)
