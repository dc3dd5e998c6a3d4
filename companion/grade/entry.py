"""Where a child begins. Parents import this module in place of the child's, which sets itself apart."""

from __future__ import annotations

from multiprocessing.connection import Connection

from companion.grade.confinement import Confinement


def begin(connection: Connection, confinement: Confinement) -> None:
    from companion.grade import child

    child.run(connection, confinement)
