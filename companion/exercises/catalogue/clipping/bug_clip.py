"""Repair a step with a clip."""

from __future__ import annotations

import numpy as np

from companion.core.optimisers import clip_by_norm
from companion.exercises.inputs import normal
from companion.exercises.model import Case, Key, Misconception
from companion.exercises.model import old_exercise as exercise

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
