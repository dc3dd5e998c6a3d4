"""A latch for the last marked bit."""

from __future__ import annotations

import numpy as np

from companion.exercises.catalogue.what_each_gate_does.wiring import FORM, SHAPES, misfit, run, told, wiring
from companion.exercises.gates import GATES
from companion.exercises.model import Key, Misconception
from companion.exercises.model import old_exercise as exercise

HOLD = 200  # steps for which a bit has to be held
BEYOND = 0.5  # how far from zero the state has to be
SIGNED = 0.1  # how far from zero it must be to have a sign that means something
SIZE, STATES = "the distance of the state from zero", "all that its states do"


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
    (with_mark, b_mark), (with_bit, b_bit) = by_mark(30.0), by_bit(30.0)
    both = np.array([pair(with_bit, with_mark)]), np.array([b_mark + b_bit - 30.0])  # on for a marked larger bit alone

    def following_both(gates):
        """i, or f, or both follow the mark of the larger bit alone."""
        signs = {"i": 1, "f": -1}
        weights = {f"W_x{k}": signs[k] * both[0] for k in gates}
        return machine(**weights, **{f"b_{k}": signs[k] * both[1] for k in gates})

    def at_half(*gates):
        """These gates without a bias."""
        return machine(**{f"b_{k}": np.zeros(1) for k in gates})

    def leaking(k, gate):
        """One gate with smaller weights."""
        return machine(**{f"{name}{k}": machine(gate=gate)[f"{name}{k}"] for name in ("W_x", "b_")})

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
        h = run(w, x)
        return {name: h[: len(seen) + 1, 2 * n : 2 * n + 2] for n, (name, (seen, *_)) in enumerate(probes.items())}

    def sign_of(states, wanted):
        """The wanted sign, 1 or −1, if all states have it, else that of the first other: 1, 0 or −1."""
        wrong = states[~(wanted * states > SIGNED)]
        state = wrong[0] if len(wrong) else wanted
        return 1 if state > SIGNED else -1 if state < -SIGNED else 0

    def shows(for_high, for_low):
        signs = {1: "positive", -1: "negative", 0: "near zero"}
        return f"{signs[for_high]} for a {bits[1]}, {signs[for_low]} for a {bits[0]}".replace("-", "−")

    low, high = (f"{bit}".replace("-", "−") for bit in bits)
    gates_do = f"Each gate with a mark/without one, and the candidate for a {low}/a {high},"
    inputs = [[pair(bit, mark) for bit in bits] for mark in marks]

    def view(arguments, value):
        """What the gates do comes first, where anything is wrong; of the states, the first fact alone that is wrong.

        The last one has in it all that is compared.
        """
        problem = misfit(value)
        right = {name: shows(up, -up) for name in _probes()} | {SIZE: f"at least {BEYOND}"}
        facts = FORM | {gates_do: "as it should be"} | right | {STATES: "as they should"}
        if problem:
            return facts | problem
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
        known = f"{wiring(value, *inputs)}: {'; '.join(found.values())}"
        return facts | {gates_do: told(value, *inputs), wrong[0]: found[wrong[0]], STATES: known}

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
            "low": low,
            "high": high,
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
                at_half("i", "f"),
            ),
            *(
                Misconception(
                    f"the {GATES[k]} stands at one half",
                    "One of the two numbers of the mark is 0, and leaves σ(0), whatever the weight. What is "
                    f"{k} for a mark of {marked}, and for one of {unmarked}? A bias can move both.",
                    at_half(k),
                )
                for k in "if"
            ),
            *(
                Misconception(
                    f"the {GATES[k]} is shut at all steps",
                    what,
                    machine(**{f"W_x{k}": no_weights.copy(), f"b_{k}": -open_always}),
                )
                for k, what in (
                    ("i", "Nothing is ever written. At which steps has i to be open?"),
                    ("f", "A bit is lost one step after its mark. At which steps has f to keep, and be open?"),
                    ("o", "The state is near zero, whatever the cell holds. What is o with these weights?"),
                )
            ),
            *(
                Misconception(
                    f"{what} for a marked {high} alone",
                    f"A marked {low} has to be stored as well, in the place of the old bit. Which entry of the input "
                    f"should decide about {' and '.join(gates)}, and which about the candidate?",
                    following_both(gates),
                )
                for what, gates in (
                    ("the input gate opens", "i"),
                    ("the forget gate shuts", "f"),
                    ("input gate and forget gate change", "if"),
                )
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
            *(
                Misconception(
                    f"the {GATES[k]} leaks{much}",
                    f"The other gate is tight. How much {does} at each unmarked step, and how much in {HOLD}?",
                    leaking(k, gate),
                )
                for k, does, much, gate in (
                    ("i", "comes in", "", 4.0),
                    ("i", "comes in", " a little", 6.0),
                    ("f", "is lost", "", 3.0),
                    ("f", "is lost", " a little", 5.0),
                )
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
