"""The process in which one submission runs: its cells, then one exercise after the other when the parent asks.

It knows no expected values, and what it sends is taken by the parent as data from a stranger.
"""

from __future__ import annotations

import os
from multiprocessing.connection import Connection
from typing import Any, NoReturn

from companion.grade import apart

with apart.without_checks():  # before anything else imports companion.exercises
    from companion.exercises.attempts import Attempt, Raised, attempt, last_line
    from companion.grade import cells, messages
    from companion.grade.codec import decode, encode
from companion.grade.confinement import Confinement, confine

BROKEN = 70  # the exit status when the process cannot go on, which no submission needs to know


def run(connection: Connection, confinement: Confinement) -> None:
    """Serve the parent until it ends this process or is gone."""
    try:
        confine(confinement, connection.fileno())
        apart.set_apart()
        _serve(connection)
    finally:
        os._exit(BROKEN)  # no atexit handler, no thread and no destructor of the submission's runs


def _serve(connection: Connection) -> NoReturn:
    def send(message: Any) -> None:
        connection.send_bytes(encode(message))

    send({"ready": True})
    task = decode(connection.recv_bytes())
    namespace = cells.new_namespace()
    cells.run_cells(
        task["cells"],
        namespace,
        task["seconds"],
        lambda number: send({"cell": number}),
        lambda number, text: send({"problem": [number, text[:1000]]}),
    )
    send({"ran": True})
    while True:
        send(_answer(namespace, decode(connection.recv_bytes())))


def _answer(namespace: dict[str, Any], question: dict[str, Any]) -> dict[str, Any]:
    if question["name"] not in namespace:
        return {"undefined": True}
    try:
        made = attempt(namespace[question["name"]], messages.to_cases(question["cases"]), question["seconds"])
        return {"attempt": messages.from_attempt(made)}
    except BaseException as error:  # of the value itself: one that contains itself, or a KeyboardInterrupt raised
        return {"attempt": messages.from_attempt(Attempt((Raised(last_line(error)),)))}
