"""Encoder and decoder: every gradient is measured and PyTorch's; padding changes nothing; what is written is greedy."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.utils.rnn import pack_padded_sequence

from companion import GRU, LSTM, Directions, Elman, initial_weights, weight_shapes
from companion.applications.fitting import Descent
from companion.applications.translator import (
    DECODER,
    ENCODER,
    Translator,
    decoder_of,
    encode,
    first_state,
    first_weights,
    fit,
    loss_of_batch,
    translate,
)
from companion.applications.writing import log_probabilities, rows
from companion.bptt.gradients import check_gradients
from companion.core.layers import by_layer, forward_stack
from companion.gates.cells import PeepholeLSTM
from companion.gates.convert import to_torch
from companion.rnn.language_model import side_by_side

V_s, V_t = 5, 4
NETWORKS = {
    "both ways, GRU": Translator([Directions(GRU(V_s, 2), GRU(V_s, 2))], GRU(V_t, 3)),
    "one way, LSTM": Translator([LSTM(V_s, 3)], LSTM(V_t, 2)),
    "two layers, Elman": Translator([Directions(Elman(V_s, 2), GRU(V_s, 1)), LSTM(3, 2)], Elman(V_t, 3)),
    "peepholes": Translator([GRU(V_s, 2)], PeepholeLSTM(V_t, 2)),
}
every_network = pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
seeds = st.integers(0, 2**32 - 1)


def drawn(network, seed, number=3):
    """Weights that are nowhere 0, sources and targets."""
    rng = np.random.default_rng(seed)
    texts = [[np.append(rng.integers(1, V, rng.integers(0, 5)), 0) for _ in range(number)] for V in (V_s, V_t)]
    return initial_weights(network.shapes(), rng, 0.8), *texts


def loss_of(network, weights, sources, targets):
    return loss_of_batch(network, weights, *side_by_side(sources), *side_by_side(targets))


@every_network
def test_every_gradient_is_what_differences_measure(network):
    weights, sources, targets = drawn(network, 0)
    _, gradients = loss_of(network, weights, sources, targets)
    assert list(gradients) == list(network.shapes()) or set(gradients) == set(network.shapes())
    check_gradients(lambda w: loss_of(network, w, sources, targets)[0], weights, gradients)


def by_torch(network, weights, sources, targets):
    """The same loss in PyTorch: an encoder of packed sequences, a bridge, a decoder, cross-entropy of what counts."""
    (cell, back), decoder = network.encoder[0], network.decoder
    w = {name: torch.tensor(value, requires_grad=True) for name, value in weights.items()}
    x, lengths = side_by_side(sources)
    d, target_lengths = side_by_side(targets)
    net = torch.nn.GRU(V_s, cell.hidden, bidirectional=True, dtype=torch.float64)
    parameters = {}
    for way, suffix, one in (("forwards", "", cell), ("backwards", "_reverse", back)):
        own = {n: w[f"{ENCODER}1.{way}.{n}"] for n in _names(one)}
        parameters |= {f"{n}{suffix}": value for n, value in _of_torch(own).items()}
    hot = torch.nn.functional.one_hot(torch.tensor(x), V_s).double()
    packed = pack_padded_sequence(hot, torch.tensor(lengths), enforce_sorted=False)
    _, last = torch.func.functional_call(net, parameters, (packed,))
    e = torch.cat([last[0], last[1]], dim=-1)
    h = torch.tanh(e @ w["W_eh"].T + w["b_eh"])
    own = {n: w[f"{DECODER}{n}"] for n in _names(decoder)}
    out = torch.nn.GRU(V_t, decoder.hidden, dtype=torch.float64)
    read = np.vstack([np.zeros((1, len(sources)), int), d[:-1]])
    hot = torch.nn.functional.one_hot(torch.tensor(read), V_t).double()
    states, _ = torch.func.functional_call(out, _of_torch(own), (hot, h[None]))
    logits = states @ w[f"{DECODER}W_hy"].T + w[f"{DECODER}b_y"]
    within = torch.tensor(np.arange(len(d))[:, None] < target_lengths)
    loss = torch.nn.functional.cross_entropy(logits[within], torch.tensor(d)[within], reduction="sum")
    loss.backward()
    return loss.item(), {name: value.grad.numpy() for name, value in w.items()}


def _names(cell):
    return [n for k in "rzn" for n in (f"W_x{k}", f"W_h{k}", f"b_{k}")] + ["b_hn"]


def _of_torch(w):
    zero = torch.zeros_like(w["b_r"])
    return {
        "weight_ih_l0": torch.cat([w[f"W_x{k}"] for k in "rzn"]),
        "weight_hh_l0": torch.cat([w[f"W_h{k}"] for k in "rzn"]),
        "bias_ih_l0": torch.cat([w[f"b_{k}"] for k in "rzn"]),
        "bias_hh_l0": torch.cat([zero, zero, w["b_hn"]]),
    }


@settings(max_examples=15)
@given(seed=seeds)
def test_loss_and_gradients_are_pytorchs(seed):
    network = NETWORKS["both ways, GRU"]
    weights, sources, targets = drawn(network, seed, number=4)
    loss, gradients = loss_of(network, weights, sources, targets)
    theirs, wanted = by_torch(network, weights, sources, targets)
    assert loss == pytest.approx(theirs, abs=1e-10)
    for name in weights:
        np.testing.assert_allclose(gradients[name], wanted[name], atol=1e-10, err_msg=name)


@every_network
@settings(max_examples=10)
@given(seed=seeds)
def test_what_stands_beyond_the_ends_changes_nothing(network, seed):
    weights, sources, targets = drawn(network, seed)
    (x, n), (d, m) = side_by_side(sources), side_by_side(targets)
    loss, gradients = loss_of_batch(network, weights, x, n, d, m)
    rng = np.random.default_rng(seed)
    junk_x = np.where(np.arange(len(x))[:, None] < n, x, rng.integers(0, V_s, x.shape))
    junk_d = np.where(np.arange(len(d))[:, None] < m, d, rng.integers(0, V_t, d.shape))
    more_x, more_d = (np.vstack([rows, np.full((2, rows.shape[1]), 3)]) for rows in (junk_x, junk_d))
    for other in ((junk_x, junk_d), (more_x, more_d)):
        again, others = loss_of_batch(network, weights, other[0], n, other[1], m)
        assert again == pytest.approx(loss, abs=1e-12)
        for name in weights:
            np.testing.assert_allclose(others[name], gradients[name], atol=1e-12)


@every_network
@settings(max_examples=10)
@given(seed=seeds)
def test_the_loss_is_the_sum_of_what_the_decoder_gives_each_target(network, seed):
    weights, sources, targets = drawn(network, seed)
    loss, _ = loss_of(network, weights, sources, targets)
    state = first_state(network, weights, sources)
    each = log_probabilities(decoder_of(network, weights), state, targets)
    assert loss == pytest.approx(-each.sum(), abs=1e-12)
    for b in range(3):  # and each pair has its own
        alone, _ = loss_of(network, weights, sources[b : b + 1], targets[b : b + 1])
        assert alone == pytest.approx(-each[b], abs=1e-12)


@every_network
def test_the_bridge_makes_each_first_state_of_the_summary(network):
    weights, sources, _ = drawn(network, 3)
    x, n = side_by_side(sources)
    encoding = encode(network, weights, x, n)
    assert set(encoding.state) == set(network.decoder.state)
    own = {name.removeprefix(ENCODER): w for name, w in weights.items() if name.startswith(ENCODER)}
    for b, length in enumerate(n):  # each by itself: no other's length matters
        outputs, _ = forward_stack(network.encoder, by_layer(network.encoder, own), x[:length, b : b + 1])
        top = network.encoder[-1]
        if isinstance(top, tuple):
            H = top[0].hidden
            e = np.concatenate([outputs[-1, 0, :H], outputs[0, 0, H:]])
        else:
            e = outputs[-1, 0]
        np.testing.assert_allclose(encoding.e[b], e, atol=1e-12)
        for s, value in encoding.state.items():
            np.testing.assert_allclose(value[b], np.tanh(weights[f"W_e{s}"] @ e + weights[f"b_e{s}"]), atol=1e-12)


@every_network
@settings(max_examples=10)
@given(seed=seeds)
def test_a_translation_is_greedy_read_again_from_the_start(network, seed):
    weights, sources, _ = drawn(network, seed, number=5)
    ours = translate(network, weights, sources, most=6, size=2)
    model, state = decoder_of(network, weights), first_state(network, weights, sources)
    for b in range(5):
        written = [0]
        while len(written) <= 6 and (len(written) == 1 or written[-1]):
            now = rows(state, [b])
            for token in written:  # all read again
                logarithms, now = model.step(np.array([token]), now)
            written.append(int(logarithms[0].argmax()))
        assert ours[b].tolist() == written[1:]


def test_shapes_are_named_as_the_chapter_names_them():
    shapes = NETWORKS["one way, LSTM"].shapes()
    assert shapes["encoder.1.W_xi"] == (3, V_s) and shapes["decoder.W_hf"] == (2, 2)
    assert shapes["W_eh"] == shapes["W_ec"] == (2, 3) and shapes["b_eh"] == shapes["b_ec"] == (2,)
    assert shapes["decoder.W_hy"] == (V_t, 2) and shapes["decoder.b_y"] == (V_t,)
    assert NETWORKS["both ways, GRU"].shapes()["W_eh"] == (3, 4)


def test_first_weights_are_small_and_have_the_dtype_asked_for():
    weights = first_weights(NETWORKS["peepholes"], np.random.default_rng(0))
    assert all(w.dtype == np.float32 and np.abs(w).max() <= 2**-0.5 for w in weights.values())
    assert set(weights) == set(NETWORKS["peepholes"].shapes())


def test_training_learns_to_copy_and_says_the_loss_of_a_token():
    network = Translator([GRU(4, 12)], GRU(4, 12))
    pairs = [(np.array([a, b, 0]), np.array([a, b, 0])) for a in range(1, 4) for b in range(1, 4)]
    epochs = list(fit(network, pairs, Descent(60, 0.03, size=4), np.random.default_rng(0), np.float64))
    assert epochs[0].loss == pytest.approx(np.log(4), abs=0.3)  # a token, not a sequence
    assert all(later.loss < earlier.loss for earlier, later in pairwise(epochs[::20]))
    found = translate(network, epochs[-1].weights, [source for source, _ in pairs], most=5)
    assert [tokens.tolist() for tokens in found] == [target.tolist() for _, target in pairs]


NETWORK = NETWORKS["both ways, GRU"]
WEIGHTS, SOURCES, TARGETS = drawn(NETWORK, 0)
X, N = side_by_side(SOURCES)
D, M = side_by_side(TARGETS)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: loss_of_batch(NETWORK, {}, X, N, D, M), "weights: expected the entries"),
        (lambda: encode(NETWORK, WEIGHTS | {"W_eh": np.ones((2, 2))}, X, N), "W_eh: expected shape"),
        (lambda: encode(NETWORK, WEIGHTS, X + V_s, N), "sources: expected token numbers from 0 to 4"),
        (lambda: encode(NETWORK, WEIGHTS, X, N * 0), "lengths: expected at least one token in each source, got 0"),
        (lambda: encode(NETWORK, WEIGHTS, X, N + 9), "lengths: expected"),
        (lambda: loss_of_batch(NETWORK, WEIGHTS, X, N, D + V_t, M), "targets: expected token numbers from 0 to 3"),
        (lambda: loss_of_batch(NETWORK, WEIGHTS, X, N, D[:, :2], M[:2]), "targets: expected shape"),
        (lambda: loss_of_batch(NETWORK, WEIGHTS, X, N, D, M + 9), "lengths: expected"),
        (lambda: loss_of_batch(NETWORK, WEIGHTS, X, N, D, M * 0), "target_lengths: expected at least one token"),
        (lambda: translate(NETWORK, WEIGHTS, [np.array([1, 2])]), "sources.0.: expected <EOS>"),
        (lambda: translate(NETWORK, WEIGHTS, [np.array([V_s, 0])]), "sources.0.: expected token numbers"),
        (lambda: first_state(NETWORK, WEIGHTS, []), "sources: expected at least one sequence, got none"),
        (
            lambda: next(fit(NETWORK, [(np.array([1, 0]), np.array([1]))], Descent(1, 0.1), np.random.default_rng(0))),
            "targets.0.: expected <EOS>",
        ),
        (lambda: next(fit(NETWORK, [], Descent(1, 0.1), np.random.default_rng(0))), "sources: expected at least one"),
        (lambda: side_by_side([]), "sequences: expected at least one, got none"),
    ],
)
def test_what_cannot_be_meant_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_the_gates_above_stand_in_the_order_of_the_courses_own_conversion():
    w = initial_weights(weight_shapes(GRU(3, 2)), np.random.default_rng(0), 1.0)
    ours = _of_torch({name: torch.tensor(value) for name, value in w.items()})
    for name, value in to_torch(GRU(3, 2), w).items():
        np.testing.assert_array_equal(ours[name].numpy(), value)
