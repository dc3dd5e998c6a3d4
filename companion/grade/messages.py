"""What child and parent tell each other, as values that the codec knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from companion.exercises.attempts import Attempt, Endless, Foreign, Missing, Outcome, Raised, Returned
from companion.exercises.model import Case
from companion.grade.codec import Malformed, encode

_LONGEST = 1000  # characters of any text about an outcome


def from_cases(cases: Sequence[Case]) -> list[Any]:
    return [{"name": case.name, "arguments": dict(case.arguments)} for case in cases]


def to_cases(sent: list[Any]) -> tuple[Case, ...]:
    return tuple(Case(case["name"], case["arguments"]) for case in sent)


def from_attempt(attempt: Attempt) -> dict[str, Any]:
    """An attempt as a value; a returned value too large to send is replaced by a word about it."""
    outcomes = list(map(_from_outcome, attempt.outcomes))
    again = None if attempt.again is None else _from_outcome(attempt.again)
    sent = {"outcomes": outcomes, "again": again, "unfinished": attempt.unfinished[:_LONGEST]}
    try:
        encode(sent)
    except (TypeError, ValueError):  # each is small enough, and all together are not
        sent["outcomes"] = [_from_outcome(Returned(_TOO_LARGE)) for _ in outcomes]
        sent["again"] = None
    return sent


_TOO_LARGE = Foreign("too large or too deeply nested for the grader")


def _from_outcome(outcome: Outcome) -> dict[str, Any]:
    match outcome:
        case Returned(value, changed):
            try:
                encode(value)
            except (TypeError, ValueError):
                value = _TOO_LARGE
            return {"returned": value, "changed": list(changed)}
        case Raised(message, place):
            return {"raised": message[:_LONGEST], "place": place[:_LONGEST]}
        case Endless(seconds, place):
            return {"endless": float(seconds), "place": place[:_LONGEST]}
        case Missing(reason):
            return {"missing": reason[:_LONGEST]}


def to_attempt(sent: Any, calls: int, names: Sequence[str]) -> Attempt:
    """The attempt in a message.

    Args:
        sent: what the child wrote.
        calls: how many cases it was given; 0 where a value is asked for.
        names: of the arguments.

    Raises:
        Malformed: when it is none, or none of so many calls.
    """
    fields = _fields(sent, "outcomes", "again", "unfinished")
    if not isinstance(fields["outcomes"], list):
        raise Malformed("no list of outcomes")
    outcomes = tuple(_to_outcome(outcome, names) for outcome in fields["outcomes"])
    again = None if fields["again"] is None else _to_outcome(fields["again"], names)
    unfinished = _text(fields["unfinished"])
    whole = len(outcomes) == max(calls, 1)
    ended_early = 0 < len(outcomes) < calls and isinstance(outcomes[-1], Endless | Missing | Raised)
    if not (whole or ended_early or (not outcomes and unfinished)):
        raise Malformed("another number of outcomes")
    return Attempt(outcomes, again, unfinished)


def _to_outcome(sent: Any, names: Sequence[str]) -> Outcome:
    if not isinstance(sent, dict) or not sent:
        raise Malformed("no outcome")
    match next(iter(sent)):
        case "returned":
            fields = _fields(sent, "returned", "changed")
            changed = fields["changed"]
            if not isinstance(changed, list) or not all(isinstance(n, str) and n in names for n in changed):
                raise Malformed("another argument")
            return Returned(fields["returned"], tuple(changed))
        case "raised":
            fields = _fields(sent, "raised", "place")
            return Raised(_text(fields["raised"]), _text(fields["place"]))
        case "endless":
            fields = _fields(sent, "endless", "place")
            if type(fields["endless"]) is not float:
                raise Malformed("no seconds")
            return Endless(fields["endless"], _text(fields["place"]))
        case "missing":
            return Missing(_text(_fields(sent, "missing")["missing"]))
    raise Malformed("another outcome")


def _fields(sent: Any, *names: str) -> dict[str, Any]:
    if not isinstance(sent, dict) or tuple(sent) != names:
        raise Malformed("other fields")
    return sent


def _text(sent: Any) -> str:
    if not isinstance(sent, str) or len(sent) > _LONGEST:
        raise Malformed("no text, or a long one")
    return sent
