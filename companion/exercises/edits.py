"""Other answers as edits of the worked solution: how an exercise's text lists them, and what they hand in.

The text has one line for each, and what to tell about it indented below:

    only the last step counts: `da, x)` => `da[-1:], x[-1:])`
        The weight is the same at all steps, and its gradient is a sum over them.
    the gates go through tanh: every `sigmoid(` => `np.tanh(`
        A gate lies between 0 and 1, and lets nothing through or all. Which function does that?
    shares of the total: `result` => `result / result.sum()`
        Nothing is divided here.
    stacked the other way round: as if `first` were `"h" if first == "x" else "x"`
        Of the columns of W the first belong to «first», the last to «second».
    two steps at once: `- 1]` => `- 2]` when `delay > 1`
        How many steps lie between the two?
    and powers overflow: `logits - logits.max()` => `logits`
        Besides, the exponentials of large logits overflow.
    right: `result` => `list(result)`
    hint: The weight acts at every step. What does a value used many times get?
    reward: One weight, T steps, one gradient: this sum is what makes a recurrent network trainable.

What stands left of an arrow is found in the solution exactly once (with ``every``, at least twice), as the text has it,
before words are filled in; several edits of one mistake are separated by commas. ``result`` is what the solution
returned, beside which its arguments have their names. ``as if`` takes the words of another option of the question.
A line that begins with ``and`` makes another mistake of each one above it, by a further edit.
Conditions and options are Python, of the options and words of the question.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

RESULT = "result"
OTHERS = ("right", "hint", "reward")  # labels of what is no mistake
_EDIT = r"(?:every )?`[^`]+` => `[^`]*`"
_LINE = re.compile(
    rf"(?P<label>.+?): (?P<edits>{_EDIT}(?:, {_EDIT})*|as if `\w+` were `[^`]+`)(?: when `(?P<when>[^`]+)`)?"
)
_TOLD = re.compile(r"(?P<label>hint|reward): (?P<text>.+?)(?: when `(?P<when>[^`]+)`)?")
_PIECE = re.compile(r"(every )?`([^`]+)` => `([^`]*)`")
_OPTION = re.compile(r"as if `(\w+)` were `([^`]+)`")
_PLACE = re.compile(r"«([\w.]+)»")


@dataclass(frozen=True)
class Piece:
    """A piece of code and what stands in its place; ``every`` of several equal ones, or the only one."""

    old: str
    new: str
    every: bool = False


@dataclass(frozen=True)
class Edit:
    """What makes another answer of the worked solution.

    Attributes:
        pieces: of its code, replaced one after the other.
        result: what stands in the place of the result, as an expression of it and of the arguments.
        words: used in the place of the question's own.
        options: asked in the place of the question's own; their words are used.
    """

    pieces: tuple[Piece, ...] = ()
    result: str = ""
    words: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Note:
    """A line of the text: a mistake, or what OTHERS are, with what is told of it.

    Attributes:
        label: the mistake's name, or one of OTHERS; it begins with ``and`` where it is added to others.
        text: what to tell; '' for a right form.
        pieces, result: as of :class:`Edit`.
        option: name and expression of another option.
        when: the condition under which it holds.
    """

    label: str
    text: str
    pieces: tuple[Piece, ...] = ()
    result: str = ""
    option: tuple[str, str] | None = None
    when: str = "True"

    def holds(self, scope: Mapping[str, Any]) -> bool:
        return bool(_value(self.when, scope))

    def edit(self, scope: Mapping[str, Any]) -> Edit:
        """The edit, for the options and words of a question."""
        options = {} if self.option is None else {self.option[0]: _value(self.option[1], scope)}
        return Edit(self.pieces, self.result, options=options)


def parse(text: str) -> Iterator[Note]:
    """The notes of an exercise's text.

    Raises:
        ValueError: when a line is none.
    """
    for block in filter(None, re.split(r"\n(?=\S)", text.strip())):
        line, *rest = block.split("\n")
        told = " ".join(" ".join(rest).split())
        if plain := _TOLD.fullmatch(" ".join([line, told]).strip()):
            yield Note(plain["label"], plain["text"], when=plain["when"] or "True")
            continue
        found = _LINE.fullmatch(line)
        if found is None or bool(told) == (found["label"] == "right"):
            raise ValueError(
                f"expected `name: `old` => `new`` and a text indented below it, or `hint: …`, got {block!r}"
            )
        option = _OPTION.fullmatch(found["edits"])
        pieces = tuple(Piece(old, new, bool(every)) for every, old, new in _PIECE.findall(found["edits"]))
        results = [piece.new for piece in pieces if piece.old == RESULT]
        if len(results) > 1:
            raise ValueError(f"{found['label']}: the result can be replaced once only")
        yield Note(
            found["label"],
            told,
            tuple(piece for piece in pieces if piece.old != RESULT),
            results[0] if results else "",
            (option[1], option[2]) if option else None,
            found["when"] or "True",
        )


@dataclass(frozen=True)
class Solution:
    """The worked solution of an exercise as its text has it, with «places» for words.

    Attributes:
        name: what it defines.
        given: the code before it, cell by cell.
        code: its own cell.
    """

    name: str
    given: tuple[str, ...]
    code: str

    def edited(self, pieces: Iterable[Piece]) -> str:
        """The code with these pieces replaced.

        Raises:
            ValueError: when a piece stands in it another number of times than it should.
        """
        code = self.code
        for piece in pieces:
            count = code.count(piece.old)
            if not (count > 1 if piece.every else count == 1):
                wanted = "at least twice" if piece.every else "once"
                raise ValueError(f"`{piece.old}` should stand in the solution {wanted}, and stands there {count} times")
            code = code.replace(piece.old, piece.new)
        return code

    def hands_in(self, words: Mapping[str, str], edit: Edit) -> Any:
        """What someone hands in who wrote the solution with these words and this edit.

        Raises:
            ValueError: when a piece stands in it another number of times than it should, or a place has no words.
        """
        scope: dict[str, Any] = {"np": np}
        for source in (*self.given, self.edited(edit.pieces)):
            exec(compile(fill(source, words), f"<solution of {self.name}>", "exec"), scope)
        if not edit.result:
            return scope[self.name]
        return _with_result(scope, self.name, fill(edit.result, words))


def _with_result(scope: dict[str, Any], name: str, expression: str) -> Any:
    """What a name stands for in a scope, or if it is a function one, with something else made of its result."""
    value = scope[name]
    compiled = compile(expression, f"<result of {name}>", "eval")
    if not callable(value):
        return eval(compiled, scope | {RESULT: value})
    names = list(inspect.signature(value).parameters)

    def changed(*given: Any) -> Any:
        return eval(compiled, scope | dict(zip(names, given, strict=True)) | {RESULT: value(*given)})

    return changed


def fill(text: str, words: Mapping[str, str]) -> str:
    """The text with every «name» replaced.

    Raises:
        ValueError: when a name has no words.
    """

    def word(place: re.Match[str]) -> str:
        if place[1] not in words:
            raise ValueError(f"«{place[1]}» stands in the text, but the exercise has words only for {sorted(words)}")
        return words[place[1]]

    return _PLACE.sub(word, text)


def _value(expression: str, scope: Mapping[str, Any]) -> Any:
    return eval(expression, dict(scope))
