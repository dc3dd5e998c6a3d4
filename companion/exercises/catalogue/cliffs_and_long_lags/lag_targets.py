"""Targets and lags of an adding problem."""

from __future__ import annotations

import numpy as np

from companion.exercises.model import Case, Key, Misconception
from companion.exercises.model import old_exercise as exercise

TARGETS = {  # as prose has it, and as code of the variables early and late
    "sum": ("the sum of the two marked numbers", "early + late"),
    "difference": ("the later marked number minus the earlier one", "late - early"),
    "product": ("the product of the two marked numbers", "early * late"),
    "larger": ("the larger of the two marked numbers", "np.maximum(early, late)"),
}
LAGS = {  # as prose has it, and as code of the variables x, first and last
    "earlier": ("from the earlier marked step to step $T$", "len(x) - 1 - first"),
    "between": ("from the earlier to the later marked step", "last - first"),
    "later": ("from the later marked step to step $T$", "len(x) - 1 - last"),
}


LAG_NAMES = {
    "earlier": "from the earlier mark to the end",
    "between": "between the two marks",
    "later": "from the later mark to the end",
}


@exercise(
    "lag-targets",
    chapter="cliffs-and-long-lags",
    name="targets_and_lag",
    title="Targets and lags of an adding problem",
    kind="implement",
    ask={"target": tuple(TARGETS), "lag": tuple(LAGS)},
)
def lag_targets(rng: np.random.Generator, target: str, lag: str) -> Key:
    def combined(early, late):
        return {
            "sum": early + late,
            "difference": late - early,
            "product": early * late,
            "larger": np.maximum(early, late),
        }[target]

    def steps(T, first, last, lag=lag):
        return {"earlier": T - 1 - first, "between": last - first, "later": T - 1 - last}[lag]

    def found(x):
        first, last = x[..., 1].argmax(axis=0), len(x) - 1 - x[::-1, :, 1].argmax(axis=0)
        columns = np.arange(x.shape[1])
        return first, last, x[first, columns, 0], x[last, columns, 0]

    def answer(x):
        first, last, early, late = found(x)
        return combined(early, late)[None, :, None], steps(len(x), first, last)

    def by_loops(x):
        T, B = x.shape[:2]
        targets, lags = np.zeros((1, B, 1)), np.zeros(B, int)
        for b in range(B):
            first, last = (t for t in range(T) if x[t, b, 1] == 1)
            targets[0, b, 0] = combined(x[first, b, 0], x[last, b, 0])
            lags[b] = steps(T, first, last)
        return targets, lags

    def by_halves(x):
        half = len(x) // 2
        early, late = ((part[..., 0] * part[..., 1]).sum(axis=0) for part in (x[:half], x[half:]))
        rows = np.arange(len(x))[:, None] * x[..., 1]
        first, last = rows[:half].sum(axis=0).astype(int), rows[half:].sum(axis=0).astype(int)
        return combined(early, late)[None, :, None], steps(len(x), first, last)

    def by_steps(x):
        t, b = np.nonzero(x[..., 1])  # step by step, whatever the sequence
        (first, last), (early, late) = t.reshape(-1, 2).T, x[t, b, 0].reshape(-1, 2).T
        return combined(early, late)[None, :, None], steps(len(x), first, last)

    def unmarked(x):
        everything = {
            "sum": x[..., 0].sum(axis=0),
            "difference": x[-1, :, 0] - x[0, :, 0],
            "product": x[..., 0].prod(axis=0),
            "larger": x[..., 0].max(axis=0),
        }[target]
        return everything[None, :, None], answer(x)[1]

    def only_first(x):
        first, _, early, _ = found(x)
        return combined(early, early)[None, :, None], steps(len(x), first, first)

    def other_lag(other):
        def wrong(x):
            first, last, _, _ = found(x)
            return answer(x)[0], steps(len(x), first, last, other)

        return wrong

    def made_of(T, B):
        markers = np.zeros((T, B))
        for half in (slice(0, T // 2), slice(T // 2, T)):
            rows = np.arange(T)[half]
            markers[rng.choice(rows, B), np.arange(B)] = 1
        return {"x": np.stack([rng.uniform(size=(T, B)), markers], axis=-1)}

    return Key(
        answer=answer,
        also_right=(by_loops, by_halves),
        returns=("targets", "lag"),
        axes={"targets": "answer B O", "lag": "B"},
        words={
            "target": TARGETS[target][0],
            "target_code": TARGETS[target][1],
            "lag": LAGS[lag][0],
            "lag_code": LAGS[lag][1],
        },
        cases=tuple(
            Case(name, made_of(T, B))
            for name, T, B in (
                ("four steps", 4, 2),
                ("T = 2, both marked", 2, 1),
                ("B = 1", 6, 1),
                ("T is odd", 7, 3),
                ("T = B", 5, 5),
                ("thirty steps", 30, 4),
            )
        ),
        hints=(
            "Find, for each sequence, the rows in which its marker is 1. There are two.",
            "argmax along the steps gives the first row with the largest entry. Turned round, it gives the last.",
            "One index for each sequence, together with np.arange(B), picks one number from each.",
            "Row r of x is step r + 1, and the last row is T − 1. How many steps lie between two rows?",
        ),
        misconceptions=(
            Misconception(
                "marked or not",
                "All numbers of a sequence have come in. Only the two whose marker is 1 count.",
                unmarked,
            ),
            Misconception(
                "the earlier mark twice",
                "argmax finds the *first* row with a 1. Where do you look for the second mark?"
                if target != "difference"
                else "All your differences are zero: twice the same number, or twice a marker. argmax finds the "
                "*first* row with a 1; where do you look for the second? And which column holds the numbers?",
                only_first,
            ),
            Misconception(
                "the lag is one too large",
                "Row r holds step r + 1, and the last of T rows is row T − 1. For a mark in the last row, no step lies "
                "between it and the end. Count for T = 2 by hand.",
                lambda x: (answer(x)[0], answer(x)[1] + 1),
            ),
            Misconception(
                "the lag is one too small",
                "How many steps is it from step 3 to step 5? The last of T rows is row T − 1, and it is step T.",
                lambda x: (answer(x)[0], answer(x)[1] - 1),
            ),
            Misconception(
                "marks of different sequences are paired",
                "With one sequence all is right. np.where and np.nonzero go through the array row by row, which is "
                "step by step: the marks of the other sequences come in between. Do your two marks belong to one "
                "sequence?",
                by_steps,
            ),
            *(
                (
                    Misconception(
                        "zeros are multiplied in",
                        "Times its marker, each unmarked number is zero. A sum does not mind a zero; what does a "
                        "product do?",
                        lambda x: ((x[..., 0] * x[..., 1]).prod(axis=0)[None, :, None], answer(x)[1]),
                    ),
                )
                if target == "product"
                else ()
            ),
            *(
                Misconception(
                    f"the lag {LAG_NAMES[other]}",
                    "You measure between other places. Read again from where to where the lag goes.",
                    other_lag(other),
                )
                for other in LAGS
                if other != lag
            ),
            Misconception(
                "one target for the whole batch",
                "Sequences have nothing to do with each other: each has its own target, along axis 1.",
                lambda x: (answer(x)[0].sum(axis=1, keepdims=True), answer(x)[1]),
            ),
        ),
    )
