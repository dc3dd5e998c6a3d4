"""A figure with knobs: every frame is what its function gave, in numbers that do not depend on the processor."""

import json
import re

import bs4
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from companion.page.drawing import INK, VERMILLION, Diagram, Edge, Node
from companion.page.moving import (
    Arrows,
    Axis,
    Dots,
    Heat,
    Knob,
    Line,
    MovingFigure,
    Network,
    Panel,
    Trace,
    power_of_ten,
)
from companion.page.panels import LEFT, RIGHT, WIDTH, label

ACROSS = WIDTH - LEFT - RIGHT
SQUARE = {"x": Axis("x", 0, 1), "y": Axis("y", 0, 1), "height": ACROSS // 10}
PAIR = Diagram(
    (Node("a", r"$\delta_{1}$", 0, 0, "state"), Node("b", "$b$", 1, 0, "output")),
    (Edge("a", "b"),),
)


def one(mark, values, **panel):
    """A figure that shows these values at any setting of its knob."""
    knob = Knob("k", [0, 1], start=0)
    return MovingFigure("Alt.", [knob], [Panel([mark], **(panel or SQUARE))], lambda k: ({mark.name: values}, "Told."))


def data(figure):
    found = re.search(r'<script type="application/json">(.*?)</script>', figure._repr_html_(), re.DOTALL)
    return json.loads(found[1])


def soup(figure):
    return bs4.BeautifulSoup(figure._repr_html_(), "html.parser")


def drawn(figure):
    return soup(figure).select_one("[data-mark]")


def test_a_line_goes_from_corner_to_corner():
    assert drawn(one(Line("l", VERMILLION, x=[0, 1]), [0, 1]))["d"] == f"M0 {ACROSS}L{ACROSS} 0"


def test_the_pen_is_up_where_a_number_is_missing_and_between_lines():
    d = drawn(one(Line("l", VERMILLION, x=[0, 0.5, 1]), [[0, np.nan, 1], [1, 1, 1]]))["d"]
    assert d == f"M0 {ACROSS}M{ACROSS} 0M0 0L{ACROSS // 2} 0L{ACROSS} 0"


def test_dots_are_lines_of_no_length_and_a_trace_joins_them():
    corners = [[0, 0], [1, 1]]
    assert drawn(one(Dots("p", INK), corners))["d"] == f"M0 {ACROSS}L0 {ACROSS}M{ACROSS} 0L{ACROSS} 0"
    assert drawn(one(Trace("p", INK), corners))["d"] == f"M0 {ACROSS}L{ACROSS} 0"


def test_an_arrow_has_its_head_at_its_head():
    strokes = drawn(one(Arrows("p", INK), [[[0, 0], [1, 0]]]))["d"].split("M")[1:]
    assert strokes[0].startswith(f"0 {ACROSS}L{ACROSS} {ACROSS}")
    barbs = np.array(re.findall(r"(\d+) (\d+)", strokes[0]), int)[[2, 4]]
    assert (barbs[:, 0] < ACROSS).all() and barbs[0, 1] + barbs[1, 1] == pytest.approx(2 * ACROSS, abs=1)


def test_what_lies_outside_the_axes_is_not_drawn_at_their_edge():
    assert drawn(one(Line("l", VERMILLION, x=[0, 1]), [0, 3]))["d"] == f"M0 {ACROSS}L{ACROSS} {-2 * ACROSS}"


def test_a_heat_map_starts_at_the_bottom_and_has_a_colour_for_either_sign():
    boxes = drawn(one(Heat("h"), [[0.5, 0], [0, -1]])).select("rect")
    assert [box["opacity"] for box in boxes] == ["0.5", "0", "0", "1"]
    assert int(boxes[0]["y"]) > int(boxes[2]["y"])
    assert boxes[0]["fill"] != boxes[3]["fill"]


def test_a_network_fills_its_boxes_and_lights_the_arrows_between_them():
    figure = MovingFigure(
        "Alt.",
        [Knob("n", [0, 1, 2], start=1)],
        [Panel([Network("net", PAIR)])],
        lambda n: ({"net": {name: (1, f"{name}!") for name in "ab"[:n]}}, "Told."),
    )
    lit, filled, words = data(figure)["marks"]
    assert lit["share"]["frames"] == [[0], [0], [100]]
    assert filled["share"]["frames"] == [[0, 0], [100, 0], [100, 100]]
    assert words["text"]["frames"] == [["", ""], ["a!", ""], ["a!", "b!"]]
    assert [text.get_text() for text in soup(figure).select("text")] == ["δ1", "b", "a!", ""]


def test_frames_are_stored_for_the_knobs_on_which_a_mark_depends():
    knobs = [Knob("a", [0, 1, 2], start=0), Knob("b", [0, 1], start=0), Knob("c", [0, 5], start=5)]
    marks = [Line("both", VERMILLION), Line("b alone", VERMILLION), Line("none", VERMILLION)]
    axes = {"x": Axis("x", 0, 1), "y": Axis("y", 0, ACROSS), "height": ACROSS // 10}

    def frame(a, b, c):
        return {"both": [10 * a + c, 0], "b alone": [b, 0], "none": [1, 0]}, f"{b}"

    found = data(MovingFigure("Alt.", knobs, [Panel(marks, **axes)], frame))
    assert [mark["y"]["over"] for mark in found["marks"]] == [[0, 2], [1], []]
    assert [len(mark["y"]["frames"]) for mark in found["marks"]] == [6, 2, 1]
    assert found["marks"][1]["y"]["frames"] == [[ACROSS, ACROSS], [ACROSS - 1, ACROSS]]
    assert [mark["x"]["over"] for mark in found["marks"]] == [[], [], []]
    assert found["told"] == {"over": [1], "frames": [["0"], ["1"]]}
    assert [knob["start"] for knob in found["knobs"]] == [0, 0, 1]


@given(st.integers(-ACROSS, 2 * ACROSS), st.floats(-1e-9, 1e-9))
def test_another_processors_rounding_moves_nothing(halves, error):
    """Values half-way between two places are the ones that rounding could move."""
    exact = drawn(one(Line("l", INK, x=[0, 1]), [0, (halves + 0.5) / ACROSS]))["d"]
    assert drawn(one(Line("l", INK, x=[0, 1]), [0, (halves + 0.5 + error) / ACROSS]))["d"] == exact


def test_it_is_the_same_every_time_and_asks_for_nothing():
    figure = one(Line("l", VERMILLION, x=[0, 1]), [0, 1])
    assert figure._repr_html_() == figure._repr_html_()
    assert not re.search(r"https?:|src=|href=|@import|url\(", figure._repr_html_())


def test_words_are_text_and_end_no_script():
    words = "</script><b>&"
    figure = MovingFigure(
        words,
        [Knob("k", [0], start=0, label=words, shown=[words])],
        [Panel([Line("<i>", VERMILLION, x=[0, 1])], Axis("<u>", 0, 1, {0: "<s>"}), Axis("y", 0, 1))],
        lambda k: ({"<i>": [0, 1]}, words),
    )
    page = soup(figure)
    assert page.select_one("svg")["aria-label"] == words and page.select_one("p.told").text == words
    assert not page.select("b, i, u, s") and len(page.select("script")) == 2
    assert data(figure)["told"]["frames"] == [[words]] and data(figure)["knobs"][0]["shown"] == [words]


def test_knobs_are_written_with_their_digits_and_a_true_minus():
    assert Knob("k", [-1, 0.5], start=-1).written == ["−1.00", "0.50"]
    assert Knob("k", [-1, 2], start=2, digits=0).written == ["−1", "2"]
    assert Knob("k", [1, np.inf], start=1, shown=["1", "none"]).written == ["1", "none"]
    assert Axis("x", -1, 1, (-1, 0.5)).words == {-1: "−1", 0.5: "0.5"}
    assert power_of_ten(-12) == "10⁻¹²"


def test_a_label_on_the_axis_leaves_the_ticks_alone():
    beside = one(Line("l", INK, x=[0, 1]), [0, 1], x=Axis("t", 0, 1, (0,)), y=Axis("y", 0, 1))
    below = one(Line("l", INK, x=[0, 1]), [0, 1], x=Axis("t", 0, 1, (0, 1)), y=Axis("y", 0, 1))
    rows = [{t.text: int(t["y"]) for t in soup(figure).select("text")} for figure in (beside, below)]
    assert rows[0]["t"] == rows[0]["0"] and rows[1]["t"] > rows[1]["1"]


def test_names_that_have_no_room_go_to_a_row_of_their_own():
    names = ["a rather long name", "another that is long", "and the last of them"]
    panel = Panel([Line(name, INK, x=[0, 1]) for name in names], Axis("", 0, 1), Axis("", 0, 1))
    figure = MovingFigure("Alt.", [Knob("k", [0], start=0)], [panel], lambda k: (dict.fromkeys(names, [0, 1]), ""))
    rows = [int(text["y"]) for text in soup(figure).select("text")]
    assert rows[0] == rows[1] < rows[2]


def test_indices_of_a_label_stand_high_or_low_and_come_back():
    assert label(r"$\delta^y_{12}$") == (
        '<tspan dy="0">δ</tspan><tspan dy="-45" font-size="95">y</tspan><tspan dy="75" font-size="95">12</tspan>'
    )


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: Knob("k", [0, 1], start=2), "start: expected one of the values of k, got 2"),
        (lambda: Knob("k", [0, 1], start=0, shown=["a"]), "shown: expected 2 texts"),
        (lambda: Axis("x", 1, 1), "high: expected more than low"),
        (lambda: Panel([Line("l", INK)]), "x, y: expected an axis each"),
        (lambda: Panel([Network("n", PAIR), Line("l", INK)]), "a network by itself"),
        (lambda: data(one(Line("l", INK, x=[0, 1]), [0, 1, 2])), r"l: expected \(2,\) or \(k, 2\), got shape \(3,\)"),
        (lambda: data(one(Dots("p", INK), [0, 1])), "p"),
        (lambda: data(one(Arrows("p", INK), [[0, 1], [1, 1]])), "p"),
        (lambda: data(one(Heat("h"), [[1.5]])), "h: expected shares from −1 to 1"),
        (lambda: data(one(Heat("h"), [[np.nan]])), "h: expected shares"),
        (lambda: data(one(Network("n", PAIR), {"c": (1, "")}, height=100)), r"n: expected names of nodes, got \['c'\]"),
        (
            lambda: data(MovingFigure("", [Knob("k", [0], 0)], [Panel([Heat("h")], **SQUARE)], lambda k: ({}, ""))),
            r"frame: expected values for \['h'\], got \[\]",
        ),
        (lambda: data(one(Line("l", INK, x=np.zeros(7000)), np.zeros(7000))), "at most 12000 numbers"),
    ],
)
def test_what_cannot_be_drawn_is_refused(make, why):
    with pytest.raises(ValueError, match=why):
        make()
