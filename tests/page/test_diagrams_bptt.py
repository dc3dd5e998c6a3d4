"""The diagrams of backpropagation through time: which way each arrow goes, and each number beside its box."""

import numpy as np
import pytest
from drawn import crossed, sticking_out, texts
from hypothesis import given
from hypothesis import strategies as st

from companion.page.diagrams_bptt import (
    draw_backward_values,
    only_forwards,
    there_and_back,
    two_paths_from_one_weight,
)
from companion.page.drawing import draw, figure


def between(diagram, a, b):
    """How many arrows lead from a node that begins with `a` to one that begins with `b`."""
    return sum(edge.source[0] == a and edge.target[0] == b for edge in diagram.edges)


def test_two_paths_lead_from_the_weight_to_the_loss():
    paths = two_paths_from_one_weight()
    arrows = {(edge.source, edge.target): edge.label for edge in paths.edges}
    assert arrows == {
        ("w", "h1"): "times $h_0$",
        ("w", "h2"): "times $h_1$",
        ("h1", "h2"): "times $w$",
        ("h2", "L"): "",
    }


@given(st.integers(1, 12), st.data())
def test_bptt_goes_there_and_back_and_rtrl_only_forwards(steps, data):
    t = data.draw(st.integers(1, steps))
    back, ahead = there_and_back(steps), only_forwards(steps)
    assert back.reaches(f"g{t}") == {f"g{s}" for s in range(1, t)}
    assert ahead.reaches(f"g{t}") == {f"g{s}" for s in range(t + 1, steps + 1)}
    for diagram in (back, ahead):
        assert {f"h{s}" for s in range(t + 1, steps + 1)} <= diagram.reaches(f"h{t}")
        assert between(diagram, "h", "g") == between(diagram, "h", "h") == steps
    assert "g0" not in {node.name for node in back.nodes} and "g1" in ahead.reaches("g0")


def pass_of(steps):
    dlogits = np.linspace(-0.9, 0.8, 3 * steps).reshape(steps, 3)
    da = np.linspace(-0.5, 0.6, 2 * steps + 2).reshape(steps + 1, 2)
    slopes = np.linspace(0.1, 0.99, 2 * steps + 2).reshape(steps + 1, 2)
    return dlogits, da, slopes


@pytest.mark.parametrize("steps", [1, 3])
def test_each_number_of_a_backward_pass_stands_beside_its_box(steps):
    dlogits, da, slopes = pass_of(steps)
    _, (axes,) = figure(6.4, 2.7)
    flow = draw_backward_values(axes, dlogits, da, slopes)
    place = {node.name: node for node in flow.nodes}
    beside = {text.get_text(): text.get_position() for text in axes.texts}
    for t in range(1, steps + 1):
        output = beside["\n".join(f"{value:.4f}" for value in dlogits[t - 1])]
        delta = beside["\n".join(f"{value:.4f}" for value in da[t])]
        slope = beside["\n".join(f"({value:.4f})" for value in slopes[t])]
        assert output[1] == place[f"y{t}"].y and output[0] < place[f"y{t}"].x - 0.2
        assert delta[1] == slope[1] < place[f"h{t}"].y - 0.2
        assert delta[0] < place[f"h{t}"].x < slope[0]


def test_a_backward_pass_runs_from_the_last_step_to_the_first():
    _, (axes,) = figure()
    flow = draw_backward_values(axes, *pass_of(5))
    for t in range(1, 6):
        assert flow.reaches(f"y{t}") == {f"h{s}" for s in range(1, t + 1)}


def test_a_small_negative_number_is_written_without_its_sign():
    dlogits, da, slopes = pass_of(1)
    da[1] = -0.00004, -0.00006
    _, (axes,) = figure()
    draw_backward_values(axes, dlogits, da, slopes)
    assert "0.0000\n-0.0001" in texts(axes)


def test_nothing_sticks_out_or_crosses_a_box():
    for diagram in (two_paths_from_one_weight(), there_and_back(3), only_forwards(3)):
        _, (axes,) = figure(5, 2)
        draw(diagram, axes)
        assert sticking_out(axes) == [] and crossed(diagram) == []
        assert set(texts(axes)) >= {node.text for node in diagram.nodes}
    _, (axes,) = figure(6.4, 2.7)
    draw_backward_values(axes, *pass_of(3))
    assert sticking_out(axes) == []


def test_bad_input_is_named():
    dlogits, da, slopes = pass_of(3)
    _, (axes,) = figure()
    with pytest.raises(ValueError, match=r"da: expected shape \(4, H\), got \(3, 2\)"):
        draw_backward_values(axes, dlogits, da[1:], slopes)
    with pytest.raises(ValueError, match=r"slopes: expected shape \(4, 2\), got \(3, 2\)"):
        draw_backward_values(axes, dlogits, da, slopes[1:])
    with pytest.raises(ValueError, match="steps: expected a whole number of at least 1, got 0"):
        there_and_back(0)
    with pytest.raises(ValueError, match="steps: expected a whole number of at least 1, got 0"):
        only_forwards(0)
