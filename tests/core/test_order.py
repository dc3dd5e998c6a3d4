"""Pre-activations that share a factor or a function are neighbours in memory."""

from types import MappingProxyType

from companion.core.functions import SIGMOID
from companion.core.order import layout
from companion.gates.cells import GRU, LSTM, CoupledLSTM, GRUResetBefore, PeepholeLSTM
from companion.rnn.cells import Elman, Jordan


class Between(Elman):
    """Of its three gates the one in the middle reads the input alone."""

    wiring = MappingProxyType({"a": ("x", "h_before"), "b": ("x",), "c": ("x", "h_before")})
    gates = MappingProxyType(dict.fromkeys("abc", SIGMOID))
    sizes = MappingProxyType({"x": 2} | dict.fromkeys("abch", 3))


def test_neighbours_in_memory():
    """What shares a factor lies side by side, and among it the gates with tanh before those with σ."""
    assert layout(LSTM(2, 3)).order == ("g", "i", "f", "o")
    assert layout(GRU(2, 3)).order == ("n", "r", "z", "hn")
    assert layout(PeepholeLSTM(2, 3)).order == ("o", "g", "i", "f")
    assert layout(Between(2, 3)).order == ("b", "a", "c")  # no gap among what the state feeds
    assert layout(Jordan(2, 3, 4)).order == ("h", "y") and layout(Jordan(2, 3, 4)).stacked == ("h",)
    for kind in (Elman, LSTM, PeepholeLSTM, CoupledLSTM, GRU, GRUResetBefore, Between):
        fed = layout(kind(2, 3)).fed["x"]  # what x feeds comes first and has no gap
        assert fed.span.start == 0 and fed.group == fed.names, kind
    gru = layout(GRU(2, 3))
    assert gru.fed["x"].group == ("n", "r", "z") and gru.fed["h_before"].group == ("r", "z", "hn")
    assert gru.fed["h_before"].columns == slice(3, 12) and gru.width == 12
