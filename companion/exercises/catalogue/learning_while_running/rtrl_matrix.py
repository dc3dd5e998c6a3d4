"""Sensitivities of a layer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from companion.exercises.activations import ACTIVATIONS, Activation
from companion.exercises.activations import old_other_slopes as other_slopes
from companion.exercises.inputs import normal
from companion.exercises.model import Case, Key, Misconception
from companion.exercises.model import old_exercise as exercise


@dataclass(frozen=True)
class Of:
    """Of which weight the sensitivities are: its name, its indices, and what it multiplies in a_t."""

    name: str
    formula: str
    indices: str
    shape: str
    arguments: str
    source: str
    source_formula: str


OFS = (
    Of("W_hh", "W_{hh,jm}", "jm", "(T + 1, H, H, H)", "h, W_hh", "h[t - 1]", "h_{t-1,m}"),
    Of("W_xh", "W_{xh,jm}", "jm", "(T + 1, H, H, I)", "h, W_hh, x", "x[t - 1]", "x_{t,m}"),
    Of("b_h", "b_{h,j}", "j", "(T + 1, H, H)", "h, W_hh", "1", "1"),
)


@exercise(
    "rtrl-matrix",
    chapter="learning-while-running",
    name="sensitivities",
    title="Sensitivities of a layer",
    kind="implement",
    ask={"of": OFS, "f": ACTIVATIONS},
)
def matrix(rng: np.random.Generator, of: Of, f: Activation) -> Key:
    def sources(h, x):
        """What the weight multiplies at the steps 1 … T, (T, M); M = 1 for the bias, whose index m is dropped."""
        return {"W_hh": h[:-1], "W_xh": x, "b_h": np.ones((len(h) - 1, 1))}[of.name]

    def shaped(P):
        return P[..., 0] if of.name == "b_h" else P

    def entries(h, source):
        """[i = j] times the source, (H, H, M)."""
        return np.einsum("ij,m->ijm", np.eye(h.shape[1]), source)

    def recursion(
        mix="il,ljm->ijm", slope_index="i", entry=entries, slopes=None, shift=None, outside="", carry=1, kept=None
    ):
        """The answer, with one thing done otherwise.

        outside: which term the slope does not multiply, 'past' or 'new'; kept: which entries of W_hh are used, (H, H).
        """

        def answer(h, W_hh, x=None):
            H, source = h.shape[1], sources(h, x) if shift is None else shift(h, x)
            slope = f.slope(h[1:]) if slopes is None else slopes(h)
            P = [np.zeros((H, H, source.shape[1]))]
            for t in range(len(h) - 1):
                W = W_hh if kept is None else W_hh * kept(H)
                terms = {"past": carry * np.einsum(mix, W, P[-1]), "new": entry(h, source[t])}
                apart = terms.pop(outside, 0)
                P.append(np.einsum(f"{slope_index},ijm->ijm", slope[t], sum(terms.values())) + apart)
            return shaped(np.array(P))

        return answer

    answer = recursion()

    def by_paths(h, W_hh, x=None):
        T, H = len(h) - 1, h.shape[1]
        slope, source = f.slope(h), sources(h, x)
        P = np.zeros((T + 1, H, H, source.shape[1]))
        for t in range(1, T + 1):
            transport = np.eye(H)
            for k in range(t, 0, -1):
                P[t] += np.einsum("ij,j,m->ijm", transport, slope[k], source[k - 1])
                transport = transport @ (slope[k][:, None] * W_hh)
        return shaped(P)

    def flat(h, W_hh, x=None):
        H, source, slope = h.shape[1], sources(h, x), f.slope(h)
        M = source.shape[1]
        P = [np.zeros((H, H * M))]
        for t in range(1, len(h)):
            inner = W_hh @ P[-1] + np.kron(np.eye(H), source[t - 1])
            P.append(slope[t][:, None] * inner)
        return shaped(np.array(P).reshape(-1, H, H, M))

    def by_loops(h, W_hh, x=None):
        H, source = h.shape[1], sources(h, x)
        P = np.zeros((len(h), H, H, source.shape[1]))
        for t in range(1, len(h)):
            for i in range(H):
                for j in range(H):
                    inner = sum(W_hh[i, l] * P[t - 1, l, j] for l in range(H))
                    P[t, i, j] = f.slope(h[t, i]) * (inner + (source[t - 1] if i == j else 0))
        return shaped(P)

    def without_the_end(h, W_hh, x=None):
        P = answer(h, W_hh, x)
        P[-1] = 0
        return P

    def last_only(h, W_hh, x=None):
        return answer(h, W_hh, x)[-1]

    square = of.name == "W_hh"
    late = {
        "W_hh": Misconception(
            "the new state in the place of the old",
            "W_hh multiplies the state before. Which row of h is that at step t?",
            recursion(shift=lambda h, x: h[1:]),
        ),
        "W_xh": Misconception(
            "the input one step late",
            "W_xh multiplies x_t in a_t. Which row of x holds x_t?",
            recursion(shift=lambda h, x: np.concatenate([np.zeros((1, x.shape[1])), x[:-1]])),
        ),
    }
    sizes = (
        ("two steps, two units", 2, 3, 2),
        ("T = 1", 1, 2, 3),
        ("H = 1", 3, 2, 1),
        ("everything square", 3, 3, 3),
        ("a longer sequence", 7, 2, 4),
    )
    rest = of.indices  # of the weight, behind the unit's own i
    mixed = f"il,l{rest}->i{rest}"
    return Key(
        answer=answer,
        also_right=(by_paths, flat, by_loops),
        axes={"result": f"T+1 i {' '.join(rest)}"},
        words={
            "of": of.name,
            "weight": of.formula,
            "indices": rest,
            "shape": of.shape,
            "arguments": of.arguments,
            "zeros": of.shape.replace("T + 1", "len(h)").replace("I)", "x.shape[1])"),
            "inputs": ", the inputs `x` $(T, I)$" if of.name == "W_xh" else "",
            "mixed": mixed,
            "scaled": f"i,i{rest}->i{rest}",
            "source": of.source,
            "source_formula": of.source_formula,
            "f": f.formula,
            "slope": f.slope_code,
        },
        cases=tuple(
            Case(
                name,
                {"h": f.apply(normal(rng, T + 1, H)), "W_hh": normal(rng, H, H, scale=1.0)}
                | ({"x": normal(rng, T, I)} if of.name == "W_xh" else {}),
            )
            for name, T, I, H in sizes
        ),
        hints=(
            "Write a_{t,i} as a sum, and differentiate it by one weight. Two kinds of terms: those in which the weight "
            "itself stands, and those in which an old state depends on it.",
            "The weight stands in a_{t,i} only if it feeds unit i, that is, if i = j. An old state of any unit l "
            "depends on it, by P_{t−1} with l in the first place, and W_hh brings that from l to i.",
            "So: the products of W_hh with the first index of the old tensor, plus what the weight multiplies on the "
            "diagonal i = j, all times the slope of unit i.",
        ),
        misconceptions=(
            Misconception(
                "each weight feeds every unit",
                "Row j of a weight stands in the pre-activation of unit j alone. Which entries should be zero after "
                "one step?",
                recursion(entry=lambda h, source: np.broadcast_to(source, (h.shape[1], h.shape[1], len(source)))),
            ),
            Misconception(
                "all sensitivities are zero",
                "Something must begin to move. What stands beside the weight in a_t, and is it in your step? And is "
                "each new tensor kept?",
                recursion(entry=lambda h, source: np.zeros((h.shape[1], h.shape[1], len(source)))),
            ),
            Misconception(
                "the past is forgotten",
                "P_1 is right, later ones are not: the old states depend on the weight too. Where is P_{t−1}?",
                recursion(carry=0),
            ),
            Misconception(
                "the recurrent weights are transposed",
                "To unit i comes what W_hh has in row i: from each unit l, W_hh[i, l]. Over which index of W_hh do you "
                "sum?",
                recursion(mix="li,ljm->ijm"),
            ),
            Misconception(
                "the recurrent weights act on the wrong index of P",
                "The first index of P is the unit that moves, and W_hh sends what moves on to other units. The indices "
                "behind it only name a weight.",
                recursion(mix="jl,ilm->ijm"),
            ),
            Misconception(
                "the slope stands on the wrong axis",
                "The slope is that of the unit that moves, the first index of P. With which index does NumPy pair an "
                "array of H numbers that is multiplied as it is?",
                recursion(slope_index="j"),
            ),
            Misconception(
                "the slope does not reach what comes from the past",
                "The slope multiplies all by which a_t moves. Which of your terms stands outside?",
                recursion(outside="past"),
            ),
            Misconception(
                "the slope does not reach what is new in a step",
                "P_1 is wrong already. The slope multiplies all by which a_t moves. Which term stands outside?",
                recursion(outside="new"),
            ),
            Misconception(
                "the slope is missing",
                "You have how far a_t moves. What does the activation make of it?",
                recursion(slopes=lambda h: np.ones_like(h[1:])),
            ),
            Misconception(
                "the slope of the state before",
                "The slope belongs to a_t, and is written with the state that a_t became. Which row of h is that?",
                recursion(slopes=lambda h: f.slope(h[:-1])),
            ),
            *other_slopes(f, lambda slope: recursion(slopes=lambda h: slope(h[1:]))),
            Misconception(
                "the past does not pass the recurrent weights",
                "How far a state of the step before moves is P_{t−1}. By what is that state multiplied in a_t?",
                recursion(mix="il,ijm->ijm"),
            ),
            Misconception(
                "each unit gets something back from itself alone",
                "All units of the step before feed unit i, not only unit i itself. Over which index of W_hh does your "
                "sum run?",
                recursion(kept=np.eye),
            ),
            Misconception(
                "of the sum over the units only the last term",
                "All units of the step before feed unit i. Does each round of your innermost loop add, or does it "
                "begin anew?",
                recursion(kept=lambda H: np.arange(H) == H - 1),
            ),
            Misconception(
                "the last step is missing",
                "h has T + 1 rows, and the steps are 1 to T. Where does your loop end?",
                without_the_end,
            ),
            Misconception(
                "only the last step's tensor",
                "The result has a tensor for each of the steps 0 to T; you return one.",
                last_only,
            ),
            *((late[of.name],) if of.name in late else ()),
            *(
                (
                    Misconception(
                        "the slope multiplies along the last axis",
                        "An array of H numbers, multiplied as it is, is laid along the last axis of P. Which axis "
                        "belongs to the unit that moves?",
                        recursion(slope_index="m"),
                    ),
                    Misconception(
                        "only the weights from a unit to itself",
                        "Unit i is fed by a whole row of W_hh: m may be any unit. Which entries of P_1 should not be "
                        "zero?",
                        recursion(
                            entry=lambda h, source: np.einsum("ij,jm,m->ijm", *[np.eye(len(source))] * 2, source)
                        ),
                    ),
                    Misconception(
                        "the indices of the weight are exchanged",
                        "W_hh[j, m] feeds unit j, and multiplies the state of unit m. To which of the two must i be "
                        "equal, and which picks the state?",
                        recursion(entry=lambda h, source: np.einsum("im,j->ijm", np.eye(h.shape[1]), source)),
                    ),
                )
                if square
                else ()
            ),
        ),
    )
