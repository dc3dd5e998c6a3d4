"""What gates are for: an LSTM with one gate held still, and weights by hand that store a marked bit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from companion.core.cell import weight_shapes
from companion.core.functions import sigmoid
from companion.core.recurrent import forward
from companion.exercises.comparing import described
from companion.exercises.gates import GATES, each_step_size, weights
from companion.exercises.inputs import normal
from companion.exercises.model import Key, Unfit, exercise
from companion.gates.cells import LSTM


@exercise(
    "ablate-gate",
    "ablated_step",
    "A step without one of the gates",
    "implement",
    without=("f", "i", "o"),
    value=(1.0, 0.9, 0.8),
)
def ablate(rng: np.random.Generator, without: str, value: float) -> Key:
    def as_lstm(x, h, c, w):
        """The whole LSTM, its gate held by a bias: no weights, and the pre-activation that gives the value."""
        bias = 40.0 if value == 1 else np.log(value / (1 - value))
        held = {f"{name}{without}": 0 * w[f"{name}{without}"] for name in ("W_x", "W_h", "b_")}
        w = w | held | {f"b_{without}": held[f"b_{without}"] + bias}
        _, tape = forward(LSTM(x.shape[1], h.shape[1]), w, x[None], {"h": h, "c": c})
        return tape["h"][1], tape["c"][1]

    return Key(
        cases=each_step_size(
            lambda s: {
                "x": normal(rng, s.B, s.I, scale=1.0),
                "h": np.tanh(normal(rng, s.B, s.H)),
                "c": normal(rng, s.B, s.H, scale=1.0),
                "w": weights(rng, s.I, s.H, "ifgo"),
            }
        ),
        also_right=(as_lstm,),
        returns=("h", "c"),
        axes={"h": "B H", "c": "B H"},
        words={
            "gate": GATES[without],
            "value": f"{value:g}",
            "rest": "ifgo".replace(without, ""),
            **{k: f"{value:g}" if k == without else f'sigmoid(a["{k}"])' for k in "ifo"},
            "means": {
                "f": "keeps the same share of its content at every step, whatever is read",
                "i": "lets the same share of every candidate in, whatever is read",
                "o": "is shown to the same share at every step, whatever is read",
            }[without],
        },
    )


HOLD = 200  # steps for which a bit has to be held
BEYOND = 0.5  # how far from zero the state has to be
SIGNED = 0.1  # how far from zero it must be to have a sign that means something
SIZE, STATES = "the distance of the state from zero", "all that its states do"
ANY_BITS = np.random.default_rng(7).integers(2, size=HOLD).tolist()
PROBES = {  # sequences that store bit 1: bits, the marked steps, and from which step on it must show
    "the state at a mark": ([1], [1], 1),
    "the state one step after a mark": ([1, 0], [1], 2),
    "the state after equal bits": ([1] * 21, [1], 2),
    f"the state over {HOLD} steps": ([0, 1, 1, 0, 0, 1, *ANY_BITS], [6], 6),
    f"the state over {HOLD} steps of the other bit": ([1, *[0] * HOLD], [1], 2),
    "the state after a second mark": ([0, 0, 0, 1, 0, 1, 1, 1, 0, 0, 0], [1, 2, 3, 8], 8),
}

SHAPES = weight_shapes(LSTM(2, 1))


@exercise(
    "latch",
    "latch",
    "A latch for the last marked bit",
    "open",
    bits=((0, 1), (1, 2), (1, 3), (-1, 0)),
    marks=((1, 0), (0, 1), (-1, 0)),
    columns=("bit first", "mark first"),
    sign=("positive", "negative"),
)
def latch(rng: np.random.Generator, bits: tuple[int, int], marks: tuple[int, int], columns: str, sign: str) -> Key:
    marked, unmarked = marks
    up = 1 if sign == "positive" else -1  # the sign of the state that stands for the larger bit
    low, high, mark, no_mark = (f"{number}".replace("-", "−") for number in (*bits, *marks))

    def pair(of_bit, of_mark):
        return [of_bit, of_mark] if columns == "bit first" else [of_mark, of_bit]

    def line(low, high, full):
        """Weight and bias of what is −full for one number and full for the other."""
        return 2 * full / (high - low), -full * (high + low) / (high - low)

    def states(w):
        """Of each probe, (T + 1, 2): with the bits that store the larger one, and with all bits the other way round."""
        x = np.full((6 + HOLD, len(PROBES), 2, 2), float(unmarked))
        for n, (seen, at, _) in enumerate(PROBES.values()):
            x[np.array(at) - 1, n] = marked
            x[: len(seen), n, :, pair(0, 1)[0]] = np.array([bits, bits[::-1]]).T[seen]
        h = forward(LSTM(2, 1), w, x.reshape(len(x), -1, 2))[1]["h"].reshape(len(x) + 1, -1, 2)
        return {name: h[: len(seen) + 1, n] for n, (name, (seen, *_)) in enumerate(PROBES.items())}

    def sign_of(states, wanted):
        """The wanted sign, 1 or −1, if all states have it, else that of the first other: 1, 0 or −1."""
        state = next((state for state in states if not wanted * state > SIGNED), wanted)
        return int(np.sign(state)) if abs(state) > SIGNED else 0

    def shows(for_high, for_low):
        signs = {1: "positive", -1: "negative", 0: "near zero"}
        return f"{signs[for_high]} for a {high}, {signs[for_low]} for a {low}"

    def view(arguments, value):
        """What the gates do comes first, where anything is wrong; of the states, the first fact alone that is wrong.

        The last one has in it all that is compared.
        """
        right = {name: shows(up, -up) for name in PROBES} | {SIZE: f"at least {BEYOND}"}
        facts = asked | right | {STATES: "as they should"}
        w = parsed(value)
        found, far = {}, True
        for name, h in states(w).items():
            _, at, first = PROBES[name]
            found[name] = shows(*(sign_of(h[first:, n], wanted) for n, wanted in enumerate((up, -up))))
            far = far and bool((np.abs(h[at[0] :]) >= BEYOND).all())
        found[SIZE] = right[SIZE] if far else f"below {BEYOND} at some step"
        wrong = [name for name in found if found[name] != right[name]]
        if not wrong:
            return facts
        levels = opened(w, np.array([pair(bit, mark) for mark in (unmarked, marked) for bit in bits]))
        reads = any(w[f"W_h{k}"].any() for k in "ifgo")
        compared = ", ".join(k + "".join(map(str, levels[k])) for k in "ifgo") + ", h" * reads
        known = f"{compared}: {'; '.join(found.values())}"
        return facts | told(levels, low, high) | {wrong[0]: found[wrong[0]], STATES: known}

    one, other = ("−1", "1") if up == 1 else ("1", "−1")
    asked = {
        "the input gate": "open with a mark and shut without one",
        "the forget gate": "shut with a mark and open without one",
        "the output gate": "open with a mark and open without one",
        "the candidate": f"near {one} for a {low} and near {other} for a {high}",
    }

    def code(numbers):
        return f"[{', '.join(f'{number:g}' for number in numbers)}]"

    (of_mark, b_mark), (of_bit, b_bit) = line(unmarked, marked, 30), line(*bits, 30)  # a gate's
    of_high, b_high = line(*bits, 20 * up)  # the candidate's
    return Key(
        view=view,
        words={
            "low": low,
            "high": high,
            "marked": mark,
            "unmarked": no_mark,
            "pair": "the bit, then the mark" if columns == "bit first" else "the mark, then the bit",
            "for_high": r"h_t \ge 0.5" if up == 1 else r"h_t \le -0.5",
            "for_low": r"h_t \le -0.5" if up == 1 else r"h_t \ge 0.5",
            "hold": str(HOLD),
            "W_xi": code(pair(0, of_mark)),
            "b_i": code([b_mark]),
            "W_xf": code(pair(0, -of_mark)),
            "b_f": code([-b_mark]),
            "W_xg": code(pair(of_high, 0)),
            "b_g": code([b_high]),
            "W_both": code(pair(of_bit, of_mark)),  # on for a marked larger bit alone
            "b_both": code([b_mark + b_bit - 30]),
        },
    )


def parsed(value: Any) -> dict[str, np.ndarray]:
    """The twelve weights, lists as arrays.

    Raises:
        Unfit: when they are no such weights.
    """
    if not isinstance(value, dict):
        raise Unfit(f"a dictionary of the twelve weights is asked for, and this is {described(value)}")
    if names := [name for name in SHAPES if name not in value]:
        raise Unfit(f"{names[0]} is missing; the dictionary should have the names {', '.join(SHAPES)}")
    if names := [name for name in value if name not in SHAPES]:
        raise Unfit(f"{names[0]} is none of the twelve weights {', '.join(SHAPES)}")
    found = {}
    for name, shape in SHAPES.items():
        try:
            found[name] = np.asarray(value[name], float)
        except (TypeError, ValueError):
            raise Unfit(f"{name} should hold numbers in the shape {shape}, and holds something else") from None
        if found[name].shape != shape:
            raise Unfit(f"{name} should have the shape {shape}, and has {found[name].shape}")
        if not np.isfinite(found[name]).all():
            raise Unfit(f"{name} holds an entry that is not finite")
    return found


def opened(w: Mapping[str, np.ndarray], x: np.ndarray) -> dict[str, np.ndarray]:
    """How far i, f and o are open, and where g is, from 0 to 4, for each input x, while the state is zero.

    The first two inputs are without a mark: what leaks there adds up, and nothing else does.
    """
    a = {k: (x @ w[f"W_x{k}"].T + w[f"b_{k}"])[:, 0] for k in "ifgo"}
    levels = {"g": np.searchsorted((-0.7, -0.1, 0.1, 0.7), np.tanh(a["g"]))}
    for k, leaking in (("i", 1), ("f", 3), ("o", -1)):
        fine = np.searchsorted((0.0005, 0.1, 0.9, 0.9995), sigmoid(a[k]))
        leaks = (fine == leaking) & (np.arange(len(x)) < 2)
        levels[k] = np.where(leaks, fine, np.array([0, 0, 2, 4, 4])[fine])
    return levels


def told(levels: Mapping[str, np.ndarray], low: str, high: str) -> dict[str, str]:
    """The same in words, by gate: 'the input gate' → 'open with a mark and shut without one'."""
    facts = {}
    for k in "ifo":
        at_low, at_high, marked_low, marked_high = (
            ("shut", "leaking", "half open", "leaking", "open")[n] for n in levels[k]
        )
        by_mark = (at_low, marked_low) == (at_high, marked_high)
        does = f"{marked_low} with a mark and {at_low} without one" if by_mark else "not the same for both bits"
        facts[f"the {GATES[k]}"] = does
    g = [("−1", "−½", "0", "½", "1")[n] for n in levels["g"]]
    by_bit = f"near {g[0]} for a {low} and near {g[1]} for a {high}"
    return facts | {"the candidate": by_bit if g[:2] == g[2:] else "not the same with and without a mark"}
