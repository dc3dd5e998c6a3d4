"""Networks whose weights are set by hand: what a cell can do, apart from whether training finds it.

Chapter "Long short-term memory". A counter for aⁿbⁿ (the task in anbn.py), and two latches, which store a bit and
hold it. Saturation stands for exactness: a gate that should be 1 is σ(30), which falls short by 9.4e-14.
"""

from __future__ import annotations

import numpy as np

from companion.core.cell import weight_shapes
from companion.core.validation import Array, require_array, require_size
from companion.gates.cells import LSTM
from companion.rnn.cells import Elman

OPEN = 30.0  # pre-activation of a gate that should be 1; −OPEN of one that should be 0
FULL = 20.0  # pre-activation of a tanh that should be ±1
LOOP = 3.0  # self-weight of the Elman latch; anything above 1 has two stable states


def counter() -> tuple[LSTM, dict[str, Array]]:
    """An LSTM with one unit that predicts S aⁿ bⁿ S, and its readout; tokens S, a, b as in anbn.py.

    The cell holds c_t = (number of a's) − (number of b's) − 1/2. Column by column, what a symbol does:

                 S       a       b
        i_t      1/2     1       1         W_xi = [0, 30, 30]
        f_t      0       1       1         W_xf = [−30, 30, 30]     S forgets what was before
        g_t      −1      1       −1        W_xg = [−20, 20, −20]
        o_t      0       1       1         W_xo = [−30, 30, 30]     S shows nothing
        c_t      −1/2    c + 1   c − 1
        h_t      0       tanh(c_t)

    All W_hk and b_k are 0: the count needs no feedback, because the cell keeps its own value. After S, h_t = 0; while
    b's are due, c_t ≥ 1/2 and h_t ≥ tanh(1/2) = 0.46; after the last b, c_t = −1/2 and h_t = −0.46. The logits

        S: −4 h_t        a: 1        b: 4 h_t          W_hy = [−4, 0, 4]ᵀ, b_y = [0, 1, 0]

    put a first in the first case, b before a before S in the second (after an a, both are legal), S in the third.
    """
    cell = LSTM(3, 1)
    weights = {name: np.zeros(shape) for name, shape in weight_shapes(cell).items()}
    weights |= {
        "W_xi": np.array([[0.0, OPEN, OPEN]]),
        "W_xf": np.array([[-OPEN, OPEN, OPEN]]),
        "W_xg": np.array([[-FULL, FULL, -FULL]]),
        "W_xo": np.array([[-OPEN, OPEN, OPEN]]),
        "W_hy": np.array([[-4.0], [0.0], [4.0]]),
        "b_y": np.array([0.0, 1.0, 0.0]),
    }
    return cell, weights


def counter_error_bound(n: int) -> float:
    """How far the cell of `counter` can be from the exact count anywhere in S aⁿ bⁿ.

    Let ε = 1 − σ(30) and γ = 1 − tanh(20) be what saturation lacks, and e_t the error. In c_t = f_t c_{t-1} + i_t g_t
    the forget gate loses ε |c_{t-1}| ≤ ε n of the count, and i_t g_t lacks at most ε + γ, so that

        |e_t| ≤ |e_{t-1}| + ε (n + 1) + γ,             2n + 1 steps, and e_0 = 0.

    In floating point each step also rounds a product and a sum of size ≤ n + 1: 2 · 2⁻⁵³ (n + 1) more, and a unit in
    the last place for σ and tanh each, 2⁻⁵² (n + 1) and 2⁻⁵². For n = 1000 all that is 2e-7, and decisions change
    where |h_t| falls below 1/4: |c_t| = 0.2554, an error of 0.2446. Raises ValueError for n < 1.
    """
    n = require_size("n", n)
    unit = 2.0**-52
    epsilon, gamma = np.exp(-OPEN), 2 * np.exp(-2 * FULL)  # 1 − σ(a) < e^−a and 1 − tanh(a) < 2 e^−2a
    return float((2 * n + 1) * ((epsilon + 2 * unit) * (n + 1) + gamma + unit))


def latch_input(bits: Array, distractors: Array) -> Array:
    """What the latches read, (T, B, 2): entry 0 says "store now" (1, otherwise 0), entry 1 is a value.

    bits         (B,), −1 or 1: the values of the first step, which are to be stored
    distractors  (T − 1, B), from −1 to 1: the values of the other steps, which are to be ignored
    Raises ValueError for other shapes, other bits and distractors out of range.
    """
    bits = require_array("bits", bits, ("B",))
    distractors = require_array("distractors", distractors, ("T − 1", len(bits)))
    if (np.abs(bits) != 1).any():
        raise ValueError(f"bits: expected −1 or 1, got {bits}")
    if np.abs(distractors).max() > 1:
        raise ValueError(f"distractors: expected values from −1 to 1, got one of size {np.abs(distractors).max()}")
    values = np.concatenate([bits[None], distractors])
    store = np.zeros_like(values)
    store[0] = 1
    return np.stack([store, values], axis=-1)


def lstm_latch() -> tuple[LSTM, dict[str, Array]]:
    """An LSTM with one unit that stores a bit and holds it; the sign of h_t is the bit. Reads `latch_input`.

        i_t = σ(60 s_t − 30)      1 when told to store (s_t = 1), otherwise 0
        f_t = σ(30 − 60 s_t)      the other way round: hold, or make room
        g_t = tanh(v_t)           the value
        o_t = σ(30)               always shown

    so that c_t stays tanh(±1) = ±0.76, and ∂c_t/∂c_{t-1} = f_t = 1 − 9.4e-14: over 10,000 steps the product of the
    slopes is 1 − 9.4e-10. In T steps distractors can change c_t by T · 9.4e-14. The candidate is not saturated, so
    that h_T still has a gradient with respect to the value that was stored. Compare `elman_latch`.
    """
    cell = LSTM(2, 1)
    weights = {name: np.zeros(shape) for name, shape in weight_shapes(cell).items()}
    weights |= {
        "W_xi": np.array([[2 * OPEN, 0.0]]),
        "b_i": np.array([-OPEN]),
        "W_xf": np.array([[-2 * OPEN, 0.0]]),
        "b_f": np.array([OPEN]),
        "W_xg": np.array([[0.0, 1.0]]),
        "b_o": np.array([OPEN]),
    }
    return cell, weights


def elman_latch() -> tuple[Elman, dict[str, Array]]:
    """An Elman network with three units that stores and holds a bit as well; the sign of unit 2 is the bit.

        h_0 = tanh(40 (s_t + v_t − 3/2))          1 for "store a 1", otherwise −1
        h_1 = tanh(40 (s_t − v_t − 3/2))          1 for "store a −1", otherwise −1
        h_2 = tanh(3 h_2 + 3 (h_0 − h_1))         all of the step before; 0, 1, 2 number units here

    An input can act only as a summand, hence two units that find out whether to store, and the bit is in unit 2 a step
    later. Its self-weight 3 gives two stable states, ±0.995, the solutions of h = tanh(3 h). What the sum is pushed by
    while nothing is stored is squashed away at each step, and so is the gradient: the loop's slope is
    3 (1 − 0.995²) = 0.03 a step, where the LSTM's is 1. Both networks remember; in this one no later loss can say
    so to the step that stored.
    """
    cell = Elman(2, 3)
    sharp = 2 * FULL
    weights = {
        "W_xh": np.array([[sharp, sharp], [sharp, -sharp], [0.0, 0.0]]),
        "W_hh": np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [LOOP, -LOOP, LOOP]]),
        "b_h": np.array([-1.5 * sharp, -1.5 * sharp, 0.0]),
    }
    return cell, weights


def loop_slope() -> float:
    """Slope of the Elman latch's loop where it rests: 3 (1 − h²) at the fixed point h = tanh(3 h)."""
    h = 1.0
    for _ in range(50):  # each step leaves 3 % of the distance
        h = float(np.tanh(LOOP * h))
    return LOOP * (1 - h * h)
