"""Drawing what a model writes, cutting its distributions, and what is measured of written sequences."""

from __future__ import annotations

from itertools import takewhile

import numpy as np

from companion.core.functions import softmax
from companion.exercises.activations import ACTIVATIONS, Activation, other_activation
from companion.exercises.inputs import normal
from companion.exercises.model import Case, Key, Misconception, exercise


@exercise("carry-state", "write", "Write on from a state", "implement", f=ACTIVATIONS, end=("read on", "stop"))
def carry_state(rng: np.random.Generator, f: Activation, end: str) -> Key:
    def one_by_one(weights, h, tokens, draws):
        written, states = np.zeros(draws.shape, int), h.copy()
        for n, token in enumerate(tokens):
            ended = False
            for t in range(len(draws)):
                x = np.eye(len(weights["b_y"]))[token]
                states[n] = f.apply(weights["W_xh"] @ x + weights["W_hh"] @ states[n] + weights["b_h"])
                u = weights["W_hy"] @ states[n] + weights["b_y"]
                sums = np.cumsum(np.exp(u - u.max()) / np.exp(u - u.max()).sum())
                token = 0 if ended else np.searchsorted(sums, draws[t, n], side="right")
                ended |= end == "stop" and token == 0
                written[t, n] = token
        return written, states

    def case(name, T, N, H, V, *, draws=None, **replaced):
        weights = {
            "W_xh": normal(rng, H, V, scale=1.5),
            "W_hh": normal(rng, H, H, scale=1.5),
            "b_h": normal(rng, H),
            "W_hy": normal(rng, V, H, scale=1.5),
            "b_y": normal(rng, V),
        }
        given = {"h": f.apply(normal(rng, N, H)), "tokens": rng.integers(0, V, N)}
        draws = rng.random((T, N)) * 0.999 if draws is None else np.array(draws)
        return Case(name, {"weights": {**weights, **replaced}, **given, "draws": draws})

    return Key(
        cases=(
            case("three steps", 3, 2, 3, 4),
            case("T = 1", 1, 3, 2, 4),
            case("N = 1", 4, 1, 3, 4),
            case("V = 1", 3, 2, 2, 1),
            case("everything square", 3, 3, 3, 3),
            case("r = 0, and <EOS> improbable", 2, 3, 2, 3, draws=np.zeros((2, 3)), b_y=np.array([-1000.0, 0, 0])),
            case("draws on the border", 3, 1, 2, 4, draws=[[0.5], [0.25], [0]], W_hy=np.zeros((4, 2)), b_y=np.zeros(4)),
            case("logits of ±1000", 4, 3, 3, 4, b_y=np.array([-1000.0, 1000, 1000, 999])),
            case("logits of −1000", 4, 3, 3, 4, b_y=np.array([-999.0, -1000, -1001, -1000])),
            case("logits of 1000s in one sequence", 4, 4, 3, 4, W_hy=normal(rng, 4, 3) + 9000),
            case("<EOS> is probable", 9, 5, 4, 5, b_y=np.array([2.5, 0, 0, 0, 0])),
            case("many steps", 12, 4, 5, 7),
        ),
        also_right=(one_by_one,),
        misconceptions=(other_activation(f),),
        returns=("written", "h"),
        axes={"written": "T sequence", "h": "sequence H"},
        words={
            "End": "A sequence that has written `<EOS>` (token 0) goes on like any other: the model reads it like any "
            "token."
            if end == "read on"
            else "A sequence that has written `<EOS>` (token 0) writes only `<EOS>` from then on, whatever is drawn. "
            "The model reads it like any token, so that the state still changes; an `<EOS>` among the given tokens "
            "ends nothing.",
            "ended": "" if end == "read on" else " * np.all(written, axis=0)",
            "Ended": ""
            if end == "read on"
            else "A sequence in which every token so far is other than 0 has not ended; before the first step that "
            "holds of all, since `np.all` of nothing is true. ",
        },
    )


@exercise(
    "nucleus", "nucleus", "The nucleus of a distribution", "implement", ties=("first", "all"), per=("all rows", "row")
)
def nucleus(rng: np.random.Generator, ties: str, per: str) -> Key:
    def one_token_after_the_other(p, mass):
        left = np.zeros_like(p)
        for n, row in enumerate(p):
            wanted = mass if per == "all rows" else mass[n]
            tokens = sorted(range(len(row)), key=lambda k: (-row[k], k))
            while left[n].sum() < wanted - 1e-12 and tokens:
                last = tokens.pop(0)
                left[n, last] = row[last]
            if ties == "all":
                left[n, row == row[last]] = row[last]
            left[n] /= left[n].sum()
        return left

    def case(name, p, *masses):
        p = np.array(p)
        return Case(name, {"p": p, "mass": masses[0] if per == "all rows" else np.resize(masses, len(p))})

    def drawn(N, V, scale=2.0):
        return softmax(normal(rng, N, V, scale=scale))

    eighths = [[1 / 8, 1 / 2, 1 / 4, 1 / 8], [1 / 2, 1 / 8, 1 / 8, 1 / 4]]
    return Key(
        cases=(
            case("two rows", [[0.1, 0.75, 0.05, 0.1], [0.35, 0.2, 0.3, 0.15]], 0.7, 0.8),
            case("the mass is reached exactly", eighths, 0.75, 0.5),
            case("by the first token", eighths, 0.5, 0.75),
            case("the first token passes the mass", [[0.1, 0.85, 0.05], [0.9, 0.04, 0.06]], 0.3, 0.2),
            case("mass 1", drawn(2, 5), 1.0),
            case("mass 1, and a probability of 0", [[1 / 2, 0, 1 / 4, 1 / 4], [0, 0, 1 / 8, 7 / 8]], 1.0),
            case("a tie at the end", [[1 / 8, 1 / 4, 1 / 4, 1 / 8, 1 / 4], [1 / 4, 0, 1 / 2, 1 / 8, 1 / 8]], 0.5, 0.8),
            case("all equal", [[1 / 4] * 4, [1 / 4] * 4], 0.7, 0.3),
            case("V = 1", [[1.0], [1.0]], 0.5, 0.9),
            case("N = 1", drawn(1, 6), 0.9),
            case("everything square", drawn(5, 5), 0.6, 0.9, 0.3),
            case("many tokens", drawn(4, 30, scale=1.0), 0.95, 0.7, 0.85),
            case("many equals", rng.permuted(np.tile([1 / 128, 3 / 128], (3, 32)), axis=1), 0.4, 0.85),
        ),
        also_right=(one_token_after_the_other,),
        axes={"result": "row V"},
        words={
            "Ties": "Among tokens of equal probability those with lower numbers come first."
            if ties == "first"
            else "A token that is as probable as the least probable of these is kept as well.",
            "what": "a number above 0 and at most 1"
            if per == "all rows"
            else "a number above 0 and at most 1 for each row, $(N,)$",
            "mass": "mass" if per == "all rows" else "mass[:, None]",
            "keep": "keep" if ties == "first" else "p >= np.where(keep, p, np.inf).min(axis=1, keepdims=True)",
            "Why": "A stable sort leaves equals in the order of their numbers."
            if ties == "first"
            else "The smallest probability that is needed is then a threshold, which equals pass together.",
        },
    )


@exercise(
    "top-k-and-temperature",
    "to_draw_from",
    "A temperature and a cut",
    "implement",
    cut=("k", "share"),
    form=("p", "log p"),
)
def top_k_and_temperature(rng: np.random.Generator, cut: str, form: str) -> Key:
    def cut_then_scaled(u, tau, number):
        """The probabilities of tau = 1 are cut, and what is left is raised to the power of 1/tau, in logarithms."""
        log_p = np.full(u.shape, -np.inf)
        for n, row in enumerate(u):
            tokens = sorted(range(len(row)), key=lambda k: (-row[k], k))
            if cut == "k":
                kept = tokens[:number]
            else:
                kept = [k for k in tokens if (row[k] - row[tokens[0]]) / tau >= np.log(number)]
            scaled = row[kept] / tau
            log_p[n, kept] = scaled - np.logaddexp.reduce(scaled)
        return np.exp(log_p) if form == "p" else log_p

    def case(name, u, tau, k, share):
        return Case(name, {"u": np.array(u), "tau": tau, **({"k": k} if cut == "k" else {"share": share})})

    def drawn(N, V, scale=2.0):
        return normal(rng, N, V, scale=scale)

    far = drawn(3, 4) + np.array([[0.0], [3000.0], [-3000.0]])
    return Key(
        cases=(
            case("two rows", [[0.5, 2.0, -1.0, 1.5], [2.5, -0.5, 3.0, 1.0]], 2.0, 2, 0.6),
            case("τ = 1", drawn(3, 5), 1.0, 3, 0.1),
            case("one is left", drawn(3, 5), 0.7, 1, 1.0),
            case("nothing is cut", drawn(3, 5), 1.5, 5, 1e-9),
            case("the largest twice", [[1.0, 2.0, 2.0, 0.0], [0.5, -1.0, 0.5, 0.5]], 0.5, 1, 1.0),
            case("a tie at the end", [[1.0, 0.0, 2.0, 1.0, 1.0], [0.0, 0.0, 0.0, -1.0, 0.0]], 2.0, 3, 0.5),
            case("V = 1", [[0.3], [-2.0]], 0.5, 1, 0.5),
            case("N = 1", drawn(1, 6), 3.0, 4, 0.4),
            case("everything square", drawn(4, 4), 0.5, 2, 0.2),
            case("all negative", drawn(3, 5) - 6.0, 0.8, 2, 0.3),
            case("τ = 0.001", [[0.0, 0.1, -1.2, 0.05], [2.0, 0.0, -1.0, 1.0], [0.2, 0.25, 0.3, 0.2]], 0.001, 3, 1e-300),
            case("logits of ±3000", far, 1.2, 3, 0.05),
            case("many equals", rng.permuted(np.tile([0.0, 1.0], (3, 20)), axis=1), 2.0, 25, 0.7),
            case("many tokens", drawn(4, 30), 1.3, 12, 0.15),
        ),
        also_right=(cut_then_scaled,),
        axes={"result": "row V"},
        words={
            "number": cut,
            "which": "np.argsort(np.argsort(-scaled, stable=True)) < k"
            if cut == "k"
            else "scaled >= scaled.max(axis=1, keepdims=True) + np.log(share)",
            "result": "np.exp(log_p)" if form == "p" else "log_p",
            "shown": "probabilities" if form == "p" else "log-probabilities",
            "asked": "probabilities" if form == "p" else "natural logarithms of the probabilities",
            "none": "0" if form == "p" else r"$-\infty$ (`-np.inf`)",
            "what": "`k`, a number of tokens from 1 to $V$"
            if cut == "k"
            else "`share`, a number above 0 and at most 1",
            "cut": "all but the `k` most probable tokens of each row are cut."
            if cut == "k"
            else "of each row only those tokens are kept that are then, at this temperature, at least `share` times as "
            "probable as the most probable one.",
            "Rest": "Among tokens of equal probability those with lower numbers are kept. What is left is normalised."
            if cut == "k"
            else "What is left is normalised.",
            "Why": "The rank of a token is its place in the sorted row, which sorting the order itself gives."
            if cut == "k"
            else "A ratio of two probabilities is a difference of two scaled logits, so that the share becomes its "
            "logarithm.",
        },
    )


@exercise(
    "novelty",
    "novelty",
    "What is copied from the training text?",
    "implement",
    of=("all", "different"),
    over=("longest", "mean"),
)
def novelty(rng: np.random.Generator, of: str, over: str) -> Key:
    def with_lengths(longest):
        """An answer in which a written and a training sequence have this in common."""

        def answer(written, training):
            counted = set(written) if of == "different" else written
            share = np.mean([any(w == s for s in training) for w in counted])
            lengths = [max(longest(w, s) for s in training) for w in written]
            return share, max(lengths) if over == "longest" else np.mean(lengths)

        return answer

    def step_by_step(w, s):
        """The longest run that ends at each pair of places, one longer than that which ends before both."""
        ends = np.zeros((len(w) + 1, len(s) + 1), int)
        for i, j in np.ndindex(len(w), len(s)):
            ends[i + 1, j + 1] = ends[i, j] + 1 if w[i] == s[j] else 0
        return ends.max()

    def subsequence(w, s):
        best = np.zeros((len(w) + 1, len(s) + 1), int)
        for i, j in np.ndindex(len(w), len(s)):
            best[i + 1, j + 1] = best[i, j] + 1 if w[i] == s[j] else max(best[i, j + 1], best[i + 1, j])
        return best[-1, -1]

    def side_by_side(w, s):
        same = "".join("01"[a == b] for a, b in zip(w, s, strict=False))
        return max(map(len, same.split("0")))

    def from_the_first_occurrence(w, s):
        most = 0
        for start in range(len(w)):
            if w[start] in s:
                both = zip(w[start:], s[s.index(w[start]) :], strict=False)
                most = max(most, len(list(takewhile(lambda pair: pair[0] == pair[1], both))))
        return most

    def of_digits(w, s):
        return step_by_step("".join(map(str, w)), "".join(map(str, s)))

    def case(name, written, training):
        return Case(name, {"written": written, "training": training})

    def drawn(number, most, V):
        return [tuple(rng.integers(1, V, rng.integers(0, most)).tolist()) for _ in range(number)]

    names = drawn(12, 8, 4)
    long = drawn(4, 30, 5)
    return Key(
        cases=(
            case("a few", [(1, 2, 3), (3, 1, 4), (2, 3, 1), (1, 2, 3)], [(1, 2, 3), (4, 5), (2, 2, 3, 1)]),
            case("one token", [(1,)], [(1,), (2,), (3,)]),
            case("nothing in common", [(5, 6), (6,)], [(1, 2), (2, 1)]),
            case("an empty one, which is new", [(), (1, 2), (2, 3)], [(2, 1), (1, 2)]),
            case("an empty one, which is not", [(), (3, 1, 2)], [(), (2, 1), (3, 1)]),
            case("from two sequences", [(1, 2, 3, 4), (3, 4)], [(5, 1, 2), (3, 4, 6), (1, 5)]),
            case("a run of one", [(1, 2)], [(3, 1, 4), (1, 3)]),
            case("joined when they are written", [(1, 2), (3, 4)], [(5, 1, 2, 3, 4), (3, 4)]),
            case("in the middle", [(6, 1, 2, 3, 9)], [(8, 1, 2, 3, 7), (2, 1)]),
            case("at the end", [(1, 2), (6, 1, 2)], [(5, 4, 1, 2), (2, 5)]),
            case("with gaps", [(1, 2, 3), (2, 1)], [(1, 9, 2, 9, 3), (9, 2, 2, 1)]),
            case("it begins twice", [(1, 2, 3), (4, 1, 2, 3)], [(1, 2, 1, 2, 3), (5, 1, 2)]),
            case("part of a longer one", [(1, 2), (2, 3), (1, 3)], [(1, 2, 3), (3, 1)]),
            case("numbers of two digits", [(1, 12), (11, 2, 3)], [(11, 2), (1, 1, 23)]),
            case("repeated", [(1, 2), (1, 2), (1, 2), (2, 1, 1, 3)], [(1, 2), (1, 2), (3, 1, 1)]),
            case("a dozen", [*drawn(8, 8, 4), *names[:3], names[0]], names),
            case("longer ones", [*drawn(3, 30, 5), long[0], (*long[1], 1, *long[2])], long),
        ),
        also_right=(with_lengths(step_by_step),),
        misconceptions=(
            Misconception(
                "a common subsequence in place of a run",
                "Between your tokens others stand. What may stand between the tokens of a run?",
                with_lengths(subsequence),
            ),
            Misconception(
                "runs at the same place in both sequences",
                "You compare the first token with the first and the second with the second. Where may a run stand?",
                with_lengths(side_by_side),
            ),
            Misconception(
                "runs from the first place where a token occurs",
                "A token may occur several times in a training sequence. From which of its places do you go on?",
                with_lengths(from_the_first_occurrence),
            ),
            Misconception(
                "digits in place of tokens",
                "When tokens are written side by side as text, how does (1, 12) look, and how (11, 2)?",
                with_lengths(of_digits),
            ),
        ),
        returns=("share", "run"),
        words={
            "counts": "the share of the written sequences that are, as a whole, sequences of the training text. One "
            "that is written twice counts twice"
            if of == "all"
            else "of the *different* written sequences the share that are, as a whole, sequences of the training "
            "text. One that is written twice counts once",
            "lengths": "the length of the longest run of tokens that stands in a written sequence and, in this order, "
            "in a single sequence of the training text, too; 0 if there is none."
            if over == "longest"
            else "of each written sequence the length of the longest run of tokens that stands, in this order, in a "
            "single sequence of the training text, too (0 if there is none); of these lengths the mean over all that "
            "is written, repeated ones included.",
            "counted": "written" if of == "all" else "set(written)",
            "total": "max(lengths)" if over == "longest" else "sum(lengths) / len(lengths)",
        },
    )


@exercise(
    "perplexity-of-samples",
    "perplexity_of_written",
    "How sure was the model of what it wrote?",
    "implement",
    end=("counted", "left out"),
    cut=("counted", "left out"),
)
def perplexity_of_samples(rng: np.random.Generator, end: str, cut: str) -> Key:
    all_count = cut == "counted"

    def token_by_token(log_p, tokens):
        total, number = 0.0, 0
        for n, sequence in enumerate(tokens.T.tolist()):
            if 0 not in sequence and cut == "left out":
                continue
            length = sequence.index(0) + (end == "counted") if 0 in sequence else len(sequence)
            for t in range(length):
                total -= log_p[t, n, sequence[t]]
                number += 1
        return np.exp(total / number)

    def case(name, T, V, ends, scale=1.5):
        """Sequences with their first <EOS> in these rows, or with none."""
        N = len(ends)
        tokens = rng.integers(1, V, (T, N))
        log_p = normal(rng, T, N, V, scale=scale)
        for n, last in enumerate(ends):
            if last is not None:
                tokens[last, n] = 0
                tokens[last + 1 :, n] = rng.integers(0, V, T - last - 1)
        cut_off = rng.random(log_p.shape) < 0.3
        np.put_along_axis(cut_off, tokens[:, :, None], False, axis=2)
        log_p[cut_off] = -np.inf
        log_p -= np.logaddexp.reduce(log_p, axis=2, keepdims=True)
        for n, last in enumerate(ends):
            if last is not None:
                log_p[last + 1 :, n] = rng.choice([-np.inf, -1000.0, 2.0, 1000.0], log_p[last + 1 :, n].shape)
        return Case(name, {"log_p": log_p, "tokens": tokens})

    even = case("all equally probable", 5, 27, [2, 4, None])
    even.arguments["log_p"][...] = -np.log(27)
    return Key(
        cases=(
            case("three sequences", 5, 4, [2, None, 4]),
            *((case("T = 1", 1, 3, [0, None]),) if "counted" in (end, cut) else ()),
            case("N = 1", 4, 5, [2]),
            case("V = 2", 6, 2, [4, None, 1]),
            even,
            case("everything square", 3, 3, [1, None, 2]),
            case("one ends at once", 4, 4, [0, 3, None]),
            *((case("all cut off", 4, 5, [None, None]),) if all_count else ()),
            case("none cut off", 6, 5, [1, 5, 3]),
            case("many steps", 90, 12, [None, 80, 3, 89, 70, 86, None, 40], scale=3.0),
        ),
        also_right=(token_by_token,),
        words={
            "which": {
                (True, "counted"): "all tokens of all sequences, `<EOS>` included",
                (True, "left out"): "all tokens of all sequences, without `<EOS>`",
                (False, "counted"): "all tokens of those sequences that have an end, `<EOS>` included. Sequences that "
                "were cut off are left out",
                (False, "left out"): "all tokens of those sequences that have an end, without `<EOS>`. Sequences that "
                "were cut off are left out",
            }[all_count, end],
            "own": "end" if end == "counted" else "0",
            "own_again": "(tokens == 0)" if end == "counted" else "0",
            "last": "0" if end == "counted" else "end",
            "whole": "" if all_count else " & end.any(axis=0)",
            "whole_again": "" if all_count else " & (tokens == 0).any(axis=0)",
            "Why": "With itself, the first `<EOS>` is the one `<EOS>` so far, and for a token before it there is none: "
            "in both cases the sum equals the truth value, which is 1 or 0 as a number."
            if end == "counted"
            else "With itself, the first `<EOS>` is one `<EOS>` so far, and so is left out.",
        },
    )
