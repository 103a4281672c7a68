"""A copy sees one moment of its source, and says where in the source's log that was."""

from __future__ import annotations

import contextlib
import threading

import pytest
from mariadb_source import Mariadb
from postgres_stand import Postgres, wait_until
from stream_cases import convert, settings

from repman.streams.job import TableChoice

MOVES = ("UPDATE a SET amount = amount - 1 WHERE id = 1", "UPDATE b SET amount = amount + 1 WHERE id = 1")


class Mover(threading.Thread):
    """Moves amounts from one table to the other; their sum stays the same in every moment."""

    def __init__(self, server: Mariadb | Postgres) -> None:
        super().__init__()
        self.server = server
        self.ended = threading.Event()
        self.moved = 0

    def run(self) -> None:
        connection = self.server.connect()
        with contextlib.closing(connection), connection.cursor() as cursor:
            while not self.ended.is_set():
                cursor.execute("BEGIN")
                for statement in MOVES:
                    cursor.execute(statement)
                cursor.execute("COMMIT")
                self.moved += 1


@pytest.fixture(params=["mariadb", "postgresql"])
def ends(
    request: pytest.FixtureRequest, mariadb: Mariadb, postgres: Postgres
) -> tuple[Mariadb | Postgres, Mariadb | Postgres]:
    return (mariadb, postgres) if request.param == "mariadb" else (postgres, mariadb)


def test_all_tables_are_of_one_moment(ends: tuple[Mariadb | Postgres, Mariadb | Postgres]) -> None:
    source, target = ends
    for table in ("a", "b"):
        source.run(f"CREATE TABLE {table} (id INT PRIMARY KEY, amount INT)", f"INSERT INTO {table} VALUES (1, 0)")
    thread = Mover(source)
    thread.start()
    try:
        seen = set()
        for number in range(4):
            before = thread.moved
            wait_until(lambda before=before: thread.moved > before, what="a move")
            tables = [TableChoice(name, target=f"{name}{number}") for name in ("a", "b")]
            wanted = settings(
                source.endpoint(), target.endpoint(), *tables, stream=f"stream_{number}", verify=False, parallel=4
            )
            progress = convert(wanted)
            assert progress.warnings == ()
            one, other = (target.value(f"SELECT amount FROM {name}{number}") for name in ("a", "b"))
            assert one + other == 0
            seen.add(one)
        assert len(seen) == 4, "nothing was written while it was copied"
    finally:
        thread.ended.set()
        thread.join()


def test_the_position_is_that_of_the_rows(mariadb: Mariadb, postgres: Postgres) -> None:
    mariadb.run("CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    progress = convert(settings(mariadb.endpoint(), postgres.endpoint(), "t"))
    assert progress.position == mariadb.value("SELECT @@gtid_binlog_pos")
    before = postgres.value("SELECT pg_current_wal_lsn()")
    progress = convert(settings(postgres.endpoint(), mariadb.endpoint(), TableChoice("t", target="u")))
    assert postgres.run(
        f"SELECT '{progress.position}'::pg_lsn >= '{before}', '{progress.position}'::pg_lsn <= pg_current_wal_lsn()"
    ) == [(True, True)]
    # the position stays what it was when the same stream goes on later
    mariadb.run("INSERT INTO t VALUES (2)")
    again = convert(settings(mariadb.endpoint(), postgres.endpoint(), "t", verify=False))
    assert (
        again.position
        == mariadb.value("SELECT @@gtid_binlog_pos").rpartition("-")[0] + "-" + again.position.rpartition("-")[2]
    )
    assert again.position != mariadb.value("SELECT @@gtid_binlog_pos")


def test_without_holding_writes_the_moments_differ_and_it_is_said(
    mariadb: Mariadb, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of the test above: with the protection off, the writer is seen between the sessions."""
    monkeypatch.setattr("repman.streams.convert.copy_snapshot._TRIES", 1)
    monkeypatch.setattr("repman.streams.convert.copy_snapshot._locked", lambda keeper: False)
    for table in ("a", "b"):
        mariadb.run(f"CREATE TABLE {table} (id INT PRIMARY KEY, amount INT)", f"INSERT INTO {table} VALUES (1, 0)")
    thread = Mover(mariadb)
    thread.start()
    try:
        told = []
        for number in range(5):
            before = thread.moved
            wait_until(lambda before=before: thread.moved > before, what="a move")
            tables = [TableChoice(name, target=f"{name}{number}") for name in ("a", "b")]
            told += convert(
                settings(
                    mariadb.endpoint(), postgres.endpoint(), *tables, stream=f"s{number}", verify=False, parallel=8
                )
            ).warnings
    finally:
        thread.ended.set()
        thread.join()
    assert any("do not see one moment" in text for text in told)
