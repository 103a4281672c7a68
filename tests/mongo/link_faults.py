"""A link as a process of its own, and what goes wrong while it works."""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bson import Timestamp
from link_stand import differences
from mongo_stand import ReplicaSet, wait_until
from percona_program import Program
from pymongo import MongoClient
from pymongo.database import Database

from repman.link.link import Link
from repman.link.options import LinkOptions
from repman.link.percona.flavour import PLACE
from repman.link.reset import reset

ROUNDS = int(os.environ.get("REPMAN_ROUNDS", "3"))
SEED = int(os.environ.get("REPMAN_CHAOS_SEED", "20261125"))
KEPT = PLACE.database
PATIENCE = 90.0
SMALL = LinkOptions(segment_bytes=256 << 10, read_batch_bytes=64 << 10)
"""Many segments even of a small collection."""
Data = Database[dict[str, Any]]


def dice(*about: object) -> random.Random:
    """The same numbers for the same test, and others for each round."""
    return random.Random(f"{SEED} {about}")


def fill(client: MongoClient[dict[str, Any]], documents: int = 20_000, body: int = 300) -> None:
    """Something to copy: one larger collection, and a few of other kinds."""
    shop = client["shop"]
    for first in range(0, documents, 10_000):
        some = range(first, min(documents, first + 10_000))
        shop["orders"].insert_many([{"_id": number, "body": "x" * body, "n": 0} for number in some])
    shop["orders"].create_index([("n", 1), ("body", -1)], name="by_n")
    shop["people"].insert_many([{"_id": f"p{number}", "mail": f"{number}@x", "tags": []} for number in range(500)])
    shop["people"].create_index("mail", unique=True)
    shop.create_collection("recent", capped=True, size=1 << 20)
    shop["recent"].insert_many([{"_id": number, "said": "y" * 50} for number in range(100)])
    shop.create_collection("cheap", viewOn="orders", pipeline=[{"$match": {"n": 0}}])


class Faulty:
    """A link as a process of its own, between two clusters."""

    def __init__(self, directory: Path, source: str, target: str, *words: str) -> None:
        directory.mkdir(exist_ok=True)
        self._directory, self._source, self._target, self._words = directory, source, target, words
        self.program: Program | None = None

    @property
    def process(self) -> Program:
        """The process; only once it was begun."""
        assert self.program is not None
        return self.program

    def begin(self, options: LinkOptions | None = None) -> None:
        """Start a replication; with options that its own API does not offer, or takes no so small numbers for."""
        reset(self._target, PLACE)
        if options is not None:
            link = Link(self._source, self._target, PLACE)
            link.open()
            link.start(options)
            link.close()
        self.program = self.another("link")
        self.answers()
        if options is None:
            assert self.process.post("start") == {"ok": True}

    def another(self, name: str) -> Program:
        """One more process for the same link."""
        return Program(self._directory / name, "--source", self._source, "--target", self._target, *self._words)

    def answers(self) -> None:
        """Once it does."""
        self.process.until(lambda status: True, "an answer", PATIENCE)

    def kill(self) -> None:
        """``kill -9``, and nothing is left of it."""
        self.process.process.kill()
        self.process.process.wait(10)

    def restart(self) -> None:
        """The process is started again, and not told anything."""
        self.process.again()
        self.answers()

    def until(self, condition: Callable[[dict[str, Any]], Any], what: str) -> dict[str, Any]:
        """The first status for which a condition holds; the link must never have failed."""

        def holds(status: dict[str, Any]) -> Any:
            assert status["ok"], f"{status}\n{self.process.told()[-3000:]}"
            return condition(status)

        return self.process.until(holds, what, PATIENCE)

    def copied(self, part: float) -> None:
        """Once that part of all documents is copied, or everything."""

        def enough(status: dict[str, Any]) -> bool:
            clone = status["initialSync"]
            bytes_copied, bytes_in_all = clone.get("clonedSizeBytes", 0), clone.get("estimatedCloneSizeBytes", 1)
            return bool(clone["cloneCompleted"] or bytes_copied >= part * bytes_in_all)

        self.until(enough, "a part of the clone")

    def cloned(self) -> dict[str, Any]:
        """Once everything is copied."""
        return self.until(lambda status: status["initialSync"]["cloneCompleted"], "the end of the clone")

    def in_sync(self) -> dict[str, Any]:
        """Once the target is consistent."""
        return self.until(lambda status: status["initialSync"]["completed"], "the initial sync")

    def caught_up(self, client: MongoClient[dict[str, Any]]) -> None:
        """Once everything that the source has now is applied."""
        note = client.admin.command("appendOplogNote", 1, data={"msg": "here"})
        self.reached(note["$clusterTime"]["clusterTime"])

    def reached(self, moment: Timestamp) -> None:
        """Once everything up to that time of the source is applied."""

        def applied(status: dict[str, Any]) -> bool:
            seconds, number = status.get("lastReplicatedOpTime", {"ts": "0.0"})["ts"].split(".")
            return (int(seconds), int(number)) >= (moment.time, moment.inc)

        self.until(applied, "everything to be applied")

    def finalize(self) -> None:
        """Ask for the end, as often as that takes; a process that was killed may not have heard of it."""

        def accepted() -> bool:
            answer = self.process.post("finalize")
            assert answer["ok"] or "initial sync" in answer["error"], answer
            return bool(answer["ok"])

        wait_until(accepted, PATIENCE, "finalize to be accepted")

    def finalized(self) -> None:
        """Once everything has its final form."""
        self.until(lambda status: status["state"] == "finalized", "the end of finalization")

    def remove(self) -> None:
        if self.program is not None:
            self.program.remove()


@contextlib.contextmanager
def faulty(directory: Path, source: str, target: str, *words: str) -> Iterator[Faulty]:
    """A link that knows nothing yet."""
    made = Faulty(directory, source, target, *words)
    try:
        yield made
    finally:
        made.remove()


def alike(source: ReplicaSet, target: ReplicaSet) -> None:
    """Source and target are the same: collections, options, indexes, and the bytes of all documents in their order."""
    found = differences(source, target)
    assert not found, "\n".join([*found, f"the series began with REPMAN_CHAOS_SEED={SEED}"])


def kept(target: ReplicaSet, what: str) -> Any:
    """A collection of what the link keeps on its target."""
    return target.client[KEPT][f"{what}.{PLACE.id}" if what in ("collections", "segments") else what]


@contextlib.contextmanager
def set_of_one(directory: Path, name: str, *parameters: str) -> Iterator[ReplicaSet]:
    """A set of one member with those server parameters."""
    made = ReplicaSet(directory, name, options=tuple(word for each in parameters for word in ("--setParameter", each)))
    try:
        yield made
    finally:
        made.stop()


APPLICATION = "pcsm"
"""By which a cluster knows the connections of a link."""
Times = int | None


class Failing:
    """A command of the link that a cluster, started with ``enableTestCommands``, does not carry out as it should."""

    def __init__(self, cluster: ReplicaSet, *commands: str, times: Times = 1, **how: Any) -> None:
        """So often, or with None until it is ended; `how` is the server's own: ``errorCode``, ``closeConnection`` ..."""
        self._admin = cluster.client.admin
        mode: Any = "alwaysOn" if times is None else {"times": times}
        data = {"failCommands": list(commands), "appName": APPLICATION, **how}
        self._entered = int(self._set(mode, data)["count"])

    def __enter__(self) -> Failing:
        return self

    def __exit__(self, *_: object) -> None:
        self._set("off")

    def met(self, times: int = 1) -> None:
        """Once the link has met it so often."""
        self._admin.command(
            "waitForFailPoint", "failCommand", timesEntered=self._entered + times, maxTimeMS=int(PATIENCE * 1000)
        )

    def _set(self, mode: Any, data: dict[str, Any] | None = None) -> dict[str, Any]:
        return self._admin.command("configureFailPoint", "failCommand", mode=mode, **({"data": data} if data else {}))


def under_way(cluster: ReplicaSet) -> list[dict[str, Any]]:
    """What the cluster does on behalf of links, and the transactions that they have left open."""
    look = [{"$currentOp": {"idleSessions": True}}, {"$match": {"appName": APPLICATION}}]
    return [
        each
        for each in cluster.client.admin.aggregate(look)
        if "transaction" in each or {"insert", "update", "delete"} & set(each.get("command", {}))
    ]
