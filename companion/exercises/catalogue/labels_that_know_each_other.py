"""A linear-chain conditional random field: scores, their sum and their best, marginals, and a gradient."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from companion.exercises.edits import Edit
from companion.exercises.inputs import normal
from companion.exercises.model import Case, Key, Misconception, exercise

MOST_LABELLINGS = 5000  # that are gone through one by one


@dataclass(frozen=True)
class Stored:
    """How the transition scores W_yy are stored.

    Attributes:
        words: as prose has it.
        formula: the score of the transition to step t, in LaTeX.
        entry: that from label j to label k, in NumPy; ``typeset`` in LaTeX.
        kj: the indices of that entry in their order, ``jk`` in the other.
        pair: the indices of all T - 1 transitions of a labelling d.
        wrapped: the indices of T, where the first label follows the last.
        rows: W_yy with a row for each label k and a column for each label j before it.
        columns: the transpose of ``rows``.
    """

    words: str
    formula: str
    entry: str
    typeset: str
    kj: str
    jk: str
    pair: str
    wrapped: str
    rows: str
    columns: str

    def to_from(self, W_yy: np.ndarray) -> np.ndarray:
        """``rows``, of these scores."""
        return W_yy if self.rows == "W_yy" else W_yy.T


STORED = (
    Stored(
        "`W_yy[k, j]` is the score of label $k$ directly after label $j$: to, from",
        "W_{yy}[d_t, d_{t-1}]",
        "W_yy[k, j]",
        "W_{yy}[k, j]",
        "kj",
        "jk",
        "d[1:], d[:-1]",
        "d, np.roll(d, 1)",
        "W_yy",
        "W_yy.T",
    ),
    Stored(
        "`W_yy[j, k]` is the score of label $k$ directly after label $j$: from, to",
        "W_{yy}[d_{t-1}, d_t]",
        "W_yy[j, k]",
        "W_{yy}[j, k]",
        "jk",
        "kj",
        "d[:-1], d[1:]",
        "np.roll(d, 1), d",
        "W_yy.T",
        "W_yy",
    ),
)


def _other_way(stored: Stored) -> tuple[Misconception, ...]:
    """The mistake of reading W_yy as its transpose."""
    hint = f"{stored.entry} is the score of label k directly after label j. Which of the two labels names the row?"
    (other,) = (each for each in STORED if each is not stored)
    return (Misconception("W_yy transposed", hint, Edit(options={"stored": other})),)


def _crf(rng: np.random.Generator, T: int, O: int, scale: float = 1.5) -> dict[str, np.ndarray]:
    """The logits of a sentence, and the scores of transitions, start and end."""
    return {
        "logits": normal(rng, T, O, scale=scale),
        "W_yy": normal(rng, O, O, scale=1.5),
        "b_start": normal(rng, O, scale=1.5),
        "b_end": normal(rng, O, scale=1.5),
    }


def _large(rng: np.random.Generator, T: int, O: int) -> dict[str, np.ndarray]:
    """The same with logits of 1000 and -1000, among which one labelling does not outweigh all others."""
    given = _crf(rng, T, O)
    sizes = np.where(np.arange(T) % 2, -1000.0, 1000.0)[:, None] * np.ones(O)
    sizes[0, 0] = -1000.0
    return {**given, "logits": given["logits"] + sizes}


def _dear_label(rng: np.random.Generator, T: int, O: int, stored: Stored) -> dict[str, np.ndarray]:
    """The same with a label that costs 1000 after any, where its logits give it 1000 back."""
    given = _crf(rng, T, O)
    stored.to_from(given["W_yy"])[1] -= 1000
    given["logits"][1:, 1] += 1000
    return given


def _scores(
    logits: np.ndarray, to_from: np.ndarray, b_start: np.ndarray, b_end: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """All labellings (O**T, T) and their scores (O**T,)."""
    T, O = logits.shape
    d = np.indices((O,) * T).reshape(T, -1).T
    steps = to_from[d[:, 1:], d[:, :-1]].sum(axis=1)
    return d, b_start[d[:, 0]] + logits[np.arange(T), d].sum(axis=1) + steps + b_end[d[:, -1]]


def _log_Z(logits: np.ndarray, to_from: np.ndarray, b_start: np.ndarray, b_end: np.ndarray) -> float:
    return float(np.logaddexp.reduce(_scores(logits, to_from, b_start, b_end)[1]))


def _expected(
    logits: np.ndarray, W_yy: np.ndarray, b_start: np.ndarray, b_end: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The probabilities of each label at each step, (T, O), and of each pair, to and from, (T - 1, O, O)."""
    d, scores = _scores(logits, W_yy, b_start, b_end)
    p = np.exp(scores - np.logaddexp.reduce(scores))
    rows = np.eye(len(b_end))[d]
    return np.einsum("n,ntk->tk", p, rows), np.einsum("n,ntk,ntj->tkj", p, rows[:, 1:], rows[:, :-1])


def _score(d: Sequence[int], logits: np.ndarray, to_from: np.ndarray, b_start: np.ndarray) -> float:
    """The score of a beginning of as many steps as d has labels, without any end."""
    steps = sum(to_from[k, j] for j, k in pairwise(d))
    return b_start[d[0]] + sum(u[k] for u, k in zip(logits, d, strict=False)) + steps


def _marginals(logits: np.ndarray, to_from: np.ndarray, b_start: np.ndarray, b_end: np.ndarray) -> np.ndarray:
    """The probability of each label at each step, (T, O)."""
    ahead, behind = [b_start + logits[0]], [b_end]
    for u, later in zip(logits[1:], logits[:0:-1], strict=True):
        ahead.append(u + np.logaddexp.reduce(to_from + ahead[-1], axis=1))
        behind.append(np.logaddexp.reduce(to_from.T + later + behind[-1], axis=1))
    both = np.array(ahead) + np.array(behind[::-1])
    return np.exp(both - np.logaddexp.reduce(both, axis=1, keepdims=True))


def _told_apart(
    rng: np.random.Generator, T: int, O: int, labellings: Callable[..., Sequence[np.ndarray]]
) -> dict[str, np.ndarray]:
    """A sentence in which all of these labellings differ."""
    while True:
        given = _crf(rng, T, O)
        found = [tuple(labelling) for labelling in labellings(**given)]
        if len(set(found)) == len(found):
            return given


def _log_product(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The log of the matrix product of exp(one) and exp(other)."""
    return np.logaddexp.reduce(one[:, :, None] + other, axis=1)


def _capitals(stored: Stored) -> dict[str, str]:
    """How W_yy is stored, as a sentence of its own."""
    return {"Stored": f"The transition scores are stored so that {stored.words}", "entry": stored.typeset}


@exercise("crf-score", "score", "The score of a labelling", "implement", stored=STORED)
def crf_score(rng: np.random.Generator, stored: Stored) -> Key:
    def by_loops(logits, d, W_yy, b_start, b_end):
        total = b_start[d[0]] + b_end[d[-1]]
        for u, k in zip(logits, d, strict=True):
            total += u[k]
        for j, k in pairwise(d):
            total += stored.to_from(W_yy)[k, j]
        return total

    def by_one_hot_rows(logits, d, W_yy, b_start, b_end):
        rows = np.eye(len(b_end))[d]
        followed = rows[1:].T @ rows[:-1]  # how often label k follows label j
        return rows[0] @ b_start + np.sum(rows * logits) + np.sum(followed * stored.to_from(W_yy)) + rows[-1] @ b_end

    def case(name, d, O):
        given = _crf(rng, len(d), O)
        return Case(name, {"logits": given.pop("logits"), "d": np.array(d), **given})

    return Key(
        cases=(
            case("three steps", [0, 2, 1], 3),
            case("T = 1", [1], 3),
            case("T = 2", [1, 0], 2),
            case("O = 1", [0, 0, 0, 0], 1),
            case("as many steps as labels", rng.integers(0, 4, 4), 4),
            case("one label throughout", [1, 1, 1, 1, 1], 2),
            case("nine steps", rng.integers(0, 3, 9), 3),
        ),
        also_right=(by_loops, by_one_hot_rows),
        misconceptions=_other_way(stored),
    )


@exercise("forward-algorithm", "log_partition", "The sum over all labellings", "implement", stored=STORED)
def forward_algorithm(rng: np.random.Generator, stored: Stored) -> Key:
    def by_halves(logits, W_yy, b_start, b_end):
        """log Z of a product of matrices, of neighbours in pairs until one is left."""
        row = b_start + logits[0]
        steps = [stored.to_from(W_yy).T + u for u in logits[1:]]  # each: from j (row) to k (column)
        steps.append(np.repeat(b_end[:, None], len(b_end), axis=1))
        while len(steps) > 1:
            pairs = [_log_product(*steps[i : i + 2]) for i in range(0, len(steps) - 1, 2)]
            steps = pairs + steps[len(pairs) * 2 :]
        return np.logaddexp.reduce(row + steps[0][:, 0])

    def by_all_labellings(logits, W_yy, b_start, b_end):
        if logits.shape[1] ** len(logits) > MOST_LABELLINGS:
            return by_halves(logits, W_yy, b_start, b_end)
        return np.logaddexp.reduce(_scores(logits, stored.to_from(W_yy), b_start, b_end)[1])

    def without_logarithms(logits, W_yy, b_start, b_end):
        sums = np.exp(b_start + logits[0])
        for u in logits[1:]:
            sums = np.exp(u) * (np.exp(stored.to_from(W_yy)) @ sums)
        return np.log(sums @ np.exp(b_end))

    return Key(
        cases=(
            Case("three steps", _crf(rng, 3, 2)),
            Case("T = 1", _crf(rng, 1, 3)),
            Case("T = 2", _crf(rng, 2, 2)),
            Case("O = 1", _crf(rng, 4, 1)),
            Case("as many steps as labels", _crf(rng, 4, 4)),
            Case("six steps", _crf(rng, 6, 3)),
            Case("logits of ±1000", _large(rng, 5, 3)),
            Case("transition scores of −1000", _dear_label(rng, 3, 3, stored)),
            Case("T = 200", _crf(rng, 200, 4, scale=5.0)),
        ),
        also_right=(by_halves, by_all_labellings),
        misconceptions=(
            *_other_way(stored),
            Misconception(
                "the sums are kept as they are",
                "Small sentences are right. How large does your sum become with the length of the sentence, and what "
                "is the largest number that a float can hold?",
                without_logarithms,
            ),
        ),
        words=_capitals(stored),
    )


@exercise("viterbi", "best_labels", "The best of all labellings", "implement", stored=STORED, sign=("score", "cost"))
def viterbi(rng: np.random.Generator, stored: Stored, sign: str) -> Key:
    up = 1.0 if sign == "score" else -1.0  # what is added up, times this, is to be largest

    def by_beginnings(logits, W_yy, b_start, b_end):
        """Of each label the best beginning that ends in it, kept whole."""
        total = lambda d: up * _score(d, logits, stored.to_from(W_yy), b_start)  # noqa: E731
        ways = [[k] for k in range(len(b_end))]
        for _ in logits[1:]:
            ways = [max(([*way, k] for way in ways), key=total) for k in range(len(b_end))]
        return np.array(max(ways, key=lambda way: total(way) + up * b_end[way[-1]]))

    def by_all_labellings(logits, W_yy, b_start, b_end):
        if logits.shape[1] ** len(logits) > MOST_LABELLINGS:
            return by_beginnings(logits, W_yy, b_start, b_end)
        d, scores = _scores(logits, stored.to_from(W_yy), b_start, b_end)
        return d[np.argmax(up * scores)]

    def most_probable_each(logits, W_yy, b_start, b_end):
        return _marginals(up * logits, up * stored.to_from(W_yy), up * b_start, up * b_end).argmax(axis=1)

    def greedy(logits, W_yy, b_start, b_end):
        labels = [np.argmax(up * (b_start + logits[0]))]
        for t in range(1, len(logits)):
            end = b_end if t == len(logits) - 1 else 0
            labels.append(np.argmax(up * (stored.to_from(W_yy)[:, labels[-1]] + logits[t] + end)))
        return np.array(labels)

    def without(logits, W_yy, b_start, b_end):
        """The best labelling, and those where an end or the first logits are left out, or taken from elsewhere."""
        ends = ((b_start, b_end), (0 * b_start, b_end), (b_start, 0 * b_end), (0 * b_start, 0 * b_end))
        found = [by_all_labellings(logits, W_yy, start, end) for start, end in ends]
        for first in (0 * logits[-1], logits[-1]):
            found.append(by_all_labellings(np.array([first, *logits[1:]]), W_yy, b_start, b_end))
        return found

    def by_sums(logits, W_yy, b_start, b_end):
        """Pointers that follow the sums over all beginnings."""
        sums, before = up * (b_start + logits[0]), []
        for u in logits[1:]:
            steps = up * stored.to_from(W_yy) + sums
            before.append(steps.argmax(axis=1))
            sums = up * u + np.logaddexp.reduce(steps, axis=1)
        labels = [np.argmax(sums + up * b_end)]
        for row in before[::-1]:
            labels.insert(0, row[labels[0]])
        return np.array(labels)

    def in_haste(logits, W_yy, b_start, b_end):
        """The best labelling, and what is found in four ways that do not look for it."""
        given = logits, W_yy, b_start, b_end
        ways = (by_all_labellings, most_probable_each, greedy, by_sums)
        return [*(way(*given) for way in ways), np.argmax(up * logits, axis=1)]

    return Key(
        cases=(
            Case("three steps", _crf(rng, 3, 3)),
            Case("T = 1", _crf(rng, 1, 4)),
            Case("T = 2", _crf(rng, 2, 3)),
            Case("O = 1", _crf(rng, 4, 1)),
            Case("as many steps as labels", _crf(rng, 4, 4)),
            Case("the ends count", _told_apart(rng, 2, 9, without)),
            Case("no step by itself", _told_apart(rng, 3, 5, in_haste)),
            Case("logits of ±1000", _large(rng, 5, 3)),
            Case("T = 30", _crf(rng, 30, 5, scale=0.7)),
            Case("T = 60", _crf(rng, 60, 4)),
        ),
        also_right=(by_beginnings, by_all_labellings),
        misconceptions=(
            *_other_way(stored),
            Misconception(
                "of each step the most probable label",
                "Each of your labels is the likeliest at its step, over all labellings. Does the labelling made of "
                "these have the best total, too?",
                most_probable_each,
            ),
            Misconception(
                "from each label the best next one",
                "You choose a label for good before you have seen what follows. Can a label that is worse at first "
                "lead to a better total?",
                greedy,
            ),
        ),
        words={
            **_capitals(stored),
            "arg": "argmax" if sign == "score" else "argmin",
            "most": "max" if sign == "score" else "min",
            "extreme": "highest" if sign == "score" else "lowest",
            "S": "score" if sign == "score" else "cost",
            "Sign": "The higher $S(d)$, the better."
            if sign == "score"
            else "All numbers here are costs, logits with the opposite sign: the lower $S(d)$, the better.",
            "soft": "np.logaddexp.reduce(steps, axis=1)" if sign == "score" else "-np.logaddexp.reduce(-steps, axis=1)",
        },
        axes={"result": "T"},
    )


@exercise(
    "crf-marginals",
    "marginals",
    "How probable is a label?",
    "implement",
    stored=STORED,
    form=("probabilities", "logarithms"),
)
def crf_marginals(rng: np.random.Generator, stored: Stored, form: str) -> Key:
    plain = form == "probabilities"

    def by_all_labellings(logits, W_yy, b_start, b_end):
        d, scores = _scores(logits, stored.to_from(W_yy), b_start, b_end)
        log_p = scores - np.logaddexp.reduce(scores)
        log_m = [[np.logaddexp.reduce(log_p[d[:, t] == k]) for k in range(len(b_end))] for t in range(len(logits))]
        return np.exp(log_m) if plain else np.array(log_m)

    def by_clamping(logits, W_yy, b_start, b_end):
        """Z with one label of one step held, beside Z."""
        rows = []
        for t, k in np.ndindex(*logits.shape):
            held = logits.copy()
            held[t, np.arange(len(b_end)) != k] = -np.inf
            rows.append(_log_Z(held, stored.to_from(W_yy), b_start, b_end))
        log_m = np.reshape(rows, logits.shape) - _log_Z(logits, stored.to_from(W_yy), b_start, b_end)
        return np.exp(log_m) if plain else log_m

    def without_logarithms(logits, W_yy, b_start, b_end):
        w, step = np.exp(stored.to_from(W_yy)), np.exp(logits)
        ahead, behind = [np.exp(b_start) * step[0]], [np.exp(b_end)]
        for u, later in zip(step[1:], step[:0:-1], strict=True):
            ahead.append(u * (w @ ahead[-1]))
            behind.append(w.T @ (later * behind[-1]))
        m = np.multiply(ahead, behind[::-1]) / (ahead[-1] @ behind[0])
        return m if plain else np.log(m)

    return Key(
        cases=(
            Case("three steps", _crf(rng, 3, 2)),
            Case("T = 1", _crf(rng, 1, 3)),
            Case("T = 2", _crf(rng, 2, 2)),
            Case("O = 1", _crf(rng, 4, 1)),
            Case("as many steps as labels", _crf(rng, 4, 4)),
            Case("six steps", _crf(rng, 6, 3)),
            Case("logits of ±1000", _large(rng, 5, 3)),
            Case("transition scores of −1000", _dear_label(rng, 3, 3, stored)),
        ),
        also_right=(by_all_labellings, by_clamping),
        misconceptions=(
            *_other_way(stored),
            Misconception(
                "the sums are kept as they are",
                "Sentences with small scores are right. What is exp(1000) in a float, and what is exp(−1000)?",
                without_logarithms,
            ),
        ),
        words={
            **_capitals(stored),
            "asked": "the probabilities themselves" if plain else "their natural logarithms",
            "Marginals": "The probability" if plain else "The log-probability",
            "result": "np.exp(log_p)" if plain else "log_p",
            "other": "log_p" if plain else "np.exp(log_p)",
            "taken": "the exponential is missing" if plain else "the exponential is taken",
        },
        axes={"result": "T label"},
    )


@exercise(
    "crf-gradient",
    "crf_gradients",
    "Expected minus observed",
    "derive",
    stored=STORED,
    total=("sum", "mean"),
)
def crf_gradient(rng: np.random.Generator, stored: Stored, total: str) -> Key:
    to_from = stored is STORED[0]

    def by_counting(marginals, pairs, d, lengths):
        dlogits, dW_yy = np.zeros_like(marginals), np.zeros(pairs.shape[2:])
        for b, n in enumerate(lengths):
            for t in range(n):
                dlogits[t, b] += marginals[t, b]
                dlogits[t, b, d[t, b]] -= 1
            for t in range(1, n):
                dW_yy += pairs[t - 1, b]
                dW_yy[(d[t, b], d[t - 1, b]) if to_from else (d[t - 1, b], d[t, b])] -= 1
        divisor = 1 if total == "sum" else len(lengths)
        return dlogits / divisor, dW_yy / divisor

    def case(name, T, lengths, O, labels=None):
        B = len(lengths)
        marginals, pairs = 1e3 * normal(rng, T, B, O), 1e3 * normal(rng, T - 1, B, O, O)
        for b, n in enumerate(lengths):
            each, both = _expected(**_crf(rng, n, O))
            marginals[:n, b] = each
            pairs[: n - 1, b] = both if to_from else both.swapaxes(1, 2)
        d = rng.integers(0, O if labels is None else labels, (T, B))
        return Case(name, {"marginals": marginals, "pairs": pairs, "d": d, "lengths": np.array(lengths)})

    return Key(
        cases=(
            case("two sentences", 3, [3, 2], 2),
            case("T = 1", 1, [1, 1], 3),
            case("B = 1", 4, [3], 3),
            case("one step each", 3, [1, 1, 1], 2),
            case("all full", 4, [4, 4], 3),
            case("everything square", 3, [2, 3, 1], 3),
            case("one label throughout", 4, [4, 3], 3, labels=1),
            case("many lengths", 6, [4, 6, 1, 5], 4),
        ),
        also_right=(by_counting,),
        returns=("dlogits", "dW_yy"),
        axes={"dlogits": "T B label"},
        words={
            "entry": stored.typeset,
            "indices": "k, j" if to_from else "j, k",
            "divide": "" if total == "sum" else " / B",
            "loss": r"\sum_b \big(\log Z_b - S_b\big),"
            if total == "sum"
            else r"\frac1B \sum_b \big(\log Z_b - S_b\big),",
            "Why": "" if total == "sum" else "The mean divides both by $B$, however many steps a sentence has.",
        },
    )
