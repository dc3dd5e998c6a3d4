"""The walk computes what walking plainly does, for every cell, and calls a cell's step at every step as it is."""

import gc
import weakref
from types import MappingProxyType

import numpy as np
import plainly
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from companion import Elman, Jordan, backward, forward, initial_weights, weight_shapes
from companion.bptt.gradients import check_layer
from companion.bptt.skip_elman import SkipElman
from companion.core import walk
from companion.core.cell import weight_name
from companion.core.functions import IDENTITY, RELU, SIGMOID, SOFTMAX, TANH, Activation
from companion.core.order import order
from companion.core.recurrent import Tape
from companion.gates.ablation import PARTS, AblatedLSTM
from companion.gates.cells import GRU, LSTM, CoupledLSTM, GRUResetBefore, PeepholeLSTM

KINDS = {kind.__name__: kind for kind in (LSTM, PeepholeLSTM, CoupledLSTM, GRU, GRUResetBefore)}
KINDS |= {g.name: lambda I, H, g=g: Elman(I, H, g) for g in (TANH, SIGMOID, RELU, IDENTITY)}
KINDS |= {f"without {part}": lambda I, H, part=part: AblatedLSTM(I, H, part) for part in PARTS}
KINDS |= {"skip": lambda I, H: SkipElman(I, H, 3), "Jordan": lambda I, H: Jordan(I, H, 3)}
KINDS |= {"Jordan, softmax": lambda I, H: Jordan(I, H, H, TANH, SOFTMAX)}


SOFTPLUS = Activation("softplus", lambda a: np.log(1 + np.exp(a)), lambda y: 1 - np.exp(-y), lambda s, dy: s * dy)


class Crossed:
    """A made-up cell that uses what no other does: gates with ReLU and softplus, a peephole to a gate of the same step,
    a state that is sent nothing (n), one by peepholes alone (l), one by a product and a peephole (m), weights in its
    slopes. What a source feeds does not lie side by side: s and l feed g and v, and q lies between.
    """

    wiring = MappingProxyType(
        {
            "u": ("x",),
            "q": ("x", "m_before", "p*m_before"),
            "v": ("s_before", "p*l_before"),
            "g": ("x", "s_before", "p*l_before"),
            "r": ("p*u",),
        }
    )
    gates = MappingProxyType({"u": RELU, "v": SOFTPLUS, "q": SIGMOID, "g": TANH})
    state = ("s", "m", "n", "l")
    outputs = ("m", "s")

    def __init__(self, inputs, hidden):
        self.sizes = {"x": inputs} | dict.fromkeys((*"uqvgrsmnl",), hidden)

    def step(self, w, now, before):
        r = w["p_r"] * now["u"] + w["b_r"]
        s = now["g"] * now["q"] + r * now["v"]
        return {"r": r, "s": s, "m": before["s"], "n": s, "l": -s}

    def slopes(self, w, now, before):
        return {
            "u": now["v"] * w["p_r"] * (now["u"] > 0),
            "q": now["g"] * now["q"] * (1 - now["q"]),
            "v": now["r"] * SOFTPLUS.slopes(now["v"]),
            "g": now["q"] * (1 - now["g"] ** 2),
            "r": now["v"],
        }

    def back(self, w, s, d):
        ds = d["s"] + d["n"] - d["l"]
        return {k: s[k] * ds for k in "uqvgr"}, {"s": d["m"]}


class Deaf(Elman):
    """An Elman network that reads no input."""

    wiring = MappingProxyType({"h": ("h_before",)})


class Uneven(Elman):
    """Two states of different sizes, each fed by both."""

    wiring = MappingProxyType(dict.fromkeys("uv", ("x", "h_before", "c_before")))
    gates = MappingProxyType(dict.fromkeys("uv", TANH))
    state = outputs = ("h", "c")

    @property
    def sizes(self):
        return {"x": self.inputs} | dict.fromkeys("uh", self.hidden) | dict.fromkeys("vc", self.hidden + 2)

    def step(self, w, now, before):
        return {"h": now["u"], "c": now["v"]}

    def slopes(self, w, now, before):
        return {k: TANH.slopes(now[k]) for k in "uv"}

    def back(self, w, s, d):
        return {"u": s["u"] * d["h"], "v": s["v"] * d["c"]}, {}


KINDS |= {"crossed": Crossed, "deaf": Deaf, "uneven": Uneven}


def drawn(cell, T, B, seed, dtype=np.float64):
    rng = np.random.default_rng(seed)
    w = initial_weights(weight_shapes(cell), rng, 0.9, dtype)
    initial = {name: rng.normal(size=(B, cell.sizes[name])).astype(dtype) for name in cell.state}
    return rng, w, rng.normal(size=(T, B, cell.sizes["x"])).astype(dtype), initial


def with_ones(x):
    """What `walk.forward` is given: x_t and a one; tokens as they are."""
    return x if x.ndim == 2 else np.concatenate([x, np.ones_like(x[..., :1])], axis=-1)


def assert_the_same(cell, rng, w, x, initial):
    """States, δ and all gradients are those of walking plainly, whichever outputs the loss sees."""
    kept, expected = walk.forward(cell, order(cell), w, with_ones(x), initial), plainly.forward(cell, w, x, initial)
    assert set(kept) == set(expected)
    for name, rows in expected.items():
        np.testing.assert_allclose(kept[name][1:], rows[1:], rtol=0, atol=1e-12, err_msg=name)
    for name in cell.state:
        np.testing.assert_array_equal(kept[name][0], initial[name])
    d = {name: rng.normal(size=kept[name].shape) for name in cell.outputs if rng.random() < 0.7}
    da, d_initial = walk.deltas(cell, order(cell), w, kept, d)
    da_plain, d_initial_plain = plainly.deltas(cell, w, kept, d)
    for k, columns in order(cell).columns.items():
        np.testing.assert_allclose(da[..., columns], da_plain[k], rtol=0, atol=1e-11, err_msg=k)
    for name in cell.state:
        np.testing.assert_allclose(d_initial[name], d_initial_plain[name], rtol=0, atol=1e-11, err_msg=name)
    if x.ndim == 3:
        dx = backward(Tape(cell, w, x, kept), d)["dx"]
        sent = [da_plain[k][1:] @ w[weight_name("x", k)] for k, sources in cell.wiring.items() if "x" in sources]
        np.testing.assert_allclose(dx, sum(sent, np.zeros_like(x)), rtol=0, atol=1e-11)


kinds, few, seeds = st.sampled_from(sorted(KINDS)), st.integers(1, 4), st.integers(0, 2**32 - 1)


@settings(max_examples=120)
@given(kind=kinds, T=st.integers(1, 7), B=few, I=few, H=few, tokens=st.booleans(), seed=seeds)
@example(kind="PeepholeLSTM", T=1, B=1, I=1, H=1, tokens=False, seed=0)
@example(kind="crossed", T=4, B=2, I=2, H=3, tokens=False, seed=0)
def test_the_walk_gives_what_walking_plainly_gives(kind, T, B, I, H, tokens, seed):
    cell = KINDS[kind](I, H)
    rng, w, x, initial = drawn(cell, T, B, seed)
    assert_the_same(cell, rng, w, rng.integers(0, I, (T, B)) if tokens else x, initial)


@pytest.mark.parametrize("kind", ["tanh", "LSTM", "GRU", "PeepholeLSTM", "GRUResetBefore"])
@pytest.mark.parametrize("shape", [(3, 40, 5, 96), (30, 20, 3, 64), (2, 64, 20, 512)])
def test_large_networks_are_the_same(kind, shape):
    """Shapes at which slopes come in several blocks (the second) and sums are long (the last)."""
    T, B, I, H = shape
    cell = KINDS[kind](I, H)
    rng, w, x, initial = drawn(cell, T, B, 0)
    assert_the_same(cell, rng, {name: value / H**0.5 for name, value in w.items()}, x, initial)


@pytest.mark.parametrize("kind", [Crossed, Deaf, Uneven])
def test_the_core_has_the_gradients_of_made_up_cells_and_no_others(kind):
    cell = kind(2, 3)
    rng, w, x, initial = drawn(cell, 5, 2, 3)
    check_layer(cell, w, x, rng, initial)
    h, tape = forward(cell, w, x, initial)
    assert set(backward(tape, {cell.outputs[0]: h})) == {*w, "dx", *(f"d{name}_0" for name in cell.state)}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_nothing_depends_on_what_memory_held_before(monkeypatch, kind):
    monkeypatch.setattr(np, "empty", lambda shape, dtype=float: np.full(shape, np.nan, dtype))
    monkeypatch.setattr(np, "empty_like", lambda array: np.full_like(array, np.nan))
    cell = KINDS[kind](2, 3)
    for B in (1, 4):
        assert_the_same(cell, *drawn(cell, 5, B, 0))


@pytest.mark.parametrize("kind", ["tanh", "relu", "LSTM", "GRU", "PeepholeLSTM", "CoupledLSTM", "GRUResetBefore"])
def test_float32_differs_by_rounding_only(kind):
    cell = KINDS[kind](5, 8)
    rng, w, x, initial = drawn(cell, 20, 17, 1)
    d = {"h": rng.normal(size=(21, 17, 8))}
    h, tape = forward(cell, w, x, initial)
    small = [{name: value.astype(np.float32) for name, value in arrays.items()} for arrays in (w, initial, d)]
    h_32, tape_32 = forward(cell, small[0], x.astype(np.float32), small[1])
    assert h_32.dtype == np.float32
    np.testing.assert_allclose(h_32, h, atol=1e-4)
    ours, theirs = backward(tape_32, small[2]), backward(tape, d)
    for name, gradient in theirs.items():
        assert ours[name].dtype == np.float32
        np.testing.assert_allclose(ours[name], gradient, atol=1e-4 * max(1, np.abs(gradient).max()), err_msg=name)


def test_results_do_not_change_when_the_same_memory_is_used_again():
    cell = LSTM(20, 40)
    rng, w, x, initial = drawn(cell, 30, 8, 4)
    h, tape = forward(cell, w, x, initial)
    gradients = backward(tape, {"h": np.ones_like(h)})
    kept = {name: value.copy() for name, value in (tape.kept | gradients).items()}
    for _ in range(3):
        other, other_tape = forward(cell, w, -x, initial)
        backward(other_tape, {"h": np.ones_like(other)})
        del other, other_tape
    for name, value in (tape.kept | gradients).items():
        np.testing.assert_array_equal(value, kept[name], err_msg=name)
    again = backward(tape, {"h": np.ones_like(h)})
    for name, gradient in gradients.items():
        np.testing.assert_array_equal(gradient, again[name], err_msg=name)


@pytest.mark.parametrize(("T", "blocks"), [(1, [1]), (4, [2, 2]), (5, [2, 2, 1])])
@pytest.mark.parametrize("cell", [LSTM(2, 3), Jordan(2, 5, 3)])
def test_slopes_come_block_by_block_from_the_last_each_step_once(monkeypatch, cell, T, blocks):
    """Here two steps of the main output, (B, 3), fill a block."""
    _, w, x, initial = drawn(cell, T, 4, 0)
    kept = walk.forward(cell, order(cell), w, with_ones(x), initial)
    monkeypatch.setattr(walk, "SLOPES", 2 * initial[cell.state[0]].nbytes)
    asked, slopes_of = [], type(cell).slopes
    monkeypatch.setattr(type(cell), "slopes", lambda *a: asked.append(len(a[2]["h"])) or slopes_of(*a))
    steps = list(walk._slopes(cell, w, kept))
    assert asked == blocks and [t for t, _ in steps] == list(range(T, 0, -1))
    now, before = {n: rows[1:] for n, rows in kept.items()}, {n: kept[n][:-1] for n in cell.state}
    whole = slopes_of(cell, w, now, before)
    for t, slopes in steps:
        for name, rows in slopes.items():
            np.testing.assert_array_equal(rows, whole[name][t - 1], err_msg=f"{name} of step {t}")


def test_what_a_step_makes_takes_the_place_of_its_pre_activation_unless_that_is_needed():
    _, w, x, initial = drawn(GRU(2, 3), 4, 5, 0)
    kept = walk.forward(GRU(2, 3), order(GRU(2, 3)), w, with_ones(x), initial)
    assert kept["a_hn"].base is kept["r"].base is kept["n"].base is not kept["h"].base


class Hands(Elman):
    """Elman's network whose step hands on a_h as well, under its own name or another, at some steps or at all."""

    def __init__(self, inputs, hidden, name, since):
        super().__init__(inputs, hidden)
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "since", since)
        object.__setattr__(self, "calls", [])

    def step(self, w, now, before):
        self.calls.append(0)
        a_h = now["a_h"]
        return {"h": np.tanh(a_h), self.name: a_h if len(self.calls) >= self.since else a_h.copy()}


@pytest.mark.parametrize("name", ["a_h", "seen"])
@pytest.mark.parametrize("since", [1, 3])
def test_what_a_step_hands_on_is_not_overwritten(name, since):
    cell = Hands(2, 3, name, since)
    _, w, x, initial = drawn(cell, 5, 2, 0)
    h, tape = forward(cell, w, x, initial)
    np.testing.assert_allclose(np.tanh(tape[name][1:]), h[1:], rtol=0, atol=1e-15)


def test_a_tape_keeps_what_the_backward_pass_needs_and_no_more():
    """Gates, what a step computes, and a pre-activation only where the slopes need it."""
    expected = {
        "tanh": {"h"},
        "LSTM": {*"ifgo", "c", "tanh_c", "h"},
        "PeepholeLSTM": {*"ifgo", "c", "tanh_c", "h"},
        "GRU": {"r", "z", "n", "a_hn", "h"},
        "GRUResetBefore": {"r", "z", "n", "h"},
    }
    for kind, names in expected.items():
        cell = KINDS[kind](2, 3)
        _, w, x, initial = drawn(cell, 4, 2, 5)
        assert set(forward(cell, w, x, initial)[1].kept) == names, kind
    h = forward(KINDS["tanh"](2, 3), *drawn(KINDS["tanh"](2, 3), 4, 2, 5)[1:])[0]
    assert h.base is None or h.base.size == h.size  # no view of a larger array that would stay alive with it


class Crossing(Elman):
    """Two pre-activations; from its second step on, a step hands on the one as the other's value."""

    wiring = MappingProxyType({"h": ("x", "h_before"), "u": ("x",)})
    outputs = ("h", "u")
    sizes = MappingProxyType({"x": 2, "h": 3, "u": 3})

    def step(self, w, now, before):
        if (before["h"] == 7).all():
            return {"u": np.tanh(now["a_u"]), "h": np.tanh(now["a_h"])}
        return {"u": np.tanh(now["a_u"]), "h": now["a_u"]}


def test_an_if_may_hand_on_at_a_later_step_what_it_did_not_at_the_first():
    cell = Crossing(2, 3)
    rng, w, x, _ = drawn(cell, 4, 2, 0)
    initial = {"h": np.full((2, 3), 7.0)}
    h, tape = forward(cell, w, x, initial)
    np.testing.assert_allclose(np.tanh(h[2:]), tape["u"][2:], atol=1e-15)
    expected = plainly.forward(cell, w, x, initial)
    np.testing.assert_allclose(h[1:], expected["h"][1:], atol=1e-14)


class Zoneout(LSTM):
    """Each step keeps some of h_{t-1}: h_t = m_t ⊙ h_{t-1} + (1 − m_t) ⊙ h_t, with a mask drawn in the step."""

    def step(self, w, now, before):
        made = super().step(w, now, before)
        mask = DRAWS[-1].random(made["h"].shape) < 0.3
        return made | {"mask": mask, "h": np.where(mask, before["h"], made["h"])}

    def slopes(self, w, now, before):
        return super().slopes(w, now, before) | {"mask": now["mask"]}

    def back(self, w, s, d):
        da, direct = super().back(w, s, d | {"h": (1 - s["mask"]) * d["h"]})
        return da, direct | {"h": s["mask"] * d["h"]}


DRAWS = [np.random.default_rng(0)]


def test_a_mask_drawn_in_a_step_is_drawn_at_every_step_and_its_gradients_are_right():
    cell = Zoneout(3, 20)
    rng, w, x, initial = drawn(cell, 6, 2, 0)
    _, tape = forward(cell, w, x, initial)
    masks = tape["mask"][1:]
    assert all((masks[i] != masks[j]).any() for i in range(6) for j in range(i))

    def loss(weights):
        DRAWS.append(np.random.default_rng(5))  # the same masks each time
        return float((forward(cell, weights, x, initial)[0] * dh).sum())

    dh = rng.normal(size=tape["h"].shape)
    loss(w)
    DRAWS.append(np.random.default_rng(5))
    gradients = backward(forward(cell, w, x, initial)[1], {"h": dh})
    for name, W in w.items():
        direction = rng.normal(size=W.shape)
        up, down = (loss(w | {name: W + sign * 1e-6 * direction}) for sign in (1, -1))
        assert (up - down) / 2e-6 == pytest.approx((gradients[name] * direction).sum(), rel=1e-5, abs=1e-7), name


class Asking(Elman):
    """ReLU written with an `if` at every step: where no pre-activation of the batch is positive, the step says so."""

    def step(self, w, now, before):
        positive = now["a_h"] > 0
        return {"h": positive * now["a_h"] if positive.any() else -np.ones_like(now["a_h"])}


def test_an_if_in_a_step_is_asked_at_every_step():
    cell = Asking(1, 1)
    w = {"W_xh": np.ones((1, 1)), "W_hh": np.zeros((1, 1)), "b_h": np.zeros(1)}
    h, _ = forward(cell, w, np.array([2.0, -3.0, 5.0, -7.0])[:, None, None])
    np.testing.assert_array_equal(h[1:, 0, 0], [2, -1, 5, -1])


class Counting(Elman):
    def step(self, w, now, before):
        CALLS.append(float(before["h"][0, 0]))
        return super().step(w, now, before)


CALLS = []


def test_a_step_is_called_once_a_step_in_the_order_of_time():
    cell = Counting(2, 3)
    _, w, x, initial = drawn(cell, 7, 2, 0)
    CALLS.clear()
    h, _ = forward(cell, w, x, initial)
    np.testing.assert_array_equal(CALLS, h[:-1, 0, 0])


class Short(Elman):
    def step(self, w, now, before):
        return {"h": np.tanh(now["a_h"])[:1]}


class Nameless(Elman):
    def step(self, w, now, before):
        return {"state": np.tanh(now["a_h"])}


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Short, r"step: expected h of shape \(2, 3\), got \(1, 3\)"),
        (Nameless, "step: expected h among what it returns, got state"),
    ],
)
def test_a_step_that_does_not_return_what_its_cell_declares_is_told(kind, message):
    cell = kind(2, 3)
    _, w, x, initial = drawn(cell, 5, 2, 0)
    with pytest.raises(ValueError, match=message):
        forward(cell, w, x, initial)


class Forgetful(LSTM):
    def back(self, w, s, d):
        da, direct = super().back(w, s, d)
        return {k: da[k] for k in "igo"}, direct


class Misnamed(LSTM):
    def back(self, w, s, d):
        da, direct = super().back(w, s, d)
        return da, {"cell": direct["c"]}


@pytest.mark.parametrize(
    ("kind", "got"), [(Forgetful, "i, g, o and c"), (Misnamed, "i, f, g, o and cell")], ids=["too few", "misnamed"]
)
def test_a_step_back_that_does_not_return_what_its_cell_declares_is_told(kind, got):
    """Else what was not written would be whatever the memory held, and what has another name would be lost."""
    cell = kind(2, 3)
    _, w, x, initial = drawn(cell, 5, 2, 0)
    h, tape = forward(cell, w, x, initial)
    with pytest.raises(ValueError, match=f"back: expected δ of g, i, f, o, and gradients of h, c, got {got}"):
        backward(tape, {"h": h})


class Chooser(LSTM):
    """An LSTM whose input gate shares out: a softmax over the units of each sequence."""

    gates = MappingProxyType({**LSTM.gates, "i": SOFTMAX})


def test_a_gate_whose_function_mixes_entries_sees_each_sequence_alone():
    cell = Chooser(2, 3)
    _, w, x, initial = drawn(cell, 4, 5, 0)
    _, tape = forward(cell, w, x, initial)
    np.testing.assert_allclose(tape["i"][1:].sum(axis=-1), np.ones((4, 5)), atol=1e-14)
    np.testing.assert_allclose(tape["i"][1:], plainly.forward(cell, w, x, initial)["i"][1:], atol=1e-14)


class Thin(LSTM):
    def back(self, w, s, d):
        da, direct = super().back(w, s, d)
        return da | {"i": da["i"][0]}, direct


class Flat(LSTM):
    def slopes(self, w, now, before):
        return {name: s[0] for name, s in super().slopes(w, now, before).items()}


class Grasping(LSTM):
    def back(self, w, s, d):
        d["c"] *= 2
        return super().back(w, s, d)


class Rewriting(LSTM):
    def step(self, w, now, before):
        before["c"][:] = 0
        return super().step(w, now, before)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Thin, r"back: expected i of shape \(2, 3\), got \(3,\)"),
        (Flat, r"slopes: expected i of shape \(5, B, n\), got \(2, 3\)"),
        (Grasping, "read-only"),
    ],
)
def test_what_would_be_stretched_or_overwritten_on_the_way_back_is_told(kind, message):
    cell = kind(2, 3)
    _, w, x, initial = drawn(cell, 5, 2, 0)
    h, tape = forward(cell, w, x, initial)
    dh = np.ones_like(h)
    with pytest.raises(ValueError, match=message):
        backward(tape, {"h": dh})
    assert (dh == 1).all()


def test_a_step_cannot_rewrite_the_past_nor_what_the_caller_gave():
    cell = Rewriting(2, 3)
    _, w, x, initial = drawn(cell, 5, 2, 0)
    given = {name: value.copy() for name, value in initial.items()}
    with pytest.raises(ValueError, match="read-only"):
        forward(cell, w, x, initial)
    for name, value in given.items():
        np.testing.assert_array_equal(initial[name], value, err_msg=name)


class Looking(GRU):
    """A made-up cell of one batch: its memory (B, H) is added to the state at every step, and wants a gradient."""

    def __init__(self, inputs, hidden, memory):
        super().__init__(inputs, hidden)
        object.__setattr__(self, "memory", memory)

    def step(self, w, now, before):
        made = super().step(w, now, before)
        return made | {"own": made["h"], "h": made["h"] + self.memory}

    def slopes(self, w, now, before):
        return super().slopes(w, now | {"h": now["own"]}, before)

    def batch_gradients(self, tape, da, d_outputs):
        """What reached h_t: from the loss, and from the step after through the gates and the direct path."""
        dh = d_outputs["h"][1:].copy()
        for k in ("r", "z", "hn"):
            dh[:-1] += da[k][2:] @ tape.weights[weight_name("h_before", k)]
        z = tape["z"]
        for t in range(len(dh) - 1, 0, -1):
            dh[t - 1] += z[t + 1] * dh[t]
        return {"dmemory": dh.sum(axis=0)}


def test_what_belongs_to_the_batch_gets_its_gradient_after_the_walk():
    rng = np.random.default_rng(0)
    memory = rng.normal(size=(2, 3))
    w, x = initial_weights(weight_shapes(GRU(4, 3)), rng, 0.5), rng.normal(size=(5, 2, 4))
    dh = rng.normal(size=(6, 2, 3))

    def loss(memory):
        return float((forward(Looking(4, 3, memory), w, x)[0] * dh).sum())

    gradients = backward(forward(Looking(4, 3, memory), w, x)[1], {"h": dh})
    assert set(gradients) == {*w, "dx", "dh_0", "dmemory"}
    for index in np.ndindex(memory.shape):
        moved = np.zeros_like(memory)
        moved[index] = 1e-6
        numeric = (loss(memory + moved) - loss(memory - moved)) / 2e-6
        assert numeric == pytest.approx(gradients["dmemory"][index], rel=1e-6)


class Clashing(Looking):
    def batch_gradients(self, tape, da, d_outputs):
        return {"b_n": self.memory}


def test_gradients_of_the_batch_have_names_of_their_own():
    cell = Clashing(4, 3, np.zeros((2, 3)))
    h, tape = forward(cell, initial_weights(weight_shapes(cell), np.random.default_rng(0), 0.5), np.zeros((5, 2, 4)))
    with pytest.raises(ValueError, match="batch_gradients: expected names of its own, got b_n"):
        backward(tape, {"h": h})


def test_a_cell_made_for_a_batch_is_not_kept_alive():
    memory = np.zeros((2, 3))
    cell = Looking(4, 3, memory)
    h, tape = forward(cell, initial_weights(weight_shapes(cell), np.random.default_rng(0), 0.5), np.zeros((5, 2, 4)))
    backward(tape, {"h": h})
    gone = weakref.ref(cell)
    del cell, tape
    gc.collect()
    assert gone() is None
