"""companion: the executable half of Unrolled, an open course on recurrent neural networks.

Importing it needs NumPy only. Drawing needs matplotlib and imports it where it is used.
"""

from companion.core.cell import weight_shapes
from companion.core.functions import cross_entropy, log_softmax, one_hot, relu, sigmoid, softmax
from companion.core.layers import Directions, backward_both, backward_stack, forward_both, forward_stack
from companion.core.networks import (
    MANY_TO_MANY,
    MANY_TO_ONE,
    ONE_TO_MANY,
    ONE_TO_ONE,
    initial_weights,
    loss_and_gradients,
    network_shapes,
    readout,
    readout_gradients,
    readout_shapes,
    run_network,
)
from companion.core.recurrent import backward, deltas, forward
from companion.gates.cells import GRU, LSTM
from companion.rnn.cells import Elman, Jordan

__all__ = [
    "GRU",
    "LSTM",
    "MANY_TO_MANY",
    "MANY_TO_ONE",
    "ONE_TO_MANY",
    "ONE_TO_ONE",
    "Directions",
    "Elman",
    "Jordan",
    "backward",
    "backward_both",
    "backward_stack",
    "cross_entropy",
    "deltas",
    "forward",
    "forward_both",
    "forward_stack",
    "initial_weights",
    "log_softmax",
    "loss_and_gradients",
    "network_shapes",
    "one_hot",
    "readout",
    "readout_gradients",
    "readout_shapes",
    "relu",
    "run_network",
    "sigmoid",
    "softmax",
    "weight_shapes",
]

__version__ = "0.1.0"
