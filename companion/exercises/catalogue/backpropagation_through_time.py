"""The gradient of an Elman network, array by array: logits, weights, biases and the recursion of δ."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from companion.core.functions import cross_entropy, softmax
from companion.exercises.activations import ACTIVATIONS, Activation, other_slopes
from companion.exercises.inputs import SIZES, Size, each_size, normal
from companion.exercises.model import Case, Key, exercise
from companion.exercises.totals import TOTALS, Total, other_totals


def _with_row_0(rng: np.random.Generator, s: Size) -> np.ndarray:
    """δ of random numbers, (T + 1, B, H), with zeros in row 0."""
    return np.concatenate([np.zeros((1, s.B, s.H)), normal(rng, s.T, s.B, s.H)])


@dataclass(frozen=True)
class Unit:
    """A unit of the loss: its logarithm in LaTeX, and what the gradient in nats is divided by, as code and number."""

    name: str
    log: str
    code: str
    divisor: float


UNITS = (
    Unit("nats", r"\ln", "", 1.0),
    Unit("bits", r"\log_2", " / np.log(2)", float(np.log(2))),
    Unit("decimal digits", r"\log_{10}", " / np.log(10)", float(np.log(10))),
)


@exercise("output-delta", "dlogits", "The gradient at the logits", "derive", unit=UNITS, total=TOTALS)
def output_delta(rng: np.random.Generator, unit: Unit, total: Total) -> Key:
    def by_companion(logits, d):
        return cross_entropy(logits, d)[1] / unit.divisor / total.divisor(*logits.shape[:2])

    levels = 800.0 * (-1.0) ** np.arange(SIZES[0].T)[:, None, None]

    def case(s, level=0, soft=False):
        d = softmax(normal(rng, s.T, s.B, s.O)) if soft else np.eye(s.O)[rng.integers(s.O, size=(s.T, s.B))]
        return {"logits": normal(rng, s.T, s.B, s.O, scale=1.0) + level, "d": d}

    def one_far_below(s):
        """The last logit 725 below the others, and never the right one."""
        below = np.where(np.arange(s.O) == s.O - 1, -363.0, 362.0)
        return case(s, level=below) | {"d": np.eye(s.O)[rng.integers(s.O - 1, size=(s.T, s.B))]}

    def right_one_far_below(s):
        """The last logit 3000 below the others, and the right one in every sequence of the first step."""
        given = case(s, level=np.where(np.arange(s.O) == s.O - 1, -1500.0, 1500.0))
        given["d"][0] = np.eye(s.O)[-1]
        return given

    divided = total.code_of("logits")
    return Key(
        cases=(
            *each_size(case),
            Case("soft targets", case(SIZES[0], soft=True)),
            Case("logits around 800 and −800", case(SIZES[0], level=levels)),
            Case("one logit far below the others", one_far_below(SIZES[0])),
            Case("the right logit far below the others", right_one_far_below(SIZES[0])),
        ),
        tolerance=1e-9,
        also_right=(by_companion,),
        misconceptions=other_totals(total),
        axes={"result": "T B O"},
        words={
            "gradient": f"(y - d){unit.code}{divided}" if unit.code or divided else "y - d",
            "share": unit.code + divided,
            "divided": divided,
            "multiplied": unit.code.replace("/", "*"),
            "factor": (f"A loss in {unit.name} is that in nats, divided by a constant. " if unit.code else "")
            + ("What $L$ divides its sum by divides the gradient too. " if total.code else ""),
            "then": (" Then ask what the base of the logarithm does to it." if unit.code else "")
            + (" And what becomes of that by which L divides its sum?" if total.code else ""),
        },
    )


@dataclass(frozen=True)
class Read:
    """What the output weights multiply at step t: LaTeX, NumPy of all states h, and the function of h."""

    formula: str
    code: str
    apply: Callable[[np.ndarray], np.ndarray]


READS = (
    Read("h_t", "h[1:]", lambda h: h[1:]),
    Read(r"\tfrac12 (h_t + h_{t-1})", "(h[1:] + h[:-1]) / 2", lambda h: (h[1:] + h[:-1]) / 2),
    Read("(h_t - h_{t-1})", "h[1:] - h[:-1]", lambda h: h[1:] - h[:-1]),
    Read(r"(h_t \odot h_t)", "h[1:] ** 2", lambda h: h[1:] ** 2),
)


@exercise("bptt-dV", "dW_hy", "The gradient of the output weights", "derive", read=READS, total=TOTALS)
def output_weights(rng: np.random.Generator, read: Read, total: Total) -> Key:
    def by_loops(dlogits, h):
        (T, B, _), z = dlogits.shape, read.apply(h)
        return sum(np.outer(dlogits[t, b], z[t, b]) for t in range(T) for b in range(B)) / total.divisor(T, B)

    return Key(
        cases=each_size(
            lambda s: {"dlogits": normal(rng, s.T, s.B, s.O), "h": np.tanh(normal(rng, s.T + 1, s.B, s.H))}
        ),
        also_right=(by_loops,),
        misconceptions=other_totals(total),
        axes={"result": "O H"},
        words={
            "share": total.code_of("dlogits"),
            "factor": "What $L$ divides its sum by divides the gradient too. " if total.code else "",
            "then": "; then comes what L divides its sum by." if total.code else ".",
        },
    )


@exercise("bptt-delta", "deltas", "The δ recursion", "implement", f=ACTIVATIONS, delay=(1, 2, 3))
def delta(rng: np.random.Generator, f: Activation, delay: int) -> Key:
    def each_loss_alone(dh_out, h, W_hh):
        da, slopes = np.zeros_like(h), f.slope(h)
        for t in range(1, len(h)):
            arriving = dh_out[t - 1]
            for k in range(t, 0, -delay):
                da[k] += arriving * slopes[k]
                arriving = (arriving * slopes[k]) @ W_hh
        return da

    return Key(
        cases=each_size(
            lambda s: {
                "dh_out": normal(rng, s.T, s.B, s.H),
                "h": f.apply(normal(rng, s.T + 1, s.B, s.H)),
                "W_hh": normal(rng, s.H, s.H, scale=1.0),
            }
        ),
        also_right=(each_loss_alone,),
        misconceptions=other_slopes(f),
        axes={"result": "T+1 B H"},
        words={"before": "" if delay == 1 else "; states before $h_0$ are zero"},
    )


@dataclass(frozen=True)
class Connection:
    """How the states feed the pre-activation: LaTeX, how many steps later, and whether by one weight for each unit."""

    formula: str
    delay: int = 1
    diagonal: bool = False


CONNECTIONS = (
    Connection("W_{hh} h_{t-1}"),
    Connection("W_{hh} h_{t-2}", delay=2),
    Connection("W_{hh} h_{t-3}", delay=3),
    Connection(r"W_{hh} \odot h_{t-1}", diagonal=True),
)


@exercise("bptt-dW", "dW_hh", "The gradient of the recurrent weights", "derive", connection=CONNECTIONS)
def recurrent_weights(rng: np.random.Generator, connection: Connection) -> Key:
    delay, diagonal = connection.delay, connection.diagonal

    def by_matrices(da, h):
        H = h.shape[-1]
        product = sum(da[t].T @ h[t - delay] for t in range(delay, len(h))) + np.zeros((H, H))
        return np.diag(product).copy() if diagonal else product

    cases = each_size(lambda s: {"da": _with_row_0(rng, s), "h": np.tanh(normal(rng, s.T + 1, s.B, s.H))})
    return Key(
        # in shorter sequences the connection never acts
        cases=tuple(case for case in cases if len(case.arguments["h"]) >= delay),
        also_right=(by_matrices,),
        axes={"result": "H" if diagonal else "H H"},
        words={
            "shape": "(H,)" if diagonal else "(H, H)",
            "entries": "tbi,tbi->i" if diagonal else "tbi,tbj->ij",
            "product": r"\delta_t \odot h_{t-1}" if diagonal else rf"\delta_t\, h_{{t-{delay}}}^\top",
            "before": "" if delay == 1 else "; states before $h_0$ are zero",
            "kind": "an entry-by-entry product, because the weight multiplies entry by entry"
            if diagonal
            else "an outer product, with a row for each unit that is fed and a column for each unit that feeds",
        },
    )


@exercise("bptt-dU", "dW_xh", "The gradient of the input weights", "derive", f=ACTIVATIONS)
def input_weights(rng: np.random.Generator, f: Activation) -> Key:
    def by_loops(dh, h, x):
        return sum(np.outer((dh * f.slope(h[1:]))[t, b], x[t, b]) for t in range(len(x)) for b in range(x.shape[1]))

    return Key(
        cases=each_size(
            lambda s: {
                "dh": normal(rng, s.T, s.B, s.H),
                "h": f.apply(normal(rng, s.T + 1, s.B, s.H)),
                "x": normal(rng, s.T, s.B, s.I),
            }
        ),
        also_right=(by_loops,),
        misconceptions=other_slopes(f),
        axes={"result": "H I"},
    )


@dataclass(frozen=True)
class Bias:
    """Who shares the bias of the hidden units: what the text says, its shape, its gradient as code, and why."""

    words: str
    shape: str
    code: str
    why: str


BIASES = (
    Bias(
        r"$b_h$ $(H,)$ is the same at all steps and in all sequences, as in the chapter",
        "(H,)",
        "da[1:].sum(axis=(0, 1))",
        "steps and sequences share it, so it gets the sum over both",
    ),
    Bias(
        r"every step has a bias of its own: in $a_t$ stands $b_{h,t}$, row $t - 1$ of `b_h` $(T, H)$, the same in all "
        "sequences. Such a network knows what time it is",
        "(T, H)",
        "da[1:].sum(axis=1)",
        "only the sequences share it, so the sum runs over them and each step keeps a row",
    ),
    Bias(
        r"every sequence has a bias of its own, the same at all its steps: in the pre-activations of sequence $b$ "
        "stands row $b$ of `b_h` $(B, H)$. Such a network knows who is speaking",
        "(B, H)",
        "da[1:].sum(axis=0)",
        "only the steps of one sequence share it, so the sum runs over them and each sequence keeps a row",
    ),
    Bias(
        r"$b_h$ is one single number, added to all units at all steps and in all sequences; it moves all thresholds "
        "together",
        "()",
        "da[1:].sum()",
        "all units share it too, so it gets the sum over everything",
    ),
)


@exercise("bptt-db", "db", "The gradients of the biases", "complete", bias=BIASES)
def biases(rng: np.random.Generator, bias: Bias) -> Key:
    def by_letters(da, dlogits):
        letters = {"(H,)": "tbh->h", "(T, H)": "tbh->th", "(B, H)": "tbh->bh", "()": "tbh->"}[bias.shape]
        return np.einsum(letters, da[1:]), np.einsum("tbo->o", dlogits)

    return Key(
        cases=each_size(lambda s: {"da": _with_row_0(rng, s), "dlogits": normal(rng, s.T, s.B, s.O)}),
        also_right=(by_letters,),
        returns=("db_h", "db_y"),
        axes={"db_h": bias.shape.strip("(),").replace(",", ""), "db_y": "O"},
        words={"mean": bias.code.replace("sum", "mean")},
    )
