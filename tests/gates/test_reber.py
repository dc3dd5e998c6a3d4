"""The Reber grammars: the table says what the drawing says, and every statistic is exact."""

import itertools
import re
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from companion.gates.reber import (
    EMBEDDED_REBER,
    LONGEST,
    REBER,
    SYMBOLS,
    EmbeddedReber,
    Grammar,
    _expected_answers,
    as_string,
    as_tokens,
    clock_loss,
    embedded,
    legal_first,
)

seeds = st.integers(0, 2**32 - 1)
ONE = r"B(?:TS*X(?:XT*VP)*(?:S|XT*VV)|PT*V(?:V|P(?:XT*VP)*(?:S|XT*VV)))E"  # read off the drawing, not off the table
PATTERNS = {REBER: re.compile(ONE), EMBEDDED_REBER: re.compile(rf"B([TP]){ONE}\1E")}
LONG = 10


@cache
def language(grammar):
    """All strings of up to LONG symbols (LONG + 4 embedded) that the pattern accepts, out of all there are.

    B stands at the start and E at the end only, as the pattern shows; what stands between is tried out in full.
    """
    inner = itertools.chain.from_iterable(itertools.product("TPSXV", repeat=k) for k in range(LONG - 1))
    strings = [string for middle in inner if PATTERNS[REBER].fullmatch(string := "B" + "".join(middle) + "E")]
    if grammar is EMBEDDED_REBER:
        strings = [f"B{symbol}{string}{symbol}E" for symbol in "TP" for string in strings]
    return strings


def probability(grammar, string):
    """Of a string, symbol by symbol."""
    state, product = 0, 1.0
    for symbol in string:
        product /= len(grammar.table[state])
        state = grammar.table[state][symbol]
    return product


grammars = st.sampled_from([REBER, EMBEDDED_REBER])
both = pytest.mark.parametrize("grammar", [REBER, EMBEDDED_REBER], ids=["reber", "embedded"])


@given(grammar=grammars, seed=seeds)
def test_every_generated_string_is_legal_for_the_checker_and_for_the_pattern(grammar, seed):
    string = grammar.generate(np.random.default_rng(seed))
    assert grammar.is_legal(string) and PATTERNS[grammar].fullmatch(string)


@given(grammar=grammars, string=st.text(SYMBOLS, max_size=14))
def test_the_checker_accepts_what_the_pattern_accepts(grammar, string):
    assert grammar.is_legal(string) == bool(PATTERNS[grammar].fullmatch(string))


@both
def test_the_checker_accepts_all_short_strings_and_none_with_one_symbol_changed_that_the_pattern_refuses(grammar):
    strings = language(grammar)
    assert len(strings) > 20 and all(grammar.is_legal(string) for string in strings)
    for string in strings[:60]:
        for t, symbol in itertools.product(range(len(string)), SYMBOLS):
            changed = string[:t] + symbol + string[t + 1 :]
            assert grammar.is_legal(changed) == bool(PATTERNS[grammar].fullmatch(changed))
        assert not grammar.is_legal(string[:-1]) and not grammar.is_legal(string + "E")
    assert not grammar.is_legal("") and not grammar.is_legal("BTQ")


@given(seed=seeds)
def test_the_second_symbol_decides_the_last_but_one(seed):
    string = EMBEDDED_REBER.generate(np.random.default_rng(seed))
    assert string[-2] == string[1] and string[-1] == "E" and REBER.is_legal(string[2:-2])
    for symbol in set(SYMBOLS) - {string[-2]}:
        assert not EMBEDDED_REBER.is_legal(string[:-2] + symbol + "E")
        assert not EMBEDDED_REBER.is_legal(string[0] + symbol + string[2:])
    assert EMBEDDED_REBER.successors(string)[-3].tolist() == [symbol == string[1] for symbol in SYMBOLS]


@both
def test_the_oracle_allows_what_the_set_of_all_strings_allows(grammar):
    """For prefixes so short that after any legal symbol the shortest way to the end is among the strings known."""
    strings, checked = language(grammar), 0
    known = LONG + 4 - 7 if grammar is EMBEDDED_REBER else LONG - 5
    after = {}
    for string in strings:
        for t in range(1, min(known, len(string)) + 1):
            after.setdefault(string[:t], set()).update(string[t : t + 1])
    for prefix, symbols in after.items():
        legal = grammar.successors(prefix)
        assert legal.shape == (len(prefix), 7) and legal.dtype == bool
        assert {s for s, allowed in zip(SYMBOLS, legal[-1], strict=True) if allowed} == symbols
        checked += 1
    assert checked > 15
    string = strings[-1]  # a whole string, whose end comes late: its rows are those of its prefixes
    rows = grammar.successors(string)
    assert all(np.array_equal(rows[t], grammar.successors(string[: t + 1])[-1]) for t in range(len(string)))
    assert not rows[-1].any()


@both
def test_exact_length_against_drawing_and_against_the_lengths_own_distribution(grammar):
    rng = np.random.default_rng(0)
    lengths = np.array([len(grammar.generate(rng)) for _ in range(20_000)])
    error = lengths.std() / np.sqrt(len(lengths))
    assert error < 0.03 and abs(lengths.mean() - grammar.expected_length) < 4 * error
    p = grammar.length_probabilities(LONGEST)
    assert p.sum() == pytest.approx(1, abs=1e-12)
    assert p @ np.arange(len(p)) == pytest.approx(grammar.expected_length, abs=1e-12)
    drawn = np.bincount(lengths, minlength=20)[:20] / len(lengths)
    np.testing.assert_allclose(drawn, p[:20], atol=4 * 0.5 / np.sqrt(len(lengths)))


def test_expected_lengths_by_hand():
    """m_E = 1, m_3 = 2 + m_5, m_4 = 1 + (m_3 + 1) / 2, m_5 = 1 + (m_4 + 1) / 2, …: 8, and 4 symbols around it."""
    assert REBER.expected_length == pytest.approx(8, abs=1e-12)
    assert EMBEDDED_REBER.expected_length == pytest.approx(12, abs=1e-12)


@both
def test_probabilities_of_lengths_add_up_over_all_strings_of_a_length(grammar):
    longest = LONG + 4 * (grammar is EMBEDDED_REBER)
    sums = np.zeros(longest + 1)
    for string in language(grammar):
        sums[len(string)] += probability(grammar, string)
    np.testing.assert_allclose(grammar.length_probabilities(longest), sums, atol=1e-15)


def test_each_branch_is_taken_half_of_the_time():
    rng = np.random.default_rng(1)
    strings = [EMBEDDED_REBER.generate(rng) for _ in range(8000)]
    tolerance = 4 * 0.5 / np.sqrt(8000)
    assert np.mean([string[1] == "T" for string in strings]) == pytest.approx(1 / 2, abs=tolerance)
    assert np.mean([string[3] == "T" for string in strings]) == pytest.approx(1 / 2, abs=tolerance)
    assert np.mean([string[3:5] == "TS" for string in strings]) == pytest.approx(1 / 4, abs=tolerance)


@both
def test_strings_of_one_length_have_the_grammars_distribution_among_them(grammar):
    length, size = (LONG, 20_000) if grammar is REBER else (LONG + 2, 20_000)
    tokens = grammar.generate_of_length(np.random.default_rng(2), length, size)
    assert tokens.shape == (length, size)
    drawn = {}
    for column in tokens.T:
        drawn[as_string(column)] = drawn.get(as_string(column), 0) + 1 / size
    expected = {string: probability(grammar, string) for string in language(grammar) if len(string) == length}
    total = sum(expected.values())
    assert set(drawn) == set(expected) and len(expected) > 5
    for string, p in expected.items():
        p /= total
        assert abs(drawn[string] - p) < 4.5 * np.sqrt(p * (1 - p) / size)


@given(seed=seeds, size=st.integers(1, 9))
def test_a_batch_has_strings_of_one_length_and_each_next_symbol_as_its_target(seed, size):
    task = EmbeddedReber()
    x, targets = task.batch(np.random.default_rng(seed), size)
    again, _ = task.batch(np.random.default_rng(seed), size)
    assert np.array_equal(x, again) and x.shape == targets.shape == (len(x), size)
    assert np.array_equal(x[1:], targets[:-1])
    strings = [as_string([*column, last]) for column, last in zip(x.T, targets[-1], strict=True)]
    assert all(EMBEDDED_REBER.is_legal(string) for string in strings)
    assert np.take_along_axis(task.grammar.legal_successors(x), targets[..., None], axis=-1).all()


def test_the_lengths_of_batches_have_the_grammars_distribution():
    rng, size = np.random.default_rng(3), 2
    lengths = np.array([len(EmbeddedReber().batch(rng, size)[0]) + 1 for _ in range(4000)])
    p = EMBEDDED_REBER.length_probabilities(14)
    drawn = np.bincount(lengths, minlength=15)[:15] / len(lengths)
    np.testing.assert_allclose(drawn, p, atol=4 * 0.4 / np.sqrt(len(lengths)))


def test_baseline_and_oracle_loss_against_drawn_batches_through_the_tasks_own_loss():
    """Mean losses of 4,000 batches, within four standard errors; nothing else that knows only the step does better."""
    task, rng = EmbeddedReber(), np.random.default_rng(4)
    mass = _expected_answers().sum(axis=1)
    assert mass.sum() == pytest.approx(1, abs=1e-12) and EMBEDDED_REBER.finishing(LONGEST)[-1].max() < 1e-38
    with np.errstate(divide="ignore"):
        by_step = np.maximum(np.log(mass), -1e3)
    constant = np.maximum(np.log(mass.sum(axis=0)), -1e3)
    losses = []
    for _ in range(4000):
        x, targets = task.batch(rng, 4)
        answers = (
            np.repeat(by_step[: len(x), None], 4, axis=1),
            np.where(task.grammar.legal_successors(x), 0.0, -1e3),
            np.tile(constant, (*x.shape, 1)),
        )
        losses.append([task.loss(logits, targets)[0] / targets.size for logits in answers])
    means, errors = np.mean(losses, axis=0), np.std(losses, axis=0) / np.sqrt(len(losses))
    assert errors.max() < 0.01
    assert abs(means[0] - task.baseline) < 4 * errors[0] and abs(means[1] - task.oracle_loss) < 4 * errors[1]
    assert task.oracle_loss + 0.5 < task.baseline < means[2] - 0.3 < np.log(7)


def test_clock_loss_is_the_entropy_given_the_step():
    mass = np.array([[0.25, 0.25], [0.0, 0.5], [0.0, 0.0]])
    assert clock_loss(mass) == pytest.approx(0.5 * np.log(2), abs=1e-15)
    assert clock_loss(mass[:, ::-1]) == clock_loss(mass)


def test_a_string_is_correct_when_the_legal_symbols_come_first_at_every_step():
    task, rng = EmbeddedReber(), np.random.default_rng(5)
    x, _ = task.batch(rng, 6)
    legal = task.grammar.legal_successors(x)
    logits = rng.normal(size=legal.shape) + 20 * legal
    assert task.correct(logits, x).tolist() == [True] * 6
    logits[-2, 1, SYMBOLS.index("T")], logits[-2, 1, SYMBOLS.index("P")] = (
        logits[-2, 1, SYMBOLS.index("P")],
        logits[-2, 1, SYMBOLS.index("T")],
    )
    logits[2, 3, np.argmax(legal[2, 3])] = -50.0  # one of two legal symbols is enough to be wrong
    tied = np.argmin(legal[0, 4])
    logits[0, 4, tied] = logits[0, 4][legal[0, 4]].min()
    assert task.correct(logits, x).tolist() == [True, False, True, False, False, True]
    with pytest.raises(ValueError, match=r"logits: expected shape"):
        task.correct(logits[:, :2], x)


@given(O=st.integers(2, 7), seed=seeds)
def test_legal_first_compares_the_k_largest_with_the_legal_ones(O, seed):
    rng = np.random.default_rng(seed)
    logits, legal = rng.normal(size=(40, O)), rng.integers(0, 2, (40, O)).astype(bool)
    legal[:, 0] = True
    expected = [set(np.argsort(-u)[: d.sum()]) == set(np.flatnonzero(d)) for u, d in zip(logits, legal, strict=True)]
    assert legal_first(logits, legal).tolist() == expected


def test_another_grammar_can_be_embedded():
    twice = embedded(EMBEDDED_REBER)
    string = twice.generate(np.random.default_rng(6))
    assert EMBEDDED_REBER.is_legal(string[2:-2]) and string[1] == string[-2]
    assert twice.expected_length == pytest.approx(16, abs=1e-12)


def test_what_is_no_string_of_symbols_is_refused_not_illegal():
    for strange in (b"BTXSE", list("BTXSE"), iter("BTXSE"), 3):
        with pytest.raises(ValueError, match="string: expected a string, got "):
            REBER.is_legal(strange)
        with pytest.raises(ValueError, match="string: expected symbols of BTPSXVE, at least one, got "):
            as_tokens(strange)
    assert not REBER.is_legal("") and not REBER.is_legal("BQ")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (({"Z": 1}, {}), r"table\[0\]: expected symbols of BTPSXVE, got Z"),
        (({"B": 2}, {}), r"table\[0\]: expected states from 0 to 1, got {'B': 2}"),
        (({"B": -1}, {}), r"table\[0\]: expected a whole number of at least 0, got -1"),
        (({"B": 1}, {"E": 0}), r"table\[1\]: expected the last state, and no other, to lead nowhere, got {'E': 0}"),
        (({"B": 1, "T": 2}, {}, {}), r"table\[1\]: expected the last state, and no other, to lead nowhere"),
    ],
)
def test_a_table_that_is_no_grammar_is_refused(table, message):
    with pytest.raises(ValueError, match=message):
        Grammar(table)


def test_a_grammar_does_not_follow_changes_of_the_table_it_was_given():
    table = ({"B": 1}, {})
    grammar = Grammar(table)
    table[0]["T"] = 0
    assert grammar.is_legal("B") and not grammar.is_legal("TB")


def test_legal_symbols_are_booleans_and_a_mass_sums_to_one():
    with pytest.raises(ValueError, match="legal: expected booleans, got dtype int64"):
        legal_first(np.zeros((1, 3)), np.array([[0, 2, 0]]))
    with pytest.raises(ValueError, match="mass: expected probabilities that sum to 1, got a sum of 2.000000"):
        clock_loss(np.ones((1, 2)))
    with pytest.raises(ValueError, match="mass: expected probabilities that sum to 1"):
        clock_loss(np.array([[1.5, -0.5]]))


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"x: expected a legal prefix, got BTX \(sequence 1\)"):
        EMBEDDED_REBER.legal_successors(as_tokens("BTBTX")[:3, None] * [1, 0] + as_tokens("BTX")[:, None] * [0, 1])
    with pytest.raises(ValueError, match="string: expected symbols of BTPSXVE, at least one, got 'BQ'"):
        REBER.successors("BQ")
    with pytest.raises(ValueError, match="string: expected symbols of BTPSXVE, at least one, got ''"):
        as_tokens("")
    with pytest.raises(ValueError, match="length: expected that of a legal string, got 4"):
        REBER.generate_of_length(np.random.default_rng(0), 4, 1)
    with pytest.raises(ValueError, match="size: expected a whole number of at least 1, got 0"):
        EmbeddedReber().batch(np.random.default_rng(0), 0)
