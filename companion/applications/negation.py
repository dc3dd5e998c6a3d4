"""Verdicts in which order decides: sentences made by a small grammar, and what can be known without their order.

Every sentence speaks of a film and of its music. Whether it calls the film good hangs on which adjective is the film's,
on a negation in its clause, and on one before the first clause, which turns over that clause and not the second.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from itertools import pairwise, product

from companion.applications.corpora import BAD, GOOD, Classified

ADJECTIVES = {"good": True, "fine": True, "bad": False, "dull": False}
NEGATIONS = {"is": True, "is not": False, "is never": False}  # False turns the clause over
OPENINGS = {"": True, "they say that": True, "nobody says that": False, "it is false that": False}
ASIDES = ("", ", we found ,", "that we saw last week")
JOINS = ("and", "but", "while")


def every_verdict() -> Iterator[Classified]:
    """All sentences of the grammar, in a fixed order, each with its verdict on the film."""
    clauses = list(product(ASIDES, NEGATIONS, ADJECTIVES))
    for opening, join, first, second, film_first in product(OPENINGS, JOINS, clauses, clauses, (True, False)):
        subjects = ("film", "music") if film_first else ("music", "film")
        one, other = (f"the {subject} {' '.join(c)}" for subject, c in zip(subjects, (first, second), strict=True))
        _, negation, adjective = first if film_first else second
        turned = (not NEGATIONS[negation]) ^ (film_first and not OPENINGS[opening])
        yield Classified(
            tuple(f"{opening} {one} {join} {other}".split()), GOOD if ADJECTIVES[adjective] ^ turned else BAD
        )


def bag(words: Sequence[str]) -> Hashable:
    """What is left of a sentence without its order: how often each word stands in it."""
    return frozenset(Counter(words).items())


def bag_of_pairs(words: Sequence[str]) -> Hashable:
    """How often each pair of neighbours stands in a sentence, its beginning and its end among them."""
    return frozenset(Counter(pairwise(("", *words, ""))).items())


def best_accuracy(sentences: Iterable[Classified], seen: Callable[[Sequence[str]], Hashable]) -> float:
    """What no classifier can surpass on these sentences that sees only `seen(words)`: it bets on the commonest label.

    Raises ValueError for no sentences.
    """
    labels: defaultdict[Hashable, Counter[str]] = defaultdict(Counter)
    for sentence in sentences:
        labels[seen(sentence.words)][sentence.label] += 1
    if not labels:
        raise ValueError("sentences: expected at least one, got none")
    return sum(max(counts.values()) for counts in labels.values()) / sum(c.total() for c in labels.values())
