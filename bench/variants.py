"""States of a cluster in which careless failovers lose writes, made just before the writer is killed."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from load import Load
from rig import Options, Rig

from repman.orchestrators.description import ServerEntry

BACKLOG_SECONDS = 5.5


@contextlib.contextmanager
def nothing(rig: Rig, load: Load) -> Iterator[None]:
    """A healthy cluster."""
    yield


@contextlib.contextmanager
def backlog(rig: Rig, load: Load) -> Iterator[None]:
    """No replica applies what it receives, for more than five seconds; they go on when the writer is dead."""
    with contextlib.ExitStack() as stack:
        for server in rig.replicas():
            connection = stack.enter_context(rig.directly(server))
            with connection.cursor() as cursor:
                cursor.execute(f"LOCK TABLES {load.table} READ")
        time.sleep(BACKLOG_SECONDS)
        yield


@contextlib.contextmanager
def frozen_receiver(rig: Rig, load: Load) -> Iterator[None]:
    """One replica, the one that would be elected on equal terms, receives nothing while writes go on."""
    with _stopped([_first_choice(rig)], rig):
        time.sleep(0.3)
        yield


@contextlib.contextmanager
def excluded(rig: Rig, load: Load) -> Iterator[None]:
    """The most advanced replica is db3, which is never elected; the others are behind."""
    behind = [server for server in rig.replicas() if server.name != "db3"]
    with _stopped(behind, rig):
        time.sleep(0.3)
        yield


@contextlib.contextmanager
def deaf_replicas(rig: Rig, load: Load) -> Iterator[None]:
    """No replica receives anything while, without semi-sync, writes go on."""
    with _stopped(list(rig.replicas()), rig):
        time.sleep(0.3)
        yield


@contextlib.contextmanager
def _stopped(servers: list[ServerEntry], rig: Rig) -> Iterator[None]:
    """Their receivers are stopped, also when repman starts them again, until shortly after the kill."""
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(rig.directly(server, as_monitor=True)) for server in servers]
        for connection in connections:
            with connection.cursor() as cursor:
                cursor.execute("STOP SLAVE IO_THREAD")
        yield
        for connection in connections:
            with connection.cursor() as cursor:
                cursor.execute("START SLAVE IO_THREAD")


def _first_choice(rig: Rig) -> ServerEntry:
    return rig.replicas()[0]


Preparation = Callable[[Rig, Load], AbstractContextManager[None]]


@dataclass(frozen=True)
class Variant:
    """One way to lose writes."""

    prepare: Preparation
    options: Options = field(default_factory=dict)
    sabotage: bool = False
    must_lose: bool = False
    """A positive control: a run without losses shows that they would not be seen."""


VARIANTS = {
    "healthy": Variant(nothing),
    "backlog": Variant(backlog),
    "frozen-receiver": Variant(frozen_receiver),
    "most-advanced-excluded": Variant(excluded, {"db-servers-ignored-hosts": ["db3"]}),
    "control-semi-sync-off": Variant(deaf_replicas, {"failover-semisync-state": False}, must_lose=True),
    "control-no-draining": Variant(backlog, sabotage=True, must_lose=True),
}
