"""What really was, seen from outside: every server sampled by connections of its own, and what repman said."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass

import pymysql
from cluster import World
from mariadb_stand import Server

EVERY = 0.15
"""Seconds between samples."""
PATIENCE = 0.5
"""Seconds that a server has to answer one sample."""
_QUERY = (
    "SELECT @@global.read_only, @@global.rpl_semi_sync_master_enabled, @@global.gtid_binlog_pos, VARIABLE_VALUE"
    " FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'Rpl_semi_sync_master_clients'"
)


@dataclass(frozen=True, slots=True)
class Sample:
    """One answer of one server; it was so at some moment between `asked` and `told` (monotonic seconds)."""

    asked: float
    told: float
    open: bool
    waits: bool
    """Its commits wait for an acknowledgement."""
    ackers: int
    receives_from: str
    """Whose events its running receiver gets."""
    position: str


@dataclass(frozen=True, slots=True)
class Said:
    """What repman published at one moment."""

    at: float
    monotonic: float
    plan: str
    refusals: tuple[str, ...]
    problems: tuple[str, ...]


class Observer:
    """Samples all servers and repman's snapshots in threads of its own; to be used in a ``with`` statement."""

    def __init__(self, world: World) -> None:
        self.began = time.monotonic()
        self.samples: dict[str, list[Sample]] = {server.address: [] for server in world.servers}
        self.said: list[Said] = []
        self.events: dict[tuple[float, str], str] = {}
        self._world = world
        self._ending = threading.Event()
        self._threads = [threading.Thread(target=self._sample, args=(server,)) for server in world.servers]
        self._threads.append(threading.Thread(target=self._listen))

    def __enter__(self) -> Observer:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join(10)

    def told(self) -> list[str]:
        """The events that repman told of, in order."""
        return [f"{at:.3f} {text}" for (at, _), text in sorted(self.events.items())]

    def _sample(self, server: Server) -> None:
        connection: pymysql.Connection | None = None
        while not self._ending.wait(EVERY):
            try:
                if connection is None:
                    options = {"connect_timeout": 1, "read_timeout": PATIENCE, "write_timeout": PATIENCE}
                    connection = server.connect(**options)
                self.samples[server.address].append(_ask(connection))
            except (pymysql.Error, OSError):
                if connection is not None:
                    with contextlib.suppress(pymysql.Error, OSError):
                        connection._force_close()
                connection = None
        if connection is not None:
            connection.close()

    def _listen(self) -> None:
        generation: object = None
        while not self._ending.wait(0.02):
            with contextlib.suppress(AssertionError):
                seen = self._world.repman.snapshot
                if (seen.run, seen.generation) == generation:
                    continue
                generation = (seen.run, seen.generation)
                plan = f"{seen.plan.kind} {seen.plan.id}" if seen.plan and seen.plan.state == "running" else ""
                refusals = tuple(refusal.code for refusal in seen.refusals)
                problems = tuple(problem.code for problem in seen.problems)
                self.said.append(Said(seen.at, time.monotonic(), plan, refusals, problems))
                for event in seen.events:
                    self.events.setdefault((event.at, event.text), event.text)


def _ask(connection: pymysql.Connection) -> Sample:
    asked = time.monotonic()
    with connection.cursor() as cursor:
        cursor.execute(_QUERY)
        read_only, waits, position, ackers = cursor.fetchone()
    with connection.cursor(pymysql.cursors.DictCursor) as cursor:
        cursor.execute("SHOW ALL SLAVES STATUS")
        link = cursor.fetchone()
    source = f"{link['Master_Host']}:{link['Master_Port']}" if link and link["Slave_IO_Running"] == "Yes" else ""
    return Sample(asked, time.monotonic(), not read_only, bool(waits), int(ackers), source, position)
