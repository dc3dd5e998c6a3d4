"""Named parts of a sentence: spans out of labels, and how well they were found (chapter "A label for every word").

A *span* is (start, stop, kind): the words from number `start`, counted from 0, to before `stop`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Span = tuple[int, int, str]

OUTSIDE = "O"


def runs(labels: Sequence[str]) -> list[Span]:
    """Spans of labels without B- and I-: neighbours with the same label are one span. Every word is in one."""
    spans: list[Span] = []
    for position, label in enumerate(_strings("labels", labels)):
        if spans and spans[-1][2] == label:
            spans[-1] = (spans[-1][0], position + 1, label)
        else:
            spans.append((position, position + 1, label))
    return spans


def from_iob(labels: Sequence[str]) -> list[Span]:
    """Spans of labels B-kind, I-kind and O: B- begins a span, I- goes on with one of its kind (Ramshaw & Marcus 1995).

    An I- with no span of its kind before it begins one, as the scorer of CoNLL-2000 has it; see `is_strict`.
    Raises ValueError for a label that is none of the three.
    """
    spans: list[Span] = []
    for position, label in enumerate(_strings("labels", labels)):
        prefix, kind = _parted(label)
        if prefix == "I" and spans and spans[-1][1] == position and spans[-1][2] == kind:
            spans[-1] = (spans[-1][0], position + 1, kind)
        elif prefix != OUTSIDE:
            spans.append((position, position + 1, kind))
    return spans


def is_strict(labels: Sequence[str]) -> bool:
    """Whether every I- goes on with a span of its kind, so that all readings of the labels give the same spans."""
    before = ""  # its kind, none of a word outside
    for label in _strings("labels", labels):
        prefix, kind = _parted(label)
        if prefix == "I" and kind != before:
            return False
        before = kind
    return True


@dataclass(frozen=True)
class Scores:
    """How well spans were found: `right` of `found` ones are among the `wanted`, start, stop and kind the same."""

    right: int
    found: int
    wanted: int

    @property
    def precision(self) -> float:
        """Share of those found that are right; 0 where none was found."""
        return self.right / self.found if self.found else 0.0

    @property
    def recall(self) -> float:
        """Share of the wanted that were found; 0 where none was wanted."""
        return self.right / self.wanted if self.wanted else 0.0

    @property
    def F1(self) -> float:
        """Harmonic mean of precision and recall, 2 right / (found + wanted) (equation eq-span-f1); 0 without spans."""
        together = self.found + self.wanted
        return 2 * self.right / together if together else 0.0


def span_scores(wanted: Sequence[Iterable[Span]], found: Sequence[Iterable[Span]]) -> Scores:
    """Count over all sentences: an entry of `wanted` and of `found` for each.

    Raises ValueError for different numbers of sentences, and for a span that stands twice in one.
    """
    if len(wanted) != len(found):
        raise ValueError(f"found: expected spans of {len(wanted)} sentences, got {len(found)}")
    totals = [0, 0, 0]
    for pair in zip(wanted, found, strict=True):
        sets = []
        for name, spans in zip(("wanted", "found"), map(list, pair), strict=True):
            if len(set(spans)) < len(spans):
                raise ValueError(f"{name}: expected every span of a sentence once, got {spans}")
            sets.append(set(spans))
        totals[0] += len(sets[0] & sets[1])
        totals[1] += len(sets[1])
        totals[2] += len(sets[0])
    return Scores(*totals)


def _parted(label: str) -> tuple[str, str]:
    prefix, dash, kind = label.partition("-")
    if label != OUTSIDE and not (prefix in ("B", "I") and dash and kind):
        raise ValueError(f"labels: expected {OUTSIDE}, B-kind or I-kind, got {label!r}")
    return prefix, kind


def _strings(name: str, labels: Sequence[str]) -> Sequence[str]:
    if isinstance(labels, str) or not all(isinstance(label, str) for label in labels):
        raise ValueError(f"{name}: expected a sequence of strings, got {labels!r}")
    return labels
