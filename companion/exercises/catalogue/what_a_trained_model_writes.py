"""Models that write: a state that is carried, cuts of a distribution, copies, and the surprise of what is written."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from companion.exercises.activations import ACTIVATIONS, Activation, other_activation
from companion.exercises.edits import Edit
from companion.exercises.inputs import normal
from companion.exercises.model import Case, Key, Misconception, exercise


@exercise("carry-state", "write", "Writing with a carried state", "implement", f=ACTIVATIONS)
def carry_state(rng: np.random.Generator, f: Activation) -> Key:
    def one_by_one(w, h, tokens, draws):
        T, N = draws.shape
        written, states = np.zeros((T, N), int), np.zeros_like(h)
        for n in range(N):
            state, token = h[n], tokens[n]
            for t in range(T):
                state = f.apply(w["W_xh"][:, token] + w["W_hh"] @ state + w["b_h"])
                u = w["W_hy"] @ state + w["b_y"]
                log_p = u - np.logaddexp.reduce(u)
                total = 0.0
                for token in range(len(u)):
                    total += np.exp(log_p[token])
                    if total > draws[t, n]:
                        break
                written[t, n] = token
            states[n] = state
        return written, states

    def case(name, T, N, H, V):
        w = {
            "W_xh": normal(rng, H, V, scale=1.5),
            "W_hh": normal(rng, H, H, scale=1.2),
            "b_h": normal(rng, H),
            "W_hy": normal(rng, V, H, scale=2.0),
            "b_y": normal(rng, V),
        }
        # a state of any activation; draws from the middle of the interval, which rounding does not decide
        arguments = {"w": w, "h": normal(rng, N, H), "tokens": rng.integers(0, V, N)}
        return Case(name, arguments | {"draws": rng.uniform(0.03, 0.97, (T, N))})

    return Key(
        cases=(
            case("two sequences", 4, 2, 3, 5),
            case("T = 1", 1, 3, 2, 4),
            case("N = 1", 5, 1, 3, 4),
            case("H = 1", 4, 2, 1, 5),
            case("everything square", 3, 3, 3, 3),
            case("many", 9, 6, 4, 7),
        ),
        also_right=(one_by_one,),
        misconceptions=(other_activation(f),),
        returns=("tokens", "states"),
        axes={"tokens": "T N", "states": "N H"},
    )


@dataclass(frozen=True)
class Rule:
    """Which tokens a nucleus keeps: ``words`` and ``more`` in the statement, ``kept`` in NumPy, ``why`` in prose."""

    words: str
    more: str
    kept: str
    why: str


REACHES = Rule(
    "the fewest that together have at least",
    "The token with which the mass is reached is kept.",
    "before < mass",
    "the mass before it has not reached the bound; the one with which it is reached is kept, too",
)
STAYS = Rule(
    "as many as together have at most",
    "The most probable one is kept in any case.",
    "(before + p[order] <= mass) | (before == 0)",
    "the mass with it stays within the bound; the first one is kept in any case",
)


@exercise("nucleus", "nucleus", "The nucleus of a distribution", "implement", rule=(REACHES, STAYS))
def nucleus(rng: np.random.Generator, rule: Rule) -> Key:
    def one_by_one(p, mass):
        kept, total = np.zeros(len(p)), 0.0
        for k in sorted(range(len(p)), key=lambda k: -p[k]):
            if total and (total >= mass if rule is REACHES else total + p[k] > mass):
                break
            kept[k] = p[k]
            total += p[k]
        return kept / total

    def case(name, p, mass):
        return Case(name, {"p": np.array(p), "mass": mass})

    def drawn(V):
        return rng.dirichlet(np.full(V, 0.6))

    (other,) = (each for each in (REACHES, STAYS) if each is not rule)
    hint = "Is the token with which the mass passes the bound kept? The statement says it."
    return Key(
        cases=(
            case("five tokens", [0.05, 0.5, 0.15, 0.21, 0.09], 0.8),
            case("one token is enough", [0.1, 0.72, 0.18], 0.6),
            case("two tokens", [0.35, 0.65], 0.9),
            case("a mass that is met exactly", [0.1875, 0.5, 0.0625, 0.25], 0.75),
            case("a small mass", [0.22, 0.31, 0.19, 0.28], 0.1),
            case("nearly all", [0.22, 0.31, 0.19, 0.27, 0.01], 0.97),
            case("half", [0.09, 0.12, 0.27, 0.24, 0.18, 0.1], 0.5),
            case("many tokens", drawn(20), 0.75),
            case("more tokens", drawn(30), 0.4),
        ),
        also_right=(one_by_one,),
        misconceptions=(Misconception("the other bound", hint, Edit(options={"rule": other})),),
        axes={"result": "V"},
    )


@dataclass(frozen=True)
class Share:
    """Which of the written sequences are counted: ``words`` in prose, ``code`` in Python."""

    words: str
    code: str


ALL = Share("the written sequences", "written")
DIFFERENT = Share("the *different* written sequences (one that is written twice counts once)", "set(written)")


@exercise("novelty", "novelty", "What is copied", "implement", share=(ALL, DIFFERENT))
def novelty(rng: np.random.Generator, share: Share) -> Key:
    def one_by_one(written, training):
        counted = []
        for tokens in written:
            if share is ALL or tokens not in counted:
                counted.append(tokens)
        known = sum(any(tokens == t for t in training) for tokens in counted) / len(counted)
        longest = 0
        for w in written:
            for t in training:
                for i in range(len(w)):
                    for j in range(len(t)):
                        n = 0
                        while i + n < len(w) and j + n < len(t) and w[i + n] == t[j + n]:
                            n += 1
                        longest = max(longest, n)
        return known, longest

    def case(name, written, training):
        return Case(name, {"written": written, "training": training})

    def drawn(number, longest):
        return [tuple(map(int, rng.integers(1, 5, rng.integers(2, longest)))) for _ in range(number)]

    some = drawn(6, 7)
    (other,) = (each for each in (ALL, DIFFERENT) if each is not share)
    hint = "How often does a sequence count that is written twice?"
    return Key(
        cases=(
            case("three sequences", [(1, 2, 3), (4, 5), (1, 2, 3)], [(1, 2, 3), (7, 1, 2)]),
            case("nothing in common", [(1, 2)], [(3, 4), (5,)]),
            case("part of a longer one", [(2, 3, 4), (2, 3, 4), (9, 8)], [(1, 2, 3, 4, 5), (9, 8)]),
            case("a run in the middle", [(7, 1, 2, 3, 9), (6, 6)], [(4, 1, 2, 3, 5), (6, 6), (6, 6)]),
            case("only across two", [(1, 2, 3, 4), (3, 4), (3, 4), (5,)], [(7, 1, 2), (3, 4)]),
            case("the same tokens in another order", [(4, 3, 2, 1), (1, 2), (1, 2)], [(1, 2, 3, 4), (1, 2)]),
            case("drawn", [*drawn(7, 8), some[0], some[0]], some),
        ),
        also_right=(one_by_one,),
        misconceptions=(Misconception("the other share", hint, Edit(options={"share": other})),),
        returns=("share", "longest"),
    )


@dataclass(frozen=True)
class Base:
    """The base of a logarithm: ``words`` in LaTeX, ``code`` in NumPy."""

    words: str
    code: str


BASES = (Base("$e$", "np.e"), Base("2", "2.0"), Base("10", "10.0"))


@exercise("sample-perplexity", "perplexity", "How surprising is what it writes?", "implement", base=BASES)
def sample_perplexity(rng: np.random.Generator, base: Base) -> Key:
    b = {"$e$": np.e, "2": 2.0, "10": 10.0}[base.words]

    def one_by_one(log_p):
        total, tokens = 0.0, 0
        for one in log_p:
            for x in one:
                total, tokens = total + x * np.log(b), tokens + 1
        return np.exp(-total / tokens)

    def case(name, lengths):
        return Case(name, {"log_p": [np.log(rng.uniform(0.05, 0.95, n)) / np.log(b) for n in lengths]})

    other = BASES[1] if base is BASES[0] else BASES[0]
    hint = "To which base are the logarithms? The power that undoes them has the same."
    return Key(
        cases=(
            case("three sequences", (3, 5, 4)),
            case("one sequence", (4,)),
            case("a short one and a long one", (2, 12)),
            case("many", (6, 2, 9, 3, 4, 7)),
        ),
        also_right=(one_by_one,),
        misconceptions=(Misconception("another base", hint, Edit(options={"base": other})),),
    )
