"""The process in which one submission runs: its cells, then one exercise after the other when the parent asks.

It knows no expected values, and what it sends is taken by the parent as data from a stranger.
"""

from __future__ import annotations

import os
from multiprocessing.connection import Connection
from typing import Any, NoReturn

from companion.grade import apart

with apart.without_checks():  # before anything else imports companion.exercises
    from companion.exercises.attempts import Attempt, Foreign, Raised, attempt, last_line, plain
    from companion.grade import cells, messages
    from companion.grade.codec import decode, encode
from companion.grade.confinement import Confinement, confine

BROKEN = 70  # the exit status when the process cannot go on, which no submission needs to know


def run(connection: Connection, confinement: Confinement) -> None:
    """Serve the parent until it ends this process or is gone."""
    try:
        confine(confinement, connection.fileno())
        _serve(connection, apart.set_apart(_kept))
    finally:
        os._exit(BROKEN)  # no atexit handler, no thread and no destructor of the submission's runs


def _kept(answer: Any) -> Any:
    """What is noted of an answer that was checked: of values a copy, which no later line changes."""
    try:
        value = plain(answer)
    except BaseException:  # of an object of the student's, or because memory is short
        return answer
    return answer if callable(answer) or isinstance(value, Foreign) else value


def _serve(connection: Connection, checked: dict[str, Any]) -> NoReturn:
    def send(message: Any) -> None:
        connection.send_bytes(encode(message))

    send({"ready": True})
    task = decode(connection.recv_bytes())
    namespace = cells.new_namespace()
    cells.run_cells(
        [cells.Cell(*cell) for cell in task["cells"]],
        namespace,
        task["seconds"],
        task["total"],
        lambda number: send({"cell": number}),
        lambda number, text: send({"problem": [number, text[:1000]]}),
    )
    send({"ran": True})
    while True:
        send(_answer(namespace, checked, decode(connection.recv_bytes())))


def _answer(namespace: dict[str, Any], checked: dict[str, Any], question: dict[str, Any]) -> dict[str, Any]:
    """What came of one of the answers to a question, and how many there are."""
    answers = _answers(namespace, checked, question["exercise"], question["name"])
    if not answers:
        return {"undefined": True}
    try:
        answer = answers[min(question["answer"], len(answers) - 1)]
        made = attempt(answer, messages.to_cases(question["cases"]), question["seconds"])
    except BaseException as error:  # of the value itself: one that contains itself, or a KeyboardInterrupt raised
        made = Attempt((Raised(last_line(error)),))
    return {"attempt": messages.from_attempt(made), "answers": len(answers)}


def _answers(namespace: dict[str, Any], checked: dict[str, Any], exercise: str, name: str) -> list[Any]:
    """The answer that was checked last, and the one that has the name in the end, if that is another."""
    found = [checked[exercise]] if exercise in checked else []
    if name in namespace and not (found and _is_same(found[0], namespace[name])):
        found.append(namespace[name])
    return found


def _is_same(checked: Any, answer: Any) -> bool:
    """Whether an answer is the one that was checked; where that cannot be told it is taken for another."""
    try:
        return checked is answer or encode(checked) == encode(plain(answer))
    except BaseException:  # functions among them, which are sent nowhere
        return False
