"""Weights as text come back, in half precision, each under its name."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from companion.page.packed import packed, unpacked

SHAPES = {"W": (2, 3), "b": (3,), "c": ()}


@given(seed=st.integers(0, 2**32 - 1))
def test_weights_come_back_rounded_to_half_precision(seed):
    rng = np.random.default_rng(seed)
    weights = {name: np.asarray(rng.normal(size=shape)) for name, shape in SHAPES.items()}
    again = unpacked(packed(weights), SHAPES)
    assert list(again) == list(SHAPES)
    for name, w in weights.items():
        assert again[name].shape == w.shape and again[name].dtype == np.float64
        np.testing.assert_array_equal(again[name], w.astype(np.float16))


def test_a_text_says_its_numbers_byte_by_byte():
    assert packed({"w": np.array([1.0, -2.0])}) == "ADwAwA=="  # 0x3c00, 0xc000, the low byte first


def test_what_cannot_be_kept_is_refused():
    with pytest.raises(ValueError, match=r"weights: expected finite numbers up to 65504\.0, got 70000\.0"):
        packed({"w": np.array([1.0, 7e4])})
    with pytest.raises(ValueError, match="text: expected 10 numbers, got 2"):
        unpacked("ADwAwA==", SHAPES)
