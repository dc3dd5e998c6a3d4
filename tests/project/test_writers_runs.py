"""The stored runs of writers and translators are whole, and stored weights are those of their runs."""

import numpy as np
import pytest
import stored_checks as checks
import train_one_writer
import train_translators
import train_writers

from companion.applications.writing import write
from companion.gates.cells import LSTM
from companion.page.packed import unpacked
from companion.rnn import measures
from companion.rnn.language_model import RecurrentLanguageModel, shapes


@pytest.fixture(scope="module")
def names():
    return train_one_writer._names()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_stored_weights_are_those_of_the_run(names, seed):
    """Half precision moves the development cross-entropy in the fourth digit, and names written hardly."""
    run = checks.read(train_one_writer)["experiments"]["names"]["runs"][seed]
    cell = LSTM(27, train_one_writer.EXPERIMENTS["names"].hidden)
    model = RecurrentLanguageModel(cell, unpacked(run["8000"]["weights"], shapes(cell)))
    assert abs(measures.cross_entropy(model, names.development[::8]) - run["curve"][-1]) < 2e-3
    some = write(model, model.begin(6), np.random.default_rng(seed), most=25)
    spelt = ["".join(names.vocabulary.decode(name[:-1])) for name in some]
    assert sum(ours == stored for ours, stored in zip(spelt, run["8000"]["written"], strict=True)) >= 3


def test_runs_of_writers_are_whole():
    for name, entry in checks.read(train_writers)["experiments"].items():
        of_names = name.startswith("names")
        for run in entry["runs"]:
            assert [look["step"] for look in run["best"]] == (list(train_writers.LOOKS) if of_names else [])
            assert set(run["scores"]) == ({"test"} if of_names else {"test", "test carried"})
            assert min(run["scores"].values()) > 1
            for written in run["writes"].values():
                shares = {"known", "different"} if of_names else set()
                assert all(0 <= written[share] <= 1 for share in shares)
            for look in run["best"]:
                assert (look["exact"] == "") == (abs(np.log(look["empty"]) - look["log p"]) < 0.01)


def test_runs_of_translators_are_whole():
    for name, entry in checks.read(train_translators)["experiments"].items():
        for run in entry["runs"]:
            assert set(run["scores"]) == {"exact", "training", "BLEU"}
            assert all(0 <= score <= 1 for score in run["scores"].values())
            counted = sum(number for number, _ in run["by length"].values())
            right = sum(number * share for number, share in run["by length"].values()) / counted
            assert abs(right - run["scores"]["exact"]) < 1e-3
            assert run["cpu_seconds"] < 250
            if name.startswith("numbers"):
                for width in map(str, train_translators.WIDTHS):
                    found = run["search"][width]
                    assert found["wrong"] == round((1 - found["exact"]) * 300) >= found["search errors"]


def test_a_small_run_keeps_its_losses():
    done = train_translators.run(train_translators.EXPERIMENTS["menus"], 3e-3, 0, most=12)
    assert set(done) == {"rate", "seed", "cpu_seconds", "curve"}
