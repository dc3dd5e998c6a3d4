"""What children send is data: all comes back as it was sent, and bytes from a stranger raise Malformed alone."""

import io
import json
import pickle
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from companion.exercises.attempts import Attempt, Endless, Foreign, Missing, Raised, Returned
from companion.exercises.model import Case
from companion.grade import messages
from companion.grade.codec import LARGEST, Malformed, decode, encode

KINDS = st.one_of(
    hnp.boolean_dtypes(),
    hnp.integer_dtypes(),
    hnp.floating_dtypes(),
    hnp.complex_number_dtypes(),
    st.just(np.dtype("U3")),
)
ARRAYS = hnp.arrays(KINDS, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.complex_numbers(), st.text(), st.just(...), ARRAYS
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.text(), inner, max_size=3),
        inner.map(lambda held: Foreign("a generator", held)),
    ),
    max_leaves=8,
)


def alike(left, right):
    if type(left) is not type(right):
        return False
    if isinstance(left, np.ndarray | np.generic):
        return left.dtype == right.dtype and left.shape == right.shape and left.tobytes() == right.tobytes()
    if isinstance(left, dict):
        return list(left) == list(right) and all(alike(left[key], right[key]) for key in left)
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(alike, left, right))
    if isinstance(left, Foreign):
        return left.kind == right.kind and alike(left.holds, right.holds)
    return repr(left) == repr(right)


@given(VALUES)
def test_a_value_comes_back_as_it_was(value):
    assert alike(decode(encode(value)), value)


@pytest.mark.parametrize("value", [np.float32(0.1), np.int64(3), np.asfortranarray(np.arange(6.0).reshape(2, 3))])
def test_single_entries_and_columns_first_arrays_keep_their_kind(value):
    back = decode(encode(value))
    assert alike(back, value)
    assert back.strides == value.strides


def test_an_array_that_comes_back_can_be_written_to():
    back = decode(encode(np.zeros(3)))
    back[0] = 1
    assert back.tolist() == [1, 0, 0]


@given(st.binary(max_size=60))
def test_any_bytes_raise_odd(data):
    with pytest.raises(Malformed):
        decode(data)


@given(VALUES, st.data())
def test_changed_bytes_raise_odd_or_give_a_value(value, data):
    message = bytearray(encode(value))
    place = data.draw(st.integers(0, len(message) - 1))
    message[place] = data.draw(st.integers(0, 255))
    try:
        decode(bytes(message))
    except Malformed:
        pass


def message_of(tree, *arrays, sizes=None):
    head = json.dumps({"value": tree, "arrays": [len(a) for a in arrays] if sizes is None else sizes}).encode()
    return struct.pack("!I", len(head)) + head + b"".join(arrays)


def stored(header, data=b""):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue() + data


class Bomb:
    ran = False

    def __reduce__(self):
        return setattr, (Bomb, "ran", True)


@pytest.mark.parametrize(
    "message",
    [
        message_of({"array": 0}, stored({"descr": "<f8", "fortran_order": False, "shape": (10**12,)})),
        message_of({"array": 0}, stored({"descr": "<f8", "fortran_order": False, "shape": (-1, -1)}, bytes(8))),
        message_of(
            {"array": 0}, stored({"descr": "|O", "fortran_order": False, "shape": (1,)}, pickle.dumps([Bomb()]))
        ),
        message_of({"array": 0}, stored({"descr": [("a", "<f8")], "fortran_order": False, "shape": (1,)}, bytes(8))),
        message_of({"array": 0}, stored({"descr": "<U1", "fortran_order": False, "shape": (1,)}, b"\xff\xff\xff\xff")),
        message_of({"array": 0}, stored({"descr": "<f8", "fortran_order": False, "shape": (1,)}, bytes(16))),
        message_of({"array": 0}),
        message_of({"array": -1}, stored({"descr": "<f8", "fortran_order": False, "shape": ()}, bytes(8))),
        message_of({"array": True}, stored({"descr": "<f8", "fortran_order": False, "shape": ()}, bytes(8))),
        message_of({"pickle": "x"}),
        message_of({"tuple": [], "dict": []}),
        message_of({"float": "1e5"}),
        message_of({"complex": [1]}),
        message_of({"dict": [[1, 2]]}),
        message_of(1, sizes=[-1]),
        message_of(1, b"more")[:-1],
        message_of(json.loads("[" * 60 + "]" * 60)),
        struct.pack("!I", 2**32 - 1) + b"{}",
        struct.pack("!I", 200000) + b"[" * 200000,
        pickle.dumps(Bomb()),
    ],
)
def test_crafted_messages_are_odd(message):
    with pytest.raises(Malformed):
        decode(message)
    assert not Bomb.ran


def test_what_cannot_be_sent_says_so():
    for value, error in [(Bomb(), TypeError), ({1: 2}, TypeError), (np.array([None]), TypeError)]:
        with pytest.raises(error):
            encode(value)
    with pytest.raises(ValueError, match="too large"):
        encode(np.zeros(LARGEST // 8 + 1))
    endless = []
    endless.append(endless)
    with pytest.raises(ValueError, match="too deeply"):
        encode(endless)


def test_a_number_too_long_to_write_is_named():
    assert decode(encode(10**5000)) == Foreign("a whole number of more than 900 digits")
    assert decode(encode(10**900)) == 10**900


ATTEMPTS = [
    Attempt((Returned(np.ones(2), ("x",)), Raised("ValueError: no", "line 3")), Returned(np.ones(2)), "return ..."),
    Attempt((Returned({"h": 1.5}), Endless(2.0))),
    Attempt((Missing("nothing"),)),
    Attempt((), unfinished="..."),
]


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_an_attempt_comes_back_as_it_was(attempt):
    back = messages.to_attempt(decode(encode(messages.from_attempt(attempt))), 2, ("x",))
    assert repr(back) == repr(attempt)


def test_cases_come_back_as_they_were():
    cases = (Case("one", {"x": np.ones(2), "w": {"b": 1}, "words": ["a", None]}), Case("two", {"x": 1.0}))
    assert repr(messages.to_cases(decode(encode(messages.from_cases(cases))))) == repr(cases)


@pytest.mark.parametrize(
    "change",
    [
        lambda sent: sent["outcomes"].append(sent["outcomes"][0]),
        lambda sent: sent["outcomes"].pop(),
        lambda sent: sent["outcomes"].__setitem__(0, {"returned": 1}),
        lambda sent: sent["outcomes"].__setitem__(0, {"returned": 1, "changed": ["y"]}),
        lambda sent: sent["outcomes"].__setitem__(0, {"returned": 1, "changed": [np.ones(2)]}),
        lambda sent: sent["outcomes"].__setitem__(0, {"raised": 1, "place": ""}),
        lambda sent: sent["outcomes"].__setitem__(0, {"endless": "long"}),
        lambda sent: sent["outcomes"].__setitem__(0, {}),
        lambda sent: sent["outcomes"].__setitem__(0, 3),
        lambda sent: sent.__setitem__("unfinished", "x" * 5000),
        lambda sent: sent.__setitem__("again", 3),
        lambda sent: sent.__setitem__("outcomes", 3),
        lambda sent: sent.__setitem__("outcomes", []),
        lambda sent: sent.__setitem__("more", 3),
        lambda sent: sent.pop("again"),
    ],
)
def test_no_attempt_is_odd(change):
    sent = messages.from_attempt(Attempt((Returned(1.0), Returned(2.0)), Returned(1.0)))
    assert messages.to_attempt(sent, 2, ("x",)).outcomes[1] == Returned(2.0)
    change(sent)
    with pytest.raises(Malformed):
        messages.to_attempt(sent, 2, ("x",))


def test_a_returned_value_that_is_too_large_is_named_and_the_rest_is_kept():
    large = np.zeros(LARGEST // 8 + 1)
    sent = messages.from_attempt(Attempt((Returned(1.0), Returned(large)), Returned(1.0)))
    first, second = messages.to_attempt(sent, 2, ()).outcomes
    assert first == Returned(1.0)
    assert "too large" in second.value.kind
    half = np.zeros(LARGEST // 8 - 1000)
    sent = messages.from_attempt(Attempt((Returned(half), Returned(half))))
    assert all("too large" in outcome.value.kind for outcome in messages.to_attempt(sent, 2, ()).outcomes)
