"""How long writes pause when the primary of a replica set is moved by hand or dies, and whether a write is lost.

Four writers insert with majority through a driver that knows all members, while `repman ctl switchover` is asked for
through the API; then the new primary is killed, and what passes until the next acknowledged write is measured too.

Usage: python bench/mongo_switchover.py [--rounds 10]
Prints one JSON object; exits 1 when an acknowledged write was lost, a switchover failed, or the goal was missed.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import PyMongoError
from report import figures, finish, say

from repman.cli.sandbox_config import sections
from repman.errors import MonitorDown, StateError
from repman.model.command import Command, CommandKind
from repman.model.snapshot import Snapshot
from repman.orchestrators.mongodb_files import Layout
from repman.orchestrators.network import free_ports
from repman.orchestrators.sandbox import Sandbox
from repman.state.bus import ask
from repman.state.snapshots import SnapshotReader

GOAL_MS = 1200.0
CLUSTER = "docs"
WRITERS = 4
PATIENCE = 60.0


class Load:
    """Writers that remember what was acknowledged, and when."""

    def __init__(self, uri: str) -> None:
        self.acknowledged: list[tuple[float, str]] = []
        self._ending = threading.Event()
        self._client: MongoClient[dict[str, Any]] = MongoClient(uri, w="majority")
        self._threads = [threading.Thread(target=self._write, args=(number,)) for number in range(WRITERS)]
        for thread in self._threads:
            thread.start()

    def _write(self, number: int) -> None:
        count, prefix = 0, f"{time.monotonic()}-{number}"
        while not self._ending.is_set():
            count += 1
            try:
                self._client.shop.orders.insert_one({"_id": f"{prefix}-{count}"})
            except PyMongoError:
                continue
            self.acknowledged.append((time.monotonic(), f"{prefix}-{count}"))

    def after(self, moment: float) -> None:
        """Wait until a write was acknowledged after that moment; raises TimeoutError."""
        until(lambda: bool(self.acknowledged) and self.acknowledged[-1][0] > moment, "writes to go on")

    def longest_gap(self, begin: float, end: float) -> float:
        """Longest time between two acknowledged writes, in ms."""
        moments = sorted(moment for moment, _ in list(self.acknowledged) if begin <= moment <= end)
        return max((1000 * (after - before) for before, after in itertools.pairwise(moments)), default=0.0)

    def end(self) -> set[str]:
        """Stop; what was acknowledged and is not there."""
        self._ending.set()
        for thread in self._threads:
            thread.join()
        there = {each["_id"] for each in self._client.shop.orders.find({}, {"_id": 1})}
        self._client.close()
        return {key for _, key in self.acknowledged} - there


def until(condition: Any, what: str) -> None:
    ends = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > ends:
            raise TimeoutError(f"waited {PATIENCE:.0f} s in vain for {what}")
        time.sleep(0.002)


class Bench:
    """A replica set under a repman of its own."""

    def __init__(self, sandbox: Sandbox, rundir: Path) -> None:
        self.sandbox, self.rundir = sandbox, rundir
        self._reader = SnapshotReader(rundir)

    def snapshot(self) -> Snapshot | None:
        return self._reader.get(CLUSTER)

    def healthy(self) -> bool:
        """Whether everybody is in its place, by a look of now."""
        found = self.snapshot()
        states = sorted(str(view.state) for view in found.servers) if found else []
        fresh = found is not None and time.monotonic() - found.monotonic < 2.0 and not found.in_failover
        return fresh and states == ["Master", "Slave", "Slave"]

    def switchover(self) -> tuple[bool, str]:
        receipt = ask(self.rundir / "monitor.sock", Command(CommandKind.SWITCHOVER, CLUSTER), PATIENCE)
        return receipt.status == "done", receipt.sentence

    def watches(self) -> bool:
        try:
            command = Command(CommandKind.PREVIEW, CLUSTER, preview_of="switchover")
            return ask(self.rundir / "monitor.sock", command, PATIENCE).status == "preview"
        except (MonitorDown, StateError):
            return False


@contextmanager
def running() -> Iterator[Bench]:
    """A healthy set, watched; nothing of it is left afterwards."""
    with tempfile.TemporaryDirectory(prefix="repman-bench-") as directory:
        place = Path(directory)
        sandbox = Sandbox.create(place / "set", haproxy=False, cluster=CLUSTER, layout=Layout(3))
        process: subprocess.Popen[bytes] | None = None
        try:
            sandbox.start_all()
            (http,) = free_ports(1)
            own = {
                "monitoring-datadir": str(place / "data"),
                "monitoring-rundir": str(place / "run"),
                "http-port": http,
                "api-server": False,
                "api-credentials": [f"admin:{os.urandom(8).hex()}"],
                "log-file": str(place / "log"),
            }
            text = "".join(f"{name} = {json.dumps(value)}\n" for name, value in own.items())
            config = place / "repman.toml"
            config.write_text(sections(sandbox).replace("[Default]\n", f"[Default]\n{text}", 1))
            argv = (sys.executable, "-P", "-m", "repman", "serve", "--config", str(config))
            process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            bench = Bench(sandbox, place / "run")
            until(bench.healthy, "a healthy set")
            until(bench.watches, "the monitor")
            yield bench
        finally:
            if process is not None:
                process.terminate()
                process.wait(60)
            sandbox.destroy()


def one_round(bench: Bench, uri: str) -> dict[str, Any]:
    """Move the primary under load, then kill the new one."""
    until(bench.healthy, "a healthy set")
    load = Load(uri)
    load.after(time.monotonic())
    time.sleep(0.5)
    began = time.monotonic()
    done, told = bench.switchover()
    load.after(time.monotonic())
    time.sleep(0.5)
    moved = time.monotonic()
    found = bench.snapshot()
    writer = found.server(found.writer) if found else None
    killed = 0.0
    if done and writer is not None:
        bench.sandbox.kill(writer.policy.name)
        killed = time.monotonic()
        load.after(killed + 0.05)
    time.sleep(0.2)
    ended = time.monotonic()
    lost = load.end()
    if writer is not None:
        bench.sandbox.start(writer.policy.name)
    return {
        "done": done,
        "told": told,
        "gap_ms": round(load.longest_gap(began - 0.5, moved), 1),
        "kill_gap_ms": round(load.longest_gap(moved, ended), 1),
        "acknowledged": len(load.acknowledged),
        "lost": len(lost),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=10)
    given = parser.parse_args()
    samples = []
    with running() as bench:
        hosts = ",".join(server.address for server in bench.sandbox.servers)
        account = bench.sandbox.description.application
        uri = f"mongodb://{account.user}:{account.password}@{hosts}/?replicaSet={CLUSTER}"
        for turn in range(given.rounds):
            samples.append(one_round(bench, uri))
            say(f"{turn + 1}/{given.rounds} gap {samples[-1]['gap_ms']} ms, kill {samples[-1]['kill_gap_ms']} ms")
    gaps = figures([sample["gap_ms"] for sample in samples])
    failures = [f"round {turn}: {each['told']}" for turn, each in enumerate(samples, 1) if not each["done"]]
    failures += [f"round {turn} lost {each['lost']} writes" for turn, each in enumerate(samples, 1) if each["lost"]]
    if gaps["p50"] is None or gaps["p50"] > GOAL_MS:
        failures.append(f"longest gap p50: {gaps['p50']} ms, goal {GOAL_MS:.0f} ms")
    return finish(
        "mongo_switchover",
        failures,
        rounds=given.rounds,
        gap_ms=gaps,
        kill_gap_ms=figures([sample["kill_gap_ms"] for sample in samples]),
        acknowledged=sum(sample["acknowledged"] for sample in samples),
        lost=sum(sample["lost"] for sample in samples),
        samples=samples,
    )


if __name__ == "__main__":
    sys.exit(main())
