"""Writing: what is drawn has the model's own probabilities, what is cut is cut as by hand, and no row sees another."""

import pickle
from itertools import product
from math import prod

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from invented import Invented, every_sequence

from companion import GRU, LSTM, Elman, initial_weights
from companion.applications.writing import (
    Copied,
    Rereading,
    barred,
    endless,
    log_probabilities,
    nucleus,
    read_on,
    rows,
    top_k,
    unchanged,
    until_end,
    write,
)
from companion.rnn.language_model import RecurrentLanguageModel, shapes
from companion.rnn.measures import sharpen
from companion.rnn.ngrams import AddK, Interpolated, MaximumLikelihood, count

V = 4
seeds = st.integers(0, 2**32 - 1)
LAYERS = {
    "Elman": Elman(V, 3),
    "GRU": GRU(V, 3),
    "LSTM": LSTM(V, 3),
    "two layers": [GRU(V, 3), LSTM(3, 2)],
}
every_kind = pytest.mark.parametrize("kind", [*LAYERS, "read again"])


def writer_of(kind, seed=0):
    if kind == "read again":
        return Rereading(Invented(V, seed))
    layers = LAYERS[kind]
    return RecurrentLanguageModel(layers, initial_weights(shapes(layers), np.random.default_rng(seed), 1.2))


def after(writer, *beginnings):
    """The state in which each of these beginnings, all of one length, was read after an <EOS>."""
    state, columns = writer.begin(len(beginnings)), np.array([[0, *tokens] for tokens in beginnings]).T
    for tokens in columns:
        logarithms, state = writer.step(tokens, state)
    return logarithms, state


def leaves(state):
    if isinstance(state, list):
        return [leaf for part in state for leaf in leaves(part)]
    return list(state.values()) if isinstance(state, dict) else [state]


# --- states ----------------------------------------------------------------------------------------------------------


@every_kind
@pytest.mark.parametrize("chosen", [[0], [2, 0, 1], [1, 1, 1, 1], np.array([2, 2], np.int8), (0, 2)])
def test_the_rows_of_a_state_go_on_as_those_sequences_do(kind, chosen):
    writer, beginnings = writer_of(kind), [(1, 2, 3), (3, 3, 1), (2, 1, 1)]
    _, state = after(writer, *beginnings)
    _, expected = after(writer, *(beginnings[i] for i in chosen))
    for found, of_these in zip(leaves(rows(state, chosen)), leaves(expected), strict=True):
        np.testing.assert_allclose(found, of_these, rtol=0, atol=1e-14)


@every_kind
def test_rows_that_were_chosen_twice_do_not_influence_each_other(kind):
    writer, beginnings = writer_of(kind), [(1, 2), (3, 1)]
    _, state = after(writer, *beginnings)
    kept = [leaf.copy() for leaf in leaves(state)]
    twice = rows(state, [1, 1, 0, 1])
    for t in ([1, 2, 3, 1], [3, 3, 2, 1]):
        logarithms, twice = writer.step(np.array(t), twice)
    expected, _ = after(writer, (3, 1, 1, 3), (3, 1, 2, 3), (1, 2, 3, 2), (3, 1, 1, 1))
    np.testing.assert_allclose(logarithms, expected, rtol=0, atol=1e-14)
    for leaf, before in zip(leaves(state), kept, strict=True):
        np.testing.assert_array_equal(leaf, before)
    one, same = leaves(rows(state, [0, 0]))[0]
    assert one.base is not None and not np.shares_memory(one, same) and not np.shares_memory(one, leaves(state)[0])


def test_layers_may_be_a_list_of_one():
    one = writer_of("GRU")
    weights = {name if name in ("W_hy", "b_y") else f"1.{name}": w for name, w in one.weights.items()}
    listed = RecurrentLanguageModel([LAYERS["GRU"]], weights)
    (found,) = read_on(listed, listed.begin(2), [0, 1, 3])
    np.testing.assert_array_equal(found["h"], read_on(one, one.begin(2), [0, 1, 3])["h"])


@every_kind
def test_to_read_on_is_to_step(kind):
    writer = writer_of(kind)
    _, expected = after(writer, (1, 3, 2), (1, 3, 2))
    for tokens in ([0, 1, 3, 2], np.array([0, 1, 3, 2], np.uint8), (0, 1, 3, 2)):
        for found, state in zip(leaves(read_on(writer, writer.begin(2), tokens)), leaves(expected), strict=True):
            np.testing.assert_array_equal(found, state)
    _, state = after(writer, (1, 3), (2, 1))
    assert read_on(writer, state, []) is state
    logarithms, _ = writer.step([1, 3], read_on(writer, state, [2]))  # the rows are not the same, what they read is
    expected, _ = after(writer, (1, 3, 2, 1), (2, 1, 2, 3))
    np.testing.assert_allclose(logarithms, expected, rtol=0, atol=1e-14)


# --- any model, read again -------------------------------------------------------------------------------------------

TEXT = [np.array(tokens) for tokens in ([1, 2, 3, 0], [1, 2, 0], [3, 1, 2, 3, 0], [2, 3, 0], [0])]
COUNTS = count(TEXT, 3, V)
NGRAMS = {
    "maximum likelihood": MaximumLikelihood(COUNTS),
    "add k": AddK(COUNTS, 0.3),
    "interpolated": Interpolated(COUNTS, (0.2, 0.5, 0.6)),
}
contexts = st.lists(st.integers(0, V - 1), max_size=6)


@pytest.mark.parametrize("name", NGRAMS)
@settings(max_examples=25)
@given(read=contexts)
def test_a_model_that_is_read_again_says_what_it_says_since_the_last_eos(name, read):
    model = NGRAMS[name]
    writer = Rereading(model)
    assert writer.vocabulary_size == V
    logarithms, state = after(writer, read, read)
    since = read[len(read) - read[::-1].index(0) :] if 0 in read else read
    np.testing.assert_array_equal(np.exp(logarithms).round(15), np.array([model.distribution(since)] * 2).round(15))
    np.testing.assert_array_equal(state, [[0, *read]] * 2)


def test_what_an_n_gram_model_excludes_has_log_p_of_minus_infinity_and_is_not_written():
    writer = Rereading(NGRAMS["maximum likelihood"])
    logarithms, _ = writer.step([0], writer.begin(1))
    assert (logarithms[0] > -np.inf).tolist() == [True] * 4
    logarithms, _ = after(writer, (1,))
    assert np.exp(logarithms).tolist() == [[0, 0, 1, 0]]  # after 1 comes 2
    written = write(writer, writer.begin(200), np.random.default_rng(0))
    seen = {tuple(tokens[: n + 1]) for tokens in TEXT for n in range(len(tokens))}
    assert {tuple(tokens[:2].tolist()) for tokens in written} <= seen
    assert all(tokens[i + 1] == 2 for tokens in written for i in np.flatnonzero(tokens == 1))


@given(seed=seeds)
@settings(max_examples=10)
def test_a_recurrent_model_that_is_read_again_is_itself_up_to_an_eos(seed):
    writer = writer_of("two layers")
    again, rng = Rereading(writer), np.random.default_rng(seed)
    state, other = writer.begin(3), again.begin(3)
    for tokens in [np.zeros(3, int), *rng.integers(1, V, (4, 3))]:
        (one, state), (same, other) = writer.step(tokens, state), again.step(tokens, other)
        np.testing.assert_allclose(one, same, rtol=0, atol=1e-12)


# --- what is drawn from ----------------------------------------------------------------------------------------------


@st.composite
def batches(draw):
    """Whole numbers (..., V), some 0, many equal: each row is a distribution once it is divided by its sum."""
    shape = draw(st.sampled_from([(), (1,), (3,), (2, 2)]))
    n, number = draw(st.integers(1, 7)), prod(shape)
    row = st.lists(st.integers(0, 5), min_size=n, max_size=n).filter(any)
    return np.array(draw(st.lists(row, min_size=number, max_size=number))).reshape(*shape, n)


def normal(counts):
    return counts / counts.sum(axis=-1, keepdims=True)


def require_kept(found, counts, keep):
    """Of each row the tokens that keep(row) names share all probability, in proportion."""
    assert found.shape == counts.shape and found.dtype == np.float64
    for index in np.ndindex(counts.shape[:-1]):
        row, kept = counts[index].tolist(), keep(counts[index].tolist())
        total = sum(row[w] for w in kept)
        expected = [row[w] / total if w in kept else 0.0 for w in range(len(row))]
        np.testing.assert_allclose(found[index], expected, rtol=0, atol=1e-15)
    np.testing.assert_allclose(found.sum(axis=-1), 1, rtol=0, atol=1e-15)


def falling(row):
    """Tokens from the most probable on, among equals the first ones first."""
    return sorted(range(len(row)), key=lambda w: (-row[w], w))


@settings(max_examples=25)
@given(batches(), st.integers(1, 7))
def test_top_k_keeps_the_k_most_probable(counts, k):
    k = min(k, counts.shape[-1])
    require_kept(top_k(normal(counts), k), counts, lambda row: falling(row)[:k])


def shortest(row, mass, of):
    """The fewest from the most probable on that have mass / of at least, counted in whole numbers."""
    kept = falling(row)
    return kept[: next(n for n in range(1, len(row) + 1) if of * sum(row[w] for w in kept[:n]) >= mass * sum(row))]


@settings(max_examples=60)
@given(batches(), st.integers(1, 30), st.integers(1, 30))
def test_a_nucleus_is_the_fewest_that_have_the_mass(counts, mass, more):
    """Also where the mass is met exactly, as 3/10 + 2/10 meet 1/2."""
    of = mass + more - 1
    require_kept(nucleus(normal(counts), mass / of), counts, lambda row: shortest(row, mass, of))


@settings(max_examples=25)
@given(batches(), st.data())
def test_the_barred_have_none_and_the_others_share_it(counts, data):
    n = counts.shape[-1]
    tokens = data.draw(st.lists(st.integers(0, n - 1), min_size=1))
    allowed = [w for w in range(n) if w not in tokens]
    if not (counts[..., allowed].sum(axis=-1) > 0).all():
        with pytest.raises(ValueError, match="tokens: expected another one with a probability everywhere, got"):
            barred(normal(counts), tokens)
    else:
        require_kept(barred(normal(counts), tokens), counts, lambda row: allowed)


@settings(max_examples=25)
@given(batches())
def test_all_tokens_and_all_mass_change_nothing(counts):
    p = normal(counts)
    assert unchanged(p) is p
    for same in (top_k(p, p.shape[-1]), nucleus(p, 1), nucleus(p, 1.0)):
        np.testing.assert_allclose(same, p, rtol=0, atol=1e-15)


@settings(max_examples=25)
@given(batches())
def test_one_token_and_hardly_any_mass_are_greedy(counts):
    p = normal(counts)
    for mass in (1e-300, 1e-13, 1e-12, 1e-6):
        np.testing.assert_array_equal(nucleus(p, mass), sharpen(p, 0))
    np.testing.assert_array_equal(top_k(p, 1), sharpen(p, 0))


def test_cuts_by_hand():
    p = np.array([0.1, 0.4, 0.2, 0.3])
    np.testing.assert_allclose(top_k(p, 2), [0, 4 / 7, 0, 3 / 7])
    np.testing.assert_allclose(nucleus(p, 0.7), [0, 4 / 7, 0, 3 / 7])  # 0.4 + 0.3, rounded as it may be
    np.testing.assert_allclose(nucleus(p, 0.71), [0, 4 / 9, 2 / 9, 3 / 9])
    np.testing.assert_allclose(barred(p, [1]), [1 / 6, 0, 2 / 6, 3 / 6])
    np.testing.assert_array_equal(top_k([0.25] * 4, 2), [0.5, 0.5, 0, 0])
    np.testing.assert_array_equal(nucleus([0.25] * 4, 0.5), [0.5, 0.5, 0, 0])
    np.testing.assert_array_equal(nucleus([0.5, 0, 0.5], 1), [0.5, 0, 0.5])
    assert (nucleus([0.1] * 10, 0.8) > 0).sum() == 8  # though eight times 0.1 is rounded to less than 0.8


def test_many_tokens_are_cut_in_the_order_of_their_probabilities():
    """As many as a sort that is not stable would mix up."""
    p = np.full(1000, 0.001)
    np.testing.assert_array_equal(np.flatnonzero(top_k(p, 300)), np.arange(300))
    np.testing.assert_array_equal(np.flatnonzero(nucleus(p, 0.3)), np.arange(300))


def test_single_precision_and_other_orders_in_memory_are_read_and_nothing_is_written_over():
    p = normal(np.random.default_rng(0).integers(1, 9, (3, 5)))
    for cut in (lambda p: top_k(p, 2), lambda p: nucleus(p, 0.6), lambda p: barred(p, [0, 4])):
        for form in (np.asfortranarray(p), p[::-1][::-1], p.tolist(), p.astype(np.float32)):
            before = np.array(form)
            if isinstance(form, np.ndarray):
                form.setflags(write=False)
            np.testing.assert_allclose(cut(form), cut(p), rtol=0, atol=1e-7)
            assert cut(form).dtype == np.float64
            np.testing.assert_array_equal(form, before)


# --- what is written -------------------------------------------------------------------------------------------------


class Given:
    """In place of a generator: at the t-th call the numbers [t], (T, N), of a table of draws; at the end it fails."""

    def __init__(self, numbers):
        self.left = list(np.array(numbers, np.float64))

    def random(self, shape):
        return self.left.pop(0).reshape(shape)


def every_draw(parts, T):
    """Numbers (T, parts^T) that meet each of so many equal parts of [0, 1) equally often, whatever came before."""
    return (np.array(list(product(range(parts), repeat=T))).T + 0.5) / parts


def quarters(model, parts=4):
    """A model whose probabilities are whole numbers over `parts`."""

    class Rounded:
        vocabulary_size = model.vocabulary_size

        def distribution(self, context):
            drawn = np.random.default_rng([model.seed, *context]).integers(0, model.vocabulary_size, parts)
            return np.bincount(drawn, minlength=model.vocabulary_size) / parts

    return Rounded()


@settings(max_examples=25)
@given(seeds, st.integers(1, 4), st.integers(1, 3))
@example(0, 3, 3)
def test_each_sequence_is_written_as_often_as_the_model_says(seed, tokens, most):
    """Of 4^T lists of draws each quarter of [0, 1) is met equally often at each step: the frequencies are exact."""
    model = quarters(Invented(tokens, seed))
    writer, N = Rereading(model), 4**most
    written = write(writer, writer.begin(N), Given(every_draw(4, most)), most=most)
    found = {}
    for sequence in written:
        key = tuple(sequence.tolist())
        found[key] = found.get(key, 0) + 1
    ended, kept = every_sequence(model, most)
    of = ended | {tokens: log_p for tokens, log_p in kept.items() if len(tokens) == most}
    assert set(found) == set(of)
    for key, number in found.items():
        assert number / N == prod(model.distribution(key[:t])[w] for t, w in enumerate(key)), key


CUTS = {
    "top k": lambda p: top_k(p, 2),
    "nucleus": lambda p: nucleus(p, 0.6),
    "barred": lambda p: barred(p, [1]),
    "sharpen": lambda p: sharpen(p, 0.5),
}


@pytest.mark.parametrize("choose", CUTS.values(), ids=CUTS)
def test_what_is_chosen_is_drawn_from_at_each_step(choose):
    """As if the model gave what was chosen."""
    model = Invented(V, 5)

    class Cut:
        vocabulary_size = V

        def distribution(self, context):
            return choose(model.distribution(context))

    writer, other = Rereading(model), Rereading(Cut())
    found = write(writer, writer.begin(40), np.random.default_rng(0), choose, most=8)
    expected = write(other, other.begin(40), np.random.default_rng(0), most=8)
    assert [tokens.tolist() for tokens in found] == [tokens.tolist() for tokens in expected]
    plain = write(writer, writer.begin(40), np.random.default_rng(0), most=8)
    assert [tokens.tolist() for tokens in found] != [tokens.tolist() for tokens in plain]


@every_kind
def test_what_is_drawn_is_the_first_token_whose_running_sum_passes_the_number(kind):
    writer, N, T = writer_of(kind), 20, 6
    numbers = np.random.default_rng(3).random((T, N, 1))
    tokens, state, expected = np.zeros(N, int), writer.begin(N), []
    for u in numbers:
        logarithms, state = writer.step(tokens, state)
        tokens = np.array(
            [next(w for w in range(V) if p[: w + 1].sum() > u[n, 0]) for n, p in enumerate(np.exp(logarithms))]
        )
        expected.append(tokens)
    stream = endless(writer, writer.begin(N), np.zeros(N, int), np.random.default_rng(3))
    np.testing.assert_array_equal([next(stream) for _ in range(T)], expected)
    written = write(writer, writer.begin(N), np.random.default_rng(3), most=T)
    for sequence, column in zip(written, np.array(expected).T.tolist(), strict=True):
        ends = column.index(0) + 1 if 0 in column else T
        assert sequence.tolist() == column[:ends]


@every_kind
def test_a_sequence_does_not_hang_on_those_beside_it(kind):
    writer, N, T = writer_of(kind), 12, 8
    numbers = np.random.default_rng(0).random((T, N))
    together = write(writer, writer.begin(N), Given(numbers), most=T)
    for n in range(N):
        (alone,) = write(writer, writer.begin(1), Given(numbers[:, n : n + 1]), most=T)
        np.testing.assert_array_equal(together[n], alone)


@pytest.mark.parametrize("u", [0.0, 0.5, np.nextafter(1, 0)])
def test_what_has_no_probability_is_never_drawn(u):
    class Half:
        vocabulary_size = 5

        def distribution(self, context):
            return np.array([0, 0.5, 0, 0.5, 0])

    writer = Rereading(Half())
    (found,) = write(writer, writer.begin(1), Given(np.full((3, 1), u)), most=3)
    assert found.tolist() == [1 if u < 0.5 else 3] * 3


def test_probabilities_that_sum_to_nearly_1_always_give_a_token():
    class Nearly:
        vocabulary_size = 3

        def distribution(self, context):
            return np.array([0.25, 0.25, 0.5]) * (1 - 9e-7)

    writer = Rereading(Nearly())
    (found,) = write(writer, writer.begin(1), Given([[np.nextafter(1, 0)]] * 2), most=2)
    assert found.tolist() == [2, 2]


def test_an_endless_writer_reads_an_eos_like_any_token_and_goes_on():
    writer = writer_of("GRU")
    stream = endless(writer, read_on(writer, writer.begin(1), [0, 2]), np.array([3]), Given([[0.0]] * 3 + [[0.9]] * 2))
    found = [int(next(stream)[0]) for _ in range(5)]
    assert found[:3] == [0, 0, 0]
    beginning, expected = [2, 3], []
    for u in [0.0] * 3 + [0.9] * 2:
        p = writer.distribution(beginning + expected)  # the state goes through each <EOS>
        expected.append(int((np.cumsum(p) > u).argmax()))
    assert found == expected


def test_writing_stops_when_all_have_ended_and_at_100_tokens_where_nothing_is_said():
    class Ends:
        vocabulary_size = 2

        def step(self, tokens, state):
            p_end = (state == 2).astype(float)
            with np.errstate(divide="ignore"):
                return np.log(np.column_stack([p_end, 1 - p_end])), state + 1

    draws = Given(np.full((3, 2), 0.5))
    assert [t.tolist() for t in write(Ends(), np.array([0, 1]), draws)] == [[1, 1, 0], [1, 0]]
    assert not draws.left
    assert [len(t) for t in write(Ends(), np.array([0, 9]), np.random.default_rng(0))] == [3, 100]
    assert [len(t) for t in write(Ends(), np.array([0, 9]), np.random.default_rng(0), most=np.int8(2))] == [2, 2]


def test_the_same_seed_writes_the_same():
    writer = writer_of("LSTM")
    one, same, other = (write(writer, writer.begin(9), np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert [t.tolist() for t in one] == [t.tolist() for t in same] != [t.tolist() for t in other]


def test_no_state_that_was_handed_in_is_written_over():
    writer = writer_of("two layers")
    state = writer.begin(3)
    for value in leaves(state):
        value.setflags(write=False)
    write(writer, state, np.random.default_rng(0))
    log_probabilities(writer, state, [[1, 0], [0], [2, 2, 0]])
    read_on(writer, state, [1, 2])
    assert not any(value.any() for value in leaves(state))


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [([1, 0, 2], [1, 0]), ([0], [0]), ([0, 0, 1], [0]), ([1, 2], [1, 2]), ([1, 2, 0], [1, 2, 0]), ([2], [2])],
)
def test_up_to_the_first_eos(tokens, expected):
    for form in (tokens, tuple(tokens), np.array(tokens, np.int8), np.array(tokens, np.uint64)):
        np.testing.assert_array_equal(until_end(form), expected)


# --- what whole sequences are given ----------------------------------------------------------------------------------

texts = st.lists(st.lists(st.integers(1, V - 1), max_size=5).map(lambda t: [*t, 0]), min_size=1, max_size=5)


@every_kind
@settings(max_examples=8)
@given(sequences=texts)
def test_log_p_of_a_sequence_is_the_sum_of_what_the_model_gives_its_tokens(kind, sequences):
    writer = writer_of(kind)
    model = writer.model if kind == "read again" else writer
    found = log_probabilities(writer, writer.begin(len(sequences)), sequences)
    expected = [logarithms.sum() for logarithms in model.log_probabilities([np.array(s) for s in sequences])]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_log_p_goes_on_from_each_rows_own_state():
    writer = writer_of("LSTM")
    _, state = after(writer, (1, 2), (3, 3))
    found = log_probabilities(writer, state, [[1, 0], [2, 2, 0]])
    whole = writer.log_probabilities([np.array(t) for t in ([1, 2, 0, 1, 0], [3, 3, 0, 2, 2, 0])])  # it reads <EOS>
    np.testing.assert_allclose(found, [whole[0][3:].sum(), whole[1][3:].sum()], rtol=0, atol=1e-12)


def test_log_p_of_what_is_excluded_is_minus_infinity_and_no_row_beside_it_is_touched():
    writer = Rereading(NGRAMS["maximum likelihood"])
    found = log_probabilities(writer, writer.begin(3), [[1, 1, 2, 0], [1, 2, 0], [1, 0]])
    assert found[0] == found[2] == -np.inf
    assert found[1] == pytest.approx(NGRAMS["maximum likelihood"].log_probabilities([np.array([1, 2, 0])])[0].sum())


# --- what was copied -------------------------------------------------------------------------------------------------

some = st.lists(st.integers(0, 2), max_size=7)


@settings(max_examples=60)
@given(st.lists(some, max_size=4), some)
@example([[1, 2], [0, 1]], [1, 2, 0, 1])
@example([[1]], [2, 1])
@example([[1, 2, 0]], [0, 1, 2])
def test_the_longest_run_is_the_longest_of_all_that_stand_in_one_sequence(text, tokens):
    runs = {tuple(s[i:j]) for s in text for i in range(len(s)) for j in range(i + 1, len(s) + 1)}
    expected = max((j - i for i in range(len(tokens)) for j in range(i + 1, len(tokens) + 1)
                    if tuple(tokens[i:j]) in runs), default=0)  # fmt: skip
    assert Copied(text).longest(tokens) == expected
    assert Copied([np.array(s, np.uint8) for s in text]).longest(np.array(tokens, np.int8)) == expected


def test_token_numbers_of_any_size_are_told_apart():
    copied = Copied([[55295, 57344, 1_114_110], [10, 0]])  # around the surrogates, the last character, a line's end
    assert copied.longest([55295, 57344, 1_114_110]) == 3
    assert [copied.longest([token]) for token in (55296, 57343, 0, 10, 11, 13)] == [0, 0, 1, 1, 0, 0]
    assert pickle.loads(pickle.dumps(copied)).longest([57344, 1_114_110, 10]) == 2
    assert repr(copied) == "Copied(text=[[55295, 57344, 1114110], [10, 0]])"


WRITER = writer_of("GRU")
TWO = WRITER.begin(2)
P = [0.5, 0.25, 0.25]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: rows(TWO, [2]), r"chosen: expected numbers of rows from 0 to 1, got \[2\]"),
        (lambda: rows(TWO, [-1]), r"chosen: expected numbers of rows from 0 to 1, got \[-1\]"),
        (lambda: rows(TWO, [True, False]), r"chosen: expected numbers of rows from 0 to 1, got \[True, False\]"),
        (lambda: rows(TWO, [0.0]), r"chosen: expected numbers of rows from 0 to 1, got \[0.0\]"),
        (lambda: rows(TWO, [[0, 1]]), r"chosen: expected numbers of rows from 0 to 1, got \[\[0, 1\]\]"),
        (lambda: rows(TWO, 0), "chosen: expected numbers of rows from 0 to 1, got 0"),
        (lambda: rows(TWO, []), r"chosen: expected numbers of rows from 0 to 1, got \[\]"),
        (lambda: top_k(P, 0), "k: expected a whole number of at least 1, got 0"),
        (lambda: top_k(P, 1.0), "k: expected a whole number of at least 1, got 1.0"),
        (lambda: top_k(P, 4), "k: expected at most 3, the number of tokens, got 4"),
        (lambda: top_k([0.5, 0.6], 1), "p: expected entries that sum to 1 along the last axis, got a sum of 1.1"),
        (lambda: top_k([1.5, -0.5], 1), "p: expected probabilities, got -0.5"),
        (lambda: top_k([[0.5, np.nan]], 1), "p: expected finite numbers, got nan"),
        (lambda: top_k(1.0, 1), r"p: expected shape \(V,\), got \(\)"),
        (lambda: top_k(np.zeros((0, 3)), 1), "p: expected at least one entry along every axis"),
        (lambda: nucleus(P, 0), "mass: expected a number above 0 and at most 1, got 0"),
        (lambda: nucleus(P, -0.5), "mass: expected a number above 0 and at most 1, got -0.5"),
        (lambda: nucleus(P, 1.01), "mass: expected a number above 0 and at most 1, got 1.01"),
        (lambda: nucleus(P, np.nan), "mass: expected a finite number, got nan"),
        (lambda: nucleus([0.5, 0.6], 1), "p: expected entries that sum to 1"),
        (lambda: barred(P, [3]), "tokens: expected token numbers from 0 to 2, got 3"),
        (lambda: barred(P, [-1]), "tokens: expected token numbers from 0 to 2, got -1"),
        (lambda: barred(P, [0, 2, 1]), r"tokens: expected another one with a probability everywhere, got \[0, 2, 1\]"),
        (lambda: barred([[0.5, 0.5], [1, 0]], [0]), "tokens: expected another one with a probability everywhere"),
        (lambda: barred([0.5, 0.6], [0]), "p: expected entries that sum to 1"),
        (lambda: write(WRITER, TWO, np.random.default_rng(0), most=0), "most: expected a whole number of at least"),
        (
            lambda: write(WRITER, TWO, np.random.default_rng(0), lambda p: 2 * p),
            "choose: expected entries that sum to 1 along the last axis, got a sum of 2",
        ),
        (lambda: write(WRITER, TWO, np.random.default_rng(0), lambda p: p[:1]), r"choose: expected shape \(2, 4\)"),
        (lambda: write(WRITER, TWO, np.random.default_rng(0), lambda p: None), "choose: expected an array or a"),
        (lambda: next(endless(WRITER, TWO, [1, V], np.random.default_rng(0))), "tokens: expected token numbers from"),
        (lambda: until_end([1.0, 0.0]), "tokens: expected integers"),
        (lambda: until_end([[1, 0]]), r"tokens: expected shape \(T,\), got \(1, 2\)"),
        (lambda: until_end([-1, 0]), "tokens: expected token numbers from 0 to"),
        (lambda: read_on(WRITER, TWO, [1, V]), "tokens: expected token numbers from 0 to 3, got 4"),
        (lambda: read_on(WRITER, TWO, [[1, 2]]), r"tokens: expected shape \(T,\), got \(1, 2\)"),
        (lambda: read_on(WRITER, TWO, [True]), "tokens: expected integers"),
        (lambda: read_on(WRITER, TWO, "12"), "tokens: expected an array or a list, got the text '12'"),
        (lambda: log_probabilities(WRITER, TWO, [[0]]), "sequences: expected 2, one for each row of the state, got 1"),
        (lambda: log_probabilities(WRITER, TWO, [[0], []]), r"sequences\[1\]: expected at least one entry"),
        (lambda: log_probabilities(WRITER, TWO, [[0], [1]]), r"sequences\[1\]: expected <EOS>"),
        (lambda: log_probabilities(WRITER, TWO, [[0], [V, 0]]), r"sequences\[1\]: expected token numbers from 0 to 3"),
        (lambda: log_probabilities(WRITER, TWO, []), "sequences: expected at least one sequence, got none"),
        (lambda: Rereading(WRITER).begin(0), "number: expected a whole number of at least 1, got 0"),
        (lambda: Rereading(WRITER).step([1, 2], np.zeros((3, 0), int)), r"tokens: expected shape \(3,\), got \(2,\)"),
        (lambda: Rereading(WRITER).step([V], np.zeros((1, 0), int)), "tokens: expected token numbers from 0 to 3"),
        (lambda: Copied([[1], [0.5]]), r"text\[1\]: expected integers"),
        (lambda: Copied(["12"]), r"text\[0\]: expected an array or a list, got the text '12'"),
        (lambda: Copied([[1, 2]]).longest([2, -1]), "tokens: expected token numbers from 0 to 1114110, got -1"),
        (lambda: Copied([[1, 2]]).longest([1_114_111]), "tokens: expected token numbers from 0 to 1114110, got 111411"),
        (lambda: Copied([[1, 2]]).longest([2.7]), "tokens: expected integers"),
    ],
)
def test_what_does_not_fit_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
