"""Drawings are data: the arrows of an unrolled network say what depends on what."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from companion.core.networks import MANY_TO_ONE, ONE_TO_MANY
from companion.page.drawing import Diagram, Edge, Node, draw, feedforward, figure, folded, unrolled


@given(st.integers(1, 6), st.data())
def test_an_input_reaches_the_outputs_from_its_step_on(T, data):
    s = data.draw(st.integers(1, T))
    reached = unrolled(T).reaches(f"x{s}")
    assert reached == {f"h{t}" for t in range(s, T + 1)} | {f"y{t}" for t in range(s, T + 1)}


def test_jordans_network_passes_its_memory_through_the_output_only():
    diagram = unrolled(3, feedback="y")
    assert {(e.source, e.target) for e in diagram.edges if e.source[0] == "y"} == {
        ("y0", "h1"),
        ("y1", "h2"),
        ("y2", "h3"),
    }
    assert not any(e.source[0] == e.target[0] == "h" for e in diagram.edges)


def test_arities_choose_what_is_read_and_answered():
    names = {node.name for node in unrolled(3, MANY_TO_ONE).nodes}
    assert {"x1", "x2", "x3", "y3"} <= names and not {"y1", "y2"} & names
    names = {node.name for node in unrolled(3, ONE_TO_MANY).nodes}
    assert {"x1", "y1", "y2", "y3"} <= names and not {"x2", "x3"} & names


def test_a_stack_has_one_chain_of_states_a_layer():
    edges = {(e.source, e.target) for e in unrolled(2, layers=2).edges}
    assert {("h1_0", "h1_1"), ("h1_1", "h1_2"), ("h2_0", "h2_1"), ("h2_1", "h2_2"), ("h1_2", "h2_2")} <= edges


def test_a_feedforward_network_joins_every_pair_of_neighbouring_units():
    assert len(feedforward([3, 4, 2], "xhy").edges) == 3 * 4 + 4 * 2


def test_folded_networks_copy_what_they_feed_back():
    assert Edge("copy", "h", "$W_{hh}$") in folded("h").edges and Edge("copy", "h", "$W_{yh}$") in folded("y").edges


def test_every_node_and_arrow_is_drawn():
    diagram = unrolled(2)
    fig, axes = figure()
    draw(diagram, axes[0], highlight={"x1"}, title="two steps")
    assert len(axes[0].patches) == len(diagram.nodes) + len(diagram.edges)
    assert {text.get_text() for text in axes[0].texts} >= {node.text for node in diagram.nodes}


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="feedback: expected 'h' or 'y', got 'x'"):
        unrolled(3, feedback="x")
    with pytest.raises(ValueError, match="steps: expected a whole number of at least 1, got 0"):
        unrolled(0)
    with pytest.raises(ValueError, match="edges: expected ends among the nodes, got a → b"):
        Diagram((Node("a", "a", 0, 0, "state"),), (Edge("a", "b"),))
    with pytest.raises(ValueError, match=r"names: expected one a layer \(2\), got 1"):
        feedforward([1, 2], "x")
