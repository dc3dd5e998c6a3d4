"""A layer that reads both ways."""

from __future__ import annotations

import numpy as np

from companion.core.functions import Activation as Function
from companion.core.layers import forward_both
from companion.exercises.activations import ACTIVATIONS, Activation
from companion.exercises.inputs import each_size, normal
from companion.exercises.model import Key, Misconception
from companion.exercises.model import old_exercise as exercise
from companion.rnn.cells import Elman

JOINS = {  # as prose has it, its shape, and as code of the variables ahead and behind
    "forwards first": (
        r"$[\overrightarrow h_t ; \overleftarrow h_t]$, the forward state in the first $H$ entries",
        "2H",
        "np.concatenate([ahead, behind], axis=-1)",
    ),
    "backwards first": (
        r"$[\overleftarrow h_t ; \overrightarrow h_t]$, the backward state in the first $H$ entries",
        "2H",
        "np.concatenate([behind, ahead], axis=-1)",
    ),
    "sum": (r"the sum $\overrightarrow h_t + \overleftarrow h_t$", "H", "ahead + behind"),
    "mean": (r"the mean $(\overrightarrow h_t + \overleftarrow h_t) / 2$", "H", "(ahead + behind) / 2"),
}


@exercise(
    "bidirectional",
    chapter="both-directions",
    name="bidirectional",
    title="A layer that reads both ways",
    kind="implement",
    ask={"f": ACTIVATIONS, "join": tuple(JOINS)},
)
def bidirectional(rng: np.random.Generator, f: Activation, join: str) -> Key:
    def joined(ahead, behind, join=join):
        if join in ("sum", "mean"):
            return (ahead + behind) / (2 if join == "mean" else 1)
        return np.concatenate([ahead, behind] if join == "forwards first" else [behind, ahead], axis=-1)

    def walk(w, x, h_0=None):
        """States of one direction in the order of reading, with the initial one: (T + 1, B, H)."""
        h = [np.zeros((x.shape[1], len(w["b_h"]))) if h_0 is None else h_0]
        for x_t in x:
            h.append(f.apply(x_t @ w["W_xh"].T + h[-1] @ w["W_hh"].T + w["b_h"]))
        return np.array(h)

    def answer(x, forwards, backwards):
        return joined(walk(forwards, x)[1:], walk(backwards, x[::-1])[:0:-1])

    def by_indices(x, forwards, backwards):
        T, B = x.shape[:2]
        ahead, behind = (np.zeros((T + 2, B, len(w["b_h"]))) for w in (forwards, backwards))  # row t is step t
        for t in range(1, T + 1):
            inputs = np.einsum("bi,hi->bh", x[t - 1], forwards["W_xh"])
            ahead[t] = f.apply(inputs + np.einsum("bj,hj->bh", ahead[t - 1], forwards["W_hh"]) + forwards["b_h"])
        for t in range(T, 0, -1):
            inputs = np.einsum("bi,hi->bh", x[t - 1], backwards["W_xh"])
            behind[t] = f.apply(inputs + np.einsum("bj,hj->bh", behind[t + 1], backwards["W_hh"]) + backwards["b_h"])
        return joined(ahead[1:-1], behind[1:-1])

    def by_companion(x, forwards, backwards):
        function = Function(f.name, f.apply, f.slope, lambda slopes, dy: slopes * dy)
        H, I = forwards["W_xh"].shape
        cell = Elman(I, H, function)
        return joined(*np.split(forward_both((cell, cell), (forwards, backwards), x)[0], [H], axis=-1))

    def other_join(x, forwards, backwards):
        other = {"forwards first": "backwards first", "backwards first": "forwards first", "sum": "mean", "mean": "sum"}
        return joined(walk(forwards, x)[1:], walk(backwards, x[::-1])[:0:-1], other[join])

    def changed(of):
        """The right answer with other weights: of(w) for those of each direction."""
        return lambda x, forwards, backwards: answer(x, of(forwards), of(backwards))

    def one_walk(x, forwards, backwards):
        ahead = walk(forwards, x)
        return joined(ahead[1:], walk(backwards, x[::-1], ahead[-1])[:0:-1])

    def interleaved(x, forwards, backwards):
        ahead, behind = walk(forwards, x)[1:], walk(backwards, x[::-1])[:0:-1]
        pair = [ahead, behind] if join == "forwards first" else [behind, ahead]
        return np.stack(pair, axis=-1).reshape(*ahead.shape[:2], -1)

    def made_of(size):
        def weights():
            return {
                "W_xh": normal(rng, size.H, size.I),
                "W_hh": normal(rng, size.H, size.H),
                "b_h": normal(rng, size.H),
            }

        return {"x": normal(rng, size.T, size.B, size.I), "forwards": weights(), "backwards": weights()}

    return Key(
        answer=answer,
        also_right=(by_indices, by_companion),
        axes={"result": "T B H" if join in ("sum", "mean") else "T B column"},
        words={
            "f": f.name,
            "code": f.code,
            "join": JOINS[join][0],
            "width": JOINS[join][1],
            "joined": JOINS[join][2],
        },
        cases=each_size(made_of),
        hints=(
            "Write one walk first: a function that takes weights and inputs and gives the states, one for each input.",
            "The backward direction is the same walk over the turned sequence, with its own weights.",
            "What it gives stands in the order of its reading: its first row belongs to x_T. Which row belongs to x_1?",
            "Turn along the steps, axis 0: x[::-1]. Turn the states in the same way before you join them.",
        ),
        misconceptions=(
            Misconception(
                "the backward states are not turned back",
                "Your rows join h→_t with h←_{T+1−t}. The first state that the backward direction computes belongs to "
                "the last step.",
                lambda x, forwards, backwards: joined(walk(forwards, x)[1:], walk(backwards, x[::-1])[1:]),
            ),
            Misconception(
                "both directions read forwards",
                "The backward states come from a walk from the left too. Turning them afterwards does not change what "
                "they have read: the *inputs* have to be turned as well, along axis 0.",
                lambda x, forwards, backwards: joined(walk(forwards, x)[1:], walk(backwards, x)[:0:-1]),
            ),
            Misconception(
                "nothing is turned along the steps",
                "Both directions read from x_1 to x_T. Where does the backward one begin? If you have turned x, look "
                "at the axis: axis 0 holds the steps.",
                lambda x, forwards, backwards: joined(walk(forwards, x)[1:], walk(backwards, x)[1:]),
            ),
            Misconception(
                "the backward state has not read its own step",
                "You join h→_t with h←_{t+1}, which has read x_{t+1} and what follows, but not x_t. The initial state "
                "of the backward direction belongs after the end, to no step.",
                lambda x, forwards, backwards: joined(walk(forwards, x)[1:], walk(backwards, x[::-1])[-2::-1]),
            ),
            Misconception(
                "the same weights for both directions",
                "Two directions, two sets of weights: each walk has its own.",
                lambda x, forwards, backwards: answer(x, forwards, forwards),
            ),
            Misconception(
                "the batch is turned in place of the steps",
                "Axis 0 holds the steps, axis 1 the sequences. You have turned the second.",
                lambda x, forwards, backwards: joined(
                    walk(forwards, x)[1:], walk(backwards, x[:, ::-1])[1:, ::-1][:, ::-1]
                ),
            ),
            Misconception(
                "the weights of the two directions exchanged",
                "Each walk is right, with the weights of the other. Which of them reads x_1 first?",
                lambda x, forwards, backwards: answer(x, backwards, forwards),
            ),
            Misconception(
                "the backward walk goes on from the last forward state",
                "The two directions share nothing but the input. Which initial state does the backward one have?",
                one_walk,
            ),
            Misconception(
                "W_hh transposed",
                "Rows of W_hh belong to the unit that is computed. On paper it multiplies a column; here each sequence "
                "is a row.",
                changed(lambda w: w | {"W_hh": w["W_hh"].T}),
            ),
            Misconception(
                "the bias is missing",
                "Three terms are added up inside the activation. Which one is not there?",
                changed(lambda w: w | {"b_h": np.zeros_like(w["b_h"])}),
            ),
            *(
                ()
                if join in ("sum", "mean")
                else (
                    Misconception(
                        "the two states interleaved",
                        "Unit by unit, the two directions alternate in your rows. Asked for are all H entries of the "
                        "one, and then all H of the other.",
                        interleaved,
                    ),
                )
            ),
            Misconception(
                "joined in another way",
                "Both directions are right. Read again how their states are put together.",
                other_join,
            ),
        ),
    )
