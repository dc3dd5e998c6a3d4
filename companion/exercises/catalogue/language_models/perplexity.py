"""The perplexity of a text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from companion.exercises.model import Case, Key, Misconception
from companion.exercises.model import old_exercise as exercise
from companion.rnn.measures import perplexity_of


@dataclass(frozen=True)
class _Given:
    """In which form the probabilities of a text are handed over, and how a perplexity is made of that form."""

    what: str
    of: Callable[[np.ndarray], np.ndarray]
    surprise: Callable[[np.ndarray], np.ndarray]  # in nats
    code: str
    base: str
    other_base: Callable[[float], float]


@exercise(
    "perplexity",
    chapter="language-models",
    name="perplexity",
    title="The perplexity of a text",
    kind="implement",
    ask={
        "given": (
            _Given(
                "$p_t$", lambda p: p, lambda p: -np.log(p), "np.exp(-np.log(tokens).mean())", "natural", lambda s: 2**s
            ),
            _Given(
                r"$\ln p_t$, a natural logarithm",
                np.log,
                lambda logs: -logs,
                "np.exp(-tokens.mean())",
                "natural",
                lambda s: 2**s,
            ),
            _Given(
                r"$\log_2 p_t$, a logarithm to base 2",
                np.log2,
                lambda logs: -logs * np.log(2),
                "2 ** -tokens.mean()",
                "2",
                lambda s: np.exp(s / np.log(2)),
            ),
        ),
        "end": ("counted", "left out"),
    },
)
def perplexity(rng: np.random.Generator, given: _Given, end: str) -> Key:
    counted = end == "counted"

    def by_sequence(values, counted=counted):
        """Surprises in nats of the tokens that count, for the sequences that have any."""
        kept = [given.surprise(v if counted else v[:-1]) for v in values]
        return [s for s in kept if len(s)]

    def pooled(values):
        return np.concatenate(by_sequence(values))

    def answer(values):
        return float(np.exp(pooled(values).mean()))

    def in_bits(values):
        bits = [s / np.log(2) for s in by_sequence(values)]
        return 2 ** (sum(b.sum() for b in bits) / sum(len(b) for b in bits))

    def of_the_course(values):
        return perplexity_of(np.minimum(np.exp(-pooled(values)), 1))

    def weighted(values):
        sequences = by_sequence(values)
        means = [s.mean() for s in sequences]
        return np.exp(np.average(means, weights=[len(s) for s in sequences]))

    def quiet(function):
        def without_warnings(values):
            with np.errstate(all="ignore"):
                return float(function(values))

        return without_warnings

    def values_of(*sequences):
        return {"values": [given.of(np.array(p)) for p in sequences]}

    return Key(
        answer=answer,
        also_right=(in_bits, of_the_course, weighted),
        words={
            "what": given.what,
            "code": given.code,
            "base": given.base,
            "tokens": "np.concatenate(values)" if counted else "np.concatenate([v[:-1] for v in values])",
            "end": "The last entry of each array belongs to `<EOS>`. It counts like any other token."
            if counted
            else "The last entry of each array belongs to `<EOS>`. Here, as in some published numbers, it is *left "
            "out*: neither its probability nor the token itself counts. A sequence may be empty but for its `<EOS>`; "
            "not all of them are.",
            "same": "The logarithm and the power must have the same base: with $\\log_2$ it is a power of 2."
            if given.base == "2"
            else "The logarithm and the power must have the same base: with $\\ln$ it is a power of $e$.",
        },
        cases=(
            Case("one sequence", values_of([1 / 2, 1 / 8, 1 / 4])),
            Case("two sequences of different lengths", values_of([0.5, 0.1, 0.25, 0.3, 0.8], [0.05, 0.2])),
            Case("the same for every token", values_of([1 / 27] * 4, [1 / 27] * 2)),
            Case("an empty sentence among others", values_of([0.3], [0.25, 0.5, 0.9], [0.6, 0.7])),
            Case("certain throughout", values_of([1.0, 1.0], [1.0, 1.0, 1.0])),
            Case("a long text", values_of(*(rng.uniform(0.01, 0.9, size) for size in (900, 1300, 40)))),
        ),
        hints=(
            "Perplexity is an exponential of a mean over tokens. Over which tokens, and how many are there?",
            "Put the tokens of all the sequences into one array before you take the mean.",
            "Surprise is minus the logarithm. Undo the logarithm of the mean with a power of the same base.",
        ),
        misconceptions=tuple(
            Misconception(name, hint, quiet(wrong))
            for name, hint, wrong in (
                (
                    "<EOS> is left out" if counted else "<EOS> is counted",
                    "What does the statement say about the last entry of each array?",
                    lambda values: np.exp(np.concatenate(by_sequence(values, not counted)).mean()),
                ),
                (
                    "the mean of the sequences' perplexities",
                    "One long and one short sequence do not have the same weight. The mean runs over tokens, and is "
                    "taken before the power.",
                    lambda values: np.mean([np.exp(s.mean()) for s in by_sequence(values)]),
                ),
                (
                    "a mean over sequences of means over tokens",
                    "Every token has the same weight, whichever sequence it stands in. How many means do you take?",
                    lambda values: np.exp(np.mean([s.mean() for s in by_sequence(values)])),
                ),
                (
                    "the arithmetic mean of 1/p",
                    "Perplexity is the geometric mean of 1/p. Of what is the mean taken in the formula?",
                    lambda values: np.mean(np.exp(pooled(values))),
                ),
                (
                    "the mean is taken before the logarithm",
                    "Each token's probability is turned into a surprise first, and then the mean is taken.",
                    lambda values: 1 / np.mean(np.exp(-pooled(values))),
                ),
                (
                    "the minus sign is missing",
                    "Your result is at most 1. Can a model be less uncertain than with a single choice?",
                    lambda values: np.exp(-pooled(values).mean()),
                ),
                (
                    "logarithm and power have different bases",
                    "If every token has probability 1/27, the perplexity is 27. Which base has your logarithm, and "
                    "which your power?",
                    lambda values: given.other_base(pooled(values).mean()),
                ),
                (
                    "the power is missing",
                    "This is the cross-entropy, a mean surprise. If every token has probability 1/27, the perplexity "
                    "is 27: what is done with the mean?",
                    lambda values: pooled(values).mean(),
                ),
                (
                    "the power is missing, in bits",
                    "This is the cross-entropy, a mean surprise. If every token has probability 1/27, the perplexity "
                    "is 27: what is done with the mean?",
                    lambda values: pooled(values).mean() / np.log(2),
                ),
                *(
                    (
                        (
                            "logarithm to base 2, power of e",
                            "If every token has probability 1/27, the perplexity is 27. Which base has your logarithm, "
                            "and which your power?",
                            lambda values: np.exp(pooled(values).mean() / np.log(2)),
                        ),
                    )
                    if given.of(np.array(0.5)) == 0.5
                    else ()
                ),
                (
                    "a sum in place of the mean",
                    "Twice the text, equally well predicted, should have the same perplexity. What is divided by N?",
                    lambda values: np.exp(pooled(values).sum()),
                ),
                (
                    "divided by the number of sequences",
                    "N counts tokens. What does your mean divide by?",
                    lambda values: np.exp(pooled(values).sum() / len(values)),
                ),
                (
                    "the product of the probabilities underflows",
                    "Short texts come out right. What is a tenth to the power of 2000, as a floating-point number?",
                    lambda values: np.exp(-pooled(values).sum()) ** (-1 / len(pooled(values))),
                ),
            )
        ),
    )
