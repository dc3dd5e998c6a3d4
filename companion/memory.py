"""Arrays whose memory is used again.

A large array that is made and thrown away costs more than what is computed in it: the system hands out each page of
memory anew, filled with zeros, when it is first written to. `empty` takes memory that an earlier array has left. An
array's memory comes back when the last array that looks at it is gone and not before, so that results do not depend on
it. At most LIMIT bytes wait for their next use.
"""

from __future__ import annotations

import math

import numpy as np

from companion.validation import Array

LIMIT = 1 << 28  # bytes
SMALLEST = 1 << 15  # below it NumPy's own allocation is as quick

_waiting: dict[int, list[Array]] = {}  # by size in bytes


class _Lent:
    """Memory in use. NumPy keeps it as the base of the array, and of every view of that."""

    def __init__(self, memory: Array) -> None:
        self.memory, self.__array_interface__ = memory, memory.__array_interface__

    def __del__(self) -> None:
        if waiting_bytes() + self.memory.nbytes > LIMIT:
            _waiting.clear()
        _waiting.setdefault(self.memory.nbytes, []).append(self.memory)


def waiting_bytes() -> int:
    """How much memory waits for its next use."""
    return sum(size * len(blocks) for size, blocks in list(_waiting.items()))


def empty(shape: tuple[int, ...], dtype: np.dtype) -> Array:
    """An array of this shape with any content, as np.empty gives."""
    size = math.prod(shape) * dtype.itemsize
    if size < SMALLEST:
        return np.empty(shape, dtype)
    step = 1 << (size.bit_length() - 3)  # sizes are rounded up by a quarter at most, so that similar ones share memory
    rounded = -(-size // step) * step
    try:
        memory = _waiting[rounded].pop()  # the one left last: it is likeliest in the cache
    except (KeyError, IndexError):
        memory = np.empty(rounded, np.uint8)
    return np.asarray(_Lent(memory))[:size].view(dtype).reshape(shape)
