"""Many rows and large ones: ranges, limits, bounded memory, verification and repair."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from mariadb_source import Mariadb
from postgres_stand import Postgres
from stream_cases import convert, settings

from repman.streams.convert.convert import Convert
from repman.streams.convert.ranges import RANGE_ROWS
from repman.streams.job import Limits, OnError, Phase, StreamSettings, TableChoice
from repman.streams.verify import demand as verify_demand

SEQUENCE = "SELECT seq FROM seq_1_to_{}"


@pytest.fixture
def small_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("repman.streams.convert.ranges.RANGE_ROWS", 2000)
    assert RANGE_ROWS > 2000


def many(mariadb: Mariadb, rows: int = 10_000) -> None:
    numbers = SEQUENCE.format(rows)
    mariadb.run(
        "CREATE TABLE i (id INT PRIMARY KEY, a VARCHAR(40))",
        f"INSERT INTO i SELECT seq * 3, CONCAT('v', seq) FROM ({numbers}) s",
        "CREATE TABLE c (k VARCHAR(20), n INT, a DATETIME, PRIMARY KEY (k, n))",
        f"INSERT INTO c SELECT CONCAT('k', seq % 7), seq, '2024-01-01' FROM ({numbers}) s",
        "CREATE TABLE x (a INT, b TEXT)",
        f"INSERT INTO x SELECT seq, REPEAT('y', 20) FROM ({numbers}) s",
        "ANALYZE TABLE i, c, x",
    )


@pytest.mark.usefixtures("small_ranges")
def test_tables_are_copied_in_ranges_whatever_their_keys(mariadb: Mariadb, postgres: Postgres) -> None:
    mariadb.fresh(("d", "e"))
    many(mariadb)
    progress = convert(settings(mariadb.endpoint(), postgres.endpoint(), "i", "c", "x"))
    assert {table.name: table.rows for table in progress.tables} == {"i": 10_000, "c": 10_000, "x": 10_000}
    assert progress.source == progress.target
    chunks = dict(postgres.run("SELECT name, count(*) FROM _streams.chunk GROUP BY name"))
    assert chunks["i"] > 3
    assert chunks["c"] > 3
    assert chunks["x"] == 1
    postgres.run("ANALYZE")
    convert(settings(postgres.endpoint(), mariadb.endpoint("e"), "i", "c", "x"))
    chunks = dict(mariadb.run("SELECT name, COUNT(*) FROM _streams_chunk GROUP BY name", database="e"))
    assert chunks["c"] > 3
    for table in ("i", "c", "x"):
        here, there = (mariadb.run(f"SELECT * FROM {table} ORDER BY 1, 2", database=name) for name in ("d", "e"))
        assert here == there


@pytest.mark.usefixtures("small_ranges")
@pytest.mark.parametrize("wanted", [1, 499, 4000, 4001, 9999, 10_000, 20_000])
def test_exactly_as_many_rows_as_the_limit_says(mariadb: Mariadb, postgres: Postgres, wanted: int) -> None:
    many(mariadb)
    limited = settings(mariadb.endpoint(), postgres.endpoint(), "i", limits=Limits(events=wanted), verify=False)
    progress = convert(limited)
    count = min(wanted, 10_000)
    assert progress.target.rows == postgres.value("SELECT count(*) FROM i") == count
    assert progress.reason == ("EVENT_LIMIT_REACHED" if wanted <= 10_000 else "")
    assert postgres.value("SELECT count(*) FROM pg_indexes WHERE tablename = 'i'") == 1
    # the same stream once more: it is over, and nothing is added
    assert convert(limited).target.rows == postgres.value("SELECT count(*) FROM i") == count


def test_a_time_limit_ends_a_copy(mariadb: Mariadb, postgres: Postgres) -> None:
    many(mariadb)
    wanted = settings(mariadb.endpoint(), postgres.endpoint(), "i", "x", limits=Limits(seconds=1), verify=False)
    spent = StreamSettings(**{**{name: getattr(wanted, name) for name in wanted.__slots__}, "spent": 1.0})
    progress = convert(spent)
    assert (progress.reason, progress.target.rows) == ("TIME_LIMIT_REACHED", 0)


@pytest.mark.usefixtures("small_ranges")
def test_a_copy_that_was_told_to_stop_goes_on_later(mariadb: Mariadb, postgres: Postgres) -> None:
    many(mariadb)
    wanted = settings(mariadb.endpoint(), postgres.endpoint(), "i", "c", "x")
    stop = threading.Event()
    mover = Convert(wanted)
    read = mover._tally.read

    def reading(rows: int, size: int) -> None:
        read(rows, size)
        if mover.progress().target.rows:
            stop.set()

    mover._tally.read = reading  # type: ignore[method-assign]
    mover.run(stop)
    found = mover.progress()
    assert found.phase is not Phase.DONE
    assert 0 < found.target.rows < 30_000
    assert convert(wanted).target.rows == 30_000


def test_bad_rows_are_kept_apart(mariadb: Mariadb, postgres: Postgres) -> None:
    many(mariadb)
    postgres.run("CREATE TABLE i (id int PRIMARY KEY, a text CHECK (a NOT IN ('v5000', 'v7')))")
    progress = convert(settings(mariadb.endpoint(), postgres.endpoint(), "i", on_error=OnError.SKIP, verify=False))
    assert (progress.failed, progress.target.rows) == (2, 9998)
    assert postgres.value("SELECT count(*) FROM i") == 9998
    kept = postgres.run("SELECT line, reason FROM _streams.rejected ORDER BY id")
    assert [line for line, _ in kept] == ['21,"v7"', '15000,"v5000"']
    assert all("violates check constraint" in reason for _, reason in kept)


def test_what_was_changed_is_found_and_repaired(mariadb: Mariadb, postgres: Postgres) -> None:
    many(mariadb)
    wanted = settings(mariadb.endpoint(), postgres.endpoint(), "i")
    convert(wanted)
    postgres.run(
        "UPDATE i SET a = 'v4999' WHERE id = 15000", "DELETE FROM i WHERE id = 30", "INSERT INTO i VALUES (1, 'new')"
    )
    ended = threading.Event()
    ((found, repaired),) = verify_demand.differences(wanted, ended)
    assert repaired == 0
    assert (found.missing, found.other, found.surplus) == (((b"30",),), ((b"15000",),), ((b"1",),))
    assert "10000 rows in the source, 10000 in the target; 1 missing, 1 different, 1 too many" in found.sentence()
    assert list(verify_demand.differences(wanted, ended, repair=True)) == [(found, 2)]
    assert list(verify_demand.differences(wanted, ended)) == []
    assert postgres.run("SELECT a FROM i WHERE id IN (1, 30, 15000) ORDER BY id") == [("v10",), ("v5000",)]
    # the other way round
    back = settings(postgres.endpoint(), mariadb.endpoint(), TableChoice("i", target="j"), stream="stream_2")
    convert(back)
    mariadb.run("UPDATE j SET a = 'V10' WHERE id = 30", "DELETE FROM j WHERE id > 29000")
    ((found, repaired),) = verify_demand.differences(back, ended, repair=True)
    assert (len(found.missing), found.other, found.surplus, repaired) == (334, ((b"30",),), (), 335)
    assert list(verify_demand.differences(back, ended)) == []


LARGE = """
import re, sys, threading
sys.path.insert(0, {here!r})
from stream_cases import settings
from repman.streams.convert.convert import Convert
from repman.streams.job import Endpoint, Family, Options
ends = {ends!r}
one, other = (Endpoint(Family(family), *rest) for family, *rest in ends)
mover = Convert(settings(one, other, "t", verify=False))
mover.run(threading.Event())
# Not getrusage's: that begins with what the process that started this one holds.
most = re.search(r"VmHWM:\\s+([0-9]+) kB", open("/proc/self/status").read())[1]
print(mover.progress().target.rows, int(most) // 1024)
"""


def test_memory_stays_bounded_with_rows_of_ten_megabytes(mariadb: Mariadb, postgres: Postgres) -> None:
    mariadb.fresh(("d", "e"))
    mariadb.run(
        "SET SESSION sql_log_bin = OFF",
        "CREATE TABLE t (id INT PRIMARY KEY, b LONGBLOB, s LONGTEXT)",
        "INSERT INTO t SELECT seq, REPEAT(CHAR(seq), 10000000), 'x' FROM seq_1_to_8",
        "INSERT INTO t VALUES (99, 'b', REPEAT('\"', 9000000))",
    )
    ends = [mariadb.endpoint(), postgres.endpoint(), mariadb.endpoint("e")]
    for one, other in itertools.pairwise(ends):
        plain = [(str(end.family), end.host, end.port, end.user, end.password, end.database) for end in (one, other)]
        program = LARGE.format(here=str(Path(__file__).parent), ends=plain)
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=100)
        assert done.returncode == 0, done.stderr[-3000:]
        rows, megabytes = map(int, done.stdout.split())
        assert rows == 9
        assert megabytes <= 300
    sums = [mariadb.run("SELECT id, MD5(b), MD5(s) FROM t ORDER BY id", database=name) for name in ("d", "e")]
    assert sums[0] == sums[1]
