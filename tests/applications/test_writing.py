"""Writers: a carried state says what reading again does; cuts are what loops make of them; draws follow p."""

from itertools import islice

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from companion import GRU, LSTM, Elman, initial_weights
from companion.applications.writing import (
    Copied,
    Rereading,
    barred,
    endless,
    log_probabilities,
    nucleus,
    read_on,
    rows,
    top_k,
    unchanged,
    until_end,
    write,
)
from companion.rnn.language_model import RecurrentLanguageModel, shapes
from companion.rnn.measures import sharpen
from companion.rnn.ngrams import add_k, count

V = 5
seeds = st.integers(0, 2**32 - 1)
LAYERS = {"Elman": Elman(V, 3), "LSTM": LSTM(V, 3), "two layers": [GRU(V, 3), LSTM(3, 2)]}
every_model = pytest.mark.parametrize("layers", LAYERS.values(), ids=LAYERS)


def model_of(layers, seed=0, dtype=np.float64):
    return RecurrentLanguageModel(layers, initial_weights(shapes(layers), np.random.default_rng(seed), 1.0, dtype))


def drawn_text(rng, number, longest):
    return [np.append(rng.integers(1, V, rng.integers(0, longest)), 0) for _ in range(number)]


class Fixed:
    """A writer whose distributions (N, V) are given for each step; its state is the step, with a row a sequence."""

    def __init__(self, p):
        self.p = np.asarray(p, float)  # (T, V)
        self.vocabulary_size = self.p.shape[1]

    def step(self, tokens, state):
        with np.errstate(divide="ignore"):
            return np.log(self.p[state]), state + 1


@every_model
@settings(max_examples=10)
@given(seed=seeds)
def test_a_carried_state_says_what_reading_again_says(layers, seed):
    rng, model = np.random.default_rng(seed), model_of(layers, seed)
    text = rng.integers(0, V, (6, 3))  # an <EOS> inside is a token like others
    state, read = model.begin(3), np.zeros((0, 3), int)
    for tokens in np.concatenate([np.zeros((1, 3), int), text]):
        logarithms, state = model.step(tokens, state)
        read = np.concatenate([read, tokens[None]])
        for b in range(3):
            np.testing.assert_allclose(np.exp(logarithms[b]), model.distribution(read[1:, b]), atol=1e-12)


@every_model
@settings(max_examples=10)
@given(seed=seeds)
def test_log_probabilities_of_whole_sequences_are_the_models_own(layers, seed):
    rng, model = np.random.default_rng(seed), model_of(layers, seed)
    text = drawn_text(rng, 4, 6)
    ours = log_probabilities(model, model.begin(4), text)
    np.testing.assert_allclose(ours, [p.sum() for p in model.log_probabilities(text)], atol=1e-12)


def test_an_ngram_model_writes_by_reading_again():
    text = [np.array([1, 2, 3, 0]), np.array([2, 2, 0]), np.array([3, 1, 0])]
    counted = add_k(count(text, 3, V), text, [0.3])
    writer = Rereading(counted)
    assert writer.vocabulary_size == V
    ours = log_probabilities(writer, writer.begin(3), text)
    np.testing.assert_allclose(ours, [p.sum() for p in counted.log_probabilities(text)], atol=1e-12)
    state = writer.begin(2)
    for tokens in ([0, 0], [1, 2], [0, 3]):  # the first sequence ends, and another begins
        logarithms, state = writer.step(np.array(tokens), state)
    np.testing.assert_allclose(np.exp(logarithms), [counted.distribution([]), counted.distribution([2, 3])], atol=1e-15)
    assert state.tolist() == [[0, 1, 0], [0, 2, 3]]


@every_model
def test_rows_of_a_state_go_their_own_ways(layers):
    model = model_of(layers)
    _, state = model.step(np.array([1, 2, 3]), model.begin(3))
    twice = rows(state, [2, 0, 2])
    logarithms, after = model.step(np.array([1, 1, 4]), twice)
    for b, (row, token) in enumerate([(2, 1), (0, 1), (2, 4)]):
        alone, alone_after = model.step(np.array([token]), rows(state, [row]))
        np.testing.assert_allclose(logarithms[b], alone[0], atol=1e-12)
        again, _ = model.step(np.array([2]), alone_after)
        np.testing.assert_allclose(model.step(np.array([2] * 3), after)[0][b], again[0], atol=1e-12)


def test_the_state_to_begin_with_is_zero_and_has_the_weights_dtype():
    for layers in LAYERS.values():
        state = model_of(layers, dtype=np.float32).begin(2)
        for part in state if isinstance(state, list) else [state]:
            for value in part.values():
                assert value.dtype == np.float32 and not value.any() and len(value) == 2
    assert model_of([LSTM(V, 3)]).step(np.array([1]), model_of([LSTM(V, 3)]).begin(1))[0].dtype == np.float64


distributions = st.builds(
    lambda seed, n, zeros: _some(seed, n, zeros), seeds, st.integers(1, 4), st.sampled_from([0, 1, 3])
)


def _some(seed, n, zeros):
    """n distributions over V tokens with ties, some tokens impossible."""
    p = np.random.default_rng(seed).integers(1, 5, (n, V)).astype(float)
    p[:, :zeros] = 0
    return p / p.sum(axis=1, keepdims=True)


@settings(max_examples=60)
@given(p=distributions, k=st.integers(1, V))
def test_top_k_is_what_a_sorted_list_keeps(p, k):
    for row, ours in zip(p, top_k(p, k), strict=True):
        kept = sorted(range(V), key=lambda w: (-row[w], w))[:k]
        expected = np.array([row[w] if w in kept else 0 for w in range(V)])
        np.testing.assert_allclose(ours, expected / expected.sum(), atol=1e-15)
    assert np.array_equal(top_k(p[0], k), top_k(p, k)[0])  # one by itself


@settings(max_examples=60)
@given(p=distributions, mass=st.sampled_from([1e-9, 0.2, 0.5, 0.75, 0.9, 1.0]))
def test_a_nucleus_is_what_a_sorted_list_keeps(p, mass):
    for row, ours in zip(p, nucleus(p, mass), strict=True):
        expected, sofar = np.zeros(V), 0.0
        for w in sorted(range(V), key=lambda w: (-row[w], w)):
            if sofar >= mass - 1e-12 or not row[w]:
                break
            expected[w], sofar = row[w], sofar + row[w]
        np.testing.assert_allclose(ours, expected / expected.sum(), atol=1e-15)
    assert np.array_equal(nucleus(p[0], mass), nucleus(p, mass)[0])


def test_a_nucleus_that_is_reached_exactly_holds_no_more():
    np.testing.assert_allclose(nucleus(np.array([0.1, 0.3, 0.5, 0.1]), 0.8), [0, 0.375, 0.625, 0], atol=1e-15)
    assert (nucleus(np.array([0.1] * 10), 0.3) > 0).sum() == 3  # 0.1 + 0.1 + 0.1 is more than 0.3 in floats


def test_the_barred_leave_their_share_to_the_others():
    p = np.array([[0.2, 0.3, 0.5], [0.5, 0.25, 0.25]])
    np.testing.assert_allclose(barred(p, [1]), [[2 / 7, 0, 5 / 7], [2 / 3, 0, 1 / 3]], atol=1e-15)
    np.testing.assert_allclose(barred(p[0], [0, 1]), [0, 0, 1], atol=1e-15)


def test_sharpened_rows_are_sharpened_one_by_one():
    p = _some(3, 4, 1)
    for tau in (0, 0.5, 1, 3):
        np.testing.assert_allclose(sharpen(p, tau), [sharpen(row, tau) for row in p], atol=1e-15)


def test_each_token_is_the_first_whose_running_sum_passes_the_draw():
    p = [[0.25, 0, 0.5, 0.25], [0, 0, 0.125, 0.875]]
    draws = np.array([[0.0, 0.25, 0.7499, 0.75, 0.9999], [0.0, 0.1249, 0.1251, 0.5, 0.9999]])

    class Given:
        def __init__(self):
            self.left = list(draws)

        def random(self, shape):
            assert shape == (5, 1)
            return self.left.pop(0)[:, None]

    tokens = list(islice(endless(Fixed(p), np.zeros(5, int), np.zeros(5, int), Given()), 2))
    assert tokens[0].tolist() == [0, 2, 2, 3, 3]
    assert tokens[1].tolist() == [2, 2, 3, 3, 3]


def test_tokens_without_probability_are_never_drawn_and_shares_are_met():
    p = np.array([[0.0, 0.7, 0.0, 0.3, 0.0]])
    (tokens,) = islice(endless(Fixed(p), np.zeros(4000, int), np.zeros(4000, int), np.random.default_rng(0)), 1)
    assert set(tokens.tolist()) == {1, 3}
    assert abs((tokens == 1).mean() - 0.7) < 4 * np.sqrt(0.21 / 4000)


def test_each_of_a_batch_has_a_draw_of_its_own():
    (tokens,) = islice(endless(Fixed([[0.5, 0.5]]), np.zeros(60, int), np.zeros(60, int), np.random.default_rng(1)), 1)
    assert 10 < tokens.sum() < 50


@every_model
def test_writing_ends_each_sequence_at_its_own_end(layers):
    model = model_of(layers)
    some = write(model, model.begin(30), np.random.default_rng(0), most=8)
    assert len(some) == 30 and len({len(s) for s in some}) > 2
    for s in some:
        assert 0 not in s[:-1] and (s[-1] == 0 or len(s) == 8)
    again = write(model, model.begin(30), np.random.default_rng(0), most=8)
    assert [s.tolist() for s in some] == [s.tolist() for s in again]


def test_writing_stops_when_all_have_ended():
    class Counting(Fixed):
        steps = 0

        def step(self, tokens, state):
            self.steps += 1
            return super().step(tokens, state)

    writer = Counting([[0, 1], [1, 0], [1, 0], [1, 0]])
    assert [s.tolist() for s in write(writer, np.zeros(2, int), np.random.default_rng(0))] == [[1, 0], [1, 0]]
    assert writer.steps == 2


@every_model
def test_what_is_written_has_read_what_was_drawn(layers):
    """With all probability on the most probable token, writing is greedy, which reading again confirms."""
    model = model_of(layers, 4)
    (ours,) = write(model, model.begin(1), np.random.default_rng(0), lambda p: sharpen(p, 0), most=6)
    read = []
    for _ in range(6):
        read.append(int(model.distribution(read).argmax()))
        if read[-1] == 0:
            break
    assert ours.tolist() == read


def test_the_choice_is_made_on_the_models_distributions():
    seen = []

    def choose(p):
        seen.append(p)
        return unchanged(p)

    list(
        islice(
            endless(
                Fixed([[0.25, 0.75], [0.5, 0.5]]), np.zeros(3, int), np.ones(3, int), np.random.default_rng(0), choose
            ),
            2,
        )
    )
    np.testing.assert_allclose(seen[0], np.tile([0.25, 0.75], (3, 1)), atol=1e-15)
    np.testing.assert_allclose(seen[1], np.tile([0.5, 0.5], (3, 1)), atol=1e-15)


@every_model
def test_a_beginning_is_read_before_anything_is_written(layers):
    model = model_of(layers)
    state = read_on(model, model.begin(2), [0, 3, 1])
    logarithms, _ = model.step(np.array([2, 4]), state)
    for b, last in enumerate((2, 4)):
        np.testing.assert_allclose(np.exp(logarithms[b]), model.distribution([3, 1, last]), atol=1e-12)
    assert read_on(model, state, []) is state


def test_a_sequence_is_cut_after_its_first_end():
    assert until_end(np.array([3, 0, 2, 0])).tolist() == [3, 0]
    assert until_end(np.array([3, 2])).tolist() == [3, 2]
    assert until_end(np.array([0])).tolist() == [0]


@settings(max_examples=60)
@given(seed=seeds)
@example(seed=0)
def test_the_longest_copied_run_is_the_longest_of_all_runs(seed):
    rng = np.random.default_rng(seed)
    text, tokens = drawn_text(rng, 4, 7), rng.integers(0, V, 9)
    within = {tuple(s[i:j].tolist()) for s in text for i in range(len(s)) for j in range(i + 1, len(s) + 1)}
    longest = max(j - i for i in range(9) for j in range(i, 10) if i == j or tuple(tokens[i:j].tolist()) in within)
    assert Copied(text).longest(tokens) == longest


def test_a_run_does_not_cross_from_one_sequence_to_the_next():
    copied = Copied([np.array([1, 2]), np.array([3, 4])])
    assert copied.longest([1, 2, 3, 4]) == 2
    assert copied.longest([]) == 0 and copied.longest([0]) == 0
    assert Copied([np.array([0x10FF00, 7])]).longest([5, 0x10FF00, 7]) == 2


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: top_k([0.5, 0.5], 3), "k: expected at most 2, the number of tokens, got 3"),
        (lambda: top_k([0.5, 0.5], 0), "k: expected"),
        (lambda: top_k([0.5, 0.6], 1), "p: expected entries that sum to 1"),
        (lambda: top_k(0.5, 1), "p: expected shape"),
        (lambda: nucleus([0.5, 0.5], 0), "mass: expected a number above 0 and at most 1, got 0"),
        (lambda: nucleus([0.5, 0.5], 1.1), "mass: expected a number above 0 and at most 1, got 1.1"),
        (lambda: nucleus([0.5, np.nan], 0.5), "p: expected"),
        (lambda: barred([0.0, 1.0], [1]), "tokens: expected another one with a probability everywhere, got"),
        (lambda: barred([0.5, 0.5], [2]), "tokens: expected token numbers from 0 to 1, got 2"),
        (lambda: write(Fixed([[0, 1]]), np.zeros(1, int), None, most=0), "most: expected"),
        (
            lambda: log_probabilities(Fixed([[0.5, 0.5]]), np.zeros(2, int), [[0]]),
            "sequences: expected 2, one for each",
        ),
        (lambda: log_probabilities(Fixed([[0.5, 0.5]]), np.zeros(1, int), [[1]]), "sequences.0.: expected <EOS>"),
        (lambda: model_of(Elman(V, 3)).step(np.array([V]), model_of(Elman(V, 3)).begin(1)), "tokens: expected token"),
        (lambda: model_of(Elman(V, 3)).step(np.array([1, 1]), model_of(Elman(V, 3)).begin(1)), "h_0: expected shape"),
        (lambda: model_of(Elman(V, 3)).begin(0), "number: expected"),
        (lambda: Rereading(model_of(Elman(V, 3))).begin(0), "number: expected"),
        (lambda: read_on(model_of(Elman(V, 3)), model_of(Elman(V, 3)).begin(1), [V]), "tokens: expected token numbers"),
        (lambda: rows(np.zeros((2, 1)), [2]), "chosen: expected token numbers from 0 to 1, got 2"),
        (lambda: rows(np.zeros((2, 1)), []), "chosen: expected"),
        (lambda: Copied([[1.5]]), r"text.0.: expected integers"),
        (lambda: Copied([[1]]).longest([-1]), "tokens: expected token numbers"),
        (lambda: Rereading(model_of(Elman(V, 3))).step(np.array([V]), np.zeros((1, 0), int)), "tokens: expected token"),
    ],
)
def test_what_cannot_be_meant_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_choice_that_gives_no_distribution_is_refused():
    with pytest.raises(ValueError, match="choose: expected entries that sum to 1"):
        next(
            endless(Fixed([[0.5, 0.5]]), np.zeros(1, int), np.zeros(1, int), np.random.default_rng(0), lambda p: p / 2)
        )
