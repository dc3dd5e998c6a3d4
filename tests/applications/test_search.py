"""The most probable sequence: what a search finds is what listing all sequences finds, and no search does too much."""

import re
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from invented import Invented, every_sequence

from companion import LSTM, initial_weights
from companion.applications.search import (
    GNMT,
    Hypothesis,
    PerToken,
    beam,
    greedy,
    most_probable,
    no_penalty,
)
from companion.applications.writing import Rereading
from companion.rnn.language_model import RecurrentLanguageModel, shapes
from companion.rnn.ngrams import AddK, count

seeds = st.integers(0, 2**32 - 1)
widths = st.integers(1, 5)
models = st.builds(Invented, st.integers(1, 4), seeds, st.sampled_from([0.0, 0.1]), coarse=st.booleans())
penalties = st.sampled_from([no_penalty, PerToken(), PerToken(0.3), PerToken(2), GNMT(0.6), GNMT(1)])


@dataclass(frozen=True)
class Watched(Rereading):
    """Keeps what it was asked: the tokens read of each row of each step."""

    asked: list = field(default_factory=list)

    def step(self, tokens, state):
        logarithms, read = super().step(tokens, state)
        self.asked.append([tuple(row[1:].tolist()) for row in read])
        return logarithms, read


def recurrent(V=4, seed=0):
    return RecurrentLanguageModel(LSTM(V, 3), initial_weights(shapes(LSTM(V, 3)), np.random.default_rng(seed), 1.5))


def step_by_step(model, most):
    """The most probable next token, the first among equals, again and again."""
    tokens = []
    while len(tokens) < most and tokens[-1:] != [0]:
        p = model.distribution(tokens).tolist()
        tokens.append(p.index(max(p)))
    return tokens


# --- greedily --------------------------------------------------------------------------------------------------------


@given(models, st.integers(1, 6), st.integers(1, 3))
def test_greedy_takes_the_most_probable_next_token_of_every_sequence(model, most, number):
    found = greedy(Rereading(model), Rereading(model).begin(number), most)
    assert [tokens.tolist() for tokens in found] == [step_by_step(model, most)] * number


def test_greedy_goes_on_with_those_that_have_not_ended_and_no_longer():
    @dataclass(frozen=True)
    class After:
        """Two tokens for a row that begins with 2, four for one that begins with 1."""

        vocabulary_size: int = 3

        def step(self, tokens, state):
            state = state + [[1, 0]]
            assert state[:, 0].max() <= 4
            return np.log(np.where((state[:, :1] >= state[:, 1:]), [[0.9, 0.05, 0.05]], [[0.1, 0.4, 0.5]])), state

    found = greedy(After(), np.array([[0, 2], [0, 4]]))
    assert [tokens.tolist() for tokens in found] == [[2, 0], [2, 2, 2, 0]]
    assert [len(tokens) for tokens in greedy(After(), np.array([[0, 2], [0, 4]]), most=3)] == [2, 3]


def test_a_hundred_tokens_are_the_most_where_nothing_is_said():
    """The one token that is no <EOS> has all probability."""
    writer = Rereading(Constant((0.0, 1.0)))
    assert [len(tokens) for tokens in greedy(writer, writer.begin(2))] == [100, 100]
    assert [len(h.tokens) for h in beam(writer, writer.begin(1), 3)] == [100]


@dataclass(frozen=True)
class Constant:
    p: tuple[float, ...]

    @property
    def vocabulary_size(self):
        return len(self.p)

    def distribution(self, context):
        return np.array(self.p)


# --- with a beam -----------------------------------------------------------------------------------------------------


@given(models, st.integers(1, 6))
def test_a_beam_of_width_1_is_greedy(model, most):
    writer = Rereading(model)
    (found,) = beam(writer, writer.begin(1), 1, most)
    assert list(found.tokens) == greedy(writer, writer.begin(1), most)[0].tolist()


@pytest.mark.parametrize("seed", range(8))
def test_of_a_recurrent_model_too(seed):
    writer = recurrent(seed=seed)
    (found,) = beam(writer, writer.begin(1), 1, 8)
    assert list(found.tokens) == greedy(writer, writer.begin(1), 8)[0].tolist() == step_by_step(writer, 8)


@settings(max_examples=60)
@given(models, st.integers(1, 4), penalties)
@example(Invented(3, 0), 4, PerToken())
@example(Invented(3, 1, coarse=True), 4, no_penalty)
def test_a_beam_that_holds_all_finds_the_best_of_all(model, most, penalty):
    writer = Rereading(model)
    found = beam(writer, writer.begin(1), model.vocabulary_size**most, most, penalty)
    ended, kept = every_sequence(model, most)
    of = ended or {tokens: log_p for tokens, log_p in kept.items() if len(tokens) == most}
    best = max(log_p / penalty(len(tokens)) for tokens, log_p in of.items())
    assert found[0].log_probability / penalty(len(found[0].tokens)) == pytest.approx(best, abs=1e-12)
    for h in found:
        assert h.log_probability == pytest.approx(of[h.tokens], abs=1e-12)
    assert len({h.tokens for h in found}) == len(found)


def beam_to_the_end(model, width, most, penalty):
    """Each step of a beam of `most` tokens: (tokens, log p) of those that have ended so far, and of the living."""
    living, ended = [((), 0.0)], []
    for _ in range(most):
        made = []
        for tokens, log_p in living:
            with np.errstate(divide="ignore"):
                made += [
                    ((*tokens, w), log_p + more) for w, more in enumerate(np.log(model.distribution(tokens)).tolist())
                ]
        best = sorted(made, key=lambda pair: -pair[1])[:width]  # stable: among equals in the order in which they came
        best = [pair for pair in best if pair[1] > -np.inf]
        ended = ended + [pair for pair in best if pair[0][-1] == 0]
        living = [pair for pair in best if pair[0][-1] != 0]
        yield ended, living


def in_order(pairs, penalty):
    return sorted(pairs, key=lambda pair: -(pair[1] / penalty(len(pair[0]))))


@settings(max_examples=120)
@given(models, widths, st.integers(1, 7), penalties)
@example(Invented(3, 7), 2, 7, PerToken(2))
def test_the_beam_stops_as_soon_as_nothing_can_be_better_and_that_changes_nothing(model, width, most, penalty):
    writer = Watched(model)
    found = [(h.tokens, h.log_probability) for h in beam(writer, writer.begin(1), width, most, penalty)]
    steps = list(beam_to_the_end(model, width, most, penalty))
    ended, living = steps[-1]
    whole = in_order(ended or living, penalty)
    assert found[0] == whole[0]  # as if it had not stopped

    def over(ended, living):
        """No living one, whatever it goes on with, is better than the best that has ended."""
        best = max((log_p / penalty(len(tokens)) for tokens, log_p in ended), default=-np.inf)
        return all(log_p / penalty(most) <= best for _, log_p in living)

    stopped = next((n for n, step in enumerate(steps) if over(*step)), most - 1)
    assert len(writer.asked) == stopped + 1
    ended, living = steps[stopped]
    assert found == in_order(ended or living, penalty)


@given(models, widths, st.integers(1, 6))
def test_a_beam_asks_for_so_many_rows_at_most_and_each_once(model, width, most):
    writer = Watched(model)
    beam(writer, writer.begin(1), width, most)
    assert all(len(set(rows)) == len(rows) <= width for rows in writer.asked)
    assert writer.asked[0] == [()]


def test_a_wider_beam_finds_what_greedy_does_not():
    """1 is the likelier first token, and after 2 the end is sure: 0.6 · 0.5 < 0.4 · 1."""

    class Trap:
        vocabulary_size = 3

        def distribution(self, context):
            return np.array({(): [0, 0.6, 0.4], (2,): [1, 0, 0]}.get(tuple(context), [0.5, 0.25, 0.25]))

    writer = Rereading(Trap())
    assert greedy(writer, writer.begin(1))[0].tolist() == [1, 0]
    best, second = beam(writer, writer.begin(1), 2)
    assert best == Hypothesis((2, 0), np.log(0.4)) and second.tokens == (1, 0)
    assert second.log_probability == pytest.approx(np.log(0.3))


def test_without_a_penalty_short_ones_win_and_with_one_long_ones_may():
    """1 comes again and again with 0.8: two tokens have a mean log p of log 0.2 / 1 at the first, more later."""
    writer = Rereading(Constant((0.2, 0.8)))
    found = {penalty: beam(writer, writer.begin(1), 2, 5, penalty)[0].tokens for penalty in (no_penalty, PerToken())}
    assert found == {no_penalty: (0,), PerToken(): (1, 1, 1, 1, 0)}


def test_the_first_of_equals_is_kept():
    writer = Rereading(Constant((0.0, 0.5, 0.5)))
    assert [h.tokens for h in beam(writer, writer.begin(1), 2, 3)] == [(1, 1, 1), (1, 1, 2)]
    assert greedy(writer, writer.begin(1), 3)[0].tolist() == [1, 1, 1]


def test_what_has_no_probability_is_no_hypothesis_however_wide_the_beam_is():
    writer = Rereading(Constant((0.2, 0.0, 0.8)))
    assert [h.tokens for h in beam(writer, writer.begin(1), 100, 3)] == [(0,), (2, 0), (2, 2, 0)]


@given(st.floats(0, 3), st.integers(1, 200))
def test_penalties_are_their_formulas_and_do_not_fall(alpha, length):
    assert PerToken(alpha)(length) == pytest.approx(length**alpha)
    assert GNMT(alpha)(length) == pytest.approx((5 + length) ** alpha / 6**alpha)
    assert no_penalty(length) == PerToken(0)(length) == GNMT(0)(length) == 1
    for penalty in (PerToken(alpha), GNMT(alpha)):
        assert penalty(1) == pytest.approx(1) and penalty(length) <= penalty(length + 1)
        assert type(penalty(length)) is float
    assert PerToken() == PerToken(1.0) and GNMT() == GNMT(1.0)


@pytest.mark.parametrize("alpha", [np.int8(3), np.float32(3), np.uint8(3), 3])
def test_a_narrow_alpha_is_taken_as_what_it_stands_for(alpha):
    assert PerToken(alpha)(100) == 1e6 and GNMT(alpha)(97) == pytest.approx(17**3)
    assert type(PerToken(alpha).alpha) is float


# --- exactly ---------------------------------------------------------------------------------------------------------

bounded = st.builds(Invented, st.integers(2, 3), seeds, st.just(0.3), coarse=st.booleans())
ending = st.builds(Invented, st.integers(1, 4), seeds, longest=st.integers(0, 3), coarse=st.booleans())


@settings(max_examples=60)
@given(bounded, st.integers(1, 4))
def test_the_most_probable_are_those_of_all_sequences_however_long(model, number):
    """All up to 6 tokens are listed; a longer one has not ended after 6 tokens, each time with 0.7 at most."""
    ended, _ = every_sequence(model, 6)
    best = sorted(ended.values(), reverse=True)[:number]
    assume(best[-1] > 6 * np.log(0.7) + 1e-9)
    writer = Rereading(model)
    found = most_probable(writer, writer.begin(1), number).best
    assert [h.log_probability for h in found] == pytest.approx(best, abs=1e-12)
    assert [h.log_probability for h in found] == pytest.approx([ended[h.tokens] for h in found], abs=1e-12)
    assert len({h.tokens for h in found}) == len(best)


@settings(max_examples=60)
@given(ending)
def test_where_all_end_all_are_found_the_best_first(model):
    ended, _ = every_sequence(model, model.longest + 1)
    writer = Rereading(model)
    proof = most_probable(writer, writer.begin(1), len(ended) + 1)
    assert {h.tokens for h in proof.best} == set(ended)
    logarithms = [h.log_probability for h in proof.best]
    assert logarithms == sorted(logarithms, reverse=True)
    assert np.exp(logarithms).sum() == pytest.approx(1, abs=1e-12)
    for number in {1, len(ended) // 2} - {0}:
        assert most_probable(writer, writer.begin(1), number).best == proof.best[:number]


@settings(max_examples=60)
@given(ending, st.integers(1, 5))
def test_nothing_is_looked_into_that_need_not_be(model, number):
    """What is more probable than the answer must be looked into, since it could go on with certainty; no other is."""
    ended, kept = every_sequence(model, model.longest + 1)
    number = min(number, len(ended))
    writer = Watched(model)
    proof = most_probable(writer, writer.begin(1), number)
    worst = proof.best[-1].log_probability
    asked = [tokens for rows in writer.asked for tokens in rows]
    assert proof.expansions == len(writer.asked) == len(asked) == len(set(asked))
    assert all(kept[tokens] >= worst - 1e-12 for tokens in asked)
    assert {tokens for tokens, log_p in kept.items() if log_p > worst + 1e-12} <= set(asked)


@settings(max_examples=60)
@given(ending, widths, st.integers(1, 3))
def test_a_beam_finds_nothing_better(model, width, number):
    writer = Rereading(model)
    found = beam(writer, writer.begin(1), width, int(model.longest) + 1)
    exact = most_probable(writer, writer.begin(1)).best[0]
    assert exact.ended
    if found[0].ended:
        assert found[0].log_probability <= exact.log_probability


@settings(max_examples=60)
@given(bounded, st.integers(1, 12), st.integers(1, 4))
def test_a_limit_says_what_was_found_and_bounds_what_was_not(model, limit, number):
    writer = Watched(model)
    needed = most_probable(Rereading(model), writer.begin(1), number)
    if needed.expansions <= limit:
        assert most_probable(writer, writer.begin(1), number, limit) == needed
        return
    with pytest.raises(ValueError, match="limit: expected") as error:
        most_probable(writer, writer.begin(1), number, limit)
    assert len(writer.asked) == limit
    pattern = r"limit: expected the (\d) most probable within (\d+) expansions, got (\d); what is left has a "
    wanted, within, got, bound = re.fullmatch(pattern + r"probability of (\S+) at most", str(error.value)).groups()
    assert (int(wanted), int(within)) == (number, limit)
    left = needed.best[int(got) :]
    assert left and all(np.exp(h.log_probability) <= float(bound) * (1 + 1e-12) for h in left)
    if int(got):
        assert most_probable(Rereading(model), writer.begin(1), int(got), limit).best == needed.best[: int(got)]
    expanded = {rows[0] for rows in writer.asked}
    _, kept = every_sequence(model, 6)
    waiting = [log_p for tokens, log_p in kept.items() if tokens not in expanded and tokens[:-1] in expanded]
    assert np.exp(max(waiting)) <= float(bound) * (1 + 1e-12) <= np.exp(max(waiting)) * 1.011  # 3 digits, rounded up


@dataclass(frozen=True)
class Never(Constant):
    """Never ends, and is asked so many times at most."""

    most: int = 0
    asked: list = field(default_factory=list)

    def step(self, tokens, state):
        self.asked.append(tokens)
        assert len(self.asked) <= self.most
        with np.errstate(divide="ignore"):
            return np.log([self.p]), state

    def begin(self, number):
        return np.zeros(number)


def test_a_writer_that_never_ends_reaches_any_limit():
    writer = Never((0.0, 1.0), 7)
    with pytest.raises(
        ValueError, match="the 2 most probable within 7 expansions, got 0; .* a probability of 1 at most"
    ):
        most_probable(writer, writer.begin(1), 2, 7)
    writer = Never((0.0, 0.3, 0.7), 3)
    with pytest.raises(ValueError, match=r"within 3 expansions, got 0; what is left has .* of 0.343 at most"):
        most_probable(writer, writer.begin(1), limit=3)


def test_ten_thousand_expansions_are_the_limit_where_nothing_is_said():
    writer = Never((0.0, 0.5, 0.5), 10_000)
    with pytest.raises(ValueError, match="limit: expected the 1 most probable within 10000 expansions, got 0"):
        most_probable(writer, writer.begin(1))
    assert len(writer.asked) == 10_000


@pytest.mark.parametrize("seed", range(3))
def test_a_recurrent_model_is_searched_with_its_state_carried_and_says_what_it_says_when_it_reads_again(seed):
    writer = recurrent(seed=seed)
    again = Rereading(writer)
    exact, same = (most_probable(w, w.begin(1), 4) for w in (writer, again))
    assert [h.tokens for h in exact.best] == [h.tokens for h in same.best]
    assert exact.expansions == same.expansions
    wide, also = (beam(w, w.begin(1), 4, 6, PerToken()) for w in (writer, again))
    assert [h.tokens for h in wide] == [h.tokens for h in also]
    for h in (*exact.best, *wide):
        whole = writer.log_probabilities([np.array(h.tokens)])[0].sum()
        np.testing.assert_allclose(h.log_probability, whole, rtol=0, atol=1e-12)


def test_the_most_probable_of_a_bigram_model_is_that_of_a_shortest_way():
    """−log p of a bigram model are lengths of edges: Bellman and Ford's rounds find the shortest way to <EOS>."""
    text = [np.array(t) for t in ([1, 2, 3, 0], [1, 2, 0], [3, 1, 2, 3, 0], [2, 3, 0])]
    model = AddK(count(text, 2, 4), 0.1)
    costs = -np.log([model.distribution([]), *(model.distribution([w]) for w in (1, 2, 3))])  # row 0: before the first
    to_end = costs[:, 0]
    for _ in range(10):
        to_end = np.minimum(costs[:, 0], (costs[:, 1:] + to_end[1:]).min(axis=1))
    writer = Rereading(model)
    best = most_probable(writer, writer.begin(1)).best[0]
    assert -best.log_probability == pytest.approx(to_end[0], abs=1e-12)
    assert -best.log_probability == pytest.approx(-model.log_probabilities([np.array(best.tokens)])[0].sum(), abs=1e-12)


def test_a_hypothesis_has_ended_when_its_last_token_is_0():
    assert not Hypothesis((), 0.0).ended and not Hypothesis((0, 1), -1.0).ended
    assert Hypothesis((1, 0), -1.0).ended is True and Hypothesis((), 0.0).ended is False


def test_no_state_that_was_handed_in_is_written_over():
    writer = recurrent()
    state = writer.begin(1)
    for value in state.values():
        value.setflags(write=False)
    greedy(writer, state)
    beam(writer, state, 3)
    most_probable(writer, state, 2)
    assert all(not value.any() for value in state.values())


WRITER = recurrent()
ONE, TWO = WRITER.begin(1), WRITER.begin(2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: greedy(WRITER, ONE, 0), "most: expected a whole number of at least 1, got 0"),
        (lambda: beam(WRITER, TWO, 1), "state: expected that of one sequence, got 2"),
        (lambda: beam(WRITER, ONE, 0), "width: expected a whole number of at least 1, got 0"),
        (lambda: beam(WRITER, ONE, 1, True), "most: expected a whole number of at least 1, got True"),
        (lambda: beam(WRITER, ONE, 1, 3, lambda n: 1 / n), r"penalty: .* fall with the length, got \[1.0, 0.5, 0.33"),
        (lambda: beam(WRITER, ONE, 1, 2, lambda n: n - 1), r"penalty: expected numbers above 0 .*, got \[0.0, 1.0\]"),
        (lambda: beam(WRITER, ONE, 1, 2, lambda n: np.nan), "penalty: expected finite numbers, got nan"),
        (lambda: beam(WRITER, ONE, 1, 2, lambda n: "1"), "penalty: expected real numbers"),
        (lambda: PerToken(-0.1), "alpha: expected a number of at least 0, got -0.1"),
        (lambda: GNMT(-1), "alpha: expected a number of at least 0, got -1"),
        (lambda: GNMT(np.inf), "alpha: expected a finite number, got inf"),
        (lambda: PerToken("1"), "alpha: expected a number, got '1'"),
        (lambda: most_probable(WRITER, TWO), "state: expected that of one sequence, got 2"),
        (lambda: most_probable(WRITER, ONE, 0), "number: expected a whole number of at least 1, got 0"),
        (lambda: most_probable(WRITER, ONE, 1, 0), "limit: expected a whole number of at least 1, got 0"),
    ],
)
def test_what_does_not_fit_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
