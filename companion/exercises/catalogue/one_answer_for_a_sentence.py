"""One answer for a whole sequence: the vector that a classifier reads, what comes back from it, and its losses."""

from __future__ import annotations

import numpy as np

from companion.exercises.inputs import normal
from companion.exercises.model import Case, Key, exercise

# Lengths in a number of rows, and the hidden units.
BATCHES = (
    ("two sentences", 3, [3, 2], 2),
    ("T = 1", 1, [1, 1], 2),
    ("B = 1", 4, [2], 3),
    ("H = 1", 4, [3, 4, 1], 1),
    ("one step each", 3, [1, 1, 1], 2),
    ("all full", 3, [3, 3], 3),
    ("everything square", 3, [2, 3, 1], 3),
    ("rows that no sentence needs", 6, [2, 4, 1], 2),
    ("twenty rows", 20, [4, 20, 1, 13, 12], 3),
)


def _padded(rng: np.random.Generator, T: int, lengths: list[int], H: int, padding: str = "end") -> np.ndarray:
    """States (T, B, H) with large numbers where padding stands."""
    rows = np.arange(T)[:, None]
    own = rows < lengths if padding == "end" else rows >= T - np.array(lengths)
    return np.where(own[..., None], normal(rng, T, len(lengths), H), normal(rng, T, len(lengths), H, scale=1e3))


def _rows(padding: str) -> str:
    """Where the steps of a sentence of length n stand."""
    if padding == "end":
        return "padded at the end: its steps stand in rows $0$ to $n - 1$"
    return "padded at the start: its steps stand in rows $T - n$ to $T - 1$"


@exercise(
    "mean-pool",
    "mean_pool",
    "The mean of a sentence's states",
    "implement",
    padding=("end", "start"),
    divisor=("n", "root"),
)
def mean_pool(rng: np.random.Generator, padding: str, divisor: str) -> Key:
    def by_loops(h, lengths):
        T = len(h)
        own = [h[:n, b] if padding == "end" else h[T - n :, b] for b, n in enumerate(lengths)]
        return np.array([sum(rows) / (len(rows) if divisor == "n" else np.sqrt(len(rows))) for rows in own])

    mean = divisor == "n"
    at_end = padding == "end"
    return Key(
        cases=tuple(
            Case(name, {"h": _padded(rng, T, lengths, H, padding), "lengths": np.array(lengths)})
            for name, T, lengths, H in BATCHES
        ),
        also_right=(by_loops,),
        axes={"result": "B H"},
        words={
            "rows": _rows(padding),
            "other": "start" if at_end else "end",
            "own": "rows < lengths" if at_end else "rows >= len(h) - lengths",
            "without_last": "rows < lengths - 1" if at_end else "(rows >= len(h) - lengths) & (rows < len(h) - 1)",
            "without_first": "(rows < lengths) & (rows > 0)" if at_end else "rows > len(h) - lengths",
            "one_more": "rows <= lengths" if at_end else "rows >= len(h) - lengths - 1",
            "last": "lengths - 1" if at_end else "-1",
            "formula": "n" if mean else r"\sqrt{n}",
            "code": "n" if mean else "np.sqrt(n)",
            "code_T": "len(h)" if mean else "np.sqrt(len(h))",
            "remark": ""
            if mean
            else "The root takes the place of $n$ so that $z$ keeps its size: a sum of $n$ independent numbers around "
            r"zero is about $\sqrt{n}$ times as large as one of them. ",
            "why": "Divided by $T$, a short sentence would get a vector that is too small."
            if mean
            else r"The root of $T$ would make the vector of a short sentence too small.",
        },
    )


@exercise(
    "max-pool-back",
    "max_pool_gradient",
    "Back through a maximum over time",
    "derive",
    extreme=("largest", "smallest"),
    ties=("first", "last"),
)
def max_pool_back(rng: np.random.Generator, extreme: str, ties: str) -> Key:
    def by_loops(h, lengths, dz):
        dh = np.zeros_like(h)
        for b, i in np.ndindex(dz.shape):
            numbers = h[: lengths[b], b, i].tolist()
            wanted = max(numbers) if extreme == "largest" else min(numbers)
            reached = [t for t, number in enumerate(numbers) if number == wanted]
            dh[reached[0 if ties == "first" else -1], b, i] = dz[b, i]
        return dh

    def case(h, lengths):
        return {"h": h, "lengths": np.array(lengths), "dz": normal(rng, *h.shape[1:])}

    def whole_numbers(T, lengths, H):
        return rng.integers(-1, 2, size=(T, len(lengths), H)).astype(float)

    def below(T, lengths, H, factor):  # states on one side of zero
        own = np.arange(T)[:, None] < lengths
        h = _padded(rng, T, lengths, H)
        return np.where(own[..., None], factor * (np.abs(h) + 0.1), h)

    kept = whole_numbers(6, [4, 6, 2], 2)
    repeated = np.stack([kept[np.minimum(np.arange(6), n - 1), b] for b, n in enumerate([4, 6, 2])], axis=1)
    largest = extreme == "largest"
    arg = "argmax" if largest else "argmin"
    return Key(
        cases=(
            *(Case(name, case(_padded(rng, T, lengths, H), lengths)) for name, T, lengths, H in BATCHES),
            Case("all numbers below zero", case(below(5, [3, 5, 1], 2, -1), [3, 5, 1])),
            Case("all numbers above zero", case(below(5, [3, 5, 1], 2, 1), [3, 5, 1])),
            Case("many ties", case(whole_numbers(12, [12, 9, 3], 4), [12, 9, 3])),
            Case("all numbers equal", case(np.zeros((4, 2, 2)), [3, 4])),
            Case("padding repeats the last step", case(repeated, [4, 6, 2])),
        ),
        also_right=(by_loops,),
        axes={"result": "T B H"},
        words={
            "never": "-np.inf" if largest else "np.inf",
            "arg": arg,
            "best": "max" if largest else "min",
            "step": f"seen.{arg}(axis=0)" if ties == "first" else f"T - 1 - seen[::-1].{arg}(axis=0)",
            "common": f"seen.{'max' if largest else 'min'}(axis=2).{arg}(axis=0)",
            "how": f"`{arg}` gives the first of equal numbers."
            if ties == "first"
            else f"`{arg}` gives the first of equal numbers; over the rows turned round that is the last.",
        },
    )


@exercise(
    "last-both-ways",
    "d_output",
    "Back from the last states of both directions",
    "implement",
    padding=("end", "start"),
    first=("forwards", "backwards"),
)
def last_both_ways(rng: np.random.Generator, padding: str, first: str) -> Key:
    def by_loops(dz, lengths, T):
        B, H = len(dz), dz.shape[1] // 2
        doutput = np.zeros((T, B, 2 * H))
        for b, n in enumerate(lengths):
            steps = range(n) if padding == "end" else range(T - n, T)
            for i in range(2 * H):
                of_ahead = (i < H) == (first == "forwards")
                doutput[steps[-1] if of_ahead else steps[0], b, i] = dz[b, i]
        return doutput

    at_end, ahead_first = padding == "end", first == "forwards"
    halves = ("slice(0, H)", "slice(H, None)")
    interleaved = ("slice(0, None, 2)", "slice(1, None, 2)")
    return Key(
        cases=tuple(
            Case(name, {"dz": normal(rng, len(lengths), 2 * H), "lengths": np.array(lengths), "T": T})
            for name, T, lengths, H in BATCHES
        ),
        also_right=(by_loops,),
        axes={"result": "T B column"},
        words={
            "rows": _rows(padding),
            "other": "start" if at_end else "end",
            "layout": r"$[\overrightarrow h_t ; \overleftarrow h_t]$, the forward state in the first $H$ numbers"
            if ahead_first
            else r"$[\overleftarrow h_t ; \overrightarrow h_t]$, the backward state in the first $H$ numbers",
            "halves": ", ".join(halves if ahead_first else halves[::-1]),
            "interleaved": ", ".join(interleaved if ahead_first else interleaved[::-1]),
            "last": "lengths - 1" if at_end else "T - 1",
            "first": "0" if at_end else "T - lengths",
            "last_words": "row $n - 1$" if at_end else "row $T - 1$",
            "first_words": "row 0" if at_end else "row $T - n$",
            "own": "np.arange(T)[:, None] < lengths" if at_end else "np.arange(T)[:, None] >= T - lengths",
        },
    )


@exercise(
    "one-logit",
    "binary_loss",
    "Two classes, one logit",
    "derive",
    labels=("bits", "signs"),
    total=("mean", "sum"),
)
def one_logit(rng: np.random.Generator, labels: str, total: str) -> Key:
    def by_softmax(u, d):
        """A softmax over the logits 0 and u of each sentence."""
        losses, du = [], []
        for logit, label in zip(u, d, strict=True):
            shifted = np.array([0, logit]) - max(0, logit)
            y = np.exp(shifted) / np.exp(shifted).sum()
            right = int(label == 1)
            losses.append(np.log(np.exp(shifted).sum()) - shifted[right])
            du.append(y[1] - right)
        return (np.mean(losses), np.array(du) / len(u)) if total == "mean" else (sum(losses), np.array(du))

    bits, mean = labels == "bits", total == "mean"

    def case(u, classes):
        classes = np.array(classes)
        return {"u": np.array(u, float), "d": classes if bits else 2 * classes - 1}

    B = 12
    shares = (" / len(u)", "")
    return Key(
        cases=(
            Case("two sentences", case(normal(rng, 2, scale=2.0), [1, 0])),
            Case("B = 1", case(normal(rng, 1, scale=2.0), [0])),
            Case("undecided", case([0, 0, 0], [1, 0, 1])),
            Case("all of class 1", case(normal(rng, 3, scale=2.0), [1, 1, 1])),
            Case("all of class 0", case(normal(rng, 3, scale=2.0), [0, 0, 0])),
            Case("a dozen sentences", case(normal(rng, B, scale=3.0), rng.permutation(np.arange(B) % 2))),
            Case("u = 1000, sure and right", case([1000], [1])),
            Case("u = −1000, sure and right", case([-1000, 1], [0, 1])),
            Case("u = 1000, sure and wrong", case([1000, 1], [0, 0])),
            Case("u = −1000, sure and wrong", case([-1000], [1])),
            Case("around ±40", case([40.5, -39.5, 41, -40], [1, 1, 0, 0])),
        ),
        also_right=(by_softmax,),
        returns=("L", "du"),
        axes={"du": "B"},
        words={
            "labels": "0 or 1" if bits else r"written as $-1$ for class 0 and $+1$ for class 1",
            "labels_short": "0 or 1" if bits else "−1 or 1",
            "formula": r"\frac1B \sum_b" if mean else r"\sum_b",
            "bit": "d" if bits else "(d + 1) / 2",
            "share": shares[0 if mean else 1],
            "other_share": shares[1 if mean else 0],
            "other_total": "sum" if mean else "mean",
            "factor": ("" if bits else "The target is 0 or 1, which $(d + 1) / 2$ makes of $-1$ and $1$. ")
            + ("The mean divides the gradient by $B$." if mean else "$L$ is a sum, so that nothing divides it."),
        },
    )


@exercise(
    "class-weights",
    "weighted_loss",
    "A loss with a weight for each class",
    "derive",
    norm=("weights", "B"),
)
def class_weights(rng: np.random.Generator, norm: str) -> Key:
    def by_loops(logits, d, weights):
        total = sum(weights[k] for k in d) if norm == "weights" else len(d)
        L, du = 0.0, np.zeros_like(logits)
        for b, right in enumerate(d):
            u = logits[b] - max(logits[b])
            below = sum(np.exp(u))
            L += weights[right] * (np.log(below) - u[right]) / total
            for k in range(len(u)):
                du[b, k] = weights[right] * (np.exp(u[k]) / below - (k == right)) / total
        return L, du

    def case(logits, d, weights):
        return {"logits": np.array(logits, float), "d": np.array(d), "weights": np.array(weights, float)}

    def drawn(B, O, weights=None):
        w = rng.uniform(0.3, 4, size=O) if weights is None else weights
        return case(normal(rng, B, O, scale=2.0), rng.integers(O, size=B), w)

    ten = np.array([0, 1, 0, 0, 1, 0, 2, 0, 1, 0])
    sure = 1000 * (2 * np.eye(3) - 1)  # logits of a sentence that is sure of a class
    by_weights = norm == "weights"
    return Key(
        cases=(
            Case("two sentences", case(normal(rng, 2, 3, scale=2.0), [0, 2], rng.uniform(0.3, 4, size=3))),
            Case("B = 1", drawn(1, 3)),
            Case("two classes", case(normal(rng, 4, 2, scale=2.0), [1, 0, 0, 0], [0.5, 3])),
            Case("everything square", case(normal(rng, 3, 3, scale=2.0), [2, 0, 1], rng.uniform(0.3, 4, size=3))),
            Case("all weights 1", drawn(4, 3, [1, 1, 1])),
            Case("all weights 2.5", drawn(4, 3, [2.5, 2.5, 2.5])),
            Case("a class of weight 0", case(normal(rng, 5, 3, scale=2.0), [0, 1, 2, 1, 0], [2, 0, 0.5])),
            Case("a rare class", case(normal(rng, 10, 4, scale=2.0), ten, [0.3, 1, 20, 7])),
            Case("many sentences", drawn(20, 5)),
            Case("logits of ±1000, sure and right", case(sure[[1, 0]], [1, 0], [1, 3, 2])),
            Case("logits of ±1000, sure and wrong", case(sure[[2, 0, 1]], [0, 0, 2], [1, 3, 2])),
            Case("logits around ±1000", case(normal(rng, 2, 3) + [[1000], [-1000]], [1, 2], [1, 3, 2])),
        ),
        also_right=(by_loops,),
        returns=("L", "du"),
        axes={"du": "B O"},
        words={
            "below": r"\sum_b w_{d_b}" if by_weights else "B",
            "remark": "$L$ is a weighted mean of the losses" if by_weights else "$B$ is the plain number of sentences",
            "total": "w.sum()" if by_weights else "len(d)",
            "other_total": "len(d)" if by_weights else "w.sum()",
            "divisor": "The sum of the weights below the line belongs to the factor, too. (This is the `weight` of "
            "PyTorch's `cross_entropy`.)"
            if by_weights
            else "The $B$ below the line belongs to the factor, too. (PyTorch's `cross_entropy` divides by the sum of "
            "the weights in the place of $B$.)",
        },
    )
