"""Copies that are killed at random moments, and databases that die under them: nothing is lost, nothing twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from mariadb_source import Mariadb
from postgres_stand import Postgres, wait_until
from stream_cases import convert, settings

from repman.streams.convert.convert import Convert
from repman.streams.job import Endpoint, Phase

ROUNDS = int(os.environ.get("REPMAN_ROUNDS", "3"))
HERE = str(Path(__file__).parent)
ROWS = 20_000
TABLES = ("i", "c", "x")
PROGRAM = """
import sys, threading
sys.path.insert(0, {here!r})
from stream_cases import settings
from repman.streams.convert import ranges
from repman.streams.convert.convert import Convert
from repman.streams.job import Endpoint, Family
ranges.RANGE_ROWS = 2000
one, other = (Endpoint(Family(family), *rest) for family, *rest in {ends!r})
mover = Convert(settings(one, other, *{tables!r}, verify=False))
written = mover._tally.written
def telling(chunk):
    last = written(chunk)
    print("written", flush=True)
    return last
mover._tally.written = telling
print("begun", flush=True)
mover.run(threading.Event())
print("phase", mover.progress().phase, flush=True)
"""


def fill(mariadb: Mariadb) -> None:
    mariadb.run(
        "CREATE TABLE i (id INT AUTO_INCREMENT PRIMARY KEY, a VARCHAR(40), KEY (a))",
        f"INSERT INTO i SELECT seq, CONCAT('v', seq % 1000) FROM seq_1_to_{ROWS}",
        "CREATE TABLE c (k VARCHAR(20), n INT, a DATETIME(3), PRIMARY KEY (k, n))",
        f"INSERT INTO c SELECT CONCAT('k', seq % 7), seq, '2024-01-01 00:00:00.125' FROM seq_1_to_{ROWS}",
        "CREATE TABLE x (a INT, b TEXT)",
        f"INSERT INTO x SELECT seq % 100, REPEAT('y', 20) FROM seq_1_to_{ROWS}",
        "ANALYZE TABLE i, c, x",
    )


def start(one: Endpoint, other: Endpoint) -> subprocess.Popen[str]:
    ends = [(str(end.family), end.host, end.port, end.user, end.password, end.database) for end in (one, other)]
    program = PROGRAM.format(here=HERE, ends=ends, tables=TABLES)
    return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)


def kill_at_random(one: Endpoint, other: Endpoint, dice: random.Random) -> int:
    """Kill copies, each some moments after some of its ranges, until one comes to its end; how many were killed."""
    killed = 0
    while True:
        with start(one, other) as process:
            assert process.stdout is not None
            left = dice.randint(0, 9)
            for line in process.stdout:
                if line == "phase done\n":
                    assert process.wait() == 0
                    return killed
                if left == 0:
                    break
                left -= 1
            else:
                raise AssertionError(f"the copy ended with {process.wait()}")
            threading.Event().wait(dice.uniform(0, 0.05))
            process.send_signal(signal.SIGKILL)
            killed += 1


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_a_killed_copy_to_postgresql_goes_on(mariadb: Mariadb, postgres: Postgres, seed: int) -> None:
    fill(mariadb)
    assert kill_at_random(mariadb.endpoint(), postgres.endpoint(), random.Random(seed)) >= 1
    counts = postgres.run("SELECT count(*) FROM i UNION ALL SELECT count(*) FROM c UNION ALL SELECT count(*) FROM x")
    assert counts == [(ROWS,)] * 3
    assert postgres.run("SELECT sum(copied), bool_and(state = 'done') FROM _streams.chunk") == [(3 * ROWS, True)]
    # the finished stream once more changes nothing and finds both sides equal
    convert(settings(mariadb.endpoint(), postgres.endpoint(), *TABLES))
    assert postgres.value("SELECT count(*) FROM pg_indexes WHERE schemaname = 'public'") == 3


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_a_killed_copy_to_mariadb_goes_on(mariadb: Mariadb, postgres: Postgres, seed: int) -> None:
    postgres.run(
        "CREATE TABLE i (id serial PRIMARY KEY, a varchar(40))",
        f"INSERT INTO i SELECT n, 'v' || n % 1000 FROM generate_series(1, {ROWS}) n",
        "CREATE INDEX i_a ON i (a)",
        "CREATE TABLE c (k varchar(20), n int, a timestamptz(3), PRIMARY KEY (k, n))",
        f"INSERT INTO c SELECT 'k' || n % 7, n, '2024-01-01 00:00:00.125Z' FROM generate_series(1, {ROWS}) n",
        "CREATE TABLE x (a int, b text)",
        f"INSERT INTO x SELECT n % 100, repeat('y', 20) FROM generate_series(1, {ROWS}) n",
        "ANALYZE",
    )
    assert kill_at_random(postgres.endpoint(), mariadb.endpoint(), random.Random(seed)) >= 1
    assert mariadb.run("SELECT SUM(copied), MIN(state), MAX(state) FROM _streams_chunk") == (
        (3 * ROWS, "done", "done"),
    )
    convert(settings(postgres.endpoint(), mariadb.endpoint(), *TABLES))
    assert [mariadb.value(f"SELECT COUNT(*) FROM {table}") for table in TABLES] == [ROWS] * 3
    assert (
        mariadb.value(
            "SELECT COUNT(DISTINCT INDEX_NAME) FROM information_schema.STATISTICS WHERE TABLE_SCHEMA='d' AND TABLE_NAME='i'"
        )
        == 2
    )


@pytest.mark.parametrize("side", ["source", "target"])
def test_a_database_that_dies_and_comes_back(
    mariadb: Mariadb, postgres: Postgres, monkeypatch: pytest.MonkeyPatch, side: str
) -> None:
    monkeypatch.setattr("repman.streams.convert.ranges.RANGE_ROWS", 2000)
    fill(mariadb)
    mover = Convert(settings(mariadb.endpoint(), postgres.endpoint(), *TABLES))
    failed: list[BaseException] = []

    def run() -> None:
        try:
            mover.run(threading.Event())
        except BaseException as error:
            failed.append(error)
            raise

    thread = threading.Thread(target=run)
    thread.start()
    wait_until(lambda: mover.progress().target.rows or failed, what="the first range")
    if side == "source":
        mariadb.kill()
        mariadb.start()
    else:
        postgres.crash()
        postgres.start()
    thread.join(100)
    assert not failed
    found = mover.progress()
    assert found.phase is Phase.DONE
    assert found.target.rows == 3 * ROWS
    assert [text for text in found.warnings if " differs: " in text] == []
