"""The stored runs of the applications are whole. For the rest see test_stored_runs.py."""

import pytest
import stored_checks as checks
import train_applications as tool


@pytest.fixture(scope="module")
def stored():
    return checks.read(tool)


def test_runs_are_whole_and_of_five_seeds(stored):
    assert set(stored["experiments"]) == set(tool.EXPERIMENTS)
    for name, entry in stored["experiments"].items():
        experiment = tool.EXPERIMENTS[name]
        of_sentences = experiment.head in ("last", "ends", "mean", "max")
        assert [run["seed"] for run in entry["runs"]] == [0, 1, 2, 3, 4]
        for run in entry["runs"]:
            assert len(run["curve"]) == experiment.epochs and run["curve"][-1] < run["curve"][0]
            wanted = (
                {"accuracy"} if of_sentences else {"words", "unseen", "precision", "recall", "F1", "sentences", "odd"}
            )
            assert set(run["scores"]) == wanted and all(0 <= score <= 1 for score in run["scores"].values())
            assert run["cpu_seconds"] < 60  # as the course promises, on one thread


def test_f1_is_that_of_the_stored_precision_and_recall(stored):
    for entry in stored["experiments"].values():
        for run in entry["runs"]:
            if "F1" in run["scores"]:
                p, r, f = (run["scores"][name] for name in ("precision", "recall", "F1"))
                assert abs(2 * p * r / (p + r) - f) < 2e-4


def test_a_small_run_scores_what_it_was_trained_on():
    done = tool.run(tool.EXPERIMENTS["addresses, chain"], 4e-3, 0, most=12)
    assert set(done) == {"rate", "seed", "scores", "cpu_seconds", "curve"}
