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


@given(longest=st.integers(1, 3), letters=st.sampled_from(["a", "ab", "abc"]))
def test_every_beginning_has_its_place_and_what_has_ended_goes_no_further(longest, letters):
    diagram = applications.prefixes(letters, longest)
    names = [node.name for node in diagram.nodes]
    assert len(set(names)) == len(names) == 1 + sum((len(letters) + 1) * len(letters) ** t for t in range(longest))
    for name in names:
        going_on = {name + sign for sign in "·" + letters} if len(name) < longest and "·" not in name else set()
        assert targets(diagram, name) == going_on
    assert diagram.nodes[0].name == "" and diagram.nodes[0].text == "start"


@given(S=st.integers(1, 4), T=st.integers(1, 4))
def test_all_that_is_read_reaches_the_first_answer_and_no_answer_an_earlier_one(S, T):
    diagram = applications.encoder_decoder(S, T)
    for j in range(1, S + 1):
        assert {f"y{t}" for t in range(1, T + 1)} <= diagram.reaches(f"x{j}")
    for t in range(1, T + 1):
        later = diagram.reaches(f"w{t - 1}")
        assert {f"y{k}" for k in range(t, T + 1)} <= later and not {f"y{k}" for k in range(1, t)} & later
    assert targets(diagram, f"m{S}") == {"h1"}  # the one way across


def test_what_is_missing_is_named():
    for make in (
        lambda: applications.pooled([]),
        lambda: applications.lattice(3, []),
        lambda: applications.prefixes("", 2),
    ):
        with pytest.raises(ValueError, match="^the number of .*: expected a whole number of at least 1, got 0"):
            make()


def test_the_drawings_of_the_chapters_have_room():
    for diagram in (applications.pooled("the film is not good".split()), applications.lattice(4, "BIO")):
        fig, (axes,) = figure(6.6, 3.6)
        draw(diagram, axes)
        assert not sticking_out(axes) and not crossed(diagram)
