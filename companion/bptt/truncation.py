"""Truncated backpropagation through time, TBPTT(k1, k2) (Williams & Peng 1990; k1 and k2 are Sutskever's names).

Chapter "Truncated backpropagation". Every k1 steps the losses of the last k1 steps are sent back, together, through the
last k2 ≥ k1 steps. The state is carried from window to window; no gradient passes the start of a window.

So every loss counts once. In a window that ends at step t, the loss of step τ reaches the steps t − k2 + 1 … τ.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from companion.core.cell import Arrays, Cell
from companion.core.functions import cross_entropy
from companion.core.networks import ALL, Arity, Loss, loss_and_gradients, without_readout
from companion.core.optimisers import Optimiser
from companion.core.recurrent import Tape, forward
from companion.core.validation import Array, as_array, keep_sizes, require_shape, require_size


@dataclass(frozen=True)
class Window:
    """Steps first … last (counted from 1) are run; the losses of the last `answers` of them are sent back.

    Raises ValueError unless 1 ≤ first ≤ last and 1 ≤ answers.
    """

    first: int
    last: int
    answers: int

    def __post_init__(self) -> None:
        keep_sizes(self, first=1, answers=1)
        keep_sizes(self, last=self.first)

    @property
    def steps(self) -> slice:
        """The rows of x that are read: x[t − 1] is x_t."""
        return slice(self.first - 1, self.last)

    @property
    def answering(self) -> slice:
        """The rows of the targets whose losses are sent back."""
        return slice(self.last - self.answers, self.last)

    @property
    def arity(self) -> Arity:
        """All steps of the window read, the last ones answer."""
        return Arity("window", ALL, slice(-self.answers, None))


def windows(T: int, k1: int, k2: int) -> list[Window]:
    """The windows of a sequence of T steps, in order. One ends every k1 steps, and one at T.

    A window is k2 steps long; near the start it has as many steps as there are.
    Raises ValueError unless 1 ≤ k1 ≤ k2 and T ≥ 1.
    """
    T, k1, k2 = require_size("T", T), require_size("k1", k1), require_size("k2", k2)
    if k2 < k1:
        raise ValueError(f"k2: expected at least k1 = {k1}, so that every loss is sent back, got {k2}")
    starts = range(0, T, k1)
    ends = [min(begin + k1, T) for begin in starts]
    return [Window(max(1, end - k2 + 1), end, end - begin) for begin, end in zip(starts, ends, strict=True)]


def truncated_gradients(
    cell: Cell,
    weights: Arrays,
    x: Array,
    targets: Array,
    k1: int,
    k2: int,
    initial: Array | Arrays | None = None,
    loss: Loss = cross_entropy,
) -> tuple[float, dict[str, Array]]:
    """Loss and gradients of TBPTT(k1, k2), summed over the windows, weights held fixed (equation eq-truncated).

    Arguments as for `loss_and_gradients`; every step answers, so that targets has one row a step.
    Returns the loss, which is that of the whole sequence (only gradients are cut, states are not), and the truncated
    gradient under each weight's name. With k2 ≥ T it is the full gradient. Raises ValueError as `windows` does, and for
    arrays that do not fit.
    """
    x, targets = _a_target_a_step(x, targets)
    _, tape = forward(cell, without_readout(cell, weights), x, initial)
    total = 0.0
    sums: dict[str, Array] = {}
    for window in windows(len(x), k1, k2):
        value, gradients, _ = _run(cell, weights, x, targets, window, _state(tape, window.first - 1), loss)
        total += value
        sums = {name: sums[name] + gradients[name] if sums else gradients[name] for name in weights}
    return total, sums


@dataclass(frozen=True)
class Update:
    """What one window did: loss and gradients under the weights before it; the weights and the optimiser after it."""

    window: Window
    loss: float
    gradients: Arrays
    weights: dict[str, Array]
    optimiser: Optimiser


def truncated_training(
    cell: Cell,
    weights: Arrays,
    x: Array,
    targets: Array,
    k1: int,
    k2: int,
    optimiser: Optimiser,
    initial: Array | Arrays | None = None,
    loss: Loss = cross_entropy,
) -> Iterator[Update]:
    """Walk once through a sequence and change the weights after every window: one `Update` a window.

    With k2 > k1 windows overlap. A window starts from the state that an earlier window, with older weights, left at its
    first step, and runs all its k2 steps again with the present weights; its gradient is therefore exact for the window
    and its starting state. (Keeping the k2 − k1 old steps instead would mix slopes of old weights with new ones.)
    Arguments and errors as for `truncated_gradients`; errors are raised when the first window is asked for.
    """
    x, targets = _a_target_a_step(x, targets)
    plan, state = windows(len(x), k1, k2), initial
    for window, following in zip(plan, [*plan[1:], None], strict=True):
        value, gradients, tape = _run(cell, weights, x, targets, window, state, loss)
        if following is not None:
            state = _state(tape, following.first - window.first)
        new, optimiser = optimiser.step(weights, gradients)
        yield Update(window, value, {name: gradients[name] for name in weights}, new, optimiser)
        weights = new


def _run(
    cell: Cell,
    weights: Arrays,
    x: Array,
    targets: Array,
    window: Window,
    initial: Array | Arrays | None,
    loss: Loss,
) -> tuple[float, dict[str, Array], Tape]:
    inputs, answers = x[window.steps], targets[window.answering]
    return loss_and_gradients(cell, weights, inputs, answers, initial, window.arity, loss)


def _state(tape: Tape, t: int) -> dict[str, Array]:
    """All state vectors after t steps of the tape: constants, from which no gradient returns."""
    return {name: tape[name][t] for name in tape.cell.state}


def _a_target_a_step(x: Array, targets: Array) -> tuple[Array, Array]:
    x, targets = as_array("x", x), as_array("targets", targets)
    if x.ndim < 2:
        raise ValueError(f"x: expected shape (T, B, I), or (T, B) for tokens, got {x.shape}")
    require_shape("targets", targets, (len(x), *"BO"[: max(targets.ndim - 1, 1)]))
    return x, targets
