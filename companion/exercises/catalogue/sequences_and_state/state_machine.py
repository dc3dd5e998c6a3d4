"""A fading mean as a state-space model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from companion.exercises.inputs import normal
from companion.exercises.model import Case, Key, Misconception
from companion.exercises.model import old_exercise as exercise


@dataclass(frozen=True)
class _Reply:
    """What a machine puts out, from the state before, the input and the state after; and how people get it wrong.

    ``says`` is what the output tells, as the end of a sentence.
    """

    formula: str
    code: str
    says: str
    of: Callable[[Any, Any, Any], Any]
    slip: str
    hint: str
    wrongly: Callable[[Any, Any, Any], Any]


_REPLIES = (
    _Reply(
        "x_t - h_{t-1}",
        "x_t - h_before",
        "how much busier this minute is than those before it",
        lambda before, x, after: x - before,
        "compared with the new state",
        "The output compares the input with the notes from before it was read. Which state do you subtract?",
        lambda before, x, after: x - after,
    ),
    _Reply(
        "(x_t - h_{t-1})^2",
        "(x_t - h_before) ** 2",
        "how unusual this minute is, be it busy or quiet",
        lambda before, x, after: (x - before) ** 2,
        "compared with the new state",
        "The output compares the input with the notes from before it was read. Which state do you subtract?",
        lambda before, x, after: (x - after) ** 2,
    ),
    _Reply(
        "h_t - h_{t-1}",
        "h_t - h_before",
        "by how much this minute has moved the mean",
        lambda before, x, after: after - before,
        "the change has the wrong sign",
        "When the state grows, the output is positive. Which of the two states is subtracted from which?",
        lambda before, x, after: before - after,
    ),
)


@exercise(
    "state-machine",
    chapter="sequences-and-state",
    name="machine",
    title="A fading mean as a state-space model",
    kind="implement",
    ask={"keep": (0.9, 0.8, 0.75, 0.6), "reply": _REPLIES},
)
def machine(rng: np.random.Generator, keep: float, reply: _Reply) -> Key:
    def answer(h_before, x_t):
        h_t = keep * h_before + (1 - keep) * x_t
        return h_t, reply.of(h_before, x_t, h_t)

    def moved_towards(h_before, x_t):
        h_t = h_before + (1 - keep) * (x_t - h_before)
        return h_t, reply.of(h_before, x_t, h_t)

    def averaged(h_before, x_t):
        h_t = np.average(np.stack([h_before, x_t]), axis=0, weights=[keep, 1 - keep])
        return h_t, reply.of(h_before, x_t, h_t)

    def with_state(update):
        def step(h_before, x_t):
            h_t = update(h_before, x_t)
            return h_t, reply.of(h_before, x_t, h_t)

        return step

    def misread(h_before, x_t):
        h_t = answer(h_before, x_t)[0]
        return h_t, reply.wrongly(h_before, x_t, h_t)

    return Key(
        answer=answer,
        also_right=(moved_towards, averaged),
        returns=("h_t", "y_t"),
        axes={"h_t": "H", "y_t": "H"},
        words={
            "keep": f"{keep:g}",
            "new": f"{1 - keep:g}",
            "formula": reply.formula,
            "reply": reply.code,
            "says": reply.says,
        },
        cases=(
            Case("two numbers", {"h_before": 1.0, "x_t": 3.0}),
            Case("nothing read so far", {"h_before": 0.0, "x_t": 2.0}),
            Case("an input of zero", {"h_before": 2.0, "x_t": 0.0}),
            Case("negative numbers", {"h_before": -1.0, "x_t": -0.25}),
            Case("three units", {"h_before": normal(rng, 3), "x_t": normal(rng, 3)}),
        ),
        hints=(
            "Two things are returned: what the next step will need, and what is answered now.",
            "The new state mixes the state before with the input. The two shares add up to 1.",
            "Compute h_t and give it a name. For the output, go through its formula symbol by symbol: x_t and h_before "
            "are the arguments, and h_t has just been computed.",
        ),
        misconceptions=(
            Misconception(
                "the two shares are exchanged",
                "Which of the two, old state or input, has the larger share in the statement?",
                with_state(lambda h, x: (1 - keep) * h + keep * x),
            ),
            Misconception(
                "a plain sum, nothing fades",
                "Feed the input 1 a hundred times: a mean stays near 1. Where does your state go?",
                with_state(lambda h, x: h + x),
            ),
            Misconception(
                "the input has no share of its own",
                "Look at the factor before x_t. Do the two factors add up to 1?",
                with_state(lambda h, x: keep * h + x),
            ),
            Misconception(
                "the old state does not fade",
                "Look at the factor before h_{t-1}. Do the two factors add up to 1?",
                with_state(lambda h, x: h + (1 - keep) * x),
            ),
            Misconception(
                "the old state is handed on",
                "The first returned value is what the next step receives. Is it the state after x_t?",
                lambda h_before, x_t: (h_before, answer(h_before, x_t)[1]),
            ),
            Misconception(
                "the state is returned as the output too",
                "The first value is right. The second is another number: what does the formula of y_t say?",
                lambda h_before, x_t: (answer(h_before, x_t)[0],) * 2,
            ),
            Misconception(reply.slip, reply.hint, misread),
        ),
    )
