"""Changes are followed: rows, whole tables and their structure, in all directions."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence

import pytest
from cdc_stand import Following, Side, following, rows_of, same, settings
from mariadb_source import Mariadb
from postgres_stand import Postgres, wait_until
from stream_cases import Case
from test_convert_mysql_types import CASES as MARIADB_CASES
from test_convert_mysql_types import make as make_mariadb
from test_convert_postgresql_types import CASES as POSTGRES_CASES
from test_convert_postgresql_types import make as make_postgresql

from repman.errors import PositionLost, StreamFailed
from repman.streams.cdc.cdc import Cdc
from repman.streams.job import Limits, OnError, Operation, Snapshot, TableChoice


@pytest.fixture(params=["mariadb", "postgres"])
def ends(request: pytest.FixtureRequest, mariadb: Mariadb, postgres: Postgres) -> tuple[Side, Side]:
    """Source and target, both ways."""
    return (mariadb, postgres) if request.param == "mariadb" else (postgres, mariadb)


def test_rows_and_whole_tables(ends: tuple[Side, Side]) -> None:
    source, target = ends
    source.run(
        "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(40), UNIQUE (v))", "INSERT INTO t VALUES (99, 'not followed')"
    )
    with following(settings(source.endpoint(), target.endpoint(), "t")) as stream:
        source.run("INSERT INTO t VALUES (1, 'it''s, \"so\"'), (2, 'NULL'), (3, NULL), (4, '')")
        source.run("UPDATE t SET v = 'new' WHERE id = 1", "UPDATE t SET id = 20 WHERE id = 2")
        source.run("DELETE FROM t WHERE id = 3")
        stream.applied(7)
        assert rows_of(target, "t") == [("1", "new"), ("20", "NULL"), ("4", "")]
        # values of a unique key change places
        source.run(
            "UPDATE t SET v = 'x' WHERE id = 1",
            "UPDATE t SET v = 'new' WHERE id = 4",
            "UPDATE t SET v = '' WHERE id = 1",
        )
        stream.applied(10)
        assert rows_of(target, "t") == [("1", ""), ("20", "NULL"), ("4", "new")]
        source.run("TRUNCATE TABLE t", "INSERT INTO t VALUES (5, 'after')")
        stream.applied(11)
        assert rows_of(target, "t") == [("5", "after")]
        progress = stream.progress
        assert (progress.source.rows, progress.target.rows, progress.failed) == (11, 11, 0)
        assert progress.tables[0].rows == 11
        assert progress.target.bytes == progress.source.bytes > 0
        assert progress.lag is not None
        assert progress.position


def test_a_paused_stream_goes_on_and_a_finished_one_is_over(ends: tuple[Side, Side]) -> None:
    source, target = ends
    source.run("CREATE TABLE t (id INT PRIMARY KEY)")
    wanted = settings(source.endpoint(), target.endpoint(), "t", limits=Limits(events=5))
    with following(wanted):
        source.run("INSERT INTO t VALUES (1), (2)")
        wait_until(lambda: len(rows_of(target, "t")) == 2, what="two rows")
    source.run("INSERT INTO t VALUES (3)", "INSERT INTO t VALUES (4), (5), (6)")
    for _ in range(2):
        stream = Following(wanted)
        wait_until(lambda stream=stream: stream.ended, what="the limit")  # type: ignore[misc]
        assert stream.error is None
        assert stream.progress.reason == "EVENT_LIMIT_REACHED"
        assert stream.progress.target.rows == 5
        assert rows_of(target, "t") == [("1",), ("2",), ("3",), ("4",), ("5",)]


def test_a_stream_ends_when_its_time_is_over(ends: tuple[Side, Side]) -> None:
    source, target = ends
    source.run("CREATE TABLE t (id INT PRIMARY KEY)")
    stream = Following(settings(source.endpoint(), target.endpoint(), "t", limits=Limits(seconds=1)))
    wait_until(lambda: stream.ended, what="the limit")
    assert stream.error is None
    assert stream.progress.reason == "TIME_LIMIT_REACHED"


def test_operations_that_are_chosen(ends: tuple[Side, Side]) -> None:
    source, target = ends
    source.run("CREATE TABLE t (id INT PRIMARY KEY, v INT)")
    choice = TableChoice("t", operations=frozenset({Operation.INSERT, Operation.UPDATE}))
    with following(settings(source.endpoint(), target.endpoint(), choice)) as stream:
        source.run(
            "INSERT INTO t VALUES (1, 1), (2, 2)", "DELETE FROM t WHERE id = 1", "UPDATE t SET v = 3 WHERE id = 2"
        )
        stream.applied(3)
        assert rows_of(target, "t") == [("1", "1"), ("2", "3")]


def test_the_structure_of_a_table_changes(ends: tuple[Side, Side]) -> None:
    source, target = ends
    source.run(
        "CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(10), b INT, z INT)", "CREATE TABLE u (id INT PRIMARY KEY)"
    )
    wanted = settings(source.endpoint(), target.endpoint(), "t", "u")
    with following(wanted) as stream:
        source.run("INSERT INTO t VALUES (1, 'a', 1, 0)")
        stream.applied(1)
    # the log is behind the catalog when the stream goes on
    source.run(
        "INSERT INTO t VALUES (2, 'b', 2, 0)",
        "ALTER TABLE t ADD COLUMN c INT NOT NULL DEFAULT 7",
        "INSERT INTO t VALUES (3, 'c', 3, 0, 3)",
        "ALTER TABLE t DROP COLUMN b",
        "INSERT INTO t VALUES (4, 'd', 0, 4)",
        "ALTER TABLE t RENAME COLUMN a TO name",
        "INSERT INTO u VALUES (1)",
    )
    widen = "MODIFY name VARCHAR(100)" if isinstance(source, Mariadb) else "ALTER COLUMN name TYPE varchar(100)"
    with following(wanted) as stream:
        stream.applied(5)
        source.run(f"ALTER TABLE t {widen}", f"INSERT INTO t VALUES (5, '{'e' * 100}', 0, 5)")
        stream.applied(6)
        same(source, target, ("t", "u"))
        found = target.run("SELECT * FROM t WHERE id = 1")
        assert [tuple(row) for row in found] == [(1, "a", 0, 7)]
    with following(wanted) as stream:
        source.run("INSERT INTO t VALUES (6, 'f', 0, 6)")
        stream.applied(7)
    same(source, target, ("t", "u"))


def test_columns_that_are_chosen(ends: tuple[Side, Side]) -> None:
    source, target = ends
    source.run("CREATE TABLE t (id INT PRIMARY KEY, a INT, b INT)")
    choice = TableChoice("t", columns=("id", "b"))
    with following(settings(source.endpoint(), target.endpoint(), choice)) as stream:
        source.run(
            "INSERT INTO t VALUES (1, 2, 3)", "ALTER TABLE t ADD COLUMN c INT", "INSERT INTO t VALUES (4, 5, 6, 7)"
        )
        stream.applied(2)
        assert rows_of(target, "t") == [("1", "3"), ("4", "6")]


def test_a_row_that_the_target_does_not_take(ends: tuple[Side, Side]) -> None:
    source, target = ends
    source.run("CREATE TABLE t (id INT PRIMARY KEY, v INT)")
    target.run("CREATE TABLE t (id INT PRIMARY KEY, v INT, CHECK (v < 100))")
    wanted = settings(source.endpoint(), target.endpoint(), "t", on_error=OnError.SKIP)
    with following(wanted) as stream:
        source.run("INSERT INTO t VALUES (1, 1), (2, 200), (3, 3)", "UPDATE t SET v = 4 WHERE id = 3")
        wait_until(lambda: stream.progress.failed == 1, what="the failure")
        stream.applied(3)
        assert rows_of(target, "t") == [("1", "1"), ("3", "4")]
        assert re.search(r"t \(id=2\)", stream.progress.errors[-1])
    where = "_streams_deadletters" if isinstance(target, Mariadb) else "_streams.deadletters"
    (kept,) = target.run(f"SELECT target, operation, row_text, code FROM {where}")
    assert kept[:2] == ("t", "insert")
    assert kept[2] in ("2,200", b"2,200")
    assert kept[3]
    stopping = settings(source.endpoint(), target.endpoint(), "t", stream="stream_2")
    stream = Following(stopping)
    source.run("INSERT INTO t VALUES (5, 500)")
    assert re.search(r"a change of t \(id=5\)", str(stream.failed()))
    assert rows_of(target, "t") == [("1", "1"), ("3", "4")]


def test_a_snapshot_before_the_changes(ends: tuple[Side, Side]) -> None:
    source, target = ends
    source.run("CREATE TABLE t (id INT PRIMARY KEY, v INT)", "INSERT INTO t VALUES (1, 1), (2, 2)")
    with following(settings(source.endpoint(), target.endpoint(), "t", snapshot=Snapshot.INITIAL)) as stream:
        assert stream.progress.target.rows == 2
        source.run("INSERT INTO t VALUES (3, 3)", "UPDATE t SET v = 20 WHERE id = 2", "DELETE FROM t WHERE id = 1")
        stream.applied(5)
        assert rows_of(target, "t") == [("2", "20"), ("3", "3")]


def test_every_type_of_mariadb(mariadb: Mariadb, postgres: Postgres) -> None:
    make_mariadb(mariadb)
    every_type(mariadb, postgres, MARIADB_CASES)


def test_every_type_of_postgresql(mariadb: Mariadb, postgres: Postgres) -> None:
    make_postgresql(postgres)
    every_type(postgres, mariadb, POSTGRES_CASES)


def every_type(source: Side, target: Side, cases: Sequence[Case]) -> None:
    """What came by the copy and what came by the log must be the same."""
    with following(settings(source.endpoint(), target.endpoint(), "t", snapshot=Snapshot.INITIAL)) as stream:
        copied = stream.progress.target.rows
        names = ", ".join(f"c{number}" for number in range(len(cases)))
        kept = "".join(f", c{number} = c{number}" for number, case in enumerate(cases) if "ON UPDATE" in case.more)
        lax = ["SET sql_mode = 'ALLOW_INVALID_DATES'"] if isinstance(source, Mariadb) else []
        source.run(
            *lax, f"INSERT INTO t SELECT id + 100, {names} FROM t", f"UPDATE t SET id = id + 1000{kept} WHERE id >= 100"
        )
        stream.applied(copied * 3)
        for number in range(1, copied + 1):
            one, other = target.run(f"SELECT {names} FROM t WHERE id IN ({number}, {number + 1100}) ORDER BY id")
            for case, first, second in zip(cases, one, other, strict=True):
                assert first == second, (number, case)


def test_tables_that_cannot_be_followed_are_named(mariadb: Mariadb, postgres: Postgres) -> None:
    mariadb.run(
        "CREATE TABLE nokey (a INT)",
        "CREATE TABLE parent (id INT PRIMARY KEY)",
        "CREATE TABLE child (id INT PRIMARY KEY, p INT, FOREIGN KEY f (p) REFERENCES parent (id) ON DELETE CASCADE)",
        "CREATE TABLE fine (id INT PRIMARY KEY)",
    )
    postgres.run("CREATE TABLE fine (other INT)")
    wanted = settings(mariadb.endpoint(), postgres.endpoint(), "nokey", "parent", "child", "fine")
    found = Cdc(wanted).check()
    assert [re.split(r"[ :]", sentence)[0] for sentence in found] == ["nokey", "the", "the", "child"], found
    assert "has no column id" in found[1]
    assert "no primary or unique key of id" in found[2]
    with pytest.raises(StreamFailed, match="nokey has no primary key"):
        Cdc(wanted).run(threading.Event())
    inserts = TableChoice("nokey", operations=frozenset({Operation.INSERT}))
    with following(settings(mariadb.endpoint(), postgres.endpoint(), inserts)) as stream:
        mariadb.run("INSERT INTO nokey VALUES (1), (1)")
        stream.applied(2)
        assert rows_of(postgres, "nokey") == [("1",), ("1",)]


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        (("SET binlog_format = STATEMENT", "INSERT INTO t (id) VALUES (9)"), "as a statement instead of its rows"),
        (("SET binlog_row_image = MINIMAL", "UPDATE t SET id = 2 WHERE id = 1"), "binlog_row_image"),
        (("DROP TABLE t",), "was dropped"),
        (("RENAME TABLE t TO s",), "renamed to d.s"),
        (("ALTER TABLE t DROP PRIMARY KEY, ADD PRIMARY KEY (id)",), "DROP PRIMARY KEY"),
        (("XA START 'x'", "INSERT INTO t (id) VALUES (9)", "XA END 'x'", "XA PREPARE 'x'", "XA ROLLBACK 'x'"), "XA transactions"),
    ],
)  # fmt: skip
def test_what_cannot_be_followed_stops_the_stream(
    mariadb: Mariadb, postgres: Postgres, statements: tuple[str, ...], expected: str
) -> None:
    mariadb.run("CREATE TABLE t (id INT PRIMARY KEY, v INT)", "INSERT INTO t (id) VALUES (1)")
    stream = Following(settings(mariadb.endpoint(), postgres.endpoint(), "t"))
    mariadb.run(*statements)
    error = stream.failed()
    assert isinstance(error, StreamFailed)
    assert re.search(expected, str(error)), error


def test_a_purged_log_stops_the_stream(mariadb: Mariadb, postgres: Postgres) -> None:
    mariadb.run("CREATE TABLE t (id INT PRIMARY KEY)")
    wanted = settings(mariadb.endpoint(), postgres.endpoint(), "t")
    Following(wanted).stop()
    mariadb.run("INSERT INTO t VALUES (1)", "FLUSH BINARY LOGS", "INSERT INTO t VALUES (2)", "FLUSH BINARY LOGS")
    newest = mariadb.run("SHOW BINARY LOGS")[-1][0]

    def purged() -> bool:
        # the server keeps a file until its transactions are in the storage engine's checkpoint
        mariadb.run(f"PURGE BINARY LOGS TO '{newest}'")
        return bool(mariadb.run("SHOW BINARY LOGS")[0][0] == newest)

    wait_until(purged, what="the log to be purged")
    with pytest.raises(PositionLost):
        Cdc(wanted).run(threading.Event())


def test_a_lost_slot_stops_the_stream_and_a_forgotten_stream_leaves_none(mariadb: Mariadb, postgres: Postgres) -> None:
    postgres.run("CREATE TABLE t (id INT PRIMARY KEY)")
    wanted = settings(postgres.endpoint(), mariadb.endpoint(), "t")
    stream = Following(wanted)
    stream.stop()
    slots = "SELECT slot_name FROM pg_replication_slots"
    assert len(postgres.run(slots)) == 1
    stream.mover.release()
    assert postgres.run(slots) == []
    assert postgres.run("SELECT pubname FROM pg_publication") == []
    assert mariadb.run("SELECT stream FROM _streams_checkpoints") == ()
    stream = Following(wanted)
    stream.stop()
    postgres.run(f"SELECT pg_drop_replication_slot(slot_name) FROM ({slots}) s")
    with pytest.raises(PositionLost, match="is gone"):
        Cdc(wanted).run(threading.Event())


def test_a_slot_that_is_idle_moves_on(mariadb: Mariadb, postgres: Postgres) -> None:
    postgres.run("CREATE TABLE t (id INT PRIMARY KEY)", "CREATE TABLE other (id INT)")
    confirmed = "SELECT confirmed_flush_lsn - '0/0' FROM pg_replication_slots"
    with following(settings(postgres.endpoint(), mariadb.endpoint(), "t")) as stream:
        postgres.run("INSERT INTO other SELECT generate_series(1, 1000)")
        aim = postgres.value("SELECT pg_current_wal_lsn() - '0/0'")
        wait_until(lambda: postgres.value(confirmed) >= aim, what="the slot to move on")
        assert stream.progress.retained_bytes is not None


def test_only_one_process_applies_a_stream(ends: tuple[Side, Side]) -> None:
    source, target = ends
    source.run("CREATE TABLE t (id INT PRIMARY KEY)")
    wanted = settings(source.endpoint(), target.endpoint(), "t")
    first = Following(wanted)
    second = Following(wanted)
    source.run("INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (2)")
    wait_until(lambda: rows_of(target, "t") == [("1",), ("2",)], what="the rows")
    first.stop()
    second.stop()
    assert rows_of(target, "t") == [("1",), ("2",)]


def test_large_rows_and_long_transactions(ends: tuple[Side, Side]) -> None:
    source, target = ends
    kind = "LONGTEXT" if isinstance(source, Mariadb) else "text"
    numbers = "seq FROM seq_1_to_30000" if isinstance(source, Mariadb) else "g FROM generate_series(1, 30000) g"
    source.run(f"CREATE TABLE t (id INT PRIMARY KEY, v {kind})")
    with following(settings(source.endpoint(), target.endpoint(), "t")) as stream:
        source.run(f"INSERT INTO t VALUES (0, repeat('x', {9 << 20}))", f"INSERT INTO t (id) SELECT {numbers}")
        source.run("UPDATE t SET v = 'y' WHERE id > 0")
        stream.applied(60_001)
    assert target.run("SELECT count(*), sum(length(v)) FROM t")[0] == (30_001, 30_000 + (9 << 20))


def test_between_servers_of_one_kind(mariadb: Mariadb, postgres: Postgres) -> None:
    servers: tuple[Side, ...] = (mariadb, postgres)
    for server in servers:
        server.fresh(("d", "e"))
        server.run("CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(40), n DECIMAL(10, 2))")
        wanted = settings(server.endpoint(), server.endpoint("e"), "t")
        with following(wanted) as stream:
            server.run(
                "INSERT INTO t VALUES (1, 'it''s \\', 1.50), (2, NULL, -2)"
                if server is postgres
                else "INSERT INTO t VALUES (1, 'it''s \\\\', 1.50), (2, NULL, -2)"
            )
            server.run("UPDATE t SET v = 'new, \"so\"' WHERE id = 2", "ALTER TABLE t ADD COLUMN x INT DEFAULT 3")
            server.run("UPDATE t SET x = 4 WHERE id = 1")
            stream.applied(4)
            found = [server.run("SELECT * FROM t ORDER BY id", database=name) for name in ("d", "e")]
            assert found[0] == found[1]
            assert len(found[0]) == 2
