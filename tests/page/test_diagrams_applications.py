"""One answer is read from all states, and every path through the lattice is a labelling."""

import pytest
from drawn import crossed, sticking_out
from hypothesis import given
from hypothesis import strategies as st

from companion.page import diagrams_applications as applications
from companion.page.drawing import draw, figure


def targets(diagram, source):
    return {edge.target for edge in diagram.edges if edge.source == source}


@given(T=st.integers(1, 6))
def test_every_word_reaches_the_one_answer_and_every_state_enters_z(T):
    diagram = applications.pooled(["word"] * T)
    assert {edge.source for edge in diagram.edges if edge.target == "z"} == {f"h{t}" for t in range(1, T + 1)}
    assert all("y" in diagram.reaches(f"x{t}") for t in range(1, T + 1))
    assert targets(diagram, "z") == {"y"} and not targets(diagram, "y")


@given(T=st.integers(1, 5), labels=st.lists(st.sampled_from("ABC"), min_size=1, max_size=3))
def test_a_path_through_the_lattice_goes_from_any_label_to_any_other(T, labels):
    diagram = applications.lattice(T, labels)
    every = range(len(labels))
    assert len(diagram.nodes) == T * len(labels)
    for k in every:
        assert targets(diagram, f"{k},1") == ({f"{j},2" for j in every} if T > 1 else set())
    assert [node.text for node in diagram.nodes[: len(labels)]] == labels
    heights = [node.y for node in diagram.nodes[: len(labels)]]
    assert heights == sorted(heights, reverse=True)


def test_what_is_missing_is_named():
    for make in (lambda: applications.pooled([]), lambda: applications.lattice(3, [])):
        with pytest.raises(ValueError, match="^the number of .*: expected a whole number of at least 1, got 0"):
            make()


def test_the_drawings_of_the_chapters_have_room():
    for diagram in (applications.pooled("the film is not good".split()), applications.lattice(4, "BIO")):
        fig, (axes,) = figure(6.6, 3.6)
        draw(diagram, axes)
        assert not sticking_out(axes) and not crossed(diagram)
