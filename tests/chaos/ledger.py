"""Clients that keep books: every write that was attempted, and every one that was acknowledged."""

from __future__ import annotations

import contextlib
import itertools
import time

import pymysql
from cluster_traffic import DATABASE, Traffic, _tables

BIG_ROWS = 200
BIG_PAYLOAD = 4000


class Ledger(Traffic):
    """Writers as in `Traffic`, which also note what they attempt and which server acknowledged it; big writes."""

    def __init__(self, *arguments, **options) -> None:
        super().__init__(*arguments, **options)
        self.big = f"{DATABASE}.big{next(_tables)}"
        self.attempted = [0] * len(self._threads)
        self.served: list[tuple[float, float, int]] = []
        """Issued at, acknowledged at (monotonic seconds), by which server id."""
        self._bigs = itertools.count()
        self.big_attempted: list[int] = []
        self.big_acknowledged: list[int] = []

    def __enter__(self) -> Ledger:
        with contextlib.closing(self._connect()) as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE IF NOT EXISTS {DATABASE}")
            cursor.execute(f"CREATE TABLE {self.big} (id INT, part INT, payload TEXT, PRIMARY KEY (id, part))")
        super().__enter__()
        return self

    def write_big(self, seconds_open: float = 0.0) -> None:
        """One transaction of many rows, held open for that long before its commit."""
        number = next(self._bigs)
        rows = ", ".join(f"({number}, {part}, REPEAT('x', {BIG_PAYLOAD}))" for part in range(BIG_ROWS))
        self.big_attempted.append(number)
        try:
            with contextlib.closing(self._connect()) as connection, connection.cursor() as cursor:
                cursor.execute("BEGIN")
                cursor.execute(f"INSERT INTO {self.big} VALUES {rows}")
                if seconds_open:
                    cursor.execute(f"DO SLEEP({seconds_open})")
                cursor.execute("COMMIT")
            self.big_acknowledged.append(number)
        except (pymysql.Error, OSError) as error:
            self.errors.append(str(error))

    def wrong_on(self, server) -> list[str]:
        """What that server has lost, has made up, or has in part."""
        found = {(writer, number) for writer, number in server.run(f"SELECT writer, number FROM {self.table}")}
        told = {(writer, number) for writer, each in enumerate(self._acknowledged) for number, _ in tuple(each)}
        lost = sorted(told - found)
        strange = sorted((writer, number) for writer, number in found if number >= self.attempted[writer])
        parts = dict(server.run(f"SELECT id, COUNT(*) FROM {self.big} GROUP BY id"))
        problems = []
        if lost:
            problems.append(f"I2: {len(lost)} of {self.count} acknowledged writes are lost: {self._when(lost)}")
        if strange:
            problems.append(f"I3: {len(strange)} writes that nobody attempted: {strange[:5]}")
        problems += [f"I2: the big write {each} is lost" for each in self.big_acknowledged if each not in parts]
        problems += [f"I3: the big write {each} is there in part" for each, many in parts.items() if many != BIG_ROWS]
        problems += [f"I3: nobody attempted the big write {each}" for each in parts if each not in self.big_attempted]
        return problems

    def _when(self, lost: list[tuple[int, int]]) -> str:
        at = {(writer, number): at for writer, each in enumerate(self._acknowledged) for number, at in each}
        return ", ".join(f"{key} acknowledged at {at[key]:.3f}" for key in lost[:10])

    def _write(self, writer: int) -> None:
        for number in itertools.count():
            if self._ending.is_set():
                break
            try:
                connection = self._open[writer]
                if connection is None:
                    connection = self._open[writer] = self._connect()
                self.attempted[writer] = number + 1
                issued = time.monotonic()
                with connection.cursor() as cursor:
                    cursor.execute(f"INSERT INTO {self.table} VALUES ({writer}, {number}) RETURNING @@server_id")
                    (served,) = cursor.fetchone()
                told = time.monotonic()
                self._acknowledged[writer].append((number, told))
                self.served.append((issued, told, served))
            except (pymysql.Error, OSError) as error:
                self.errors.append(str(error))
                self._drop(writer)
                self._ending.wait(0.005)
            self._ending.wait(0.002)
        self._drop(writer)
