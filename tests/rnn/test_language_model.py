"""The recurrent language model: its probabilities, its gradients, its batches, and that training learns something."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from companion import GRU, LSTM, Elman, Jordan, initial_weights, loss_and_gradients, weight_shapes
from companion.bptt.gradients import check_gradients
from companion.rnn import language_model as lm
from companion.rnn.language_model import Batch, RecurrentLanguageModel, Settings, equal_lengths, shapes, streams, train
from companion.rnn.measures import cross_entropy
from companion.rnn.ngrams import MaximumLikelihood, count

V = 4
sequences = st.lists(
    st.lists(st.integers(1, V - 1), max_size=7).map(lambda tokens: np.array([*tokens, 0])), min_size=1, max_size=6
)
contexts = st.lists(st.integers(0, V - 1), max_size=6)


def model(hidden=3, seed=0, dtype=np.float64, cell=None):
    cell = cell or Elman(V, hidden)
    return RecurrentLanguageModel(cell, initial_weights(shapes(cell), np.random.default_rng(seed), 0.8, dtype))


@given(contexts, st.sampled_from([np.float32, np.float64]))
def test_the_distribution_sums_to_one_after_any_context(context, dtype):
    p = model(dtype=dtype).distribution(context)
    assert p.shape == (V,)
    assert (p > 0).all()
    assert p.sum() == pytest.approx(1, abs=1e-12)


@given(sequences)
def test_the_chain_rule_multiplies_the_distributions_along_the_sequence(texts):
    network = model()
    for sequence, logarithms in zip(texts, network.log_probabilities(texts), strict=True):
        one_by_one = [network.distribution(sequence[:t])[token] for t, token in enumerate(sequence)]
        assert np.exp(logarithms) == pytest.approx(one_by_one, abs=1e-12)


def test_long_sequences_are_read_in_chunks_with_the_state_carried_on(monkeypatch):
    texts = [np.r_[np.random.default_rng(i).integers(0, V, 5 * i + 3), 0] for i in range(9)]
    whole = model().log_probabilities(texts)
    monkeypatch.setattr(lm, "ENTRIES", 3 * V)
    monkeypatch.setattr(lm, "WIDTH", 4)
    for once, chunked in zip(whole, model().log_probabilities(texts), strict=True):
        assert chunked == pytest.approx(once, abs=1e-12)


def test_a_carried_state_remembers_the_sentence_before_and_a_reset_one_does_not():
    first, second = np.array([1, 2, 0]), np.array([3, 1, 0])
    network = model()
    apart = network.log_probabilities([first, second])
    together = network.log_probabilities([np.concatenate([first, second])])[0]
    assert together[:3] == pytest.approx(apart[0], abs=1e-12)
    assert (np.abs(together[3:] - apart[1]) > 1e-4).all()


def test_a_cell_with_output_weights_of_its_own_is_refused():
    jordan = Jordan(V, V, V)  # the sizes would fit: W_hy and b_y would be used twice
    weights = initial_weights(weight_shapes(jordan), np.random.default_rng(0), 0.5)
    with pytest.raises(ValueError, match="layers: expected a cell without the output weights W_hy, b_y, got Jordan"):
        RecurrentLanguageModel(jordan, weights)


@pytest.mark.parametrize(
    ("context", "message"),
    [
        (np.array([1.7]), "context: expected integers"),
        ([V], f"context: expected token numbers from 0 to {V - 1}, got {V}"),
        (np.ones((2, 2), int), r"context: expected shape \(T,\), got \(2, 2\)"),
    ],
)
def test_a_context_of_something_else_than_tokens_is_refused(context, message):
    with pytest.raises(ValueError, match=message):
        model().distribution(context)


def test_weights_that_are_not_numbers_are_refused():
    network = model()
    broken = {**network.weights, "W_hy": np.full_like(network.weights["W_hy"], np.nan)}
    with pytest.raises(ValueError, match="W_hy: expected finite numbers, got nan"):
        RecurrentLanguageModel(network.layers, broken)


@settings(max_examples=15)
@given(st.integers(1, 5), st.integers(1, 3), st.integers(0, 99))
def test_its_gradients_agree_with_central_differences(T, B, seed):
    rng = np.random.default_rng(seed)
    network, targets = model(seed=seed), rng.integers(0, V, (T, B))
    h_0 = rng.normal(size=(B, 3))

    def loss(arguments):
        own = {name: arguments[name] for name in network.weights}
        return loss_and_gradients(network.layers, own, lm.shifted(targets), targets, arguments["h_0"])[0]

    _, gradients, _ = loss_and_gradients(network.layers, network.weights, lm.shifted(targets), targets, h_0)
    claimed = {name: gradients[name] for name in network.weights} | {"h_0": gradients["dh_0"]}
    check_gradients(loss, {**network.weights, "h_0": h_0}, claimed)


def test_its_loss_is_that_of_the_same_network_in_pytorch():
    network, targets = model(hidden=5), np.random.default_rng(1).integers(0, V, (6, 2))
    rnn, readout = torch.nn.RNN(V, 5, dtype=torch.float64), torch.nn.Linear(5, V, dtype=torch.float64)
    w = {name: torch.tensor(value) for name, value in network.weights.items()}
    with torch.no_grad():
        rnn.weight_ih_l0.copy_(w["W_xh"])
        rnn.weight_hh_l0.copy_(w["W_hh"])
        rnn.bias_ih_l0.copy_(w["b_h"])
        rnn.bias_hh_l0.zero_()
        readout.weight.copy_(w["W_hy"])
        readout.bias.copy_(w["b_y"])
        x = torch.nn.functional.one_hot(torch.tensor(lm.shifted(targets)), V).double()
        theirs = torch.nn.functional.cross_entropy(readout(rnn(x)[0]).reshape(-1, V), torch.tensor(targets).reshape(-1))
    ours, _, _ = loss_and_gradients(network.layers, network.weights, lm.shifted(targets), targets)
    assert ours / targets.size == pytest.approx(float(theirs), abs=1e-12)


@given(sequences, st.integers(1, 4))
def test_a_pass_shows_every_sequence_once_in_batches_of_one_length(texts, size):
    batches = list(equal_lengths(texts, size, np.random.default_rng(0)))
    shown = sorted(tuple(column) for batch in batches for column in batch.targets.T.tolist())
    assert shown == sorted(tuple(text.tolist()) for text in texts)
    assert all(batch.targets.shape[1] <= size and not batch.continues for batch in batches)


@given(st.integers(1, 4), st.integers(1, 5), st.integers(0, 30))
def test_streams_read_on_where_the_chunk_before_stopped(size, steps, extra):
    text = np.random.default_rng(extra).integers(1, V, size * steps + extra)
    batches = list(streams(text, size, steps))
    read = np.concatenate([batch.targets for batch in batches])  # (steps in all, size)
    length = len(text) // size
    for b in range(size):
        assert read[:, b].tolist() == text[b * length : b * length + len(read)].tolist()
    assert [batch.continues for batch in batches] == [False] + [True] * (len(batches) - 1)


def test_the_input_is_the_token_before():
    sentences = [np.array([1, 2, 3, 0])]
    for batch in [*streams(np.arange(1, 13), 2, 3), *equal_lengths(sentences, 1, np.random.default_rng(0))]:
        assert (batch.inputs[1:] == batch.targets[:-1]).all()
    first, second = streams(np.arange(1, 13), 2, 3)
    assert (second.inputs[0] == first.targets[-1]).all()
    assert first.inputs[0].tolist() == [0, 6]  # a text begins after <EOS>; the second stream begins inside the text


ALTERNATING = [np.array([1, 2] * n + [0]) for n in (2, 3, 4)] * 8


def learn(rng_seed=0, score=lambda m: cross_entropy(m, ALTERNATING), layers=None, passes=equal_lengths, **changes):
    return train(
        layers or Elman(V, 8),
        Settings(**{"rate": 0.03, "steps": 120, "checks": 4} | changes),
        np.random.default_rng(rng_seed),
        lambda rng: passes(ALTERNATING, 8, rng),
        score,
    )


@pytest.mark.parametrize("seed", range(3))
def test_training_learns_to_alternate(seed):
    network, checks = learn(seed)
    # all that cannot be foreseen is which of three lengths a sequence has: log 3 nats for 7 tokens on average
    assert checks[-1].development >= np.log(3) / 7
    # a bigram cannot count the pairs that came; at each of the three ends it can only expect one end in three
    bigram = cross_entropy(MaximumLikelihood(count(ALTERNATING, 2, V)), ALTERNATING)
    assert checks[-1].development < 0.8 * bigram
    assert network.distribution([1])[2] > 0.95
    assert [check.step for check in checks] == [30, 60, 90, 120]


def test_the_best_of_the_checked_models_is_returned():
    scores = iter([3.0, 1.0, 2.0, 2.5])
    seen = []

    def score(network):
        seen.append(network)
        return next(scores)

    network, checks = learn(score=score)
    assert network is seen[1]
    assert [check.development for check in checks] == [3.0, 1.0, 2.0, 2.5]


def test_the_same_seed_gives_the_same_network():
    first, second, other = learn(1)[0], learn(1)[0], learn(2)[0]
    assert all((first.weights[name] == second.weights[name]).all() for name in first.weights)
    assert (first.weights["W_hh"] != other.weights["W_hh"]).any()


def test_a_batch_that_continues_starts_from_the_state_before(monkeypatch):
    given_states = []
    original = lm.loss_and_gradients

    def spy(cell, weights, x, targets, initial, **others):
        given_states.append(initial)
        result = original(cell, weights, x, targets, initial, **others)
        given_states.append(result[2]["h"][-1])
        return result

    monkeypatch.setattr(lm, "loss_and_gradients", spy)
    x = np.array([[1], [2]])
    batches = [Batch(x, x, continues) for continues in (False, True, False)]
    train(Elman(V, 3), Settings(0.1, 3, checks=1), np.random.default_rng(0), lambda rng: iter(batches), lambda m: 0.0)
    assert given_states[0] is None
    assert given_states[4] is None
    assert (given_states[2]["h"] == given_states[1]).all()


STACKS = {
    "LSTM": lambda: LSTM(V, 8),
    "GRU": lambda: GRU(V, 8),
    "two layers": lambda: [LSTM(V, 6), GRU(6, 8)],
}


@pytest.mark.parametrize("layers", STACKS)
@pytest.mark.parametrize("passes", [equal_lengths, lm.padded])
def test_any_cell_and_any_stack_learns_to_alternate(layers, passes):
    network, checks = learn(layers=STACKS[layers](), passes=passes)
    assert checks[-1].development < checks[0].development
    assert network.distribution([1])[2] > 0.9 and network.distribution([1, 2, 1])[2] > 0.9


def test_dropout_is_drawn_in_training_and_off_when_a_model_is_asked():
    network, _ = learn(layers=[Elman(V, 6), Elman(6, 8)], dropout=0.3)
    assert (network.weights["W_hy"] != learn(layers=[Elman(V, 6), Elman(6, 8)])[0].weights["W_hy"]).any()
    first, second = (cross_entropy(network, ALTERNATING) for _ in range(2))
    assert first == second


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), size=st.integers(1, 4))
def test_a_padded_batch_has_the_loss_and_gradients_of_its_sequences_alone(seed, size):
    rng = np.random.default_rng(seed)
    sequences = [np.append(rng.integers(1, V, rng.integers(0, 5)), 0) for _ in range(5)]
    layers = [Elman(V, 3), LSTM(3, 2)]
    weights = initial_weights(lm.shapes(layers), rng, 1.0)
    batches = list(lm.padded(sequences, size, rng))
    assert sum(batch.tokens for batch in batches) == sum(map(len, sequences))
    together = [loss_and_gradients(layers, weights, b.inputs, b.targets, lengths=b.lengths)[:2] for b in batches]
    alone = [loss_and_gradients(layers, weights, lm.shifted(s[:, None]), s[:, None])[:2] for s in sequences]
    assert sum(loss for loss, _ in together) == pytest.approx(sum(loss for loss, _ in alone))
    for name in weights:
        found, expected = (sum(g[name] for _, g in part) for part in (together, alone))
        np.testing.assert_allclose(found, expected, atol=1e-12, err_msg=name)


def test_probabilities_of_a_stack_are_those_of_its_steps_however_sequences_are_cut(monkeypatch):
    layers = [GRU(V, 3), LSTM(3, 2)]
    network = RecurrentLanguageModel(layers, initial_weights(lm.shapes(layers), np.random.default_rng(3), 1.0))
    whole = network.log_probabilities(ALTERNATING[:3])
    monkeypatch.setattr(lm, "ENTRIES", 2 * V)  # a step or two at a time, the states of both layers carried on
    for cut, logarithms, sequence in zip(network.log_probabilities(ALTERNATING[:3]), whole, ALTERNATING, strict=False):
        np.testing.assert_allclose(cut, logarithms, atol=1e-12)
        steps = [np.log(network.distribution(sequence[:t])[token]) for t, token in enumerate(sequence)]
        np.testing.assert_allclose(cut, steps, atol=1e-12)


ONE_BY_ONE = {"Elman": Elman(V, 3), "GRU": GRU(V, 3), "LSTM": LSTM(V, 3), "two layers": [LSTM(V, 3), GRU(3, 2)]}


def of_layers(name, dtype=np.float64, seed=0):
    layers = ONE_BY_ONE[name]
    return RecurrentLanguageModel(layers, initial_weights(shapes(layers), np.random.default_rng(seed), 1.0, dtype))


@pytest.mark.parametrize("name", ONE_BY_ONE)
@settings(max_examples=20)
@given(sequences, st.sampled_from([np.float64, np.float32]))
def test_a_token_at_a_time_it_gives_what_it_gives_whole_sequences(name, texts, dtype):
    """Side by side, each step's distributions of all that may come; those of float32 are float32 sums in float64."""
    network = of_layers(name, dtype)
    targets, lengths = lm.side_by_side(texts)
    state, stepped = network.begin(len(texts)), []
    for tokens in lm.shifted(targets):
        logarithms, state = network.step(tokens, state)
        assert logarithms.shape == (len(texts), V) and logarithms.dtype == np.float64
        stepped.append(logarithms)
    tolerance = 1e-12 if dtype == np.float64 else 1e-5
    for b, whole in enumerate(network.log_probabilities(texts)):
        found = [stepped[t][b, targets[t, b]] for t in range(lengths[b])]
        np.testing.assert_allclose(found, whole, rtol=0, atol=tolerance)
        for t in range(lengths[b]):
            p = network.distribution(texts[b][:t])
            np.testing.assert_allclose(np.exp(stepped[t][b]), p, rtol=0, atol=tolerance)
            np.testing.assert_allclose(np.exp(stepped[t][b]).sum(), 1, rtol=0, atol=1e-14)


@pytest.mark.parametrize("name", ONE_BY_ONE)
def test_a_step_reads_an_eos_like_any_token_and_leaves_the_state_that_it_was_given(name):
    network = of_layers(name)
    first, other = network.begin(1), network.begin(1)
    _, read = network.step([0], first)
    _, read = network.step([2], read)
    logarithms, _ = network.step([0], read)
    np.testing.assert_allclose(np.exp(logarithms[0]), network.distribution([2, 0]), rtol=0, atol=1e-14)
    again, _ = network.step([0], read)
    np.testing.assert_array_equal(again, logarithms)
    np.testing.assert_equal(first, other)


def test_a_first_state_is_zero_in_every_layer():
    for number in (1, 3, np.int8(3)):
        states = [of_layers("LSTM").begin(number), *of_layers("two layers").begin(number)]
        assert [{name: value.shape for name, value in state.items()} for state in states] == [
            {"h": (number, 3), "c": (number, 3)},
            {"h": (number, 3), "c": (number, 3)},
            {"h": (number, 2)},
        ]
        assert not any(value.any() for state in states for value in state.values())


def test_weights_may_be_lists():
    network = model()
    lists = RecurrentLanguageModel(network.layers, {name: value.tolist() for name, value in network.weights.items()})
    np.testing.assert_array_equal(lists.step([1, 2], lists.begin(2))[0], network.step([1, 2], network.begin(2))[0])


@given(st.lists(st.lists(st.integers(0, 300), min_size=1, max_size=5), min_size=1, max_size=4))
def test_side_by_side_stand_the_sequences_as_columns_with_0_below_them(texts):
    for form in (list, tuple, np.array, lambda text: np.array(text, np.uint16)):
        columns, lengths = lm.side_by_side([form(text) for text in texts])
        assert lengths.tolist() == [len(text) for text in texts]
        assert columns.shape == (max(lengths), len(texts)) and columns.dtype == np.int64
        for text, n, column in zip(texts, lengths, columns.T, strict=True):
            assert column.tolist() == text + [0] * (max(lengths) - n)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: model().log_probabilities([]), "sequences: expected at least one sequence, got none"),
        (lambda: model().log_probabilities([np.array([V, 0])]), r"sequences\[0\]: expected token numbers .*, got 4"),
        (lambda: model().log_probabilities([np.array([1])]), "expected <EOS>"),
        (lambda: model().distribution([V]), "context: expected token numbers from 0 to 3, got 4"),
        (lambda: RecurrentLanguageModel(Elman(V, 3), {}), "weights: expected the entries W_xh, W_hh, b_h, W_hy, b_y"),
        (lambda: RecurrentLanguageModel(Elman(V, 2), model().weights), r"W_xh: expected shape \(2, 4\), got \(3, 4\)"),
        (lambda: list(streams(np.arange(5), 2, 3)), "text: expected at least 6 tokens for 2 streams of 3, got 5"),
        (lambda: list(streams(np.arange(5), 0, 3)), "size: expected a whole number of at least 1, got 0"),
        (lambda: list(equal_lengths(ALTERNATING, 0, np.random.default_rng(0))), "size: expected a whole number"),
        (lambda: Settings(rate=0.1, steps=0), "steps: expected a whole number of at least 1, got 0"),
        (lambda: Settings(rate=0.1, steps=1, dropout=1), "dropout: expected a number from 0 to below 1, got 1"),
        (lambda: learn(passes=lambda *_: iter(())), "passes: expected at least one batch in each pass over the text"),
        (lambda: Settings(rate=-1, steps=1), "rate: expected a positive number, got -1"),
        (
            lambda: lm.shapes([(Elman(V, 3), Elman(V, 3))]),
            "layers: expected layers that read forwards alone",
        ),
        (lambda: lm.shapes((Elman(V, 3), Elman(V, 3))), r"layers: expected a cell, or a list .* such as \[pair\]"),
        (lambda: lm.shapes([]), r"layers: expected a cell, or a list of cells"),
        (lambda: model().begin(0), "number: expected a whole number of at least 1, got 0"),
        (lambda: model().begin(2.0), "number: expected a whole number of at least 1, got 2.0"),
        (lambda: model().step([V], model().begin(1)), "tokens: expected token numbers from 0 to 3, got 4"),
        (lambda: model().step([1.0], model().begin(1)), "tokens: expected integers"),
        (lambda: model().step([[1]], model().begin(1)), r"tokens: expected shape \(N,\), got \(1, 1\)"),
        (lambda: model().step([1, 2], model().begin(1)), r"h_0: expected shape \(2, 3\), got \(1, 3\)"),
        (lambda: model().step([1], of_layers("LSTM").begin(1)), "initial: expected the entries h; not expected: c"),
        (lambda: of_layers("two layers").step([1], model().begin(1)), "cells: expected as many as weights and initial"),
        (lambda: model().step([1], of_layers("two layers").begin(1)), "h_0: expected real numbers, got dtype object"),
        (lambda: lm.side_by_side([]), "sequences: expected at least one, got none"),
        (lambda: lm.side_by_side([[1], []]), r"sequences\[1\]: expected at least one entry"),
        (lambda: lm.side_by_side([[1.5]]), r"sequences\[0\]: expected integers \(token numbers\), got dtype float64"),
        (lambda: lm.side_by_side([[-1]]), r"sequences\[0\]: expected token numbers from 0 to"),
        (lambda: lm.side_by_side([[[1]]]), r"sequences\[0\]: expected shape \(T,\), got \(1, 1\)"),
    ],
)
def test_bad_input_names_the_argument(call, message):
    with pytest.raises(ValueError, match=message):
        call()
