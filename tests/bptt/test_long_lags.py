"""Long-lag tasks: every sequence is as the papers define it, and the baselines are exact."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from companion import MANY_TO_MANY, MANY_TO_ONE
from companion.bptt.long_lags import AddingProblem, AddingProblem1997, CopyMemory, TemporalOrder, accuracy

seeds = st.integers(0, 2**32 - 1)
sizes = st.integers(1, 12)
TASKS = [AddingProblem(2), AddingProblem(31), AddingProblem1997(40), CopyMemory(7), TemporalOrder()]


def draw(task, seed, size):
    return task.batch(np.random.default_rng(seed), size)


@pytest.mark.parametrize("task", TASKS, ids=str)
def test_the_same_generator_gives_the_same_sequences_and_another_gives_others(task):
    for ours, again, other in zip(draw(task, 3, 5), draw(task, 3, 5), draw(task, 4, 5), strict=True):
        assert np.array_equal(ours, again)
        assert ours.shape[1] == 5
        assert ours.shape != other.shape or not np.array_equal(ours, other)


@given(steps=st.integers(2, 60), seed=seeds, size=sizes)
def test_adding_marks_one_number_in_each_half_and_asks_for_their_sum(steps, seed, size):
    x, targets = draw(AddingProblem(steps), seed, size)
    numbers, markers = x[..., 0], x[..., 1]
    assert x.shape == (steps, size, 2) and targets.shape == (1, size, 1)
    assert ((numbers >= 0) & (numbers < 1)).all() and set(np.unique(markers)) <= {0, 1}
    assert (markers[: steps // 2].sum(axis=0) == 1).all() and (markers[steps // 2 :].sum(axis=0) == 1).all()
    np.testing.assert_allclose(targets[0, :, 0], (numbers * markers).sum(axis=0), atol=1e-15)


@given(least=st.integers(20, 90), seed=seeds, size=sizes)
def test_adding_of_1997_follows_section_5_4(least, seed, size):
    x, targets = draw(AddingProblem1997(least), seed, size)
    T, numbers, markers = len(x), x[..., 0], x[..., 1]
    assert least <= T <= least * 1.1 and targets.shape == (1, size, 1)
    assert ((numbers >= -1) & (numbers < 1)).all() and set(np.unique(markers)) <= {-1, 0, 1}
    marked = markers == 1
    assert (marked.sum(axis=0) == 2).all() and marked[:10].any(axis=0).all() and not marked[least // 2 :].any()
    assert (markers[-1] == -1).all() and ((markers[0] == -1) | marked[0]).all()
    assert (markers[1:-1] >= 0).all()
    np.testing.assert_allclose(targets[0, :, 0], 0.5 + (numbers * marked).sum(axis=0) / 4, atol=1e-15)
    assert ((targets >= 0) & (targets <= 1)).all()


@given(delay=st.integers(1, 50), seed=seeds, size=sizes)
def test_copy_memory_shows_ten_symbols_and_asks_for_them_after_the_delay(delay, seed, size):
    task = CopyMemory(delay)
    x, targets = draw(task, seed, size)
    assert x.shape == targets.shape == (delay + 20, size) and task.arity == MANY_TO_MANY
    assert (x[:10] < 8).all() and (x[10 : delay + 9] == 8).all() and (x[delay + 9] == 9).all()
    assert (x[delay + 10 :] == 8).all() and len(x[delay + 10 :]) == 10
    assert (targets[: delay + 10] == 8).all() and np.array_equal(targets[delay + 10 :], x[:10])


@given(seed=seeds, size=sizes)
def test_temporal_order_has_its_two_symbols_in_their_places_and_the_class_is_their_order(seed, size):
    task = TemporalOrder()
    x, classes = draw(task, seed, size)
    assert 100 <= len(x) <= 110 and classes.shape == (1, size) and task.arity == MANY_TO_ONE
    for column, kind in zip(x.T, classes[0], strict=True):
        word = "".join(task.symbols[k] for k in column)
        assert word[0] == "E" and word[-1] == "B" and set(word[1:-1]) <= set("abcdXY")
        (first, X), (second, Y) = [(i, s) for i, s in enumerate(word) if s in "XY"]
        assert 10 <= first <= 20 and 50 <= second <= 60
        assert task.classes[kind] == X + Y


def test_every_place_and_kind_that_the_definitions_allow_is_drawn():
    """The first and the last of each range, and every class, so that no range is one too short."""
    size = 4000
    for steps in (20, 21):
        markers = draw(AddingProblem(steps), 0, size)[0][..., 1]
        assert (markers.sum(axis=1) > 0).all()
        assert markers[0].mean() == pytest.approx(2 / 20, abs=0.03) and markers[-1].mean() == pytest.approx(
            1 / (steps - steps // 2), abs=0.03
        )
    marked = draw(AddingProblem1997(40), 0, size)[0][..., 1] == 1
    assert marked[:20].any(axis=1).all() and not marked[20:].any()
    # X1 in one of the first ten, and X2 in one of the 19 that are left of the first twenty
    assert marked[:10].mean(axis=1) == pytest.approx([1 / 10 + 9 / 10 / 19] * 10, abs=0.025)
    assert marked[10:20].mean(axis=1) == pytest.approx([1 / 19] * 10, abs=0.025)
    lengths = {len(draw(AddingProblem1997(40), seed, 1)[0]) for seed in range(100)}
    assert lengths == {40, 41, 42, 43, 44}
    x, classes = draw(TemporalOrder(), 0, size)
    places = (x == TemporalOrder.symbols.index("X")) | (x == TemporalOrder.symbols.index("Y"))
    assert np.flatnonzero(places.any(axis=1)).tolist() == [*range(10, 21), *range(50, 61)]
    assert {len(draw(TemporalOrder(), seed, 1)[0]) for seed in range(200)} == set(range(100, 111))
    assert np.bincount(classes[0]) / size == pytest.approx([1 / 4] * 4, abs=0.03)
    assert set(np.unique(draw(CopyMemory(3), 0, 100)[0][:10])) == set(range(8))


def test_adding_baseline_by_integration():
    """∫∫ (u + v − 1)² du dv over the unit square; Gauss–Legendre is exact for a polynomial."""
    node, weight = np.polynomial.legendre.leggauss(5)
    u, w = (node + 1) / 2, weight / 2
    square = (u[:, None] + u[None, :] - AddingProblem.guess) ** 2
    assert AddingProblem(9).baseline == pytest.approx(w @ square @ w, abs=1e-15) == pytest.approx(1 / 6, abs=1e-15)


def test_adding_of_1997_baseline_by_integration():
    """As above over (−1, 1)², except that in one case of ten X1 is 0."""
    node, weight = np.polynomial.legendre.leggauss(5)
    w = weight / 2
    both = w @ ((node[:, None] + node[None, :]) / 4) ** 2 @ w
    one = w @ (node / 4) ** 2
    assert both == pytest.approx(1 / 24, abs=1e-15)  # had no X1 been set to 0
    assert AddingProblem1997(100).baseline == pytest.approx(0.9 * both + 0.1 * one, abs=1e-15)
    assert AddingProblem1997(100).baseline == pytest.approx(19 / 480, abs=1e-15)


def test_copy_and_order_baselines_by_enumeration():
    """The strategies written out as probabilities: what each answering step costs, averaged over steps or classes."""
    for delay in (1, 100, 1000):
        costs = [0.0] * (delay + 10) + [-np.log(1 / 8)] * 10
        assert CopyMemory(delay).baseline == pytest.approx(np.mean(costs), abs=1e-12)
    published = {100: 0.17329, 200: 0.09452, 300: 0.06498, 500: 0.03999, 1000: 0.02039}
    assert all(CopyMemory(delay).baseline == pytest.approx(value, abs=5e-6) for delay, value in published.items())
    task = TemporalOrder()
    pairs = ["".join(pair) for pair in itertools.product("XY", repeat=2)]
    assert list(task.classes) == pairs
    assert task.baseline == pytest.approx(-np.log(1 / len(pairs)), abs=1e-15) and task.chance == 1 / len(pairs)


@pytest.mark.parametrize("task", [AddingProblem(11), AddingProblem1997(30)], ids=str)
def test_baselines_by_drawing(task):
    """200,000 drawn sequences, within four standard errors; every batch of the 1997 form has another length."""
    rng = np.random.default_rng(0)
    targets = np.concatenate([task.batch(rng, 10_000)[1][0, :, 0] for _ in range(20)])
    squares = (targets - task.guess) ** 2
    error = squares.std() / np.sqrt(len(squares))
    assert error < 0.005 * task.baseline
    assert abs(squares.mean() - task.baseline) < 4 * error
    assert abs(targets.mean() - task.guess) < 4 * targets.std() / np.sqrt(len(targets))


def test_the_baseline_is_what_the_constant_answer_costs_through_the_tasks_own_loss():
    rng = np.random.default_rng(1)
    x, targets = CopyMemory(20).batch(rng, 3)
    logits = np.full((*targets.shape, 10), -1e3)
    logits[:30, :, 8], logits[30:, :, :8] = 0, 0
    loss, _ = CopyMemory(20).loss(logits, targets)
    assert loss / targets.size == pytest.approx(CopyMemory(20).baseline, abs=1e-12)
    x, targets = TemporalOrder().batch(rng, 7)
    loss, _ = TemporalOrder().loss(np.zeros((1, 7, 4)), targets)
    assert loss / targets.size == pytest.approx(TemporalOrder().baseline, abs=1e-12)
    assert x.max() < TemporalOrder.inputs
    task = AddingProblem(10)
    x, targets = task.batch(rng, 50_000)
    loss, _ = task.loss(np.full(targets.shape, task.guess), targets)
    assert loss / targets.size == pytest.approx(task.baseline, rel=0.03)


def test_correct_answers_lie_within_the_papers_tolerance():
    task, targets = AddingProblem1997(100), np.array([[[0.5], [0.5], [0.5]]])
    outputs = np.array([[[0.539], [0.541], [0.459]]])
    assert task.correct(outputs, targets).tolist() == [[[True], [False], [False]]]
    with pytest.raises(ValueError, match=r"outputs: expected shape \(1, 3, 1\), got \(1, 3\)"):
        task.correct(outputs[..., 0], targets)


def test_accuracy_counts_largest_logits():
    assert accuracy(np.array([[[0.0, 2.0], [3.0, 1.0]]]), np.array([[1, 1]])) == 0.5
    with pytest.raises(ValueError, match=r"targets: expected shape \(1, 2\), got \(2,\)"):
        accuracy(np.zeros((1, 2, 3)), np.array([0, 1]))


def test_an_accuracy_of_nan_or_of_no_classes_is_refused():
    with pytest.raises(ValueError, match="logits: expected finite numbers, got nan"):
        accuracy(np.full((1, 1, 2), np.nan), np.array([[0]]))
    with pytest.raises(ValueError, match="targets: expected token numbers from 0 to 1, got 2"):
        accuracy(np.zeros((1, 1, 2)), np.array([[2]]))
    with pytest.raises(ValueError, match="targets: expected finite numbers, got nan"):
        AddingProblem1997(20).correct(np.zeros((1, 2)), np.full((1, 2), np.nan))


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="steps: expected a whole number of at least 2, got 1"):
        AddingProblem(1)
    with pytest.raises(ValueError, match="least: expected a whole number of at least 20, got 19"):
        AddingProblem1997(19)
    with pytest.raises(ValueError, match="delay: expected a whole number of at least 1, got 0"):
        CopyMemory(0)
    for task in TASKS:
        with pytest.raises(ValueError, match="size: expected a whole number of at least 1, got 0"):
            draw(task, 0, 0)
