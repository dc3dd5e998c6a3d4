"""A latch for the last marked bit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from companion.exercises.model import Key, Misconception, exercise
from companion.functions import sigmoid
from companion.gated import LSTM
from companion.recurrent import weight_shapes

HOLD = 200  # steps for which a bit has to be held
BEYOND = 0.5  # how far from zero the state has to be
SIGNED = 0.1  # how far from zero it must be to have a sign that means something
SHAPES = weight_shapes(LSTM(2, 1))
FORM, SIZE, WIRING = "the form of the weights", "the distance of the state from zero", "what the gates do"


def _probes() -> dict[str, tuple[list[int], list[int], int, int]]:
    """Sequences in which bit 1 is stored: bits, the marked steps, and the first and last step at which it must show."""
    any_bits = np.random.default_rng(7).integers(2, size=HOLD).tolist()
    return {
        "the state at a mark": ([1], [1], 1, 1),
        "the state one step after a mark": ([1, 0], [1], 2, 2),
        "the state after equal bits": ([1] * 21, [1], 2, 21),
        f"the state over {HOLD} steps": ([0, 1, 1, 0, 0, 1, *any_bits], [6], 6, 5 + HOLD),
        f"the state over {HOLD} steps of the other bit": ([1, *[0] * HOLD], [1], 2, 1 + HOLD),
        "the state after a second mark": ([0, 0, 0, 1, 0, 1, 1, 1, 0, 0, 0], [1, 2, 3, 8], 8, 11),
    }


def _problem(value: Any) -> str:
    """What is wrong with the form of the weights; '' where nothing is."""
    if not isinstance(value, dict):
        return "no dictionary"
    for name, shape in SHAPES.items():
        if name not in value:
            return f"{name} is missing"
        try:
            array = np.asarray(value[name])
        except ValueError:
            return f"{name} is no array"
        if array.dtype.kind not in "biuf" or not np.isfinite(array).all():
            return f"{name} holds something that is no finite number"
        if array.shape != shape:
            return f"{name} has shape {array.shape}, where {shape} should be"
    strange = set(value) - set(SHAPES)
    return f"{min(strange)} is none of the twelve" if strange else ""


def _run(w: Mapping[str, Any], x: np.ndarray) -> np.ndarray:
    """The states of a one-unit LSTM, (T + 1, B), from x (T, B, 2)."""
    of_x = {k: (x @ np.asarray(w[f"W_x{k}"], float).T + np.asarray(w[f"b_{k}"], float))[..., 0] for k in "ifgo"}
    of_h = {k: float(np.asarray(w[f"W_h{k}"])[0, 0]) for k in "ifgo"}
    h = [np.zeros(x.shape[1])]
    c = h[0]
    for t in range(len(x)):
        a = {k: of_x[k][t] + of_h[k] * h[-1] for k in "ifgo"}
        c = sigmoid(a["f"]) * c + sigmoid(a["i"]) * np.tanh(a["g"])
        h.append(sigmoid(a["o"]) * np.tanh(c))
    return np.stack(h)


@exercise(
    "latch",
    chapter="what-each-gate-does",
    name="latch",
    title="A latch for the last marked bit",
    kind="open",
    ask={
        "bits": ((0, 1), (1, 2), (1, 3), (-1, 0)),
        "marks": ((1, 0), (0, 1), (-1, 0)),
        "columns": ("bit first", "mark first"),
        "sign": ("positive", "negative"),
    },
)
def latch(rng: np.random.Generator, bits: tuple[int, int], marks: tuple[int, int], columns: str, sign: str) -> Key:
    marked, unmarked = marks
    up = 1 if sign == "positive" else -1  # the sign of the state that stands for the larger bit

    def pair(of_bit, of_mark):
        return [of_bit, of_mark] if columns == "bit first" else [of_mark, of_bit]

    def by_bit(full):
        """Weight and bias of something that goes from −full for the smaller bit to full for the larger."""
        return 2 * full / (bits[1] - bits[0]), -full * (bits[0] + bits[1]) / (bits[1] - bits[0])

    def by_mark(full):
        """Weight and bias of something that goes from −full without a mark to full with one."""
        return 2 * full / (marked - unmarked), -full * (marked + unmarked) / (marked - unmarked)

    def machine(gate=30.0, full=20.0, **others):
        w = {name: np.zeros(shape) for name, shape in SHAPES.items()}
        (of_mark, b_i), (of_bit, b_g) = by_mark(gate), by_bit(up * full)
        w |= {"W_xi": np.array([pair(0.0, of_mark)]), "b_i": np.array([b_i])}
        w |= {"W_xf": np.array([pair(0.0, -of_mark)]), "b_f": np.array([-b_i])}
        w |= {"W_xg": np.array([pair(of_bit, 0.0)]), "b_g": np.array([b_g])}
        return w | {"b_o": np.array([gate])} | others

    right = machine()
    gentle = machine(gate=12.0, full=1.0)  # the candidate is not saturated
    fed_back = machine(  # gates and candidate also read the state, without harm
        gate=25.0, full=20.0, W_hi=np.array([[0.5]]), W_hg=np.array([[0.7]]), W_ho=np.array([[-2.0]])
    )
    open_always, no_weights = np.array([30.0]), np.zeros((1, 2))
    mirrored = machine() | {name: machine()[name][:, ::-1].copy() for name in ("W_xi", "W_xf", "W_xg")}

    def probed(w):
        """Name of the probe → states (T + 1, 2): of the sequence that stores the larger bit, and the smaller."""
        probes = _probes()
        longest = max(len(seen) for seen, *_ in probes.values())
        bit_at, mark_at = pair(0, 1)
        x = np.full((longest, 2 * len(probes), 2), float(bits[0]))
        x[..., mark_at] = unmarked
        for n, (seen, at, *_) in enumerate(probes.values()):
            x[: len(seen), 2 * n, bit_at] = [bits[b] for b in seen]
            x[: len(seen), 2 * n + 1, bit_at] = [bits[1 - b] for b in seen]
            x[np.array(at)[:, None] - 1, [2 * n, 2 * n + 1], mark_at] = marked
        h = _run(w, x)
        return {name: h[: len(seen) + 1, 2 * n : 2 * n + 2] for n, (name, (seen, *_)) in enumerate(probes.items())}

    def sign_of(states, wanted):
        """The wanted sign, 1 or −1, if all states have it, else that of the first other: 1, 0 or −1."""
        wrong = states[~(wanted * states > SIGNED)]
        state = wrong[0] if len(wrong) else wanted
        return 1 if state > SIGNED else -1 if state < -SIGNED else 0

    def shows(for_high, for_low):
        signs = {1: "positive", -1: "negative", 0: "near zero"}
        return f"{signs[for_high]} for a {bits[1]}, {signs[for_low]} for a {bits[0]}".replace("-", "−")

    def wiring(w):
        """What the gates and the candidate do for both bits, without and with a mark, while the state is zero."""
        x = np.array([pair(bit, mark) for mark in (unmarked, marked) for bit in bits], float)
        a = {k: (x @ np.asarray(w[f"W_x{k}"], float).T + np.asarray(w[f"b_{k}"], float))[:, 0] for k in "ifgo"}
        levels = {k: np.searchsorted((0.0005, 0.1, 0.9, 0.9995), sigmoid(a[k])) for k in "if"}  # what leaks adds up
        levels["g"] = np.searchsorted((-0.7, -0.1, 0.1, 0.7), np.tanh(a["g"]))
        levels["o"] = np.searchsorted((0.1, 0.9), sigmoid(a["o"]))
        read = "" if not any(np.asarray(w[f"W_h{k}"]).any() for k in "ifgo") else ", and the state is read"
        return ", ".join(k + "".join(map(str, levels[k])) for k in "ifgo") + read

    def view(arguments, value):
        """Of what the states do, the first fact alone that is wrong; beside it one that has in it all that is known."""
        problem = _problem(value)
        right = {name: shows(up, -up) for name in _probes()} | {SIZE: f"at least {BEYOND}"}
        facts = {FORM: problem or "as asked"} | right | {WIRING: "do their work"}
        if problem:
            return facts
        h = probed(value)
        found = {
            name: shows(*(sign_of(h[name][first : last + 1, n], wanted) for n, wanted in enumerate((up, -up))))
            for name, (_, _, first, last) in _probes().items()
        }
        far = all((np.abs(h[name][at[0] :]) >= BEYOND).all() for name, (_, at, *_) in _probes().items())
        found[SIZE] = right[SIZE] if far else f"below {BEYOND} at some step"
        wrong = [name for name in found if found[name] != right[name]]
        if not wrong:
            return facts
        return facts | {wrong[0]: found[wrong[0]], WIRING: f"{wiring(value)}: {'; '.join(found.values())}"}

    def code(name):
        """A weight as code has it: [[0, 60]]."""
        return str([[f"{entry:g}" for entry in row] for row in np.atleast_2d(right[name])]).replace("'", "")

    def vector(name):
        return code(name)[1:-1]

    return Key(
        answer=right,
        also_right=(gentle, fed_back),
        view=view,
        words={
            "low": f"{bits[0]}".replace("-", "−"),
            "high": str(bits[1]),
            "marked": f"{marked}".replace("-", "−"),
            "unmarked": str(unmarked),
            "pair": "the bit, then the mark" if columns == "bit first" else "the mark, then the bit",
            "for_high": r"h_t \ge 0.5" if up == 1 else r"h_t \le -0.5",
            "for_low": r"h_t \le -0.5" if up == 1 else r"h_t \ge 0.5",
            "hold": str(HOLD),
            **{f"W_x{k}": code(f"W_x{k}") for k in "ifg"},
            **{f"b_{k}": vector(f"b_{k}") for k in "ifgo"},
        },
        hints=(
            "Say for each of the four, i, f, g and o, what its value should be at a marked step and at an unmarked "
            "one. Only then think of weights.",
            "A gate that should be 1 needs a large pre-activation, such as 30, and one that should be 0 the same with "
            "a minus. Which entry of the input decides about i and f?",
            f"The candidate should be near 1 for one bit and near −1 for the other. The bits are {bits[0]} and "
            f"{bits[1]}: a weight alone does not put zero between them, a weight and a bias do.",
        ),
        misconceptions=(
            Misconception(
                "the forget gate opens with the mark",
                "What is f at an unmarked step, and what becomes of the cell then? A forget gate keeps when it is 1.",
                machine(W_xf=right["W_xi"].copy(), b_f=right["b_i"].copy()),
            ),
            Misconception(
                "the input gate is open at all steps",
                "A bit is lost when the other one goes by without a mark. Which gate should keep the other out?",
                machine(W_xi=no_weights.copy(), b_i=open_always.copy()),
            ),
            Misconception(
                "the forget gate is open at all steps",
                "A second marked bit is added to the first. What should become of the old one when a new one comes?",
                machine(W_xf=no_weights.copy(), b_f=open_always.copy()),
            ),
            Misconception(
                "the candidate does not tell the two bits apart by its sign",
                f"What is the candidate's pre-activation for a {bits[0]}, and for a {bits[1]}? One should be negative.",
                machine(b_g=np.zeros(1)),
            ),
            Misconception(
                "bit and mark exchanged",
                f"Which column of W_xk belongs to which entry of the input? It is {columns}.",
                mirrored,
            ),
            Misconception(
                "nothing is wired yet",
                "With weights of zero each gate stands at one half, and the candidate is zero. Begin with the "
                "candidate: which entry of the input should it read?",
                machine(gate=0.0, full=0.0),
            ),
            Misconception(
                "a gate stands at one half",
                "One of the two numbers of the mark is 0, and leaves σ(0), whatever the weight. What are i and f for "
                f"a mark of {marked}, and for one of {unmarked}? A bias can move both.",
                machine(b_i=np.zeros(1), b_f=np.zeros(1)),
            ),
            Misconception(
                "the output gate opens with the mark alone",
                "The bit has to show at every step after the mark as well. What is o at an unmarked step?",
                machine(W_xo=right["W_xi"].copy(), b_o=right["b_i"].copy()),
            ),
            Misconception(
                "the candidate is too small",
                f"All signs are right, but the state is too near to zero. It is tanh of the cell, and the cell holds "
                f"the candidate of the marked step: how large must that be for {BEYOND}?",
                machine(full=0.5),
            ),
            Misconception(
                "stores without a mark, and holds with one",
                f"A bit is to be stored where the mark is {marked}. What are i and f there?",
                machine(
                    W_xi=right["W_xf"].copy(),
                    b_i=right["b_f"].copy(),
                    W_xf=right["W_xi"].copy(),
                    b_f=right["b_i"].copy(),
                ),
            ),
            Misconception(
                "the sign is the other way round",
                f"Which sign of the state should stand for a {bits[1]}?",
                machine(W_xg=-right["W_xg"], b_g=-right["b_g"]),
            ),
            Misconception(
                "the output gate is half open",
                "All signs are right, but the state is too near to zero. What is o with these weights?",
                machine(b_o=np.zeros(1)),
            ),
            Misconception(
                "the gates leak",
                "It works for some steps and not for hundreds. How much is lost at each unmarked step, and let in?",
                machine(gate=3.0),
            ),
            Misconception(
                "the gates leak a little",
                f"All signs are right, but over {HOLD} steps the state comes too near to zero. How much is lost at "
                "each unmarked step, and let in?",
                machine(gate=5.0),
            ),
        ),
    )
