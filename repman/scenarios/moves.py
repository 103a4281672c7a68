"""Scenarios in which an operator moves the writer."""

from __future__ import annotations

import contextlib
import threading
import time

import pymysql

from repman.model.command import CommandKind
from repman.scenarios import traffic
from repman.scenarios.field import Field
from repman.scenarios.ground import Unmet, Unplayable

_LONG_STATEMENT = 60


def twice_under_writes(field: Field) -> None:
    """The writer moves twice under writes."""
    with field.writes() as made:
        for _ in range(2):
            field.switchover()
            field.healthy()
            field.flows(made)
    field.compare()


def there_and_back(field: Field) -> None:
    """The writer moves away and back."""
    first = field.writer
    second = field.switchover()
    field.healthy()
    last = field.switchover(to=first)
    if last != first:
        raise Unmet(f"the writer went from {field.name(second)} to {field.name(last)}, not back to {field.name(first)}")
    field.healthy()


def others_read_only(field: Field) -> None:
    """After a switchover all but the writer are read-only."""
    field.switchover()
    field.healthy()
    for address in field.replicas:
        with contextlib.closing(field.connect(address)) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT @@global.read_only")
            if cursor.fetchone() != (1,):
                raise Unmet(f"{field.name(address)} is not read-only")


def with_open_transaction(field: Field) -> None:
    """A transaction that nobody ends is cut, and the switchover goes on."""
    with field.writes() as made:
        with contextlib.closing(made.connect()) as idle, idle.cursor() as cursor:
            cursor.execute("START TRANSACTION")
            cursor.execute(f"INSERT INTO {traffic.SCHEMA}.written (run, writer, number) VALUES ('open', 0, 0)")
            field.switchover()
            with contextlib.suppress(pymysql.Error):
                cursor.execute("COMMIT")
                raise Unmet("a transaction that was open during the switchover was committed afterwards")
        field.flows(made)
    field.compare()


def with_long_write(field: Field) -> None:
    """A long write keeps the writer where it is."""
    before, limit = field.writer, field.long_write
    if limit <= 0 or limit > _LONG_STATEMENT / 2:
        raise Unplayable(f"a write is long here after {limit:g} s only; set switchover-wait-trx to 30 or less")
    made = field.lay_traffic(1, 1.0)
    with contextlib.closing(made.connect()) as connection:
        writing = threading.Thread(target=_write_long, args=(connection,), daemon=True)
        began = time.monotonic()
        writing.start()
        field.pause(limit + 3.0 - (time.monotonic() - began))
        try:
            receipt = field.ask(CommandKind.SWITCHOVER)
        finally:
            _kill(field, before)
            writing.join(10.0)
    if receipt.status != "refused" or field.writer != before:
        raise Unmet(f"the switchover was {receipt.status} while a write ran for {limit:g} s: {receipt.sentence}")


def _write_long(connection: traffic.Connection) -> None:
    with contextlib.suppress(pymysql.Error, OSError), connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {traffic.SCHEMA}.written (run, writer, number) "
            f"WITH RECURSIVE seconds(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM seconds WHERE i < {_LONG_STATEMENT}) "
            "SELECT 'long', 0, i + SLEEP(1) FROM seconds"
        )


def _kill(field: Field, address: str) -> None:
    """End the long write, so that the cluster is as it was."""
    with contextlib.closing(field.connect(address)) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM information_schema.processlist WHERE info LIKE 'INSERT INTO repman_traffic%SLEEP%'"
        )
        for (number,) in cursor.fetchall():
            with contextlib.suppress(pymysql.Error):
                cursor.execute(f"KILL {int(number)}")
