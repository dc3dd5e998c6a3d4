"""Training: what `fit` does is what it says, step by step; it can be repeated, and small problems are learnt."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from companion import GRU, LSTM
from companion.applications.fitting import (
    UNKNOWN,
    Descent,
    Example,
    Settings,
    answers,
    batch,
    descend,
    examples,
    fit,
)
from companion.applications.network import (
    Chain,
    EachWord,
    Network,
    OneAnswer,
    answer,
    first_weights,
    loss_and_gradients,
)
from companion.applications.pooling import ENDS, MAX
from companion.applications.words import AFFIXES, numbering
from companion.core.dropout import dropout_mask
from companion.core.layers import Directions
from companion.core.optimisers import Adam, clip_by_norm

seeds = st.integers(0, 2**32 - 1)
HEADS = {"one answer": OneAnswer(MAX), "each word": EachWord(), "chain": Chain()}
every_head = pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)


def drawn(number, rng, head, features=2, most=6):
    """Sentences of up to `most` words below 7, and classes or labels below 3."""
    lengths = rng.integers(1, most + 1, number)
    one = isinstance(head, OneAnswer)
    return [Example(rng.integers(2, 7, (n, features)), rng.integers(0, 3, () if one else n)) for n in lengths]


def network_of(head, features=2):
    tables = {"word": (7, 3), "shape": (7, 2)} if features == 2 else {"word": (7, 5)}
    return Network(tables, [Directions(GRU(5, 2), GRU(5, 2))], head, 3)


@every_head
@settings(max_examples=25)
@given(number=st.integers(1, 6), features=st.integers(1, 3), seed=seeds)
@example(number=4, features=2, seed=0)
def test_a_batch_holds_its_sentences_side_by_side_and_0_below_them(head, number, features, seed):
    chosen = drawn(number, np.random.default_rng(seed), head, features)
    words, lengths, targets = batch(chosen)
    assert lengths.tolist() == [len(example.words) for example in chosen]
    assert words.shape == (max(lengths), number, features) and words.dtype == targets.dtype == np.int64
    for b, (n, one) in enumerate(zip(lengths, chosen, strict=True)):
        np.testing.assert_array_equal(words[:n, b], one.words)
        assert not words[n:, b].any()
        np.testing.assert_array_equal(targets[:n, b] if targets.ndim == 2 else targets[b], one.target)
        assert targets.ndim == 1 or not targets[n:, b].any()
    assert targets.shape == ((number,) if isinstance(head, OneAnswer) else words.shape[:2])


@every_head
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("chosen", [Settings(2, 0.01, 3), Settings(2, 0.1, 4, 0.05, 0.4, 0.3)], ids=["plain", "all"])
def test_a_fit_is_so_many_steps_of_adam_whose_rate_falls_to_0(head, dtype, chosen):
    """Written out: the order of a pass, then for each batch the unknown words, the masks, and a step."""
    training, network = drawn(10, np.random.default_rng(0), head), network_of(head)
    epochs = list(fit(network, training, chosen, np.random.default_rng(1), dtype))

    rng = np.random.default_rng(1)
    weights, adam = first_weights(network, rng, dtype), Adam(chosen.rate)
    step, steps = 0, 2 * -(-10 // chosen.size)
    for number in (1, 2):
        order, losses, count = rng.permutation(10), [], 0
        for first in range(0, 10, chosen.size):
            words, lengths, targets = batch([training[i] for i in order[first : first + chosen.size]])
            masks = (None, None)
            if chosen.unknown:
                forgotten = rng.random(words.shape[:2]) < chosen.unknown
                words[..., 0] = np.where(forgotten, UNKNOWN, words[..., 0])
                B = len(lengths)
                masks = tuple(dropout_mask(rng, (B, n), chosen.dropout, dtype) for n in (5, 4))
            loss, gradients = loss_and_gradients(network, weights, words, lengths, targets, masks)
            n = len(lengths) if isinstance(head, OneAnswer) else lengths.sum()
            mean = clip_by_norm({name: gradients[name] / dtype(n) for name in weights}, chosen.clip)
            rate = chosen.rate * (1 - step / steps)
            weights, adam = Adam(rate, steps=adam.steps, m=adam.m, v=adam.v).step(weights, mean)
            losses, count, step = [*losses, loss], count + n, step + 1
        epoch = epochs[number - 1]
        assert epoch.number == number
        np.testing.assert_allclose(epoch.loss, sum(losses) / count, rtol=1e-12)
        for name, w in weights.items():
            np.testing.assert_array_equal(epoch.weights[name], w, err_msg=name)
            assert epoch.weights[name].dtype == dtype
    assert len(epochs) == 2


# --- the descent of whatever has a loss -------------------------------------------------------------------------------


def distances(weights, chosen):
    """Half the squared distance of w to each item, summed; an item counts as one answer, and b has no part in it."""
    w = weights["w"]
    total = sum(0.5 * float(np.sum((w - item) ** 2)) for item in chosen)
    return total, len(chosen), {"b": np.zeros_like(weights["b"]), "w": sum(w - item for item in chosen)}


ITEMS = [np.array([n, -1.0, n % 3]) for n in range(7)]
START = {"w": np.zeros(3), "b": np.ones((1, 2))}


@settings(max_examples=25)
@given(number=st.integers(1, 7), size=st.integers(1, 9), epochs=st.integers(1, 3), seed=seeds)
@example(number=7, size=3, epochs=2, seed=0)
@example(number=6, size=3, epochs=1, seed=0)
def test_a_pass_of_a_descent_is_one_step_a_batch_over_all_items_in_random_order(number, size, epochs, seed):
    met = []

    def loss(weights, chosen):
        met.append([int(item[0]) for item in chosen])
        return distances(weights, chosen)

    found = list(descend(START, ITEMS[:number], Descent(epochs, 0.1, size), np.random.default_rng(seed), loss))
    assert [epoch.number for epoch in found] == list(range(1, epochs + 1))
    own, batches = np.random.default_rng(seed), -(-number // size)
    for k in range(epochs):
        order = own.permutation(number).tolist()
        assert met[k * batches : (k + 1) * batches] == [order[i : i + size] for i in range(0, number, size)]
    assert len(met) == epochs * batches


def test_a_descent_counts_answers_and_not_items():
    """Items of one, two, … answers: loss and gradients are a mean over these; a longest gradient is cut."""

    def loss(weights, chosen):
        w, answers = weights["w"], sum(chosen)
        return answers * float(w[0]), answers, {"w": answers * np.array([3.0])}

    (epoch,) = descend({"w": np.array([2.0])}, [1, 2, 3], Descent(1, 0.1, 3), np.random.default_rng(0), loss)
    assert epoch.loss == 2.0  # before the one step
    for clip in (1.0, 0.5, 10.0):
        seen = []

        def stepped(weights, chosen, seen=seen):
            seen.append(weights["w"].copy())
            return loss(weights, chosen)

        found = list(descend({"w": np.array([2.0])}, [4], Descent(2, 0.1, 1, clip), np.random.default_rng(0), stepped))
        gradient = clip_by_norm({"w": np.array([3.0])}, clip)
        weights, adam = {"w": np.array([2.0])}, Adam(0.1)
        for epoch, rate in zip(found, (0.1, 0.05), strict=True):
            weights, adam = Adam(rate, steps=adam.steps, m=adam.m, v=adam.v).step(weights, gradient)
            np.testing.assert_array_equal(epoch.weights["w"], weights["w"])
        assert seen[0] == 2.0 and adam.m["w"] == pytest.approx(0.19 * min(3.0, clip))


def test_a_mean_loss_is_over_all_batches_of_a_pass():
    """Batches of 3 and 1 items, whose losses do not depend on the weights."""

    def loss(weights, chosen):
        return float(sum(chosen)), len(chosen), {"w": np.zeros(1)}

    epochs = list(descend({"w": np.zeros(1)}, [1, 2, 3, 6], Descent(2, 0.1, 3), np.random.default_rng(0), loss))
    assert [epoch.loss for epoch in epochs] == [3.0, 3.0]
    assert all(epoch.weights["w"] == 0 for epoch in epochs)


def test_a_descent_finds_the_mean():
    found = list(descend(START, ITEMS, Descent(400, 0.1, 7), np.random.default_rng(0), distances))[-1]
    np.testing.assert_allclose(found.weights["w"], np.mean(ITEMS, axis=0), atol=1e-2)
    np.testing.assert_array_equal(found.weights["b"], np.ones((1, 2)))
    np.testing.assert_array_equal(START["w"], np.zeros(3))  # weights that were handed in stay as they are


def test_items_may_be_the_rows_of_an_array():
    rows, apart = (
        list(descend(START, items, Descent(2, 0.1, 3), np.random.default_rng(0), distances))[-1]
        for items in (np.array(ITEMS), ITEMS)
    )
    assert rows.loss == apart.loss
    np.testing.assert_array_equal(rows.weights["w"], apart.weights["w"])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_descent_keeps_the_dtype_of_the_weights(dtype):
    start = {name: w.astype(dtype) for name, w in START.items()}
    items = [item.astype(dtype) for item in ITEMS]
    for epoch in descend(start, items, Descent(2, 0.1, 3), np.random.default_rng(0), distances):
        assert {w.dtype for w in epoch.weights.values()} == {np.dtype(dtype)} and type(epoch.loss) is float


def test_a_descent_goes_on_only_as_far_as_it_is_asked_to():
    calls = []

    def loss(weights, chosen):
        calls.append(len(chosen))
        return distances(weights, chosen)

    epochs = descend(START, ITEMS, Descent(100, 0.1), np.random.default_rng(0), loss)
    assert calls == []
    next(epochs)
    assert calls == [7]


@pytest.mark.parametrize("settings_of", [Descent, Settings])
def test_a_descent_has_32_items_to_a_batch_and_gradients_of_length_1_unless_told_otherwise(settings_of):
    assert (settings_of(1, 0.1).size, settings_of(1, 0.1).clip) == (32, 1.0)
    kept = settings_of(np.int8(100), np.float32(0.5), np.uint8(200), np.float16(2))
    assert (kept.epochs, kept.rate, kept.size, kept.clip) == (100, 0.5, 200, 2.0)
    assert [type(value) for value in (kept.epochs, kept.rate, kept.size, kept.clip)] == [int, float, int, float]


@pytest.mark.parametrize("settings_of", [Descent, Settings])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 0.1), "^epochs: expected a whole number of at least 1, got 0"),
        ((1.0, 0.1), "^epochs: expected a whole number of at least 1, got 1.0"),
        ((True, 0.1), "^epochs: expected a whole number of at least 1, got True"),
        ((1, 0), "^rate: expected a positive number, got 0"),
        ((1, np.inf), "^rate: expected a finite number, got inf"),
        ((1, "0.1"), "^rate: expected a positive number, got '0.1'"),
        ((1, 0.1, 0), "^size: expected a whole number of at least 1, got 0"),
        ((1, 0.1, 2.5), "^size: expected a whole number of at least 1, got 2.5"),
        ((1, 0.1, 3, -1), "^clip: expected a positive number, got -1"),
        ((1, 0.1, 3, np.nan), "^clip: expected a positive number, got nan"),
        ((1, 0.1, 3, np.inf), "^clip: expected a finite number, got inf"),
    ],
)
def test_a_descent_that_is_none_is_refused(settings_of, arguments, message):
    with pytest.raises(ValueError, match=message):
        settings_of(*arguments)


@pytest.mark.parametrize("nothing", [[], (), np.zeros((0, 3))])
def test_a_descent_over_nothing_is_refused(nothing):
    with pytest.raises(ValueError, match="^training: expected at least one example, got none"):
        next(descend(START, nothing, Descent(1, 0.1), np.random.default_rng(0), distances))


# --- the fit of a network ---------------------------------------------------------------------------------------------


@every_head
def test_a_fit_can_be_repeated(head):
    training, network = drawn(8, np.random.default_rng(0), head), network_of(head)
    chosen = Settings(3, 0.01, 3, dropout=0.2, unknown=0.2)
    one, same, other = (list(fit(network, training, chosen, np.random.default_rng(seed)))[-1] for seed in (1, 1, 2))
    assert one.loss == same.loss != other.loss
    for name, w in one.weights.items():
        np.testing.assert_array_equal(w, same.weights[name], err_msg=name)
        assert w.dtype == np.float32
    assert any((w != other.weights[name]).any() for name, w in one.weights.items())


def test_the_first_step_moves_by_the_rate_and_the_last_hardly():
    head = EachWord()
    training, network = drawn(4, np.random.default_rng(0), head), network_of(head)
    epochs = fit(network, training, Settings(50, 0.01, 4), np.random.default_rng(1), np.float64)  # a step each
    states = [first_weights(network, np.random.default_rng(1), np.float64), *(epoch.weights for epoch in epochs)]
    moved = [
        max(np.abs(after[name] - before[name]).max() for name in after)
        for before, after in zip(states, states[1:], strict=False)
    ]
    assert moved[0] == pytest.approx(0.01, rel=1e-4)  # Adam's first step, whatever the gradient
    assert moved[-1] < 0.01 / 50 * 3.2  # no step is longer than (1 − β₁) / √(1 − β₂) rates


def test_words_are_forgotten_but_not_their_other_features_nor_the_examples_own():
    """With most words unknown, a table's other rows hardly move; the shapes' do."""
    training = drawn(20, np.random.default_rng(0), HEADS["each word"])
    kept = [one.words.copy() for one in training]
    network = network_of(EachWord())
    chosen = Settings(1, 0.01, 20, unknown=0.9999)
    (epoch,) = fit(network, training, chosen, np.random.default_rng(1), np.float64)
    before = first_weights(network, np.random.default_rng(1), np.float64)
    moved = {name: (epoch.weights[name] != before[name]).any(axis=-1) for name in ("E_word", "E_shape")}
    assert moved["E_word"].tolist() == [row == UNKNOWN for row in range(7)]
    assert moved["E_shape"].tolist() == [row >= 2 for row in range(7)]
    for one, words in zip(training, kept, strict=True):
        np.testing.assert_array_equal(one.words, words)


@every_head
@pytest.mark.parametrize("size", [1, 2, 6, 7, 8, np.int8(5)])
def test_answers_come_in_order_whatever_the_size_of_a_batch_is(head, size):
    network = network_of(head)
    asked = drawn(7, np.random.default_rng(0), head)
    weights = first_weights(network, np.random.default_rng(0), np.float64)
    found = answers(network, weights, [one.words for one in asked], size)
    assert len(found) == 7
    for one, said in zip(asked, found, strict=True):
        alone = answer(network, weights, one.words[:, None], [len(one.words)])[..., 0]
        assert np.shape(said) == one.target.shape
        np.testing.assert_array_equal(said, alone)


def test_no_question_no_answer():
    assert answers(network_of(EachWord()), {}, []) == []


SENTENCES = [line.split() for line in ("a b c", "b c", "c a b b", "d", "b d a", "c d", "a", "d b")]


def learnt(head, targets, cell=LSTM):
    numbers = numbering(SENTENCES, AFFIXES[:1], least=1)
    training = examples([numbers.encode(sentence) for sentence in SENTENCES], targets)
    network = Network({"word": (numbers.sizes["word"], 4)}, [Directions(cell(4, 4), cell(4, 4))], head, 3)
    last = list(fit(network, training, Settings(40, 0.05, 4), np.random.default_rng(0)))
    assert last[-1].loss < 0.1 < last[0].loss
    for one, said in zip(training, answers(network, last[-1].weights, [one.words for one in training]), strict=True):
        np.testing.assert_array_equal(said, one.target)


@pytest.mark.parametrize("pool", [MAX, ENDS], ids=lambda pool: pool.name)
def test_whether_a_word_occurs_is_learnt(pool):
    learnt(OneAnswer(pool), [int("a" in sentence) for sentence in SENTENCES])


@pytest.mark.parametrize("head", [EachWord(), Chain()], ids=["each word", "chain"])
def test_a_label_that_hangs_on_the_word_after_is_learnt(head):
    """0 for the last word, 1 before a b, 2 before another."""
    learnt(head, [[1 if word == "b" else 2 for word in sentence[1:]] + [0] for sentence in SENTENCES])


def test_examples_pair_sentences_and_targets():
    words = [np.array([[2], [3]]), np.array([[4]])]
    classes, labels = examples(words, [1, np.int8(2)]), examples(words, [[0, 1], (2,)])
    assert [int(one.target) for one in classes] == [1, 2] and batch(classes)[2].tolist() == [1, 2]
    assert [one.target.tolist() for one in labels] == [[0, 1], [2]]
    assert all(one.words is own for one, own in zip(classes, words, strict=True))


def test_of_a_single_word_a_class_is_no_label():
    word = np.array([[2]])
    assert batch([Example(word, np.array(1))])[2].shape == (1,)
    assert batch([Example(word, np.array([1]))])[2].shape == (1, 1)


W, D = np.array([[2, 3], [4, 5]]), np.array([0, 1])
NETWORK = network_of(EachWord())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Example(W[0], D), r"words: expected shape \(T, F\) with at least one word, got \(2,\)"),
        (lambda: Example(W[:0], D[:0]), r"words: expected shape \(T, F\) with at least one word, got \(0, 2\)"),
        (lambda: Example(W, D[:1]), r"target: expected a class, or labels of 2 words, got \(1,\)"),
        (lambda: Example(W, W), r"target: expected a class, or labels of 2 words, got \(2, 2\)"),
        (lambda: Example(W + 0.5, D), "words: expected whole numbers, got dtype float64"),
        (lambda: Example(W, D + 0.5), "target: expected whole numbers, got dtype float64"),
        (lambda: Example(W, "good"), "target: expected an array or a list, got the text 'good'"),
        (lambda: Example(W, D > 0), "target: expected whole numbers, got dtype bool"),
        (lambda: examples([W], [D, D]), "targets: expected 1, one for each sentence, got 2"),
        (lambda: examples([W], ["good"]), "target: expected an array or a list, got the text 'good'"),
        (lambda: batch([]), "examples: expected at least one, got none"),
        (
            lambda: batch([Example(W, D), Example(W, 1)]),
            r"examples: expected the same number of features and kind of target, got \[\(2, 'a class'\), \(2, 'label",
        ),
        (
            lambda: batch([Example(W, D), Example(W[:, :1], D)]),
            r"examples: expected the same number of features and kind of target, got \[\(1, 'labels'\), \(2, 'label",
        ),
        (lambda: Settings(0, 0.1), "epochs: expected a whole number of at least 1, got 0"),
        (lambda: Settings(1, 0.1, 0), "size: expected a whole number of at least 1, got 0"),
        (lambda: Settings(1, 0), "rate: expected a positive number, got 0"),
        (lambda: Settings(1, -0.1), "rate: expected a positive number, got -0.1"),
        (lambda: Settings(1, np.nan), "rate: expected a positive number, got nan"),
        (lambda: Settings(1, 0.1, clip=0), "clip: expected a positive number, got 0"),
        (lambda: Settings(1, 0.1, clip="1"), "clip: expected a positive number, got '1'"),
        (lambda: Settings(1, 0.1, dropout=1), "dropout: expected a number from 0 to below 1, got 1"),
        (lambda: Settings(1, 0.1, dropout=-0.1), "dropout: expected a number from 0 to below 1, got -0.1"),
        (lambda: Settings(1, 0.1, unknown=1), "unknown: expected a number from 0 to below 1, got 1"),
        (lambda: Settings(1, 0.1, unknown=-0.1), "unknown: expected a number from 0 to below 1, got -0.1"),
        (lambda: list(fit(NETWORK, [], Settings(1, 0.1), np.random.default_rng(0))), "training: .* one example, got n"),
        (
            lambda: list(fit(NETWORK, [Example(W + 9, D)], Settings(1, 0.1), np.random.default_rng(0))),
            "words of 'word': expected token numbers from 0 to 6, got 11",
        ),
        (lambda: answers(NETWORK, {}, [], 0), "size: expected a whole number of at least 1, got 0"),
        (lambda: answers(NETWORK, {}, [W]), "weights: expected the entries E_word, E_shape, .* got none"),
    ],
)
def test_what_does_not_fit_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_settings_are_kept_as_pythons_numbers():
    kept = Settings(np.int8(100), np.float32(0.5), np.uint8(200), np.float16(1), np.float32(0.5), np.int8(0))
    assert kept == Settings(100, 0.5, 200, 1.0, 0.5, 0.0)
    assert [type(value) for value in vars(kept).values()] == [int, float, int, float, float, float]
    default = Settings(1, 0.1)
    assert (default.size, default.clip, default.dropout, default.unknown) == (32, 1.0, 0.0, 0.0)
