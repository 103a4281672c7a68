"""Short sessions for single questions of the API; what moves data has its own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
import pymysql
from psycopg import sql

from repman.errors import StreamFailed, StreamUnreachable
from repman.streams.connection import mysql, place, postgresql, reason
from repman.streams.job import Endpoint, Family
from repman.streams.structure.table import Engine, quoted

SECONDS = 8
"""Of patience with an answer; clients of the API wait ten."""


def rows(endpoint: Endpoint, question: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
    """The answer to one question; raises StreamUnreachable and StreamFailed."""
    with _session(endpoint) as session, session.cursor() as cursor:
        cursor.execute(question, values or None)
        return list(cursor.fetchall())


def statement(endpoint: Endpoint, text: str, name: str) -> None:
    """Run a statement about a name, which stands at ``{}``; raises StreamUnreachable and StreamFailed."""
    with _session(endpoint) as session, session.cursor() as cursor:
        if endpoint.family is Family.MYSQL:
            cursor.execute(text.format(quoted(Engine.MYSQL, name)))
        else:
            cursor.execute(sql.SQL(text).format(sql.Identifier(name)))


@contextlib.contextmanager
def _session(endpoint: Endpoint) -> Iterator[Any]:
    session: Any
    if endpoint.family is Family.MYSQL:
        session = mysql(endpoint)
        # A session that moves data waits longer, as sorting a large table takes its time.
        session._read_timeout = SECONDS
    else:
        session = postgresql(endpoint)
    try:
        if endpoint.family is Family.POSTGRESQL:
            session.execute(f"SET statement_timeout = '{SECONDS}s'")
        yield session
    except (pymysql.OperationalError, psycopg.OperationalError, OSError) as error:
        raise StreamUnreachable(f"{place(endpoint)} does not answer: {reason(error)}") from None
    except (pymysql.Error, psycopg.Error) as error:
        raise StreamFailed(f"{place(endpoint)} refuses: {reason(error)}") from None
    finally:
        with contextlib.suppress(pymysql.Error, psycopg.Error, OSError):
            session.close()
