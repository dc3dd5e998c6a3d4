"""aⁿbⁿ: sequences and baseline are exact, and "solved" is what one sequence at a time says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from companion import MANY_TO_MANY, Elman
from companion.bptt.training import network_weights
from companion.gates.anbn import (
    SYMBOLS,
    Counting,
    generalises_to,
    legal_successors,
    sequence,
    solved,
    solved_each,
)
from companion.gates.cells import GRU, LSTM
from companion.gates.weights_by_hand import counter

seeds = st.integers(0, 2**32 - 1)


@given(n=st.integers(1, 60))
def test_a_sequence_is_n_times_a_and_n_times_b_between_two_s(n):
    assert "".join(SYMBOLS[k] for k in sequence(n)) == "S" + "a" * n + "b" * n + "S"


def test_what_may_follow_is_what_some_sequence_shows():
    """The set of symbols after a prefix, from all sequences that start with it."""
    words = ["".join(SYMBOLS[k] for k in sequence(n)) for n in range(1, 12)]
    for n in range(1, 10):
        legal = legal_successors(n)
        assert legal.shape == (2 * n + 1, 3)
        for t in range(1, 2 * n + 2):
            prefix = words[n - 1][:t]
            symbols = {word[t] for word in words if word.startswith(prefix)}
            assert {s for s, allowed in zip(SYMBOLS, legal[t - 1], strict=True) if allowed} == symbols
        assert (legal[n + 1 :].sum(axis=1) == 1).all() and (legal[1 : n + 1].sum(axis=1) == 2).all()


@given(least=st.integers(1, 9), more=st.integers(0, 9), seed=seeds, size=st.integers(1, 5))
def test_a_batch_is_one_sequence_with_its_next_symbols_as_targets(least, more, seed, size):
    task = Counting(least, least + more)
    x, targets = task.batch(np.random.default_rng(seed), size)
    n = (len(x) - 1) // 2
    assert least <= n <= least + more and x.shape == targets.shape == (2 * n + 1, size)
    for column, next_ones in zip(x.T, targets.T, strict=True):
        assert np.array_equal(column, sequence(n)[:-1]) and np.array_equal(next_ones, sequence(n)[1:])
    assert task.arity == MANY_TO_MANY and task.inputs == task.outputs == 3


def test_every_number_is_drawn_equally_often():
    rng, task = np.random.default_rng(0), Counting(2, 5)
    drawn = [(len(task.batch(rng, 1)[0]) - 1) // 2 for _ in range(4000)]
    assert np.bincount(drawn)[2:] / 4000 == pytest.approx([1 / 4] * 4, abs=0.03)


def test_baseline_by_drawing_and_by_hand():
    assert Counting(7, 7).baseline == 0  # the step alone gives all away
    # n = 1: a b S, n = 2: a a b b S; step 2 answers b (1/6) or a (1/10), step 3 S (1/6) or b (1/10), the rest is sure
    p = np.array([1 / 6, 1 / 10]) / (1 / 6 + 1 / 10)
    assert Counting(1, 2).baseline == pytest.approx(2 * (1 / 6 + 1 / 10) * -(p @ np.log(p)), abs=1e-15)
    task, rng, counts = Counting(1, 10), np.random.default_rng(1), np.zeros((21, 3))
    batches = [task.batch(rng, 1)[1][:, 0] for _ in range(20_000)]
    for targets in batches:
        counts[np.arange(len(targets)), targets] += 1 / len(targets)
    with np.errstate(divide="ignore"):
        logits = np.maximum(np.log(counts), -1e3)
    losses = [task.loss(logits[: len(targets)], targets)[0] / len(targets) for targets in batches]
    assert np.std(losses) / np.sqrt(len(losses)) < 0.003
    assert np.mean(losses) == pytest.approx(task.baseline, abs=0.01)


def noisy(seed, openness):
    """The counter of weights_by_hand.py with gates less open than there, and noise on all weights: it solves some n."""
    cell, w = counter()
    rng = np.random.default_rng(seed)
    w = w | {name: value * openness for name, value in w.items() if name.startswith("W_x")}
    return cell, {name: value + 0.05 * rng.normal(size=value.shape) for name, value in w.items()}


@settings(max_examples=30, deadline=None)
@given(seed=seeds, openness=st.sampled_from([0.1, 0.2, 0.33, 1.0]), limit=st.integers(1, 90))
def test_running_many_at_once_says_what_one_at_a_time_says(seed, openness, limit):
    cell, w = noisy(seed, openness)
    one_by_one = [solved(cell, w, n) for n in range(1, limit + 1)]
    assert solved_each(cell, w, limit).tolist() == one_by_one
    assert generalises_to(cell, w, limit) == [*one_by_one, False].index(False)


def test_noise_gives_networks_that_count_some_way():
    """So that the test above has seen more than all or nothing."""
    reached = {generalises_to(*noisy(seed, 0.2), 90) for seed in range(12)}
    assert len(reached - {0, 90}) >= 3


@pytest.mark.parametrize("cell", [Elman(3, 4), GRU(3, 4), LSTM(3, 4)], ids=lambda cell: type(cell).__name__)
def test_any_cell_can_be_asked_and_an_untrained_one_fails(cell):
    w = network_weights(cell, Counting(1, 10), np.random.default_rng(2))
    assert generalises_to(cell, w, 100) == 0 and solved_each(cell, w, 70).shape == (70,)


def test_each_kind_of_mistake_is_seen():
    """A readout that is wrong after S, after an a, while b's are due, or at the end."""
    cell, w = counter()
    assert solved(cell, w, 3)
    for changed in ({"b_y": np.array([0, -1.0, 0])}, {"b_y": np.array([3.0, 1, 0])}, {"b_y": np.array([0, 1.0, 9])}):
        assert not solved(cell, w | changed, 3) and generalises_to(cell, w | changed, 9) == 0
    late = w | {"W_xg": w["W_xg"] * [[1, 1, 0]]}  # b does not count down
    assert not solved_each(cell, late, 5).any()
    # with b's counting less, three a's outlast three b's, and at n = 1 it is already due: 1 − 0.7 > 0
    assert not solved(cell, w | {"W_xi": np.array([[0.0, 30.0, 0.5]])}, 3)


def test_bad_input_is_named():
    cell, w = counter()
    with pytest.raises(ValueError, match="n: expected a whole number of at least 1, got 0"):
        solved(cell, w, 0)
    with pytest.raises(ValueError, match="limit: expected a whole number of at least 1, got 0"):
        generalises_to(cell, w, 0)
    with pytest.raises(ValueError, match="most: expected a whole number of at least 4, got 3"):
        Counting(4, 3)
    with pytest.raises(ValueError, match="least: expected a whole number of at least 1, got 0"):
        Counting(0, 3)
    with pytest.raises(ValueError, match="size: expected a whole number of at least 1, got 0"):
        Counting(1, 3).batch(np.random.default_rng(0), 0)
