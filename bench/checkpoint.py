"""How long a checkpoint stops the balancer, and how fast snapshots and restores are.

- balancer: checkpoints of config servers and two shards while a writer goes on; from its stop until it was started again.
- snapshot: a replica set of documents of 1 KiB, read at a cluster time, compressed, summed up and written down.
- restore: the same to an empty set, with its indexes and comparisons.
- bare: a loop of as many threads that reads raw batches and inserts them, in the same run: what both are compared with.

Servers, engine and load share the processors.  Each server of the replica sets has a cache of 1 GB.

Usage: python bench/checkpoint.py [--documents 200000] [--rounds 3] [--checkpoints 20]
Prints one JSON object; exits 1 when a restored copy differs or a goal was missed.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import bson
from bson import ObjectId
from report import figures, finish, say

from repman.checkpoints.catalogue import Catalogue
from repman.checkpoints.engine import Engine, Settings, quiet
from repman.checkpoints.model import RestoreJob, RestoreRequest
from repman.checkpoints.parts import Access
from repman.checkpoints.repository import Directory
from repman.checkpoints.sums import sum_up
from repman.mongo.raw import Documents

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "mongo"))
from checkpoint_stand import Sharded
from mongo_stand import ReplicaSet

GROUP, CLUSTER = "5" * 24, "6" * 24
THREADS = 4
GOALS = {"balancer_stopped_ms_p50": 2000.0, "snapshot_of_bare": 0.7, "restore_of_bare": 0.7}


def engine(directory: Path, uri: str, tell: Any = quiet) -> tuple[Engine, Catalogue]:
    catalogue = Catalogue.below(directory)
    repository = Directory(directory / "repository")
    return Engine(GROUP, CLUSTER, Access(uri), repository, catalogue, directory, Settings(THREADS), tell), catalogue


def stops(directory: Path, checkpoints: int) -> list[float]:
    """Milliseconds for which the balancer was stopped, each time."""
    say("checkpoints of a sharded cluster under load")
    cluster = Sharded(directory / "cluster")
    ending = threading.Event()

    def write() -> None:
        number = 0
        while not ending.is_set():
            for one in cluster.shards.values():
                one.client.shop.orders.insert_one({"_id": number, "pad": "x" * 500})
            number += 1

    times: dict[str, float] = {}
    writer = threading.Thread(target=write)
    try:
        cluster.start_balancer()
        made, catalogue = engine(
            directory / "sharded", cluster.uri, lambda step: times.__setitem__(step, time.monotonic())
        )
        writer.start()
        found = []
        for _ in range(checkpoints):
            checkpoint = made.checkpoint()
            assert checkpoint.restorable, checkpoint.reasons
            found.append(1000 * (times["balancer: restarted"] - times["balancer: stop"]))
        catalogue.close()
        return found
    finally:
        ending.set()
        writer.join()
        cluster.stop()


def fill(source: ReplicaSet, documents: int) -> int:
    """Documents of 1 KiB; returns their bytes."""
    rng = random.Random(1)
    body = bytes(rng.randrange(32, 127) for _ in range(4000)).decode()
    size = 0
    for first in range(0, documents, 5000):
        made = [
            bson.encode({"_id": each, "owner": each % 1000, "at": each * 7, "body": body[each % 3000 :][:940]})
            for each in range(first, min(first + 5000, documents))
        ]
        source.client.shop.command({"insert": "orders", "documents": [Documents(b"".join(made))]})
        size += sum(map(len, made))
    source.client.shop.orders.create_index("owner")
    return size


def bare(source: ReplicaSet, target: ReplicaSet, documents: int) -> float:
    """Seconds that a loop needs that does nothing but read raw batches and insert them."""
    target.client.drop_database("bare")
    target.client.bare.create_collection("orders")
    step = -(-documents // (THREADS * 4))

    def copy(first: int) -> None:
        query = {"_id": {"$gte": first, "$lt": first + step}}
        for batch in source.client.shop.orders.find_raw_batches(query, sort=[("_id", 1)], batch_size=4000):
            target.client.bare.command(
                {"insert": "orders", "documents": [Documents(batch)], "ordered": False, "writeConcern": {"w": 1}}
            )

    began = time.monotonic()
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(copy, range(0, documents, step)))
    took = time.monotonic() - began
    assert target.client.bare.orders.estimated_document_count() == documents
    target.client.drop_database("bare")
    return took


def copies(directory: Path, documents: int, rounds: int) -> dict[str, Any]:
    """MB per second of all three, each round."""
    source = ReplicaSet(directory / "source", "rs0", oplog_mb=4000, cache_gb=1.0)
    target = ReplicaSet(directory / "target", "rs1", oplog_mb=4000, cache_gb=1.0)
    found: dict[str, Any] = {"bare": [], "snapshot": [], "restore": [], "alike": True, "compressed_share": 0.0}
    try:
        size = fill(source, documents)
        made, catalogue = engine(directory / "single", source.uri)
        for number in range(rounds):
            say(f"round {number + 1} of {rounds}")
            found["bare"].append(size / 1e6 / bare(source, target, documents))
            began = time.monotonic()
            taken = made.snapshot()
            found["snapshot"].append(size / 1e6 / (time.monotonic() - began))
            found["compressed_share"] = round(sum(part.file_bytes for part in taken.parts) / size, 3)
            request = RestoreRequest(GROUP, CLUSTER, snapshot=taken.id, targets=(("rs0", target.uri),), overwrite=True)
            began = time.monotonic()
            made.restore(RestoreJob(ObjectId(), request, datetime.now(UTC)))
            found["restore"].append(size / 1e6 / (time.monotonic() - began))
            sums = [sum_up(one.client, "shop", "orders", None) for one in (source, target)]
            found["alike"] &= sums[0] == sums[1]
            target.client.drop_database("shop")
        catalogue.close()
        return found
    finally:
        source.stop()
        target.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--checkpoints", type=int, default=20)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="repman-bench-") as directory:
        stopped = stops(Path(directory) / "stops", arguments.checkpoints)
        found = copies(Path(directory) / "copies", arguments.documents, arguments.rounds)
    median = {name: figures(found[name])["p50"] or 0.0 for name in ("bare", "snapshot", "restore")}
    reached = {
        "balancer_stopped_ms_p50": figures(stopped)["p50"] or 0.0,
        "snapshot_of_bare": median["snapshot"] / median["bare"],
        "restore_of_bare": median["restore"] / median["bare"],
    }
    failures = [
        f"{name}: {value:.2f}, goal {GOALS[name]}"
        for name, value in reached.items()
        if (value > GOALS[name] if name.endswith("p50") else value < GOALS[name])
    ]
    if not found["alike"]:
        failures.append("source and restored copy differ")
    goals = {name: round(value, 2) for name, value in reached.items()}
    samples = {"balancer_stopped_ms": figures(stopped), "mb_per_second": found}
    raise SystemExit(finish("checkpoint", failures, goals=goals, samples=samples))


if __name__ == "__main__":
    main()
