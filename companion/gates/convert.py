"""Weights of companion's cells in the layout of PyTorch and of Keras, and back (chapter "Variants").

All functions take and return mappings from names to arrays and change nothing. PyTorch stacks the gates along the
rows and keeps two biases, one beside each product; Keras stacks them along the columns of transposed matrices. What
has to be known of a layer is the order of its gates:

    PyTorch  nn.RNN h    nn.LSTM i f g o    nn.GRU r z n
    Keras    SimpleRNN h    LSTM i f g o (there called i f c o)    GRU z r n (z r h)

Both libraries' GRU keeps with z, as here. PyTorch's resets after the recurrent product (`GRU`); Keras' does with
reset_after=True, its default, and before the product otherwise (`GRUResetBefore`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from companion.core.cell import Arrays, Cell, weight_shapes
from companion.core.functions import RELU, TANH
from companion.core.validation import (
    Array,
    Shape,
    as_array,
    require_array,
    require_entries,
    require_names,
    require_size,
)
from companion.gates.cells import GRU, LSTM, CoupledLSTM, GRUResetBefore, PeepholeLSTM
from companion.rnn.cells import Elman

if TYPE_CHECKING:
    import torch

TORCH_ORDER: Mapping[type, str] = {Elman: "h", LSTM: "ifgo", GRU: "rzn"}
KERAS_ORDER: Mapping[type, str] = {Elman: "h", LSTM: "ifgo", GRU: "zrn", GRUResetBefore: "zrn"}
REFUSED: Mapping[type, str] = {  # for either library; GRUResetBefore is refused by PyTorch only
    CoupledLSTM: "coupled gates; `uncoupled` gives an LSTM that computes the same",
    PeepholeLSTM: "peepholes; with p_i, p_f and p_o all zero it is an LSTM",
}


def to_torch(cell: Cell, weights: Arrays, layer: int = 0, reverse: bool = False) -> dict[str, Array]:
    """A cell's weights under the names of PyTorch's state_dict, as NumPy arrays of the weights' dtype.

    cell     Elman with tanh or ReLU (nn.RNN), LSTM (nn.LSTM) or GRU (nn.GRU), with n = 1, 4 or 3 gates
    layer, reverse  choose the suffix of the names: _l0, _l1, …, _l0_reverse, …; the dictionaries of the layers and
             directions of one module are joined with `|`
    Returns weight_ih (n H, I), weight_hh (n H, H), bias_ih (n H,) and bias_hh (n H,), with the suffix. Where one bias
    is enough, bias_ih holds it and bias_hh is zero; the GRU's b_hn is the last part of bias_hh.
    Raises ValueError for a cell that PyTorch does not have, wrong shapes, several dtypes and missing or unknown names.
    """
    order = _torch_order(cell)
    w, end = _checked(cell, weights), _suffix(layer, reverse)
    first, second = _two_biases(w, order)
    return {
        f"weight_ih{end}": np.concatenate([w[f"W_x{k}"] for k in order]),
        f"weight_hh{end}": np.concatenate([w[f"W_h{k}"] for k in order]),
        f"bias_ih{end}": first,
        f"bias_hh{end}": second,
    }


def from_torch(cell: Cell, state: Mapping[str, object], layer: int = 0, reverse: bool = False) -> dict[str, Array]:
    """Weights for a cell out of PyTorch's state_dict, of one layer and direction.

    cell   as for `to_torch`; its `inputs` is what this layer reads: from layer 1 on the hidden size of the layer below,
           doubled where that is bidirectional
    state  name → NumPy array or tensor; names of other layers, or of other parts of a model, are not looked at
    The two biases of a gate are added, b_k = bias_ih + bias_hh, but for the GRU's b_n and b_hn: the reset gate stands
    between those.
    Raises ValueError for a cell that PyTorch does not have, for wrong shapes and missing names, for a projected LSTM
    (proj_size), and for another precision than float32 or float64: a state in bfloat16 or half is `.float()`.
    """
    order, end = _torch_order(cell), _suffix(layer, reverse)
    I, H, n = cell.sizes["x"], cell.sizes["h"], len(order)
    if isinstance(state, Mapping) and f"weight_hr{end}" in state:
        raise ValueError(f"state: expected a layer without projection, got weight_hr{end} (proj_size)")
    shapes: dict[str, Shape] = {
        f"weight_ih{end}": (n * H, I),
        f"weight_hh{end}": (n * H, H),
        f"bias_ih{end}": (n * H,),
        f"bias_hh{end}": (n * H,),
    }
    require_entries("state", state, list(shapes))
    W_x, W_h, first, second = (_from_tensor(name, state[name], shape) for name, shape in shapes.items())
    return _taken_apart(cell, order, W_x, W_h, np.stack([first, second]))


def torch_layer(cell: Cell, weights: Arrays) -> torch.nn.RNNBase:
    """The layer of PyTorch (time-major, one layer, one direction) that computes what the cell does, with its weights.

    Raises ValueError as `to_torch` does.
    """
    import torch

    state = {name: torch.from_numpy(array) for name, array in to_torch(cell, weights).items()}
    dtype = next(iter(state.values())).dtype
    I, H = cell.sizes["x"], cell.sizes["h"]
    layer: torch.nn.RNNBase
    if isinstance(cell, Elman):
        layer = torch.nn.RNN(I, H, nonlinearity=cell.activation.name, dtype=dtype)
    else:
        layer = (torch.nn.LSTM if isinstance(cell, LSTM) else torch.nn.GRU)(I, H, dtype=dtype)
    layer.load_state_dict(state)
    return layer


def to_keras(cell: Cell, weights: Arrays) -> dict[str, Array]:
    """A cell's weights in the layout of Keras' SimpleRNN, LSTM or GRU; `list(….values())` is what set_weights takes.

    cell  Elman, LSTM, GRU (reset_after=True) or GRUResetBefore (reset_after=False), with n = 1, 4 or 3 gates
    Returns kernel (I, n H), recurrent_kernel (H, n H) and bias: (n H,), but (2, 3 H) for reset_after=True, whose first
    row stands beside the input's product and whose second beside the state's.
    Raises ValueError for a cell that Keras does not have, wrong shapes and missing or unknown names.
    """
    order = _order(cell, KERAS_ORDER, "Keras")
    w = _checked(cell, weights)
    both = np.stack(_two_biases(w, order))  # (2, n H)
    return {
        "kernel": np.concatenate([w[f"W_x{k}"].T for k in order], axis=1),
        "recurrent_kernel": np.concatenate([w[f"W_h{k}"].T for k in order], axis=1),
        "bias": both if type(cell) is GRU else both[0],
    }


def from_keras(cell: Cell, arrays: Mapping[str, object]) -> dict[str, Array]:
    """Weights for a cell out of Keras' kernel, recurrent_kernel and bias; shapes as `to_keras` gives them.

    Raises ValueError for a cell that Keras does not have, wrong shapes and missing or unknown names. The shape of the
    bias tells the two placements of the reset gate apart.
    """
    order = _order(cell, KERAS_ORDER, "Keras")
    I, H, n = cell.sizes["x"], cell.sizes["h"], len(order)
    require_names("arrays", arrays, ("kernel", "recurrent_kernel", "bias"))
    W_x = require_array("kernel", arrays["kernel"], (I, n * H))
    W_h = require_array("recurrent_kernel", arrays["recurrent_kernel"], (H, n * H))
    placements: dict[type, tuple[type, tuple[int, ...], str]] = {  # cell → the other, its bias' shape, its reset_after
        GRU: (GRUResetBefore, (n * H,), "False"),
        GRUResetBefore: (GRU, (2, n * H), "True"),
    }
    if type(cell) in placements:
        other, shape, reset_after = placements[type(cell)]
        if as_array("bias", arrays["bias"]).shape == shape:
            raise ValueError(
                f"cell: expected {other.__name__}, got {type(cell).__name__}: "
                f"a bias of shape {shape} is that of a Keras GRU with reset_after={reset_after}"
            )
    bias = require_array("bias", arrays["bias"], (2, n * H) if type(cell) is GRU else (n * H,))
    return _taken_apart(cell, order, W_x.T, W_h.T, np.atleast_2d(bias))


def other_update_gate(weights: Arrays) -> dict[str, Array]:
    """GRU weights for the other meaning of the update gate: where z kept the old state it now writes the new, and back.

    1 − σ(a) = σ(−a), so that W_xz, W_hz and b_z change their sign. Weights of Chung et al. (2014), whose z writes, fit
    companion's cells after this; applied twice, it gives the weights back.
    Raises ValueError when one of the three is missing or has another shape.
    """
    return {**weights, **{name: -array for name, array in _of_gate("z", weights).items()}}


def uncoupled(weights: Arrays) -> dict[str, Array]:
    """Weights of an LSTM that computes what a CoupledLSTM does: i = 1 − f = σ(−a_f), so that gate i gets −W_f, −b_f.

    Raises ValueError when a weight of the forget gate is missing or has another shape.
    """
    forget = _of_gate("f", weights)
    return {**weights, **forget, **{name.replace("f", "i"): -array for name, array in forget.items()}}


def _of_gate(k: str, weights: Arrays) -> dict[str, Array]:
    """W_xk (H, I), W_hk (H, H) and b_k (H,), as floating-point numbers: unsigned ones would wrap around under −."""
    names = (f"W_x{k}", f"W_h{k}", f"b_{k}")
    require_entries("weights", weights, names)
    W_x = require_array(names[0], weights[names[0]], ("H", "I"))
    H = len(W_x)
    return {
        names[0]: W_x,
        names[1]: require_array(names[1], weights[names[1]], (H, H)),
        names[2]: require_array(names[2], weights[names[2]], (H,)),
    }


def _order(cell: Cell, orders: Mapping[type, str], library: str) -> str:
    """The library's order of a cell's gates."""
    kind = type(cell)
    if kind in orders:
        return orders[kind]
    known = ", ".join(known.__name__ for known in orders)
    if kind in REFUSED:
        raise ValueError(f"cell: expected one of {known}, got {kind.__name__}; {library} has no {REFUSED[kind]}")
    raise ValueError(f"cell: expected one of {known}, got {cell!r}")


def _torch_order(cell: Cell) -> str:
    if type(cell) is GRUResetBefore:
        raise ValueError(
            "cell: expected Elman, LSTM or GRU, got GRUResetBefore; PyTorch's nn.GRU resets after the recurrent "
            "product, r ⊙ (W_hn h), which is W_hn (r ⊙ h) only where W_hn is diagonal"
        )
    order = _order(cell, TORCH_ORDER, "PyTorch")
    if isinstance(cell, Elman) and cell.activation not in (TANH, RELU):
        raise ValueError(f"cell: expected tanh or relu, as PyTorch's nn.RNN has, got {cell.activation.name}")
    return order


def _suffix(layer: int, reverse: bool) -> str:
    return f"_l{require_size('layer', layer, least=0)}" + ("_reverse" if reverse else "")


def _checked(cell: Cell, weights: Arrays) -> dict[str, Array]:
    shapes = weight_shapes(cell)
    require_names("weights", weights, list(shapes))
    w = {name: require_array(name, weights[name], shape) for name, shape in shapes.items()}
    if len({array.dtype for array in w.values()}) > 1:
        found = ", ".join(f"{name} {array.dtype}" for name, array in w.items())
        raise ValueError(f"weights: expected one dtype, got {found}")
    return w


def _from_tensor(name: str, value: Any, shape: Shape) -> Array:
    """An array, or a tensor on any device."""
    return require_array(name, value.detach().cpu() if hasattr(value, "detach") else value, shape)


def _two_biases(w: Arrays, order: str) -> tuple[Array, Array]:
    """The biases beside the two products, each (n H,): b_k first; second 0, but for b_hn."""
    first = [w[f"b_{k}"] for k in order]
    second = [w.get(f"b_h{k}", np.zeros_like(b)) for k, b in zip(order, first, strict=True)]
    return np.concatenate(first), np.concatenate(second)


def _taken_apart(cell: Cell, order: str, W_x: Array, W_h: Array, biases: Array) -> dict[str, Array]:
    """Weights under companion's names, in the cell's order, out of W_x (n H, I), W_h (n H, H), biases (1 or 2, n H)."""
    H = cell.sizes["h"]
    found = {}
    for place, k in enumerate(order):
        rows = slice(place * H, (place + 1) * H)
        found[f"W_x{k}"], found[f"W_h{k}"] = W_x[rows].copy(), W_h[rows].copy()
        apart = f"b_h{k}" in weight_shapes(cell)
        found[f"b_{k}"] = biases[0, rows].copy() if apart else biases[:, rows].sum(axis=0)
        if apart:
            found[f"b_h{k}"] = biases[1, rows].copy()
    return {name: found[name] for name in weight_shapes(cell)}
