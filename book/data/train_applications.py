"""Train networks that answer for sentences and label words, and store how well they do.

    python book/data/train_applications.py              every run that is missing from book/data/applications.json
    python book/data/train_applications.py "eras, max"  the missing runs of some experiments
    python book/data/train_applications.py --afresh     all runs again (about 20 minutes on one core)
    python book/data/train_applications.py --stamp      the code was changed, but not what it computes

A run holds its "curve", the mean loss of an answer in each pass over the training text; "scores", how well the network
does on test text, which nothing was chosen by; and "cpu_seconds" of training on one thread. How runs are stored, and
when they are stale, stands in stored_runs.py.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np  # noqa: E402
from stored_runs import Runs  # noqa: E402

from companion.applications.corpora import Classified, eras, treebank, us_addresses, verdicts  # noqa: E402
from companion.applications.fitting import Settings, answers, fit  # noqa: E402
from companion.applications.labelling import classes, labels_of_words, tag_scores, words_of  # noqa: E402
from companion.applications.negation import every_verdict  # noqa: E402
from companion.applications.network import Chain, EachWord, Head, Network, OneAnswer  # noqa: E402
from companion.applications.per_word import PerWord  # noqa: E402
from companion.applications.pooling import ENDS, LAST, MAX, MEAN  # noqa: E402
from companion.applications.words import AFFIXES, WORD  # noqa: E402
from companion.core.layers import Directions, Layer  # noqa: E402
from companion.gates.cells import LSTM  # noqa: E402
from companion.rnn.corpora import Split  # noqa: E402

RESULTS = Path(__file__).resolve().parent / "applications.json"
SEEDS = (0, 1, 2, 3, 4)
SPLIT_SEED = 3  # draws which sentences of the addresses to Congress, and which verdicts, are for training
WIDTHS = {"word": 32, "prefix": 12, "suffix": 16, "shape": 12}


@dataclass(frozen=True)
class Experiment:
    """A text, what a word is described by, what reads it and what answers; V is what training text holds twice."""

    text: str
    head: str  # last, ends, mean, max, words or chain
    features: str = "word"  # or affixes: the word, its beginning, end and shape
    context: bool = True  # a BiLSTM; else a layer that sees one word at a time
    hidden: int = 32  # of each direction
    epochs: int = 3
    rates: tuple[float, ...] = (3e-3,)
    dropout: float = 0.0
    unknown: float = 0.0


ERAS = Experiment("eras", "max")
REVIEWS = Experiment("reviews", "max", dropout=0.3)
NEGATION = Experiment("negation", "max", hidden=24, epochs=12, rates=(1e-2,))
ADDRESSES = Experiment("addresses", "words", "affixes", hidden=48, epochs=15, rates=(4e-3,), unknown=0.1)
TURKISH = replace(ADDRESSES, text="treebank", epochs=4)
EXPERIMENTS = {
    **{
        f"{text.text}, {pool}": replace(text, head=pool)
        for text in (ERAS, REVIEWS, NEGATION)
        for pool in ("last", "ends", "mean", "max")
    },
    "addresses, no context": replace(ADDRESSES, context=False),
    "addresses, words only": replace(ADDRESSES, features="word"),
    "addresses, affixes": ADDRESSES,
    "addresses, many unknown": replace(ADDRESSES, unknown=0.5),
    "addresses, chain": replace(ADDRESSES, head="chain"),
    "addresses, chain without context": replace(ADDRESSES, head="chain", context=False),
    "treebank, no context": replace(TURKISH, context=False),
    "treebank, affixes": TURKISH,
}


def text_of(experiment: Experiment) -> Split[Any]:
    """The text with its split."""
    return _read(experiment.text)


@cache
def _read(name: str) -> Split[Any]:
    rng = np.random.default_rng(SPLIT_SEED)
    if name == "eras":
        return eras(6000, rng)
    if name == "negation":
        every = list(every_verdict())
        order = [every[i] for i in rng.permutation(len(every))]
        return Split(tuple(order[:3000]), tuple(order[3000:4000]), tuple(order[4000:]))
    named: dict[str, Callable[[], Split[Any]]] = {
        "reviews": verdicts,
        "addresses": us_addresses,
        "treebank": treebank,
    }
    return named[name]()


def run(experiment: Experiment, rate: float, seed: int, dtype: type = np.float32, most: int = 0) -> dict[str, Any]:
    """Train once and score; with `most`, on so many sentences, and scored on as many."""
    text = text_of(experiment)
    training, test = (part[: most or None] for part in (text.training, text.test))
    of_sentences = isinstance(training[0], Classified)
    features = AFFIXES if experiment.features == "affixes" else (WORD,)
    task = (classes if of_sentences else labels_of_words)(training, features)
    inputs, H = sum(WIDTHS[f.name] for f in features), experiment.hidden
    tables = {name: (size, WIDTHS[name]) for name, size in task.numbering.sizes.items()}
    layer: Layer = Directions(LSTM(inputs, H), LSTM(inputs, H)) if experiment.context else PerWord(inputs, 2 * H)
    network = Network(tables, [layer], _head(experiment), len(task.labels))
    settings = Settings(experiment.epochs, rate, dropout=experiment.dropout, unknown=experiment.unknown)
    started = time.process_time()
    epochs = list(fit(network, task.examples(training), settings, np.random.default_rng(seed), dtype))
    seconds = time.process_time() - started
    found = task.named(answers(network, epochs[-1].weights, task.words(test)))
    if of_sentences:
        scores = {"accuracy": float(np.mean([s.label == label for s, (label,) in zip(test, found, strict=True)]))}
    else:
        done = tag_scores(test, found, words_of(training))
        pairs = {pair for s in training for pair in _pairs(s.labels)}
        scores = {
            "words": done.words,
            "unseen": done.unseen,
            "precision": done.spans.precision,
            "recall": done.spans.recall,
            "F1": done.spans.F1,
            "sentences": done.sentences,
            "odd": float(np.mean([not pairs.issuperset(_pairs(labels)) for labels in found])),
        }
    return {
        "rate": rate,
        "seed": seed,
        "scores": {name: round(score, 4) for name, score in scores.items()},
        "cpu_seconds": round(seconds, 1),
        "curve": [float(f"{epoch.loss:.4g}") for epoch in epochs],
    }


def _head(experiment: Experiment) -> Head:
    pools = {"last": LAST, "ends": ENDS, "mean": MEAN, "max": MAX}
    if experiment.head in pools:
        return OneAnswer(pools[experiment.head])
    return Chain() if experiment.head == "chain" else EachWord()


def _pairs(labels: tuple[str, ...]) -> list[tuple[str, str]]:
    """Neighbours, with the beginning and the end of the sentence."""
    return list(zip(("", *labels), (*labels, ""), strict=True))


def cost(experiment: Experiment, runs: list[dict[str, Any]]) -> tuple[float, ...]:
    """There is one rate, and nothing to choose."""
    return (0.0,)


def fingerprint(experiment: Experiment) -> list[float]:
    """The losses of two passes over 40 sentences in float64, with 6 units a direction, to 4 digits."""
    small = replace(experiment, hidden=6, epochs=2)
    return run(small, experiment.rates[0], 0, np.float64, most=40)["curve"]


RUNS = Runs(
    script=Path(__file__),
    names=("run", "WIDTHS", "SPLIT_SEED"),
    results=RESULTS,
    experiments=EXPERIMENTS,
    seeds=SEEDS,
    train=run,
    cost=cost,
    fingerprint=fingerprint,
    common={"split": SPLIT_SEED},
)


if __name__ == "__main__":
    RUNS.main()
