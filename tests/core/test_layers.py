"""Both directions and stacks: equal to PyTorch, also on packed sequences; every sequence as if it were alone."""

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from companion import Elman, backward, forward, initial_weights, weight_shapes
from companion.bptt.gradients import check_gradients
from companion.bptt.skip_elman import SkipElman
from companion.core.layers import (
    Directions,
    backward_both,
    backward_stack,
    by_layer,
    d_last_states,
    forward_both,
    forward_stack,
    input_gradient,
    joined,
    last_states,
    stack_shapes,
    turned,
)
from companion.gates.cells import GRU, LSTM, CoupledLSTM, GRUResetBefore, PeepholeLSTM
from companion.gates.convert import to_torch
from companion.rnn.cells import Jordan

PARITY = 1e-10  # float64, as promised in the book
THEIRS = {Elman: torch.nn.RNN, LSTM: torch.nn.LSTM, GRU: torch.nn.GRU}
EVERY_CELL = [Elman, lambda I, H: SkipElman(I, H, 3), LSTM, PeepholeLSTM, CoupledLSTM, GRU, GRUResetBefore]
seeds = st.integers(0, 2**32 - 1)


def drawn(cell, rng):
    return initial_weights(weight_shapes(cell), rng, 1.0)


def drawn_stack(layers, rng):
    return by_layer(layers, initial_weights(stack_shapes(layers), rng, 1.0))


def drawn_states(cell, B, rng):
    return {name: rng.normal(size=(B, cell.sizes[name])) for name in cell.state}


def stack_of(kind, K, I, H, directions):
    """K layers of one kind of cell, all with one direction or all with two."""
    layers = [kind(I if k == 0 else directions * H, H) for k in range(K)]
    return [Directions(cell, cell) for cell in layers] if directions == 2 else layers


@settings(max_examples=60)
@given(
    kind=st.sampled_from([Elman, LSTM, GRU]),
    K=st.integers(1, 3),
    directions=st.integers(1, 2),
    T=st.integers(1, 6),
    B=st.integers(1, 4),
    H=st.integers(1, 4),
    packed=st.booleans(),
    seed=seeds,
)
@example(kind=LSTM, K=2, directions=2, T=5, B=4, H=3, packed=True, seed=0)
@example(kind=GRU, K=2, directions=2, T=5, B=4, H=3, packed=True, seed=1)
@example(kind=Elman, K=3, directions=2, T=6, B=3, H=2, packed=False, seed=2)
@example(kind=LSTM, K=2, directions=1, T=5, B=4, H=3, packed=True, seed=3)
def test_a_stack_equals_pytorch_forwards_and_backwards(kind, K, directions, T, B, H, packed, seed):
    """Outputs, last states, and gradients of weights, input and initial states, of a loss that sees outputs and last
    states; where PyTorch packs, sequences have different lengths, in any order."""
    rng = np.random.default_rng(seed)
    I = 3
    layers = stack_of(kind, K, I, H, directions)
    weights = drawn_stack(layers, rng)
    lengths = rng.integers(1, T + 1, B) if packed else None
    if packed:
        lengths[rng.integers(B)] = T  # PyTorch pads to the longest
    x, d = rng.normal(size=(T, B, I)), rng.normal(size=(T, B, directions * H))
    if packed:
        d[np.arange(T)[:, None] >= lengths] = 0  # PyTorch's rows beyond the length are zero, and fixed
    d_last = rng.normal(size=(B, directions * H))
    cells = [cell for layer in layers for cell in (layer if directions == 2 else [layer])]
    states = [drawn_states(cell, B, rng) for cell in cells]
    initial = [tuple(states[2 * k : 2 * k + 2]) for k in range(K)] if directions == 2 else states

    output, tapes = forward_stack(layers, weights, x, initial, lengths)
    d_ends = d_last_states(tapes[-1], d_last)
    if directions == 2:
        gradients = backward_stack(tapes, d + d_ends)
        each = [part for layer in gradients for part in layer]
    else:
        output = output[1:]
        gradients = backward_stack(tapes, {"h": np.concatenate([0 * d[:1], d]) + d_ends["h"]})
        each = gradients
    dx = input_gradient(gradients[0])

    theirs = THEIRS[kind](I, H, num_layers=K, bidirectional=directions == 2, dtype=torch.float64)
    state_dict = {}
    for number, (cell, w) in enumerate(zip(cells, [w for _, w in flat(weights)], strict=True)):
        state_dict |= to_torch(cell, w, number // directions, number % directions == 1)
    theirs.load_state_dict({name: torch.tensor(value) for name, value in state_dict.items()})
    tx = torch.tensor(x, requires_grad=True)
    first = {
        name: torch.tensor(np.stack([state[name] for state in states]), requires_grad=True) for name in cells[0].state
    }
    given_states = (first["h"], first["c"]) if "c" in first else first["h"]
    if packed:
        run, last = theirs(pack_padded_sequence(tx, torch.tensor(lengths), enforce_sorted=False), given_states)
        their_output, _ = pad_packed_sequence(run, total_length=T)
    else:
        their_output, last = theirs(tx, given_states)
    h_n = (last[0] if "c" in first else last)[-directions:]  # of the top layer
    their_last = torch.cat(list(h_n), dim=-1)
    ((their_output * torch.tensor(d)).sum() + (their_last * torch.tensor(d_last)).sum()).backward()

    within = np.arange(T)[:, None] < (np.full(B, T) if lengths is None else lengths)
    np.testing.assert_allclose(output[within], their_output.detach().numpy()[within], atol=PARITY, rtol=0)
    np.testing.assert_allclose(last_states(tapes[-1]), their_last.detach().numpy(), atol=PARITY, rtol=0)
    np.testing.assert_allclose(dx, tx.grad.numpy(), atol=PARITY, rtol=0)
    for number, (cell, g) in enumerate(zip(cells, each, strict=True)):
        suffix = f"_l{number // directions}" + "_reverse" * (number % directions)
        own = {name: g[name] for name in weight_shapes(cell)}
        for name, value in to_torch(cell, own).items():
            grad = getattr(theirs, name.replace("_l0", suffix)).grad.numpy()
            if name == "bias_hh_l0":  # the GRU's b_hn lies there; the rest is one bias written twice
                value, grad = value[-H:] if kind is GRU else value, grad[-H:] if kind is GRU else 0 * grad
            np.testing.assert_allclose(value, grad, atol=PARITY, rtol=0, err_msg=name)
        for name in cell.state:
            grad = first[name].grad[number].numpy()
            np.testing.assert_allclose(g[f"d{name}_0"], grad, atol=PARITY, rtol=0, err_msg=name)


def flat(weights):
    """The mappings of all layers and directions, in PyTorch's order."""
    return enumerate(part for layer in weights for part in (layer if isinstance(layer, tuple) else [layer]))


@settings(max_examples=60)
@given(kind=st.sampled_from(EVERY_CELL), T=st.integers(1, 6), B=st.integers(1, 4), tokens=st.booleans(), seed=seeds)
@example(kind=LSTM, T=6, B=3, tokens=True, seed=0)
@example(kind=GRUResetBefore, T=6, B=3, tokens=False, seed=1)
def test_padding_changes_neither_outputs_nor_gradients_of_a_bidirectional_stack(kind, T, B, tokens, seed):
    """A padded batch, two layers in both directions: as each sequence alone. What stands in the padding is not seen."""
    rng = np.random.default_rng(seed)
    H, I = 2, 3
    layers = [Directions(kind(I, H), kind(I, H)), Directions(kind(2 * H, H), kind(2 * H, H))]
    weights = drawn_stack(layers, rng)
    lengths = rng.integers(1, T + 1, B)
    x = rng.integers(0, I, (T, B)) if tokens else rng.normal(size=(T, B, I))
    beyond = np.arange(T)[:, None] >= lengths
    x[beyond] = 10**6 if tokens else np.nan
    d = rng.normal(size=(T, B, 2 * H))
    states = [tuple(drawn_states(cell, B, rng) for cell in layer) for layer in layers]

    output, tapes = forward_stack(layers, weights, x, states, lengths)
    gradients = backward_stack(tapes, np.where(beyond[..., None], 0, d))
    summed = {name: np.zeros_like(value) for name, value in joined(weights).items()}
    for b, n in enumerate(lengths):
        own_states = [tuple({name: s[name][b : b + 1] for name in s} for s in pair) for pair in states]
        alone, alone_tapes = forward_stack(layers, weights, x[:n, b : b + 1], own_states)
        alone_gradients = backward_stack(alone_tapes, d[:n, b : b + 1])
        np.testing.assert_allclose(output[:n, b], alone[:, 0], atol=1e-13)
        ends = last_states(alone_tapes[-1])[0]
        np.testing.assert_allclose(output[n:, b], np.tile(ends, (T - n, 1)), atol=1e-13)
        np.testing.assert_allclose(last_states(tapes[-1])[b], ends, atol=1e-13)
        if not tokens:
            dx = input_gradient(gradients[0])
            np.testing.assert_allclose(dx[:n, b], input_gradient(alone_gradients[0])[:, 0], atol=1e-12)
            assert not dx[n:, b].any()
        for name, value in joined(alone_gradients).items():
            if name.split(".")[-1].startswith("d") and name.endswith("_0"):
                np.testing.assert_allclose(joined(gradients)[name][b], value[0], atol=1e-12, err_msg=name)
            elif name in summed:
                summed[name] += value
    for name, value in summed.items():
        np.testing.assert_allclose(joined(gradients)[name], value, atol=1e-12, err_msg=name)


def test_a_two_layer_bidirectional_stack_has_the_gradients_that_central_differences_measure():
    """The two directions of a layer need not be of one kind or size; the upper reads both."""
    rng = np.random.default_rng(4)
    layers = [Directions(LSTM(2, 3), GRU(2, 2)), Directions(Elman(5, 2), PeepholeLSTM(5, 3))]
    weights = initial_weights(stack_shapes(layers), rng, 1.0)
    x, d, lengths = rng.normal(size=(4, 3, 2)), rng.normal(size=(4, 3, 5)), np.array([4, 1, 3])

    def loss(arguments):
        own = by_layer(layers, {name: arguments[name] for name in weights})
        return float((forward_stack(layers, own, arguments["x"], lengths=lengths)[0] * d).sum())

    _, tapes = forward_stack(layers, by_layer(layers, weights), x, lengths=lengths)
    gradients = backward_stack(tapes, d)  # the rows beyond a length count too: there d is not zero
    claimed = {name: joined(gradients)[name] for name in weights} | {"x": input_gradient(gradients[0])}
    check_gradients(loss, {**weights, "x": x}, claimed, bound=1e-8)


@pytest.mark.parametrize("top", ["cell", "pair"])
@pytest.mark.parametrize("lengths", [None, np.array([2, 4, 1])], ids=["equal", "padded"])
def test_the_gradient_of_the_last_states(top, lengths):
    rng = np.random.default_rng(5)
    layers = [Directions(GRU(2, 2), GRU(2, 3)), Elman(5, 3) if top == "cell" else Directions(GRU(5, 1), LSTM(5, 2))]
    weights = initial_weights(stack_shapes(layers), rng, 1.0)
    x, d_last = rng.normal(size=(4, 3, 2)), rng.normal(size=(3, 3))

    def loss(arguments):
        tapes = forward_stack(layers, by_layer(layers, arguments), x, lengths=lengths)[1]
        return float((last_states(tapes[-1]) * d_last).sum())

    _, tapes = forward_stack(layers, by_layer(layers, weights), x, lengths=lengths)
    gradients = joined(backward_stack(tapes, d_last_states(tapes[-1], d_last)))
    check_gradients(loss, weights, {name: gradients[name] for name in weights}, bound=1e-8)


@given(T=st.integers(1, 6), B=st.integers(1, 4), padded=st.booleans(), seed=seeds)
def test_a_layer_in_both_directions_is_two_layers_one_of_which_reads_the_other_way(T, B, padded, seed):
    rng = np.random.default_rng(seed)
    cells = Directions(LSTM(3, 2), GRU(3, 4))
    weights = Directions(*(drawn(cell, rng) for cell in cells))
    x, lengths = rng.normal(size=(T, B, 3)), rng.integers(1, T + 1, B) if padded else None
    output, tapes = forward_both(cells, weights, x, lengths=lengths)
    for b in range(B):
        n = T if lengths is None else lengths[b]
        ahead, _ = forward(cells.forwards, weights.forwards, x[:n, b : b + 1])
        back, _ = forward(cells.backwards, weights.backwards, x[:n, b : b + 1][::-1])
        np.testing.assert_allclose(output[:n, b], np.c_[ahead[1:, 0], back[:0:-1, 0]], atol=1e-13)
        np.testing.assert_allclose(last_states(tapes)[b], np.r_[ahead[-1, 0], back[-1, 0]], atol=1e-13)


def test_cells_of_one_direction_give_what_they_gave_without_a_stack():
    rng = np.random.default_rng(6)
    cell = LSTM(3, 2)
    w, x, dh = drawn(cell, rng), rng.normal(size=(5, 2, 3)), rng.normal(size=(6, 2, 2))
    lengths = np.array([5, 2])
    h, tape = forward(cell, w, x, lengths=lengths)
    top, tapes = forward_stack([cell], [w], x, lengths=lengths)
    np.testing.assert_array_equal(top, h)
    for name, value in backward(tape, {"h": dh}).items():
        np.testing.assert_array_equal(backward_stack(tapes, {"h": dh})[0][name], value)


@given(T=st.integers(1, 6), B=st.integers(1, 4), seed=seeds)
def test_turned_twice_all_is_where_it_was(T, B, seed):
    rng = np.random.default_rng(seed)
    rows, lengths = rng.normal(size=(T, B, 2)), rng.integers(1, T + 1, B)
    once = turned(rows, lengths)
    for b, n in enumerate(lengths):
        np.testing.assert_array_equal(once[:n, b], rows[:n, b][::-1])
        np.testing.assert_array_equal(once[n:, b], rows[n:, b])
    np.testing.assert_array_equal(turned(once, lengths), rows)
    np.testing.assert_array_equal(turned(rows), turned(rows, np.full(B, T)))


def test_names_of_a_stack_and_back():
    layers = [Directions(Elman(3, 2), Elman(3, 2)), GRU(4, 5)]
    shapes = stack_shapes(layers)
    assert shapes["1.forwards.W_xh"] == (2, 3) and shapes["1.backwards.W_hh"] == (2, 2) and shapes["2.W_hn"] == (5, 5)
    assert len(shapes) == 2 * 3 + len(weight_shapes(GRU(4, 5)))
    weights = initial_weights(shapes, np.random.default_rng(0), 1.0)
    parted = by_layer(layers, weights)
    assert parted[0].backwards["b_h"] is weights["1.backwards.b_h"] and parted[1]["b_r"] is weights["2.b_r"]
    assert {name: id(value) for name, value in joined(parted).items()} == {n: id(v) for n, v in weights.items()}
    with pytest.raises(ValueError, match=r"weights: expected the entries .*; missing 2\.b_r"):
        by_layer(layers, {name: value for name, value in weights.items() if name != "2.b_r"})


def test_float32_stays_float32():
    cells = Directions(GRU(2, 3), GRU(2, 3))
    weights = by_layer([cells], initial_weights(stack_shapes([cells]), np.random.default_rng(0), 0.5, np.float32))
    output, tapes = forward_both(cells, weights[0], np.ones((3, 2, 2), np.float32))
    gradients = backward_both(tapes, np.ones_like(output))
    assert output.dtype == np.float32
    assert {g.dtype for part in gradients for g in part.values()} == {np.dtype(np.float32)}


def test_tokens_have_no_gradient():
    cells = Directions(Elman(4, 2), Elman(4, 2))
    weights = Directions(*(drawn(cell, np.random.default_rng(1)) for cell in cells))
    tokens = np.array([[0, 3], [2, 1]])
    output, tapes = forward_both(cells, weights, tokens)
    dense, _ = forward_both(cells, weights, np.eye(4)[tokens])
    np.testing.assert_allclose(output, dense, atol=1e-14)
    with pytest.raises(KeyError):
        input_gradient(backward_both(tapes, np.ones_like(output)))


CELLS = Directions(Elman(3, 2), Elman(3, 2))
W = Directions(*(drawn(cell, np.random.default_rng(0)) for cell in CELLS))
X = np.zeros((4, 2, 3))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"cells": CELLS.forwards}, r"cells: expected a pair \(forwards, backwards\), got Elman"),
        ({"weights": W.forwards}, r"weights: expected a pair \(forwards, backwards\), got dict"),
        ({"weights": (*W, W[0])}, r"weights: expected a pair \(forwards, backwards\), got 3"),
        ({"initial": np.zeros((2, 2))}, r"initial: expected a pair \(forwards, backwards\), got ndarray"),
        ({"initial": (None, np.zeros((1, 2)))}, r"backwards: h_0: expected shape \(2, 2\), got \(1, 2\)"),
        ({"cells": (CELLS[0], Elman(4, 2))}, "cells: expected two with the same number of inputs, got 3 and 4"),
        ({"weights": (W[0], {})}, "backwards: weights: expected the entries W_xh, W_hh, b_h; missing W_hh, W_xh, b_h"),
        ({"x": X[0]}, r"forwards: x: expected shape \(T, B, 3\), got \(2, 3\)"),
        ({"lengths": np.array([5, 1])}, r"forwards: lengths: expected whole numbers from 0 to 4, got \[5 1\]"),
        ({"x": np.full_like(X, np.nan)}, "forwards: x: expected finite numbers"),
    ],
)
def test_bad_input_of_a_pair_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        forward_both(**({"cells": CELLS, "weights": W, "x": X} | arguments))


def test_bad_input_of_a_stack_is_named_with_its_layer():
    layers = [CELLS, GRU(4, 2)]
    weights = drawn_stack(layers, np.random.default_rng(0))
    with pytest.raises(ValueError, match="cells: expected as many as weights and initial states.*; got 2, 1 and 2"):
        forward_stack(layers, weights[:1], X)
    with pytest.raises(ValueError, match="cells: expected as many as weights and initial states.*; got 2, 2 and 1"):
        forward_stack(layers, weights, X, [None])
    with pytest.raises(ValueError, match="cells: expected .* at least one; got 0, 0 and 0"):
        forward_stack([], [], X)
    with pytest.raises(ValueError, match=r"layer 2: x: expected shape \(T, B, 3\), got \(4, 2, 4\)"):
        forward_stack([CELLS, GRU(3, 2)], [W, drawn(GRU(3, 2), np.random.default_rng(0))], X)
    with pytest.raises(ValueError, match="layer 1: backwards: weights: expected the entries"):
        forward_stack(layers, [(W[0], {}), weights[1]], X)
    with pytest.raises(ValueError, match=r"layer 1: weights: expected a pair"):
        forward_stack(layers, [W[0], weights[1]], X)


def test_bad_gradients_are_named():
    output, tapes = forward_both(CELLS, W, X)
    with pytest.raises(ValueError, match=r"d_outputs: expected shape \(4, 2, 4\), got \(5, 2, 4\)"):
        backward_both(tapes, np.zeros((5, 2, 4)))
    with pytest.raises(ValueError, match="tapes: expected a pair"):
        backward_both(tapes[0], output)
    with pytest.raises(ValueError, match=r"d_last: expected shape \(2, 4\), got \(2, 2\)"):
        d_last_states(tapes, np.zeros((2, 2)))
    with pytest.raises(ValueError, match="d_outputs: expected an array or a list, got a dict"):
        backward_stack([tapes], {"h": output})
    with pytest.raises(ValueError, match=r"lengths: expected shape \(2,\), got \(3,\)"):
        turned(X, np.array([1, 2, 3]))


@pytest.mark.parametrize("last", [False, True], ids=["all outputs", "last states"])
@pytest.mark.parametrize("top", ["pair", "cell", "below"])
def test_a_jordan_layer_may_be_a_direction_or_a_layer(top, last):
    """Its main output is y, not h, and of another size."""
    rng = np.random.default_rng(0)
    pair = Directions(Jordan(2, 3, 4), Elman(2, 2))
    layers = {"pair": [pair], "cell": [Elman(2, 2), Jordan(2, 3, 4)], "below": [Jordan(2, 3, 4), Elman(4, 2)]}[top]
    weights = initial_weights(stack_shapes(layers), rng, 1.0)
    x = rng.normal(size=(3, 2, 2))
    output, tapes = forward_stack(layers, by_layer(layers, weights), x)
    name = "h" if top == "below" else "y"
    d, d_last = rng.normal(size=output.shape), rng.normal(size=last_states(tapes[-1]).shape)

    def loss(w):
        outputs, tapes = forward_stack(layers, by_layer(layers, w), x)
        return float((last_states(tapes[-1]) * d_last).sum() if last else (outputs * d).sum())

    d_outputs = d_last_states(tapes[-1], d_last) if last else d if top == "pair" else {name: d}
    gradients = joined(backward_stack(tapes, d_outputs))
    check_gradients(loss, weights, {name: gradients[name] for name in weights}, bound=1e-8)
