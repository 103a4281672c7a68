"""How fast a stream of changes catches up with a backlog, and how far behind it is under a live load.

MariaDB and PostgreSQL, stream and load share the processors.  Five tables of eight mixed columns; inserts, updates and
deletes 4:4:2.

- catch-up: a backlog is written while the stream is stopped and the source is idle after it; then the stream goes on.
  Once with transactions of a single row, once with transactions of a hundred.
- lag: 3,000 row changes a second in transactions of ten; every 50 ms a row is marked on the source and looked for on
  the target.
- memory: the largest resident size of the process that streams.

Usage: python bench/streams_cdc.py [--changes 1000000] [--rounds 3] [--seconds 10] [--back]
`--back` streams from PostgreSQL to MariaDB.  Prints one JSON object; exits 1 when the copy differs or a goal was missed.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

from report import figures, finish, quantile, say

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "streams"))
from mariadb_source import Mariadb
from postgres_stand import Postgres, wait_until

from repman.streams.cdc.cdc import Cdc
from repman.streams.job import Endpoint, Mode, Phase, StreamSettings, TableChoice

GOALS = {"single_per_second": 15_000.0, "batched_per_second": 80_000.0, "lag_p99_ms": 1000.0, "memory_mb": 300.0}
TABLES = tuple(f"orders{number}" for number in range(5))
MYSQL_TABLE = """CREATE TABLE {} (id BIGINT PRIMARY KEY, customer INT NOT NULL, name VARCHAR(60), amount DECIMAL(10,2),
 weight DOUBLE, ordered DATETIME, paid TINYINT(1), note VARCHAR(100)) ENGINE=InnoDB"""
POSTGRES_TABLE = """CREATE TABLE {} (id bigint PRIMARY KEY, customer int NOT NULL, name varchar(60), amount numeric(10,2),
 weight double precision, ordered timestamp, paid boolean, note varchar(100))"""
FIRST = 1000
"""The first row of the load."""
ROUND = 10 * len(TABLES)
"""Changes of one round of the load."""
WARM = 40
# what a round does to a table from row `at` on: 4 inserts, 4 updates of older rows, 2 deletes of them
MYSQL_LOAD = """CREATE PROCEDURE work(IN first INT, IN rounds INT, IN batch INT)
BEGIN
 DECLARE i INT DEFAULT 0; DECLARE k INT DEFAULT 0; DECLARE at BIGINT;
 SET autocommit = 0;
 WHILE i < rounds DO
  SET at = first + i * 4;
  {}
  SET i = i + 1;
 END WHILE;
 COMMIT; SET autocommit = 1;
END"""
STEP = "SET k = k + 1; IF k % batch = 0 THEN COMMIT; END IF;"
VALUES = "customer, name, amount, weight, ordered, paid, note"


def _mysql_round() -> str:
    parts = []
    for table in TABLES:
        for n in range(4):
            parts.append(
                f"INSERT INTO {table} (id, {VALUES}) VALUES (at + {n}, at % 1000, CONCAT('name of ', at), at % 1000 / 7, "
                f"at / 3, '2026-01-01' + INTERVAL at SECOND, at % 2, REPEAT('n', at % 80)); {STEP}"
            )
        for n in range(4):
            parts.append(f"UPDATE {table} SET amount = amount + 1, note = 'changed' WHERE id = at + {n} - 40; {STEP}")
        for n in range(2):
            parts.append(f"DELETE FROM {table} WHERE id = at + {n} - 80; {STEP}")
    return "\n  ".join(parts)


class MysqlSide:
    """A MariaDB with the load."""

    def __init__(self) -> None:
        self.server = Mariadb(("--innodb-buffer-pool-size=1G", "--max-binlog-size=1G"))
        self.server.fresh()

    def create(self) -> None:
        """Make the tables and the load."""
        self.server.run(*(MYSQL_TABLE.format(table) for table in TABLES), MYSQL_LOAD.format(_mysql_round()))

    def work(self, first: int, rounds: int, batch: int) -> None:
        """Do so many rounds of fifty changes, in transactions of `batch` changes."""
        self.server.run(f"CALL work({first}, {rounds}, {batch})")

    def sums(self) -> list[Any]:
        """What both sides must have alike."""
        return [self.server.run(f"SELECT COUNT(*), SUM(id), SUM(amount) FROM {table}")[0] for table in TABLES]

    def mark(self, number: int) -> None:
        """Write the mark."""
        self.server.run(f"REPLACE INTO {TABLES[0]} (id, customer) VALUES (-1, {number})")

    def marked(self) -> int:
        """The mark as it is there."""
        rows = self.server.run(f"SELECT customer FROM {TABLES[0]} WHERE id = -1")
        return int(rows[0][0]) if rows else -1


class PostgresSide:
    """A PostgreSQL with the load."""

    def __init__(self) -> None:
        self.server = Postgres({"shared_buffers": "512MB", "max_wal_size": "4GB", "autovacuum": "off"})
        self.server.fresh()

    def create(self) -> None:
        """Make the tables and the load."""
        self.server.run(*(POSTGRES_TABLE.format(table) for table in TABLES), _postgres_load())

    def work(self, first: int, rounds: int, batch: int) -> None:
        """See MysqlSide.work."""
        self.server.run(f"CALL work({first}, {rounds}, {batch})")

    def sums(self) -> list[Any]:
        """See MysqlSide.sums."""
        return [self.server.run(f"SELECT COUNT(*), SUM(id), SUM(amount) FROM {table}")[0] for table in TABLES]

    def mark(self, number: int) -> None:
        """Write the mark."""
        self.server.run(
            f"INSERT INTO {TABLES[0]} (id, customer) VALUES (-1, {number}) ON CONFLICT (id) DO UPDATE SET customer = {number}"
        )

    def marked(self) -> int:
        """The mark as it is there."""
        rows = self.server.run(f"SELECT customer FROM {TABLES[0]} WHERE id = -1")
        return int(rows[0][0]) if rows else -1


def _postgres_load() -> str:
    step = "k := k + 1; IF k % batch = 0 THEN COMMIT; END IF;"
    parts = []
    for table in TABLES:
        for n in range(4):
            parts.append(
                f"INSERT INTO {table} (id, {VALUES}) VALUES (at + {n}, at % 1000, 'name of ' || at, (at % 1000) / 7.0, "
                f"at / 3.0, '2026-01-01'::timestamp + at * interval '1 second', at % 2 = 1, repeat('n', (at % 80)::int)); {step}"
            )
        for n in range(4):
            parts.append(f"UPDATE {table} SET amount = amount + 1, note = 'changed' WHERE id = at + {n} - 40; {step}")
        for n in range(2):
            parts.append(f"DELETE FROM {table} WHERE id = at + {n} - 80; {step}")
    body = "\n".join(parts)
    return (
        "CREATE PROCEDURE work(first int, rounds int, batch int) LANGUAGE plpgsql AS $$ DECLARE k int := 0; at bigint; BEGIN "
        f"FOR i IN 0..rounds - 1 LOOP at := first + i * 4; {body} END LOOP; COMMIT; END $$"
    )


Side = MysqlSide | PostgresSide


def stream(source: Endpoint, target: Endpoint, directory: str, stop: Event, told: Any) -> None:
    """A process that follows until it is told to stop, and then tells its largest resident size."""
    tables = tuple(TableChoice(table) for table in TABLES)
    mover = Cdc(StreamSettings("stream_bench", "config_bench", Mode.CDC, source, target, tables, Path(directory)))
    ended = threading.Event()

    def watch() -> None:
        while not stop.wait(0.02):
            progress = mover.progress()
            if progress.phase is Phase.DATA and progress.position:
                told.value = progress.target.rows
        ended.set()

    watching = threading.Thread(target=watch)
    watching.start()
    mover.run(ended)
    watching.join()
    told.value = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@contextlib.contextmanager
def following(source: Side, target: Side, sizes: list[float]) -> Iterator[Any]:
    """A stream that runs meanwhile; the number of changes that it has applied."""
    apart = multiprocessing.get_context("spawn")
    stop, told = apart.Event(), apart.Value("q", -1)
    with tempfile.TemporaryDirectory() as directory:
        arguments = (source.server.endpoint(), target.server.endpoint(), directory, stop, told)
        process = apart.Process(target=stream, args=arguments)
        process.start()
        try:
            yield told
        finally:
            stop.set()
            process.join()
            sizes.append(told.value / 1024)


def catch_up(source: Side, target: Side, first: int, done: int, changes: int, batch: int, sizes: list[float]) -> float:
    """Changes per second from the moment when the stream begins to read until the last one is committed.

    `done` changes were applied before.
    """
    source.work(first, changes // ROUND, batch)
    with following(source, target, sizes) as told:
        wait_until(lambda: told.value >= 0, 60, "the stream to begin")
        before, began = told.value, time.perf_counter()
        goal = done + changes
        wait_until(lambda: told.value >= goal, 240, "the target to have everything")
        seconds = time.perf_counter() - began
    assert target.sums() == source.sums(), "the target differs from the source"
    rate = (goal - before) / seconds
    say(
        f"{changes} changes, {batch} a transaction: {rate:.0f} per second ({before - goal + changes} before it was timed)"
    )
    return rate


def lags(source: Side, target: Side, first: int, seconds: float, sizes: list[float]) -> list[float]:
    """Milliseconds from a commit on the source until the target shows it, under a load of 3,000 changes a second."""
    ended = threading.Event()

    def load() -> None:
        at, due = first, time.perf_counter()
        while not ended.is_set():
            source.work(at, 6, 10)
            at += 24
            due += 300 / 3000
            ended.wait(max(0.0, due - time.perf_counter()))

    found = []
    with following(source, target, sizes) as told:
        wait_until(lambda: told.value >= 0, 60, "the stream to follow")
        loading = threading.Thread(target=load)
        loading.start()
        deadline, number = time.perf_counter() + seconds, 0
        while time.perf_counter() < deadline:
            number += 1
            began = time.perf_counter()
            source.mark(number)
            wait_until(lambda number=number: target.marked() == number, 60, "the mark")  # type: ignore[misc]
            found.append((time.perf_counter() - began) * 1000)
            time.sleep(0.05)
        ended.set()
        loading.join()
        expected = source.sums()
        wait_until(lambda: target.sums() == expected, 60, "the target to have everything")
    return found


def main() -> int:
    """Measure, print, and say whether the goals were met."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--changes", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--back", action="store_true")
    options = parser.parse_args()
    made: list[Side] = [MysqlSide(), PostgresSide()]
    source, target = reversed(made) if options.back else made
    single, batched, sizes = [], [], list[float]()
    try:
        source.create()
        with following(source, target, sizes) as told:
            wait_until(lambda: told.value >= 0, 60, "the stream to begin")
            # updates and deletes are to meet rows
            source.work(FIRST, WARM, 100)
            wait_until(lambda: target.sums() == source.sums(), 60, "the first rows")
            done = told.value
        first, step = FIRST + WARM * 4, options.changes // ROUND * 4
        for _ in range(options.rounds):
            single.append(catch_up(source, target, first, done, options.changes, 1, sizes))
            batched.append(catch_up(source, target, first + step, done + options.changes, options.changes, 100, sizes))
            first, done = first + 2 * step, done + 2 * options.changes
        delays = lags(source, target, first, options.seconds, sizes)
    finally:
        for side in made:
            side.server.remove()
    return _report(single, batched, delays, max(sizes))


def _report(single: list[float], batched: list[float], delays: list[float], memory: float) -> int:
    found = {
        "single_per_second": figures(single, 0)["p50"],
        "batched_per_second": figures(batched, 0)["p50"],
        "lag_p99_ms": quantile(delays, 0.99),
        "memory_mb": memory,
    }
    failures = []
    for name, goal in GOALS.items():
        value = found[name] or 0.0
        if (value < goal) if name.endswith("_second") else (value > goal):
            failures.append(f"{name} is {value:.0f}, the goal is {goal:.0f}")
    samples = {"single_per_second": single, "batched_per_second": batched, "lag_ms": figures(delays)}
    return finish("streams_cdc", failures, goals=GOALS, found=found, samples=samples)


if __name__ == "__main__":
    sys.exit(main())
