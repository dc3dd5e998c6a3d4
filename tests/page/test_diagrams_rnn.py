"""The diagrams of the first part show what each model reads, and each number beside the box whose it is."""

import numpy as np
import pytest
from drawn import crossed, sticking_out, texts
from hypothesis import given
from hypothesis import strategies as st

from companion.page.diagrams_rnn import END, draw_forward_values, ngram_prediction, recurrent_prediction, spelling
from companion.page.drawing import draw, figure


def row(diagram, letter):
    """The texts of the nodes x1, x2, … (or y1, …), from left to right."""
    return [node.text for node in sorted(diagram.nodes, key=lambda node: node.x) if node.name[0] == letter]


def readers(diagram, words):
    return {f"w{t}" for t in range(1, words + 1) if "p" in diagram.reaches(f"w{t}")}


@given(st.text("abcdefgh", min_size=1, max_size=8))
def test_a_spelling_reads_the_word_and_predicts_the_letter_after_each(word):
    diagram = spelling(word)
    assert "".join(row(diagram, "x")) == word
    assert "".join(row(diagram, "y")) == word[1:] + END
    assert f"y{len(word)}" in diagram.reaches("x1")


@given(st.integers(1, 6), st.integers(5, 12))
def test_an_ngram_model_reads_the_last_words_only_and_a_recurrent_network_all(n, words):
    assert readers(ngram_prediction(n, words), words) == {f"w{t}" for t in range(words - n + 2, words + 1)}
    assert readers(recurrent_prediction(words), words) == {f"w{t}" for t in range(1, words + 1)}


@pytest.mark.parametrize("make", [lambda words: ngram_prediction(3, words), recurrent_prediction])
def test_the_prediction_is_that_of_the_word_after_the_last(make):
    assert row(make(12), "p") == ["$p_{13}$"]
    assert row(make(12), "w")[-1] == "$w_{12}$"


def pass_of(steps):
    x = np.arange(3 * steps).reshape(steps, 3)
    h = np.arange(2 * steps + 2).reshape(steps + 1, 2) / 8
    y = -np.arange(3 * steps).reshape(steps, 3) / 16
    return x, h, y


@pytest.mark.parametrize("steps", [1, 3])
def test_each_number_of_a_forward_pass_stands_left_of_its_box(steps):
    x, h, y = pass_of(steps)
    _, (axes,) = figure(7.6, 3.8)
    diagram = draw_forward_values(axes, x, h, y)
    place = {node.name: node for node in diagram.nodes}
    beside = {text.get_text(): text for text in axes.texts}
    for name, rows, digits in (("x", x, 0), ("y", y, 3)):
        for t, values in enumerate(rows, 1):
            written = beside["\n".join(f"{value:.{digits}f}" for value in values)]
            assert written.get_position()[0] < place[f"{name}{t}"].x - 0.2
            assert written.get_position()[1] == place[f"{name}{t}"].y
    for t, values in enumerate(h):  # a little higher: an arrow enters a state from the left
        across, up = beside["\n".join(f"{value:.3f}" for value in values)].get_position()
        assert across < place[f"h{t}"].x - 0.2 and 0 < up - place[f"h{t}"].y < 0.5


def test_nothing_sticks_out_or_crosses_a_box():
    for diagram in (spelling("unroll"), ngram_prediction(3, 6), recurrent_prediction(6)):
        _, (axes,) = figure(6, 3)
        draw(diagram, axes)
        assert sticking_out(axes) == [] and crossed(diagram) == []
        assert set(texts(axes)) >= {node.text for node in diagram.nodes}
    _, (axes,) = figure(7.6, 3.8)
    draw_forward_values(axes, *pass_of(3))
    assert sticking_out(axes) == []


def test_bad_input_is_named():
    x, h, y = pass_of(3)
    _, (axes,) = figure()
    with pytest.raises(ValueError, match=r"h: expected shape \(4, H\), got \(3, 2\)"):
        draw_forward_values(axes, x, h[1:], y)
    with pytest.raises(ValueError, match=r"y: expected shape \(3, O\), got \(2, 3\)"):
        draw_forward_values(axes, x, h, y[1:])
    with pytest.raises(ValueError, match="word: expected at least one letter, got ''"):
        spelling("")
    with pytest.raises(ValueError, match="words: expected a whole number of at least 3, got 2"):
        ngram_prediction(4, 2)
