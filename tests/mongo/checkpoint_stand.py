"""A sharded cluster without mongos: config servers and two shards of one member each, and what checkpoints do to it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bson import SON, ObjectId, Timestamp
from mongo_stand import ReplicaSet

from repman.checkpoints.catalogue import Catalogue
from repman.checkpoints.engine import Engine, Settings, quiet
from repman.checkpoints.model import RestoreJob, RestoreRequest
from repman.checkpoints.parts import Access
from repman.checkpoints.repository import Directory
from repman.mongo.raw import RAW

Tell = Callable[[str], None]
GROUP, CLUSTER = "5" * 24, "6" * 24
MAJORITY = {"w": "majority"}


class Sharded:
    """Config servers and shards; every shard is registered, a mongos there is none."""

    def __init__(self, directory: Path, shards: int = 2, register: bool = True) -> None:
        names = [f"shard_{number}" for number in range(shards)]
        with ThreadPoolExecutor(shards + 1) as pool:
            config = pool.submit(ReplicaSet, directory, "config", 1, ("--configsvr",), 64)
            made = [pool.submit(ReplicaSet, directory, f"set_{name}", 1, ("--shardsvr",), 64) for name in names]
            self.config = config.result()
            self.shards = {name: each.result() for name, each in zip(names, made, strict=True)}
        if register:
            for name in names:
                self.register(name)

    def register(self, name: str) -> None:
        member = self.shards[name].members[0]
        host = f"{self.shards[name].name}/{member.address}"
        self.config.client.admin.command(
            SON([("_configsvrAddShard", host), ("name", name), ("writeConcern", MAJORITY)])
        )

    @property
    def uri(self) -> str:
        return self.config.uri

    @property
    def sets(self) -> dict[str, ReplicaSet]:
        """Each part's set by the name that targets of a restore are given for."""
        return {self.config.name: self.config, **self.shards}

    def balancer(self) -> str:
        """`full` or `off`."""
        found: dict[str, Any] = self.config.client.admin.command("_configsvrBalancerStatus", 1)
        return str(found["mode"])

    def start_balancer(self) -> None:
        self.config.client.admin.command("_configsvrBalancerStart", 1)

    def stop_balancer(self) -> None:
        self.config.client.admin.command("_configsvrBalancerStop", 1)

    def empty(self) -> None:
        """Take every database of users away, and let the balancer run."""
        for each in self.shards.values():
            each.empty()
        self.config.client.config.repman.delete_many({})
        self.start_balancer()

    def stop(self) -> None:
        for each in (*self.shards.values(), self.config):
            each.stop()


class Place:
    """An engine, and the directories that it works in."""

    def __init__(self, directory: Path, uri: str, settings: Settings | None = None, tell: Tell = quiet) -> None:
        self.directory = directory
        self.catalogue = Catalogue.below(directory)
        self.files = directory / "repository" / GROUP / CLUSTER
        self.engine = Engine(
            GROUP, CLUSTER, Access(uri), Directory(directory / "repository"), self.catalogue, directory, settings, tell
        )

    def restored(self, to: Mapping[str, ReplicaSet], overwrite: bool = False, **what: Any) -> RestoreJob:
        """The job of a restore to these sets, by the name of the part, as it ended."""
        targets = tuple((name, each.uri) for name, each in to.items())
        request = RestoreRequest(GROUP, CLUSTER, targets=targets, overwrite=overwrite, **what)
        job = RestoreJob(ObjectId(), request, datetime.now(UTC))
        self.catalogue.restores.save(job)
        return self.engine.restore(job)

    def close(self) -> None:
        self.catalogue.close()


def state(one: ReplicaSet, at: Timestamp | None = None) -> dict[str, Any]:
    """Every collection of users by name: its options, its indexes, and a hash of its documents."""
    found = {}
    for database in one.client.list_database_names():
        if database in ("admin", "config", "local"):
            continue
        for entry in one.client[database].list_collections(filter={"type": "collection"}):
            name = entry["name"]
            found[f"{database}.{name}"] = (
                documents(one, database, name, None if entry["options"].get("capped") else at),
                repr(entry["options"]),
                sorted(
                    repr(dict(each))
                    for each in one.client[database].command("listIndexes", name)["cursor"]["firstBatch"]
                ),
            )
    return found


def documents(one: ReplicaSet, database: str, name: str, at: Timestamp | None = None) -> tuple[int, str]:
    """Number and SHA-256 of all documents, sorted; read by a test of its own, not as the engine does."""
    concern: dict[str, Any] = {"level": "snapshot", "atClusterTime": at} if at else {"level": "majority"}
    command = SON([("find", name), ("batchSize", 1_000_000), ("readConcern", concern)])
    # Both: its answers after the first are decoded as the database's are.
    raw_database = one.client.get_database(database, codec_options=RAW)
    with raw_database.cursor_command(command, codec_options=RAW) as cursor:
        raw = sorted(bytes(each.raw) for each in cursor)
    return len(raw), hashlib.sha256(b"".join(raw)).hexdigest()
