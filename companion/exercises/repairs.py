"""Exercises that give a program with a bug: one piece of the right program replaced, and what is handed in then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from companion.exercises.activations import Activation
from companion.exercises.edits import Edit, Piece
from companion.exercises.model import Misconception


@dataclass(frozen=True)
class Bug:
    """A wrong piece of a program, with the activation of its network.

    Attributes:
        name, hint: as of a misconception.
        why: what the repair changes, for the worked solution.
        f: the activation.
        place: which of the right program's pieces is wrong.
        code: what stands there.
    """

    name: str
    hint: str
    why: str
    f: Activation
    place: str
    code: str


def unrepaired(bug: Bug, bugs: Sequence[Bug], right: Mapping[str, str], symptom: str) -> tuple[Misconception, ...]:
    """The given bug left in the program, with its symptom as the hint; and each other bug in its place.

    ``right`` has the pieces of the right program by their places.
    """
    return tuple(
        Misconception(
            "the bug is still in it" if one is bug else one.name,
            symptom if one is bug else one.hint,
            Edit((Piece(right[one.place], one.code),)),
        )
        for one in bugs
    )
