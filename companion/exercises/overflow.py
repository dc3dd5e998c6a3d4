"""Mistakes in a softmax whose powers overflow besides, wherever logits are large."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from companion.exercises.model import Misconception

LARGEST = 709.0  # above it, np.exp is infinite


def old_also_overflowing(
    misconceptions: Iterable[Misconception], overflowing: Callable[[Callable], Callable]
) -> Iterator[Misconception]:
    """Each misconception, and the same where the powers of a softmax overflow besides."""
    for one in misconceptions:
        yield one
        yield Misconception(
            f"{one.name}; and powers overflow",
            f"{one.hint} Besides, the exponentials of large logits overflow.",
            overflowing(one.wrong),
        )
