"""Pre-activations that share a factor or a function are neighbours in memory."""

from types import MappingProxyType

import numpy as np
import pytest

from companion.core.functions import SIGMOID
from companion.core.order import order
from companion.core.recurrent import forward
from companion.gates.cells import GRU, LSTM, CoupledLSTM, GRUResetBefore, PeepholeLSTM
from companion.rnn.cells import Elman, Jordan


class Between(Elman):
    """Of its three gates the one in the middle reads the input alone."""

    wiring = MappingProxyType({"a": ("x", "h_before"), "b": ("x",), "c": ("x", "h_before")})
    gates = MappingProxyType(dict.fromkeys("abc", SIGMOID))
    sizes = MappingProxyType({"x": 2} | dict.fromkeys("abch", 3))


def test_neighbours_in_memory():
    """What shares a factor lies side by side, and among it the gates with tanh before those with σ."""
    assert order(LSTM(2, 3)).names == ("g", "i", "f", "o")
    assert order(GRU(2, 3)).names == ("n", "r", "z", "hn")
    assert order(PeepholeLSTM(2, 3)).names == ("o", "g", "i", "f")
    assert order(Between(2, 3)).names == ("b", "a", "c")
    assert order(Jordan(2, 3, 4)).names == ("h", "y") and order(Jordan(2, 3, 4)).known == ("h",)
    for kind in (Elman, LSTM, PeepholeLSTM, CoupledLSTM, GRU, GRUResetBefore, Between):
        assert all(len(runs) == 1 for source, runs in order(kind(2, 3)).fed.items() if "*" not in source), kind
    gru = order(GRU(2, 3))
    assert gru.fed["x"] == (("n", "r", "z"),) and gru.fed["h_before"] == (("r", "z", "hn"),)
    assert (
        gru.span(("r", "z", "hn")) == slice(3, 12)
        and gru.span(("r",), B=5) == slice(15, 30)
        and gru.span(gru.names) == slice(0, 12)
    )


class Sizes(Elman):
    """Neighbours of two sizes, and one that is fed nothing among those that are."""

    wiring = MappingProxyType({"a": ("x",), "b": ("x",), "c": ("x",), "d": ("x", "h_before"), "e": ("x", "h_before")})
    gates = MappingProxyType(dict.fromkeys("abcde", SIGMOID))
    sizes = MappingProxyType({"x": 2, "a": 3, "b": 4, "c": 4, "d": 4, "e": 5, "h": 3})


def test_a_run_has_one_size():
    place = order(Sizes(2, 3))
    assert place.fed["x"] == (("a",), ("b", "c", "d"), ("e",)) and place.fed["h_before"] == (("d",), ("e",))


def test_sizes_of_any_integer_type_are_plain_ones_also_for_an_equal_cell_later():
    for kind in (np.int8, np.uint16, np.int64):
        narrow = order(Elman(kind(100), kind(100)))
        assert all(type(size) is int for size in narrow.sizes.values()) and narrow.span(("h",), B=50) == slice(0, 5000)
    assert all(type(size) is int for size in order(Elman(100, 100)).sizes.values())


@pytest.mark.parametrize(
    ("wiring", "gates", "message"),
    [
        (
            {"h": ("x", "h_before", "h")},
            {},
            "wiring: expected a weight for each entry, and no factor of x, got h for h",
        ),
        ({"h": ("p*x",)}, {}, r"wiring: expected a weight for each entry, and no factor of x, got p\*x for h"),
        ({"h": ("p*h_before", "p*c")}, {}, r"wiring: expected a weight for each entry, .* got p\*c for h"),
        ({"a": ("x", "p*c")}, {"a": SIGMOID}, r"gates: expected what is known before the step, got a, fed by x, p\*c"),
    ],
)
def test_a_wiring_that_would_be_misread_is_refused(wiring, gates, message):
    """Two entries with one weight's name, a factor of the input, a gate that waits for what the step computes."""

    class Odd(Elman):
        sizes = MappingProxyType({"x": 3, "h": 3, "a": 3, "c": 3})

    Odd.wiring, Odd.gates = MappingProxyType(wiring), MappingProxyType(gates)
    with pytest.raises(ValueError, match=message):
        forward(Odd(3, 3), {}, np.zeros((2, 1, 3)))
