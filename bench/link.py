"""How fast a MongoDB link copies and follows, on two mongod of one member each.

The link is the `pcsm` program, a process of its own; mongod, link and load share the processors.

- clone: documents of 1 KiB, beside a bare loop of as many threads that reads raw batches and inserts them.
- replication: a backlog of inserts, updates and deletes is collected while the link is paused; then the link resumes.
- catch-up: the same, while the source takes 10,000 operations a second.
- lag: 5,000 operations a second; every 50 ms a document is marked on the source and looked for on the target.
- memory: the link's largest resident size over all of it.

Each server has a cache of 1 GB and an oplog of 8 GB.

Usage: python bench/link.py [--documents 300000] [--operations 400000] [--rounds 3]
Prints one JSON object; exits 1 when the copy differs or a goal was missed.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import bson
import requests
from pymongo import MongoClient
from report import figures, finish, say

from repman.mongo.raw import Documents

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "mongo"))
from mongo_stand import ReplicaSet, free_port, wait_until

KIB = 1024
CACHE_GB = 1.0
"""Of each server: more than the data, as servers are run."""
GOALS = {
    "clone_mb_per_second": 70.0,
    "clone_of_bare": 0.8,
    "operations_per_second": 40_000.0,
    "lag_p99_ms": 1000.0,
    "memory_mb": 400.0,
}


class Program:
    """The link."""

    def __init__(self, source: ReplicaSet, target: ReplicaSet, directory: Path) -> None:
        self.port = free_port()
        log = (directory / "link.log").open("wb")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "repman.cli.percona", "--source", source.uri, "--target", target.uri,
             "--port", str(self.port), "--reset-state"],
            stdout=log, stderr=log,
        )  # fmt: skip
        self.peak = 0
        wait_until(self.listens, 20, "the link to listen")

    def listens(self) -> bool:
        try:
            return bool(self.status()["state"] == "idle")
        except requests.ConnectionError:
            return False

    def status(self) -> dict[str, Any]:
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                self.peak = max(self.peak, int(line.split()[1]))
        found: dict[str, Any] = requests.get(f"http://127.0.0.1:{self.port}/status", timeout=10).json()
        return found

    def post(self, path: str, **body: object) -> None:
        answer = requests.post(f"http://127.0.0.1:{self.port}/{path}", json=body, timeout=60).json()
        assert answer["ok"], answer

    def until(self, condition: Any, what: str, seconds: float = 300) -> dict[str, Any]:
        def holds() -> dict[str, Any] | None:
            found = self.status()
            assert found["ok"], found
            return found if condition(found) else None

        found: dict[str, Any] = wait_until(holds, seconds, what)
        return found

    def reached(self, source: ReplicaSet) -> None:
        """Wait until everything that the source has now is applied."""
        reply = source.client.admin.command("appendOplogNote", 1, data={"bench": 1})
        moment = reply["$clusterTime"]["clusterTime"]
        self.until(lambda found: _time(found) >= (moment.time, moment.inc), "the link to catch up")

    def end(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


def _time(found: dict[str, Any]) -> tuple[int, int]:
    seconds, _, increment = found.get("lastReplicatedOpTime", {}).get("ts", "0.0").partition(".")
    return int(seconds), int(increment)


def fill(source: ReplicaSet, documents: int) -> int:
    """Documents of 1 KiB; returns their bytes."""
    rng = random.Random(1)
    body = bytes(rng.randrange(32, 127) for _ in range(4000)).decode()

    def some(first: int) -> int:
        made = []
        for number in range(first, min(first + 5000, documents)):
            at = number % 3000
            one = {"_id": number, "owner": number % 1000, "n": 0, "at": number * 7, "body": body[at : at + 940]}
            made.append(bson.encode(one))
        source.client.shop.command({"insert": "orders", "documents": [Documents(b"".join(made))]})
        return sum(map(len, made))

    with ThreadPoolExecutor(4) as pool:
        return sum(pool.map(some, range(0, documents, 5000)))


def bare(source: ReplicaSet, target: ReplicaSet, documents: int, threads: int = 3) -> float:
    """Seconds that a loop needs that does nothing but read raw batches and insert them."""
    target.client.drop_database("bare")
    target.client.bare.create_collection("orders")
    step = -(-documents // (threads * 4))

    def copy(first: int) -> None:
        reader, writer = source.client.shop.orders, target.client.bare
        query = {"_id": {"$gte": first, "$lt": first + step}}
        for batch in reader.find_raw_batches(query, sort=[("_id", 1)], batch_size=4000):
            writer.command(
                {"insert": "orders", "documents": [Documents(batch)], "ordered": False, "writeConcern": {"w": 1}}
            )

    began = time.monotonic()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(copy, range(0, documents, step)))
    took = time.monotonic() - began
    assert target.client.bare.orders.estimated_document_count() == documents
    target.client.drop_database("bare")
    return took


class Mixed:
    """Half inserts, three tenths updates, two tenths deletes; each of 1 KiB or of a few bytes."""

    def __init__(self, documents: int) -> None:
        self.next, self.first = documents, 0
        self.rng = random.Random(2)
        self.body = "b" * 940
        self.lock = threading.Lock()

    def write(self, client: MongoClient[dict[str, Any]], operations: int) -> None:
        """About that many."""
        with self.lock:
            inserts, deletes = operations // 2, operations // 5
            new, self.next = self.next, self.next + inserts
            old, self.first = self.first, self.first + deletes
        shop = client.shop
        made = [
            bson.encode({"_id": new + each, "owner": each % 1000, "n": 0, "body": self.body}) for each in range(inserts)
        ]
        shop.command({"insert": "orders", "documents": [Documents(b"".join(made))]})
        updates = []
        for _ in range(operations - inserts - deletes):
            chosen = self.rng.randrange(old + deletes, new)
            updates.append(bson.encode({"q": {"_id": chosen}, "u": {"$set": {"n": self.rng.randrange(1 << 30)}}}))
        shop.command({"update": "orders", "updates": [Documents(b"".join(updates))]})
        gone = [bson.encode({"q": {"_id": old + each}, "limit": 1}) for each in range(deletes)]
        shop.command({"delete": "orders", "deletes": [Documents(b"".join(gone))]})


class Steady:
    """That many operations a second, until it is ended."""

    def __init__(self, uri: str, mixed: Mixed, rate: int) -> None:
        self.client: MongoClient[dict[str, Any]] = MongoClient(uri)
        self.mixed, self.rate = mixed, rate
        self.ended = threading.Event()
        self.done = 0
        self.thread = threading.Thread(target=self.work)
        self.thread.start()

    def work(self) -> None:
        began, some = time.monotonic(), max(100, self.rate // 20)
        while not self.ended.is_set():
            self.mixed.write(self.client, some)
            self.done += some
            self.ended.wait(max(0.0, began + self.done / self.rate - time.monotonic()))

    def end(self) -> None:
        self.ended.set()
        self.thread.join()
        self.client.close()


def backlog(link: Program, source: ReplicaSet, mixed: Mixed, operations: int) -> None:
    """Have the link that many operations behind."""
    link.post("pause")
    for _ in range(operations // 10_000):
        mixed.write(source.client, 10_000)


def applied(link: Program, source: ReplicaSet, operations: int) -> float:
    """Operations a second, from the call that resumes the link to the last one that is applied."""
    began = time.monotonic()
    link.post("resume")
    link.reached(source)
    return operations / (time.monotonic() - began)


def lags(source: ReplicaSet, target: ReplicaSet, seconds: float) -> list[float]:
    """Milliseconds from a write's acknowledgement until it is seen on the target."""
    found = []
    until = time.monotonic() + seconds
    number = 0
    while time.monotonic() < until:
        number += 1
        source.client.shop.marks.insert_one({"_id": number})
        began = time.monotonic()
        while target.client.shop.marks.find_one({"_id": number}) is None:
            time.sleep(0.001)
        found.append((time.monotonic() - began) * 1000)
        time.sleep(0.05)
    source.client.shop.marks.drop()
    return found


def alike(source: ReplicaSet, target: ReplicaSet) -> bool:
    """Whether the servers' own digests of the data are equal."""
    return all(
        source.client[name].command("dbHash")["collections"] == target.client[name].command("dbHash")["collections"]
        for name in ("shop",)
    )


def measure(directory: Path, documents: int, operations: int, rounds: int) -> dict[str, Any]:
    source, target = (ReplicaSet(directory, name, cache_gb=CACHE_GB) for name in ("rs0", "rs1"))
    results: dict[str, Any] = {"clone": [], "bare": [], "replication": [], "catch_up": []}
    try:
        for each in (source, target):
            each.client.admin.command("replSetResizeOplog", 1, size=8000.0)
        size = fill(source, documents)
        for _ in range(rounds):
            results["bare"].append(size / bare(source, target, documents) / 1e6)
            say(f"bare loop: {results['bare'][-1]:.0f} MB/s")
            link = Program(source, target, directory)
            began = time.monotonic()
            link.post("start")
            link.until(lambda found: found["initialSync"]["cloneCompleted"], "the clone")
            results["clone"].append(size / (time.monotonic() - began) / 1e6)
            say(f"clone: {results['clone'][-1]:.0f} MB/s")
            if len(results["clone"]) < rounds:
                link.end()
        link.until(lambda found: found["initialSync"]["completed"], "the initial sync")
        mixed = Mixed(documents)
        for _ in range(rounds):
            backlog(link, source, mixed, operations)
            results["replication"].append(applied(link, source, operations))
            say(f"replication: {results['replication'][-1]:.0f} operations/s")
        backlog(link, source, mixed, operations // 2)
        steady = Steady(source.uri, mixed, 10_000)
        began = time.monotonic()
        link.post("resume")
        link.until(
            lambda found: found["lagTimeSeconds"] <= 1, "the link to catch up with a source that takes 10,000/s", 120
        )
        results["catch_up"] = {
            "seconds": time.monotonic() - began,
            "source_per_second": steady.done / (time.monotonic() - began),
        }
        say(f"catch-up of {operations // 2} operations under 10,000/s: {results['catch_up']}")
        steady.end()
        steady = Steady(source.uri, mixed, 5_000)
        time.sleep(1)
        results["lag_ms"] = lags(source, target, 15)
        steady.end()
        say(f"lag: {figures(results['lag_ms'])}")
        link.reached(source)
        results["alike"] = alike(source, target)
        results["memory_mb"] = link.peak / KIB
        link.end()
    finally:
        source.stop()
        target.stop()
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=300_000)
    parser.add_argument("--operations", type=int, default=400_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="repman-bench-") as directory:
        found = measure(Path(directory), arguments.documents, arguments.operations, arguments.rounds)
    median = {name: figures(found[name])["p50"] or 0.0 for name in ("clone", "bare", "replication")}
    lag = sorted(found["lag_ms"])[int(len(found["lag_ms"]) * 0.99)]
    reached = {
        "clone_mb_per_second": (median["clone"], median["clone"] >= GOALS["clone_mb_per_second"]),
        "clone_of_bare": (median["clone"] / median["bare"], median["clone"] / median["bare"] >= GOALS["clone_of_bare"]),
        "operations_per_second": (median["replication"], median["replication"] >= GOALS["operations_per_second"]),
        "lag_p99_ms": (lag, lag <= GOALS["lag_p99_ms"]),
        "memory_mb": (found["memory_mb"], found["memory_mb"] <= GOALS["memory_mb"]),
    }
    failures = [f"{name}: {value:.1f}, goal {GOALS[name]}" for name, (value, ok) in reached.items() if not ok]
    if not found["alike"]:
        failures.append("source and target differ")
    goals = {name: round(value, 2) for name, (value, _) in reached.items()}
    raise SystemExit(finish("link", failures, goals=goals, samples=found))


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    main()
