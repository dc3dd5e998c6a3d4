"""A step of a beam, comparing lengths, when to stop, whose error it was, and the exact best sequence."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from itertools import count

import numpy as np

from companion.exercises.edits import Edit
from companion.exercises.inputs import normal
from companion.exercises.model import Case, Key, Misconception, exercise


@dataclass(frozen=True)
class Penalty:
    """What log p of a hypothesis of L tokens is divided by.

    Attributes:
        name: what it is known by.
        formula: in LaTeX, of a length «length».
        linear: in NumPy, what alpha is the power of.
    """

    name: str
    formula: str
    linear: str

    @property
    def code(self) -> str:
        return f"{self.linear}**alpha" if self.linear == "L" else f"({self.linear}) ** alpha"

    def of(self, length: float, alpha: float) -> float:
        return float((length if self.name == "length" else (5 + length) / 6) ** alpha)


SIGNS = ("log p", "cost")
PENALTIES = (Penalty("length", r"L^\alpha", "L"), Penalty("GNMT", r"\big((5 + L) / 6\big)^\alpha", "(5 + L) / 6"))


def _other_penalty(penalty: Penalty) -> Misconception:
    """The mistake of dividing by another function of the length."""
    hint = "You divide by another function of the length than the one that is asked for. What does it give for L = 1?"
    (other,) = (each for each in PENALTIES if each is not penalty)
    return Misconception("another penalty", hint, Edit(options={"penalty": other}))


def _log_p(rng: np.random.Generator, *shape: int, scale: float = 1.5) -> np.ndarray:
    """log p of distributions over the last axis."""
    u = normal(rng, *shape, scale=scale)
    return u - np.logaddexp.reduce(u, axis=-1, keepdims=True)


@exercise(
    "beam-step",
    "beam_step",
    "A step of a beam",
    "implement",
    sign=SIGNS,
    fourth=("ended", "living"),
)
def beam_step(rng: np.random.Generator, sign: str, fourth: str) -> Key:
    ended = fourth == "ended"
    up = 1.0 if sign == "log p" else -1.0  # a sum, times this, is log p
    step = "log_p" if up == 1 else "costs"

    def by_loops(totals, log_p, width):
        rows = [(total + log_p[k, v], k, v) for k, total in enumerate(totals) for v in range(log_p.shape[1])]
        rows.sort(key=lambda row: -up * row[0])
        kept = [(k, v, total, (v == 0) == ended) for total, k, v in rows[:width]]
        return tuple(np.array(part) for part in zip(*kept, strict=True))

    def one_after_the_other(totals, log_p, width):
        """The best, and without it the best again, of a table with the tokens as rows."""
        left, kept = up * (totals + log_p.T), []
        for _ in range(width):
            k, v = min(np.argwhere(left == left.max())[:, ::-1].tolist())
            kept.append((k, v))
            left[v, k] = -np.inf
        k, v = np.transpose(kept)
        return k, v, totals[k] + log_p[k, v], (v == 0) == ended

    def case(name, K, V, width, totals=None, log_p=None):
        totals = 4 * _log_p(rng, K) if totals is None else np.array(totals)
        log_p = _log_p(rng, K, V) if log_p is None else log_p
        return Case(name, {"totals": up * totals, step: up * log_p, "width": width})

    equal = np.log(np.full((4, 8), 1 / 8))
    return Key(
        cases=(
            case("two hypotheses", 2, 3, 2),
            case("K = 1", 1, 5, 3),
            case("width = 1", 3, 4, 1),
            case("as many hypotheses as tokens", 3, 3, 3),
            case("fewer are kept than there were", 5, 4, 2),
            case("all are kept", 2, 4, 8),
            case("V = 1", 3, 1, 2),
            case("one outweighs all others", 3, 6, 4, totals=[-40.0, -1.0, -30.0]),
            case("equals", 4, 8, 10, totals=[-2.0, -1.0, -2.0, -1.0], log_p=equal),
            case("totals of −2000", 3, 4, 5, totals=[-2000.0, -2001.0, -2000.5]),
            case("many", 6, 9, 20),
        ),
        also_right=(by_loops, one_after_the_other),
        returns=("hypotheses", "tokens", "totals", fourth),
        words={
            "step": step,
            "told": "has ended" if ended else "lives on, that is, has not ended",
            "eos": "==" if ended else "!=",
            "Sum": r"$\log p$" if up == 1 else r"the cost $-\log p$",
            "sum": r"$\log p$" if up == 1 else "the cost",
            "sums": r"$\log p$" if up == 1 else "costs",
            "Order": r"The larger $\log p$, the better" if up == 1 else "The lower the cost, the better",
            "falling": "-longer" if up == 1 else "longer",
            "arg": "argmax" if up == 1 else "argmin",
            "minus": "" if up == 1 else "-",
            "rising": "longer" if up == 1 else "-longer",
            "never": "-1e9" if up == 1 else "1e9",
            "probability": "np.exp(totals)[:, None] + np.exp(log_p)"
            if up == 1
            else "-np.exp(-totals)[:, None] - np.exp(-costs)",
        },
    )


@exercise("length-norm", "best_first", "Long and short ones compared", "implement", penalty=PENALTIES, left_out=(0, 1))
def length_norm(rng: np.random.Generator, penalty: Penalty, left_out: int) -> Key:
    def by_logarithms(hypotheses, log_p, alpha):
        """The lowest first, of log(−log p) − log(penalty)."""
        lengths = [len(tokens) + left_out for tokens in hypotheses]
        lost = [np.log(-total) - np.log(penalty.of(n, alpha)) for n, total in zip(lengths, log_p, strict=True)]
        return np.array(sorted(range(len(lost)), key=lost.__getitem__))

    def by_duels(hypotheses, log_p, alpha):
        """Each stands after all those that win against it, and after its equals that came before it."""
        divisors = np.array([penalty.of(len(tokens) + left_out, alpha) for tokens in hypotheses])
        wins = log_p[:, None] * divisors > (log_p[:, None] * divisors).T  # (N, N): of the row against the column
        beaten = wins.sum(axis=0) + [np.sum(~wins[:n, n] & ~wins[n, :n]) for n in range(len(log_p))]
        order = np.empty(len(log_p), int)
        order[beaten] = np.arange(len(log_p))
        return order

    def case(name, lengths, log_p, alpha):
        """Hypotheses of so many tokens; some tokens come twice."""
        written = [tuple(rng.integers(1, 6, n - 1).tolist()) for n in lengths]
        hypotheses = [tokens if left_out else (*tokens, 0) for tokens in written]
        return Case(name, {"hypotheses": hypotheses, "log_p": np.array(log_p), "alpha": alpha})

    def drawn(name, lengths, alpha, power=0.8):
        """With log p that falls a little slower than the length grows."""
        return case(
            name, lengths, -1.7 * np.power(lengths, power) * np.exp(normal(rng, len(lengths), scale=0.3)), alpha
        )

    return Key(
        cases=(
            case("a short and a long one", [3, 6], [-2.0, -3.0], 1.0),
            drawn("alpha = 0", [2, 7, 4, 3], 0.0),
            drawn("alpha = 0.6", [1, 4, 9, 6, 2, 12], 0.6),
            drawn("alpha = 1", [5, 2, 8, 3, 14, 1], 1.0),
            drawn("alpha = 2", [5, 2, 8, 3, 4, 1], 2.0, power=1.6),
            drawn("one hypothesis", [4], 0.6),
            drawn("all of one length", [5, 5, 5, 5], 0.6),
            case("equals", [4, 6, 4, 2, 6, 4], [-3.0, -4.5, -3.0, -2.0, -4.5, -3.5], 1.0),
            case("log p of −800", [300, 310, 350, 280], [-800.0, -815.0, -880.0, -770.0], 0.6),
            drawn("forty of them", rng.integers(1, 30, 40).tolist(), 0.7),
            drawn("forty, alpha = 0.3", rng.integers(1, 30, 40).tolist(), 0.3, power=0.4),
        ),
        also_right=(by_logarithms, by_duels),
        misconceptions=(_other_penalty(penalty),),
        words={
            "formula": penalty.formula,
            "penalty.code": penalty.code,
            "penalty.inverse": f"({penalty.linear}) ** -alpha",
            "penalty.linear": f"({penalty.linear})",
            "plus": " + 1" if left_out else "",
            "less": "" if left_out else " - 1",
            "Stored": "up to its `<EOS>`, which is left out" if left_out else "that ends in `<EOS>`, which is 0",
        },
    )


@exercise("stop-search", "may_stop", "When a search may stop", "derive", penalty=PENALTIES, sign=SIGNS)
def stop_search(rng: np.random.Generator, penalty: Penalty, sign: str) -> Key:
    up = 1.0 if sign == "log p" else -1.0  # a sum, times this, is log p

    def by_trying_every_length(living, t, ended, lengths, alpha, most):
        """Each living hypothesis with each number of certain tokens more, one by one."""
        done = [up * total / penalty.of(n, alpha) for total, n in zip(ended, lengths, strict=True)]
        open_ = [up * total / penalty.of(n, alpha) for total in living for n in range(t, most + 1)]
        best, reachable = max(done, default=-np.inf), max(open_, default=-np.inf)
        overtaken = any(score > best for score in open_)
        return up * best, up * reachable, not overtaken

    def case(name, living, t, ended, lengths, alpha, most):
        sums = {"living": up * np.array(living), "t": t, "ended": up * np.array(ended)}
        return Case(name, {**sums, "lengths": np.array(lengths, int), "alpha": alpha, "most": most})

    def drawn(name, K, t, lengths, alpha, most):
        living = -1.2 * t * np.exp(normal(rng, K, scale=0.3))
        return case(name, living, t, -1.2 * np.array(lengths) * np.exp(normal(rng, len(lengths))), lengths, alpha, most)

    doubled = 2 if penalty.name == "length" else 7  # tokens with a penalty of 2 where alpha is 1
    return Key(
        cases=(
            case("it may stop", [-9.0, -12.0, -10.0], 6, [-7.0, -3.0, -4.0], [3, 4, 5], 1.0, 9),
            case("it may not", [-3.0, -6.0, -4.0], 4, [-5.0, -2.4, -2.5], [2, 3, 4], 1.0, 12),
            case("only a longer one could overtake", [-5.0, -5.5], 3, [-4.0, -6.0], [3, 2], 1.0, 12),
            case("alpha = 0", [-3.0, -2.5], 5, [-2.0, -4.0], [2, 5], 0.0, 20),
            case("alpha = 0, going on", [-3.0, -1.5], 5, [-4.0, -2.0], [5, 2], 0.0, 20),
            case("level", [-8.0], 1, [-4.0], [1], 1.0, doubled),
            case("a little better than level", [-7.9], 1, [-4.0], [1], 1.0, doubled),
            case("none has ended", [-2.0, -3.0, -2.5], 2, [], [], 0.6, 10),
            case("none lives", [], 4, [-3.0, -5.0], [2, 4], 0.6, 10),
            case("one step before the end", [-4.0, -7.0], 7, [-4.5, -6.0, -4.2], [6, 7, 3], 0.6, 8),
            drawn("alpha = 0.6", 4, 7, [3, 5, 6, 7, 7], 0.6, 15),
            drawn("alpha = 2", 5, 9, [9, 4, 6, 8], 2.0, 14),
            drawn("many", 12, 20, rng.integers(2, 20, 15).tolist(), 0.8, 40),
        ),
        also_right=(by_trying_every_length,),
        returns=("best", "reachable", "stop"),
        words={
            "formula": penalty.formula,
            "penalty.code": penalty.code,
            "penalty.linear": f"({penalty.linear})",
            "total": r"$\log p$" if up == 1 else r"cost $-\log p$",
            "higher": "higher" if up == 1 else "lower",
            "worsen": "only fall" if up == 1 else "only rise",
            "side": "below" if up == 1 else "above",
            "nothing": "-np.inf" if up == 1 else "np.inf",
            "best": "max" if up == 1 else "min",
            "worst": "min" if up == 1 else "max",
            "beats": ">=" if up == 1 else "<=",
            "strictly": ">" if up == 1 else "<",
        },
    )


@exercise(
    "search-error",
    "whose_errors",
    "The search's errors and the model's",
    "implement",
    sign=("log p", "loss"),
    asked=("number", "share"),
)
def search_error(rng: np.random.Generator, sign: str, asked: str) -> Key:
    up = 1.0 if sign == "log p" else -1.0  # a sum, times this, is log p

    def by_loops(reference, found, equal):
        counts = {"search": 0, "model": 0}
        for r, f, same in zip(reference, found, equal, strict=True):
            if not same:
                counts["search" if up * (r - f) > 0 else "model"] += 1
        whole = 1 if asked == "number" else len(equal)
        return counts["search"] / whole, counts["model"] / whole

    def case(name, right=0, rounded=0, search=0, model=0, level=0, size=10.0, gap=1.0):
        """So many sentences of each kind in any order; those of a kind one by one, `rounded` on either side."""
        N = right + rounded + search + model + level
        reference = -size * (1 + rng.random(N))
        found = reference.copy()
        last = slice(right, right + rounded)
        found[last] = np.nextafter(found[last], np.where(np.arange(rounded) % 3, 0.0, -np.inf))
        found[right + rounded :][:search] -= gap * (0.1 + rng.random(search))
        found[right + rounded + search :][:model] += gap * (0.1 + rng.random(model))
        order = rng.permutation(N)
        equal = np.arange(N) < right + rounded
        return Case(name, {"reference": up * reference[order], "found": up * found[order], "equal": equal[order]})

    return Key(
        cases=(
            case("some of each", right=2, search=3, model=1),
            case("one right sentence", right=1),
            case("one search error", search=1),
            case("one model error", model=1),
            case("all are right", right=4, rounded=4),
            case("level, but not equal", right=1, search=1, model=2, level=4),
            case("the last digits differ", right=1, rounded=7, search=4, model=2),
            case("log p of about −1000", right=2, search=5, model=3, size=900.0),
            case("by little", right=3, search=6, model=2, level=1, gap=1e-6),
            case("many", right=23, rounded=11, search=41, model=29, level=17, size=20.0),
        ),
        also_right=(by_loops,),
        returns=("search", "model"),
        words={
            "total": r"$\log p$" if up == 1 else r"loss $-\log p$",
            "asked": "how many there are of each" if asked == "number" else "which share of all $N$ sentences each has",
            "count": "sum" if asked == "number" else "mean",
            "whole": "" if asked == "number" else "* len(equal)",
            "higher": "higher" if up == 1 else "lower",
            "better": ">" if up == 1 else "<",
            "worse": "<" if up == 1 else ">",
            "level": ">=" if up == 1 else "<=",
            "minus": "" if up == 1 else "-",
        },
    )


Found = tuple[np.ndarray, float, int]  # tokens (T,), log p, expansions


def _uniform_cost(log_p: np.ndarray) -> Found:
    """With a heap; log_p: (V, V), a row for each token that may come before."""
    order, expansions = count(), 0
    waiting: list[tuple[float, int, tuple[int, ...]]] = [(0.0, next(order), ())]
    while True:
        cost, _, prefix = heapq.heappop(waiting)
        if prefix and prefix[-1] == 0:
            return np.array(prefix), -cost, expansions
        expansions += 1
        for token, step in enumerate(log_p[prefix[-1] if prefix else 0].tolist()):
            if step > -np.inf:
                heapq.heappush(waiting, (cost - step, next(order), (*prefix, token)))


def _one_prefix_for_a_token(log_p: np.ndarray) -> Found:
    """Of all prefixes that end in one token only the best is expanded."""
    waiting: dict[tuple[int, ...], float] = {(): 0.0}
    seen = list[int | None]()
    while True:
        prefix = max(waiting, key=waiting.__getitem__)
        total = waiting.pop(prefix)
        if prefix and prefix[-1] == 0:
            return np.array(prefix), total, len(seen)
        last = prefix[-1] if prefix else None
        if last not in seen:
            seen.append(last)
            waiting |= {(*prefix, k): total + step for k, step in enumerate(log_p[last or 0].tolist())}


def _greedy(log_p: np.ndarray) -> list[int]:
    """The most probable token again and again, at most 12 of them."""
    tokens = [int(log_p[0].argmax())]
    while tokens[-1] and len(tokens) < 12:
        tokens.append(int(log_p[tokens[-1]].argmax()))
    return tokens


@exercise(
    "exact-mode",
    "most_probable",
    "The most probable of all sequences",
    "implement",
    stored=("jk", "kj"),
    sign=("log p", "cost"),
)
def exact_mode(rng: np.random.Generator, stored: str, sign: str) -> Key:
    up = 1.0 if sign == "log p" else -1.0  # an entry of the table, times this, is log p

    def rows(table):
        """log p with a row for each token before."""
        return up * (table if stored == "jk" else table.T)

    def with_a_heap(table):
        tokens, total, expansions = _uniform_cost(rows(table))
        return tokens, up * total, expansions

    def by_depth(table):
        """All prefixes that are no worse than the best sequence so far; then all that had to be expanded."""
        log_p, best = rows(table), (-np.inf, ())

        def better(prefix, total):
            nonlocal best
            if prefix[-1:] == (0,):
                best = max(best, (total, prefix), key=lambda one: one[0])
            elif total > best[0]:
                for k in np.argsort(-log_p[prefix[-1] if prefix else 0], stable=True):
                    better((*prefix, int(k)), total + log_p[prefix[-1] if prefix else 0, k])

        def expanded(prefix, total):
            if prefix[-1:] == (0,) or not (total > best[0] or prefix == best[1][: len(prefix)]):
                return 0
            steps = log_p[prefix[-1] if prefix else 0]
            return 1 + sum(expanded((*prefix, k), total + step) for k, step in enumerate(steps))

        better((), 0.0)
        return np.array(best[1]), up * best[0], expanded((), 0.0)

    def apart(table):
        tokens, total, expansions = _one_prefix_for_a_token(rows(table))
        return tokens, up * total, expansions

    def case(name, p):
        with np.errstate(divide="ignore"):
            log_p = np.log(np.array(p))
        table = up * (log_p if stored == "jk" else log_p.T)
        return Case(name, {"log_p" if up == 1 else "costs": table.copy()})

    def drawn(V, plan, impossible=0.0):
        """A table where the greedy choice ends, too, and not in the best sequence; `plan` says how surely."""
        while True:
            first, second, third, *_ = rng.permutation(np.arange(1, V))
            planned = np.zeros((V, V))
            planned[0, [first, second]] = 0.55, 0.45
            planned[first, third], planned[second, third], planned[third, 0] = 0.4, 0.9, 0.8
            u = np.where(rng.random((V, V)) < impossible, -np.inf, normal(rng, V, V))
            u[0, 0] = u[third, third] = -np.inf
            u[0, 1] = u[1:, 0] = -1.0
            others = np.exp(u - np.logaddexp.reduce(u, axis=1, keepdims=True))
            p = plan * planned + (1 - plan * planned.sum(axis=1, keepdims=True)) * others
            with np.errstate(divide="ignore"):
                log_p = np.log(p)
            best, greedy = [second, third, 0], _greedy(log_p)
            if _one_prefix_for_a_token(log_p)[0].tolist() == best and greedy != best and greedy[-1] == 0:
                return p

    loop = [[0, 0.55, 0.45, 0], [0.1, 0.25, 0.25, 0.4], [0.2, 0, 0.8, 0], [0.35, 0.3, 0.15, 0.2]]
    twice = [[0, 0.45, 0.45, 0.1], [0.1, 0.1, 0.1, 0.7], [0.1, 0.1, 0.1, 0.7], [0.7, 0.1, 0.1, 0.1]]
    chain = np.eye(5)[[3, 4, 0, 1, 2]]
    name = "log_p" if up == 1 else "costs"
    return Key(
        cases=(
            case("three tokens", [[0, 0.55, 0.45], [0.1, 0.2, 0.7], [0.5, 0.3, 0.2]]),
            case("V = 2", [[0, 1], [0.6, 0.4]]),
            case("one way only", chain),
            case("equals", twice),
            case("a loop", loop),
            case("four tokens", drawn(4, 0.8)),
            case("steps that are impossible", drawn(6, 0.7, impossible=0.4)),
            case("eight tokens", drawn(8, 0.7)),
            case("many expansions", drawn(5, 0.55)),
        ),
        also_right=(with_a_heap, by_depth),
        misconceptions=(
            Misconception(
                "one prefix for each last token",
                "The sequence is right, and this table needs no more. But what would become of the prefixes that you "
                "leave out, if the next token depended on all that came before?",
                apart,
            ),
        ),
        returns=("tokens", "total", "expansions"),
        axes={"tokens": "T"},
        words={
            "table": name,
            "Stored": f"the entry $[{stored[0]}, {stored[1]}]$",
            "total": r"$\log p$" if up == 1 else r"cost $-\log p$",
            "plain": "log p" if up == 1 else "cost",
            "nothing": r"$-\infty$" if up == 1 else r"$\infty$",
            "best": "max" if up == 1 else "min",
            "up": "1" if up == 1 else "-1",
            "minus": "" if up == 1 else "-",
            "steps": name + ("[last]" if stored == "jk" else "[:, last]"),
            "last_step": name + ("[prefix[-2], 0]" if stored == "jk" else "[0, prefix[-2]]"),
        },
    )
