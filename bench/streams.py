"""How fast a stream copies a table, beside the usual tools, on one MariaDB and one PostgreSQL of this machine.

The table has eight mixed columns and about 115 bytes a row.  The stream is a process of its own; all processes share
the processors.

- to PostgreSQL: the stream with its primary key made at the end, beside `pgloader` (when it is installed) of the same
  table, from its start to its end.
- to MariaDB: the stream, beside the `mariadb` client's LOAD DATA of a ready CSV file of the same rows.
- memory: the stream's largest resident size over all of it.

Ratios are made of runs that follow each other.

Usage: python bench/streams.py [--rows 1000000] [--rounds 3]
Prints one JSON object; exits 1 when a copy differs or a goal was missed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from report import figures, finish, say

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "streams"))
from mariadb_source import PASSWORD as MARIADB_PASSWORD
from mariadb_source import USER, Mariadb
from postgres_stand import PASSWORD as POSTGRES_PASSWORD
from postgres_stand import Postgres

from repman.streams.job import Endpoint

GOALS = {"of_pgloader": 4.0, "of_load_data": 0.7, "memory_mb": 300.0}
COLUMNS = (
    "id BIGINT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(60) NOT NULL, price DECIMAL(10,2), weight DOUBLE,"
    " created DATETIME, stock INT, code CHAR(12), note VARCHAR(200)"
)
PROGRAM = """
import resource, sys, threading, time
sys.path.insert(0, {here!r})
from stream_cases import settings
from repman.streams.convert.convert import Convert
from repman.streams.job import Endpoint, Family
one, other = (Endpoint(Family(family), *rest) for family, *rest in {ends!r})
mover = Convert(settings(one, other, "t", verify=False, stream={stream!r}))
begun = time.monotonic()
mover.run(threading.Event())
print(mover.progress().target.rows, time.monotonic() - begun, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


class Bench:
    """Both servers, and what is measured on them."""

    def __init__(self, directory: Path, rows: int) -> None:
        self.directory = directory
        self.rows = rows
        self.samples: dict[str, list[float]] = {}
        self.memory = 0
        self.mariadb = Mariadb(["--innodb-buffer-pool-size=512M", "--innodb-log-file-size=512M", "--skip-log-bin"])
        self.postgres = Postgres({"shared_buffers": "256MB", "max_wal_size": "4GB"})
        self.mariadb.fresh(("d", "e"))
        self.postgres.fresh()
        self._number = 0

    def close(self) -> None:
        """Remove the servers."""
        self.mariadb.remove()
        self.postgres.remove()

    def fill(self) -> None:
        """Make the rows."""
        self.mariadb.run(
            f"CREATE TABLE t ({COLUMNS})",
            "INSERT INTO t SELECT seq, CONCAT('product ', MD5(seq)), seq % 100000 / 100, seq / 7e0,"
            " '2024-01-01' + INTERVAL seq SECOND, seq % 1000, LPAD(HEX(seq), 12, '0'), IF(seq % 10 = 0, NULL,"
            f" REPEAT('ab \"', seq % 8)) FROM seq_1_to_{self.rows}",
            "ANALYZE TABLE t",
        )

    def stream(self, name: str, one: Endpoint, other: Endpoint) -> float:
        """Rows per second of one copy in a process of its own."""
        self._number += 1
        here = str(Path(__file__).parents[1] / "tests" / "streams")
        ends = [(str(end.family), end.host, end.port, end.user, end.password, end.database) for end in (one, other)]
        program = PROGRAM.format(here=here, ends=ends, stream=f"stream_{self._number}")
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        rows, seconds, megabytes = done.stdout.split()
        assert int(rows) == self.rows
        self.memory = max(self.memory, int(megabytes))
        return self._sample(name, self.rows / float(seconds))

    def _sample(self, name: str, rate: float) -> float:
        self.samples.setdefault(name, []).append(rate)
        say(f"{name}: {rate:,.0f} rows/s")
        return rate

    def pgloader(self) -> None:
        """The same table by pgloader, which makes it with its key."""
        self.postgres.run("DROP SCHEMA IF EXISTS d CASCADE")
        command = self.directory / "load"
        command.write_text(
            f"LOAD DATABASE FROM mysql://{USER}:{MARIADB_PASSWORD}@127.0.0.1:{self.mariadb.port}/d"
            f" INTO postgresql://{USER}:{POSTGRES_PASSWORD}@127.0.0.1:{self.postgres.port}/d"
            " WITH include drop, create tables, create indexes;\n"
        )
        begun = time.monotonic()
        done = subprocess.run(["pgloader", str(command)], capture_output=True, text=True)
        seconds = time.monotonic() - begun
        if done.returncode or self.postgres.value("SELECT count(*) FROM d.t") != self.rows:
            raise SystemExit(f"pgloader failed: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        self._sample("pgloader", self.rows / seconds)

    def load_data(self, file: Path) -> None:
        """The rows of a ready file by the `mariadb` client."""
        self.mariadb.run("DROP TABLE IF EXISTS u", f"CREATE TABLE u ({COLUMNS})", database="e")
        sql = (
            f"LOAD DATA LOCAL INFILE '{file}' INTO TABLE u CHARACTER SET utf8mb4 FIELDS TERMINATED BY ','"
            " OPTIONALLY ENCLOSED BY '\"' ESCAPED BY '' LINES TERMINATED BY '\\n'"
        )
        command = ["mariadb", "--no-defaults", "--local-infile=1", "-h127.0.0.1", f"-P{self.mariadb.port}", f"-u{USER}"]
        begun = time.monotonic()
        subprocess.run([*command, "e", "-e", sql], check=True, env={**os.environ, "MYSQL_PWD": MARIADB_PASSWORD})
        seconds = time.monotonic() - begun
        assert self.mariadb.value("SELECT COUNT(*) FROM u", "e") == self.rows
        self._sample("load_data", self.rows / seconds)

    def export(self) -> Path:
        """The rows of PostgreSQL as the CSV file of `load_data`."""
        file = self.directory / "rows.csv"
        with (
            file.open("wb") as made,
            self.postgres.connect() as connection,
            connection.cursor().copy("COPY t TO STDOUT (FORMAT csv, NULL 'NULL')") as copy,
        ):
            for block in copy:
                made.write(block)
        return file

    def measure(self, rounds: int) -> None:
        """All of it."""
        for _ in range(rounds):
            self.postgres.run("DROP TABLE IF EXISTS t")
            self.stream("to_postgresql", self.mariadb.endpoint(), self.postgres.endpoint())
            if shutil.which("pgloader"):
                self.pgloader()
        self.postgres.run("ANALYZE t")
        file = self.export()
        for _ in range(rounds):
            self.mariadb.run("DROP TABLE IF EXISTS t", database="e")
            self.stream("to_mariadb", self.postgres.endpoint(), self.mariadb.endpoint("e"))
            self.load_data(file)

    def alike(self) -> bool:
        """Whether the rows came back as they were."""
        sums = [
            self.mariadb.run(
                "SELECT COUNT(*), SUM(CRC32(CONCAT_WS('#', t.id, name, price, created, note))) FROM t", database=name
            )
            for name in ("d", "e")
        ]
        return sums[0] == sums[1]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="repman-bench-") as directory:
        bench = Bench(Path(directory), arguments.rows)
        try:
            bench.fill()
            bench.measure(arguments.rounds)
            alike = bench.alike()
        finally:
            bench.close()
    found: dict[str, Any] = bench.samples
    median = {name: figures(rates)["p50"] or 0.0 for name, rates in found.items()}
    reached = {"of_load_data": median["to_mariadb"] / median["load_data"], "memory_mb": float(bench.memory)}
    if "pgloader" in median:
        reached["of_pgloader"] = median["to_postgresql"] / median["pgloader"]
    failures = [] if alike else ["source and target differ"]
    for name, value in reached.items():
        if value > GOALS[name] if name == "memory_mb" else value < GOALS[name]:
            failures.append(f"{name}: {value:.2f}, goal {GOALS[name]}")
    rounded = {name: round(value, 2) for name, value in reached.items()}
    raise SystemExit(finish("streams", failures, goals=rounded, rows_per_second=median, samples=found))


if __name__ == "__main__":
    main()
