"""Print numbers so that the stored output of a notebook is the same on every machine.

Two processors do not agree on the last bits of a float. A number that is printed rounded hides this, unless it lies so
close to the middle between two printed values that the last bits decide which of them appears. `show` refuses such a
number, so that the author prints it with other digits. `agree` compares two ways to compute the same quantity and
prints the bound that holds, never the round-off measured.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

# How far the same float64 computation may lie apart on two machines, relative to max(1, |value|). Sums in another order
# move a value by about 1e-15 a term; central differences, the least exact numbers in the book, moved by 5e-10.
NOISE = 1e-9

MOST_DIGITS = 8  # beyond it, the noise above is as large as the last digit

# How large a bound may be beside the largest entry compared, in the check of an equation. With a thousandth, a change
# of any entry by a hundredth of the largest one is always seen: 0.01 - 0.001 > 0.001.
LARGEST_BOUND = 1e-3


def show(name: str, value: ArrayLike, digits: int = 5) -> None:
    """Print `name = value` with every number rounded to `digits` decimals.

    Scalars print on one line, a vector as one row and a matrix with its columns aligned. Integers and booleans print as
    they are, and so does a tuple of integers (a shape). A value that rounds to zero prints without a minus sign.

    name    what stands left of the equals sign
    value   a number, or an array of any shape; floats must be float64
    digits  decimals to print, 0 to 8
    Raises ValueError for NaN, an empty array, text, complex numbers or another float than float64, and for a number
    within `1e-9 * max(1, |number|)` of a rounding tie, whose printed form could differ between machines.
    """
    if not isinstance(name, str) or not name.strip():
        raise ValueError(f"name should be the text left of the equals sign, but it is {name!r}")
    if isinstance(digits, bool) or not isinstance(digits, int | np.integer) or not 0 <= digits <= MOST_DIGITS:
        raise ValueError(f"digits should be a whole number from 0 to {MOST_DIGITS}, but it is {digits!r}")
    if isinstance(value, tuple) and value and all(type(n) is int for n in value):
        print(f"{name} = {value}")
        return
    array = _as_array(name, value)
    if array.size == 0:
        raise ValueError(f"{name} should hold at least one number, but its shape is {array.shape}")
    texts = [_number(array[index], _element(name, index), digits) for index in np.ndindex(array.shape)]
    if array.ndim == 0:
        print(f"{name} = {texts[0]}")
        return
    width = max(map(len, texts))
    cells = np.array([text.rjust(width) for text in texts], dtype=object).reshape(array.shape)
    # np.array2string sets the brackets and the indentation, whatever the number of axes
    layout = np.array2string(
        cells,
        formatter={"object": str},
        prefix=f"{name} = ",
        threshold=cells.size + 1,
        max_line_width=cells.size * (width + 1) + len(name) + 100,
    )
    print(f"{name} = {layout}")


def agree(what: str, ours: ArrayLike, other: ArrayLike, bound: float, equation: str = "") -> None:
    """Assert that two results are closer than `bound` everywhere, and print that bound.

    The measured difference is not printed, since it differs between machines. When the environment variable
    `UNROLLED_REPORT` names a file, one line is appended to it: what, the measured difference and the bound.

    what      the quantity compared, as the printed line starts
    ours      a number or an array
    other     the same quantity computed another way, of the same shape
    bound     largest difference allowed, above 0
    equation  label of the chapter's equation that this checks, such as `eq-bp1`; the book's page of equations takes it
              from here. A check of an equation must be able to fail: the two results may not share memory, and `bound`
              must be below a thousandth of the largest entry of the two. Then a change of any entry of either, by one
              percent of the largest, makes it fail
    Raises ValueError when the shapes differ, when a value is NaN or infinite, when the bound is not positive, and when
    the check of an equation could not fail (see above).
    Raises AssertionError when the results differ; the message holds both numbers and where they stand.
    """
    if not 0 < bound < np.inf:
        raise ValueError(f"bound should be a positive number, but it is {bound!r}")
    left, right = _as_array("ours", ours), _as_array("other", other)
    if left.shape != right.shape:
        raise ValueError(
            f"{what}: ours and other should have one shape, but ours is {left.shape} and other {right.shape}"
        )
    if left.size == 0:
        raise ValueError(f"{what}: ours and other should hold at least one number, but their shape is {left.shape}")
    for argument, array in (("ours", left), ("other", right)):
        if not np.all(np.isfinite(array)):
            index = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
            raise ValueError(f"{what}: {_element(argument, index)} should be a finite number, but it is {array[index]}")
    if equation:
        _can_fail(what, left, right, bound, equation, same=ours is other and not isinstance(ours, int))
    difference = np.abs(left.astype(np.float64) - right.astype(np.float64))
    index = tuple(int(i) for i in np.unravel_index(int(np.argmax(difference)), difference.shape))
    largest = float(difference[index])
    assert largest < bound, (
        f"{what}: {_element('ours', index)} = {float(left[index])!r} but {_element('other', index)} = "
        f"{float(right[index])!r}, a difference of {largest:.2e}, which is not below {bound:g}"
    )
    report = os.environ.get("UNROLLED_REPORT")
    if report:
        with Path(report).open("a", encoding="utf-8") as file:
            file.write(f"{what}\t{largest:.2e}\t{bound:g}\n")
    print(f"{what}: largest difference below {bound:g}")


def _can_fail(what: str, ours: np.ndarray, other: np.ndarray, bound: float, equation: str, same: bool) -> None:
    """Refuse a check of an equation that nothing could make fail."""
    if not isinstance(equation, str) or not equation.startswith("eq-"):
        raise ValueError(f"{what}: equation should be a label such as 'eq-bp1', but it is {equation!r}")
    if same or np.shares_memory(ours, other):
        raise ValueError(f"{what}: other should be computed apart from ours, but the two share their memory")
    largest = max(float(np.abs(array.astype(np.float64)).max()) for array in (ours, other))
    if not bound < LARGEST_BOUND * largest:
        raise ValueError(
            f"{what}: bound should be below {LARGEST_BOUND:g} of the largest entry compared, {largest:.3g}, so that "
            f"the check of {equation} can fail, but it is {bound:g}"
        )


def _as_array(name: str, value: ArrayLike) -> np.ndarray:
    """The value as an array of booleans, integers or float64."""
    if hasattr(value, "detach"):  # a torch tensor, whose history of operations NumPy refuses
        value = value.detach()
    try:
        array = np.asarray(value)
    except ValueError:
        raise ValueError(f"{name} should be a number or an array, but its rows differ in length") from None
    if array.dtype.kind not in "biu" and array.dtype != np.float64:
        raise ValueError(f"{name} should be float64 (or whole numbers), but it is {array.dtype}")
    return array


def _element(name: str, index: tuple[int, ...]) -> str:
    return f"{name}[{', '.join(map(str, index))}]" if index else name


def _number(value: Any, element: str, digits: int) -> str:
    if value.dtype.kind in "biu":
        return str(value)
    number = float(value)
    if np.isnan(number):
        raise ValueError(f"{element} should be a number, but it is NaN")
    if np.isinf(number):
        return str(number)
    unit = 10.0**-digits
    noise = NOISE * max(1.0, abs(number))
    # distance, in printed units, to the nearest middle between two printed values
    to_tie = abs((abs(number) / unit) % 1.0 - 0.5) * unit
    if to_tie <= noise:
        raise ValueError(
            f"{element} = {number!r} lies within {noise:.0e} of a rounding tie at {digits} digits, "
            f"so that another machine may print another last digit: show it with other digits"
        )
    text = f"{number:.{digits}f}"
    return text.lstrip("-") if float(text) == 0.0 else text
