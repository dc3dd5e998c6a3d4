"""Find the bug: a backward pass to the inputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from companion.exercises.catalogue.lstm_backwards.forward_pass import forward_pass
from companion.exercises.gates import (
    exchanged,
    listed,
    stacked,
)
from companion.exercises.inputs import each_size, normal
from companion.exercises.model import Key, Misconception
from companion.exercises.model import old_exercise as exercise
from companion.gates.cells import LSTM


@dataclass(frozen=True)
class Fault:
    """A fault that can be planted in the given pass: one line of it, and what its lack of repair looks like.

    Attributes:
        name: what is wrong.
        line: which of RIGHT is replaced.
        wrong: by what.
        hint: for someone who brought this fault in.
        symptom: for someone to whom it was given, and who has not found it.
    """

    name: str
    line: str
    wrong: str
    hint: str
    symptom: str


@dataclass(frozen=True)
class Broken:
    """What a class gets to repair: the order of the gates, and the fault that is planted."""

    order: str
    fault: Fault


RIGHT = {
    "cell": "dc_t = dc_later + dh_t * o * (1 - tanh_c**2)",
    "delta_f": "da_f = dc_t * c[t - 1] * f * (1 - f)",
    "delta_o": "da_o = dh_t * tanh_c * o * (1 - o)",
    "back": "dh_later = da @ W_h",
}
_FROM_TWO_ON = (
    "With T = 1 all three results are right, and with T = 2 so is the last row of dx. What arrives at step 1 that does "
    "not arrive at the last step?"
)
_FROM_ONE_ON = (
    "With T = 1 dc_0 is right already, and dx and dh_0 are not. Which lines lead to dx and dh_0, and not to dc_0? "
    "Compare each with its equation."
)
LEFT_OUT = Fault(
    "what comes along the cell is left out of the cell's gradient",
    "cell",
    "dc_t = dh_t * o * (1 - tanh_c**2)",
    "c_t is used twice in the forward pass: by the state of its step, and where? dc_t has as many parts.",
    _FROM_TWO_ON,
)
INCOMPLETE = Fault(
    "the cell gets its share of dh before dh is complete",
    "cell",
    "dc_t = dc_later + dh[t - 1] * o * (1 - tanh_c**2)",
    "Part of what arrives at the state passes through to the cell. Of how many parts is dh_t made?",
    _FROM_TWO_ON,
)
FROM_CELL = Fault(
    "the output gate gets its gradient from the cell",
    "delta_o",
    "da_o = dc_t * tanh_c * o * (1 - o)",
    "In which equation of the forward pass does o_t stand, and what does that equation make?",
    _FROM_ONE_ON,
)
PILED_UP = Fault(
    "what comes back to the state is added up over the steps",
    "back",
    "dh_later = dh_later + da @ W_h",
    "Which step's gates have read h_{t-1}? And the contributions of which steps are in the array that is handed on?",
    "With T = 1 all three results are right. With T = 2 only dh_0 is wrong, from T = 3 on the early rows of dx and "
    "dc_0 are too. What is handed from step to step, and what is left in it?",
)
NEW_CELL = Fault(
    "the new cell in the gradient of the forget gate",
    "delta_f",
    "da_f = dc_t * c[t] * f * (1 - f)",
    "With what was f_t multiplied in the forward pass: with the cell before the step, or after it?",
    _FROM_ONE_ON,
)
FAULTS = (LEFT_OUT, INCOMPLETE, FROM_CELL, PILED_UP, NEW_CELL)


@exercise(
    "bug-lstm",
    chapter="lstm-backwards",
    name="input_gradients",
    title="Find the bug: a backward pass to the inputs",
    kind="repair",
    ask={
        "version": (
            Broken("ifgo", LEFT_OUT),
            Broken("ofig", INCOMPLETE),
            Broken("ifog", FROM_CELL),
            Broken("figo", PILED_UP),
            Broken("igfo", NEW_CELL),
        )
    },
)
def bug(rng: np.random.Generator, version: Broken) -> Key:
    order = version.order

    def run(dh, s, c, W_x, W_h, fault=None, order=order, keep_forget=True, **twist):
        """The gradients; what is wrong is said by the arguments after W_h."""
        T, B, H = dh.shape
        dx = np.zeros((T, B, W_x.shape[1]))
        dh_later, dc_later = np.zeros((B, H)), np.zeros((B, H))
        for t in range(T, 0, -1):
            i, f, g, o = (s[k][t - 1] for k in "ifgo")
            tanh_c = np.tanh(c[t])
            dh_t = dh[t - 1] + (0 if twist.get("no_gates") else dh_later)
            through = (dh[t - 1] if fault is INCOMPLETE else dh_t) * o * (1 if twist.get("no_slope") else 1 - tanh_c**2)
            arrived = f * dc_later if twist.get("twice") else dc_later
            dc_t = through if fault is LEFT_OUT or twist.get("late") else arrived + through
            da = {
                "i": dc_t * g * i * (1 - i),
                "f": dc_t * c[t if fault is NEW_CELL else t - 1] * f * (1 - f),
                "g": dc_t * i * (1 - g**2),
                "o": (dc_t if fault is FROM_CELL else dh_t) * tanh_c * o * (1 - o),
            }
            delta = np.concatenate([da[k] for k in order], axis=-1)
            dx[t - 1] = delta @ W_x
            dh_later = delta @ W_h + (dh_later if fault is PILED_UP else 0)
            dc_later = (f if keep_forget else 1) * (dc_t + dc_later if twist.get("late") else dc_t)
        return dx, dh_later, dc_later

    def answer(dh, s, c, W_x, W_h):
        return run(dh, s, c, W_x, W_h)

    def by_slopes(dh, s, c, W_x, W_h):
        """In two halves, as the package has it: slopes of all steps at once, then the recursion."""
        cell = LSTM(W_x.shape[1], W_h.shape[1])
        slopes = cell.slopes({}, {**s, "tanh_c": np.tanh(c[1:])}, {"c": c[:-1]})
        d = {"h": np.zeros_like(c[0]), "c": np.zeros_like(c[0])}
        delta = []
        for t in reversed(range(len(dh))):
            da, along = cell.back({}, {k: rows[t] for k, rows in slopes.items()}, {"h": d["h"] + dh[t], "c": d["c"]})
            delta.append(np.concatenate([da[k] for k in order], axis=-1))
            d = {"h": delta[-1] @ W_h, "c": along["c"]}
        return np.stack(delta[::-1]) @ W_x, d["h"], d["c"]

    def gate_by_gate(dh, s, c, W_x, W_h):
        """Sequence by sequence, with one product for each gate."""
        T, B, H = dh.shape
        U, W = (dict(zip(order, np.split(whole, 4), strict=True)) for whole in (W_x, W_h))
        dx, dh_0, dc_0 = np.zeros((T, B, W_x.shape[1])), np.zeros((B, H)), np.zeros((B, H))
        for n in range(B):
            at_h, at_c = np.zeros(H), np.zeros(H)
            for t in range(T, 0, -1):
                i, f, g, o = (s[k][t - 1, n] for k in "ifgo")
                at_h = at_h + dh[t - 1, n]
                at_c = at_c + at_h * o / np.cosh(c[t, n]) ** 2
                delta = {
                    "i": at_c * g * i * (1 - i),
                    "f": at_c * c[t - 1, n] * f * (1 - f),
                    "g": at_c * i * (1 - g**2),
                    "o": at_h * np.tanh(c[t, n]) * o * (1 - o),
                }
                dx[t - 1, n] = sum(U[k].T @ delta[k] for k in order)
                at_h, at_c = sum(W[k].T @ delta[k] for k in order), f * at_c
            dh_0[n], dc_0[n] = at_h, at_c
        return dx, dh_0, dc_0

    def of_fault(fault):
        return lambda dh, s, c, W_x, W_h: run(dh, s, c, W_x, W_h, fault)

    def case(s):
        w, kept = forward_pass(rng, s)
        W_x, W_h, _ = stacked(w, order)
        return {
            "dh": normal(rng, s.T, s.B, s.H),
            "s": {k: kept[k] for k in "ifgo"},
            "c": kept["c"],
            "W_x": W_x,
            "W_h": W_h,
        }

    given = RIGHT | {version.fault.line: version.fault.wrong}
    return Key(
        answer=answer,
        also_right=(by_slopes, gate_by_gate),
        returns=("dx", "dh_0", "dc_0"),
        axes={"dx": "T B I", "dh_0": "B H", "dc_0": "B H"},
        words={
            "order": listed(order),
            "deltas": listed(order, "da_"),
            **{f"given_{line}": code for line, code in given.items()},
            "fault": version.fault.name,
            "given": version.fault.wrong,
            "mended": RIGHT[version.fault.line],
        },
        cases=each_size(case),
        hints=(
            "Where is each result wrong first? Look at the case T = 1, and then at the last row of dx in longer ones: "
            "it has nothing from the future in it.",
            "Write the equations of the backward pass beside the code, and tick off term by term.",
            "One line is at fault. "
            + {
                "cell": "It is the one that forms dc_t.",
                "delta_f": "It is one of the four δ.",
                "delta_o": "It is one of the four δ.",
                "back": "It is one of the last three of the loop.",
            }[version.fault.line],
        ),
        misconceptions=(
            *(
                Misconception("the fault is still there", fault.symptom, of_fault(fault))
                if fault is version.fault
                else Misconception(fault.name, fault.hint, of_fault(fault))
                for fault in FAULTS
            ),
            Misconception(
                "the forget gate is multiplied in twice",
                "What comes along the cell has its forget gate already, from the last line of the loop. That line was "
                "right as given.",
                lambda dh, s, c, W_x, W_h: run(dh, s, c, W_x, W_h, twice=True),
            ),
            Misconception(
                "nothing comes back from the gates of the next step",
                "h_t is read by the gates of step t + 1. Where is what they send back added?",
                lambda dh, s, c, W_x, W_h: run(dh, s, c, W_x, W_h, no_gates=True),
            ),
            Misconception(
                "the slope of tanh between cell and state is missing",
                "The state shows tanh(c_t). The slope of tanh was there in the code as given.",
                lambda dh, s, c, W_x, W_h: run(dh, s, c, W_x, W_h, no_slope=True),
            ),
            *(
                (
                    Misconception(
                        "added where it is handed on, and not where it is needed",
                        "dc_0 gets what comes along the cell, but the four δ of each step are formed without it. In "
                        "which line should it be added, so that they have it?",
                        lambda dh, s, c, W_x, W_h: run(dh, s, c, W_x, W_h, late=True),
                    ),
                )
                if version.fault is LEFT_OUT
                else ()
            ),
            Misconception(
                "the forget gate is missing on the way to the earlier cell",
                "The earlier cell is multiplied by something before it is part of the later one.",
                lambda dh, s, c, W_x, W_h: run(dh, s, c, W_x, W_h, keep_forget=False),
            ),
            Misconception(
                "candidate and output gate exchanged where the four δ are joined",
                f"The rows of both matrices belong to the gates in the order {listed(order)}; that was right as given.",
                lambda dh, s, c, W_x, W_h: run(dh, s, c, W_x, W_h, order=exchanged(order, "g", "o")),
            ),
        ),
    )
