"""Exercises on clipping: one norm for all gradients, and what comes before what in a step of training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from companion.exercises.inputs import normal
from companion.exercises.model import Case, Key, Misconception, exercise
from companion.optimisers import clip_by_norm

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

    def added(gradients, limit):
        total = sum(length(g.ravel()) for g in gradients.values())
        return scaled(gradients, limit, lambda name: total)

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
                "the wrong ones are changed",
                "Gradients above the limit come back as they were, and shorter ones are lengthened to it. Which of "
                "the two has to change? Look at your comparison, or at max and min.",
                lambda gradients, limit: {
                    name: g * max(1.0, limit / max(length(flat(gradients)), 1e-300)) for name, g in gradients.items()
                },
            ),
            *(
                (
                    Misconception(
                        "a Euclidean length for the largest entry",
                        "You square the entries and add them up. The statement asks for the size of the largest one.",
                        lambda gradients, limit: scaled(gradients, limit, lambda name: np.linalg.norm(flat(gradients))),
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
                lambda gradients, limit: scaled(gradients, limit, lambda name: slip(flat(gradients))),
            ),
            *(
                ()
                if norm == "sum"  # for which this is right
                else (
                    Misconception(
                        "the norms of the arrays are added",
                        "The norm of a long vector is not the sum of the norms of its pieces. Join the entries first.",
                        added,
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


RULES = {  # momentum as written in different places: as formula, and as two lines of code
    "rate outside": (
        r"v \leftarrow \mu v + \hat g, \qquad W \leftarrow W - \eta\, v",
        "mu * v + clipped",
        "W - rate * v",
    ),
    "rate inside": (
        r"v \leftarrow \mu v - \eta\, \hat g, \qquad W \leftarrow W + v",
        "mu * v - rate * clipped",
        "W + v",
    ),
    "running mean": (
        r"v \leftarrow \mu v + (1 - \mu)\, \hat g, \qquad W \leftarrow W - \eta\, v",
        "mu * v + (1 - mu) * clipped",
        "W - rate * v",
    ),
    "Nesterov": (
        r"v \leftarrow \mu v + \hat g, \qquad W \leftarrow W - \eta\, (\hat g + \mu v)",
        "mu * v + clipped",
        "W - rate * (clipped + mu * v)",
    ),
}


@exercise(
    "bug-clip",
    chapter="clipping",
    name="momentum_step",
    title="Repair a step with a clip",
    kind="repair",
    ask={"total": ("mean", "sum"), "rule": tuple(RULES)},
)
def bug_clip(rng: np.random.Generator, total: str, rule: str) -> Key:
    def together(g, how=total):
        return g.mean(axis=0) if how == "mean" else g.sum(axis=0)

    def shortened(g, limit):
        return g * min(1.0, limit / np.linalg.norm(g))

    def moved(W, v, clipped, rate, mu):
        if rule == "rate inside":
            v = mu * v - rate * clipped
            return W + v, v
        v = mu * v + (1 - mu if rule == "running mean" else 1) * clipped
        return W - rate * (clipped + mu * v if rule == "Nesterov" else v), v

    def answer(W, v, g, limit, rate, mu):
        return moved(W, v, shortened(together(g), limit), rate, mu)

    def by_companion(W, v, g, limit, rate, mu):
        joint = np.einsum("bij->ij", g) / (len(g) if total == "mean" else 1)
        return moved(W, v, clip_by_norm({"W": joint}, limit)["W"], rate, mu)

    def by_loops(W, v, g, limit, rate, mu):
        joint = np.zeros_like(W)
        for one in g:
            joint = joint + one
        joint = joint / len(g) if total == "mean" else joint
        length = (joint**2).sum() ** 0.5
        return moved(W, v, joint * limit / length if length > limit else joint, rate, mu)

    def each_first(W, v, g, limit, rate, mu):
        return moved(W, v, together(np.array([shortened(one, limit) for one in g])), rate, mu)

    def always(W, v, g, limit, rate, mu):
        joint = together(g)
        return moved(W, v, joint * limit / np.linalg.norm(joint), rate, mu)

    def both(W, v, g, limit, rate, mu):
        return moved(W, v, together(np.array([one * limit / np.linalg.norm(one) for one in g])), rate, mu)

    def velocity_clipped(W, v, g, limit, rate, mu):
        new_W, new_v = moved(W, v, together(g), rate, mu)
        step = shortened(new_W - W, rate * limit)  # what moves the weights is limited, after the fact
        return W + step, new_v

    def other_total(W, v, g, limit, rate, mu):
        return moved(W, v, shortened(together(g, "sum" if total == "mean" else "mean"), limit), rate, mu)

    def after_velocity(W, v, g, limit, rate, mu):
        joint = together(g)
        new_v = shortened(moved(W, v, joint, rate, mu)[1], limit)
        if rule == "rate inside":
            return W + new_v, new_v
        return W - rate * (joint + mu * new_v if rule == "Nesterov" else new_v), new_v

    def joint_lengths(W, v, g, limit, rate, mu):
        lengths = np.linalg.norm(g, axis=(1, 2))
        return moved(W, v, together(g) * min(1.0, limit / together(lengths)), rate, mu)

    def not_clipped(W, v, g, limit, rate, mu):
        return moved(W, v, together(g), rate, mu)

    def made_of(B, H, size, part):
        """Gradients of B sequences, two of different lengths at least, and a limit beside their sum or mean."""
        g = size * normal(rng, B, H, H) * rng.uniform(0.2, 3, (B, 1, 1))
        return {
            "W": normal(rng, H, H),
            "v": normal(rng, H, H, scale=0.3),
            "g": g,
            "limit": round(part * float(np.linalg.norm(together(g))), 4),
            "rate": 0.1,
            "mu": 0.9,
        }

    formula, v_code, W_code = RULES[rule]
    return Key(
        answer=answer,
        also_right=(by_companion, by_loops),
        returns=("W", "v"),
        axes={"W": "H H", "v": "H H"},
        words={
            "rule": formula,
            "v_code": v_code,
            "W_code": W_code,
        },
        cases=(
            Case("two sequences", made_of(2, 2, 1.0, 0.5)),
            Case("B = 1", made_of(1, 3, 1.0, 0.5)),
            Case("H = 1", made_of(3, 1, 1.0, 0.4)),
            Case("shorter than the limit", made_of(3, 2, 0.3, 1.3)),
            Case("far shorter than the limit", made_of(3, 3, 0.3, 40.0)),
            Case("an explosion", made_of(4, 3, 1e4, 1e-4)),
        ),
        hints=(
            "Try it: one sequence with a long gradient, then one with a short one. Then two with different directions.",
            "What is the largest factor that a clip may apply?",
            f"Clipping and taking the {total} do not commute. Which of them comes first, if the gradient of the batch "
            f"is "
            "to be clipped?",
        ),
        misconceptions=(
            Misconception(
                "both mistakes are still in it",
                "These are the numbers of the code as it was given. Look at what is clipped, the gradients or their "
                f"{total}, and at what happens to a gradient that is short enough already.",
                both,
            ),
            Misconception(
                f"clipped before the {total} is taken",
                "Each sequence is still clipped for itself. That changes the direction of the step: where do the "
                "sequences become one gradient?",
                each_first,
            ),
            Misconception(
                "short gradients are lengthened",
                "One mistake is mended. The other: a gradient below the limit still comes out with the length of the "
                "limit.",
                always,
            ),
            Misconception(
                "clipped after the optimiser",
                "You limit the way of the weights. But the long gradient has got into v by then, and stays there. Clip "
                "before anything is done with the gradient.",
                velocity_clipped,
            ),
            Misconception(
                f"the {'sum' if total == 'mean' else 'mean'} over the sequences",
                f"The loss is the {total} over the sequences, and so is its gradient. A limit for the one is not a "
                f"limit for "
                "the other.",
                other_total,
            ),
            Misconception(
                "the norm of all the gradients at once",
                "You take one norm over the whole of g, which grows with the number of sequences. The gradient that "
                f"is to be clipped is their {total}, (H, H): of that array the norm is needed.",
                lambda W, v, g, limit, rate, mu: moved(
                    W, v, together(g) * min(1.0, limit / np.linalg.norm(g)), rate, mu
                ),
            ),
            Misconception(
                "the velocity is clipped",
                "v is made of many gradients. Asked for is a clip of the gradient of this batch, before it gets into "
                "v.",
                after_velocity,
            ),
            Misconception(
                f"the {total} of the lengths for the length of the {total}",
                "Gradients that point in different directions partly cancel, and their joint length is smaller than "
                "their lengths say. Of which array do you take the norm?",
                joint_lengths,
            ),
            Misconception(
                "nothing is clipped",
                "The mistakes are gone, and the clip as well. A gradient longer than the limit has to be shortened to "
                "it.",
                not_clipped,
            ),
        ),
    )
