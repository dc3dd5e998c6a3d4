"""Train encoders and decoders, and store how they translate: by length, by width of the beam, forwards and reversed.

    python book/data/train_translators.py                       every missing run of book/data/translators.json
    python book/data/train_translators.py "numbers, one way"    the missing runs of some experiments
    python book/data/train_translators.py --afresh              all runs again (about 40 minutes on one core)
    python book/data/train_translators.py --stamp               the code was changed, but not what it computes

A run holds its "curve", the mean loss of a token in each tenth of the training; "scores" on test text, which nothing
was chosen by; what searches found; and "cpu_seconds" of training on one thread. One run has its weights, too. How runs
are stored, and when they are stale, stands in stored_runs.py.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np  # noqa: E402
from stored_runs import Runs  # noqa: E402

from companion.applications.bleu import bleu, exact_match  # noqa: E402
from companion.applications.fitting import Descent  # noqa: E402
from companion.applications.parallel import LANGUAGES, Translated, bilingual, dates, menus, number_words  # noqa: E402
from companion.applications.search import Proof, beam, most_probable  # noqa: E402
from companion.applications.translator import (  # noqa: E402
    Pair,
    Translator,
    decoder_of,
    first_state,
    fit,
    translate,
)
from companion.applications.writing import Writer, log_probabilities, rows  # noqa: E402
from companion.core.layers import Directions, Layer  # noqa: E402
from companion.gates.cells import GRU, LSTM  # noqa: E402
from companion.page.packed import packed  # noqa: E402
from companion.rnn.cells import Elman  # noqa: E402
from companion.rnn.corpora import Split  # noqa: E402
from companion.rnn.language_model import State, side_by_side  # noqa: E402

RESULTS = Path(__file__).resolve().parent / "translators.json"
SEEDS = (0, 1, 2, 3, 4)
SPLIT_SEED = 3  # draws the dates
SIX = ("en", "de", "fr", "es", "zh", "ru")
CELLS: dict[str, Any] = {"Elman": Elman, "GRU": GRU, "LSTM": LSTM}
WIDTHS = (1, 2, 4, 8)
MOST = 40  # tokens of a translation


@dataclass(frozen=True)
class Experiment:
    """A text, what reads it, and for how long it is trained."""

    text: str  # numbers, dates, dates of six languages, or menus
    pairs: int  # for training
    longest: int = 0  # words of the longest source in training; 0 for all
    cell: str = "GRU"
    both_ways: bool = True  # encoder of two directions with E/2 units each, or of one with E
    reversed: bool = False  # the source is read from its last word to its first
    encoder: int = 96
    decoder: int = 64
    epochs: int = 48  # 1,500 steps of 32 pairs
    rates: tuple[float, ...] = (3e-3,)


NUMBERS = Experiment("numbers", 1000)
DATES = Experiment("dates", 8000, encoder=128, decoder=96, epochs=10, rates=(8e-3,))
ONE_WAY = replace(NUMBERS, both_ways=False)
KEPT = replace(NUMBERS, epochs=128)  # whose weights are stored, of the first seed: the chapter asks it
EXPERIMENTS = {
    "numbers": NUMBERS,
    "numbers, longer": KEPT,
    "numbers, more pairs": replace(NUMBERS, pairs=4000, epochs=32),
    "numbers, one way": ONE_WAY,
    "numbers, one way, reversed": replace(ONE_WAY, reversed=True),
    "numbers, one way, longer": replace(ONE_WAY, epochs=128),
    "numbers, one way, reversed, longer": replace(ONE_WAY, reversed=True, epochs=128),
    "numbers, LSTM": replace(NUMBERS, cell="LSTM"),
    "numbers, Elman": replace(NUMBERS, cell="Elman"),
    "numbers, up to five words": replace(NUMBERS, pairs=4000, longest=5, epochs=80),
    "dates, six languages": replace(DATES, text="dates of six"),
    "dates": DATES,
    "dates, longer": replace(DATES, epochs=25),
    "menus": Experiment("menus", 1079, encoder=128, decoder=96, epochs=40),
}


def text_of(experiment: Experiment) -> Split[Translated]:
    """The pairs with their split."""
    read = _read(experiment.text, experiment.pairs)
    if not experiment.reversed:
        return read
    return Split(*(tuple(map(_turned, part)) for part in (read.training, read.development, read.test)))


@cache
def _read(name: str, pairs: int) -> Split[Translated]:
    if name == "numbers":
        return number_words(pairs)
    if name == "menus":
        return menus()
    return dates(pairs, np.random.default_rng(SPLIT_SEED), SIX if name == "dates of six" else LANGUAGES)


def _turned(pair: Translated) -> Translated:
    return replace(pair, source=pair.source[::-1])


def run(experiment: Experiment, rate: float, seed: int, dtype: type = np.float32, most: int = 0) -> dict[str, Any]:
    """Train once and score; with `most`, on so many pairs, looking at nothing but the losses."""
    text = text_of(experiment)
    longest = experiment.longest or max(len(pair.source) for pair in text.training)
    training = [pair for pair in text.training if len(pair.source) <= longest][: most or None]
    both = bilingual(training, 2 if experiment.text == "menus" else 1)
    E, H, cell = experiment.encoder, experiment.decoder, CELLS[experiment.cell]
    V_s, V_t = len(both.source), len(both.target)
    layer: Layer = Directions(cell(V_s, E // 2), cell(V_s, E // 2)) if experiment.both_ways else cell(V_s, E)
    translator = Translator([layer], cell(V_t, H))
    settings = Descent(experiment.epochs, rate)
    started = time.process_time()
    epochs = list(fit(translator, both.encode(training), settings, np.random.default_rng(seed), dtype))
    seconds = time.process_time() - started
    tenths = np.array_split([epoch.loss for epoch in epochs], min(10, len(epochs)))
    result = {
        "rate": rate,
        "seed": seed,
        "cpu_seconds": round(seconds, 1),
        "curve": [float(f"{np.mean(part):.4g}") for part in tenths],
    }
    if most:
        return result
    weights = epochs[-1].weights
    if (experiment, seed) == (KEPT, SEEDS[0]):
        result["weights"] = packed({name: weights[name] for name in translator.shapes()})
    found = both.spelt(translate(translator, weights, [s for s, _ in both.encode(text.test)], MOST))
    wanted = [pair.target for pair in text.test]
    seen = both.spelt(translate(translator, weights, [s for s, _ in both.encode(training[:500])], MOST))
    scores = {
        "exact": exact_match(found, wanted),
        "training": exact_match(seen, [pair.target for pair in training[:500]]),
        "BLEU": bleu(found, wanted).score,
    }
    result |= {"scores": {name: round(score, 4) for name, score in scores.items()}}
    result |= {"places": _places(translator, weights, both.encode(text.test))}
    result |= {"by length": _by_length(text.test, found)}
    if experiment.text == "numbers":
        result |= {"search": searched(translator, weights, both.encode(text.test)[:300])}
    else:
        result |= {"first": [" ".join(words) if experiment.text == "menus" else "".join(words) for words in found[:40]]}
    return result


def _places(translator: Translator, weights: dict[str, np.ndarray], pairs: Sequence[Pair]) -> dict[str, list[float]]:
    """The share of right tokens at each place of the references: with the true ones read before it, and its own."""
    writer = decoder_of(translator, weights)
    state = first_state(translator, weights, [source for source, _ in pairs])
    wanted, lengths = side_by_side([target for _, target in pairs])  # (T, N)
    shares: dict[str, list[float]] = {"forced": [], "free": []}
    for name, right in shares.items():
        tokens, now = np.zeros(len(pairs), np.int64), state
        for t, true in enumerate(wanted):
            logarithms, now = writer.step(tokens, now)
            guessed = logarithms.argmax(axis=-1)
            right.append(round(float((guessed == true)[t < lengths].mean()), 4))
            tokens = true if name == "forced" else guessed
    return shares


def _by_length(test: Sequence[Translated], found: Sequence[tuple[str, ...]]) -> dict[str, list[float]]:
    """Words of the source → how many such test pairs there are, and the share that was translated exactly."""
    right: dict[int, list[bool]] = {}
    for pair, words in zip(test, found, strict=True):
        right.setdefault(len(pair.source), []).append(words == pair.target)
    return {str(n): [len(right[n]), round(float(np.mean(right[n])), 4)] for n in sorted(right)}


def searched(translator: Translator, weights: dict[str, np.ndarray], pairs: Sequence[Pair]) -> dict[str, Any]:
    """What beams of several widths and the exact search find for each source, and whose fault a wrong answer is.

    A wrong answer is a search error if the model finds the reference more probable than it, else a model error.
    """
    writer, sources = decoder_of(translator, weights), [source for source, _ in pairs]
    wanted = [tuple(target.tolist()) for _, target in pairs]
    state = first_state(translator, weights, sources)
    reference = log_probabilities(writer, state, [target for _, target in pairs])
    proofs = [_proven(writer, rows(state, [b])) for b in range(len(pairs))]
    done = [(proof, target) for proof, target in zip(proofs, wanted, strict=True) if proof]
    stored: dict[str, Any] = {
        "proven": len(done),
        "right": sum(proof.best[0].tokens == target for proof, target in done),
        "expansions": [int(np.median([p.expansions for p, _ in done])), max(p.expansions for p, _ in done)],
    }
    for width in WIDTHS:
        found = [beam(writer, rows(state, [b]), width, MOST)[0] for b in range(len(pairs))]
        wrong = np.array([h.tokens != w for h, w in zip(found, wanted, strict=True)])
        p = np.array([h.log_probability for h in found])
        stored[str(width)] = {
            "exact": round(1 - float(wrong.mean()), 4),
            "wrong": int(wrong.sum()),
            "search errors": int((wrong & (reference > p + 1e-6)).sum()),
        }
    return stored


def _proven(writer: Writer, state: State) -> Proof | None:
    """The most probable translation, with its proof; None where that takes more than 2,000 expansions."""
    try:
        return most_probable(writer, state, limit=2000)
    except ValueError:
        return None


def cost(experiment: Experiment, runs: list[dict[str, Any]]) -> tuple[float, ...]:
    """There is one rate, and nothing to choose."""
    return (0.0,)


def fingerprint(experiment: Experiment) -> list[float]:
    """The losses of two passes over 40 pairs in float64, with 6 units, to 4 digits."""
    small = replace(experiment, encoder=6, decoder=6, epochs=2)
    return run(small, experiment.rates[0], 0, np.float64, most=40)["curve"]


RUNS = Runs(
    script=Path(__file__),
    names=("run", "SPLIT_SEED", "SIX", "WIDTHS", "MOST", "KEPT"),
    results=RESULTS,
    experiments=EXPERIMENTS,
    seeds=SEEDS,
    train=run,
    cost=cost,
    fingerprint=fingerprint,
    common={"split": SPLIT_SEED, "widths": list(WIDTHS)},
)


if __name__ == "__main__":
    RUNS.main()
