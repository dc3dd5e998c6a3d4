"""Searches: on small vocabularies, where all sequences can be listed, beams and proofs say what the list says."""

from dataclasses import dataclass
from itertools import product

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from companion import GRU, LSTM, initial_weights
from companion.applications.search import (
    GNMT,
    Hypothesis,
    PerToken,
    beam,
    greedy,
    most_probable,
    no_penalty,
)
from companion.applications.writing import Rereading, log_probabilities, rows
from companion.rnn.language_model import RecurrentLanguageModel, shapes

V, LONGEST = 3, 4
seeds = st.integers(0, 2**32 - 1)


@dataclass(frozen=True)
class Tree:
    """A language model whose distributions are drawn anew for each beginning; after LONGEST − 1 letters it ends."""

    seed: int
    vocabulary_size: int = V
    zeros: bool = False

    def distribution(self, context):
        if len(context) >= LONGEST - 1:
            return np.eye(self.vocabulary_size)[0]
        rng = np.random.default_rng([self.seed, *(int(w) + 1 for w in context)])
        p = rng.dirichlet(np.full(self.vocabulary_size, 0.7))
        if self.zeros:
            p[rng.integers(self.vocabulary_size)] = 0
        return p / p.sum()


def every_sequence(model):
    """All complete sequences of the tree and their log p, the most probable first."""
    found = []
    for n in range(LONGEST):
        for letters in product(range(1, V), repeat=n):
            with np.errstate(divide="ignore"):
                total = sum(np.log(model.distribution(letters[:t])[w]) for t, w in enumerate((*letters, 0)))
            found.append(((*letters, 0), total))
    return sorted((pair for pair in found if pair[1] > -np.inf), key=lambda pair: -pair[1])


def beginnings_above(model, bound):
    """How many beginnings that have not ended are more probable than `bound`, or as probable."""
    number = 0
    for n in range(LONGEST):
        for letters in product(range(1, V), repeat=n):
            with np.errstate(divide="ignore"):
                total = sum(np.log(model.distribution(letters[:t])[w]) for t, w in enumerate(letters))
            number += total >= bound - 1e-12
    return number


PENALTIES = (no_penalty, PerToken(0.0), PerToken(0.6), PerToken(1.0), PerToken(3.0), GNMT(0.6), GNMT(2.0))


@settings(max_examples=40)
@given(seed=seeds, zeros=st.booleans())
@example(seed=0, zeros=True)
def test_a_beam_as_wide_as_the_tree_finds_all_and_the_best(seed, zeros):
    model = Tree(seed, zeros=zeros)
    writer, every = Rereading(model), every_sequence(model)
    for penalty in PENALTIES:
        best = beam(writer, writer.begin(1), V**LONGEST, LONGEST, penalty)[0]
        scores = [total / penalty(len(tokens)) for tokens, total in every]
        assert best.ended
        assert best.log_probability / penalty(len(best.tokens)) == pytest.approx(max(scores), abs=1e-12)
        assert dict(every)[best.tokens] == pytest.approx(best.log_probability, abs=1e-12)


@settings(max_examples=40)
@given(seed=seeds, width=st.integers(1, 4))
@example(seed=3, width=2)
def test_a_beam_keeps_the_best_of_all_continuations(seed, width):
    """Against the plain definition, without any early end."""
    model = Tree(seed)
    living, ended = [((), 0.0)], []
    for _ in range(LONGEST):
        longer = []
        for tokens, total in living:
            with np.errstate(divide="ignore"):
                logarithms = np.log(model.distribution(tokens))
            longer += [((*tokens, w), total + x) for w, x in enumerate(logarithms) if x > -np.inf]
        best = sorted(longer, key=lambda pair: -pair[1])[:width]
        ended += [pair for pair in best if pair[0][-1] == 0]
        living = [pair for pair in best if pair[0][-1] != 0]
    writer = Rereading(model)
    for penalty in PENALTIES:
        ours = beam(writer, writer.begin(1), width, LONGEST, penalty)
        tokens, total = max(ended, key=lambda pair: pair[1] / penalty(len(pair[0])))
        assert ours[0].log_probability / penalty(len(ours[0].tokens)) == pytest.approx(
            total / penalty(len(tokens)), abs=1e-12
        )
        scores = [h.log_probability / penalty(len(h.tokens)) for h in ours]
        assert scores == sorted(scores, reverse=True)
        assert {h.tokens for h in ours} <= {tokens for tokens, _ in ended}


@settings(max_examples=30)
@given(seed=seeds, number=st.integers(1, 5), zeros=st.booleans())
def test_the_most_probable_are_those_of_the_whole_list(seed, number, zeros):
    model = Tree(seed, zeros=zeros)
    writer, every = Rereading(model), every_sequence(model)
    proof = most_probable(writer, writer.begin(1), number)
    assert [h.tokens for h in proof.best] == [tokens for tokens, _ in every[:number]]
    np.testing.assert_allclose([h.log_probability for h in proof.best], [x for _, x in every[:number]], atol=1e-12)


@settings(max_examples=30)
@given(seed=seeds)
def test_a_proof_looks_into_every_beginning_that_is_as_probable_and_no_other(seed):
    model = Tree(seed)
    proof = most_probable(Rereading(model), Rereading(model).begin(1))
    assert proof.expansions == beginnings_above(model, proof.best[0].log_probability)


def test_fewer_sequences_than_asked_for_are_all_there_are():
    class Two:
        vocabulary_size = 2

        def distribution(self, context):
            return np.array([1.0, 0.0] if len(context) else [0.25, 0.75])

    writer = Rereading(Two())
    proof = most_probable(writer, writer.begin(1), number=5)
    assert [h.tokens for h in proof.best] == [(1, 0), (0,)] and proof.expansions == 2


def test_a_search_without_an_end_is_an_error_that_bounds_what_is_left():
    class Endless:
        vocabulary_size = 3

        def distribution(self, context):
            return np.array([0.0, 0.5, 0.5])

    writer = Rereading(Endless())
    with pytest.raises(
        ValueError,
        match=r"limit: expected the 1 most probable within 7 expansions, got 0; what is left .* of 0\.125 at most",
    ):
        most_probable(writer, writer.begin(1), limit=7)
    longest = beam(writer, writer.begin(1), 2, most=4)
    assert [len(h.tokens) for h in longest] == [4, 4] and not any(h.ended for h in longest)


LAYERS = {"GRU": GRU(5, 4), "two layers": [LSTM(5, 3), GRU(3, 4)]}


@pytest.mark.parametrize("layers", LAYERS.values(), ids=LAYERS)
@settings(max_examples=10)
@given(seed=seeds)
def test_states_follow_their_hypotheses(layers, seed):
    """What a search says of its hypotheses is what the model says of them, read as a whole."""
    model = RecurrentLanguageModel(layers, initial_weights(shapes(layers), np.random.default_rng(seed), 1.5))
    for found in (
        beam(model, model.begin(1), 4, 12),
        beam(model, model.begin(1), 4, 12, PerToken(1.0)),
        most_probable(model, model.begin(1), 4, limit=50_000).best,
    ):
        for h in found:
            if h.ended:
                whole = log_probabilities(model, model.begin(1), [np.array(h.tokens)])[0]
                assert h.log_probability == pytest.approx(whole, abs=1e-12)


@settings(max_examples=10)
@given(seed=seeds)
def test_greedy_is_a_beam_of_one_for_each_of_many(seed):
    cell = LSTM(5, 4)
    model = RecurrentLanguageModel(cell, initial_weights(shapes(cell), np.random.default_rng(seed), 1.5))
    _, state = model.step(np.array([1, 2, 3, 4]), model.begin(4))
    many = greedy(model, state, most=9)
    for b, tokens in enumerate(many):
        assert tuple(tokens) == beam(model, rows(state, [b]), 1, most=9)[0].tokens
    assert max(map(len, many)) <= 9


def test_a_search_stops_when_the_living_cannot_overtake():
    class Counting(Rereading):
        steps = 0

        def step(self, tokens, state):
            type(self).steps += 1
            return super().step(tokens, state)

    class Likely:
        vocabulary_size = 2

        def distribution(self, context):
            return np.array([0.6, 0.4])

    writer = Counting(Likely())
    assert beam(writer, writer.begin(1), 2, most=50)[0].tokens == (0,)
    assert Counting.steps == 1
    Counting.steps = 0
    best = beam(writer, writer.begin(1), 2, 50, PerToken(1.0))[0]
    assert best.tokens == (0,) and Counting.steps > 1  # with a mean, later ones might have overtaken


def test_among_equals_the_first_is_taken():
    class Even:
        vocabulary_size = 3

        def distribution(self, context):
            return np.array([1.0, 0, 0]) if len(context) else np.array([0.2, 0.4, 0.4])

    writer = Rereading(Even())
    assert beam(writer, writer.begin(1), 2, 3)[0].tokens == (1, 0)
    assert [h.tokens for h in most_probable(writer, writer.begin(1), 2).best] == [(1, 0), (2, 0)]
    assert greedy(writer, writer.begin(1))[0].tolist() == [1, 0]


def test_penalties_are_their_formulas():
    assert PerToken(2.0)(3) == 9 and PerToken()(4) == 4 and PerToken(0)(7) == 1 and no_penalty(9) == 1
    assert GNMT(1.0)(7) == 2 and GNMT(0.5)(1) == 1 and GNMT(2.0)(13) == 9


def test_a_hypothesis_has_ended_with_its_eos():
    assert Hypothesis((1, 0), -1.0).ended and not Hypothesis((0, 1), -1.0).ended and not Hypothesis((), 0.0).ended


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda w: beam(w, w.begin(1), 0), "width: expected"),
        (lambda w: beam(w, w.begin(1), 1, 0), "most: expected"),
        (lambda w: greedy(w, w.begin(1), 0), "most: expected"),
        (lambda w: most_probable(w, w.begin(1), 0), "number: expected"),
        (lambda w: most_probable(w, w.begin(1), 1, 0), "limit: expected"),
        (lambda w: PerToken(-0.1), "alpha: expected a number of at least 0, got -0.1"),
        (lambda w: GNMT(np.inf), "alpha: expected a finite number, got inf"),
        (lambda w: PerToken(np.nan), "alpha: expected"),
        (lambda w: beam(w, w.begin(2), 2), "state: expected that of one sequence, got 2"),
        (lambda w: most_probable(w, w.begin(2)), "state: expected that of one sequence, got 2"),
    ],
)
def test_what_cannot_be_meant_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(Rereading(Tree(0)))
