"""Encoder and decoder: loss and gradients are PyTorch's and those measured; padding and order change nothing."""

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch.nn.utils.rnn import pack_padded_sequence

from companion import GRU, LSTM, Elman, Jordan, initial_weights, run_network
from companion.applications.fitting import Descent
from companion.applications.translator import (
    Translator,
    decoder_of,
    encode,
    first_state,
    first_weights,
    fit,
    loss_of_batch,
    translate,
)
from companion.applications.writing import log_probabilities
from companion.bptt.gradients import check_gradients
from companion.core.layers import Directions
from companion.core.optimisers import Adam, clip_by_norm
from companion.gates.cells import PeepholeLSTM
from companion.gates.convert import from_torch, to_torch

PARITY = 1e-10  # float64, as promised in the book
ENCODERS = {
    "one direction": [GRU(5, 3)],
    "both directions": [Directions(GRU(5, 2), GRU(5, 3))],
    "two layers": [LSTM(5, 3), LSTM(3, 2)],
    "two layers of both": [Directions(LSTM(5, 2), LSTM(5, 2)), Directions(LSTM(4, 2), LSTM(4, 2))],
    "mixed": [Directions(GRU(5, 1), Elman(5, 2)), PeepholeLSTM(3, 4)],
}
DECODERS = {cell.__name__: cell(4, 3) for cell in (Elman, GRU, LSTM, PeepholeLSTM)}
encoders, decoders = st.sampled_from(list(ENCODERS)), st.sampled_from(list(DECODERS))
every_encoder = pytest.mark.parametrize("encoder", ENCODERS)
every_decoder = pytest.mark.parametrize("decoder", DECODERS)
seeds = st.integers(0, 2**32 - 1)


def translator_of(encoder, decoder):
    return Translator(ENCODERS[encoder], DECODERS[decoder])


def columns(sequences, rng, V):
    """Side by side; any token of the vocabulary fills up."""
    rows = rng.integers(0, V, (max(map(len, sequences)), len(sequences)))
    for b, sequence in enumerate(sequences):
        rows[: len(sequence), b] = sequence
    return rows, np.array([len(sequence) for sequence in sequences])


def pairs(rng, B, most=5, V_s=5, V_t=4):
    """B pairs of sequences that end with `<EOS>`, the longest of `most` tokens."""

    def sequences(V):
        lengths = rng.integers(1, most + 1, B)
        lengths[rng.integers(B)] = most
        return [np.append(rng.integers(1, V, n - 1), 0) for n in lengths]

    return list(zip(sequences(V_s), sequences(V_t), strict=True))


def drawn(translator, B, seed, most=5):
    """Weights that are nowhere 0, and a batch."""
    rng = np.random.default_rng(seed)
    weights = initial_weights(translator.shapes(), rng, 0.9)
    V_s, V_t = 5, translator.decoder.sizes["x"]
    sources, targets = zip(*pairs(rng, B, most, V_s, V_t), strict=True)
    return weights, [*columns(sources, rng, V_s), *columns(targets, rng, V_t)]


# --- the same in PyTorch ---------------------------------------------------------------------------------------------


def leaves(weights):
    return {name: torch.tensor(w, requires_grad=True) for name, w in weights.items()}


def torch_encoder(translator, weights, sources, lengths):
    """e, read from packed sequences, and a function that gives the encoder's gradients under our names."""
    x = torch.nn.functional.one_hot(torch.tensor(sources), 5).double()
    h, used = pack_padded_sequence(x, torch.tensor(lengths), enforce_sorted=False), []
    for k, layer in enumerate(translator.encoder, start=1):
        both = isinstance(layer, tuple)
        cells, places = (layer, (f"{k}.forwards.", f"{k}.backwards.")) if both else ((layer,), (f"{k}.",))
        kind = {GRU: torch.nn.GRU, LSTM: torch.nn.LSTM, Elman: torch.nn.RNN}[type(cells[0])]
        I, H = cells[0].sizes["x"], cells[0].sizes["h"]
        module = kind(I, H, bidirectional=both).double()
        state = {}
        for reverse, (cell, place) in enumerate(zip(cells, places, strict=True)):
            own = {n.removeprefix(place): w for n, w in weights.items() if n.startswith(place)}
            state |= to_torch(cell, own, 0, bool(reverse))
        module.load_state_dict({name: torch.tensor(value) for name, value in state.items()})
        used.append((module, cells, places))
        h, last = module(h)
        last = last[0] if isinstance(last, tuple) else last
    return torch.cat([*last], dim=-1), used


def gradients_under_our_names(used):
    found = {}
    for module, cells, places in used:
        for reverse, (cell, place) in enumerate(zip(cells, places, strict=True)):
            grads = {name: p.grad.numpy().copy() for name, p in module.named_parameters()}
            for name in grads:
                if name.startswith("bias_hh"):  # beside the GRU's b_hn, our second bias is none and PyTorch's is 0
                    grads[name][: 2 * cell.sizes["h"] if isinstance(cell, GRU) else None] = 0
            found |= {f"{place}{name}": g for name, g in from_torch(cell, grads, 0, bool(reverse)).items()}
    return found


def torch_decoder_step(cell, w, x, state):
    """Written out, for x (B, V): the state after it."""
    h, c = state["h"], state.get("c")

    def a(k, before=h):
        return x @ w[f"W_x{k}"].T + before @ w[f"W_h{k}"].T + w[f"b_{k}"]

    if isinstance(cell, Elman):
        return {"h": torch.tanh(a("h"))}
    if isinstance(cell, GRU):
        r, z = torch.sigmoid(a("r")), torch.sigmoid(a("z"))
        n = torch.tanh(x @ w["W_xn"].T + w["b_n"] + r * (h @ w["W_hn"].T + w["b_hn"]))
        return {"h": (1 - z) * n + z * h}
    peep = isinstance(cell, PeepholeLSTM)
    i = torch.sigmoid(a("i") + (w["p_i"] * c if peep else 0))
    f = torch.sigmoid(a("f") + (w["p_f"] * c if peep else 0))
    c = f * c + i * torch.tanh(a("g"))
    o = torch.sigmoid(a("o") + (w["p_o"] * c if peep else 0))
    return {"h": o * torch.tanh(c), "c": c}


def with_torch(translator, weights, sources, lengths, targets, target_lengths):
    """Loss and all gradients by autograd: nn.GRU, nn.LSTM or nn.RNN read; bridge and decoder are written out."""
    of_encoder = {n.removeprefix("encoder."): w for n, w in weights.items() if n.startswith("encoder.")}
    w = leaves({name: value for name, value in weights.items() if not name.startswith("encoder.")})
    e, used = torch_encoder(translator, of_encoder, sources, lengths)
    state = {s: torch.tanh(e @ w[f"W_e{s}"].T + w[f"b_e{s}"]) for s in translator.decoder.state}
    own = {name.removeprefix("decoder."): value for name, value in w.items() if name.startswith("decoder.")}
    V, B = translator.decoder.sizes["x"], len(lengths)
    loss, read = torch.zeros((), dtype=torch.float64), torch.zeros(B, dtype=torch.int64)
    for t in range(len(targets)):
        x = torch.nn.functional.one_hot(read, V).double()
        state = torch_decoder_step(translator.decoder, own, x, state)
        logits = state["h"] @ own["W_hy"].T + own["b_y"]
        d, going_on = torch.tensor(targets[t]), torch.tensor(t < target_lengths)
        loss = loss + (torch.nn.functional.cross_entropy(logits, d, reduction="none") * going_on).sum()
        read = d
    loss.backward()
    found = {name: value.grad.numpy() for name, value in w.items()}
    return loss.item(), found | {f"encoder.{n}": g for n, g in gradients_under_our_names(used).items()}


BUILT = {
    "one direction": [GRU(5, 3)],
    "both directions": [Directions(GRU(5, 2), GRU(5, 2))],
    "Elman": [Directions(Elman(5, 2), Elman(5, 2))],
    "two layers": [LSTM(5, 3), LSTM(3, 2)],
    "two layers of both": [Directions(LSTM(5, 2), LSTM(5, 2)), Directions(LSTM(4, 2), LSTM(4, 2))],
}


@every_decoder
@settings(max_examples=8)
@given(encoder=st.sampled_from(list(BUILT)), B=st.integers(1, 4), most=st.integers(1, 5), seed=seeds)
@example(encoder="one direction", B=3, most=5, seed=0)
@example(encoder="both directions", B=4, most=5, seed=1)
@example(encoder="two layers", B=3, most=4, seed=2)
@example(encoder="two layers of both", B=4, most=5, seed=3)
@example(encoder="Elman", B=1, most=1, seed=4)
def test_loss_and_gradients_equal_pytorch(decoder, encoder, B, most, seed):
    translator = Translator(BUILT[encoder], DECODERS[decoder])
    weights, batch = drawn(translator, B, seed, most)
    loss, gradients = loss_of_batch(translator, weights, *batch)
    their_loss, theirs = with_torch(translator, weights, *batch)
    np.testing.assert_allclose(loss, their_loss, rtol=0, atol=PARITY)
    assert set(gradients) == set(theirs) == set(weights)
    for name in weights:
        np.testing.assert_allclose(gradients[name], theirs[name], rtol=0, atol=PARITY, err_msg=name)


SMALL = {
    "one direction": [Elman(3, 2)],
    "both directions": [Directions(GRU(3, 1), Elman(3, 1))],
    "two layers": [Elman(3, 2), LSTM(2, 1)],
    "two layers of both": [Directions(Elman(3, 1), Elman(3, 1)), Directions(GRU(2, 1), Elman(2, 1))],
}


@pytest.mark.parametrize(
    ("encoder", "decoder"),
    [*(("both directions", d) for d in DECODERS), *((e, "PeepholeLSTM") for e in SMALL if e != "both directions")],
)
def test_all_gradients_are_those_that_central_differences_measure(encoder, decoder):
    translator = Translator(SMALL[encoder], type(DECODERS[decoder])(3, 2))
    rng = np.random.default_rng(3)
    weights = initial_weights(translator.shapes(), rng, 0.9)
    batch = [np.array([[1, 2], [2, 0], [0, 1]]), [3, 2], np.array([[0, 1], [2, 2], [1, 0]]), [1, 3]]
    _, gradients = loss_of_batch(translator, weights, *batch)
    assert set(gradients) == set(weights)
    check_gradients(lambda w: loss_of_batch(translator, w, *batch)[0], weights, gradients, bound=1e-8)


# --- what the numbers are --------------------------------------------------------------------------------------------


@settings(max_examples=20)
@given(encoder=encoders, decoder=decoders, B=st.integers(1, 4), most=st.integers(1, 5), seed=seeds)
@example(encoder="mixed", decoder="LSTM", B=4, most=5, seed=0)
@example(encoder="both directions", decoder="GRU", B=3, most=4, seed=1)
def test_the_loss_is_minus_log_p_of_what_the_decoder_writes_from_its_first_state(encoder, decoder, B, most, seed):
    translator = translator_of(encoder, decoder)
    weights, (sources, lengths, targets, target_lengths) = drawn(translator, B, seed, most)
    loss, _ = loss_of_batch(translator, weights, sources, lengths, targets, target_lengths)
    read = [sources[:n, b] for b, n in enumerate(lengths)]
    written = [targets[:n, b] for b, n in enumerate(target_lengths)]
    writer = decoder_of(translator, weights)
    log_p = log_probabilities(writer, first_state(translator, weights, read), written)
    np.testing.assert_allclose(loss, -log_p.sum(), rtol=0, atol=1e-12)


def alone(translator, weights, source):
    """The decoder's first state for one source, and e: each cell reads by itself, token after token; the bridge."""
    rows = np.eye(5)[source]
    for k, layer in enumerate(translator.encoder, start=1):
        both = isinstance(layer, tuple)
        ways = [("forwards.", 1), ("backwards.", -1)] if both else [("", 1)]
        found, ends = [], []
        for cell, (way, step) in zip(layer if both else (layer,), ways, strict=True):
            place = f"encoder.{k}.{way}"
            w = {n.removeprefix(place): v for n, v in weights.items() if n.startswith(place)}
            w = {n: torch.tensor(v) for n, v in w.items()}
            state = {s: torch.zeros((1, cell.sizes[s]), dtype=torch.float64) for s in cell.state}
            h = []
            for x in rows[::step]:
                state = torch_decoder_step(cell, w, torch.tensor(x[None]), state)
                h.append(state["h"][0].numpy())
            ends.append(h[-1])
            found.append(np.array(h[::step]))
        rows, e = np.concatenate(found, axis=-1), np.concatenate(ends)
    return {s: np.tanh(weights[f"W_e{s}"] @ e + weights[f"b_e{s}"])[None] for s in translator.decoder.state}, e


@every_encoder
def test_an_encoding_is_what_each_source_gives_read_alone_and_by_hand(encoder):
    translator = translator_of(encoder, "PeepholeLSTM")
    weights, (sources, lengths, *_) = drawn(translator, 4, 0)
    encoding = encode(translator, weights, sources, lengths)
    assert list(encoding.state) == ["h", "c"] and len(encoding.tapes) == len(translator.encoder)
    for b, n in enumerate(lengths):
        state, e = alone(translator, weights, sources[:n, b])
        np.testing.assert_allclose(encoding.e[b], e, rtol=0, atol=1e-13)
        for s in ("h", "c"):
            np.testing.assert_allclose(encoding.state[s][b], state[s][0], rtol=0, atol=1e-13, err_msg=s)
            assert (np.abs(encoding.state[s]) < 1).all()


@every_encoder
@every_decoder
def test_a_translation_is_the_likeliest_token_again_and_again_with_all_read_anew(encoder, decoder):
    """A plain loop: the source alone, and for each token all that was written is read again."""
    translator = translator_of(encoder, decoder)
    rng = np.random.default_rng(5)
    weights = initial_weights(translator.shapes(), rng, 2.0)
    sources = [source for source, _ in pairs(rng, 8)]
    most, found = 6, []
    own = {name.removeprefix("decoder."): w for name, w in weights.items() if name.startswith("decoder.")}
    for source in sources:
        state, _ = alone(translator, weights, source)
        written = []
        while len(written) < most and 0 not in written:
            x = np.array([0, *written])[:, None]
            logits = run_network(translator.decoder, own, x, state).logits[-1, 0]
            written.append(int(logits.argmax()))
        found.append(written)
    for size in (250, 3):
        translated = translate(translator, weights, sources, most, size)
        assert [tokens.tolist() for tokens in translated] == found


def test_some_translations_end_and_others_are_cut():
    translator = translator_of("both directions", "GRU")
    weights, _ = drawn(translator, 1, 0)
    sources = [source for source, _ in pairs(np.random.default_rng(1), 3)]
    never = weights | {"decoder.b_y": np.array([-50.0, 0, 0, 0])}
    assert [len(tokens) for tokens in translate(translator, never, sources)] == [100] * 3
    assert [len(tokens) for tokens in translate(translator, never, sources, np.int8(7))] == [7] * 3
    at_once = weights | {"decoder.b_y": np.array([50.0, 0, 0, 0])}
    assert [tokens.tolist() for tokens in translate(translator, at_once, sources)] == [[0]] * 3
    assert translate(translator, weights, []) == []


def test_how_many_are_translated_at_once():
    """250 by default: more than that are encoded in two calls."""
    translator = translator_of("one direction", "Elman")
    weights, _ = drawn(translator, 1, 0)
    sources = [np.array([1 + k % 4, 0]) for k in range(251)]
    seen = []

    class Counted(list):
        def __getitem__(self, part):
            seen.append(len(range(len(self))[part]))
            return super().__getitem__(part)

    assert len(translate(translator, weights, Counted(sources), 2)) == 251
    assert seen == [250, 1]


# --- padding, order, batches -----------------------------------------------------------------------------------------


@settings(max_examples=20)
@given(encoder=encoders, decoder=decoders, B=st.integers(1, 4), seed=seeds)
@example(encoder="mixed", decoder="LSTM", B=4, seed=0)
@example(encoder="two layers of both", decoder="PeepholeLSTM", B=3, seed=1)
def test_what_fills_up_changes_no_bit(encoder, decoder, B, seed):
    translator = translator_of(encoder, decoder)
    weights, (sources, lengths, targets, target_lengths) = drawn(translator, B, seed)
    loss, gradients = loss_of_batch(translator, weights, sources, lengths, targets, target_lengths)
    e = encode(translator, weights, sources, lengths).e
    rng = np.random.default_rng(seed)
    for rows, n in ((sources, lengths), (targets, target_lengths)):
        beyond = np.arange(len(rows))[:, None] >= n
        rows[beyond] = rng.choice([-1, 10**9, 4, 0, -(2**62)], beyond.sum())
    junk_loss, junk = loss_of_batch(translator, weights, sources, lengths, targets, target_lengths)
    assert junk_loss == loss
    for name in gradients:
        np.testing.assert_array_equal(junk[name], gradients[name], err_msg=name)
    np.testing.assert_array_equal(encode(translator, weights, sources, lengths).e, e)


@every_encoder
def test_more_padding_changes_nothing(encoder):
    translator = translator_of(encoder, "LSTM")
    weights, (sources, lengths, targets, target_lengths) = drawn(translator, 3, 1)
    loss, gradients = loss_of_batch(translator, weights, sources, lengths, targets, target_lengths)
    junk = np.full((2, 3), 99)
    wide = [np.vstack([sources, junk]), lengths, np.vstack([targets, junk, junk]), target_lengths]
    wide_loss, same = loss_of_batch(translator, weights, *wide)
    np.testing.assert_allclose(wide_loss, loss, rtol=0, atol=1e-12)
    for name in gradients:
        np.testing.assert_allclose(same[name], gradients[name], rtol=0, atol=1e-12, err_msg=name)


@settings(max_examples=20)
@given(encoder=encoders, decoder=decoders, B=st.integers(2, 4), seed=seeds)
@example(encoder="mixed", decoder="LSTM", B=4, seed=0)
@example(encoder="two layers of both", decoder="GRU", B=3, seed=1)
def test_neither_the_order_of_pairs_nor_their_company_matters(encoder, decoder, B, seed):
    translator = translator_of(encoder, decoder)
    weights, (sources, lengths, targets, target_lengths) = drawn(translator, B, seed)
    loss, gradients = loss_of_batch(translator, weights, sources, lengths, targets, target_lengths)
    order = np.random.default_rng(seed).permutation(B)
    mixed = sources[:, order], lengths[order], targets[:, order], target_lengths[order]
    total, summed = 0.0, {name: np.zeros_like(w) for name, w in weights.items()}
    for b, (n, m) in enumerate(zip(lengths, target_lengths, strict=True)):
        own, of_own = loss_of_batch(translator, weights, sources[:n, [b]], [n], targets[:m, [b]], [m])
        total, summed = total + own, {name: summed[name] + of_own[name] for name in summed}
    for other, g in (loss_of_batch(translator, weights, *mixed), (total, summed)):
        np.testing.assert_allclose(other, loss, rtol=0, atol=1e-12)
        for name in weights:
            np.testing.assert_allclose(g[name], gradients[name], rtol=0, atol=1e-12, err_msg=name)


# --- weights, dtypes -------------------------------------------------------------------------------------------------


def test_weights_have_these_names_and_shapes():
    translator = Translator([Directions(Elman(7, 3), Elman(7, 4)), Elman(7, 2)], PeepholeLSTM(6, 5))
    shapes = translator.shapes()
    assert {n: s for n, s in shapes.items() if n.startswith("encoder.1.backwards")} == {
        "encoder.1.backwards.W_xh": (4, 7),
        "encoder.1.backwards.W_hh": (4, 4),
        "encoder.1.backwards.b_h": (4,),
    }
    assert [shapes[f"encoder.2.{name}"] for name in ("W_xh", "W_hh", "b_h")] == [(2, 7), (2, 2), (2,)]
    bridge = {n: s for n, s in shapes.items() if not n.startswith(("encoder.", "decoder."))}
    assert bridge == {"W_eh": (5, 2), "b_eh": (5,), "W_ec": (5, 2), "b_ec": (5,)}
    assert shapes["decoder.W_hy"] == (6, 5) and shapes["decoder.b_y"] == (6,) and shapes["decoder.p_o"] == (5,)
    assert Translator([Directions(Elman(7, 3), Elman(7, 4))], Elman(6, 5)).shapes()["W_eh"] == (5, 7)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_weights_begin_uniformly_within_one_over_the_root_of_the_decoders_size(dtype):
    translator = Translator([Elman(50, 40)], GRU(30, 16))
    weights = first_weights(translator, np.random.default_rng(0), dtype)
    assert {name: w.shape for name, w in weights.items()} == translator.shapes()
    for name, w in weights.items():
        assert w.dtype == dtype and np.abs(w).max() <= 1 / 4
        assert w.size < 100 or np.abs(w).max() > 0.24, name
    assert {w.dtype for w in first_weights(translator, np.random.default_rng(0)).values()} == {np.dtype(np.float32)}


@every_encoder
@every_decoder
def test_float32_stays_float32(encoder, decoder):
    translator = translator_of(encoder, decoder)
    weights, batch = drawn(translator, 3, 0)
    narrow = {name: w.astype(np.float32) for name, w in weights.items()}
    loss, gradients = loss_of_batch(translator, narrow, *batch)
    expected, wide = loss_of_batch(translator, weights, *batch)
    encoding = encode(translator, narrow, *batch[:2])
    assert {array.dtype for array in (*gradients.values(), encoding.e, *encoding.state.values())} == {
        np.dtype(np.float32)
    }
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    for name in weights:
        np.testing.assert_allclose(gradients[name], wide[name], atol=1e-4, err_msg=name)


def test_whatever_form_a_batch_comes_in_it_is_the_same_and_stays_as_it_was():
    translator = translator_of("two layers of both", "LSTM")
    weights, batch = drawn(translator, 3, 0)
    loss, gradients = loss_of_batch(translator, weights, *batch)
    kept = [array.copy() for array in (*weights.values(), *batch)]
    ways = [lambda a: a.astype(np.int8), np.asfortranarray, lambda a: a.tolist(), lambda a: a.astype(">u2")]
    for way in ways:
        fixed = [array.copy() for array in batch]
        for array in fixed:
            array.setflags(write=False)
        for of_weights in (np.asfortranarray, np.ndarray.tolist, lambda w: w.astype(">f8")):
            same_weights = {name: of_weights(w) for name, w in weights.items()}
            same_loss, same = loss_of_batch(translator, same_weights, *map(way, fixed))
            np.testing.assert_allclose(same_loss, loss, rtol=0, atol=1e-13)
            for name in gradients:
                np.testing.assert_allclose(same[name], gradients[name], rtol=0, atol=1e-13, err_msg=name)
    for before, after in zip(kept, (*weights.values(), *batch), strict=True):
        np.testing.assert_array_equal(before, after)


# --- training --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_fit_is_so_many_steps_of_adam_whose_rate_falls_to_0(dtype):
    """Written out: the order of a pass, then a batch side by side, and the mean over its target tokens."""
    translator, chosen = translator_of("both directions", "LSTM"), Descent(2, 0.05, 3, 0.2)
    training = pairs(np.random.default_rng(0), 7)
    epochs = list(fit(translator, training, chosen, np.random.default_rng(1), dtype))
    rng = np.random.default_rng(1)
    weights, adam, step = first_weights(translator, rng, dtype), Adam(0.05), 0
    for epoch in epochs:
        order, losses, tokens = rng.permutation(7), 0.0, 0
        for first in (0, 3, 6):
            batch = [training[i] for i in order[first : first + 3]]
            junk = np.random.default_rng(0)
            sources, targets = (columns(side, junk, 1) for side in zip(*batch, strict=True))
            loss, gradients = loss_of_batch(translator, weights, *sources, *targets)
            n = sum(len(target) for _, target in batch)
            mean = clip_by_norm({name: gradients[name] / dtype(n) for name in weights}, 0.2)
            weights, adam = Adam(0.05 * (1 - step / 6), steps=adam.steps, m=adam.m, v=adam.v).step(weights, mean)
            losses, tokens, step = losses + loss, tokens + n, step + 1
        np.testing.assert_allclose(epoch.loss, losses / tokens, rtol=1e-12)
        for name, w in weights.items():
            np.testing.assert_array_equal(epoch.weights[name], w, err_msg=name)
            assert epoch.weights[name].dtype == dtype
    assert [epoch.number for epoch in epochs] == [1, 2]


def test_weights_are_float32_unless_told_otherwise():
    translator = translator_of("one direction", "Elman")
    training = pairs(np.random.default_rng(0), 2)
    (epoch,) = fit(translator, training, Descent(1, 0.1), np.random.default_rng(1))
    assert {w.dtype for w in epoch.weights.values()} == {np.dtype(np.float32)}


def test_reversing_is_learnt():
    """Every sequence of up to two of two tokens, reversed."""
    training = [([*tokens, 0], [*tokens[::-1], 0]) for tokens in ([1], [2], [1, 1], [1, 2], [2, 1], [2, 2], [])]
    translator = Translator([Directions(GRU(3, 6), GRU(3, 6))], LSTM(3, 8))
    last = list(fit(translator, training, Descent(60, 0.06, 4), np.random.default_rng(0)))[-1]
    assert last.loss < 0.1
    found = translate(translator, last.weights, [source for source, _ in training])
    assert [tokens.tolist() for tokens in found] == [target for _, target in training]


# --- refusals --------------------------------------------------------------------------------------------------------

T = translator_of("both directions", "LSTM")
W, (S, N, D, M) = drawn(T, 3, 0)
one = Descent(1, 0.1)


def rng():
    return np.random.default_rng(0)


def lengths_message(name, most):
    return rf"^{name}: expected whole numbers from 1 to {most}, got"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: encode(T, {}, S, N), "^weights: expected the entries encoder.1.forwards.W_xr, .* got none"),
        (lambda: encode(T, W | {"more": N}, S, N), "^weights: expected the entries .*more"),
        (lambda: encode(T, W | {"W_ec": W["W_ec"].T}, S, N), r"^W_ec: expected shape \(3, 5\), got \(5, 3\)"),
        (lambda: encode(T, W | {"b_eh": np.full(3, np.nan)}, S, N), "^b_eh: expected finite numbers, got nan"),
        (lambda: encode(T, W | {"decoder.b_y": np.full(4, -np.inf)}, S, N), "^decoder.b_y: expected finite .* -inf"),
        (lambda: encode(T, W | {"b_eh": "abc"}, S, N), "^b_eh: expected an array or a list, got the text 'abc'"),
        (lambda: encode(T, W, S[:, 0], N), r"^sources: expected shape \(S, B\), got \(5,\)"),
        (lambda: encode(T, W, S[:0], N), r"^sources: expected at least one entry along every axis, got shape \(0, 3\)"),
        (lambda: encode(T, W, S + 0.0, N), "^sources: expected integers .* got dtype float64"),
        (lambda: encode(T, W, S > 1, N), "^sources: expected integers .* got dtype bool"),
        (lambda: encode(T, W, S.astype(object), N), "^sources: expected integers .* got dtype object"),
        (lambda: encode(T, W, S + 4, N), "^sources: expected token numbers from 0 to 4, got"),
        (lambda: encode(T, W, S - 1, N), "^sources: expected token numbers from 0 to 4, got -1"),
        (lambda: encode(T, W, S, [0, 1, 5]), lengths_message("lengths", 5)),
        (lambda: encode(T, W, S, [1, 1, 6]), lengths_message("lengths", 5)),
        (lambda: encode(T, W, S, [1.0, 1.0, 5.0]), lengths_message("lengths", 5)),
        (lambda: encode(T, W, S, [True] * 3), lengths_message("lengths", 5)),
        (lambda: encode(T, W, S, [1, 2]), r"^lengths: expected shape \(3,\), got \(2,\)"),
        (lambda: encode(T, W, S, 5), r"^lengths: expected shape \(3,\), got \(\)"),
        (lambda: loss_of_batch(T, W, S, N, D[:, :2], M[:2]), r"^targets: expected shape \(T, 3\), got \(5, 2\)"),
        (lambda: loss_of_batch(T, W, S, N, D, [0, 1, 5]), lengths_message("target_lengths", 5)),
        (lambda: loss_of_batch(T, W, S, N, D, [1, 1, 6]), lengths_message("target_lengths", 5)),
        (lambda: loss_of_batch(T, W, S, N, D, [-1, 1, 5]), lengths_message("target_lengths", 5)),
        (lambda: loss_of_batch(T, W, S, N, D + 4, M), "^targets: expected token numbers from 0 to 3, got"),
        (lambda: loss_of_batch(T, W, S, N, D + 0.5, M), "^targets: expected integers .* got dtype float64"),
        (lambda: loss_of_batch(T, W, S, N, "abc", M), "^targets: expected an array or a list, got the text 'abc'"),
        (lambda: first_state(T, W, []), "^sources: expected at least one sequence, got none"),
        (lambda: first_state(T, W, [[1, 0], [2]]), r"^sources\[1\]: expected <EOS> \(number 0\) .* got 2"),
        (lambda: first_state(T, W, [[1, 0], [7, 0]]), r"^sources\[1\]: expected token numbers from 0 to 4, got 7"),
        (lambda: first_state(T, W, [[0], []]), r"^sources\[1\]: expected at least one entry"),
        (lambda: translate(T, W, [[1, 2]]), r"^sources\[0\]: expected <EOS>"),
        (lambda: translate(T, W, [[1, 0]], 0), "^most: expected a whole number of at least 1, got 0"),
        (lambda: translate(T, W, [[1, 0]], 2.0), "^most: expected a whole number of at least 1, got 2.0"),
        (lambda: translate(T, W, [[1, 0]], size=0), "^size: expected a whole number of at least 1, got 0"),
        (lambda: translate(T, W, [[1, 0]], size=-1), "^size: expected a whole number of at least 1, got -1"),
        (lambda: translate(T, W, [[1, 0]], size=True), "^size: expected a whole number of at least 1, got True"),
        (lambda: fit(T, [], one, rng()), "^sources: expected at least one sequence, got none"),
        (lambda: fit(T, [([1, 2], [1, 0])], one, rng()), r"^sources\[0\]: expected <EOS>"),
        (lambda: fit(T, [([0], [0]), ([1, 0], [1, 2])], one, rng()), r"^targets\[1\]: expected <EOS>"),
        (lambda: fit(T, [([4, 0], [4, 0])], one, rng()), r"^targets\[0\]: expected token numbers from 0 to 3, got 4"),
        (lambda: fit(T, [([5, 0], [1, 0])], one, rng()), r"^sources\[0\]: expected token numbers from 0 to 4, got 5"),
        (lambda: Translator([GRU(5, 3)], Jordan(4, 3, 4)).shapes(), "^layers: expected a cell without"),
        (lambda: Translator([], GRU(4, 3)).shapes(), "^layers: expected a cell, or a list of cells"),
        (lambda: Translator([GRU(5, 3)], Directions(GRU(4, 3), GRU(4, 3))), "^decoder: expected one cell, got Dir"),
        (lambda: Translator([GRU(5, 3)], [GRU(4, 3)]), r"^decoder: expected one cell, got \[GRU"),
        (lambda: Translator(GRU(5, 3), GRU(4, 3)), r"^encoder: expected a list of layers such as \[cell\], got GRU"),
        (lambda: Translator((GRU(5, 3),), GRU(4, 3)), r"^encoder: expected a list of layers .* got \(GRU"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
