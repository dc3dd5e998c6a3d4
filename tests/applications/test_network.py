"""Networks that read words: loss and gradients are PyTorch's, and padding, junk and other sentences change nothing."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from torchcrf import CRF

from companion import GRU, LSTM, Elman, Jordan, cross_entropy, initial_weights, log_softmax, readout
from companion.applications.crf import best_labels, chain_loss
from companion.applications.network import (
    Chain,
    EachWord,
    Network,
    OneAnswer,
    answer,
    first_weights,
    gradients_of,
    loss_and_gradients,
    read,
)
from companion.applications.pooling import ENDS, LAST, MAX, MEAN
from companion.bptt.gradients import check_gradients
from companion.core.dropout import dropout_mask
from companion.core.layers import Directions, by_layer, forward_stack, stack_shapes
from companion.gates.convert import to_torch

PARITY = 1e-10  # float64, as promised in the book
HEADS = {
    **{pool.name: OneAnswer(pool) for pool in (LAST, ENDS, MEAN, MAX)},
    "each word": EachWord(),
    "chain": Chain(),
}
every_head = pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
TABLES = {"word": (6, 3), "shape": (4, 1), "end": (3, 1)}
STACKS = {
    "one direction": [LSTM(5, 4)],
    "both directions": [Directions(LSTM(5, 2), LSTM(5, 2))],
    "two layers": [Directions(LSTM(5, 2), LSTM(5, 2)), Directions(LSTM(4, 2), LSTM(4, 2))],
    "mixed": [Directions(GRU(5, 1), Elman(5, 2)), GRU(3, 4)],
    "y": [Elman(5, 2), Jordan(2, 3, 4)],
}
every_stack = pytest.mark.parametrize("layers", STACKS.values(), ids=STACKS)
seeds = st.integers(0, 2**32 - 1)


def drawn(network, T, B, seed):
    """Weights that are nowhere 0, words, lengths and targets."""
    rng = np.random.default_rng(seed)
    weights = initial_weights(network.shapes(), rng, 0.8)
    words = np.stack([rng.integers(0, size, (T, B)) for size, _ in network.tables.values()], axis=-1)
    lengths = rng.integers(1, T + 1, B)
    lengths[rng.integers(B)] = T
    one = isinstance(network.head, OneAnswer)
    return weights, words, lengths, rng.integers(0, network.outputs, B if one else (T, B))


def masks_for(network, T, B, seed, kind):
    """One mask for all steps, one for each, or none."""
    rng = np.random.default_rng(seed)
    top = network.layers[-1]
    hidden = sum(cell.sizes[cell.outputs[0]] for cell in (top if isinstance(top, tuple) else [top]))
    shape = {"none": None, "same": (B,), "each": (T, B)}[kind]
    return (None, None) if shape is None else tuple(dropout_mask(rng, (*shape, n), 0.4) for n in (5, hidden))


def with_torch(network, weights, words, lengths, targets, masks):
    """Loss, and gradients under our names, by Embedding, LSTM, Linear, cross_entropy and pytorch-crf."""
    both = isinstance(network.layers[0], tuple)
    cells = [cell for layer in network.layers for cell in (layer if both else [layer])]
    parts = [part for w in by_layer_of(network, weights) for part in (w if both else [w])]
    tables = {
        name: torch.nn.Embedding.from_pretrained(torch.tensor(weights[f"E_{name}"]), freeze=False)
        for name in network.tables
    }
    x = torch.cat([table(torch.tensor(words[..., k])) for k, table in enumerate(tables.values())], dim=-1)
    lstms = []
    for k in range(len(network.layers)):
        own = range(k * (1 + both), (k + 1) * (1 + both))
        lstm = torch.nn.LSTM(cells[own[0]].sizes["x"], cells[own[0]].sizes["h"], bidirectional=both).double()
        state = {}
        for i in own:
            state |= to_torch(cells[i], parts[i], 0, i != own[0])
        lstm.load_state_dict({name: torch.tensor(value) for name, value in state.items()})
        lstms.append(lstm)
    T, B = words.shape[:2]
    h = x if masks[0] is None else x * torch.tensor(masks[0])
    for lstm in lstms:
        packed, _ = lstm(pack_padded_sequence(h, torch.tensor(lengths), enforce_sorted=False))
        h, _ = pad_packed_sequence(packed, total_length=T)
    h = h if masks[1] is None else h * torch.tensor(masks[1])
    linear = torch.nn.Linear(h.shape[-1], network.outputs).double()
    linear.load_state_dict({"weight": torch.tensor(weights["W_hy"]), "bias": torch.tensor(weights["b_y"])})
    d, within = torch.tensor(targets), torch.tensor(np.arange(T)[:, None] < lengths)
    crf = CRF(network.outputs).double()
    if isinstance(network.head, Chain):
        named = {"transitions": weights["W_yy"].T, "start_transitions": weights["b_start"]}
        named |= {"end_transitions": weights["b_end"]}
        crf.load_state_dict({name: torch.tensor(value) for name, value in named.items()})
        loss = -crf(linear(h), d, within)
    elif isinstance(network.head, EachWord):
        loss = torch.nn.functional.cross_entropy(linear(h)[within], d[within], reduction="sum")
    else:
        z = torch.stack([pooled(network.head.pool, h[:n, b]) for b, n in enumerate(lengths)])
        loss = torch.nn.functional.cross_entropy(linear(z), d, reduction="sum")
    loss.backward()
    gradients = {f"E_{name}": table.weight.grad for name, table in tables.items()}
    gradients |= {"W_hy": linear.weight.grad, "b_y": linear.bias.grad}
    if isinstance(network.head, Chain):
        passed = crf.transitions.grad.T if T > 1 else torch.zeros_like(crf.transitions)
        gradients |= {"W_yy": passed, "b_start": crf.start_transitions.grad, "b_end": crf.end_transitions.grad}
    of_layers = {
        f"{k + 1}.{'backwards.' if reverse else 'forwards.' if both else ''}": {
            name.removesuffix("_reverse"): p.grad.numpy()
            for name, p in lstm.named_parameters()
            if name.endswith("_reverse") == reverse
        }
        for k, lstm in enumerate(lstms)
        for reverse in (False, True)[: 1 + both]
    }
    return loss.item(), {name: g.numpy() for name, g in gradients.items()}, of_layers


def by_layer_of(network, weights):
    return by_layer(network.layers, {name: weights[name] for name in stack_shapes(network.layers)})


def pooled(pool, h):
    half = h.shape[-1] // 2
    if pool is ENDS:
        return torch.cat([h[-1, :half], h[0, half:]])
    return {LAST: h[-1], MEAN: h.mean(dim=0), MAX: h.max(dim=0).values}[pool]


@every_head
@settings(max_examples=12)
@given(
    stack=st.sampled_from(["one direction", "both directions", "two layers"]),
    T=st.integers(1, 5),
    B=st.integers(1, 4),
    kind=st.sampled_from(["none", "same", "each"]),
    seed=seeds,
)
@example(stack="two layers", T=5, B=4, kind="same", seed=0)
@example(stack="one direction", T=5, B=3, kind="each", seed=1)
@example(stack="both directions", T=4, B=4, kind="none", seed=2)
def test_loss_and_gradients_equal_pytorch(head, stack, T, B, kind, seed):
    network = Network(TABLES, STACKS[stack], head, 3)
    batch = drawn(network, T, B, seed)
    masks = masks_for(network, T, B, seed, kind)
    loss, gradients = loss_and_gradients(network, *batch, masks)
    their_loss, theirs, of_layers = with_torch(network, *batch, masks)
    np.testing.assert_allclose(loss, their_loss, rtol=0, atol=PARITY)
    assert set(gradients) == set(network.shapes())
    for name, gradient in theirs.items():
        np.testing.assert_allclose(gradients[name], gradient, rtol=0, atol=PARITY, err_msg=name)
    cell = network.layers[0][0] if stack != "one direction" else network.layers[0]
    for place, theirs_of in of_layers.items():
        own = {name.removeprefix(place): g for name, g in gradients.items() if name.startswith(place)}
        cell = type(cell)(own["W_xi"].shape[1], len(own["b_i"]))
        for name, value in to_torch(cell, own).items():
            if name != "bias_hh_l0":  # PyTorch's second bias is 0 with us, and has the same gradient
                np.testing.assert_allclose(value, theirs_of[name], rtol=0, atol=PARITY, err_msg=place + name)


SMALL = {
    "one direction": [LSTM(2, 2)],
    "both directions": [Directions(Elman(2, 1), Elman(2, 1))],
    "two layers": [Directions(Elman(2, 1), LSTM(2, 1)), Directions(GRU(2, 1), Elman(2, 1))],
    "y": [Jordan(2, 1, 2)],
}


@pytest.mark.parametrize(
    ("head", "stack"),
    [*((head, "both directions") for head in HEADS), *(("chain", stack) for stack in SMALL), ("ends", "two layers")],
)
def test_loss_and_gradients_are_those_that_central_differences_measure(head, stack):
    network = Network({"word": (3, 1), "shape": (2, 1)}, SMALL[stack], HEADS[head], 2)
    weights, words, lengths, targets = drawn(network, 3, 2, 3)
    rng = np.random.default_rng(3)
    masks = dropout_mask(rng, (2, 2), 0.4), dropout_mask(rng, (3, 2, 2), 0.4)
    _, gradients = loss_and_gradients(network, weights, words, lengths, targets, masks)
    check_gradients(
        lambda w: loss_and_gradients(network, w, words, lengths, targets, masks)[0], weights, gradients, bound=1e-8
    )


@every_head
def test_dx_is_the_gradient_of_every_row_that_was_looked_up(head):
    """Each word of the batch is given a row of its own, so that its gradient is that of the place."""
    network = Network(TABLES, STACKS["both directions"], head, 3)
    weights, words, lengths, targets = drawn(network, 4, 3, 0)
    masks = masks_for(network, 4, 3, 0, "same")
    reading = read(network, weights, words, lengths, masks)
    dh = np.where((np.arange(4)[:, None] < lengths)[..., None], np.random.default_rng(0).normal(size=(4, 3, 4)), 0)
    gradients, dx = gradients_of(reading, dh)
    apart = {name: (12, width) for name, (_, width) in TABLES.items()}
    rows = {f"E_{name}": weights[f"E_{name}"][words[..., k]].reshape(12, -1) for k, name in enumerate(TABLES)}
    own = replace(network, tables=apart)
    numbers = np.repeat(np.arange(12).reshape(4, 3, 1), 3, axis=-1)
    numbers[np.arange(4)[:, None] >= lengths] = 0  # what fills up is not looked at
    of_places, same = gradients_of(read(own, weights | rows, numbers, lengths, masks), dh)
    np.testing.assert_allclose(same, dx, rtol=0, atol=1e-14)
    within = np.arange(4)[:, None] < lengths
    np.testing.assert_allclose(
        np.concatenate([of_places[f"E_{name}"].reshape(4, 3, -1) for name in TABLES], axis=-1)[within],
        dx[within],
        rtol=0,
        atol=1e-14,
    )
    for k, (name, (size, _)) in enumerate(TABLES.items()):
        part = dx[..., [slice(0, 3), slice(3, 4), slice(4, 5)][k]]
        expected = np.stack([part[(words[..., k] == number) & within].sum(axis=0) for number in range(size)])
        np.testing.assert_allclose(gradients[f"E_{name}"], expected, rtol=0, atol=1e-13)


@every_head
def test_a_row_that_is_looked_up_twice_gets_both_gradients_and_one_that_is_not_gets_none(head):
    network = Network({"word": (5, 5)}, STACKS["both directions"], head, 3)
    weights, _, _, targets = drawn(network, 3, 1, 0)
    once = np.array([2, 3, 4]).reshape(3, 1, 1)
    twice = np.array([2, 3, 2]).reshape(3, 1, 1)
    same = weights | {"E_word": weights["E_word"][[0, 1, 2, 3, 2]]}  # rows 2 and 4 are alike
    _, apart = loss_and_gradients(network, same, once, [3], targets)
    _, together = loss_and_gradients(network, same, twice, [3], targets)
    np.testing.assert_allclose(together["E_word"][2], apart["E_word"][2] + apart["E_word"][4], rtol=0, atol=1e-14)
    assert apart["E_word"][[2, 3, 4]].all() and together["E_word"][3].all()
    assert not together["E_word"][[0, 1, 4]].any()


@every_head
@every_stack
def test_padding_changes_no_bit(head, layers):
    network = Network(TABLES, layers, head, 3)
    weights, words, lengths, targets = drawn(network, 5, 3, 1)
    lengths[:] = [3, 5, 1]
    beyond = np.arange(5)[:, None] >= lengths
    junk, wrong = words.copy(), targets.copy()
    junk[beyond] = np.array([10**6, -5, 7])
    if targets.ndim == 2:
        wrong[beyond] = -1
    loss, gradients = loss_and_gradients(network, weights, words, lengths, targets)
    same_loss, same = loss_and_gradients(network, weights, junk, lengths, wrong)
    assert same_loss == loss
    for name, gradient in gradients.items():
        np.testing.assert_array_equal(same[name], gradient, err_msg=name)
    np.testing.assert_array_equal(answer(network, weights, junk, lengths), answer(network, weights, words, lengths))
    dh = np.where(beyond[..., None], 0, np.ones((5, 3, 4)))
    assert not gradients_of(read(network, weights, junk, lengths), dh)[1][beyond].any()


@every_head
@settings(max_examples=10)
@given(stack=st.sampled_from(list(STACKS)), T=st.integers(1, 5), B=st.integers(1, 4), seed=seeds)
def test_a_sentence_in_a_batch_counts_as_if_it_were_alone(head, stack, T, B, seed):
    network = Network(TABLES, STACKS[stack], head, 3)
    weights, words, lengths, targets = drawn(network, T, B, seed)
    loss, gradients = loss_and_gradients(network, weights, words, lengths, targets)
    given_answer = answer(network, weights, words, lengths)
    total, summed = 0.0, {name: np.zeros_like(g) for name, g in gradients.items()}
    for b, n in enumerate(lengths):
        own_words = words[:n, b : b + 1]
        own_loss, own = loss_and_gradients(network, weights, own_words, [n], targets[..., b : b + 1][:n])
        total += own_loss
        summed = {name: summed[name] + own[name] for name in summed}
        np.testing.assert_array_equal(
            given_answer[..., b][:n] if given_answer.ndim == 2 else given_answer[b],
            answer(network, weights, own_words, [n])[..., 0],
        )
    np.testing.assert_allclose(loss, total, rtol=0, atol=1e-12)
    for name in summed:
        np.testing.assert_allclose(gradients[name], summed[name], rtol=0, atol=1e-12, err_msg=name)


@every_head
@every_stack
def test_masks_multiply_what_the_layers_and_the_head_read(head, layers):
    network = Network(TABLES, layers, head, 3)
    weights, words, lengths, targets = drawn(network, 4, 3, 2)
    for kind in ("same", "each"):
        masks = masks_for(network, 4, 3, 5, kind)
        reading = read(network, weights, words, lengths, masks)
        x = np.concatenate([weights[f"E_{name}"][words[..., k]] for k, name in enumerate(TABLES)], axis=-1)
        within = (np.arange(4)[:, None] < lengths)[..., None]
        np.testing.assert_array_equal(np.where(within, reading.x, 0), np.where(within, x, 0))
        h, _ = forward_stack(layers, by_layer_of(network, weights), x * masks[0], lengths=lengths)
        h = h if isinstance(layers[-1], tuple) else h[1:]
        np.testing.assert_array_equal(reading.h, h * masks[1])
        loss, _ = loss_and_gradients(network, weights, words, lengths, targets, masks)
        own = {name: weights[name] for name in head.shapes(reading.h.shape[-1], 3)}
        assert loss == head.loss(own, h * masks[1], lengths, targets)[0]


@every_head
def test_masks_of_ones_change_nothing(head):
    network = Network(TABLES, STACKS["both directions"], head, 3)
    batch = drawn(network, 4, 3, 2)
    loss, gradients = loss_and_gradients(network, *batch)
    same_loss, same = loss_and_gradients(network, *batch, (np.ones((3, 5)), np.ones((4, 3, 4))))
    assert loss == same_loss
    for name in gradients:
        np.testing.assert_array_equal(gradients[name], same[name], err_msg=name)


def test_answers_are_the_likeliest_classes_labels_and_labellings_and_0_beyond():
    for head in HEADS.values():
        network = Network(TABLES, STACKS["both directions"], head, 3)
        weights, words, lengths, _ = drawn(network, 5, 4, 3)
        lengths[:] = [5, 2, 1, 4]
        weights["b_y"] = np.array([-9.0, 0, 0]) + weights["b_y"]  # 0 is never the answer
        beyond = np.arange(5)[:, None] >= lengths
        h = read(network, weights, words, lengths).h
        given_answer = answer(network, weights, words, lengths)
        if isinstance(head, OneAnswer):
            log_y = log_softmax(readout(weights, head.pool(h, lengths)))
            own = {name: weights[name] for name in ("W_hy", "b_y")}
            np.testing.assert_array_equal(head.log_probabilities(own, h, lengths), log_y)
            np.testing.assert_array_equal(given_answer, log_y.argmax(axis=-1))
        else:
            labels = readout(weights, h).argmax(axis=-1)
            expected = best_labels(weights, readout(weights, h), lengths)[0] if head == Chain() else labels
            np.testing.assert_array_equal(given_answer[~beyond], expected[~beyond])
            assert not given_answer[beyond].any() and given_answer[~beyond].all()


def test_each_head_scores_by_its_loss_and_counts_its_answers():
    lengths = np.array([3, 1])
    for name, head in HEADS.items():
        network = Network(TABLES, STACKS["both directions"], head, 3)
        weights, words, _, targets = drawn(network, 3, 2, 4)
        loss, _ = loss_and_gradients(network, weights, words, lengths, targets)
        h = read(network, weights, words, lengths).h
        logits, within = readout(weights, h), np.arange(3)[:, None] < lengths
        if name == "chain":
            expected = chain_loss(weights, logits, targets, lengths)[0]
        elif name == "each word":
            expected = cross_entropy(logits, targets, within)[0]
        else:
            expected = cross_entropy(readout(weights, head.pool(h, lengths)), targets)[0]
        assert loss == expected
        assert head.answers(lengths) == (4 if name in ("each word", "chain") else 2)
        assert isinstance(head.answers(lengths), int)


def test_names_and_shapes_are_those_of_tables_layers_and_head():
    shapes = Network(TABLES, [Directions(Elman(5, 2), Elman(5, 3)), GRU(5, 4)], Chain(), 7).shapes()
    assert list(shapes)[:2] == ["E_word", "E_shape"]
    assert shapes["E_word"] == (6, 3) and shapes["E_shape"] == (4, 1)
    assert shapes["1.forwards.W_xh"] == (2, 5) and shapes["1.backwards.W_hh"] == (3, 3) and shapes["2.W_xn"] == (4, 5)
    assert shapes["W_hy"] == (7, 4) and shapes["b_y"] == (7,)
    assert shapes["W_yy"] == (7, 7) and shapes["b_start"] == shapes["b_end"] == (7,)
    for head in (OneAnswer(MEAN), EachWord()):
        assert not {"W_yy", "b_start", "b_end"} & set(Network(TABLES, [GRU(5, 4)], head, 7).shapes())
    assert set(Chain().shapes(4, 7)) == {"W_hy", "b_y", "W_yy", "b_start", "b_end"}


def test_first_weights_are_small_a_chain_knows_nothing_and_forget_gates_are_open():
    network = Network({"word": (400, 9)}, [Directions(LSTM(9, 50), LSTM(9, 50))], Chain(), 3)
    weights = first_weights(network, np.random.default_rng(0))
    assert {name: w.shape for name, w in weights.items()} == network.shapes()
    assert {w.dtype for w in weights.values()} == {np.dtype(np.float32)}
    assert abs(weights["E_word"].std() - 0.3) < 0.01 and abs(weights["E_word"].mean()) < 0.02
    assert np.abs(weights["E_word"]).max() > 0.9  # normal, not uniform
    assert not any(weights[name].any() for name in ("W_yy", "b_start", "b_end"))
    for name, w in weights.items():
        if name[0] in "12" or name in ("W_hy", "b_y"):
            centre = 1 if name.endswith("b_f") else 0
            assert np.abs(w - centre).max() <= 0.1 + 1e-6, name  # 1/√100
        if w.size >= 300 and name.startswith("1."):
            assert np.abs(w).max() > 0.09, name
    again = first_weights(network, np.random.default_rng(0), np.float64)
    assert {w.dtype for w in again.values()} == {np.dtype(np.float64)}
    for name, w in again.items():
        np.testing.assert_allclose(weights[name], w, rtol=1e-6, err_msg=name)
    one = first_weights(Network(TABLES, [LSTM(5, 4)], EachWord(), 3), np.random.default_rng(0))
    assert (one["1.b_f"] >= 0.5).all() and (np.abs(one["1.b_i"]) <= 0.5).all()


@every_head
def test_float32_stays_float32(head):
    network = Network(TABLES, STACKS["both directions"], head, 3)
    _, words, lengths, targets = drawn(network, 4, 3, 0)
    weights = first_weights(network, np.random.default_rng(0))
    masks = tuple(mask.astype(np.float64) for mask in masks_for(network, 4, 3, 0, "same"))
    loss, gradients = loss_and_gradients(network, weights, words, lengths, targets, masks)
    assert isinstance(loss, float)
    assert {g.dtype for g in gradients.values()} == {np.dtype(np.float32)}


@every_head
def test_nothing_that_was_handed_in_is_written_over(head):
    network = Network(TABLES, STACKS["both directions"], head, 3)
    weights, *rest = drawn(network, 4, 3, 0)
    masks = masks_for(network, 4, 3, 0, "same")
    everything = (*weights.values(), *rest, *masks)
    kept = [value.copy() for value in everything]
    loss_and_gradients(network, weights, *rest, masks)
    answer(network, weights, *rest[:2])
    for before, after in zip(kept, everything, strict=True):
        np.testing.assert_array_equal(before, after)


NETWORK = Network(TABLES, STACKS["both directions"], EachWord(), 3)
WEIGHTS, WORDS, LENGTHS, TARGETS = drawn(NETWORK, 3, 2, 0)


def with_number(place, number):
    words = WORDS.copy()
    words[place] = number
    return words


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"words": with_number((0, 1, 0), 6)},
            r"words of 'word': expected token numbers from 0 to 5, got 6 at index \(0, 1\)",
        ),
        (
            {"words": with_number((0, 0, 1), -1)},
            r"words of 'shape': expected token numbers from 0 to 3, got -1 at index \(0, 0\)",
        ),
        ({"words": WORDS.astype(float)}, r"words of 'word': expected integers \(token numbers\), got dtype float64"),
        ({"words": WORDS[..., 0]}, r"words: expected shape \(T, B, 3\), got \(3, 2\)"),
        ({"words": WORDS[..., :1]}, r"words: expected shape \(T, B, 3\), got \(3, 2, 1\)"),
        ({"lengths": [3, 0]}, r"lengths: expected at least one word in each sentence, got 0"),
        ({"lengths": [3, 4]}, r"lengths: expected whole numbers from 0 to 3, got \[3 4\]"),
        ({"lengths": [3]}, r"lengths: expected shape \(2,\), got \(1,\)"),
        (
            {"weights": {"E_word": np.ones((6, 3))}},
            r"weights: expected the entries E_word, E_shape, E_end, 1\.forwards.* miss",
        ),
        ({"weights": WEIGHTS | {"U": np.ones(3)}}, r"weights: expected the entries E_word.*; not expected: U, got"),
        ({"weights": WEIGHTS | {"E_word": np.ones((5, 3))}}, r"E_word: expected shape \(6, 3\), got \(5, 3\)"),
        ({"weights": WEIGHTS | {"E_word": np.ones((7, 3))}}, r"E_word: expected shape \(6, 3\), got \(7, 3\)"),
        (
            {"weights": WEIGHTS | {"E_word": np.ones((6, 2)), "E_shape": np.ones((4, 2))}},
            r"E_word: expected shape \(6, 3\), got \(6, 2\)",
        ),
        ({"weights": WEIGHTS | {"E_word": np.full((6, 3), "a")}}, r"E_word: expected real numbers, got dtype <U1"),
        ({"weights": WEIGHTS | {"W_hy": np.ones((4, 4)), "b_y": np.ones(4)}}, r"W_hy: expected shape \(3, 4\), got"),
        ({"weights": WEIGHTS | {"E_word": np.full((6, 3), np.nan)}}, r"E_word: expected finite numbers, got nan at"),
    ],
)
def test_what_does_not_fit_is_named(arguments, message):
    given_ones = {"weights": WEIGHTS, "words": WORDS, "lengths": [3, 2]} | arguments
    for call in (read, answer):
        with pytest.raises(ValueError, match=message):
            call(NETWORK, **given_ones)
    with pytest.raises(ValueError, match=message):
        loss_and_gradients(NETWORK, **given_ones, targets=TARGETS)


@pytest.mark.parametrize(
    ("head", "targets", "message"),
    [
        ("mean", TARGETS, r"targets: "),
        ("mean", np.array([0, 3]), r"targets: expected token numbers from 0 to 2, got 3"),
        ("each word", TARGETS[0], r"targets: expected shape \(3, 2\)"),
        ("each word", TARGETS + 3, r"targets: expected token numbers from 0 to 2, got"),
        ("chain", TARGETS[0], r"labels: expected shape \(3, 2\), got \(2,\)"),
        ("chain", TARGETS + 3, r"labels: expected token numbers from 0 to 2, got"),
    ],
)
def test_targets_that_do_not_fit_are_named(head, targets, message):
    network = replace(NETWORK, head=HEADS[head])
    weights = initial_weights(network.shapes(), np.random.default_rng(0), 0.5)
    with pytest.raises(ValueError, match=message):
        loss_and_gradients(network, weights, WORDS, [3, 2], targets)


def test_a_mask_of_another_shape_is_named():
    with pytest.raises(ValueError, match=r"mask: expected \(3, 2, 5\) or \(2, 5\), got shape \(2, 4\)"):
        read(NETWORK, WEIGHTS, WORDS, LENGTHS, (np.ones((2, 4)), None))
    with pytest.raises(ValueError, match=r"mask: expected \(3, 2, 4\) or \(2, 4\), got shape \(2, 5\)"):
        read(NETWORK, WEIGHTS, WORDS, LENGTHS, (None, np.ones((2, 5))))
