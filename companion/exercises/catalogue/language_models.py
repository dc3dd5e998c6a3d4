"""Exercises on language models: an interpolated bigram, perplexity, and the word error rate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from companion.exercises.model import Case, Key, Misconception, exercise
from companion.measures import align, perplexity_of
from companion.ngrams import Interpolated, count

_NAMES = "1 2 2 0", "1 2 2 1 0", "2 1 2 0"  # ann, anna, nan


def _names():
    """The three names of the chapter, as lists of token numbers; new lists at every call."""
    return [[int(token) for token in name.split()] for name in _NAMES]


@exercise(
    "ngram-interpolated",
    chapter="language-models",
    name="bigram",
    title="An interpolated bigram",
    kind="implement",
    ask={"weighs": ("frequency", "rest"), "start": ("<EOS>", "nothing")},
)
def ngram(rng: np.random.Generator, weighs: str, start: str) -> Key:
    begins, rest = start == "<EOS>", weighs == "rest"

    def pairs_of(text, begins=begins):
        before = [[0, *sequence[:-1]] if begins else sequence[:-1] for sequence in text]
        after = [sequence if begins else sequence[1:] for sequence in text]
        return [pair for v, w in zip(before, after, strict=True) for pair in zip(v, w, strict=True)]

    def pairs_across(text):
        """Of all sequences glued together: of those that begin with <EOS>, the first alone then has no pair for it."""
        tokens = [token for sequence in text for token in sequence]
        return list(zip(tokens[:-1], tokens[1:], strict=True))

    def mixed(weight, frequency, lower, exchanged=False):
        share = 1 - weight if rest != exchanged else weight
        return share * frequency + (1 - share) * lower

    def estimate(text, v, V, lambda_1, lambda_2, *, pairs=pairs_of, **slip):
        tokens = np.array([token for sequence in text for token in sequence], dtype=int)
        if slip.get("without_end"):
            tokens = tokens[tokens != 0]
        c = np.bincount(tokens, minlength=V)
        if slip.get("end_twice"):
            c[0] *= 2
        after = np.zeros(V)
        found = pairs(text)
        for before, w in found:
            after[w] += before == v
        total = max(len(found), 1) if slip.get("joint") else after.sum()
        if slip.get("backwards"):
            total = np.maximum(c, 1)
        if slip.get("singles"):
            total = c[v]
        exchanged = slip.get("exchanged", ())
        with np.errstate(all="ignore"):  # 0/0 where nothing but <EOS> was there to be counted
            unigram = c / c.sum()
            p_1 = unigram if slip.get("no_floor") else mixed(lambda_1, unigram, 1 / V, 1 in exchanged)
            if after.sum() == 0 and not (slip.get("nan") or (slip.get("singles") and c[v])):
                return mixed(lambda_2, 0, p_1, 2 in exchanged) if slip.get("unseen") else p_1
            return mixed(lambda_2, after / total, p_1, 2 in exchanged)

    def answer(text, v, V, lambda_1, lambda_2):
        return estimate(text, v, V, lambda_1, lambda_2)

    def with_slip(**slip):
        return lambda text, v, V, lambda_1, lambda_2: estimate(text, v, V, lambda_1, lambda_2, **slip)

    def from_a_table(text, v, V, lambda_1, lambda_2):
        table = np.zeros((V, V))
        for before, w in pairs_of(text):
            table[before, w] += 1
        tokens = np.concatenate([np.array(sequence) for sequence in text])
        p = np.full(V, 1 / V)
        rows = (np.array([(tokens == w).sum() for w in range(V)]), table[v])
        for weight, row in zip((lambda_1, lambda_2), rows, strict=True):
            if row.sum() > 0:
                p = mixed(weight, row / row.sum(), p)
        return p

    def word_by_word(text, v, V, lambda_1, lambda_2):
        single = Counter(token for sequence in text for token in sequence)
        double = Counter(pairs_of(text))
        contexts = Counter(before for before, _ in double.elements())
        result = []
        for w in range(V):
            p = mixed(lambda_1, single[w] / sum(single.values()), 1 / V)
            result.append(mixed(lambda_2, double[v, w] / contexts[v], p) if contexts[v] else p)
        return np.array(result)

    def of_the_course(text, v, V, lambda_1, lambda_2):
        weights = (1 - lambda_1, 1 - lambda_2) if rest else (lambda_1, lambda_2)
        counts = count([np.array(sequence) for sequence in text], 2, V)
        return Interpolated(counts, weights).distribution([v])

    drawn = [[*(int(w) for w in rng.integers(1, 6, rng.integers(0, 9))), 0] for _ in range(12)]

    def case(name, text, v, V, lambda_1, lambda_2):
        return Case(name, {"text": text, "v": v, "V": V, "lambda_1": lambda_1, "lambda_2": lambda_2})

    def share(weight):
        return rf"(1 - \lambda_{weight})", rf"\lambda_{weight}"

    first, second = (share(1), share(2)) if rest else (share(1)[::-1], share(2)[::-1])
    all_to_frequency = 0.0 if rest else 1.0
    return Key(
        answer=answer,
        also_right=(from_a_table, word_by_word, *((of_the_course,) if begins else ())),
        axes={"result": "V"},
        words={
            "frequency_1": first[0],
            "lower_1": first[1],
            "frequency_2": second[0],
            "lower_2": second[1],
            "share_1": "1 - lambda_1" if rest else "lambda_1",
            "share_2": "1 - lambda_2" if rest else "lambda_2",
            "beginning": "Every sequence begins as if another had just ended, the first one of the text too: its first "
            "token follows an `<EOS>`, and the two are a pair. That `<EOS>` is the context of a token, and is not "
            "counted in $c(w)$."
            if begins
            else "The first token of a sequence has no context and is part of no pair; it is counted in $c(w)$ all the "
            "same. A pair never reaches from one sequence into the next.",
            "careful": " Look closely at which share each $\\lambda$ belongs to." if rest else "",
            "pairs": "zip([0] + sequence[:-1], sequence)" if begins else "zip(sequence[:-1], sequence[1:])",
            "why": "Here every token is the second of one pair, because the first of a sequence follows `<EOS>`. So "
            "the sequences might as well be glued together, if one `<EOS>` is put in front of them all."
            if begins
            else "Here the first token of a sequence is the second of no pair, so that nothing ever follows `<EOS>`; "
            "after it the single tokens alone decide. If the sequences were glued together, what follows `<EOS>` would "
            "depend on their order in the list.",
        },
        cases=(
            case("ann, anna, nan; after a", _names(), 1, 3, 0.75, 0.5),
            case("the same, after <EOS>", _names(), 0, 3, 0.9, 0.6),
            case("a context that never occurs", _names(), 4, 5, 0.9, 0.6),
            case("a context that occurs once", [[1, 2, 0], [1, 1, 0]], 2, 3, 0.75, 0.6),
            case("one empty sequence", [[0]], 0, 2, 0.8, 0.3),
            case("all the weight on frequencies", _names(), 2, 4, all_to_frequency, all_to_frequency),
            case("a dozen random sequences", drawn, 3, 7, 0.65, 0.8),
        ),
        hints=(
            "Three distributions are mixed: uniform, single tokens, tokens after v. Compute each as an array (V,).",
            "Pair each token with the one before it, within its own sequence. c(v) is the number of pairs that begin "
            "with v.",
            "Count all tokens for p_1, <EOS> included. If no pair begins with v, p_1 is the answer.",
        ),
        misconceptions=(
            Misconception(
                "each weight on the wrong share",
                "Look at the two formulas: what does λ multiply, the relative frequency or the shorter context?",
                with_slip(exchanged=(1, 2)),
            ),
            Misconception(
                "λ_1 on the wrong share",
                "Look at the formula of p_1: what does λ_1 multiply, the relative frequency or 1/V?",
                with_slip(exchanged=(1,)),
            ),
            Misconception(
                "λ_2 on the wrong share",
                "Look at the formula of p_2: what does λ_2 multiply, the relative frequency or p_1?",
                with_slip(exchanged=(2,)),
            ),
            Misconception(
                "the two weights are exchanged",
                "λ_1 mixes single tokens with 1/V, λ_2 mixes pairs with p_1. Which of them do you use where?",
                lambda text, v, V, lambda_1, lambda_2: estimate(text, v, V, lambda_2, lambda_1),
            ),
            Misconception(
                "the first sequence has no pair for its first token"
                if begins
                else "pairs reach into the next sequence",
                "Glued together, each sequence but one follows the <EOS> of another. What stands before the first "
                "token of the first?"
                if begins
                else "The <EOS> of one sequence and the first token of the next are no pair. Where do you join the "
                "sequences?",
                with_slip(pairs=pairs_across),
            ),
            Misconception(
                "the first token has no context" if begins else "the first token follows <EOS>",
                "Nothing comes after <EOS> in your pairs. What does the statement say about the first token of a "
                "sequence?"
                if begins
                else "What does the statement say about the first token of a sequence? Count the pairs after <EOS>.",
                with_slip(pairs=lambda text: pairs_of(text, not begins)),
            ),
            *(
                (
                    Misconception(
                        "the <EOS> before a sequence is counted in c(w)",
                        "It is there to be the context of the first token. How many <EOS> are in the text itself?",
                        with_slip(end_twice=True),
                    ),
                    Misconception(
                        "the <EOS> before a sequence is counted in c(w) and in c(v)",
                        "Each <EOS> that begins a pair also ends a sequence, or stands before the first. How many "
                        "pairs begin with <EOS>, and how many <EOS> are there in the text itself?",
                        with_slip(end_twice=True, singles=True),
                    ),
                )
                if begins
                else (
                    Misconception(
                        "c(v) counts the token v, not the pairs that begin with it",
                        "For <EOS> the two differ: it occurs, but begins no pair. Which of them is below the line of "
                        "the fraction?",
                        with_slip(singles=True),
                    ),
                )
            ),
            Misconception(
                "divided by the count of the next token",
                "p(w | v) is a share of what follows v. Of all the pairs that begin with v, how many end with w?",
                with_slip(backwards=True),
            ),
            Misconception(
                "divided by the number of all pairs",
                "That is the probability of the pair. Given v, only the pairs that begin with v count.",
                with_slip(joint=True),
            ),
            Misconception(
                "an unseen context loses probability",
                "Add up your result for a context that never occurs. Where nothing can be divided, what is p_2?",
                with_slip(unseen=True),
            ),
            Misconception(
                "0/0 in an unseen context",
                "For a context that begins no pair you divide zero by zero, and all becomes nan. What is p_2 there, by "
                "the statement?",
                with_slip(nan=True),
            ),
            Misconception(
                "the uniform distribution is missing",
                "A token that never occurs gets 0 from you. Which of the two mixtures have you left out?",
                with_slip(no_floor=True),
            ),
            Misconception(
                "<EOS> is not counted among the single tokens",
                "<EOS> is a token like the others and must be predicted. Is it in c(w), and in N?",
                with_slip(without_end=True),
            ),
            Misconception(
                "<EOS> is left out everywhere",
                "That a sequence ends must be predicted too. Where do you cut off the last token?",
                lambda text, v, V, lambda_1, lambda_2: estimate(
                    [sequence[:-1] for sequence in text],
                    v,
                    V,
                    lambda_1,
                    lambda_2,
                    pairs=lambda cut: [pair for s in cut if s for pair in pairs_of([s])],
                ),
            ),
        ),
    )


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


@exercise(
    "word-error-rate",
    chapter="language-models",
    name="word_error_rate",
    title="The word error rate",
    kind="implement",
    ask={"cost": (1, 2), "over": ("reference", "longer")},
)
def error_rate(rng: np.random.Generator, cost: int, over: str) -> Key:
    def length(reference, hypothesis, over=over):
        return len(reference) if over == "reference" else max(len(reference), len(hypothesis))

    def edits(reference, hypothesis, *, cost=cost, deletion=1, insertion=1, border=1):
        table = np.zeros((len(reference) + 1, len(hypothesis) + 1))
        table[:, 0] = border * deletion * np.arange(len(reference) + 1)
        table[0, :] = border * insertion * np.arange(len(hypothesis) + 1)
        for i, r in enumerate(reference, start=1):
            for j, h in enumerate(hypothesis, start=1):
                table[i, j] = min(
                    table[i - 1, j - 1] + (0 if r == h else cost),
                    table[i - 1, j] + deletion,
                    table[i, j - 1] + insertion,
                )
        return float(table[-1, -1])

    def answer(reference, hypothesis):
        return edits(reference, hypothesis) / length(reference, hypothesis)

    def with_slip(**slip):
        return lambda reference, hypothesis: edits(reference, hypothesis, **slip) / length(reference, hypothesis)

    def by_recursion(reference, hypothesis):
        @cache
        def fewest(i, j):
            if i == 0 or j == 0:
                return i + j
            last = 0 if reference[i - 1] == hypothesis[j - 1] else cost
            return min(fewest(i - 1, j - 1) + last, fewest(i - 1, j) + 1, fewest(i, j - 1) + 1)

        return fewest(len(reference), len(hypothesis)) / length(reference, hypothesis)

    def row_by_row(reference, hypothesis):
        row = list(range(len(hypothesis) + 1))
        for i, r in enumerate(reference, start=1):
            above, row = row, [i]
            for j, h in enumerate(hypothesis):
                row.append(min(above[j] + (r != h) * cost, above[j + 1] + 1, row[j] + 1))
        return row[-1] / length(reference, hypothesis)

    def of_the_course(reference, hypothesis):
        found = align(reference, hypothesis)
        return (found.substitutions + found.deletions + found.insertions) / length(reference, hypothesis)

    def by_hypothesis(reference, hypothesis):
        with np.errstate(all="ignore"):  # of an array, as the table is, a division by 0 is infinite
            return float(np.float64(edits(reference, hypothesis)) / len(hypothesis))

    def place_by_place(reference, hypothesis):
        different = sum(r != h for r, h in zip(reference, hypothesis, strict=False))
        return (cost * different + abs(len(reference) - len(hypothesis))) / length(reference, hypothesis)

    def without_order(reference, hypothesis):
        missing, added = Counter(reference) - Counter(hypothesis), Counter(hypothesis) - Counter(reference)
        few, many = sorted((missing.total(), added.total()))
        return (min(cost, 2) * few + many - few) / length(reference, hypothesis)

    def case(name, reference, hypothesis):
        return Case(name, {"reference": reference.split(), "hypothesis": hypothesis.split()})

    def some(size):
        return " ".join(rng.choice(["we", "the", "people", "of"], size))

    capped = Misconception(
        "the rate is cut off at 1",
        "Insertions are not bounded by the number of words that were said. Should a rate above 1 be hidden?",
        lambda reference, hypothesis: min(answer(reference, hypothesis), 1.0),
    )
    never_above_1 = cost == 1 and over == "longer"
    words: dict[str, Any] = {
        "divisor": "the number of words in the reference"
        if over == "reference"
        else "the number of words in the longer of the two",
        "length": "R" if over == "reference" else "max(R, H)",
        "price": "Each of the three edits costs 1."
        if cost == 1
        else "A deletion or an insertion costs 1, a substitution costs 2, as much as a deletion and an insertion.",
        "total": r"S + D + I" if cost == 1 else r"2S + D + I",
        "below": "N" if over == "reference" else r"\max(N, M)",
        "example": {
            (1, "reference"): "2/3",
            (2, "reference"): "3/3 = 1",
            (1, "longer"): "2/4",
            (2, "longer"): "3/4",
        }[cost, over],
        "sum": f"a substitution and an insertion, at a cost of {cost + 1}",
    }
    return Key(
        answer=answer,
        also_right=(by_recursion, row_by_row, *((of_the_course,) if cost == 1 else ())),
        words=words,
        cases=(
            case("one word, recognised", "yes", "yes"),
            case("one word, mistaken", "yes", "no"),
            case("a word left out", "we the people", "we people"),
            case("a word added", "we people", "we the people"),
            case("nothing heard", "to be", ""),
            case("more heard than said", "yes", "we say it now"),
            case("nothing in common", "to be or", "we say it now"),
            case("two neighbours exchanged", "to be or not", "to or be not"),
            case("one of four mistaken", "to be or not", "to be or now"),
            case("begun anew", "we say it now say it", "we say it"),
            case("repeated words", "to be or not to be", "be to be or to be be"),
            case("a mixture", some(9), some(7)),
        ),
        hints=(
            "Let cost[i, j] be the lowest cost of turning the first i words of the reference into the first j words of "
            "the hypothesis. What are cost[i, 0] and cost[0, j]?",
            "The end of a cheapest alignment is one of three: the last words stand side by side, a word of the "
            "reference is deleted, or a word of the hypothesis is inserted.",
            "Each of the three comes from a neighbour in the table: up and left, up, left. Take the smallest. What "
            "stands in the last corner is then divided.",
        ),
        misconceptions=(
            Misconception(
                "compared place by place",
                "One word left out shifts all that follow. Align the two before you count what differs.",
                place_by_place,
            ),
            Misconception(
                "the order of the words does not count",
                "Exchange two neighbouring words: are there no errors? Counting which words occur is not enough.",
                without_order,
            ),
            Misconception(
                "insertions cost nothing",
                "Add a word to the hypothesis. Does your rate go up? Look at the step along it and at row 0.",
                with_slip(insertion=0),
            ),
            Misconception(
                "deletions cost nothing",
                "Leave a word out of the hypothesis. Does your rate go up? Look at the step along the "
                "reference and at column 0.",
                with_slip(deletion=0),
            ),
            Misconception(
                "the border of the table is zero",
                "Turning three words into none takes three deletions. What stands in the first row and column?",
                with_slip(border=0),
            ),
            Misconception(
                "the last words are not looked at",
                "One word said and another heard costs you nothing. How many rows and columns has the table, and which "
                "corner do you return?",
                lambda reference, hypothesis: edits(reference[:-1], hypothesis[:-1]) / length(reference, hypothesis),
            ),
            Misconception(
                "a substitution has another cost",
                "Look at the case of one mistaken word. What does the statement charge for a substitution?",
                with_slip(cost=3 - cost),
            ),
            Misconception(
                "not divided",
                "A rate is a number of edits for each word. What do you divide by?",
                lambda reference, hypothesis: edits(reference, hypothesis),
            ),
            Misconception(
                "divided by the length of the hypothesis",
                "A recogniser that babbles should not get a lower rate for it. Whose words are counted below the line?",
                by_hypothesis,
            ),
            Misconception(
                "how much is right, not how much is wrong",
                "Where all is recognised the rate is 0. Do you subtract from 1?",
                lambda reference, hypothesis: 1 - answer(reference, hypothesis),
            ),
            Misconception(
                "divided without a remainder",
                "// rounds down to a whole number. Which sign divides?",
                lambda reference, hypothesis: edits(reference, hypothesis) // length(reference, hypothesis),
            ),
            Misconception(
                "divided by the longer of the two" if over == "reference" else "always divided by the reference",
                "Read again what stands below the line of the fraction.",
                lambda reference, hypothesis: (
                    edits(reference, hypothesis)
                    / length(reference, hypothesis, "longer" if over == "reference" else "reference")
                ),
            ),
            *(() if never_above_1 else (capped,)),
        ),
    )
