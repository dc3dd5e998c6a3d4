"""Train the recurrent language models whose figures chapter "Recurrent language models" prints, and store them.

    python book/data/train_language_models.py   every run that is missing from book/data/language_models.json
    python book/data/train_language_models.py "words, reset"  the missing runs of one experiment
    python book/data/train_language_models.py --afresh        all runs again (about 45 minutes on one core)

Each run has a seed and a fixed number of steps, so that it learns the same on a slow machine as on a fast one. The rate
and the size were chosen on development text; test text is looked at once a run, with the weights that did best there.
`fingerprint` is what a few steps of the same training give in float64: a test computes it again, and fails when a
change of the code changes what is learnt, so that the stored results would no longer be this program's.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np  # noqa: E402

from companion.rnn import agreement_in_text, corpora, measures  # noqa: E402
from companion.rnn.cells import Elman  # noqa: E402
from companion.rnn.language_model import (  # noqa: E402
    Batch,
    RecurrentLanguageModel,
    Settings,
    equal_lengths,
    streams,
    train,
)
from companion.rnn.vocabulary import EOS, UNK, Vocabulary, character_vocabulary, word_vocabulary  # noqa: E402

RESULTS = Path(__file__).resolve().parent / "language_models.json"
SEEDS = (0, 1, 2)
WORDS = 2000  # tokens in the vocabulary of words
TEMPERATURES = (0.0, 0.5, 1.0, 1.5)

Text = list[np.ndarray]


@dataclass(frozen=True)
class Experiment:
    """One way to train: on which text, with the state reset for each sequence or carried on, and for how long."""

    text: str  # names or words
    state: str  # reset or carried
    batch: int
    chunk: int  # steps of truncated backpropagation where the state is carried, else 0
    hidden: int
    settings: Settings


EXPERIMENTS = {
    "names, one minute": Experiment("names", "reset", 64, 0, 128, Settings(rate=0.008, steps=8000, checks=4)),
    "names, longer": Experiment("names", "reset", 64, 0, 256, Settings(rate=0.003, steps=16000)),
    "words, one minute": Experiment("words", "reset", 16, 0, 128, Settings(rate=0.008, steps=1200, checks=4)),
    "words, reset": Experiment("words", "reset", 16, 0, 128, Settings(rate=0.008, steps=8000)),
    "words, carried": Experiment("words", "carried", 16, 32, 128, Settings(rate=0.008, steps=8000)),
}


@dataclass(frozen=True)
class Corpus:
    """A text in token numbers: its vocabulary, its three parts as sequences, and as documents where it has any."""

    vocabulary: Vocabulary
    training: Text
    development: Text
    test: Text
    documents: dict[str, Text]


def names() -> Corpus:
    split = corpora.names()
    vocabulary = character_vocabulary(split.training)
    training, development, test = (
        [vocabulary.encode(name) for name in part] for part in (split.training, split.development, split.test)
    )
    return Corpus(vocabulary, training, development, test, documents={})


def words() -> Corpus:
    split = corpora.addresses()
    vocabulary = word_vocabulary((s for address in split.training for s in address.sentences), WORDS)
    parts: dict[str, Text] = {}
    documents: dict[str, Text] = {}
    for name, addresses in (("training", split.training), ("development", split.development), ("test", split.test)):
        encoded = [[vocabulary.encode(sentence) for sentence in address.sentences] for address in addresses]
        parts[name] = [sentence for address in encoded for sentence in address]
        documents[name] = [np.concatenate(address) for address in encoded]
    return Corpus(vocabulary, parts["training"], parts["development"], parts["test"], documents)


@dataclass(frozen=True)
class RunOfTraining:
    model: RecurrentLanguageModel
    checks: list[dict[str, float]]
    cpu_seconds: float


def run(experiment: Experiment, corpus: Corpus, seed: int, dtype: type = np.float32) -> RunOfTraining:
    """Train once."""
    document = np.concatenate(corpus.training)
    carried = experiment.state == "carried"
    looked_at = corpus.documents["development"][::4] if carried else corpus.development[::8]

    def passes(rng: np.random.Generator) -> Iterator[Batch]:
        if carried:
            return streams(document, experiment.batch, experiment.chunk)
        return equal_lengths(corpus.training, experiment.batch, rng)

    def development(model: RecurrentLanguageModel) -> float:
        return measures.cross_entropy(model, looked_at)

    started = time.process_time()
    cell = Elman(len(corpus.vocabulary), experiment.hidden)
    model, checks = train(cell, experiment.settings, np.random.default_rng(seed), passes, development, dtype)
    return RunOfTraining(model, [asdict(check) for check in checks], time.process_time() - started)


def report(experiment: Experiment, corpus: Corpus, seed: int, log: Callable[[str], None] = print) -> dict[str, Any]:
    """Everything that is stored of one run."""
    done = run(experiment, corpus, seed)
    result: dict[str, Any] = {
        "seed": seed,
        "cpu_seconds": round(done.cpu_seconds),
        "checks": [{name: round(value, 4) for name, value in check.items()} for check in done.checks],
        "development": round(measures.perplexity(done.model, corpus.development), 4),
        "test": round(measures.perplexity(done.model, corpus.test), 4),
    }
    if corpus.documents:
        result["development carried"] = round(measures.perplexity(done.model, corpus.documents["development"]), 4)
        result["test carried"] = round(measures.perplexity(done.model, corpus.documents["test"]), 4)
        for measure in (agreement_in_text.accuracy, agreement_in_text.sensitivity):
            result[measure.__name__] = {
                str(k): round(measure(done.model, corpus.vocabulary, k), 4) for k in agreement_in_text.BETWEEN
            }
    rng = np.random.default_rng(seed)
    barred = [corpus.vocabulary.number(UNK)] if UNK in corpus.vocabulary else []
    result["samples"] = {
        str(t): [
            written(corpus, measures.sample(done.model, rng, t, 40, barred), experiment.text)
            for _ in range(6 if t else 1)  # at temperature 0 all are the same
        ]
        for t in TEMPERATURES
    }
    log(f"seed {seed}: development {result['development']}, test {result['test']}, {result['cpu_seconds']} s of CPU")
    return result


def written(corpus: Corpus, numbers: np.ndarray, text: str) -> str:
    tokens = [token for token in corpus.vocabulary.decode(numbers) if token != EOS]
    return ("" if text == "names" else " ").join(tokens)


def fingerprint(name: str, corpus: Corpus) -> list[float]:
    """What 20 steps of a smaller network learn in float64: cross-entropies on a little text, to 6 decimals."""
    experiment = EXPERIMENTS[name]
    little = Corpus(
        corpus.vocabulary,
        corpus.training[:2000],
        corpus.development[:160],
        corpus.test[:40],
        {part: documents[:1] for part, documents in corpus.documents.items()},
    )
    settings = Settings(rate=experiment.settings.rate, steps=20, checks=2)
    small = replace(experiment, hidden=16, settings=settings)
    done = run(small, little, 0, np.float64)
    losses = [check[key] for check in done.checks for key in ("training", "development")]
    return [round(loss, 6) for loss in [*losses, measures.cross_entropy(done.model, little.test)]]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("experiments", nargs="*", metavar="EXPERIMENT", help="default: all")
    parser.add_argument("--afresh", action="store_true", help="run also what is stored")
    options = parser.parse_args()
    chosen = options.experiments or list(EXPERIMENTS)
    corpus = {name: read() for name, read in (("names", names), ("words", words))}
    todo = [(seed, name) for seed in SEEDS for name in chosen if options.afresh or not is_stored(name, seed)]
    for seed, name in todo:
        experiment = EXPERIMENTS[name]
        print(f"{name}, seed {seed} …", flush=True)
        store(name, report(experiment, corpus[experiment.text], seed), fingerprint(name, corpus[experiment.text]))


def is_stored(name: str, seed: int) -> bool:
    entry = _read().get(name, {})
    return entry.get("experiment") == asdict(EXPERIMENTS[name]) and seed in [done["seed"] for done in entry["runs"]]


def store(name: str, result: dict[str, Any], fingerprint: list[float]) -> None:
    """Add one run to the file, in place of a run with the same seed; runs of other settings go."""
    stored, described = _read(), asdict(EXPERIMENTS[name])
    entry = stored.get(name, {})
    runs = entry["runs"] if entry.get("experiment") == described else []
    runs = [done for done in runs if done["seed"] != result["seed"]] + [result]
    runs.sort(key=lambda done: done["seed"])
    stored[name] = {"experiment": described, "fingerprint": fingerprint, "runs": runs}
    ordered = {key: stored[key] for key in EXPERIMENTS if key in stored}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(ordered, indent=1, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")


def _read() -> dict[str, Any]:
    return json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}


if __name__ == "__main__":
    main()
