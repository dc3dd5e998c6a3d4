"""What a wiring says: names and shapes of weights, and what each of them multiplies."""

import numpy as np
import pytest

from companion.core.cell import Source, parsed, rows_of, weight_name, weight_shapes
from companion.gates.cells import GRU, LSTM, GRUResetBefore, PeepholeLSTM


@pytest.mark.parametrize(
    ("source", "parts", "known"),
    [
        ("x", ("x", False, ""), True),
        ("h_before", ("h", True, ""), True),
        ("h", ("h", False, ""), False),
        ("r*h_before", ("h", True, "r"), False),
        ("p*c_before", ("c", True, "p"), True),
        ("p*c", ("c", False, "p"), False),
    ],
)
def test_a_source_is_a_vector_a_time_and_a_factor(source, parts, known):
    assert parsed(source) == Source(*parts)
    assert parsed(source).known == known


@pytest.mark.parametrize(
    ("source", "k", "name"),
    [
        ("x", "i", "W_xi"), ("h_before", "h", "W_hh"), ("h_before", "hn", "W_hn"), ("r*h_before", "n", "W_hn"),
        ("p*c_before", "f", "p_f"), ("p*c", "o", "p_o"), ("y_before", "h", "W_yh"),
    ],
)  # fmt: skip
def test_a_weight_is_named_by_where_it_leads_from_and_to(source, k, name):
    assert weight_name(source, k) == name


def test_shapes_follow_the_sizes():
    shapes = weight_shapes(PeepholeLSTM(2, 3))
    assert shapes["W_xi"] == (3, 2) and shapes["W_ho"] == (3, 3) and shapes["p_f"] == shapes["b_g"] == (3,)
    assert len(weight_shapes(LSTM(2, 3))) == 12
    assert weight_shapes(GRU(2, 3))["b_hn"] == (3,) and "b_hn" not in weight_shapes(GRUResetBefore(2, 3))


def test_the_shapes_one_gets_are_ones_own():
    weight_shapes(LSTM(2, 3))["W_xi"] = (1, 1)
    assert weight_shapes(LSTM(2, 3))["W_xi"] == (3, 2)


def test_rows_are_those_that_the_weight_multiplied():
    rng = np.random.default_rng(0)
    x, kept = rng.normal(size=(4, 2, 3)), {"h": rng.normal(size=(5, 2, 3)), "r": rng.normal(size=(5, 2, 3))}
    np.testing.assert_array_equal(rows_of("x", x, kept), x)
    np.testing.assert_array_equal(rows_of("h_before", x, kept), kept["h"][:4])
    np.testing.assert_array_equal(rows_of("p*h", x, kept), kept["h"][1:])
    np.testing.assert_array_equal(rows_of("r*h_before", x, kept), kept["r"][1:] * kept["h"][:4])
