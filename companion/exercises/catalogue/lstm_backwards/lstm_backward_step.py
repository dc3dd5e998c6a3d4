"""One step back."""

from __future__ import annotations

import numpy as np

from companion.core.functions import sigmoid
from companion.exercises.activations import ARCTAN, LOGISTIC, SOFTSIGN, Activation
from companion.exercises.catalogue.lstm_backwards.wrong_slopes import wrong_outputs, wrong_slopes
from companion.exercises.gates import (
    each_step_size,
    listed,
    parts,
    written,
)
from companion.exercises.gates import (
    old_exchanges as exchanges,
)
from companion.exercises.inputs import normal
from companion.exercises.model import Key, Misconception
from companion.exercises.model import old_exercise as exercise


@exercise(
    "lstm-backward-step",
    chapter="lstm-backwards",
    name="step_back",
    title="One step back",
    kind="derive",
    ask={"psi": (SOFTSIGN, ARCTAN, LOGISTIC), "order": ("ifgo", "ifog", "ofig", "figo")},
)
def backward_step(rng: np.random.Generator, psi: Activation, order: str) -> Key:
    def slope_at(c):
        return psi.slope(psi.apply(c))

    def whole(dh, dc, o, c):
        return dc + dh * o * slope_at(c)

    def joined(by_gate, order=order):
        return np.concatenate([by_gate[k] for k in order], axis=-1)

    def deltas(dh, dc_t, i, f, g, o, c, c_before):
        return {
            "i": dc_t * g * i * (1 - i),
            "f": dc_t * c_before * f * (1 - f),
            "g": dc_t * i * (1 - g**2),
            "o": dh * psi.apply(c) * o * (1 - o),
        }

    def answer(dh, dc, i, f, g, o, c, c_before):
        dc_t = whole(dh, dc, o, c)
        return joined(deltas(dh, dc_t, i, f, g, o, c, c_before)), f * dc_t

    def by_loops(dh, dc, i, f, g, o, c, c_before):
        B, H = dh.shape
        da, dc_before = np.zeros((B, 4, H)), np.zeros((B, H))
        for n in range(B):
            for u in range(H):
                at = n, u
                total = dc[at] + dh[at] * o[at] * float(slope_at(c[at]))
                entries = {
                    "i": total * g[at] * i[at] * (1 - i[at]),
                    "f": total * c_before[at] * f[at] * (1 - f[at]),
                    "g": total * i[at] * (1 - g[at]) * (1 + g[at]),
                    "o": dh[at] * float(psi.apply(c[at])) * o[at] * (1 - o[at]),
                }
                da[n, :, u] = [entries[k] for k in order]
                dc_before[at] = f[at] * total
        return da.reshape(B, 4 * H), dc_before

    def by_jacobians(dh, dc, i, f, g, o, c, c_before):
        """The Jacobian of (c_t, h_t), as rows, by the four pre-activations and c_{t-1}, entry by entry."""
        of_c = {
            "i": g * i * (1 - i),
            "f": c_before * f * (1 - f),
            "g": i * (1 - g * g),
            "o": np.zeros_like(o),
            "c_before": f,
        }
        of_h = {k: o * slope_at(c) * slope for k, slope in of_c.items()}
        of_h["o"] = psi.apply(c) * o * (1 - o)
        back = {k: dc * of_c[k] + dh * of_h[k] for k in of_c}
        return joined(back), back["c_before"]

    def with_cell(cell):
        """The step with another dc_t: cell(dh, dc, o, c)."""

        def wrong(dh, dc, i, f, g, o, c, c_before):
            dc_t = cell(dh, dc, o, c)
            return joined(deltas(dh, dc_t, i, f, g, o, c, c_before)), f * dc_t

        return wrong

    def with_deltas(change, order=order):
        """The step with other δ: change(deltas, dh, dc_t, i, f, g, o, c) gives those that differ."""

        def wrong(dh, dc, i, f, g, o, c, c_before):
            dc_t = whole(dh, dc, o, c)
            found = deltas(dh, dc_t, i, f, g, o, c, c_before)
            return joined(found | change(found, dh, dc_t, i, f, g, o, c), order), f * dc_t

        return wrong

    def with_psi(value, slope):
        """The step with another value or slope of the function at the output, each of c; None where it is right."""

        def wrong(dh, dc, i, f, g, o, c, c_before):
            dc_t = dc + dh * o * (slope or slope_at)(c)
            found = deltas(dh, dc_t, i, f, g, o, c, c_before)
            return joined(found | {"o": dh * (value or psi.apply)(c) * o * (1 - o)}), f * dc_t

        return wrong

    def forget_for_all(dh, dc, i, f, g, o, c, c_before):
        handed = f * whole(dh, dc, o, c)
        return joined(deltas(dh, handed, i, f, g, o, c, c_before)), handed

    def arriving_forget(dh, dc, i, f, g, o, c, c_before, handed=True):
        dc_t = f * dc + dh * o * slope_at(c)
        return joined(deltas(dh, dc_t, i, f, g, o, c, c_before)), f * dc_t if handed else dc_t

    def in_turns(dh, dc, i, f, g, o, c, c_before):
        da, dc_before = answer(dh, dc, i, f, g, o, c, c_before)
        return da.reshape(len(da), 4, -1).swapaxes(1, 2).reshape(da.shape), dc_before

    def case(s):
        by_gate = parts(normal(rng, s.B, 4 * s.H, scale=1.0), "ifgo")
        gates = {k: np.tanh(a) if k == "g" else sigmoid(a) for k, a in by_gate.items()}
        c_before = normal(rng, s.B, s.H, scale=1.0)
        return {
            "dh": normal(rng, s.B, s.H, scale=1.0),
            "dc": normal(rng, s.B, s.H, scale=1.0),
            **gates,
            "c": gates["f"] * c_before + gates["i"] * gates["g"],
            "c_before": c_before,
        }

    return Key(
        answer=answer,
        also_right=(by_loops, by_jacobians),
        returns=("da", "dc_before"),
        axes={"da": "B column", "dc_before": "B H"},
        words={
            "psi": psi.formula,
            "psi_is": {
                SOFTSIGN: r"the function $\operatorname{softsign}(c) = c / (1 + |c|)$",
                ARCTAN: "the arcus tangent, `np.arctan`",
                LOGISTIC: "the logistic function",
            }[psi],
            "shown": written(psi.code, "a", "c"),
            "slope": written(psi.slope_code, "h", "shown"),
            "why_slope": {
                SOFTSIGN: r"$\operatorname{softsign}'(c) = 1/(1 + |c|)^2 = (1 - |\operatorname{softsign}(c)|)^2$",
                ARCTAN: r"$\arctan'(c) = 1/(1 + c^2) = \cos^2(\arctan c)$",
                LOGISTIC: r"$\sigma'(c) = \sigma(c)(1 - \sigma(c))$",
            }[psi],
            "order": listed(order),
            "deltas": listed(order, "da_"),
        },
        cases=each_step_size(case),
        hints=(
            "Write down where c_t is used, and where each gate is. A gradient comes back along every use.",
            "The cell is used twice: by the state of the same step and by the next cell. Form its whole gradient "
            "first: what you are given is one of the two parts.",
            "Each gate gets the gradient of what it helped to make, times what it was multiplied with, times the slope "
            "of its own function. Only the output gate helped to make the state.",
            "dc_{t-1} is the whole dc_t times what multiplies c_{t-1} in the equation of the cell.",
        ),
        misconceptions=(
            Misconception(
                "the gradient that comes along the cell is left out",
                "c_t is used by the next cell too. Where has the argument dc gone?",
                with_cell(lambda dh, dc, o, c: dh * o * slope_at(c)),
            ),
            Misconception(
                "the state's share of the cell's gradient is left out",
                "c_t is used by h_t of the same step. What comes back to the cell from dh?",
                with_cell(lambda dh, dc, o, c: dc),
            ),
            Misconception(
                "the output gate is missing on the way from the state to the cell",
                "Look at the last equation: with what is the squashed cell multiplied, before it is the state?",
                with_cell(lambda dh, dc, o, c: dc + dh * slope_at(c)),
            ),
            Misconception(
                "the slope of the output function is missing",
                "Between the cell and the state lies a function. Its slope is a factor on the way back.",
                with_cell(lambda dh, dc, o, c: dc + dh * o),
            ),
            Misconception(
                "tanh at the output, as in the chapter",
                "Read the statement's last equation again. Here another function squashes the cell, and both its value "
                "and its slope are needed.",
                with_psi(np.tanh, lambda c: 1 - np.tanh(c) ** 2),
            ),
            Misconception(
                "the slope of tanh for that of the output function",
                "1 − tanh² is the slope of tanh. Which function does this network have at its output?",
                with_psi(None, lambda c: 1 - np.tanh(c) ** 2),
            ),
            Misconception(
                "the value of tanh for that of the output function",
                "The slope is right. The output gate's gradient has the squashed cell as a factor: through which "
                "function?",
                with_psi(np.tanh, None),
            ),
            Misconception(
                "one minus the square of the value",
                "1 − s², with the value s, is the slope of tanh. Differentiate the function that stands here.",
                with_psi(None, lambda c: 1 - psi.apply(c) ** 2),
            ),
            *wrong_outputs(psi, with_psi),
            Misconception(
                "the gates get what is handed on",
                "dc_t times f_t belongs to c_{t-1} alone. The gates of step t helped to make c_t: which gradient is "
                "theirs?",
                forget_for_all,
            ),
            Misconception(
                "the forget gate is multiplied in twice",
                "dc has its forget gate already, that of step t + 1. By f_t only what is handed on to c_{t-1} is "
                "multiplied.",
                arriving_forget,
            ),
            Misconception(
                "the forget gate at the wrong end of the step",
                "You multiply what arrives along the cell by f_t, and not what you hand on. f_t stands between c_{t-1} "
                "and c_t: which of the two gradients has passed it?",
                lambda dh, dc, i, f, g, o, c, c_before: arriving_forget(dh, dc, i, f, g, o, c, c_before, handed=False),
            ),
            Misconception(
                "the new cell in the gradient of the forget gate",
                "What does f_t multiply in the equation of the cell: the cell before the step, or after it?",
                with_deltas(lambda d, dh, dc_t, i, f, g, o, c: {"f": dc_t * c * f * (1 - f)}),
            ),
            Misconception(
                "the output gate gets its gradient from the cell",
                "In which equation does o_t stand? Its gradient comes from what that equation makes.",
                with_deltas(lambda d, dh, dc_t, i, f, g, o, c: {"o": dc_t * psi.apply(c) * o * (1 - o)}),
            ),
            *wrong_slopes(psi, with_deltas),
            Misconception(
                "gate and candidate have each other's partner",
                "In i ⊙ g each of the two is multiplied by the other. So which of them does the gradient of i get as "
                "a factor, and which that of g?",
                with_deltas(
                    lambda d, dh, dc_t, i, f, g, o, c: {
                        "i": dc_t * i * i * (1 - i),
                        "g": dc_t * g * (1 - g**2),
                    }
                ),
            ),
            *exchanges(order, lambda joined_as: with_deltas(lambda *_: {}, joined_as), joined=True),
            Misconception(
                "the four parts in turns",
                "Unit by unit, the four alternate in your rows. Asked for are all H columns of one gate side by side.",
                in_turns,
            ),
            Misconception(
                "the cell's gradient is handed on without the forget gate",
                "c_{t-1} is multiplied by something before it is part of c_t.",
                lambda dh, dc, i, f, g, o, c, c_before: (
                    answer(dh, dc, i, f, g, o, c, c_before)[0],
                    whole(dh, dc, o, c),
                ),
            ),
            Misconception(
                "what is handed on leaves out what came through the state",
                "The earlier cell gets its share of the whole gradient at c_t, not only of what came along the cell.",
                lambda dh, dc, i, f, g, o, c, c_before: (answer(dh, dc, i, f, g, o, c, c_before)[0], f * dc),
            ),
        ),
    )
