"""How fast one probe process answers, and whether it answers the truth.

One probe process is pinned to one core.  On the other core a stand-in for the monitor publishes the snapshots
and probe tables of 100 clusters of three servers each second, every time with other roles, and spends on each
server the CPU time that a real poll is allowed (400 us).  The load generator shares that other core, so its own
work, and waiting behind the monitor's, is inside the latencies reported.

The load rotates over every cluster, server and path, over kept connections (HTTP/1.1) or with a new connection
for each probe (HTTP/1.0, as HAProxy's checks do).  Every answer is compared with the truth: it must be the one of
an epoch that was not yet replaced when the question was sent and had begun when the answer came.

Usage: python bench/probes.py [--seconds 6] [--connections 32]
Prints one JSON object; exits 1 when an answer was wrong or a goal was missed.
"""

from __future__ import annotations

import argparse
import json
import mmap
import os
import platform
import resource
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path

from repman.model.decision import Routes, ServerState
from repman.model.observation import Reach, ServerSeen
from repman.model.policy import ServerPolicy
from repman.model.probe import probe_table
from repman.model.snapshot import FORMAT, ServerView, Snapshot
from repman.state.snapshots import Publisher

CLUSTERS, SERVERS = 100, 3
POLL = 400e-6
"""CPU seconds a monitor may spend on one server and tick."""
CHECKS = (("master-status", True), ("is-master", True), ("slave-status", False), ("is-slave", False))
GOALS = {"kept": 20_000, "new": 8_000}
GOAL_P99_MS = 10.0
BUCKET_US = 50


def address(cluster: int, server: int) -> str:
    return f"10.0.{cluster}.{server + 1}:3306"


def is_writer(cluster: int, server: int, epoch: int) -> bool:
    return (cluster + epoch) % SERVERS == server


@dataclass(frozen=True)
class Case:
    """One probe and what decides about its answer."""

    kept: bytes
    fresh: bytes
    cluster: int
    server: int
    master: bool

    def right(self, data: bytes, epoch: int) -> bool:
        valid = is_writer(self.cluster, self.server, epoch) == self.master
        word = b"Master!" if self.master else b"Slave!"
        if valid:
            return data.startswith(b"200", 9) and data.endswith(b"\r\n\r\n200 -Valid " + word)
        return data.startswith(b"503", 9) and data.endswith(b"\r\n\r\n503 -Not a Valid " + word)


def cases() -> list[Case]:
    made = []
    for prefix in ("", "/api"):
        for name, master in CHECKS:
            for server in range(SERVERS):
                for cluster in range(CLUSTERS):
                    host, _, port = address(cluster, server).partition(":")
                    middle = f"db{server}" if (cluster + server) % 2 else f"{host}/{port}"
                    path = f"{prefix}/clusters/cluster{cluster}/servers/{middle}/{name}"
                    made.append(
                        Case(
                            f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode(),
                            f"GET {path} HTTP/1.0\r\n\r\n".encode(),
                            cluster,
                            server,
                            master,
                        )
                    )
    return made


def first_snapshot(cluster: int) -> Snapshot:
    views = []
    for server in range(SERVERS):
        where = address(cluster, server)
        policy = ServerPolicy(where, where.partition(":")[0], 3306, f"id{server}", f"db{server}")
        seen = ServerSeen(where, Reach.ANSWERED, at=0.0, server_id=server + 1, read_only=True)
        views.append(ServerView(policy, seen, None, ServerState.SLAVE, ServerState.SLAVE, False, 0))
    return Snapshot(
        format=FORMAT,
        cluster=f"cluster{cluster}",
        at=time.time(),
        monotonic=time.monotonic(),
        generation=1,
        run="bench",
        active=True,
        lease="held",
        paused=False,
        writer="",
        writer_alive=True,
        topology="master-slave",
        protected=True,
        blocked_by=(),
        refusals=(),
        problems=(),
        routes=Routes(),
        servers=tuple(views),
    )


class Epochs:
    """Two numbers shared with the monitor: the epoch begun last and the one published completely last."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 16)
        self.begin(0)
        self.complete(-1)

    def begin(self, epoch: int) -> None:
        self._memory[0:8] = struct.pack("q", epoch)

    def complete(self, epoch: int) -> None:
        self._memory[8:16] = struct.pack("q", epoch)

    def begun(self) -> int:
        return int(struct.unpack_from("q", self._memory, 0)[0])

    def completed(self) -> int:
        return int(struct.unpack_from("q", self._memory, 8)[0])


def monitor(rundir: Path, epochs: Epochs, core: int) -> None:
    """Publish all clusters each second with other roles, and be as busy as a monitor may be."""
    os.sched_setaffinity(0, {core})
    publisher = Publisher(rundir)
    snapshots = [first_snapshot(cluster) for cluster in range(CLUSTERS)]
    epoch = 0
    while True:
        second = time.monotonic()
        epochs.begin(epoch)
        for cluster, snapshot in enumerate(snapshots):
            spin(POLL * SERVERS)
            everybody = [address(cluster, server) for server in range(SERVERS)]
            writer = everybody[(cluster + epoch) % SERVERS]
            routes = Routes(writer, tuple(other for other in everybody if other != writer))
            now = replace(snapshot, monotonic=time.monotonic(), routes=routes, generation=epoch)
            publisher.publish(now, probe_table(now, "keep", 60.0))
        epochs.complete(epoch)
        epoch += 1
        time.sleep(max(0.0, second + 1.0 - time.monotonic()))


def spin(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


@dataclass
class Tally:
    """What was measured."""

    answers: int = 0
    wrong: int = 0
    first_wrong: str = ""
    ambiguous: int = 0
    histogram: Counter[int] = field(default_factory=Counter)
    per_second: Counter[int] = field(default_factory=Counter)

    def note(self, case: Case, data: bytes, sent: float, got: float, oldest: int, newest: int) -> None:
        self.answers += 1
        self.histogram[int((got - sent) * 1e6) // BUCKET_US] += 1
        self.per_second[int(got)] += 1
        self.ambiguous += oldest != newest
        if not any(case.right(data, epoch) for epoch in range(oldest, newest + 1)):
            self.wrong += 1
            self.first_wrong = self.first_wrong or f"{case.kept!r} -> {data!r} in epochs {oldest}..{newest}"

    def percentile(self, share: float) -> float:
        """Milliseconds, the upper edge of the bucket."""
        left = share * self.answers
        for bucket in sorted(self.histogram):
            left -= self.histogram[bucket]
            if left <= 0:
                return (bucket + 1) * BUCKET_US / 1000
        return 0.0


def load(port: int, epochs: Epochs, kept: bool, connections: int, seconds: float) -> Tally:
    """Ask without pause over that many connections at once."""
    tally = Tally()
    todo = cycle(cases())
    poll = select.epoll()
    open_now: dict[int, tuple[socket.socket, Case, float, int]] = {}

    def ask(connection: socket.socket | None) -> None:
        case = next(todo)
        oldest = epochs.completed()
        sent = time.perf_counter()
        if connection is None:
            connection = socket.create_connection(("127.0.0.1", port))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            poll.register(connection.fileno(), select.EPOLLIN)
        connection.send(case.kept if kept else case.fresh)
        open_now[connection.fileno()] = (connection, case, sent, oldest)

    for _ in range(connections):
        ask(None)
    end = time.perf_counter() + seconds
    while open_now:
        for number, _ in poll.poll(5):
            connection, case, sent, oldest = open_now.pop(number)
            data = connection.recv(4096)
            got = time.perf_counter()
            tally.note(case, data, sent, got, oldest, epochs.begun())
            if not kept or got >= end:
                poll.unregister(number)
                connection.close()
            if got < end:
                ask(connection if kept else None)
    poll.close()
    return tally


def cycle(made: list[Case]) -> Iterator[Case]:
    while True:
        yield from made


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int, epochs: Epochs) -> None:
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        with socket.socket() as connection:
            if epochs.completed() >= 0 and connection.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise SystemExit("the probe process did not come up")


@contextmanager
def processes(rundir: Path, port: int, epochs: Epochs, cores: tuple[int, int]) -> Iterator[int]:
    """The probe process on the first core and the monitor on the second; gives the pid of the former."""
    code = f"from pathlib import Path; from repman.probes.process import run; run(Path({str(rundir)!r}), '127.0.0.1', {port})"
    probes = subprocess.Popen([sys.executable, "-c", code], preexec_fn=lambda: os.sched_setaffinity(0, {cores[0]}))
    busy = get_context("fork").Process(target=monitor, args=(rundir, epochs, cores[1]), daemon=True)
    busy.start()
    try:
        wait_for(port, epochs)
        yield probes.pid
    finally:
        busy.kill()
        busy.join()
        probes.send_signal(signal.SIGTERM)
        probes.wait(10)


def cpu_of(pid: int) -> float:
    """CPU seconds a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def own_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def measure(pid: int, port: int, epochs: Epochs, mode: str, connections: int, seconds: float) -> dict[str, object]:
    load(port, epochs, mode == "kept", connections, 0.5)
    started, mine, theirs = time.perf_counter(), own_cpu(), cpu_of(pid)
    tally = load(port, epochs, mode == "kept", connections, seconds)
    took = time.perf_counter() - started
    rate = tally.answers / took
    p99 = tally.percentile(0.99)
    return {
        "answers": tally.answers,
        "seconds": round(took, 3),
        "per_second": round(rate),
        "goal_per_second": GOALS[mode],
        "p50_ms": tally.percentile(0.5),
        "p95_ms": tally.percentile(0.95),
        "p99_ms": p99,
        "max_ms": tally.percentile(1.0),
        "goal_p99_ms": GOAL_P99_MS,
        "wrong": tally.wrong,
        "first_wrong": tally.first_wrong,
        "checked_against_one_epoch": tally.answers - tally.ambiguous,
        "checked_against_two_epochs": tally.ambiguous,
        "probe_process_cpu_share": round((cpu_of(pid) - theirs) / took, 3),
        "cpu_us_a_probe": round(1e6 * (cpu_of(pid) - theirs) / tally.answers, 1),
        "load_generator_cpu_share": round((own_cpu() - mine) / took, 3),
        "met": rate >= GOALS[mode] and p99 <= GOAL_P99_MS and not tally.wrong,
        "whole_seconds": [count for _, count in sorted(tally.per_second.items())][1:-1],
        "latency_histogram_us": {bucket * BUCKET_US: n for bucket, n in sorted(tally.histogram.items())},
    }


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=6.0, help="length of each run")
    options.add_argument("--connections", type=int, default=32, help="probes under way at once")
    given = options.parse_args()
    available = sorted(os.sched_getaffinity(0))
    cores = (available[0], available[-1])
    os.sched_setaffinity(0, {cores[1]})
    result: dict[str, object] = {
        "bench": "probes",
        "python": platform.python_version(),
        "cores": len(available),
        "load_average_before": os.getloadavg()[0],
        "connections": given.connections,
        "clusters": CLUSTERS,
        "servers": SERVERS,
        "paths_a_server": 2 * len(CHECKS),
    }
    with tempfile.TemporaryDirectory(prefix="repman-bench-") as directory:
        epochs, port = Epochs(), free_port()
        with processes(Path(directory), port, epochs, cores) as pid:
            runs = {mode: measure(pid, port, epochs, mode, given.connections, given.seconds) for mode in GOALS}
    result |= runs
    print(json.dumps(result))
    return 0 if all(run["met"] for run in runs.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
