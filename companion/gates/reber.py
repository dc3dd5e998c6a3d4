"""The Reber grammar and the embedded one, whose last symbol but one must be remembered from the second.

Chapter "What the gates buy"; Hochreiter & Schmidhuber (1997), section 5.1 (experiment 1). A grammar is a table of
transitions between states: reading a symbol moves to another state, a string is legal when it starts in state 0 and
stops in the state that leads nowhere. Where two symbols may follow, a generator takes each with probability 1/2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

from companion.core.functions import cross_entropy
from companion.core.networks import MANY_TO_MANY, Loss
from companion.core.validation import Array, as_array, require_array, require_size, require_tokens

SYMBOLS = "BTPSXVE"
NOWHERE = -1


@dataclass(frozen=True, eq=False)
class Grammar:
    """A finite automaton: table[s] says which state each legal symbol leads to; the last state ends a string.

    S is the number of states below; symbols are numbered as in SYMBOLS.
    Raises ValueError for other symbols and states, and where another state than the last leads nowhere.
    """

    table: tuple[Mapping[str, int], ...]

    def __post_init__(self) -> None:
        table, S = tuple(dict(choices) for choices in self.table), len(self.table)
        for s, choices in enumerate(table):
            if set(choices) - set(SYMBOLS):
                raise ValueError(f"table[{s}]: expected symbols of {SYMBOLS}, got {', '.join(map(str, choices))}")
            if any(require_size(f"table[{s}]", to, least=0) >= S for to in choices.values()):
                raise ValueError(f"table[{s}]: expected states from 0 to {S - 1}, got {choices}")
            if (not choices) != (s == S - 1):
                raise ValueError(f"table[{s}]: expected the last state, and no other, to lead nowhere, got {choices}")
        object.__setattr__(self, "table", table)

    @cached_property
    def next_state(self) -> Array:
        """State after a symbol, integers (S, 7); −1 where the symbol is not legal."""
        rows = [[choices.get(symbol, NOWHERE) for symbol in SYMBOLS] for choices in self.table]
        return np.array(rows)

    @cached_property
    def probabilities(self) -> Array:
        """Probability of each symbol in each state, (S, 7): shared equally by the legal ones; 0 in the last state."""
        legal = self.next_state != NOWHERE
        return legal / np.maximum(legal.sum(axis=1, keepdims=True), 1)

    @cached_property
    def transition_matrix(self) -> Array:
        """Q (S, S): Q[s, s'] is the probability that state s is followed by s'."""
        Q = np.zeros((len(self.table), len(self.table)))
        s, symbol = np.nonzero(self.next_state != NOWHERE)
        np.add.at(Q, (s, self.next_state[s, symbol]), self.probabilities[s, symbol])
        return Q

    @property
    def expected_length(self) -> float:
        """Expected number of symbols of a string: m_0, where m_s = 1 + Σ_s' Q[s, s'] m_s' and m = 0 at the end.

        Raises LinAlgError, a ValueError, where some state does not lead to the end.
        """
        Q = self.transition_matrix[:-1, :-1]
        return float(np.linalg.solve(np.eye(len(Q)) - Q, np.ones(len(Q)))[0])

    def finishing(self, most: int) -> Array:
        """Probability of stopping after exactly k more symbols, by state, (most + 1, S), k = 0 … most."""
        rows = [np.eye(len(self.table))[-1]]
        for _ in range(require_size("most", most, least=0)):
            rows.append(self.transition_matrix @ rows[-1])
        return np.array(rows)

    def length_probabilities(self, most: int) -> Array:
        """Probability that a string has n symbols, (most + 1,), n = 0 … most."""
        return self.finishing(most)[:, 0]

    def generate(self, rng: np.random.Generator) -> str:
        """One string."""
        string, choices = "", self.table[0]
        while choices:
            symbol = tuple(choices)[int(rng.integers(len(choices)))]
            string, choices = string + symbol, self.table[choices[symbol]]
        return string

    def generate_of_length(self, rng: np.random.Generator, length: int, size: int) -> Array:
        """Tokens (length, size) of `size` independent strings, distributed as `generate`'s strings of that length.

        Nothing is drawn and thrown away: with k symbols to come, a symbol's probability is multiplied by that of
        stopping in time after it, and the products are divided by their sum.
        Raises ValueError when no string has this length.
        """
        length, B = require_size("length", length), require_size("size", size)
        finishing = self.finishing(length)
        if finishing[length, 0] == 0:
            raise ValueError(f"length: expected that of a legal string, got {length}")
        tokens, state = np.empty((length, B), np.int64), np.zeros(B, np.int64)
        for t in range(length):
            # where the next state is −1 the probability is 0, whatever is looked up for it
            weights = (self.probabilities * finishing[length - 1 - t][self.next_state])[state]  # (B, 7)
            upper = np.cumsum(weights, axis=1)
            tokens[t] = (rng.random((B, 1)) * upper[:, -1:] >= upper).sum(axis=1)
            state = self.next_state[state, tokens[t]]
        return tokens

    def is_legal(self, string: str) -> bool:
        """Whether a whole string belongs to the language. Raises ValueError for what is no string."""
        if not isinstance(string, str):
            raise ValueError(f"string: expected a string, got {string!r}")
        s = 0
        for symbol in string:
            s = self.table[s].get(symbol, NOWHERE)
            if s == NOWHERE:
                return False
        return s == len(self.table) - 1

    def legal_successors(self, x: Array) -> Array:
        """Which symbols may follow: tokens (T, B) → booleans (T, B, 7), row t − 1 after the first t symbols.

        Raises ValueError for a symbol that may not stand where it stands, with its step.
        """
        x = require_tokens("x", x, ("T", "B"), len(SYMBOLS))
        state, legal = np.zeros(x.shape[1], np.int64), np.empty((*x.shape, len(SYMBOLS)), bool)
        for t, symbol in enumerate(x):
            state = self.next_state[state, symbol]
            if (state == NOWHERE).any():
                b = int(np.argmax(state == NOWHERE))
                raise ValueError(f"x: expected a legal prefix, got {as_string(x[: t + 1, b])} (sequence {b})")
            legal[t] = self.next_state[state] != NOWHERE
        return legal

    def successors(self, string: str) -> Array:
        """The same for one string or a prefix of one: booleans (T, 7). ValueError as for `legal_successors`."""
        return self.legal_successors(as_tokens(string)[:, None])[:, 0]


REBER = Grammar(
    (
        {"B": 1},
        {"T": 2, "P": 3},
        {"S": 2, "X": 4},
        {"T": 3, "V": 5},
        {"X": 3, "S": 6},
        {"P": 4, "V": 6},
        {"E": 7},
        {},
    )
)


def embedded(grammar: Grammar) -> Grammar:
    """B, then T or P, then a string of `grammar`, then the same T or P, then E.

    The inner grammar stands twice in the table: which copy one is in is the bit to be remembered.
    """
    inner, S = grammar.table[:-1], len(grammar.table)
    first = {symbol: 2 + k * S for k, symbol in enumerate("TP")}  # where each copy starts
    last = 2 + len(first) * S
    table: list[Mapping[str, int]] = [{"B": 1}, first]
    for symbol, start in first.items():
        table += [{inside: start + s for inside, s in choices.items()} for choices in inner]
        table.append({symbol: last})  # the copy's end: its own symbol, and no other
    return Grammar((*table, {"E": last + 1}, {}))


EMBEDDED_REBER = embedded(REBER)


def as_tokens(string: str) -> Array:
    """Numbers of a string's symbols in SYMBOLS, (T,). Raises ValueError for other symbols and the empty string."""
    if not isinstance(string, str) or not string or set(string) - set(SYMBOLS):
        raise ValueError(f"string: expected symbols of {SYMBOLS}, at least one, got {string!r}")
    return np.array([SYMBOLS.index(symbol) for symbol in string])


def as_string(tokens: Array) -> str:
    """The string that token numbers (T,) stand for. Raises ValueError for other numbers, and for none."""
    return "".join(SYMBOLS[k] for k in require_tokens("tokens", tokens, ("T",), len(SYMBOLS)))


def legal_first(logits: Array, legal: Array) -> Array:
    """Where every legal symbol has a larger logit than every other: (..., O) and booleans (..., O) → booleans (...).

    With k legal symbols: whether the k largest logits are exactly theirs. A tie between the two kinds is wrong.
    Raises ValueError for other shapes, NaN, and for a `legal` that is not boolean.
    """
    legal = as_array("legal", legal)
    if legal.dtype != bool:
        raise ValueError(f"legal: expected booleans, got dtype {legal.dtype}")
    logits = require_array("logits", logits, legal.shape)
    least, others = np.where(legal, logits, np.inf).min(axis=-1), np.where(legal, -np.inf, logits).max(axis=-1)
    return least > others


def clock_loss(mass: Array) -> float:
    """Expected loss of the best answer that knows the step and nothing of the input.

    mass  (T, O), sums to 1: probability that an answer is that of step t and its target is class k
    The best answer at step t is mass[t] divided by its sum; its cost is the entropy of the class, given the step.
    In nats. Raises ValueError for entries below 0 or another sum.
    """
    mass = require_array("mass", mass, ("T", "O")).astype(np.float64)
    if (mass < 0).any() or abs(mass.sum() - 1) > 1e-6:
        raise ValueError(f"mass: expected probabilities that sum to 1, got a sum of {mass.sum():.6f}")
    share = mass / np.maximum(mass.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    return float(-(mass * np.log(np.where(mass > 0, share, 1))).sum())


LONGEST = 300  # longer strings have a probability below 1e-38 in all; a test adds up what is left


@cache
def _expected_answers() -> Array:
    """Probability that an answer of the task below is that of step t, in state s, with target k: (LONGEST, S, 7).

    An answer is one of the n − 1 of a drawn string of n symbols, each with probability 1 / (n − 1).
    """
    grammar = EMBEDDED_REBER
    finishing, more = grammar.finishing(LONGEST), np.arange(LONGEST + 1)
    state, answers = np.eye(len(grammar.table))[0], []
    for t in range(1, LONGEST + 1):
        state = state @ grammar.transition_matrix  # distribution after t symbols
        chance = (finishing / (t + more)[:, None]).sum(axis=0)  # of stopping m symbols later, over the t + m answers
        answers.append(state[:, None] * grammar.probabilities * chance[grammar.next_state])
    return np.array(answers)


@dataclass(frozen=True)
class EmbeddedReber:
    """Experiment 1 of Hochreiter & Schmidhuber (1997): predict each next symbol of embedded Reber strings.

    The strings of one batch have one length, so that no step is padded: the length is that of a string drawn from
    the grammar, and all strings of the batch are drawn among those of that length. Each string has the grammar's own
    distribution then; only within a batch they are alike in length. Losses are means over the answers of a batch, and
    expected losses therefore weight strings equally, not symbols.
    """

    symbols = SYMBOLS
    grammar = EMBEDDED_REBER
    inputs = outputs = len(SYMBOLS)
    arity = MANY_TO_MANY

    @property
    def loss(self) -> Loss:
        """Cross-entropy in nats, summed over the answers."""
        return cross_entropy

    @property
    def baseline(self) -> float:
        """Nats of the best answer that ignores the input and knows the step: the symbols' frequencies at that step.

        Exact but for rounding: a sum over all lengths of strings, broken off where nothing is left.
        """
        return clock_loss(_expected_answers().sum(axis=1))

    @property
    def oracle_loss(self) -> float:
        """Nats of the answer that knows the automaton: 0 where one symbol is legal, ln 2 where two are; as exact."""
        costs = -np.log(np.where(self.grammar.probabilities > 0, self.grammar.probabilities, 1))  # (S, 7)
        return float((_expected_answers() * costs).sum())

    def batch(self, rng: np.random.Generator, size: int) -> tuple[Array, Array]:
        """Input tokens (T − 1, B), all symbols but the last, and target classes (T − 1, B), all but the first."""
        size = require_size("size", size)
        strings = self.grammar.generate_of_length(rng, len(self.grammar.generate(rng)), size)
        return strings[:-1], strings[1:]

    def correct(self, logits: Array, x: Array) -> Array:
        """Which strings count as right in the paper, (B,): at every step the legal symbols have the largest logits.

        logits (T, B, 7) for the inputs x (T, B). Raises ValueError for prefixes that are not legal.
        """
        return np.asarray(legal_first(logits, self.grammar.legal_successors(x)).all(axis=0))
