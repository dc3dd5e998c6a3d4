"""The chain: what it says of all labellings is what they say one by one; its gradients are measured and PyTorch's."""

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torchcrf import CRF

from companion.applications.crf import (
    NAMES,
    best_labels,
    chain_loss,
    chain_shapes,
    log_partition,
    marginals,
    score,
)
from companion.bptt.gradients import check_gradients

PARITY = 1e-10  # float64, as promised in the book
seeds = st.integers(0, 2**32 - 1)


def drawn(T, B, O, seed, dtype=np.float64):
    """Weights, logits, labels and lengths of B sentences, one of which is as long as can be."""
    rng = np.random.default_rng(seed)
    weights = {name: rng.normal(size=shape).astype(dtype) for name, shape in chain_shapes(O).items()}
    lengths = rng.integers(1, T + 1, B)
    lengths[rng.integers(B)] = T
    return weights, rng.normal(0, 2, (T, B, O)).astype(dtype), rng.integers(0, O, (T, B)), lengths


def score_of(weights, u, d):
    """Equation eq-crf-score, of one sentence u (T, O) and one labelling of it."""
    W_yy, b_start, b_end = (weights[name] for name in NAMES)
    passed = sum(W_yy[after, before] for before, after in zip(d, d[1:], strict=False))
    return b_start[d[0]] + sum(u[t, k] for t, k in enumerate(d)) + passed + b_end[d[-1]]


def every_labelling(weights, logits, lengths):
    """For each sentence, {labelling: its score}, of all O^T."""
    for b, n in enumerate(lengths):
        u = logits[:n, b]
        yield {d: score_of(weights, u, d) for d in product(range(u.shape[1]), repeat=int(n))}


def alone(b, n, *arrays):
    return [array[:n, b : b + 1] for array in arrays]


sizes = {"T": st.integers(1, 5), "B": st.integers(1, 3), "O": st.integers(1, 3), "seed": seeds}


@settings(max_examples=40)
@given(**sizes)
@example(T=5, B=3, O=3, seed=0)
@example(T=1, B=2, O=3, seed=1)
def test_log_Z_sums_over_all_labellings(T, B, O, seed):
    weights, logits, _, lengths = drawn(T, B, O, seed)
    expected = [np.log(np.sum(np.exp(list(s.values())))) for s in every_labelling(weights, logits, lengths)]
    np.testing.assert_allclose(log_partition(weights, logits, lengths).log_Z, expected, rtol=0, atol=1e-12)


@settings(max_examples=40)
@given(**sizes)
@example(T=5, B=3, O=3, seed=0)
@example(T=1, B=2, O=3, seed=1)
def test_the_best_labelling_is_the_best_of_all(T, B, O, seed):
    weights, logits, _, lengths = drawn(T, B, O, seed)
    labels, scores = best_labels(weights, logits, lengths)
    for b, of in enumerate(every_labelling(weights, logits, lengths)):
        best = max(of, key=of.get)
        assert tuple(labels[: lengths[b], b]) == best
        assert not labels[lengths[b] :, b].any()
        np.testing.assert_allclose(scores[b], of[best], rtol=0, atol=1e-12)


@settings(max_examples=40)
@given(**sizes)
@example(T=5, B=3, O=3, seed=0)
@example(T=1, B=2, O=3, seed=1)
def test_marginals_are_shares_of_all_labellings(T, B, O, seed):
    weights, logits, _, lengths = drawn(T, B, O, seed)
    found = marginals(log_partition(weights, logits, lengths))
    of_labels, of_pairs = np.zeros((T, B, O)), np.zeros((T - 1, B, O, O))
    for b, of in enumerate(every_labelling(weights, logits, lengths)):
        Z = sum(np.exp(s) for s in of.values())
        for d, s in of.items():
            for t, k in enumerate(d):
                of_labels[t, b, k] += np.exp(s) / Z
                if t:
                    of_pairs[t - 1, b, k, d[t - 1]] += np.exp(s) / Z
    np.testing.assert_allclose(found.of_labels, of_labels, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.of_pairs, of_pairs, rtol=0, atol=1e-12)


@settings(max_examples=40)
@given(T=st.integers(1, 9), B=st.integers(1, 4), O=st.integers(1, 5), seed=seeds)
def test_marginals_sum_to_one_and_those_of_pairs_to_those_of_labels(T, B, O, seed):
    weights, logits, _, lengths = drawn(T, B, O, seed)
    found = marginals(log_partition(weights, logits, lengths))
    within = np.arange(T)[:, None] < lengths
    np.testing.assert_allclose(found.of_labels.sum(axis=-1), within, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.of_pairs.sum(axis=-1), found.of_labels[1:], rtol=0, atol=1e-12)
    before = np.where(within[1:, :, None], found.of_labels[:-1], 0)
    np.testing.assert_allclose(found.of_pairs.sum(axis=-2), before, rtol=0, atol=1e-12)
    assert not found.of_labels[~within].any() and not found.of_pairs[~within[1:]].any()


@settings(max_examples=40)
@given(T=st.integers(1, 7), B=st.integers(1, 4), O=st.integers(1, 4), seed=seeds)
@example(T=7, B=4, O=4, seed=0)
def test_the_score_of_a_labelling_is_the_sum_of_the_equation(T, B, O, seed):
    weights, logits, labels, lengths = drawn(T, B, O, seed)
    expected = [score_of(weights, logits[:n, b], labels[:n, b]) for b, n in enumerate(lengths)]
    np.testing.assert_allclose(score(weights, logits, labels, lengths), expected, rtol=0, atol=1e-12)


@settings(max_examples=15)
@given(T=st.integers(1, 4), B=st.integers(1, 3), O=st.integers(1, 3), seed=seeds)
@example(T=4, B=3, O=3, seed=0)
def test_the_loss_is_minus_log_p_and_has_the_gradients_that_central_differences_measure(T, B, O, seed):
    weights, logits, labels, lengths = drawn(T, B, O, seed)
    loss, gradients, dlogits = chain_loss(weights, logits, labels, lengths)
    log_p = [
        s[tuple(labels[: lengths[b], b])] - np.log(np.sum(np.exp(list(s.values()))))
        for b, s in enumerate(every_labelling(weights, logits, lengths))
    ]
    np.testing.assert_allclose(loss, -sum(log_p), rtol=0, atol=1e-12)
    assert set(gradients) == set(NAMES)
    check_gradients(
        lambda a: chain_loss({name: a[name] for name in NAMES}, a["logits"], labels, lengths)[0],
        weights | {"logits": logits},
        gradients | {"logits": dlogits},
        bound=1e-8,
    )


@settings(max_examples=40)
@given(T=st.integers(1, 8), B=st.integers(1, 4), O=st.integers(1, 5), seed=seeds)
@example(T=8, B=4, O=5, seed=0)
@example(T=1, B=3, O=2, seed=1)
def test_the_chain_equals_pytorch_crf(T, B, O, seed):
    """Its `transitions` lead from the row to the column: they are the transpose of W_yy."""
    weights, logits, labels, lengths = drawn(T, B, O, seed)
    theirs = CRF(O).double()
    named = {"transitions": weights["W_yy"].T, "start_transitions": weights["b_start"]}
    named |= {"end_transitions": weights["b_end"]}
    theirs.load_state_dict({name: torch.tensor(value) for name, value in named.items()})
    u, d = torch.tensor(logits, requires_grad=True), torch.tensor(labels)
    mask = torch.tensor(np.arange(T)[:, None] < lengths)
    their_loss = -theirs(u, d, mask)
    their_loss.backward()

    loss, gradients, dlogits = chain_loss(weights, logits, labels, lengths)
    np.testing.assert_allclose(loss, their_loss.item(), rtol=0, atol=PARITY)
    np.testing.assert_allclose(dlogits, u.grad.numpy(), rtol=0, atol=PARITY)
    passed = theirs.transitions.grad.T if T > 1 else torch.zeros(O, O)  # it has none where nothing is passed
    np.testing.assert_allclose(gradients["W_yy"], passed.numpy(), rtol=0, atol=PARITY)
    np.testing.assert_allclose(gradients["b_start"], theirs.start_transitions.grad.numpy(), rtol=0, atol=PARITY)
    np.testing.assert_allclose(gradients["b_end"], theirs.end_transitions.grad.numpy(), rtol=0, atol=PARITY)
    best, _ = best_labels(weights, logits, lengths)
    assert [list(best[:n, b]) for b, n in enumerate(lengths)] == theirs.decode(u, mask)


@settings(max_examples=40)
@given(T=st.integers(2, 6), B=st.integers(1, 4), O=st.integers(1, 4), seed=seeds)
@example(T=6, B=4, O=3, seed=0)
def test_what_stands_beyond_a_sentence_changes_no_bit(T, B, O, seed):
    weights, logits, labels, lengths = drawn(T, B, O, seed)
    rng, beyond = np.random.default_rng(seed), np.arange(T)[:, None] >= lengths
    junk, wrong = logits.copy(), labels.copy()
    junk[beyond] = rng.choice([np.nan, np.inf, -np.inf, 1e30, -1e30], (beyond.sum(), O))
    wrong[beyond] = rng.choice([-1, O, 10**9], beyond.sum())

    def everything(u, d):
        loss, gradients, dlogits = chain_loss(weights, u, d, lengths)
        walk = log_partition(weights, u, lengths)
        found = marginals(walk)
        scores = score(weights, u, d, lengths)
        best = best_labels(weights, u, lengths)
        return [loss, *gradients.values(), dlogits, walk.log_Z, found.of_labels, found.of_pairs, scores, *best]

    for given_junk, clean in zip(everything(junk, wrong), everything(logits, labels), strict=True):
        np.testing.assert_array_equal(given_junk, clean)
    assert not chain_loss(weights, junk, wrong, lengths)[2][beyond].any()


@settings(max_examples=40)
@given(T=st.integers(1, 6), B=st.integers(1, 4), O=st.integers(1, 4), seed=seeds)
@example(T=6, B=4, O=3, seed=0)
def test_a_batch_says_of_its_sentences_what_each_says_alone(T, B, O, seed):
    weights, logits, labels, lengths = drawn(T, B, O, seed)
    loss, gradients, dlogits = chain_loss(weights, logits, labels, lengths)
    best, scores = best_labels(weights, logits, lengths)
    total, summed = 0.0, {name: np.zeros_like(weights[name]) for name in NAMES}
    for b, n in enumerate(lengths):
        u, d = alone(b, n, logits, labels)
        own_loss, own, own_dlogits = chain_loss(weights, u, d)  # all steps by default
        total += own_loss
        for name in NAMES:
            summed[name] += own[name]
        np.testing.assert_allclose(dlogits[:n, b], own_dlogits[:, 0], rtol=0, atol=1e-13)
        own_best, own_score = best_labels(weights, u)
        np.testing.assert_array_equal(best[:n, b], own_best[:, 0])
        np.testing.assert_array_equal(scores[b], own_score[0])
        own_score = score(weights, u, d)
        np.testing.assert_allclose(score(weights, logits, labels, lengths)[b : b + 1], own_score, rtol=0, atol=1e-12)
    np.testing.assert_allclose(loss, total, rtol=0, atol=1e-12)
    for name in NAMES:
        np.testing.assert_allclose(gradients[name], summed[name], rtol=0, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("size", [1e3, -1e3, 1e30])
def test_large_logits_do_not_overflow(size):
    """One label is far ahead of the others, or far behind: the chain is as sure as can be."""
    weights, logits, _, _ = drawn(4, 2, 3, 0)
    logits[..., 1] += size
    sure = np.full((4, 2), 1) if size > 0 else best_labels(weights, logits)[0]
    loss, gradients, dlogits = chain_loss(weights, logits, sure)
    assert np.isfinite([loss, *(g.sum() for g in gradients.values()), dlogits.sum()]).all()
    np.testing.assert_array_equal(best_labels(weights, logits)[0], sure)
    if size > 0:
        np.testing.assert_allclose(loss, 0, atol=1e-11)
        np.testing.assert_allclose(dlogits, 0, atol=1e-13)
    else:
        assert (sure != 1).all() and not marginals(log_partition(weights, logits)).of_labels[..., 1].any()


def test_large_transitions_do_not_overflow():
    weights, logits, _, _ = drawn(5, 2, 3, 0)
    weights["W_yy"] = 1000.0 * np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0]])  # 0 → 1 → 2 → 0
    labels, _ = best_labels(weights, logits)
    assert (labels[1:] == (labels[:-1] + 1) % 3).all()
    np.testing.assert_allclose(marginals(log_partition(weights, logits)).of_labels.sum(axis=-1), 1, atol=1e-12)


def test_a_forbidden_way_is_not_taken_and_forbidden_ends_are_none():
    weights = {name: np.zeros(shape) for name, shape in chain_shapes(3).items()}
    weights["W_yy"][2, 0] = weights["b_start"][2] = weights["b_end"][0] = -1e6  # never 0 → 2; 2 first; 0 last
    logits = np.zeros((3, 1, 3))
    logits[:, 0, 2] = 5
    logits[2, 0, 0] = 50
    logits[0, 0, 0] = 1
    labels, scores = best_labels(weights, logits)
    assert labels[:, 0].tolist() == [1, 2, 2] and scores[0] == 10
    found = marginals(log_partition(weights, logits))
    assert found.of_labels[0, 0, 2] == found.of_labels[2, 0, 0] == 0 and not found.of_pairs[:, 0, 2, 0].any()


def test_among_equal_labellings_the_lower_label_wins_from_the_end():
    weights = {name: np.zeros(shape) for name, shape in chain_shapes(3).items()}
    np.testing.assert_array_equal(best_labels(weights, np.zeros((4, 2, 3)))[0], np.zeros((4, 2)))
    weights["W_yy"][1, 2] = weights["W_yy"][0, 1] = weights["W_yy"][2, 0] = 1  # 2 → 1 → 0 → 2: every start scores 2
    assert best_labels(weights, np.zeros((3, 1, 3)))[0][:, 0].tolist() == [2, 1, 0]


def test_float32_stays_float32_whatever_the_weights_are():
    weights, logits, labels, lengths = drawn(4, 3, 3, 0, np.float32)
    for w in (weights, {name: value.astype(np.float64) for name, value in weights.items()}):
        walk = log_partition(w, logits, lengths)
        found = marginals(walk)
        _, gradients, dlogits = chain_loss(w, logits, labels, lengths)
        arrays = [walk.log_Z, walk.s, walk.through, found.of_labels, found.of_pairs, dlogits, *gradients.values()]
        arrays += [score(w, logits, labels, lengths), best_labels(w, logits, lengths)[1]]
        assert {array.dtype for array in arrays} == {np.dtype(np.float32)}
    double = [{name: value.astype(np.float64) for name, value in weights.items()}, logits.astype(np.float64)]
    np.testing.assert_allclose(dlogits, chain_loss(*double, labels, lengths)[2], atol=1e-5)


def test_nothing_that_was_handed_in_is_written_over():
    weights, logits, labels, lengths = drawn(4, 3, 3, 0)
    kept = [value.copy() for value in (*weights.values(), logits, labels, lengths)]
    chain_loss(weights, logits, labels, lengths)
    best_labels(weights, logits, lengths)
    for before, after in zip(kept, (*weights.values(), logits, labels, lengths), strict=True):
        np.testing.assert_array_equal(before, after)


def test_what_the_walk_keeps_is_what_its_comment_says():
    weights, logits, _, _ = drawn(4, 2, 3, 0)
    walk = log_partition(weights, logits)
    assert walk.lengths.tolist() == [4, 4]
    no_end = weights | {"b_end": np.zeros(3)}
    for t in range(4):
        for b, of in enumerate(every_labelling(no_end, logits[: t + 1], [t + 1] * 2)):
            for k in range(3):
                sums = [s for d, s in of.items() if d[-1] == k]
                np.testing.assert_allclose(walk.s[t, b, k], np.log(np.exp(sums).sum()), atol=1e-12)
    for t in range(3):
        expected = weights["W_yy"] + walk.s[t][:, None, :]
        np.testing.assert_array_equal(walk.through[t], expected)


WEIGHTS, LOGITS, LABELS, LENGTHS = drawn(3, 2, 4, 0)


def with_first(array, value):
    return np.concatenate([np.full_like(array[:1], value), array[1:]])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"logits": LOGITS[0]}, r"logits: expected shape \(T, B, O\), none of them 0, got \(2, 4\)"),
        ({"logits": LOGITS[:0]}, r"logits: expected shape \(T, B, O\), none of them 0, got \(0, 2, 4\)"),
        ({"logits": LOGITS.astype(str)}, r"logits: expected real numbers, got dtype <U"),
        ({"logits": with_first(LOGITS, np.nan)}, r"logits: expected finite numbers, got nan at index \(0, 0, 0\)"),
        ({"logits": with_first(LOGITS, np.inf)}, r"logits: expected finite numbers, got inf at index \(0, 0, 0\)"),
        ({"lengths": [3, 0]}, r"lengths: expected at least one step in each sentence, got 0"),
        ({"lengths": [3, 4]}, r"lengths: expected whole numbers from 0 to 3, got \[3 4\]"),
        ({"lengths": [3]}, r"lengths: expected shape \(2,\), got \(1,\)"),
        ({"weights": {"W_yy": np.eye(4)}}, r"weights: expected the entries W_yy, b_start, b_end; missing b_end, b_st"),
        ({"weights": None}, r"weights: expected a mapping with the entries W_yy, b_start, b_end, got None"),
        ({"weights": WEIGHTS | {"W_yy": np.eye(3)}}, r"W_yy: expected shape \(4, 4\), got \(3, 3\)"),
        ({"weights": WEIGHTS | {"b_start": np.ones(3)}}, r"b_start: expected shape \(4,\), got \(3,\)"),
        ({"weights": WEIGHTS | {"b_end": np.ones((4, 1))}}, r"b_end: expected shape \(4,\), got \(4, 1\)"),
        ({"weights": WEIGHTS | {"b_end": np.full(4, -np.inf)}}, r"b_end: expected finite numbers, got -inf at index"),
    ],
)
def test_every_function_names_what_does_not_fit(arguments, message):
    arguments = {"weights": WEIGHTS, "logits": LOGITS} | arguments
    for call in (log_partition, best_labels):
        with pytest.raises(ValueError, match=message):
            call(**arguments)
    for call in (score, chain_loss):
        with pytest.raises(ValueError, match=message):
            call(**arguments, labels=LABELS)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (LABELS[0], r"labels: expected shape \(3, 2\), got \(2,\)"),
        (LABELS.T, r"labels: expected shape \(3, 2\), got \(2, 3\)"),
        (with_first(LABELS, 4), r"labels: expected token numbers from 0 to 3, got 4 at index \(0, 0\)"),
        (with_first(LABELS, -1), r"labels: expected token numbers from 0 to 3, got -1 at index \(0, 0\)"),
        (LABELS.astype(float), r"labels: expected integers \(token numbers\), got dtype float64"),
    ],
)
@pytest.mark.parametrize("call", [score, chain_loss])
def test_a_label_that_is_none_is_named(call, labels, message):
    with pytest.raises(ValueError, match=message):
        call(WEIGHTS, LOGITS, labels)


BIG = np.full((3, 2, 4), 1e308)
FAR_APART = np.where(np.arange(4) == 0, 1e308, -1e308) * np.ones((1, 2, 1))  # the scores are finite, the loss is not


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "call",
    [
        lambda: log_partition(WEIGHTS, BIG),
        lambda: best_labels(WEIGHTS, BIG),
        lambda: best_labels(WEIGHTS, -BIG),
        lambda: score(WEIGHTS, BIG, LABELS),
        lambda: chain_loss(WEIGHTS, BIG, LABELS),
        lambda: chain_loss(WEIGHTS, -BIG, LABELS),
        lambda: chain_loss(WEIGHTS, FAR_APART, np.ones((1, 2), int)),
        lambda: chain_loss(WEIGHTS, np.full((3, 2, 4), 3e38, np.float32), LABELS),
    ],
)
def test_scores_that_overflow_are_refused(call):
    with pytest.raises(ValueError, match=r"logits: expected scores that stay finite, got .*(inf|nan)"):
        call()


def test_weights_that_belong_to_others_may_stand_beside_the_chains():
    more = WEIGHTS | {"W_hy": np.ones((4, 2))}
    assert chain_loss(more, LOGITS, LABELS)[0] == chain_loss(WEIGHTS, LOGITS, LABELS)[0]
    assert set(chain_loss(more, LOGITS, LABELS)[1]) == set(NAMES)
