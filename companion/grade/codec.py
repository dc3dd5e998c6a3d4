"""Values as bytes and back: JSON for the structure, NumPy's own format for arrays, and never pickle.

The bytes that a child sends may be anything. Decoding them runs no code, allocates no more than what arrived, and
raises :class:`Malformed` for whatever the encoder would not have written.
"""

from __future__ import annotations

import io
import json
import math
import struct
from typing import Any

import numpy as np

from companion.exercises.attempts import Foreign

LARGEST = 8 * 2**20  # bytes of a message; the answers of all cases of an exercise take some thousand
_DEEPEST = 40
_LONGEST_NUMBER = 1000  # digits
_KINDS = "biufcU"  # of arrays; what holds Python objects is refused
_VERSIONS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


class Malformed(Exception):
    """The bytes are not what the encoder writes."""


def encode(value: Any) -> bytes:
    """The bytes of a value.

    Numbers, texts, None, ..., arrays, Foreign, and lists, tuples and dictionaries (keys: texts) of these.

    Raises:
        TypeError: for any other object.
        ValueError: when it takes more than ``LARGEST`` bytes or is nested too deeply.
    """
    arrays: list[bytes] = []
    head = json.dumps({"value": _tree(value, arrays, 0), "arrays": [len(array) for array in arrays]}).encode("ascii")
    message = b"".join((struct.pack("!I", len(head)), head, *arrays))
    if len(message) > LARGEST:
        raise ValueError(f"{len(message)} bytes are more than {LARGEST}")
    return message


def decode(message: bytes) -> Any:
    """The value of these bytes.

    Raises:
        Malformed: when the encoder has not written them.
    """
    try:
        (length,) = struct.unpack_from("!I", message)
        head = json.loads(message[4 : 4 + length].decode("ascii"))
        sizes = head["arrays"]
        if set(head) != {"value", "arrays"} or not all(type(size) is int and size >= 0 for size in sizes):
            raise Malformed("another header")
        arrays, start = [], 4 + length
        for size in sizes:
            arrays.append(_array(message[start : start + size]))
            start += size
        if start != len(message):
            raise Malformed("another length")
        return _value(head["value"], arrays, 0)
    except Malformed:
        raise
    except Exception as error:  # whatever the bytes make a parser do
        raise Malformed(type(error).__name__) from None


def _tree(value: Any, arrays: list[bytes], depth: int) -> Any:
    if depth > _DEEPEST:
        raise ValueError("nested too deeply")
    if value is None or type(value) in (bool, str):
        return value
    if type(value) is float:
        return value if math.isfinite(value) else {"float": str(value)}
    if type(value) is int:
        if value.bit_length() > 3 * _LONGEST_NUMBER:
            return {"foreign": "a whole number of more than 900 digits"}
        return value
    if type(value) is complex:
        return {"complex": [_tree(value.real, arrays, depth + 1), _tree(value.imag, arrays, depth + 1)]}
    if value is ...:
        return {"dots": None}
    if isinstance(value, Foreign):
        kind = str(value.kind)[:300]
        return {"foreign": kind if value.holds is None else [kind, _tree(value.holds, arrays, depth + 1)]}
    if isinstance(value, np.ndarray | np.generic):
        return {"array" if isinstance(value, np.ndarray) else "entry": _stored(np.asarray(value), arrays)}
    if isinstance(value, dict):
        if not all(type(name) is str for name in value):
            raise TypeError("the keys of a dictionary should be texts")
        return {"dict": [[name, _tree(item, arrays, depth + 1)] for name, item in value.items()]}
    if isinstance(value, list | tuple):
        items = [_tree(item, arrays, depth + 1) for item in value]
        return items if isinstance(value, list) else {"tuple": items}
    raise TypeError(f"an object of type {type(value).__name__} cannot be sent")


def _stored(array: np.ndarray, arrays: list[bytes]) -> int:
    if array.dtype.kind not in _KINDS:
        raise TypeError(f"an array of {array.dtype} cannot be sent")
    if array.nbytes + sum(map(len, arrays)) > LARGEST:
        raise ValueError(f"an array of {array.nbytes} bytes is too large")
    file = io.BytesIO()
    np.lib.format.write_array(file, array, allow_pickle=False)
    arrays.append(file.getvalue())
    return len(arrays) - 1


def _array(data: bytes) -> np.ndarray:
    """An array in NumPy's format, whose header claims neither more nor less than what follows it."""
    file = io.BytesIO(data)
    shape, fortran, dtype = _VERSIONS[np.lib.format.read_magic(file)](file)
    rest = data[file.tell() :]
    count = math.prod(shape)
    if dtype.kind not in _KINDS or min(shape, default=0) < 0 or count * dtype.itemsize != len(rest):
        raise Malformed("another array")
    flat = np.frombuffer(rest, dtype, count).copy() if count and dtype.itemsize else np.zeros(count, dtype)
    if dtype.kind == "U":
        flat.tolist()  # raises ValueError where a character is none
    return flat.reshape(shape, order="F" if fortran else "C")


def _value(tree: Any, arrays: list[np.ndarray], depth: int) -> Any:
    if depth > _DEEPEST:
        raise Malformed("nested too deeply")
    if isinstance(tree, list):
        return [_value(item, arrays, depth + 1) for item in tree]
    if not isinstance(tree, dict):
        return tree  # a number, a text or None
    ((tag, content),) = tree.items()
    match tag:
        case "tuple":
            return tuple(_value(item, arrays, depth + 1) for item in content)
        case "dict":
            if not all(isinstance(name, str) for name, _ in content):
                raise Malformed("another dictionary")
            return {name: _value(item, arrays, depth + 1) for name, item in content}
        case "array" | "entry" if type(content) is int and 0 <= content < len(arrays):
            return arrays[content] if tag == "array" else arrays[content][()]
        case "complex":
            real, imaginary = (float(_value(part, arrays, depth + 1)) for part in content)
            return complex(real, imaginary)
        case "float" if content in ("nan", "inf", "-inf"):
            return float(content)
        case "dots":
            return ...
        case "foreign" if isinstance(content, str):
            return Foreign(content[:300])
        case "foreign" if isinstance(content, list) and len(content) == 2 and isinstance(content[0], str):
            return Foreign(content[0][:300], _value(content[1], arrays, depth + 1))
    raise Malformed(f"the tag {str(tag)[:20]!r}")
