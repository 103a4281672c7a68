"""Eight writers through HAProxy, in a process of their own, and what they were told."""

from __future__ import annotations

import itertools
import multiprocessing
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from typing import Any

import pymysql
from rig import Rig

WRITERS = 8
DATABASE = "bench"
READ_SECONDS = 20
"""Longer than any interruption measured here; a write that takes longer is of unknown outcome."""
_PAUSE = 0.005
_ids = 0

Ack = tuple[float, float, int]
"""(monotonic seconds when the insert was sent, when it was acknowledged, its id)."""


@dataclass(frozen=True)
class Told:
    """What the writers were told."""

    acks: list[Ack]
    """By time of acknowledgement."""
    errors: list[tuple[float, str]]
    """(monotonic seconds, driver's words); what became of those writes is unknown."""

    def first_after(self, moment: float) -> float | None:
        """When the first write that was sent after that moment was acknowledged."""
        return min((end for sent, end, _ in self.acks if sent >= moment), default=None)

    def longest_gap(self, begin: float, end: float) -> float:
        """Longest time without an acknowledgement between two moments, in seconds."""
        times = [begin, *(done for _, done, _ in self.acks if begin <= done <= end), end]
        return max(after - before for before, after in itertools.pairwise(times))

    def lost(self, present: set[int]) -> list[int]:
        """Acknowledged ids that are not there."""
        return sorted(number for _, _, number in self.acks if number not in present)


class Load:
    """Writers at work on a new table, from `start` to `stop`."""

    def __init__(self, rig: Rig) -> None:
        global _ids
        _ids += 1
        self._rig = rig
        self.table = f"{DATABASE}.w{_ids}"
        context = multiprocessing.get_context("fork")
        self._stop = context.Event()
        self._latest = context.Value("d", 0.0)
        self._mine, theirs = context.Pipe(duplex=False)
        self._process = context.Process(target=_work, args=(rig, self.table, self._stop, self._latest, theirs))

    def start(self, warm: float = 1.0) -> None:
        """Make the table, start writing, and go on for `warm` seconds after the first acknowledgement."""
        with self._rig.through_proxy() as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE IF NOT EXISTS {DATABASE}")
            cursor.execute(f"CREATE TABLE {self.table} (id BIGINT PRIMARY KEY, writer INT) ENGINE=InnoDB")
        self._process.start()
        if not self.acknowledged_after(0.0, 10.0):
            self.stop()
            raise TimeoutError("no write went through within 10 s")
        time.sleep(warm)

    def acknowledged_after(self, moment: float, seconds: float) -> bool:
        """Wait until a write that was sent after that moment is acknowledged."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self._latest.value > moment:
                return True
            time.sleep(0.002)
        return False

    def stop(self) -> Told:
        """End the writers and hear what they were told."""
        self._stop.set()
        acks, errors = self._mine.recv() if self._mine.poll(2 * READ_SECONDS) else ([], [])
        self._process.join(5)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        return Told(sorted(acks, key=lambda ack: ack[1]), sorted(errors))

    def present(self) -> set[int]:
        """The ids on the server that is the writer now."""
        with self._rig.directly(self._rig.writer()) as connection, connection.cursor() as cursor:
            cursor.execute(f"SELECT id FROM {self.table}")
            return {int(row[0]) for row in cursor.fetchall()}


def _work(rig: Rig, table: str, stop: Event, latest: Any, out: Connection) -> None:
    acks: list[Ack] = []
    errors: list[tuple[float, str]] = []
    threads = [
        threading.Thread(target=_write, args=(rig, table, number, stop.is_set, latest, acks, errors), daemon=True)
        for number in range(WRITERS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(READ_SECONDS + 5)
    out.send((list(acks), list(errors)))


def _write(
    rig: Rig,
    table: str,
    number: int,
    stopped: Callable[[], bool],
    latest: Any,
    acks: list[Ack],
    errors: list[tuple[float, str]],
) -> None:
    """One client: insert, note what it was told, connect again after an error; never the same id twice."""
    following = number * 1_000_000_000
    while not stopped():
        try:
            with rig.through_proxy(read_timeout=READ_SECONDS) as connection, connection.cursor() as cursor:
                while not stopped():
                    following += 1
                    sent = time.monotonic()
                    cursor.execute(f"INSERT INTO {table} VALUES ({following}, {number})")
                    acks.append((sent, time.monotonic(), following))
                    latest.value = max(latest.value, sent)
        except (pymysql.Error, OSError) as error:
            errors.append((time.monotonic(), str(error)))
            time.sleep(_PAUSE)
