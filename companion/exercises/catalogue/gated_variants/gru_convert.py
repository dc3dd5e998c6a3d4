"""Carry a GRU over."""

from __future__ import annotations

import numpy as np

from companion.exercises.gates import each_step_size, exchanged, listed, stacked, weights
from companion.exercises.model import Key, Misconception
from companion.exercises.model import old_exercise as exercise
from companion.gates.convert import other_update_gate


@exercise(
    "gru-convert",
    chapter="gated-variants",
    name="convert",
    title="Carry a GRU over",
    kind="implement",
    ask={"source": ("rzn", "nrz", "rnz"), "target": ("zrn", "nzr", "znr"), "side": ("columns", "rows")},
)
def convert(rng: np.random.Generator, source: str, target: str, side: str) -> Key:
    def stored(W_x, W_h, b):
        return (W_x.T, W_h.T, b) if side == "columns" else (W_x, W_h, b)

    def moved(W_x, W_h, b, sign=lambda name, k, part: -part if k == "z" else part, target=target):
        """The three arrays, one gate below the other in the order of the target; ``sign`` turns a gate's part."""
        return tuple(
            np.concatenate([sign(name, k, dict(zip(source, np.split(whole, 3), strict=True))[k]) for k in target])
            for name, whole in (("W_x", W_x), ("W_h", W_h), ("b", b))
        )

    def answer(W_x, W_h, b):
        return stored(*moved(W_x, W_h, b))

    def by_rows(W_x, W_h, b):
        """With numbers of rows and a vector of signs."""
        H = len(b) // 3
        rows = np.concatenate([np.arange(H) + H * source.index(k) for k in target])
        signs = np.repeat([-1.0 if k == "z" else 1.0 for k in target], H)
        return stored(signs[:, None] * W_x[rows], signs[:, None] * W_h[rows], signs * b[rows])

    def by_names(W_x, W_h, b):
        """By way of the course's names and the course's own function."""
        w = {
            f"{name}{k}": part
            for name, whole in (("W_x", W_x), ("W_h", W_h), ("b_", b))
            for k, part in zip(source, np.split(whole, 3), strict=True)
        }
        return stored(*stacked(other_update_gate(w), target))

    def signed(sign):
        return lambda W_x, W_h, b: stored(*moved(W_x, W_h, b, sign))

    def in_blocks(W_x, W_h, b):
        """W_h cut into its (H, H) blocks, which fit either way: transposed where they should not be, or not."""
        W_x_new, W_h_new, b_new = moved(W_x, W_h, b)
        H = len(b) // 3
        blocks = np.split(W_h_new, 3)
        wrong = np.concatenate(blocks, axis=1) if side == "columns" else np.concatenate([block.T for block in blocks])
        return stored(W_x_new, W_h_new, b_new)[0], wrong.reshape((H, 3 * H) if side == "columns" else (3 * H, H)), b_new

    def case(s):
        W_x, W_h, b = stacked(weights(rng, s.I, s.H, source), source)
        return {"W_x": W_x, "W_h": W_h, "b": b}

    return Key(
        answer=answer,
        also_right=(by_rows, by_names),
        returns=("W_x", "W_h", "b"),
        axes={"W_x": "I column", "W_h": "H column", "b": "column"}
        if side == "columns"
        else {"W_x": "row I", "W_h": "row H", "b": "row"},
        words={
            "source": listed(source),
            "target": listed(target),
            **{f"source_{v}": listed(source, f"{v}_") for v in "xhb"},
            **{f"target_{v}": ", ".join(("-" if k == "z" else "") + f"{v}_{k}" for k in target) for v in "xhb"},
            "stored": "transposed, the gates side by side: `W_x` $(I, 3H)$, `W_h` $(H, 3H)$ and `b` $(3H,)$"
            if side == "columns"
            else "one below the other too: `W_x` $(3H, I)$, `W_h` $(3H, H)$ and `b` $(3H,)$",
            "T": ".T" if side == "columns" else "",
            "shape_x": "(I, 3H)" if side == "columns" else "(3H, I)",
            "shape_h": "(H, 3H)" if side == "columns" else "(3H, H)",
        },
        cases=each_step_size(case),
        hints=(
            "Cut all three arrays into the parts of the gates, and give the parts names.",
            "1 − σ(a) = σ(−a). Which weights make the a of the update gate?",
            "Join the parts in the new order; look at the shapes that are asked for.",
        ),
        misconceptions=(
            Misconception(
                "z is not turned",
                "The order is right, but a gate that kept now writes. What turns a gate from σ(a) into 1 − σ(a)?",
                signed(lambda name, k, part: part),
            ),
            Misconception(
                "1 − W for the weights of z",
                "It is the gate that becomes 1 − z. Write 1 − σ(a) as σ of something: what happens to a?",
                signed(lambda name, k, part: 1 - part if k == "z" else part),
            ),
            Misconception(
                "the bias of z is not turned",
                "The whole pre-activation of z has to turn its sign. Of which terms does it consist?",
                signed(lambda name, k, part: -part if k == "z" and name != "b" else part),
            ),
            Misconception(
                "all gates are turned",
                "Only one gate has another meaning in the other program.",
                signed(lambda name, k, part: -part),
            ),
            Misconception(
                "r is turned in the place of z",
                f"In the given arrays the gates stand in the order {listed(source)}. Which part did you turn?",
                signed(lambda name, k, part: -part if k == "r" else part),
            ),
            Misconception(
                "r and z are taken for each other",
                f"In the given arrays the gates stand in the order {listed(source)}. You cut them in another one, took "
                "r for z, and turned it.",
                lambda W_x, W_h, b: stored(
                    *moved(W_x, W_h, b, lambda name, k, part: -part if k == "r" else part, exchanged(target, "r", "z"))
                ),
            ),
            Misconception(
                "the candidate is turned in the place of z",
                "Only one gate has another meaning in the other program, and the candidate is none.",
                signed(lambda name, k, part: -part if k == "n" else part),
            ),
            *(
                (
                    Misconception(
                        "reshaped, and not transposed",
                        "The shapes are as asked, but reshape reads the numbers row by row and fills new rows with "
                        "them. What makes rows of columns?",
                        lambda W_x, W_h, b: tuple(part.reshape(part.shape[::-1]) for part in moved(W_x, W_h, b)),
                    ),
                )
                if side == "columns"
                else ()
            ),
            Misconception(
                "the order is not changed",
                f"The parts should come out in the order {listed(target)}.",
                lambda W_x, W_h, b: stored(*moved(W_x, W_h, b, target=source)),
            ),
            Misconception(
                "neither the order nor z is changed",
                f"The parts should come out in the order {listed(target)}. And a gate that kept has to write: what "
                "turns a gate from σ(a) into 1 − σ(a)?",
                lambda W_x, W_h, b: stored(*moved(W_x, W_h, b, lambda name, k, part: part, source)),
            ),
            Misconception(
                "the matrices are not transposed" if side == "columns" else "the matrices are transposed",
                "Compare the shapes with those asked for, also where they happen to be square.",
                lambda W_x, W_h, b: (
                    moved(W_x, W_h, b) if side == "columns" else tuple(part.T.copy() for part in moved(W_x, W_h, b))
                ),
            ),
            Misconception(
                "the recurrent weights of each gate, (H, H), are "
                + ("not transposed" if side == "columns" else "transposed"),
                "A block (H, H) fits either way, so that no shape tells. Compare it with what happens to W_x.",
                in_blocks,
            ),
        ),
    )
