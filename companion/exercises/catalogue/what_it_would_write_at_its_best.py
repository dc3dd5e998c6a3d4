"""Searching for the most probable sequence: a step of a beam, lengths, the exact search, and whose fault it is."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from companion.exercises.edits import Edit
from companion.exercises.model import Case, Key, Misconception, exercise

LOG_P, COST = "the log-probability", r"the cost $-\log p$"


@exercise("beam-step", "beam_step", "A step of a beam", "implement", given=(LOG_P, COST))
def beam_step(rng: np.random.Generator, given: str) -> Key:
    larger = given == LOG_P

    def one_by_one(totals, more, width):
        every = [(totals[i] + more[i, w], i, w) for i in range(len(totals)) for w in range(more.shape[1])]
        best = sorted(every, reverse=larger)[:width]
        totals, hypotheses, tokens = zip(*best, strict=True)
        return np.array(hypotheses), np.array(tokens), np.array(totals)

    def case(name, K, V, width, spread=1.0):
        p = rng.dirichlet(np.full(V, 0.8), size=K)
        costs = rng.gamma(3.0, spread, K), -np.log(p)
        return Case(
            name, dict(zip(("totals", "more"), (-c if larger else c for c in costs), strict=True)) | {"width": width}
        )

    return Key(
        cases=(
            case("two hypotheses", 2, 4, 2),
            case("K = 1", 1, 5, 3),
            case("width 1", 3, 4, 1),
            case("a wider beam than before", 2, 6, 5),
            case("as many tokens as hypotheses", 4, 4, 4),
            case("all continuations", 2, 3, 6),
            case("beginnings that are far apart", 5, 4, 5, spread=4.0),
        ),
        also_right=(one_by_one,),
        returns=("hypotheses", "tokens", "totals"),
        axes={"hypotheses": "width", "tokens": "width", "totals": "width"},
        words={
            "formula": r"\log p(w \mid \text{hypothesis})" if larger else r"-\log p(w \mid \text{hypothesis})",
            "extreme": "largest" if larger else "smallest",
            "sign": "-" if larger else "",
            "exp": "" if larger else "-",
        },
    )


@dataclass(frozen=True)
class Penalty:
    """What a log-probability is divided by.

    Attributes:
        formula: in LaTeX, of n and alpha.
        code: in NumPy; ``base`` is what is raised to the power alpha, ``times`` the base times alpha.
    """

    formula: str
    code: str
    base: str
    times: str


PLAIN = Penalty(r"n^{\,\alpha}", "n**alpha", "n", "(n * alpha)")
GNMT = Penalty(
    r"\left(\frac{5 + n}{6}\right)^{\alpha}", "((5 + n) / 6) ** alpha", "((5 + n) / 6)", "((5 + n) / 6 * alpha)"
)


@exercise("length-norm", "scores", "Hypotheses of different lengths", "implement", penalty=(PLAIN, GNMT))
def length_norm(rng: np.random.Generator, penalty: Penalty) -> Key:
    def one_by_one(hypotheses, log_p, alpha):
        bases = [len(tokens) if penalty is PLAIN else (5 + len(tokens)) / 6 for tokens in hypotheses]
        return np.array([x * np.exp(-alpha * np.log(base)) for x, base in zip(log_p, bases, strict=True)])

    (other,) = (each for each in (PLAIN, GNMT) if each is not penalty)
    hint = "There are several penalties. Compare the statement's, for n = 1, with what you divide by."

    def case(name, lengths, alpha):
        hypotheses = [(*map(int, rng.integers(1, 6, n - 1)), 0) for n in lengths]
        return Case(name, {"hypotheses": hypotheses, "log_p": -rng.gamma(2.0, 2.0, len(lengths)), "alpha": alpha})

    return Key(
        cases=(
            case("three hypotheses", [3, 5, 4], 0.6),
            case("one hypothesis", [4], 1.0),
            case("the empty sequence", [1, 6], 0.7),
            case("the mean", [2, 7, 3, 9], 1.0),
            case("a power above 1", [8, 5, 6], 1.5),
            case("a small power", [12, 3], 0.2),
        ),
        also_right=(one_by_one,),
        misconceptions=(Misconception("another penalty", hint, Edit(options={"penalty": other})),),
        axes={"result": "N"},
    )


@exercise("search-error", "errors", "Whose fault is it?", "implement", given=(LOG_P, COST))
def search_error(rng: np.random.Generator, given: str) -> Key:
    def one_by_one(found, wanted, right):
        search = model = 0
        for ours, theirs, same in zip(found, wanted, right, strict=True):
            better = theirs > ours if given == LOG_P else theirs < ours
            search += bool(better and not same)
            model += bool(not better and not same)
        return search, model

    def case(name, right, signs):
        """signs: 1 where the model prefers the reference, -1 where it prefers the answer, 0 where both are equal."""
        right, signs = np.array(right, bool), np.array(signs)
        found = -rng.gamma(2.0, 2.0, len(right)) - 5
        # that of the reference, computed with others in a batch, may differ in its last digits where both are the same
        wanted = found + signs * rng.uniform(0.5, 4.0, len(right))
        return Case(
            name,
            {
                "found": found if given == LOG_P else -found,
                "wanted": wanted if given == LOG_P else -wanted,
                "right": right,
            },
        )

    return Key(
        cases=(
            case("five answers", [True, False, False, True, False], [0, 1, -1, 0, 1]),
            case("no error", [True, True], [0, 0]),
            case("one answer, the search's fault", [False], [1]),
            case("one answer, the model's fault", [False], [-1]),
            case("equally probable", [False, False, True], [0, -1, 0]),
            case("many", [False] * 6 + [True] * 4, [1, -1, -1, 0, -1, -1, 0, 0, 0, 0]),
            case("right answers with other last digits", [True, True, True, False], [1, -1, 1, -1]),
        ),
        also_right=(one_by_one,),
        returns=("search_errors", "model_errors"),
        words={"above": ">" if given == LOG_P else "<"},
    )


@dataclass(frozen=True)
class Stored:
    """How the table of a bigram model is stored: ``words`` in prose, ``row`` the continuations of the last token."""

    words: str
    row: str


ROWS = Stored("row $j$", "log_p[tokens[-1]]")
COLUMNS = Stored("column $j$", "log_p[:, tokens[-1]]")


@exercise("exact-mode", "most_probable", "The most probable of all, proven", "implement", stored=(ROWS, COLUMNS))
def exact_mode(rng: np.random.Generator, stored: Stored) -> Key:
    def table(log_p):
        return np.asarray(log_p) if stored is ROWS else np.asarray(log_p).T

    def by_listing(log_p, longest=5):
        """All sequences of up to so many tokens; longer ones are less probable in every case below."""
        follows = table(log_p)
        V = len(follows)
        totals = {}
        for n in range(longest):
            for letters in product(range(1, V), repeat=n):
                path = (0, *letters, 0)
                totals[path[1:]] = sum(follows[a, b] for a, b in zip(path, path[1:], strict=False))
        best = max(totals, key=totals.get)
        begun = {(): 0.0}
        for n in range(1, longest + 3):
            for letters in product(range(1, V), repeat=n):
                path = (0, *letters)
                begun[letters] = sum(follows[a, b] for a, b in zip(path, path[1:], strict=False))
        return np.array(best), totals[best], sum(total > totals[best] for total in begun.values())

    def case(name, ends, V):
        """ends: the least probability of `<EOS>` after a letter; after none it has half of that."""
        p = rng.dirichlet(np.full(V, 0.9), size=V)
        p[:, 0] = np.maximum(p[:, 0], ends)
        p[0, 0] = ends / 2
        follows = np.log(p / p.sum(axis=1, keepdims=True))
        return Case(name, {"log_p": follows if stored is ROWS else follows.T})

    def fixed(name, p):
        follows = np.log(np.array(p))
        return Case(name, {"log_p": follows if stored is ROWS else follows.T})

    other = COLUMNS if stored is ROWS else ROWS
    hint = "Of one token's continuations the probabilities sum to 1. Do those that you take?"
    return Key(
        cases=(
            fixed("two letters", [[0.1, 0.52, 0.38], [0.31, 0.39, 0.3], [0.88, 0.05, 0.07]]),
            fixed("the empty sequence", [[0.6, 0.25, 0.15], [0.3, 0.33, 0.37], [0.2, 0.41, 0.39]]),
            fixed("one letter", [[0.17, 0.83], [0.29, 0.71]]),
            case("three letters", 0.35, 4),
            case("four letters", 0.4, 5),
            case("two letters, drawn", 0.3, 3),
        ),
        also_right=(by_listing,),
        misconceptions=(Misconception("the table read the other way", hint, Edit(options={"stored": other})),),
        returns=("tokens", "log_p", "expansions"),
        axes={"tokens": "T"},
    )
