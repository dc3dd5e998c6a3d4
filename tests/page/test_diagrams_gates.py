"""The diagrams of gated cells agree with the cells' equations, and every wire ends at what it names."""

import math

import pytest
from drawn import crossed, sticking_out, texts
from hypothesis import given
from hypothesis import strategies as st

from companion.page import diagrams_gates as gates
from companion.page.drawing import draw, figure


def sources(diagram, target):
    return {edge.source for edge in diagram.edges if edge.target == target}


def test_four_cells_read_what_their_equations_read():
    lstm, peephole, coupled, gru = (
        cell() for cell in (gates.lstm_cell, gates.peephole_cell, gates.coupled_cell, gates.gru_cell)
    )
    assert sources(lstm, "c") == sources(peephole, "c") == {"f", "c_before", "i", "g"}
    assert sources(coupled, "c") == {"f", "c_before", "g"}  # 1 − f in the place of i
    assert all(sources(cell, "h") == {"o", "c"} for cell in (lstm, peephole, coupled))
    assert sources(peephole, "f") == sources(peephole, "i") == {"c_before"} and sources(peephole, "o") == {"c"}
    assert not any(sources(lstm, gate) for gate in "figo")
    assert sources(gru, "n") == {"r", "h_before"} and sources(gru, "h") == {"h_before", "z", "n"}


def test_what_belongs_to_the_step_before_says_so_and_is_dashed():
    for cell in (gates.lstm_cell(), gates.gru_cell()):
        before = [node for node in cell.nodes if node.name.endswith("_before")]
        assert [node.text for node in before] in (["$c_{t-1}$"], ["$h_{t-1}$"])
        assert [node for node in cell.nodes if node.kind == "other"] == before


def test_labels_stand_at_the_arrows_that_differ():
    peepholes = {(edge.source, edge.target, edge.label) for edge in gates.peephole_cell().edges if edge.label}
    assert peepholes == {("c_before", "f", "$p_f$"), ("c_before", "i", "$p_i$"), ("c", "o", "$p_o$")}
    assert [(edge.source, edge.label) for edge in gates.coupled_cell().edges if edge.label] == [("f", "$f,1-f$")]


# --- one step as a circuit -------------------------------------------------------------------------------------------

CENTRE = {node.name: (node.x, node.y) for node in gates.CIRCLES}
WIRES = [pytest.param(wire, id=f"{wire.source}-{wire.target}") for wire in gates.CELL_LINE + gates.WIRES]


def on(point, points):
    """Whether a point lies on one of the horizontal or vertical pieces of a line."""
    return any(
        min(x0, x1) <= point[0] <= max(x0, x1) and min(y0, y1) <= point[1] <= max(y0, y1)
        for (x0, y0), (x1, y1) in zip(points, points[1:], strict=False)
    )


@pytest.mark.parametrize("wire", WIRES)
def test_a_wire_leads_from_the_rim_of_its_source_to_the_rim_of_its_target(wire):
    first, last = wire.points[0], wire.points[-1]
    if wire.source in CENTRE:
        assert math.dist(first, CENTRE[wire.source]) == pytest.approx(gates.RADIUS, abs=0.03)
    elif wire.source == "inputs":
        assert on(first, gates.INPUT_LINE)
    elif wire.source == "c":
        assert on(first, gates.CELL_LINE[-1].points)
    else:
        assert wire.source == "c_before" and first[0] == gates.INPUT_LINE[0][0]
    if wire.target in CENTRE:
        assert math.dist(last, CENTRE[wire.target]) == pytest.approx(gates.RADIUS, abs=0.03)
    else:
        assert wire.target in ("c", "h") and last[0] == 8.5


def test_a_step_of_an_lstm_is_its_equations():
    _, (axes,) = figure(6.6, 3.6)
    step = gates.draw_lstm_step(axes)
    assert sources(step, "keep") == {"f", "c_before"}  # f ⊙ c_{t-1}
    assert sources(step, "write") == {"i", "g"}
    assert sources(step, "sum") == {"keep", "write"} and sources(step, "c") == {"sum"}
    assert sources(step, "read") == {"o", "tanh"} and sources(step, "tanh") == {"c"}
    assert sources(step, "h") == {"read"}
    assert all(sources(step, gate) == {"inputs"} for gate in "figo")


def test_a_step_of_an_lstm_is_drawn_whole():
    _, (axes,) = figure(6.6, 3.6)
    step = gates.draw_lstm_step(axes)
    assert sorted(texts(axes)) == sorted(node.text for node in step.nodes)
    assert len(axes.patches) == len(gates.CIRCLES)
    assert [text.get_text() for text in axes.texts].count("") == len(step.edges)  # the heads of the arrows
    assert sticking_out(axes) == []
    outer = {
        "c_before": gates.CELL_LINE[0].points[0],
        "c": gates.CELL_LINE[-1].points[-1],
        "h": gates.WIRES[-1].points[-1],
        "inputs": gates.INPUT_LINE[0],
    }
    assert all(math.dist((node.x, node.y), outer[node.name]) < 0.6 for node in gates.ENDS)


# --- uses, and both directions ---------------------------------------------------------------------------------------


def test_the_cell_is_used_twice_and_the_state_by_the_next_step():
    _, (axes,) = figure(6.2, 3.6)
    uses = gates.draw_lstm_uses(axes)
    assert {edge.target for edge in uses.edges if edge.source == "ct"} == {"ht", "ct+1"}
    assert {edge.target for edge in uses.edges if edge.source == "ht"} == {"lt", "at+1", "ot+1"}
    assert {"step $t$", "step $t+1$"} <= set(texts(axes))
    assert sticking_out(axes) == [] and crossed(uses) == []


@given(st.integers(1, 6), st.data())
def test_an_input_reaches_later_states_forwards_earlier_ones_backwards_and_their_outputs(steps, data):
    t = data.draw(st.integers(1, steps))
    expected = {f"f{s}" for s in range(t, steps + 1)} | {f"b{s}" for s in range(1, t + 1)}
    assert gates.both_directions(steps).reaches(f"x{t}") == expected | {f"y{s}" for s in range(1, steps + 1)}


@pytest.mark.parametrize(
    "diagram",
    [
        gates.lstm_cell(),
        gates.peephole_cell(),
        gates.coupled_cell(),
        gates.gru_cell(),
        gates.both_directions(1),
        gates.both_directions(4),
    ],
)
def test_nothing_sticks_out_or_crosses_a_box(diagram):
    _, (axes,) = figure(6, 4)
    draw(diagram, axes)
    assert sticking_out(axes) == [] and crossed(diagram) == []
    assert set(texts(axes)) >= {node.text for node in diagram.nodes}


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="steps: expected a whole number of at least 1, got 0"):
        gates.both_directions(0)
