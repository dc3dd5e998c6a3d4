"""What a task with a long lag asks for, and what knowing nothing of it costs."""

from __future__ import annotations

import numpy as np

from companion.exercises.model import Case, Drawn, Key, exercise

COUNTS = {2: "two", 3: "three", 4: "four", 5: "five"}
TARGETS = {  # as prose has it, as code of the variables early and late, and as code of all numbers
    "sum": ("the sum of the two marked numbers", "early + late", "numbers.sum(axis=0)"),
    "difference": ("the later marked number minus the earlier one", "late - early", "numbers[-1] - numbers[0]"),
    "product": ("the product of the two marked numbers", "early * late", "numbers.prod(axis=0)"),
    "larger": ("the larger of the two marked numbers", "np.maximum(early, late)", "numbers.max(axis=0)"),
}
LAGS = {  # as prose has it, and as code of the variables x, first and last
    "earlier": ("from the earlier marked step to step $T$", "len(x) - 1 - first"),
    "between": ("from the earlier to the later marked step", "last - first"),
    "later": ("from the later marked step to step $T$", "len(x) - 1 - last"),
}


def _draw_range(rng: np.random.Generator) -> tuple[int, int]:
    low = int(rng.integers(2, 6))
    return low, low + int(rng.choice([5, 7, 8]))  # widths for which no two of the mistakes agree


@exercise(
    "adding-baseline",
    "baseline",
    "What a guess costs",
    "predict",
    ends=Drawn((1, 6), _draw_range),
    count=(3, 2, 4, 5),
    target=("mean", "sum"),
)
def adding_baseline(rng: np.random.Generator, ends: tuple[int, int], count: int, target: str) -> Key:
    mean = target == "mean"
    return Key(
        returns=("guess", "cost"),
        tolerance=6e-4,
        words={
            "low": str(ends[0]),
            "high": str(ends[1]),
            "many": COUNTS[count],
            "other": "sum" if mean else "mean",
            "guess": "middle" if mean else f"{count} * middle",
            "cost": f"one / {count}" if mean else f"{count} * one",
            "as_one": "one" if mean else f"{count}**2 * one",
            "miscounted": f"one / {count}**2" if mean else "one",
            "reason": f"Dividing the sum by {count} divides its variance by {count}², so that the mean has 1/{count} "
            "of the variance of one number."
            if mean
            else f"So the sum has {count} times the variance of one number.",
        },
    )


@exercise(
    "lag-targets",
    "targets_and_lag",
    "Targets and lags of an adding problem",
    "implement",
    target=tuple(TARGETS),
    lag=tuple(LAGS),
)
def lag_targets(rng: np.random.Generator, target: str, lag: str) -> Key:
    def by_halves(x):
        half, T = len(x) // 2, len(x)
        early, late = ((part[..., 0] * part[..., 1]).sum(axis=0) for part in (x[:half], x[half:]))
        rows = np.arange(T)[:, None] * x[..., 1]
        first, last = rows[:half].sum(axis=0).astype(int), rows[half:].sum(axis=0).astype(int)
        combined = {
            "sum": early + late,
            "difference": late - early,
            "product": early * late,
            "larger": np.where(early > late, early, late),
        }
        steps = {"earlier": T - 1 - first, "between": last - first, "later": T - 1 - last}
        return combined[target][None, :, None], steps[lag]

    def made_of(T, B):
        markers = np.zeros((T, B))
        for half in (slice(0, T // 2), slice(T // 2, T)):
            markers[rng.choice(np.arange(T)[half], B), np.arange(B)] = 1
        return {"x": np.stack([rng.uniform(size=(T, B)), markers], axis=-1)}

    sizes = {
        "four steps": (4, 2),
        "T = 2, both marked": (2, 1),
        "B = 1": (6, 1),
        "T is odd": (7, 3),
        "T = B": (5, 5),
        "thirty steps": (30, 4),
    }
    signed = np.array([[-0.3, 0.0, 0.5], [0.9, -0.5, -0.4], [-0.5, 0.7, 0.8], [0.1, -0.2, 0.6]])
    marks = np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 1.0]])
    return Key(
        cases=(
            *(Case(name, made_of(T, B)) for name, (T, B) in sizes.items()),
            Case("marked numbers of 0 and below", {"x": np.stack([signed, marks], axis=-1)}),
        ),
        also_right=(by_halves,),
        returns=("targets", "lag"),
        axes={"targets": "answer B O", "lag": "B"},
        words={
            "target": TARGETS[target][0],
            "target_code": TARGETS[target][1],
            "unmarked": TARGETS[target][2],
            "lag": LAGS[lag][0],
            "lag_code": LAGS[lag][1],
        },
    )
