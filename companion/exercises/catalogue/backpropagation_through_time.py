"""Exercises on backpropagation through time: the gradients of an Elman network, one recursion and a few sums."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from companion.bptt import delta_recursion
from companion.exercises.activations import ACTIVATIONS, LOGISTIC, TANH, Activation
from companion.exercises.inputs import SIZES, each_size, normal
from companion.exercises.model import Case, Key, Misconception, exercise
from companion.functions import Activation as CompanionActivation
from companion.functions import cross_entropy, log_softmax, softmax


@dataclass(frozen=True)
class Total:
    """How a loss L is made of the losses ℓ of all steps and sequences.

    Attributes:
        words: what L is, after 'L is'.
        formula: L = … in LaTeX.
        code: what follows a gradient of the sum, in NumPy, to make it one of L.
        divisor: (steps, sequences) -> what the sum is divided by.
    """

    words: str
    formula: str
    code: str
    divisor: Callable[[int, int], int]

    def code_of(self, array: str) -> str:
        """``code`` where T and B have no names: of an array with steps and sequences first."""
        return self.code.replace("B", f"{array}.shape[1]").replace("T", f"len({array})")


TOTALS = (
    Total("the plain sum of all losses", r"L = \sum_t \sum_b \ell_{t,b}", "", lambda T, B: 1),
    Total(
        "the sum of all losses divided by the B sequences",
        r"L = \frac1B \sum_t \sum_b \ell_{t,b}",
        " / B",
        lambda T, B: B,
    ),
    Total(
        "the sum of all losses divided by the T steps", r"L = \frac1T \sum_t \sum_b \ell_{t,b}", " / T", lambda T, B: T
    ),
    Total("the mean over all T·B losses", r"L = \frac{1}{TB} \sum_t \sum_b \ell_{t,b}", " / T / B", lambda T, B: T * B),
)


def other_totals(total: Total, gradient_of: Callable[[Total], Callable]) -> tuple[Misconception, ...]:
    """The mistakes of dividing the gradient by something else than ``total`` says."""
    hint = (
        f"L is {total.words}, and nothing divides it. Where do you divide, or take a mean?"
        if total is TOTALS[0]
        else f"Look at the factor in front of the sums: L is {total.words}. What does that factor do to a gradient?"
    )
    return tuple(
        Misconception(f"as if L were {other.words}", hint, gradient_of(other)) for other in TOTALS if other is not total
    )


def other_slopes(
    f: Activation, gradient_of: Callable[[Callable[[np.ndarray], np.ndarray]], Callable]
) -> tuple[Misconception, ...]:
    """The likeliest wrong formulas for the slope of ``f``."""
    if f is not TANH:
        return (
            Misconception(
                "the slope is that of tanh",
                "1 − h² is the slope of tanh, written with its state. This network has another activation: what is its "
                "slope?",
                gradient_of(TANH.slope),
            ),
        )
    return (
        Misconception(
            "the slope as 1 − h instead of 1 − h²",
            "For a negative state your slope is larger than 1. Can tanh be that steep?",
            gradient_of(lambda h: 1 - h),
        ),
        Misconception(
            "the slope is that of the logistic function",
            "h (1 − h) is the slope of the logistic function, written with its state. What is that of tanh?",
            gradient_of(LOGISTIC.slope),
        ),
    )


@dataclass(frozen=True)
class Unit:
    """A unit of the loss: its logarithm in LaTeX, and what the gradient in nats is divided by, as number and code."""

    name: str
    log: str
    divisor: float
    code: str


UNITS = (
    Unit("nats", r"\ln", 1.0, ""),
    Unit("bits", r"\log_2", float(np.log(2)), " / np.log(2)"),
    Unit("decimal digits", r"\log_{10}", float(np.log(10)), " / np.log(10)"),
)


LARGEST = 709.0  # above it, np.exp is infinite


def also_overflowing(
    misconceptions: Iterable[Misconception], overflowing: Callable[[Callable], Callable]
) -> Iterator[Misconception]:
    """Each misconception, and the same where the powers of a softmax overflow besides."""
    for one in misconceptions:
        yield one
        yield Misconception(
            f"{one.name}; and powers overflow",
            f"{one.hint} Besides, the exponentials of large logits overflow.",
            overflowing(one.wrong),
        )


@exercise(
    "output-delta",
    chapter="backpropagation-through-time",
    name="dlogits",
    title="The gradient at the logits",
    kind="derive",
    ask={"unit": UNITS, "total": TOTALS},
)
def output_delta(rng: np.random.Generator, unit: Unit, total: Total) -> Key:
    def scale(logits, total=total):
        return 1 / unit.divisor / total.divisor(*logits.shape[:2])

    def answer(logits, d):
        return (softmax(logits) - d) * scale(logits)

    def by_jacobian(logits, d):
        y = softmax(logits)
        jacobian = y[..., :, None] * (np.eye(y.shape[-1]) - y[..., None, :])
        return np.einsum("tbi,tbij->tbj", -d / y, jacobian) * scale(logits)

    def by_companion(logits, d):
        return cross_entropy(logits, d)[1] * scale(logits)

    def by_log_softmax(logits, d):
        return (np.exp(log_softmax(logits)) * d.sum(axis=-1, keepdims=True) - d) * scale(logits)

    def softmax_along(axis):
        def wrong(logits, d):
            e = np.exp(logits - logits.max(axis=axis, keepdims=True))
            return (e / e.sum(axis=axis, keepdims=True) - d) * scale(logits)

        return wrong

    def one_shift_for_all(logits, d):
        with np.errstate(all="ignore"):
            e = np.exp(logits - logits.max())
            return (e / e.sum(axis=-1, keepdims=True) - d) * scale(logits)

    def one_sum_for_all(logits, d):
        e = np.exp(logits - logits.max())
        return (e / e.sum() - d) * scale(logits)

    def overflowing(wrong):
        """What ``wrong`` becomes where no logit is subtracted: nan where the powers of a distribution overflow."""
        return lambda logits, d: np.where(np.abs(logits) > LARGEST, np.nan, wrong(logits, d))

    def hard(logits, d):
        return (softmax(logits) - np.eye(d.shape[-1])[d.argmax(axis=-1)]) * scale(logits)

    levels = 800.0 * (-1.0) ** np.arange(SIZES[0].T)[:, None, None]

    def case(s, level=0, soft=False):
        d = softmax(normal(rng, s.T, s.B, s.O)) if soft else np.eye(s.O)[rng.integers(s.O, size=(s.T, s.B))]
        return {"logits": normal(rng, s.T, s.B, s.O, scale=1.0) + level, "d": d}

    def one_far_below(s):
        """The last logit 725 below the others, and never the right one."""
        below = np.where(np.arange(s.O) == s.O - 1, -363.0, 362.0)
        return case(s, level=below) | {"d": np.eye(s.O)[rng.integers(s.O - 1, size=(s.T, s.B))]}

    base = (
        Misconception(
            "a gradient of nats",
            f"The loss is in {unit.name}. How does its logarithm differ from the natural one, whose derivative is 1/y?",
            lambda logits, d: answer(logits, d) * unit.divisor,
        ),
        Misconception(
            "the factor of the logarithm upside down",
            f"Is the same loss a larger or a smaller number in {unit.name} than in nats? Its gradient goes with it.",
            lambda logits, d: answer(logits, d) * unit.divisor**2,
        ),
    )
    return Key(
        answer=answer,
        also_right=(by_jacobian, by_companion, by_log_softmax),
        axes={"result": "T B O"},
        words={
            "unit": unit.name,
            "log": unit.log,
            "total": total.formula,
            "gradient": f"{'(y - d)' if unit.code or total.code else 'y - d'}{unit.code}{total.code_of('logits')}",
            "factor": (f"A loss in {unit.name} is that in nats, divided by a constant. " if unit.code else "")
            + ("What $L$ divides its sum by divides the gradient too. " if total.code else ""),
        },
        cases=(
            *each_size(case),
            Case("soft targets", case(SIZES[0], soft=True)),
            Case("logits around 800 and −800", case(SIZES[0], level=levels)),
            Case("one logit far below the others", one_far_below(SIZES[0])),
        ),
        hints=(
            "Every logit moves every probability, because they share a denominator. So first the derivative of y_i by "
            "the logit u_j, for i = j and for i ≠ j.",
            "Send ∂ℓ/∂y_i, which is −d_i/y_i, back through that matrix: a sum over i. The y_i cancel.",
            "Use that the entries of d sum to 1: what is left is a difference of two distributions."
            + (" Then ask what the base of the logarithm does to it." if unit.code else "")
            + (" And what becomes of that by which L divides its sum?" if total.code else ""),
        ),
        misconceptions=(
            *also_overflowing(
                (
                    Misconception(
                        "the sign is turned round",
                        "Where the answer is right, raising its logit must lower the loss. Which sign has that "
                        "entry in yours?",
                        lambda logits, d: -answer(logits, d),
                    ),
                    Misconception(
                        "the gradient at the probabilities",
                        "−d/y is the gradient at y. The logits lie one function further back; send it through "
                        "softmax too.",
                        lambda logits, d: -d / softmax(logits) * scale(logits),
                    ),
                    Misconception(
                        "only the diagonal of softmax's Jacobian",
                        "A logit also moves the probabilities of the other classes, through the denominator. "
                        "What is ∂y_i/∂u_j for i ≠ j?",
                        lambda logits, d: -d * (1 - softmax(logits)) * scale(logits),
                    ),
                    Misconception(
                        "the difference y − d multiplied by the slope y (1 − y) once more",
                        "The Jacobian of softmax is in y − d already. That difference stands at the logits.",
                        lambda logits, d: answer(logits, d) * softmax(logits) * (1 - softmax(logits)),
                    ),
                    Misconception(
                        "softmax over the sequences instead of the classes",
                        "Probabilities of one step and one sequence sum to 1 over the classes. Which axis are they on?",
                        softmax_along(1),
                    ),
                    Misconception(
                        "the target is missing",
                        "You have the probabilities alone. At the right answer the gradient must be negative: what is "
                        "subtracted?",
                        lambda logits, d: softmax(logits) * scale(logits),
                    ),
                    Misconception(
                        "the target as its largest entry alone",
                        "Look at the case with soft targets: there d is a distribution, not one class. Is all of it in "
                        "your result?",
                        hard,
                    ),
                    *(base if unit.code else ()),
                    *other_totals(total, lambda other: lambda logits, d: (softmax(logits) - d) * scale(logits, other)),
                ),
                overflowing,
            ),
            Misconception(
                "the logits themselves in the place of probabilities",
                "The difference is one of two distributions. Which function turns logits into one?",
                lambda logits, d: (logits - d) * scale(logits),
            ),
            Misconception(
                "softmax over the steps instead of the classes",
                "Probabilities of one step and one sequence sum to 1 over the classes. Which axis are they on?",
                softmax_along(0),
            ),
            Misconception(
                "the powers overflow",
                "Small logits come out right. What are the exponentials of 800 and of −800 in NumPy? Which shift "
                "changes no probability?",
                overflowing(answer),
            ),
            Misconception(
                "one shift for all distributions",
                "Look at the case with logits around 800 and −800: after your shift, where are those around −800? "
                "Which logits share one softmax?",
                one_shift_for_all,
            ),
            Misconception(
                "one sum for the whole array",
                "Your probabilities add up to 1 all together. Those of each step and sequence should.",
                one_sum_for_all,
            ),
        ),
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


@exercise(
    "bptt-dV",
    chapter="backpropagation-through-time",
    name="dW_hy",
    title="The gradient of the output weights",
    kind="derive",
    ask={"read": READS, "total": TOTALS},
)
def output_weights(rng: np.random.Generator, read: Read, total: Total) -> Key:
    def answer(dlogits, h, read=read, total=total):
        return np.einsum("tbo,tbh->oh", dlogits, read.apply(h)) / total.divisor(*dlogits.shape[:2])

    def by_loops(dlogits, h):
        T, B, O = dlogits.shape
        result, z = np.zeros((O, h.shape[-1])), read.apply(h)
        for t in range(T):
            for b in range(B):
                result += np.outer(dlogits[t, b], z[t, b])
        return result / total.divisor(T, B)

    def by_matrices(dlogits, h):
        T, B, O = dlogits.shape
        z = read.apply(h).reshape(T * B, -1)
        return dlogits.reshape(T * B, O).T @ z / total.divisor(T, B)

    def of_sums(dlogits, h):
        z = read.apply(h)
        return np.outer(dlogits.sum(axis=(0, 1)), z.sum(axis=(0, 1))) / total.divisor(*dlogits.shape[:2])

    return Key(
        answer=answer,
        also_right=(by_loops, by_matrices),
        axes={"result": "O H"},
        words={
            "read": read.formula,
            "read_code": read.code,
            "total": total.formula,
            "share": total.code_of("dlogits"),
            "factor": "What $L$ divides its sum by divides the gradient too. " if total.code else "",
        },
        cases=each_size(
            lambda s: {"dlogits": normal(rng, s.T, s.B, s.O), "h": np.tanh(normal(rng, s.T + 1, s.B, s.H))}
        ),
        hints=(
            "Take one step of one sequence first. What does W_hy multiply there, and what is the gradient at the "
            "result?",
            "That gives an outer product: the gradient at the logits as a column, what W_hy multiplied as a row.",
            "The same matrix is used at every step and in every sequence, so the products are added"
            + ("; then comes what L divides its sum by." if total.code else "."),
        ),
        misconceptions=(
            Misconception(
                "transposed",
                "Each gradient has the shape of its weight: rows of W_hy belong to outputs, columns to hidden units.",
                lambda dlogits, h: answer(dlogits, h).T,
            ),
            Misconception(
                "paired with the state before",
                "Row 0 of h is h_0. What did W_hy multiply at step 1, when the logits u_1 were made?",
                lambda dlogits, h: np.einsum("tbo,tbh->oh", dlogits, h[:-1]) / total.divisor(*dlogits.shape[:2]),
            ),
            Misconception(
                "only the last step counts",
                "Every step has a loss of its own here, and W_hy is used at each of them.",
                lambda dlogits, h: (
                    np.einsum("bo,bh->oh", dlogits[-1], read.apply(h)[-1]) / total.divisor(*dlogits.shape[:2])
                ),
            ),
            Misconception(
                "every step is paired with the last state",
                "The logits of step t were made of the state of step t. Which state do you multiply at step 1?",
                lambda dlogits, h: (
                    np.einsum("tbo,bh->oh", dlogits, read.apply(h)[-1]) / total.divisor(*dlogits.shape[:2])
                ),
            ),
            Misconception(
                "a slope where there is no activation",
                "Between W_hy and the logits lies no activation. Which factor is too many?",
                lambda dlogits, h: (
                    np.einsum("tbo,tbh->oh", dlogits, read.apply(h) * (1 - h[1:] ** 2))
                    / total.divisor(*dlogits.shape[:2])
                ),
            ),
            Misconception(
                "the product of two sums instead of a sum of products",
                "Step 1's gradient has nothing to do with step 2's state. Multiply within a step and a sequence, "
                "then add.",
                of_sums,
            ),
            Misconception(
                "one gradient for each step, not added",
                "One weight, one gradient: which axis of your result should not be there?",
                lambda dlogits, h: (
                    np.einsum("tbo,tbh->toh", dlogits, read.apply(h)) / total.divisor(*dlogits.shape[:2])
                ),
            ),
            Misconception(
                "one gradient for each sequence, not added",
                "One weight serves all sequences of the batch. Which axis of your result should not be there?",
                lambda dlogits, h: (
                    np.einsum("tbo,tbh->boh", dlogits, read.apply(h)) / total.divisor(*dlogits.shape[:2])
                ),
            ),
            Misconception(
                "the batch is added up before the product",
                "With one sequence yours is right. Multiply within each sequence, then add over the sequences.",
                lambda dlogits, h: (
                    np.einsum("to,th->oh", dlogits.sum(axis=1), read.apply(h).sum(axis=1))
                    / total.divisor(*dlogits.shape[:2])
                ),
            ),
            Misconception(
                "the last step is left out",
                "The steps are 1 to T, and the last one has a loss too. Where does your range or slice end?",
                lambda dlogits, h: (
                    np.einsum("tbo,tbh->oh", dlogits[:-1], read.apply(h)[:-1]) / total.divisor(*dlogits.shape[:2])
                ),
            ),
            Misconception(
                "the first step is left out",
                "Row 0 of dlogits belongs to step 1, and row 1 of h is h_1. Where does your range or slice begin?",
                lambda dlogits, h: (
                    np.einsum("tbo,tbh->oh", dlogits[1:], read.apply(h)[1:]) / total.divisor(*dlogits.shape[:2])
                ),
            ),
            *(
                (
                    Misconception(
                        "as if W_hy multiplied the state itself",
                        "Look at the equation of the logits again: what stands to the right of W_hy?",
                        lambda dlogits, h: answer(dlogits, h, READS[0]),
                    ),
                )
                if read is not READS[0]
                else ()
            ),
            *other_totals(total, lambda other: lambda dlogits, h: answer(dlogits, h, read, other)),
        ),
    )


@exercise(
    "bptt-delta",
    chapter="backpropagation-through-time",
    name="deltas",
    title="The δ recursion",
    kind="implement",
    ask={"f": ACTIVATIONS, "delay": (1, 2, 3)},
)
def delta(rng: np.random.Generator, f: Activation, delay: int) -> Key:
    def walk(dh_out, h, W_hh, slope=f.slope, delay=delay):
        da = np.zeros_like(h)
        for t in range(len(h) - 1, 0, -1):
            later = da[t + delay] @ W_hh if t + delay < len(h) else 0
            da[t] = (dh_out[t - 1] + later) * slope(h[t])
        return da

    def answer(dh_out, h, W_hh):
        return walk(dh_out, h, W_hh)

    def each_loss_alone(dh_out, h, W_hh):
        da, slopes = np.zeros_like(h), f.slope(h)
        for t in range(1, len(h)):
            arriving = dh_out[t - 1]
            for k in range(t, 0, -delay):
                da[k] += arriving * slopes[k]
                arriving = (arriving * slopes[k]) @ W_hh
        return da

    def by_one_system(dh_out, h, W_hh):
        """δ = slopes ⊙ (own + later δ through W_hh), solved for all steps at once, one sequence after the other."""
        T, B, H = dh_out.shape
        da, shift = np.zeros_like(h), np.eye(T, k=delay)
        for b in range(B):
            slopes = f.slope(h[1:, b]).ravel()
            system = np.eye(T * H) - slopes[:, None] * np.kron(shift, W_hh.T)
            da[1:, b] = np.linalg.solve(system, slopes * dh_out[:, b].ravel()).reshape(T, H)
        return da

    def by_companion(dh_out, h, W_hh):
        activation = CompanionActivation(f.name, f.apply, f.slope, lambda slopes, dy: slopes * dy)
        return delta_recursion({"W_hh": W_hh, "W_hy": np.eye(len(W_hh))}, h, dh_out, activation)

    def no_future(dh_out, h, W_hh):
        da = np.zeros_like(h)
        da[1:] = dh_out * f.slope(h[1:])
        return da

    def one_step_of_future(dh_out, h, W_hh):
        own = no_future(dh_out, h, W_hh)
        later = np.zeros_like(h)
        later[1:-delay] = own[1 + delay :] @ W_hh
        return own + later * f.slope(h)

    def forwards(dh_out, h, W_hh):
        da = np.zeros_like(h)
        for t in range(1, len(h)):
            earlier = da[t - delay] @ W_hh if t > delay else 0
            da[t] = (dh_out[t - 1] + earlier) * f.slope(h[t])
        return da

    def slope_of_own_only(dh_out, h, W_hh):
        da = np.zeros_like(h)
        for t in range(len(h) - 1, 0, -1):
            later = da[t + delay] @ W_hh if t + delay < len(h) else 0
            da[t] = dh_out[t - 1] * f.slope(h[t]) + later
        return da

    def slope_once(dh_out, h, W_hh):
        da = walk(dh_out, h, W_hh, slope=np.ones_like)
        return da * f.slope(h)

    def slope_of_the_state_before(dh_out, h, W_hh):
        da = np.zeros_like(h)
        for t in range(len(h) - 1, 0, -1):
            later = da[t + delay] @ W_hh if t + delay < len(h) else 0
            da[t] = (dh_out[t - 1] + later) * f.slope(h[t - 1])
        return da

    def slope_of_the_future_only(dh_out, h, W_hh):
        da = np.zeros_like(h)
        for t in range(len(h) - 1, 0, -1):
            later = da[t + delay] @ W_hh if t + delay < len(h) else 0
            da[t] = dh_out[t - 1] + later * f.slope(h[t])
        return da

    def slope_before_the_weights(dh_out, h, W_hh):
        da, slopes = np.zeros_like(h), f.slope(h)
        for t in range(len(h) - 1, 0, -1):
            later = (da[t + delay] * slopes[t]) @ W_hh if t + delay < len(h) else 0
            da[t] = dh_out[t - 1] * slopes[t] + later
        return da

    def later_slope_twice(dh_out, h, W_hh):
        da, slopes = np.zeros_like(h), f.slope(h)
        for t in range(len(h) - 1, 0, -1):
            later = (da[t + delay] * slopes[t + delay]) @ W_hh if t + delay < len(h) else 0
            da[t] = (dh_out[t - 1] + later) * slopes[t]
        return da

    def with_row_0(row):
        """The answer with another row 0, from (what h_0 gets through the weights, dh_out, slope at h_0)."""

        def wrong(dh_out, h, W_hh):
            da = walk(dh_out, h, W_hh)
            arriving = da[delay] @ W_hh if delay < len(h) else np.zeros_like(h[0])
            da[0] = row(arriving, dh_out, f.slope(h[0]))
            return da

        return wrong

    return Key(
        answer=answer,
        also_right=(each_loss_alone, by_one_system, *((by_companion,) if delay == 1 else ())),
        axes={"result": "T+1 B H"},
        words={
            "f": f.formula,
            "slope": f.slope_code,
            "before": "" if delay == 1 else "; states before $h_0$ are zero",
        },
        cases=each_size(
            lambda s: {
                "dh_out": normal(rng, s.T, s.B, s.H),
                "h": f.apply(normal(rng, s.T + 1, s.B, s.H)),
                "W_hh": normal(rng, s.H, s.H, scale=1.0),
            }
        ),
        hints=(
            "In how many places is h_t used? Each of them sends something back, and what comes back is added.",
            f"h_t is used in the logits u_t and in the pre-activation a_{{t+{delay}}}. The first is dh_out; the second "
            f"sends δ_{{t+{delay}}} back through W_hh, where there is such a step.",
            "Begin at the last step and go down to the first. At each step: add up what arrives at h_t, then multiply "
            "all of it by the slope there. In rows, Wᵀδ is written delta @ W.",
        ),
        misconceptions=(
            Misconception(
                "nothing arrives from the future",
                f"The last step is right, the earlier ones are not. Is the term that comes back from a later state "
                f"missing, or is δ_{{t+{delay}}} not yet computed when you read it?",
                no_future,
            ),
            Misconception(
                "the future reaches one step back only",
                "What a later step sends back is its whole δ, and that includes what it got itself from still later "
                "steps.",
                one_step_of_future,
            ),
            Misconception(
                "the gradient runs forwards in time",
                "A loss can only be changed by what came before it. From which side does δ reach step t, and in which "
                "order must the steps be visited?",
                forwards,
            ),
            Misconception(
                "W_hh where its transpose belongs",
                "On paper the gradient goes back through W_hhᵀ. Your vectors are rows; what becomes of the transpose?",
                lambda dh_out, h, W_hh: walk(dh_out, h, W_hh.T),
            ),
            Misconception(
                "the slope is missing",
                "Your rows are not gradients at a_t. What lies between a_t and h_t?",
                lambda dh_out, h, W_hh: (
                    walk(dh_out, h, W_hh, slope=np.ones_like) * (np.arange(len(h)) > 0)[:, None, None]
                ),
            ),
            Misconception(
                "the slope multiplies the step's own gradient only",
                "Both parts arrive at the same h_t, and both go on to a_t. Through what?",
                slope_of_own_only,
            ),
            Misconception(
                "the slope multiplies what comes from the future only",
                "Both parts arrive at the same h_t, and both go on to a_t. Through what?",
                slope_of_the_future_only,
            ),
            Misconception(
                "the slope stands on the wrong side of W_hh",
                "The way back from a later pre-activation leads through W_hh to h_t first, and from there through the "
                "slope to a_t. Which of the two is applied first in yours?",
                slope_before_the_weights,
            ),
            Misconception(
                "the later slope multiplies twice",
                f"δ_{{t+{delay}}} is the gradient at the later pre-activation: the slope there is in it already.",
                later_slope_twice,
            ),
            Misconception(
                "what is carried back is ∂L/∂h, not δ",
                "Follow the gradient from a later state to this one: it passes the later activation first, then W_hh. "
                "Which slope is missing on that way?",
                slope_once,
            ),
            Misconception(
                "the slope of the state before",
                "Row t of h holds h_t = f(a_t). Which row gives the slope at a_t?",
                slope_of_the_state_before,
            ),
            Misconception(
                "the slope f′ taken at h_t instead of a_t",
                "f′(a_t) can be written with the state, but it is not f′ applied to the state. At which number is "
                "your slope taken?",
                lambda dh_out, h, W_hh: walk(dh_out, h, W_hh, slope=lambda state: f.slope(f.apply(state))),
            ),
            *other_slopes(f, lambda slope: lambda dh_out, h, W_hh: walk(dh_out, h, W_hh, slope=slope)),
            Misconception(
                "row 0 is filled too",
                "h_0 is given, no pre-activation made it. What belongs in row 0?",
                with_row_0(lambda arriving, dh_out, slope: arriving * slope),
            ),
            Misconception(
                "row 0 holds the gradient at h_0",
                "What arrives at h_0 is a gradient, but not one at a pre-activation: there is no a_0. What belongs in "
                "row 0?",
                with_row_0(lambda arriving, dh_out, slope: arriving),
            ),
            Misconception(
                "row 0 is filled from the last step's loss",
                "Your loop visits t = 0 too. There is no a_0, and which row is dh_out[t − 1] for t = 0?",
                with_row_0(lambda arriving, dh_out, slope: (dh_out[-1] + arriving) * slope),
            ),
            Misconception(
                "the steps stand in the order of the walk",
                "All rows are right, but after row 0 comes the last step first. What has to be turned round?",
                lambda dh_out, h, W_hh: np.concatenate([np.zeros((1, *h[0].shape)), walk(dh_out, h, W_hh)[:0:-1]]),
            ),
            Misconception(
                "the steps stand in the order of the walk, and there is no row for step 0",
                "The numbers are right. Row t belongs to step t, so the first row is zero and step 1 comes after it.",
                lambda dh_out, h, W_hh: walk(dh_out, h, W_hh)[:0:-1],
            ),
            Misconception(
                "no row for step 0",
                "The result has as many rows as h, so that row t belongs to step t. What do you have in row 0?",
                lambda dh_out, h, W_hh: walk(dh_out, h, W_hh)[1:],
            ),
            *(
                (
                    Misconception(
                        "the future is one step away, as in the chapter",
                        f"Here h_t acts on the state {delay} steps later. Whose δ comes back to it?",
                        lambda dh_out, h, W_hh: walk(dh_out, h, W_hh, delay=1),
                    ),
                )
                if delay > 1
                else ()
            ),
        ),
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


@exercise(
    "bptt-dW",
    chapter="backpropagation-through-time",
    name="dW_hh",
    title="The gradient of the recurrent weights",
    kind="derive",
    ask={"connection": CONNECTIONS},
)
def recurrent_weights(rng: np.random.Generator, connection: Connection) -> Key:
    delay = connection.delay
    entries = "tbi,tbi->i" if connection.diagonal else "tbi,tbj->ij"

    def pairs(da, h, delay=delay):
        return da[delay:], h[: len(h) - delay]

    def answer(da, h):
        return np.einsum(entries, *pairs(da, h))

    def by_loops(da, h):
        H = h.shape[-1]
        result = np.zeros((H, H))
        for t in range(delay, len(h)):
            for b in range(h.shape[1]):
                for i in range(H):
                    for j in range(H):
                        result[i, j] += da[t, b, i] * h[t - delay, b, j]
        return np.diag(result).copy() if connection.diagonal else result

    def by_matrices(da, h):
        later, earlier = (part.reshape(-1, h.shape[-1]) for part in pairs(da, h))
        return (later * earlier).sum(axis=0) if connection.diagonal else later.T @ earlier

    def of_sums(da, h):
        later, earlier = (part.sum(axis=(0, 1)) for part in pairs(da, h))
        return later * earlier if connection.diagonal else np.outer(later, earlier)

    shaped = (
        Misconception(
            "a whole matrix",
            "Each unit has one recurrent weight, and it feeds that unit only. How many entries has W_hh?",
            lambda da, h: np.einsum("tbi,tbj->ij", *pairs(da, h)),
        )
        if connection.diagonal
        else Misconception(
            "transposed",
            "Rows of W_hh belong to the unit that is fed, columns to the unit that feeds. Which of your factors "
            "belongs to the unit that is fed?",
            lambda da, h: answer(da, h).T,
        )
    )
    return Key(
        answer=answer,
        also_right=(by_loops, by_matrices),
        axes={"result": "H" if connection.diagonal else "H H"},
        words={
            "connection": connection.formula,
            "shape": "(H,)" if connection.diagonal else "(H, H)",
            "entries": entries,
            "delay": str(delay),
            "feeding": f"h[:-{delay}]",
            "product": r"\delta_t \odot h_{t-1}" if connection.diagonal else rf"\delta_t\, h_{{t-{delay}}}^\top",
            "before": "" if delay == 1 else "; states before $h_0$ are zero",
            "kind": "an entry-by-entry product, because the weight multiplies entry by entry"
            if connection.diagonal
            else "an outer product, with a row for each unit that is fed and a column for each unit that feeds",
        },
        cases=tuple(
            case
            for case in each_size(
                lambda s: {
                    "da": np.concatenate([np.zeros((1, s.B, s.H)), normal(rng, s.T, s.B, s.H)]),
                    "h": np.tanh(normal(rng, s.T + 1, s.B, s.H)),
                }
            )
            if len(case.arguments["h"]) >= delay  # in shorter sequences the connection never acts
        ),
        hints=(
            "δ_t is the gradient at a_t. Which state does the weight multiply inside a_t?",
            f"δ_t pairs with h_{{t−{delay}}}. Write down the pairs of rows of da and h for T = 4.",
            "Cut both arrays so that the rows of a pair stand at the same place; then multiply and sum over steps and "
            "sequences.",
        ),
        misconceptions=(
            shaped,
            Misconception(
                "the state of the same step: δ_t paired with h_t",
                "The weight made h_t; it did not multiply it. Which state stood beside the weight in a_t?",
                lambda da, h: np.einsum(entries, da, h),
            ),
            Misconception(
                "shifted the wrong way: δ_t paired with h_{t+1}",
                "You pair δ_t with a state that did not exist yet. In which direction must the rows be shifted?",
                lambda da, h: np.einsum(entries, da[:-1], h[1:]),
            ),
            Misconception(
                "the term with h_0 is left out",
                "h_0 is multiplied by the weight too, and here it is not zero. In which δ does it appear?",
                lambda da, h: np.einsum(entries, da[delay + 1 :], h[1 : max(1, len(h) - delay)]),
            ),
            Misconception(
                "the last step is left out",
                "The steps are 1 to T, and the weight acts at the last one too. Where does your range or slice end?",
                lambda da, h: np.einsum(entries, *(part[:-1] for part in pairs(da, h))),
            ),
            Misconception(
                "the slope is applied once more",
                "da holds δ, the gradient at a_t: the slope is in it already. What stands between a_t and the weight?",
                lambda da, h: np.einsum(entries, *pairs(da * (1 - h**2), h)),
            ),
            Misconception(
                "one gradient for each step, not added",
                "One weight, one gradient: which axis of your result should not be there?",
                lambda da, h: np.einsum(entries.replace("->", "->t"), *pairs(da, h)),
            ),
            Misconception(
                "one gradient for each sequence, not added",
                "One weight serves all sequences of the batch. Which axis of your result should not be there?",
                lambda da, h: np.einsum(entries.replace("->", "->b"), *pairs(da, h)),
            ),
            Misconception(
                "the batch is added up before the product",
                "With one sequence yours is right. Multiply within each sequence, then add over the sequences.",
                lambda da, h: np.einsum(entries, *(part.sum(axis=1, keepdims=True) for part in pairs(da, h))),
            ),
            Misconception(
                "only the last step counts",
                "The weight is the same at all steps, and its gradient is a sum over them.",
                lambda da, h: np.einsum(entries, *(part[-1:] for part in pairs(da, h))),
            ),
            Misconception(
                "the product of two sums instead of a sum of products",
                "δ of one step has nothing to do with the state beside another step's weight. Multiply first, then "
                "add.",
                of_sums,
            ),
            Misconception(
                "a mean over the sequences instead of a sum",
                "L is a sum over sequences, and da is its gradient; nothing divides by their number.",
                lambda da, h: answer(da, h) / h.shape[1],
            ),
            *(
                (
                    Misconception(
                        "the state one step before, as in the chapter",
                        "This connection reaches further back. Which state does the weight multiply inside a_t?",
                        lambda da, h: np.einsum(entries, da[1:], h[:-1]),
                    ),
                )
                if delay > 1
                else ()
            ),
        ),
    )


@exercise(
    "bptt-dU",
    chapter="backpropagation-through-time",
    name="dW_xh",
    title="The gradient of the input weights",
    kind="derive",
    ask={"f": ACTIVATIONS},
)
def input_weights(rng: np.random.Generator, f: Activation) -> Key:
    def answer(dh, h, x):
        da = dh * f.slope(h[1:])
        return np.einsum("tbh,tbi->hi", da, x)

    def by_loops(dh, h, x):
        return sum(np.outer((dh * f.slope(h[1:]))[t, b], x[t, b]) for t in range(len(x)) for b in range(x.shape[1]))

    def by_matrices(dh, h, x):
        da = (dh * f.slope(h[1:])).reshape(-1, h.shape[-1])
        return da.T @ x.reshape(len(da), -1)

    def with_slope(slope):
        return lambda dh, h, x: np.einsum("tbh,tbi->hi", dh * slope(h[1:]), x)

    def of(steps, of_x=None):
        """The answer from some of the steps alone, and from other ones of x."""
        return lambda dh, h, x: np.einsum("tbh,tbi->hi", (dh * f.slope(h[1:]))[steps], x[of_x or steps])

    return Key(
        answer=answer,
        also_right=(by_loops, by_matrices),
        axes={"result": "H I"},
        words={"f": f.formula, "slope": f.slope_code},
        cases=each_size(
            lambda s: {
                "dh": normal(rng, s.T, s.B, s.H),
                "h": f.apply(normal(rng, s.T + 1, s.B, s.H)),
                "x": normal(rng, s.T, s.B, s.I),
            }
        ),
        hints=(
            "The weight W_xh acts at every step and in every sequence. What does a value used many times get?",
            "At one step and in one sequence the gradient is an outer product: of what is at the weight's upper end, "
            "δ_t, with what it multiplies.",
            "δ_t is dh[t − 1], times the slope of f at a_t; the slope can be had from h[t].",
        ),
        misconceptions=(
            Misconception(
                "transposed",
                "Each gradient has the shape of its weight: rows belong to hidden units, columns to inputs.",
                lambda dh, h, x: answer(dh, h, x).T,
            ),
            Misconception(
                "the slope of the activation is missing",
                "dh is the gradient at the state. What lies between the state and the weight?",
                lambda dh, h, x: np.einsum("tbh,tbi->hi", dh, x),
            ),
            Misconception(
                "the slope is taken one step early",
                "Row 0 of h is h_0, which no weight made. Which row holds the state that x_t helped to make?",
                lambda dh, h, x: np.einsum("tbh,tbi->hi", dh * f.slope(h[:-1]), x),
            ),
            Misconception(
                "the slope f′ taken at h_t instead of a_t",
                "f′(a_t) can be written with the state, but it is not f′ applied to the state. At which number is "
                "your slope taken?",
                with_slope(lambda state: f.slope(f.apply(state))),
            ),
            *other_slopes(f, with_slope),
            Misconception(
                "only the last step counts",
                "The weight is the same at all steps, and its gradient is a sum over them.",
                lambda dh, h, x: np.einsum("bh,bi->hi", (dh * f.slope(h[1:]))[-1], x[-1]),
            ),
            Misconception(
                "the last step is left out",
                "The steps are 1 to T, and the weight acts at the last one too. Where does your range or slice end?",
                of(slice(-1)),
            ),
            Misconception(
                "the first step is left out",
                "Row 0 of dh and of x belongs to step 1. Where does your range or slice begin?",
                of(slice(1, None)),
            ),
            Misconception(
                "paired with the input before",
                "It is W_hh that multiplies something from the step before. Which input is in a_t?",
                of(slice(1, None), slice(-1)),
            ),
            Misconception(
                "one gradient for each sequence, not added",
                "One weight serves all sequences of the batch. Which axis of your result should not be there?",
                lambda dh, h, x: np.einsum("tbh,tbi->bhi", dh * f.slope(h[1:]), x),
            ),
            Misconception(
                "one gradient for each step, not added",
                "One weight, one gradient: which axis of your result should not be there?",
                lambda dh, h, x: np.einsum("tbh,tbi->thi", dh * f.slope(h[1:]), x),
            ),
            Misconception(
                "the batch is added up before the product",
                "With one sequence yours is right. Multiply within each sequence, then add over the sequences.",
                lambda dh, h, x: np.einsum("th,ti->hi", (dh * f.slope(h[1:])).sum(axis=1), x.sum(axis=1)),
            ),
            Misconception(
                "the product of two sums instead of a sum of products",
                "δ of one step has nothing to do with another step's input. Multiply first, then add.",
                lambda dh, h, x: np.outer((dh * f.slope(h[1:])).sum(axis=(0, 1)), x.sum(axis=(0, 1))),
            ),
            Misconception(
                "a mean over the sequences instead of a sum",
                "The loss here is a sum over sequences; nothing divides it by their number.",
                lambda dh, h, x: answer(dh, h, x) / x.shape[1],
            ),
        ),
    )


@dataclass(frozen=True)
class Bias:
    """Who shares the bias of the hidden units: what the text says, its shape, and the gradient from da as code."""

    words: str
    shape: str
    code: str
    why: str
    gradient: Callable[[np.ndarray], np.ndarray]


BIASES = (
    Bias(
        r"$b_h$ $(H,)$ is the same at all steps and in all sequences, as in the chapter",
        "(H,)",
        "da[1:].sum(axis=(0, 1))",
        "steps and sequences share it, so it gets the sum over both",
        lambda da: da[1:].sum(axis=(0, 1)),
    ),
    Bias(
        r"every step has a bias of its own: in $a_t$ stands $b_{h,t}$, row $t - 1$ of `b_h` $(T, H)$, the same in all "
        "sequences. Such a network knows what time it is",
        "(T, H)",
        "da[1:].sum(axis=1)",
        "only the sequences share it, so the sum runs over them and each step keeps a row",
        lambda da: da[1:].sum(axis=1),
    ),
    Bias(
        r"every sequence has a bias of its own, the same at all its steps: in the pre-activations of sequence $b$ "
        "stands row $b$ of `b_h` $(B, H)$. Such a network knows who is speaking",
        "(B, H)",
        "da[1:].sum(axis=0)",
        "only the steps of one sequence share it, so the sum runs over them and each sequence keeps a row",
        lambda da: da[1:].sum(axis=0),
    ),
    Bias(
        r"$b_h$ is one single number, added to all units at all steps and in all sequences; it moves all thresholds "
        "together",
        "()",
        "da[1:].sum()",
        "all units share it too, so it gets the sum over everything",
        lambda da: da[1:].sum(),
    ),
)


@exercise(
    "bptt-db",
    chapter="backpropagation-through-time",
    name="db",
    title="The gradients of the biases",
    kind="complete",
    ask={"bias": BIASES},
)
def biases(rng: np.random.Generator, bias: Bias) -> Key:
    def of_output(dlogits):
        return dlogits.sum(axis=(0, 1))

    def answer(da, dlogits):
        return bias.gradient(da), of_output(dlogits)

    def by_loops(da, dlogits):
        db_h, db_y = np.zeros_like(bias.gradient(da)), np.zeros(dlogits.shape[-1])
        for t in range(1, len(da)):
            for b in range(da.shape[1]):
                if bias is BIASES[1]:
                    db_h[t - 1] += da[t, b]
                elif bias is BIASES[2]:
                    db_h[b] += da[t, b]
                else:
                    db_h = db_h + (da[t, b].sum() if bias is BIASES[3] else da[t, b])
                db_y += dlogits[t - 1, b]
        return db_h, db_y

    def by_ones(da, dlogits):
        steps, sequences, units = (np.ones(n) for n in da[1:].shape)
        sums = {"(H,)": (steps, sequences), "(T, H)": (sequences,), "(B, H)": (steps,), "()": (steps, sequences, units)}
        letters = {"(H,)": "tbh,t,b->h", "(T, H)": "tbh,b->th", "(B, H)": "tbh,t->bh", "()": "tbh,t,b,h->"}
        ones = np.ones(dlogits.shape[0] * dlogits.shape[1])
        db_h = np.einsum(letters[bias.shape], da[1:], *sums[bias.shape])
        return db_h, ones @ dlogits.reshape(len(ones), -1)

    summed = ("steps and sequences", "sequences only", "steps only", "steps, sequences and units")
    others = tuple(
        Misconception(
            f"the bias b_h is summed over {over}",
            "Over which axes a gradient is summed says who shares the value. Who shares b_h here, and who has one of "
            "their own?",
            lambda da, dlogits, other=other: (other.gradient(da), of_output(dlogits)),
        )
        for over, other in zip(summed, BIASES, strict=True)
        if other is not bias
    )
    return Key(
        answer=answer,
        also_right=(by_loops, by_ones),
        returns=("db_h", "db_y"),
        axes={"db_h": bias.shape.strip("(),").replace(",", ""), "db_y": "O"},
        words={"bias": bias.words, "shape": bias.shape, "db_h": bias.code, "why": bias.why},
        cases=each_size(
            lambda s: {
                "da": np.concatenate([np.zeros((1, s.B, s.H)), normal(rng, s.T, s.B, s.H)]),
                "dlogits": normal(rng, s.T, s.B, s.O),
            }
        ),
        hints=(
            "A bias is a weight that multiplies 1. What is the gradient of one use of it?",
            "A value used in several places gets the sum of what comes back from each place. Who uses b_h, and who "
            "uses b_y?",
            "So each is a plain sum of δ over some axes. Name the axes; row 0 of da belongs to no step.",
        ),
        misconceptions=(
            *others,
            Misconception(
                "the bias b_y is summed over steps only",
                "All sequences of the batch use the same b_y. Which axis of your db_y should not be there?",
                lambda da, dlogits: (bias.gradient(da), dlogits.sum(axis=0)),
            ),
            Misconception(
                "the bias b_y is summed over sequences only",
                "All steps use the same b_y. Which axis of your db_y should not be there?",
                lambda da, dlogits: (bias.gradient(da), dlogits.sum(axis=1)),
            ),
            Misconception(
                "the last step is missing from b_h",
                "Rows 1 to T of da belong to the steps, row 0 to none. Which of its rows do you add?",
                lambda da, dlogits: (bias.gradient(np.concatenate([da[:1], da[:-1]])), of_output(dlogits)),
            ),
            Misconception(
                "the first step is missing from b_y",
                "Unlike da, dlogits has no row for step 0: which step stands in its first row?",
                lambda da, dlogits: (bias.gradient(da), of_output(dlogits[1:])),
            ),
            Misconception(
                "b_y is taken for one number",
                "Each output has an entry of its own in b_y. Which axis must stay?",
                lambda da, dlogits: (bias.gradient(da), dlogits.sum()),
            ),
            *(
                (
                    Misconception(
                        "the bias b_h gets the last step only",
                        "b_h is added at every step, and every step has a gradient.",
                        lambda da, dlogits: (bias.gradient(da[[0, -1]]), of_output(dlogits)),
                    ),
                    Misconception(
                        "the bias b_h is summed over sequences only, and has a row for step 0",
                        "Which axes of da have become places where the same bias is used? They should not be in your "
                        "result.",
                        lambda da, dlogits: (da.sum(axis=1), of_output(dlogits)),
                    ),
                )
                if bias is not BIASES[1]
                else ()
            ),
            Misconception(
                "the bias b_y gets the last step only",
                "b_y is added at every step, and every step has a loss.",
                lambda da, dlogits: (bias.gradient(da), dlogits[-1].sum(axis=0)),
            ),
            Misconception(
                "means instead of sums",
                "The losses are added, not averaged: nothing divides by the number of steps or sequences.",
                lambda da, dlogits: (
                    bias.gradient(da) * np.size(bias.gradient(da)) / da[1:].size,
                    dlogits.mean(axis=(0, 1)),
                ),
            ),
        ),
    )
