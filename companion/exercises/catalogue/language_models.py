"""An interpolated bigram, perplexity, and the word error rate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from companion.exercises.model import Case, Key, exercise
from companion.rnn.measures import align, perplexity_of


@exercise(
    "ngram-interpolated",
    "bigram",
    "An interpolated bigram",
    "implement",
    weighs=("frequency", "rest"),
    start=("<EOS>", "nothing"),
)
def ngram(rng: np.random.Generator, weighs: str, start: str) -> Key:
    begins, rest = start == "<EOS>", weighs == "rest"

    def word_by_word(text, v, V, lambda_1, lambda_2):
        single = Counter(token for sequence in text for token in sequence)
        double = Counter(pair for sequence in text for pair in pairwise([0] * begins + sequence))
        first, second = (1 - lambda_1, 1 - lambda_2) if rest else (lambda_1, lambda_2)
        p = np.array([first * single[w] / single.total() + (1 - first) / V for w in range(V)])
        after = np.array([double[v, w] for w in range(V)])
        return second * after / after.sum() + (1 - second) * p if after.any() else p

    def case(name, text, v, V, lambda_1, lambda_2):
        return Case(name, {"text": text, "v": v, "V": V, "lambda_1": lambda_1, "lambda_2": lambda_2})

    def names():
        return [[1, 2, 2, 0], [1, 2, 2, 1, 0], [2, 1, 2, 0]]  # ann, anna, nan

    drawn = [[*(int(w) for w in rng.integers(1, 6, rng.integers(0, 9))), 0] for _ in range(12)]
    all_to_frequency = 0.0 if rest else 1.0
    frequency, lower = ("(1 - {})", "{}") if rest else ("{}", "(1 - {})")
    return Key(
        cases=(
            case("ann, anna, nan; after a", names(), 1, 3, 0.75, 0.5),
            case("the same, after <EOS>", names(), 0, 3, 0.9, 0.6),
            case("a context that never occurs", names(), 4, 5, 0.9, 0.6),
            case("a context that occurs once", [[1, 2, 0], [1, 1, 0]], 2, 3, 0.75, 0.6),
            case("one empty sequence", [[0]], 0, 2, 0.8, 0.3),
            case("all the weight on frequencies", names(), 2, 4, all_to_frequency, all_to_frequency),
            case("a dozen random sequences", drawn, 3, 7, 0.65, 0.8),
        ),
        also_right=(word_by_word,),
        axes={"result": "V"},
        words={
            **{f"frequency_{n}": frequency.format(rf"\lambda_{n}") for n in (1, 2)},
            **{f"lower_{n}": lower.format(rf"\lambda_{n}") for n in (1, 2)},
            **{f"share_{n}": f"1 - lambda_{n}" if rest else f"lambda_{n}" for n in (1, 2)},
            "careful": " Look closely at which share each $\\lambda$ belongs to." if rest else "",
            "beginning": "Every sequence begins as if another had just ended, the first one of the text too: its first "
            "token follows an `<EOS>`, and the two are a pair. That `<EOS>` is the context of a token, and is not "
            "counted in $c(w)$."
            if begins
            else "The first token of a sequence has no context and is part of no pair; it is counted in $c(w)$ all the "
            "same. A pair never reaches from one sequence into the next.",
            "pairs": "zip([0] + sequence[:-1], sequence)" if begins else "zip(sequence[:-1], sequence[1:])",
            "why": "every token is the second of one pair, because the first of a sequence follows `<EOS>`. So the "
            "sequences might as well be glued together, if one `<EOS>` is put in front of them all."
            if begins
            else "the first token of a sequence is the second of no pair, so that nothing ever follows `<EOS>`; after "
            "it the single tokens alone decide. If the sequences were glued together, what follows `<EOS>` would "
            "depend on their order in the list.",
        },
    )


@dataclass(frozen=True)
class _Given:
    """In which form the probabilities of a text are handed over: in words, and made of p and into p again.

    ``surprise`` is code of the tokens' values, ``power`` undoes its logarithm, ``other`` that to another base;
    ``bases`` says which belong together.
    """

    what: str
    of: Callable[[np.ndarray], np.ndarray]
    back: Callable[[np.ndarray], np.ndarray]
    surprise: str
    power: str
    other: str
    bases: str


_GIVEN = (
    _Given("$p_t$", np.array, np.array, "-np.log(tokens)", "np.exp", "np.exp2", r"$\ln$ it is a power of $e$"),
    _Given(
        r"$\ln p_t$, a natural logarithm", np.log, np.exp, "-tokens", "np.exp", "np.exp2", r"$\ln$ it is a power of $e$"
    ),
    _Given(
        r"$\log_2 p_t$, a logarithm to base 2",
        np.log2,
        np.exp2,
        "-tokens",
        "np.exp2",
        "np.exp",
        r"$\log_2$ it is a power of 2",
    ),
)


@exercise(
    "perplexity", "perplexity", "The perplexity of a text", "implement", given=_GIVEN, end=("counted", "left out")
)
def perplexity(rng: np.random.Generator, given: _Given, end: str) -> Key:
    counted = end == "counted"

    def of_the_course(values):
        pooled = np.concatenate([v if counted else v[:-1] for v in values])
        return perplexity_of(given.back(pooled).clip(max=1))

    def case(name, *sequences):
        return Case(name, {"values": [given.of(np.array(p)) for p in sequences]})

    return Key(
        cases=(
            case("one sequence", [1 / 2, 1 / 8, 1 / 4]),
            case("two sequences of different lengths", [0.5, 0.1, 0.25, 0.3, 0.8], [0.05, 0.2]),
            case("the same for every token", [1 / 27] * 4, [1 / 27] * 2),
            case("an empty sentence among others", [0.3], [0.25, 0.5, 0.9], [0.6, 0.7]),
            case("certain throughout", [1.0, 1.0], [1.0, 1.0, 1.0]),
            case("a very unlikely token", [0.5, 1e-30, 0.25], [0.5]),
            case("a long text", *(rng.uniform(0.01, 0.9, size) for size in (900, 1300, 40))),
        ),
        also_right=(of_the_course,),
        words={
            "tokens": "np.concatenate(values)" if counted else "np.concatenate([v[:-1] for v in values])",
            "counts": "It counts like any other token."
            if counted
            else "Here, as in some published numbers, it is *left out*: neither its probability nor the token itself "
            "counts. A sequence may be empty but for its `<EOS>`; not all of them are.",
        },
    )


@exercise(
    "word-error-rate",
    "word_error_rate",
    "The word error rate",
    "implement",
    cost=(1, 2),
    over=("reference", "longer"),
)
def error_rate(rng: np.random.Generator, cost: int, over: str) -> Key:
    of_reference = over == "reference"

    def row_by_row(reference, hypothesis):
        row = list(range(len(hypothesis) + 1))
        for i, r in enumerate(reference, start=1):
            above, row = row, [i]
            for j, h in enumerate(hypothesis):
                row.append(min(above[j] + (r != h) * cost, above[j + 1] + 1, row[j] + 1))
        return row[-1] / (len(reference) if of_reference else max(len(reference), len(hypothesis)))

    def of_the_course(reference, hypothesis):
        longer = 1 if of_reference else max(len(hypothesis) / len(reference), 1)
        return align(reference, hypothesis).error_rate / longer

    def case(name, reference, hypothesis):
        return Case(name, {"reference": reference.split(), "hypothesis": hypothesis.split()})

    def some(size):
        return " ".join(rng.choice(["we", "the", "people", "of"], size))

    return Key(
        cases=(
            case("one word, recognised", "yes", "yes"),
            case("one word, mistaken", "yes", "no"),
            case("a word left out", "we the people", "we people"),
            case("a word added", "we people", "we the people"),
            case("nothing heard", "to be", ""),
            case("more heard than said", "yes", "we say it now"),
            case("nothing in common", "to be or", "we say it now"),
            case("two neighbours exchanged", "to be or not", "to or be not"),
            case("the last two exchanged", "to be or not", "to be not or"),
            case("one of two left in its place", "yes we", "no we yes"),
            case("only one word kept in place", "we say it now", "say now it we"),
            case("a capital letter", "The people", "the people"),
            case("one of four mistaken", "to be or not", "to be or now"),
            case("begun anew", "we say it now say it", "we say it"),
            case("repeated words", "to be or not to be", "be to be or to be be"),
            case("a mixture", some(9), some(7)),
        ),
        also_right=(row_by_row, *((of_the_course,) if cost == 1 else ())),
        words={
            "divisor": f"the number of words in the {'reference' if of_reference else 'longer of the two'}",
            "length": "R" if of_reference else "max(R, H)",
            "compare": ""
            if cost == 1 and of_reference
            else " This is not the chapter's definition: compare the two, term by term.",
            "price": "Each of the three edits costs 1."
            if cost == 1
            else "A deletion or an insertion costs 1, a substitution costs 2, as much as a deletion and an insertion.",
            "twice": "" if cost == 1 else "2",
            "below": "N" if of_reference else r"\max(N, M)",
            "sum": str(cost + 1),
            "example": ("2/3" if cost == 1 else "3/3 = 1") if of_reference else f"{cost + 1}/4",
        },
    )
