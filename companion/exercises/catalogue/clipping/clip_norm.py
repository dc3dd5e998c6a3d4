"""Clip by a common norm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from companion.core.optimisers import clip_by_norm
from companion.exercises.inputs import normal
from companion.exercises.model import Case, Key, Misconception
from companion.exercises.model import old_exercise as exercise

NORMS = {  # of all entries together: as prose has it, and as code of the variable entries
    "Euclidean": ("their Euclidean length, the root of the sum of squares", "np.linalg.norm(entries)"),
    "root mean square": ("their root mean square", "np.sqrt(np.mean(entries**2))"),
    "largest": ("the size of the largest of them, whatever its sign", "np.abs(entries).max()"),
    "sum": ("the sum of their sizes", "np.abs(entries).sum()"),
}
SLIPS: dict[
    str, tuple[str, str, Callable[[np.ndarray], Any]]
] = {  # what is easily taken for each of these: its name, a hint, the function
    "Euclidean": (
        "the root is missing",
        "You have the sum of squares. What makes a length of it?",
        lambda entries: entries @ entries,
    ),
    "root mean square": (
        "a sum of squares for their mean",
        "This is the Euclidean length, which grows with the number of entries. A root *mean* square does not.",
        np.linalg.norm,
    ),
    "largest": (
        "the largest entry with its sign",
        "An entry of −100 is large too. Compare sizes.",
        lambda entries: max(entries.max(), np.finfo(float).tiny),
    ),
    "sum": (
        "a Euclidean length for the sum of sizes",
        "You square the entries. The statement asks for the sum of their sizes.",
        np.linalg.norm,
    ),
}


OTHER_NAMES = ("W_hy", "W_ff", "bias")


@exercise(
    "clip-norm",
    chapter="clipping",
    name="clipped",
    title="Clip by a common norm",
    kind="implement",
    ask={"norm": tuple(NORMS)},
)
def clip_norm(rng: np.random.Generator, norm: str) -> Key:
    def length(entries):
        return {
            "Euclidean": np.linalg.norm(entries),
            "root mean square": np.sqrt(np.mean(entries**2)),
            "largest": np.abs(entries).max(),
            "sum": np.abs(entries).sum(),
        }[norm]

    def flat(gradients):
        return np.concatenate([g.ravel() for g in gradients.values()])

    def scaled(gradients, limit, of):
        return {name: g * min(1.0, limit / max(of(name), 1e-300)) for name, g in gradients.items()}

    def answer(gradients, limit):
        return scaled(gradients, limit, lambda name: length(flat(gradients)))

    def by_parts(gradients, limit):  # the same norms, from one number an array
        sizes, n = [np.abs(g) for g in gradients.values()], flat(gradients).size
        if norm in ("Euclidean", "root mean square"):
            total = sum((s**2).sum() for s in sizes) ** 0.5 / (1 if norm == "Euclidean" else n**0.5)
        else:
            total = max(s.max() for s in sizes) if norm == "largest" else sum(s.sum() for s in sizes)
        if total <= limit:
            return {name: g.copy() for name, g in gradients.items()}
        return {name: limit / total * g for name, g in gradients.items()}

    def by_companion(gradients, limit):
        entries = flat(gradients)
        euclidean, own = np.linalg.norm(entries), length(entries)
        return clip_by_norm(gradients, limit * euclidean / own if own else limit)

    def always(gradients, limit):
        return {name: g * (limit / max(length(flat(gradients)), 1e-300)) for name, g in gradients.items()}

    def each(gradients):
        """The norm of each array."""
        return [length(g.ravel()) for g in gradients.values()]

    def of_all(total):
        """The gradients clipped by another norm, one number for all of them: total(gradients)."""
        return lambda gradients, limit: scaled(gradients, limit, lambda name: total(gradients))

    def unguarded(factor):
        """The gradients times factor(limit / norm), where zeros give 0/0."""
        return lambda gradients, limit: {
            name: g * factor(np.float64(limit) / length(flat(gradients))) for name, g in gradients.items()
        }

    def running(gradients, limit):
        """Each array with the norm of those up to it."""
        names = list(gradients)
        return scaled(
            gradients, limit, lambda name: length(flat({k: gradients[k] for k in names[: names.index(name) + 1]}))
        )

    def each_always(least):
        return lambda gradients, limit: {
            name: g * (limit / np.maximum(length(g.ravel()), least)) for name, g in gradients.items()
        }

    slip_name, slip_hint, slip = SLIPS[norm]

    def with_factor(change):
        """Long gradients times another factor: change(limit, norm)."""

        def wrong(gradients, limit):
            total = length(flat(gradients))
            return {name: g * (change(limit, total) if total > limit else 1.0) for name, g in gradients.items()}

        return wrong

    def one_by_one(gradients, limit):
        """The factor computed anew for each array, from arrays some of which are clipped already."""
        new = dict(gradients)
        for name in new:
            total = length(flat(new))
            new[name] = new[name] * min(1.0, limit / max(total, 1e-300))
        return new

    def made_of(I, H, size, part, names=("W_xh", "W_hh", "b_h")):
        """Gradients of an Elman layer, with a limit of so large a part of their norm."""
        arrays = [normal(rng, H, I, scale=size), normal(rng, H, H, scale=3 * size), normal(rng, H, scale=size)]
        if arrays[1].max() > -arrays[1].min():  # the largest entry is negative
            arrays[1] = -arrays[1]
        gradients = dict(zip(names, arrays, strict=True))
        return {"gradients": gradients, "limit": round(part * float(length(flat(gradients))), 3)}

    return Key(
        answer=answer,
        also_right=(by_parts, by_companion),
        axes={"W_xh": "H I", "W_hh": "H H", "b_h": "H"},
        words={"norm": NORMS[norm][0], "code": NORMS[norm][1]},
        cases=(
            Case(
                "one number each",
                {
                    "gradients": {"W_xh": np.array([[3.0]]), "W_hh": np.array([[-6.0]]), "b_h": np.array([2.0])},
                    "limit": 1.0,
                },
            ),
            Case("longer than the limit", made_of(2, 3, 1.0, 0.4)),
            Case("shorter than the limit", made_of(3, 2, 1.0, 2.5)),
            Case("other names", made_of(3, 2, 1.0, 0.6, OTHER_NAMES)),
            Case("other names, shorter", made_of(2, 3, 1.0, 3.0, OTHER_NAMES)),
            Case("an explosion", made_of(2, 4, 1e4, 1e-4, OTHER_NAMES)),
            Case(
                "zeros",
                {
                    "gradients": {"W_xh": np.zeros((2, 3)), "W_hh": np.zeros((2, 2)), "b_h": np.zeros(2)},
                    "limit": 1.0,
                },
            ),
        ),
        hints=(
            "All arrays share one factor. So one number has to be computed from all of them first.",
            "Put the entries of all arrays into one long vector, and take its norm.",
            "The factor is limit / norm where the norm is above the limit, and 1 elsewhere; all zeros then need no "
            "division.",
        ),
        misconceptions=(
            Misconception(
                "each array by its own norm",
                "Your arrays get different factors, and the gradient turns: long arrays lose more than short ones. The "
                "norm is that of all arrays together.",
                lambda gradients, limit: scaled(gradients, limit, lambda name: length(gradients[name].ravel())),
            ),
            Misconception(
                "short gradients are lengthened",
                "A gradient below the limit comes back longer than it was. A clip only ever shortens.",
                always,
            ),
            Misconception(
                "short gradients are lengthened, and zeros become nan",
                "A gradient below the limit comes back longer than it was, and one of zeros as 0/0. A clip only ever "
                "shortens: when has it nothing to do?",
                unguarded(lambda factor: factor),
            ),
            Misconception(
                "the wrong ones are changed",
                "Gradients above the limit come back as they were, and shorter ones are lengthened to it. Which of "
                "the two has to change? Look at your comparison, or at max and min.",
                lambda gradients, limit: {
                    name: g * max(1.0, limit / max(length(flat(gradients)), 1e-300)) for name, g in gradients.items()
                },
            ),
            Misconception(
                "the wrong ones are changed, and zeros become nan",
                "Gradients above the limit come back as they were, shorter ones are lengthened to it, and zeros are "
                "divided by zero. Which of the two has to change? Look at your comparison, or at max and min.",
                unguarded(lambda factor: max(1.0, factor)),
            ),
            *(
                Misconception(
                    f"each array by its own norm, always{rest}",
                    "Each of your arrays comes back with a norm of just the limit. The norm is that of all arrays "
                    f"together, and where it is not above the limit, nothing changes{more}.",
                    each_always(least),
                )
                for rest, more, least in (
                    ("", "", 1e-300),
                    (": zeros become nan", "; then zeros need no division", 0.0),
                )
            ),
            Misconception(
                "the norm of the last array alone",
                "Every array gets the factor of the last one. Is a variable overwritten in a loop, where something "
                "should be added up?",
                of_all(lambda gradients: each(gradients)[-1]),
            ),
            Misconception(
                "the norm grows while you clip",
                "The last array is right, those before it are not: each gets the norm of the arrays so far. "
                "First go through all arrays for the norm, then through all again with *one* factor.",
                running,
            ),
            *(
                ()
                if norm == "largest"  # for which these are right
                else (
                    Misconception(
                        "the largest of the norms",
                        "You take the norm of one array, which has the largest. Asked for is the norm of the entries "
                        "of all arrays together.",
                        of_all(lambda gradients: max(each(gradients))),
                    ),
                    Misconception(
                        "the size of the largest entry",
                        "This is a norm too, and not the one that is asked for. All entries have a share in that.",
                        of_all(lambda gradients: np.abs(flat(gradients)).max()),
                    ),
                )
            ),
            *(
                (
                    Misconception(
                        "a Euclidean length for the largest entry",
                        "You square the entries and add them up. The statement asks for the size of the largest one.",
                        of_all(lambda gradients: np.linalg.norm(flat(gradients))),
                    ),
                )
                if norm == "largest"
                else ()
            ),
            Misconception(
                "clipped to 1 in place of the limit",
                "A long gradient comes back with the norm 1, whatever the limit is. What has the factor to make of "
                "the norm?",
                with_factor(lambda limit, total: 1 / total),
            ),
            Misconception(
                "the factor upside down",
                "A long gradient comes back longer. Its factor should be below 1: which of limit and norm is the "
                "smaller one there?",
                with_factor(lambda limit, total: total / limit),
            ),
            Misconception(
                "the factor squared",
                "Twice too much: the factor limit / norm gives just the limit. Is it multiplied in twice, or is a "
                "norm squared beside a limit squared?",
                with_factor(lambda limit, total: (limit / total) ** 2),
            ),
            Misconception(
                "the norm changes while you clip",
                "The first array is right, those after it are too long: the factor is computed anew for each, from "
                "arrays some of which are clipped already. All arrays share *one* factor.",
                one_by_one,
            ),
            Misconception(
                "clipped by value",
                "Each entry is cut for itself, so that the gradient turns. Here it keeps its direction: one factor.",
                lambda gradients, limit: {name: np.clip(g, -limit, limit) for name, g in gradients.items()},
            ),
            Misconception(
                slip_name,
                slip_hint,
                of_all(lambda gradients: slip(flat(gradients))),
            ),
            *(
                ()
                if norm == "sum"  # for which this is right
                else (
                    Misconception(
                        "the norms of the arrays are added",
                        "The norm of a long vector is not the sum of the norms of its pieces. Join the entries first.",
                        of_all(lambda gradients: sum(each(gradients))),
                    ),
                )
            ),
            Misconception(
                "long gradients become zero",
                "Where the norm is above the limit, nothing is left. A clip shortens to the limit, it does not throw "
                "away.",
                lambda gradients, limit: {
                    name: g * float(length(flat(gradients)) <= limit) for name, g in gradients.items()
                },
            ),
        ),
    )
