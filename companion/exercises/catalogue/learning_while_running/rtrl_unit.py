"""Sensitivities of one unit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from companion.bptt.rtrl import advance, start
from companion.core.functions import Activation as CompanionActivation
from companion.exercises.activations import ACTIVATIONS, Activation
from companion.exercises.activations import old_other_slopes as other_slopes
from companion.exercises.inputs import normal
from companion.exercises.model import Case, Key, Misconception
from companion.exercises.model import old_exercise as exercise
from companion.rnn.cells import Elman


@dataclass(frozen=True)
class By:
    """By which number of the unit its state is differentiated.

    Attributes:
        formula: LaTeX of it.
        what: it in words, at the end of a sentence.
        inner: what the slope multiplies, as code.
        source: (x, h) -> what stands beside the number in a_1 … a_T, (T,); zeros where it does not appear there.
        first: p_0.
        weight: its name in companion, if it has one.
        why: the two terms, for the worked solution.
    """

    formula: str
    what: str
    inner: str
    source: Callable[[np.ndarray, np.ndarray], np.ndarray]
    first: float
    weight: str
    why: str


BYS = (
    By(
        "w",
        "the recurrent weight",
        "h + w * p[-1]",
        lambda x, h: h[:-1],
        0.0,
        "W_hh",
        "In $a_t$ the weight $w$ stands in front of $h_{t-1}$, and $h_{t-1}$ depends on $w$ itself: by the product "
        "rule $a_t$ moves by $h_{t-1} + w\\,p_{t-1}$. $h_0$ is given, whatever $w$ is, so $p_0 = 0$.",
    ),
    By(
        "v",
        "the input weight",
        "x_t + w * p[-1]",
        lambda x, h: x,
        0.0,
        "W_xh",
        "In $a_t$ the weight $v$ multiplies $x_t$, which does not depend on it; but it has moved $h_{t-1}$ too, "
        "which $w$ multiplies. So $a_t$ moves by $x_t + w\\,p_{t-1}$. $h_0$ is given, so $p_0 = 0$.",
    ),
    By(
        "b",
        "the bias",
        "1 + w * p[-1]",
        lambda x, h: np.ones_like(x),
        0.0,
        "b_h",
        "In $a_t$ the bias stands alone, as if it multiplied 1; but it has moved $h_{t-1}$ too, which $w$ multiplies. "
        "So $a_t$ moves by $1 + w\\,p_{t-1}$. $h_0$ is given, so $p_0 = 0$.",
    ),
    By(
        "h_0",
        "the initial state",
        "w * p[-1]",
        lambda x, h: np.zeros_like(x),
        1.0,
        "",
        "$h_0$ appears in no $a_t$ but the first, and there as the state before: it reaches step $t$ only through "
        "$h_{t-1}$, so $a_t$ moves by $w\\,p_{t-1}$. $h_0$ itself moves as much as it is moved: $p_0 = 1$.",
    ),
)


@exercise(
    "rtrl-unit",
    chapter="learning-while-running",
    name="sensitivity",
    title="Sensitivities of one unit",
    kind="derive",
    ask={"by": BYS, "f": ACTIVATIONS},
)
def unit(rng: np.random.Generator, by: By, f: Activation) -> Key:
    def states(x, v, w, b, h_0):
        h = [h_0]
        for x_t in x:
            h.append(float(f.apply(v * x_t + w * h[-1] + b)))
        return np.array(h)

    def recursion(first=by.first, step=lambda slope, source, w, before: slope * (source + w * before), slopes=None):
        """The answer, with another beginning, another step or other slopes (of all states h, for the steps 1 … T)."""

        def answer(x, v, w, b, h_0):
            h = states(x, v, w, b, h_0)
            slope = f.slope(h[1:]) if slopes is None else slopes(h)
            source, p = by.source(x, h), [first]
            for t in range(len(x)):
                p.append(step(slope[t], source[t], w, p[-1]))
            return np.array(p)

        return answer

    answer = recursion()

    def by_paths(x, v, w, b, h_0):
        h = states(x, v, w, b, h_0)
        slope, source = f.slope(h), by.source(x, h)
        p = np.zeros(len(h))
        for t in range(len(h)):
            p[t] = by.first * np.prod(w * slope[1 : t + 1])
            for k in range(1, t + 1):
                p[t] += slope[k] * source[k - 1] * np.prod(w * slope[k + 1 : t + 1])
        return p

    def backwards(x, v, w, b, h_0):
        """Each state as a loss of its own, sent back."""
        h = states(x, v, w, b, h_0)
        slope, source, p = f.slope(h), by.source(x, h), []
        for t in range(len(h)):
            arriving, total = 1.0, 0.0
            for k in range(t, 0, -1):
                total += arriving * slope[k] * source[k - 1]
                arriving *= slope[k] * w
            p.append(total + arriving * by.first)
        return np.array(p)

    def by_companion(x, v, w, b, h_0):
        activation = CompanionActivation(f.name, f.apply, f.slope, lambda slopes, dy: slopes * dy)
        cell, weights = (
            Elman(1, 1, activation),
            {"W_xh": np.array([[v]]), "W_hh": np.array([[w]]), "b_h": np.array([b])},
        )
        running, p = start(cell, np.array([[h_0]])), [0.0]
        for x_t in x:
            running = advance(cell, weights, running, np.array([[x_t]]))
            p.append(running.P[by.weight].item())
        return np.array(p)

    def late(x, v, w, b, h_0):
        h = states(x, v, w, b, h_0)
        source = h[1:] if by.weight == "W_hh" else np.concatenate([[0.0], x[:-1]])
        p = [by.first]
        for t in range(len(x)):
            p.append(f.slope(h[t + 1]) * (source[t] + w * p[-1]))
        return np.array(p)

    carried = (
        Misconception(
            "the past is forgotten",
            f"p_1 is right, later ones are not: h_{{t−1}} also depends on {by.what}. Where is p_{{t−1}} in your step?",
            recursion(step=lambda slope, source, w, before: slope * source),
        ),
        Misconception(
            "the steps are added, without what lies between",
            "An early effect on the state does not arrive unchanged: at each later step it passes w and a slope.",
            recursion(step=lambda slope, source, w, before: slope * source + before),
        ),
        Misconception(
            "the slope does not reach what comes from the past",
            "The slope of the activation multiplies all by which a_t moves. What stands outside your bracket?",
            recursion(step=lambda slope, source, w, before: slope * source + w * before),
        ),
        Misconception(
            "all sensitivities are zero",
            f"Something must begin to move. What stands beside {by.what} in a_t, and is it in your step? And is every "
            "new number kept?",
            recursion(step=lambda slope, source, w, before: slope * w * before),
        ),
        Misconception(
            "the sensitivity of h_0 is taken as 1",
            f"Would h_0 be another number, had {by.what} been larger?",
            recursion(first=1.0),
        ),
    )
    given = (
        Misconception(
            "the sensitivity of h_0 is taken as 0",
            "All your numbers are zero. If h_0 is moved a little, how much does h_0 move?",
            recursion(first=0.0),
        ),
        Misconception(
            "only the last step's factor",
            "p_1 is right. To reach h_2, a change of h_0 passes two steps; how many factors has your p_2?",
            recursion(step=lambda slope, source, w, before: slope * w),
        ),
    )
    lags = {
        "W_hh": Misconception(
            "the new state in the place of the old",
            "w multiplies the state before. In which order do you renew h and p?",
            late,
        ),
        "W_xh": Misconception(
            "the input one step late",
            "v multiplies x_t in a_t. Which place of x holds x_t?",
            late,
        ),
    }
    sizes = (("two steps", 2), ("T = 1", 1), ("T = 4", 4), ("a longer sequence", 12))
    return Key(
        answer=answer,
        also_right=(by_paths, backwards, *((by_companion,) if by.weight else ())),
        axes={"result": "T+1"},
        words={
            "by": by.formula,
            "what": by.what,
            "f": f.formula,
            "activation": f.code,
            "slope": f.slope_code,
            "inner": by.inner,
            "first": str(by.first),
            "same": f"${by.formula}$ is one and the same number at all steps and " if by.weight else "",
            "why": by.why,
        },
        cases=tuple(
            Case(
                name,
                {
                    "x": normal(rng, T, scale=1.0),
                    "v": float(rng.uniform(0.4, 0.9)),
                    "w": float(rng.uniform(0.6, 1.2)),
                    "b": float(rng.uniform(-0.3, 0.3)),
                    "h_0": float(rng.uniform(0.2, 0.7)),
                },
            )
            for name, T in sizes
        ),
        hints=(
            f"Suppose you know p_{{t−1}}: how far h_{{t−1}} moves with {by.what}. In which places of a_t does that, or "
            f"{by.what} itself, appear?",
            "Differentiate a_t, term by term; where both factors of a product depend on it, the product rule gives two "
            "terms. Then the slope of the activation multiplies all of it.",
            f"Begin with p_0: does h_0 depend on {by.what}? Keep every p, and carry the last one on.",
        ),
        misconceptions=(
            *(carried if by.weight else given),
            *((lags[by.weight],) if by.weight in lags else ()),
            Misconception(
                "the slope is missing",
                "You have how far a_t moves. What does the activation make of it?",
                recursion(slopes=lambda h: np.ones(len(h) - 1)),
            ),
            Misconception(
                "the slope of the state before",
                "The slope belongs to a_t, and is written with the state that a_t became. Which one is that?",
                recursion(slopes=lambda h: f.slope(h[:-1])),
            ),
            *other_slopes(f, lambda slope: recursion(slopes=lambda h: slope(h[1:]))),
            Misconception(
                "only the last step's number",
                "The result has an entry for each of the steps 0 to T; you return one.",
                lambda x, v, w, b, h_0: float(answer(x, v, w, b, h_0)[-1]),
            ),
            Misconception(
                "the states themselves",
                "You return h_0 to h_T. Asked for is how far each of them moves.",
                states,
            ),
            Misconception(
                "the recurrent weight is missing",
                "p_{t−1} is how far the state before moves. By what is that state multiplied in a_t?",
                recursion(step=lambda slope, source, w, before: slope * (source + before)),
            ),
            Misconception(
                "the entry for step 0 is missing",
                "The result has T + 1 entries, that of step t at place t. What is p_0?",
                lambda x, v, w, b, h_0: answer(x, v, w, b, h_0)[1:],
            ),
        ),
    )
