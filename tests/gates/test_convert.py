"""Weights carried to PyTorch and Keras and back: nothing is lost, and the layers compute the same, both ways."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from companion import Elman, Jordan, backward, forward, initial_weights, weight_shapes
from companion.core.functions import RELU, SIGMOID
from companion.gates.cells import GRU, LSTM, CoupledLSTM, GRUResetBefore, PeepholeLSTM
from companion.gates.convert import (
    from_keras,
    from_torch,
    other_update_gate,
    to_keras,
    to_torch,
    torch_layer,
    uncoupled,
)

PARITY = 1e-10  # float64, as promised in the book
sizes = st.integers(1, 5)
seeds = st.integers(0, 2**32 - 1)
IN_TORCH = (Elman, LSTM, GRU)
IN_KERAS = (Elman, LSTM, GRU, GRUResetBefore)


def random_weights(cell, rng, dtype=np.float64):
    return initial_weights(weight_shapes(cell), rng, bound=1.0, dtype=dtype)


def assert_same(one, other):
    assert list(one) == list(other)
    for name, array in one.items():
        np.testing.assert_array_equal(array, other[name], err_msg=name)
        assert array.dtype == other[name].dtype, name


def largest(ours, theirs):
    return float(np.max(np.abs(ours - np.asarray(theirs)), initial=0))


# --- round trips -----------------------------------------------------------------------------------------------------


@given(st.sampled_from(IN_TORCH), sizes, sizes, st.integers(0, 3), st.booleans(), st.sampled_from("fd"), seeds)
def test_to_torch_and_back_changes_no_bit(kind, I, H, layer, reverse, dtype, seed):
    cell = kind(I, H)
    w = random_weights(cell, np.random.default_rng(seed), np.dtype(dtype).type)
    assert_same(from_torch(cell, to_torch(cell, w, layer, reverse), layer, reverse), w)


@given(st.sampled_from(IN_KERAS), sizes, sizes, st.sampled_from("fd"), seeds)
def test_to_keras_and_back_changes_no_bit(kind, I, H, dtype, seed):
    cell = kind(I, H)
    w = random_weights(cell, np.random.default_rng(seed), np.dtype(dtype).type)
    assert_same(from_keras(cell, to_keras(cell, w)), w)


def test_what_is_returned_shares_no_memory_with_what_was_given():
    cell = GRU(2, 3)
    w = random_weights(cell, np.random.default_rng(0))
    there = to_torch(cell, w)
    back, keras = from_torch(cell, there), to_keras(cell, w)
    from_it = from_keras(cell, keras)
    for given_, made in ((w, there), (there, back), (w, keras), (keras, from_it)):
        assert not any(np.shares_memory(a, b) for a in given_.values() for b in made.values())


# --- PyTorch ---------------------------------------------------------------------------------------------------------


def gradients_in_torch(layer, x, initial, d):
    """Output (T, B, H), and gradients under PyTorch's names, "dx", "dh_0" and "dc_0", of the loss Σ d · states."""
    x = torch.tensor(x, requires_grad=True)
    states = {name: torch.tensor(value[None], requires_grad=True) for name, value in initial.items()}
    both = len(states) == 2
    h, last = layer(x, tuple(states.values()) if both else states["h"])
    loss = (h * torch.tensor(d["h"][1:])).sum() + (states["h"][0] * torch.tensor(d["h"][0])).sum()
    if both:  # PyTorch shows c_T only
        loss = loss + (last[1][0] * torch.tensor(d["c"][-1])).sum()
    loss.backward()
    found = {name: parameter.grad.numpy() for name, parameter in layer.named_parameters()}
    found |= {f"d{name}_0": state.grad[0].numpy() for name, state in states.items()}
    return h.detach().numpy(), found | {"dx": x.grad.numpy()}


def drawn(cell, T, B, rng):
    """x, initial state, and gradients of h at all steps and of c at the last."""
    x = rng.normal(size=(T, B, cell.sizes["x"]))
    initial = {name: rng.normal(size=(B, cell.sizes[name])) for name in cell.state}
    d = {name: rng.normal(size=(T + 1, B, cell.sizes[name])) for name in cell.outputs}
    if "c" in d:
        d["c"][:-1] = 0
    return x, initial, d


@settings(max_examples=60)
@given(
    cell=st.builds(
        lambda kind, I, H: Elman(I, H, RELU) if kind == "relu" else kind(I, H),
        st.sampled_from([*IN_TORCH, "relu"]),
        sizes,
        sizes,
    ),
    T=st.integers(1, 6),
    B=st.integers(1, 3),
    seed=seeds,
)
@example(cell=GRU(1, 1), T=1, B=1, seed=0)
@example(cell=LSTM(2, 3), T=5, B=2, seed=1)
@example(cell=GRU(3, 4), T=5, B=2, seed=2)
def test_a_layer_of_pytorch_with_these_weights_is_the_same_forwards_and_backwards(cell, T, B, seed):
    rng = np.random.default_rng(seed)
    w, (x, initial, d) = random_weights(cell, rng), drawn(cell, T, B, rng)
    h, tape = forward(cell, w, x, initial)
    ours = backward(tape, d)
    theirs_h, theirs = gradients_in_torch(torch_layer(cell, w), x, initial, d)

    assert largest(h[1:], theirs_h) <= PARITY
    for name in ("dx", *(f"d{name}_0" for name in cell.state)):
        assert largest(ours[name], theirs[name]) <= PARITY, name
    # the two biases of a gate have one gradient, that of their sum; the GRU's b_n and b_hn have their own
    beside_x = from_torch(cell, {**theirs, "bias_hh_l0": np.zeros_like(theirs["bias_hh_l0"])})
    beside_h = from_torch(cell, {**theirs, "bias_ih_l0": np.zeros_like(theirs["bias_ih_l0"])})
    for name in w:
        assert largest(ours[name], (beside_h if name == "b_hn" else beside_x)[name]) <= PARITY, name
        if name.startswith("b_") and name not in ("b_n", "b_hn"):
            assert largest(ours[name], beside_h[name]) <= PARITY, name


@settings(max_examples=20)
@given(st.sampled_from(IN_TORCH), sizes, sizes, st.booleans(), seeds)
def test_a_fresh_stack_of_pytorch_both_ways_is_rebuilt_layer_by_layer(kind, I, H, bidirectional, seed):
    rng, T, B = np.random.default_rng(seed), 4, 2
    torch.manual_seed(seed % 2**31)
    module = {Elman: torch.nn.RNN, LSTM: torch.nn.LSTM, GRU: torch.nn.GRU}[kind]
    stack = module(I, H, num_layers=2, bidirectional=bidirectional, dtype=torch.float64)
    x = rng.normal(size=(T, B, I))
    with torch.no_grad():
        theirs = stack(torch.tensor(x))[0].numpy()

    directions = (False, True) if bidirectional else (False,)
    rebuilt, inputs = {}, x
    for layer in (0, 1):
        parts = []
        for reverse in directions:
            cell = kind(inputs.shape[-1], H)
            w = from_torch(cell, stack.state_dict(), layer, reverse)  # two biases, both at random
            h = forward(cell, w, inputs[::-1] if reverse else inputs)[0][1:]
            parts.append(h[::-1] if reverse else h)
            rebuilt |= to_torch(cell, w, layer, reverse)
        inputs = np.concatenate(parts, axis=-1)
    assert largest(inputs, theirs) <= PARITY

    stack.load_state_dict({name: torch.tensor(array) for name, array in rebuilt.items()})  # all names, no others
    with torch.no_grad():
        assert largest(theirs, stack(torch.tensor(x))[0].numpy()) <= PARITY


# --- Keras: its documented equations, row vectors times transposed matrices ------------------------------------------


def logistic(a):
    return 1 / (1 + np.exp(-a))


def keras_simple_rnn(x, h, kernel, recurrent_kernel, bias):
    outputs = []
    for x_t in x:
        h = np.tanh(x_t @ kernel + bias + h @ recurrent_kernel)
        outputs.append(h)
    return np.array(outputs)


def keras_lstm(x, h, c, kernel, recurrent_kernel, bias):
    outputs = []
    for x_t in x:
        z_i, z_f, z_c, z_o = np.split(x_t @ kernel + h @ recurrent_kernel + bias, 4, axis=1)
        c = logistic(z_f) * c + logistic(z_i) * np.tanh(z_c)
        h = logistic(z_o) * np.tanh(c)
        outputs.append(h)
    return np.array(outputs)


def keras_gru(x, h, kernel, recurrent_kernel, bias, reset_after):
    units, outputs = h.shape[1], []
    beside_x, beside_h = bias if reset_after else (bias, np.zeros_like(bias))
    for x_t in x:
        x_z, x_r, x_h = np.split(x_t @ kernel + beside_x, 3, axis=1)
        h_z, h_r, h_h = np.split(h @ recurrent_kernel + beside_h, 3, axis=1)
        z, r = logistic(x_z + h_z), logistic(x_r + h_r)
        recurrent = r * h_h if reset_after else (r * h) @ recurrent_kernel[:, 2 * units :]
        h = z * h + (1 - z) * np.tanh(x_h + recurrent)
        outputs.append(h)
    return np.array(outputs)


@given(st.sampled_from(IN_KERAS), sizes, sizes, st.integers(1, 6), st.integers(1, 3), seeds)
def test_keras_equations_with_these_weights_give_the_same_states(kind, I, H, T, B, seed):
    rng, cell = np.random.default_rng(seed), kind(I, H)
    w, (x, initial, _) = random_weights(cell, rng), drawn(cell, T, B, rng)
    arrays = to_keras(cell, w)
    n = {Elman: 1, LSTM: 4}.get(kind, 3)
    assert {name: a.shape for name, a in arrays.items()} == {
        "kernel": (I, n * H),
        "recurrent_kernel": (H, n * H),
        "bias": (2, n * H) if kind is GRU else (n * H,),
    }
    run = {
        Elman: keras_simple_rnn,
        LSTM: keras_lstm,
        GRU: lambda *a: keras_gru(*a, reset_after=True),
        GRUResetBefore: lambda *a: keras_gru(*a, reset_after=False),
    }[kind]
    assert largest(forward(cell, w, x, initial)[0][1:], run(x, *initial.values(), *arrays.values())) <= PARITY


@given(sizes, sizes, seeds)
def test_keras_biases_of_the_gates_are_summed_wherever_they_stand(I, H, seed):
    rng, cell = np.random.default_rng(seed), GRU(I, H)
    arrays = {name: rng.normal(size=a.shape) for name, a in to_keras(cell, random_weights(cell, rng)).items()}
    x, initial, _ = drawn(cell, 4, 2, rng)
    theirs = keras_gru(x, initial["h"], *arrays.values(), reset_after=True)
    assert largest(forward(cell, from_keras(cell, arrays), x, initial)[0][1:], theirs) <= PARITY


# --- other conventions -----------------------------------------------------------------------------------------------


def chung_gru(x, h, w):
    """Equations 5 to 8 of Chung et al. (2014) on rows: z writes, the reset stands before the product."""
    outputs = []
    for x_t in x:
        z = logistic(x_t @ w["W_xz"].T + h @ w["W_hz"].T + w["b_z"])
        r = logistic(x_t @ w["W_xr"].T + h @ w["W_hr"].T + w["b_r"])
        candidate = np.tanh(x_t @ w["W_xn"].T + (r * h) @ w["W_hn"].T + w["b_n"])
        h = (1 - z) * h + z * candidate
        outputs.append(h)
    return np.array(outputs)


@given(sizes, sizes, st.integers(1, 6), seeds)
def test_a_gate_that_writes_becomes_one_that_keeps(I, H, T, seed):
    rng, cell = np.random.default_rng(seed), GRUResetBefore(I, H)
    w, (x, initial, _) = random_weights(cell, rng), drawn(cell, T, 2, rng)
    theirs = chung_gru(x, initial["h"], w)
    assert largest(forward(cell, other_update_gate(w), x, initial)[0][1:], theirs) <= PARITY
    assert_same(other_update_gate(other_update_gate(w)), w)


@given(sizes, sizes, st.integers(1, 6), st.integers(1, 3), seeds)
def test_a_coupled_lstm_is_an_lstm_of_pytorch_whose_input_gate_has_the_weights_turned(I, H, T, B, seed):
    rng, cell = np.random.default_rng(seed), CoupledLSTM(I, H)
    w, (x, initial, d) = random_weights(cell, rng), drawn(cell, T, B, rng)
    h, tape = forward(cell, w, x, initial)
    ours = backward(tape, d)
    theirs_h, theirs = gradients_in_torch(torch_layer(LSTM(I, H), uncoupled(w)), x, initial, d)
    assert largest(h[1:], theirs_h) <= PARITY
    for name in ("dx", "dh_0", "dc_0"):
        assert largest(ours[name], theirs[name]) <= PARITY, name
    of_lstm = from_torch(LSTM(I, H), {**theirs, "bias_hh_l0": np.zeros(4 * H)})
    for name in w:  # W_f moves the forget gate, and the input gate the other way
        moved = of_lstm[name] - of_lstm[name.replace("f", "i")] if name[-1] == "f" else of_lstm[name]
        assert largest(ours[name], moved) <= PARITY, name


# --- errors ----------------------------------------------------------------------------------------------------------

TO = {"to_torch": to_torch, "to_keras": to_keras, "torch_layer": torch_layer}
FROM = {"from_torch": from_torch, "from_keras": from_keras}


@pytest.mark.parametrize("convert", [*TO.values(), *FROM.values()], ids=[*TO, *FROM])
def test_a_cell_that_the_library_lacks_is_refused_with_the_reason(convert):
    torch_s = convert in (to_torch, torch_layer, from_torch)
    for cell, reason in {
        CoupledLSTM(2, 3): "cell: expected one of Elman, .*, got CoupledLSTM; .* has no coupled gates; `uncoupled`",
        PeepholeLSTM(2, 3): "cell: expected one of Elman, .*, got PeepholeLSTM; .* has no peepholes; with p_i",
        Jordan(2, 3, 4): "cell: expected one of Elman, LSTM, GRU.*, got Jordan",
    }.items():
        with pytest.raises(ValueError, match=reason):
            convert(cell, {})
    if torch_s:
        with pytest.raises(
            ValueError, match=r"cell: expected .*, got GRUResetBefore; .* resets after .* where W_hn is diagonal"
        ):
            convert(GRUResetBefore(2, 3), {})
        with pytest.raises(ValueError, match=r"cell: expected tanh or relu, as PyTorch's nn.RNN has, got sigmoid"):
            convert(Elman(2, 3, SIGMOID), {})


@given(st.integers(2, 5), seeds)
def test_the_two_placements_of_the_reset_are_equal_for_a_diagonal_matrix_and_not_otherwise(H, seed):
    rng = np.random.default_rng(seed)
    w = random_weights(GRUResetBefore(2, H), rng)
    x, h_0 = rng.normal(size=(1, 2, 2)), rng.normal(size=(2, H))

    def apart(W_hn):
        before, _ = forward(GRUResetBefore(2, H), w | {"W_hn": W_hn}, x, h_0)
        after, _ = forward(GRU(2, H), w | {"W_hn": W_hn, "b_hn": np.zeros(H)}, x, h_0)
        return largest(before, after)

    assert apart(np.diag(np.diag(w["W_hn"]))) <= PARITY
    assert apart(w["W_hn"]) > PARITY


@pytest.mark.parametrize("convert", [to_torch, to_keras], ids=["to_torch", "to_keras"])
def test_weights_that_do_not_fit_the_cell_are_refused(convert):
    cell = LSTM(2, 3)
    w = random_weights(cell, np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"W_hf: expected shape \(3, 3\), got \(3, 4\)"):
        convert(cell, w | {"W_hf": np.zeros((3, 4))})
    with pytest.raises(ValueError, match="weights: expected the entries .*; missing b_o"):
        convert(cell, {name: w[name] for name in w if name != "b_o"})
    with pytest.raises(ValueError, match="not expected: W_hy"):
        convert(cell, w | {"W_hy": np.zeros((1, 3))})


def test_a_state_that_does_not_fit_the_cell_is_refused():
    cell = GRU(2, 3)
    state = to_torch(cell, random_weights(cell, np.random.default_rng(0)))
    with pytest.raises(ValueError, match=r"weight_ih_l0: expected shape \(9, 2\), got \(12, 2\)"):
        from_torch(cell, state | {"weight_ih_l0": np.zeros((12, 2))})
    with pytest.raises(
        ValueError, match=r"state: expected the entries .*; missing bias_hh_l1, bias_ih_l1, .*, got none"
    ):
        from_torch(cell, state, layer=1)
    with pytest.raises(ValueError, match=r"missing .*, weight_ih_l0_reverse, got none"):
        from_torch(cell, state, reverse=True)
    with pytest.raises(ValueError, match=r"state: expected a mapping with the entries weight_ih_l0, .*, got GRU"):
        from_torch(cell, torch.nn.GRU(2, 3))
    with pytest.raises(ValueError, match=r"layer: expected a whole number of at least 0, got -1"):
        from_torch(cell, state, layer=-1)
    without = torch.nn.GRU(2, 3, bias=False).state_dict()
    with pytest.raises(ValueError, match=r"missing bias_hh_l0, bias_ih_l0, got weight_ih_l0, weight_hh_l0$"):
        from_torch(cell, without)
    with pytest.raises(ValueError, match=r"expected a layer without projection, got weight_hr_l0"):
        from_torch(LSTM(2, 3), torch.nn.LSTM(2, 3, proj_size=2).state_dict())
    with pytest.raises(ValueError, match=r"bias_hh_l0: expected finite numbers"):
        from_torch(cell, state | {"bias_hh_l0": np.full(9, np.nan)})


@pytest.mark.parametrize("kind", IN_TORCH)
def test_a_state_need_not_lie_in_memory_as_pytorch_makes_it(kind):
    cell = kind(2, 3)
    state = to_torch(cell, random_weights(cell, np.random.default_rng(0)))
    expected = from_torch(cell, state)
    tensors = {name: torch.from_numpy(array) for name, array in state.items()}
    for other in (
        {
            name: tensor.T.clone().T if tensor.ndim == 2 else tensor.repeat(2, 1).T[:, 1]
            for name, tensor in tensors.items()
        },
        {name: torch.nn.Parameter(tensor) for name, tensor in tensors.items()},
        {name: array.astype(">f8") for name, array in state.items()},
        {name: np.asfortranarray(array) for name, array in state.items()},
    ):
        assert_same(from_torch(cell, other), expected)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.half])
def test_a_state_of_half_precision_is_to_be_widened_first(dtype):
    layer = torch.nn.LSTM(2, 3, dtype=dtype)
    with pytest.raises(ValueError, match=r"weight_ih_l0: expected .*, got .*; pass float32 or float64$"):
        from_torch(LSTM(2, 3), layer.state_dict())
    assert from_torch(LSTM(2, 3), layer.float().state_dict())["W_xi"].dtype == np.float32


@pytest.mark.parametrize("convert", [to_torch, to_keras, torch_layer])
def test_weights_of_two_precisions_are_refused(convert):
    cell = LSTM(2, 3)
    w = random_weights(cell, np.random.default_rng(0))
    with pytest.raises(ValueError, match="weights: expected one dtype, got .* b_f float32"):
        convert(cell, w | {"b_f": w["b_f"].astype(np.float32)})


def test_weights_of_another_byte_order_reach_pytorch():
    cell = LSTM(2, 3)
    w = random_weights(cell, np.random.default_rng(0))
    swapped = {name: array.astype(">f8") for name, array in w.items()}
    assert_same(from_torch(cell, torch_layer(cell, swapped).state_dict()), w)


def test_turning_a_gate_of_unsigned_weights_does_not_wrap_around():
    w = {"W_xz": np.ones((2, 3), np.uint8), "W_hz": np.ones((2, 2), np.uint8), "b_z": np.ones(2, np.uint8)}
    assert all((array == -1).all() for array in other_update_gate(w).values())
    forget = {name.replace("z", "f"): array for name, array in w.items()}
    assert all((uncoupled(forget)[name] == -1).all() for name in ("W_xi", "W_hi", "b_i"))
    with pytest.raises(ValueError, match=r"W_hz: expected shape \(2, 2\), got \(2, 3\)"):
        other_update_gate(w | {"W_hz": w["W_xz"]})


def test_arrays_of_keras_that_do_not_fit_the_cell_are_refused():
    rng = np.random.default_rng(0)
    after, before = (to_keras(cell, random_weights(cell, rng)) for cell in (GRU(2, 3), GRUResetBefore(2, 3)))
    with pytest.raises(ValueError, match=r"cell: expected GRUResetBefore, got GRU: a bias .* \(9,\) .*=False"):
        from_keras(GRU(2, 3), before)
    with pytest.raises(
        ValueError, match=r"cell: expected GRU, got GRUResetBefore: a bias of shape \(2, 9\) .*reset_after=True"
    ):
        from_keras(GRUResetBefore(2, 3), after)
    with pytest.raises(ValueError, match=r"bias: expected shape \(2, 9\), got \(2, 8\)"):
        from_keras(GRU(2, 3), after | {"bias": np.zeros((2, 8))})
    with pytest.raises(ValueError, match=r"kernel: expected shape \(2, 9\), got \(9, 2\)"):
        from_keras(GRU(2, 3), after | {"kernel": after["kernel"].T})
    with pytest.raises(ValueError, match=r"arrays: .*; missing bias"):
        from_keras(GRU(2, 3), {name: after[name] for name in ("kernel", "recurrent_kernel")})


def test_the_gates_to_be_turned_must_be_there():
    with pytest.raises(ValueError, match="weights: .* missing W_xz, b_z, got W_hz$"):
        other_update_gate({"W_hz": np.eye(2)})
    with pytest.raises(ValueError, match="weights: .* missing W_hf, got W_xf, b_f$"):
        uncoupled({"W_xf": np.eye(2), "b_f": np.zeros(2)})


def test_importing_it_does_not_import_torch():
    code = "import sys, companion.gates.convert; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
