"""What watching costs: CPU time of the monitor for each server and tick, decision and publication included.

First on a real cluster (ticker 0.2 s), idle and under eight writers: user and system time of the monitor process,
all its threads.  Beside it a simulation of 1, 10 and 100 clusters in one process: the same loop on observations that
are made up, so that what remains is decision, memory, proxies and publication without the talk to servers.

Usage: python bench/tick.py [--seconds 60] [--ticks 200]
Prints one JSON object; exits 1 when the goal was missed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

from load import Load
from report import figures, finish, say
from rig import Rig, in_memory, running

from repman.clock import SystemClock
from repman.config.settings import ClusterSettings, Credential
from repman.engines.memory import MemoryDriver, MemoryWorld
from repman.model.observation import ServerSeen
from repman.model.plan import Outcome, Step, StepKind
from repman.model.policy import ClusterPolicy, ServerPolicy
from repman.monitor.loop import ClusterLoop, Surroundings
from repman.state.history import History
from repman.state.journal import Journal
from repman.state.snapshots import Publisher

GOAL_US = 400.0
TICKER = 0.2
LOAD_SECONDS = 10.0
_ALL_THREADS_SCHEDULED = 2
"""The kind of clock in a Linux clock id made from a process id (clock_getcpuclockid)."""
CLUSTERS = (1, 10, 100)


def cpu_seconds(pid: int) -> float:
    """User and system time that a process, all its threads, has used so far."""
    return time.clock_gettime(~pid << 3 | _ALL_THREADS_SCHEDULED)


def watch(rig: Rig, seconds: float) -> dict[str, Any]:
    """Microseconds for each server and tick, over that time and for each fifth of it."""
    pid = int(rig.place.pid_file("monitor").read_text())
    parts = []
    cpu, ticks = cpu_seconds(pid), rig.snapshot().ticks
    first = (cpu, ticks)
    for _ in range(5):
        time.sleep(seconds / 5)
        now = (cpu_seconds(pid), rig.snapshot().ticks)
        parts.append((now[0] - cpu) * 1e6 / ((now[1] - ticks) * len(rig.sandbox.servers)))
        cpu, ticks = now
    count = ticks - first[1]
    return {
        "us_per_server_and_tick": round((cpu - first[0]) * 1e6 / (count * len(rig.sandbox.servers)), 1),
        "seconds": seconds,
        "ticks": count,
        "cpu_share": round((cpu - first[0]) / seconds, 4),
        "samples_us": [round(part, 1) for part in parts],
    }


class Still:
    """A driver that sees a healthy cluster, each time a little later."""

    performs: frozenset[StepKind] = frozenset()

    def __init__(self, addresses: tuple[str, ...]) -> None:
        world = MemoryWorld(addresses)
        world.wire(addresses[0])
        real = MemoryDriver(world)
        real.observe(1.0)
        real.inventory(1.0)
        self._seen = real.observe(1.0)

    def observe(self, timeout: float, only: Collection[str] | None = None) -> tuple[ServerSeen, ...]:
        now = time.monotonic()
        self._seen = tuple(_later(seen, now) for seen in self._seen)
        return tuple(seen for seen in self._seen if only is None or seen.address in only)

    def wait(self, timeout: float) -> frozenset[str]:
        return frozenset()

    def inventory(self, timeout: float) -> None:
        pass

    def perform(self, step: Step, timeout: float, waiting: Callable[[], None]) -> Outcome:
        raise AssertionError(f"nothing is to be done on a healthy cluster, but: {step}")

    def close(self) -> None:
        pass


def _later(seen: ServerSeen, now: float) -> ServerSeen:
    links = tuple(replace(link, heartbeats=link.heartbeats + 1) for link in seen.links)
    return replace(seen, at=now, links=links)


def simulate(clusters: int, ticks: int) -> dict[str, Any]:
    """The same figure for that many clusters of three servers, without the talk to servers."""
    with tempfile.TemporaryDirectory(prefix="repman-bench-") as directory, in_memory() as run:
        journal, history = (kind(f"sqlite:///{directory}/{kind.__name__}.db") for kind in (Journal, History))
        publisher = Publisher(Path(run))
        loops = [_loop(number, journal, history, publisher) for number in range(clusters)]
        for loop in loops:
            loop.tick()
        parts = []
        for _ in range(max(5, ticks // clusters)):
            began = time.process_time()
            for loop in loops:
                loop.tick()
            parts.append((time.process_time() - began) * 1e6 / (clusters * 3))
        history.close()
        journal.close()
    return {"clusters": clusters, "us_per_server_and_tick": figures(parts)}


def _loop(number: int, journal: Any, history: Any, publisher: Publisher) -> ClusterLoop:
    addresses = tuple(f"10.0.{number}.{server}:3306" for server in (1, 2, 3))
    servers = tuple(
        ServerPolicy(address, address.partition(":")[0], 3306, f"db{number}{place}", f"db{place}")
        for place, address in enumerate(addresses, 1)
    )
    nobody = Credential("", "")
    settings = ClusterSettings(ClusterPolicy(f"c{number}", servers), nobody, nobody)
    return ClusterLoop(
        Surroundings(settings, Still(addresses), (), None, journal, history, publisher, SystemClock(), "bench")
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="on the real, idle cluster")
    parser.add_argument("--ticks", type=int, default=200, help="simulated ticks, shared by the clusters")
    given = parser.parse_args()
    with running({"monitoring-ticker": TICKER}) as rig:
        idle = watch(rig, given.seconds)
        say(f"idle: {idle['us_per_server_and_tick']} us")
        load = Load(rig)
        load.start()
        busy = watch(rig, min(LOAD_SECONDS, given.seconds))
        say(f"under writes: {busy['us_per_server_and_tick']} us, {len(load.stop().acks)} writes")
    simulated = [simulate(clusters, given.ticks) for clusters in CLUSTERS]
    failures = [
        f"{name}: {found['us_per_server_and_tick']} us for each server and tick, goal {GOAL_US:.0f} us"
        for name, found in (("idle", idle), ("under writes", busy))
        if found["us_per_server_and_tick"] > GOAL_US
    ]
    return finish("tick", failures, ticker=TICKER, servers=3, idle=idle, under_writes=busy, simulated=simulated)


if __name__ == "__main__":
    sys.exit(main())
