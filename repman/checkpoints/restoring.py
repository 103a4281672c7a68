"""One part is restored to one replica set: loaded, compared, brought to the moment, compared, indexed.

A note on the target says whose restore is under way there and whether it was finished.  A restore that broke off is
begun again: what it left is known by the note to be its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import bson
from bson import ObjectId, Timestamp
from bson.raw_bson import RawBSONDocument
from pymongo.errors import OperationFailure, PyMongoError

from repman.checkpoints import oplog, sums, writing
from repman.checkpoints.listing import collections, indexes
from repman.checkpoints.manifest import CollectionDump, PartDump, Slice, Sum
from repman.checkpoints.model import PartType
from repman.checkpoints.namespaces import ASIDE, KEPT_OF_CONFIG, KEPT_OF_SHARDS, landing
from repman.checkpoints.parts import BOOKS, MAJORITY, Client, Document, connect, version
from repman.checkpoints.replay import Replay
from repman.checkpoints.repository import Repository, load
from repman.errors import CheckpointFailed, CheckpointRefused
from repman.mongo.raw import LENIENT

_NOTE = "restore"
_INTERNAL = frozenset({"admin", "config", "local"})
_VERSION = "version"
_IDENTITY = "shardIdentity"
_TTL = "ttlMonitorEnabled"


@dataclass(frozen=True, slots=True)
class Aim:
    """What a part is to be brought to."""

    job: ObjectId
    part: PartDump
    after: Timestamp
    """The snapshot's time."""
    until: Timestamp
    slices: tuple[Slice, ...]
    decisions: Mapping[str, Timestamp | None]
    expected: tuple[Sum, ...] | None
    """What a checkpoint noted of the part at its time; None: nothing is known of that time."""
    overwrite: bool

    @property
    def name(self) -> str:
        """The part's."""
        return self.part.shard or self.part.set_name


class Target:
    """The replica set that a part is restored to; close it.  Methods raise PyMongoError and CheckpointFailed."""

    def __init__(
        self, uri: str, aim: Aim, repository: Repository, threads: int, tell: Callable[[str], None],
        moved: Callable[[int], None],
    ) -> None:  # fmt: skip
        """`moved` hears of bytes that were read; what it raises ends the restore.  Raises CheckpointRefused."""
        self._client: Client = connect(uri)
        self._aim, self._repository, self._threads = aim, repository, threads
        self._tell, self._moved = tell, moved
        self._major = 0

    def close(self) -> None:
        """End all sessions."""
        self._client.close()

    def check(self) -> bool:
        """Whether anything is left to be done.  Raises CheckpointRefused when this target cannot be restored to."""
        hello = self._client.admin.command("hello")
        name = self._aim.name
        if "setName" not in hello:
            raise CheckpointRefused(f"The target of {name} is no replica set, to which a restore writes.")
        mongod = version(self._client)
        self._major = int(mongod.partition(".")[0])
        if _release(mongod) != _release(self._aim.part.version):
            raise CheckpointRefused(
                f"The target of {name} runs mongod {mongod}, the snapshot is of {self._aim.part.version}: "
                f"use the same release."
            )
        note = self._books().find_one({"_id": _NOTE})
        if note is not None and note["job"] == self._aim.job:
            return not note["done"]
        if not self._aim.overwrite and (there := self._content()):
            raise CheckpointRefused(
                f"The target of {name} is not empty, it has {', '.join(there[:5])}: give an empty one, or allow that "
                f"what is there is replaced."
            )
        self._check_identity()
        self._check_balancer(hello)
        return True

    def restore(self) -> None:
        """Bring it to the moment; what is there goes."""
        was = bool(self._client.admin.command({"getParameter": 1, _TTL: 1})[_TTL])
        mine = {"job": self._aim.job, "part": self._aim.name, "done": False, "ttl": was}
        earlier = self._books().find_one({"_id": _NOTE})
        if earlier is not None and not earlier["done"]:
            mine["ttl"] = earlier["ttl"]  # the restore before did not come to set it back
        self._books().replace_one({"_id": _NOTE}, mine, upsert=True)
        # Documents that are too old would go before they were compared.
        self._client.admin.command({"setParameter": 1, _TTL: False})
        self._tell("restore: empty")
        self._empty()
        self._tell("restore: load")
        self._load()
        self._tell("restore: compare")
        self._compare([each.sum for each in self._aim.part.collections])
        self._tell("restore: replay")
        replay = self._replay()
        if self._aim.expected is not None:
            self._tell("restore: compare again")
            self._compare(list(self._aim.expected), only=True)
        self._tell("restore: indexes")
        self._index(replay)
        self._tell("restore: done")

    def finish(self, hosts: Mapping[str, str], config: str, cluster_id: ObjectId | None) -> None:
        """Say that it is done, and tell the parts of each other.

        `hosts`: where the shards are now; `config`: where the config servers are; `cluster_id`: theirs.
        """
        part = self._aim.part
        if part.type is PartType.CONFIG_SERVER:
            shards = self._client.config.get_collection("shards", write_concern=MAJORITY)
            for shard, host in hosts.items():
                shards.update_one({"_id": shard}, {"$set": {"host": host}})
        elif part.shard and cluster_id is not None and self._is_shard_server() and self._identity() is None:
            # What `addShard` would write: it belongs to that cluster from now on.
            identity = {
                "_id": _IDENTITY,
                "shardName": part.shard,
                "clusterId": cluster_id,
                "configsvrConnectionString": config,
            }
            self._client.admin.get_collection("system.version", write_concern=MAJORITY).insert_one(identity)
        if part.shard:
            self._tell_what_to_delete()
        note = self._books().find_one({"_id": _NOTE})
        self._client.admin.command({"setParameter": 1, _TTL: bool(note and note["ttl"])})
        self._books().update_one({"_id": _NOTE}, {"$set": {"done": True}})

    def _tell_what_to_delete(self) -> None:
        """Let the shard find it when it starts next: of a whole collection that gets a name, it takes no notice."""
        if ASIDE in self._client.config.list_collection_names():
            other = {"renameCollection": f"config.{ASIDE}", "to": f"config.{KEPT_OF_SHARDS[0]}", "dropTarget": True}
            rename = bson.encode({"op": "c", "ns": "config.$cmd", "o": other})
            writing.apply(self._client, [rename], self._major)

    def cluster_id(self) -> ObjectId | None:
        """Of the cluster whose config servers these are; None when they are none."""
        found = self._client.config[_VERSION].find_one({})
        return found.get("clusterId") if found else None

    def _is_shard_server(self) -> bool:
        role: str = self._client.admin.command("getCmdLineOpts")["parsed"].get("sharding", {}).get("clusterRole", "")
        return role == "shardsvr"

    def host(self) -> str:
        """The set and its members as a cluster writes them down."""
        hello = self._client.admin.command("hello")
        return f"{hello['setName']}/{','.join(hello['hosts'])}"

    def _books(self) -> Any:
        return self._client.config.get_collection(BOOKS, write_concern=MAJORITY)

    def _content(self) -> list[str]:
        found = [name for name in self._client.list_database_names() if name not in _INTERNAL]
        if self._aim.part.type is PartType.CONFIG_SERVER:
            found += [f"config.{name}" for name in ("shards", "chunks") if self._client.config[name].find_one()]
        return found

    def _identity(self) -> Document | None:
        found: Document | None = self._client.admin["system.version"].find_one({"_id": _IDENTITY})
        return found

    def _check_identity(self) -> None:
        found = self._identity()
        if found is not None and found["shardName"] != self._aim.part.shard:
            raise CheckpointRefused(
                f"The target of {self._aim.name} is the shard {found['shardName']} of a cluster: give another one."
            )

    def _check_balancer(self, hello: Document) -> None:
        if self._aim.part.type is not PartType.CONFIG_SERVER or "configsvr" not in hello:
            return
        settings = self._client.config.get_collection("settings", write_concern=MAJORITY)
        found = settings.find_one({"_id": "balancer"}) or {}
        stopped = found.get("stopped") or found.get("mode") == "off"
        if not stopped and self._client.config.shards.find_one():
            raise CheckpointRefused("The balancer of the target cluster runs: stop it, and all mongos, first.")
        # On a new one: it shall not begin to move chunks as soon as it sees some.
        settings.update_one({"_id": "balancer"}, {"$set": {"mode": "off", "stopped": True}}, upsert=True)

    def _empty(self) -> None:
        for name in self._client.list_database_names():
            if name not in _INTERNAL:
                self._client.get_database(name, write_concern=MAJORITY).command({"dropDatabase": 1})
        config = self._client.get_database("config", write_concern=MAJORITY)
        kept = KEPT_OF_CONFIG if self._aim.part.type is PartType.CONFIG_SERVER else KEPT_OF_SHARDS
        for name in config.list_collection_names():
            # Beside what is restored, what a shard remembers of where chunks are: it asks the config servers again.
            # Config servers do not let their version go; it is replaced.
            if (
                (name in kept and name != _VERSION)
                or name == ASIDE
                or name.startswith("cache.")
                or name == "migrationCoordinators"
            ):
                config[name].delete_many({})

    def _load(self) -> None:
        there = set(self._client.config.list_collection_names())
        mine = {
            landing("config", each.sum.name) for each in self._aim.part.collections if each.sum.database == "config"
        }
        if self._aim.part.shard:
            mine.add(ASIDE)  # made by what is applied later, too
        for name in sorted(mine - there):
            self._client.config.create_collection(name)
        for each in self._aim.part.collections:
            if each.sum.database != "config":
                made = writing.creation(each.sum.database, each.sum.name, each.options, each.uuid)
                writing.apply(self._client, [made], self._major)
        with ThreadPoolExecutor(self._threads, thread_name_prefix="restore") as pool:
            tasks = [(each, file) for each in self._aim.part.collections for file in each.files]
            # The largest first, so that no thread begins a large one when the others are done.
            tasks.sort(key=lambda task: task[1].raw_bytes, reverse=True)
            for _ in pool.map(lambda task: self._file(*task), tasks):
                pass

    def _file(self, collection: CollectionDump, file: Any) -> None:
        database = collection.sum.database
        name = landing(database, collection.sum.name)
        for some in writing.batches(load(self._repository, file)):
            if name == "system.views":
                operations = [writing.insertion(f"{database}.{name}", each) for each in oplog.split(some)]
                writing.apply(self._client, operations, self._major)
            elif (database, name) == ("config", _VERSION):
                for each in oplog.split(some):
                    whole = bson.decode(each)
                    self._client.config[name].replace_one({"_id": whole["_id"]}, whole, upsert=True)
            else:
                # A capped collection lets the first of them go.
                capped = bson.decode(collection.options, LENIENT).get("capped", False)
                writing.insert(self._client, database, name, some, ordered=capped)
            self._moved(len(some))

    def _compare(self, expected: list[Sum], only: bool = False) -> None:
        """Raises CheckpointFailed unless the collections have these sums; with `only`, unless there are no others."""
        self._until_majority()
        wrong = []
        for each in expected:
            found = sums.sum_up(self._client, each.database, landing(each.database, each.name), None)
            if replace(found, name=each.name) != each:
                wrong.append(f"{each.database}.{each.name} ({found.documents} documents instead of {each.documents})")
        if only:
            known = {(each.database, each.name) for each in expected}
            listed = collections(self._client, self._aim.part.type)
            for one in listed:
                # A checkpoint knows no sums of capped collections, which cannot be read in the past before 8.0.
                if (one.database, one.name) not in known and one.database != "config" and not one.capped:
                    wrong.append(f"{one.database}.{one.name}, which should not be there")
        if wrong:
            raise CheckpointFailed(
                f"What was restored to {self._aim.name} differs from what it is a copy of: {', '.join(wrong[:5])}. "
                f"Nobody but the restore may write there; restore again."
            )

    def _replay(self) -> Replay:
        replay = Replay(self._aim.part, self._aim.after, self._aim.until, self._aim.decisions)

        def operations() -> Any:
            for number, piece in enumerate(self._aim.slices):
                entries = (entry for some in writing.batches(load(self._repository, piece.file))
                           for entry in self._counted(some))  # fmt: skip
                if number:
                    next(entries, None)  # the last one of the slice before
                for entry in entries:
                    yield from replay.operations(entry)
                    if replay.ended:
                        break
            yield from replay.at_the_end()

        for some in writing.bundles(operations()):
            try:
                writing.apply(self._client, some, self._major)
            except OperationFailure as error:
                raise CheckpointFailed(
                    f"The oplog does not fit the data of {self._aim.name}: {error}. Restore again to an empty target; "
                    f"if that fails too, restore from another snapshot."
                ) from error
        return replay

    def _counted(self, some: bytes) -> Any:
        self._moved(len(some))
        return oplog.split(some)

    def _index(self, replay: Replay) -> None:
        for (database, name), specs in replay.indexes.specs.items():
            if not specs or landing(database, name) != name:
                continue
            command = {"createIndexes": name, "indexes": [RawBSONDocument(spec) for spec in specs.values()]}
            try:
                self._client[database].command({**command, "writeConcern": {"w": "majority"}})
            except PyMongoError as error:
                raise CheckpointFailed(f"Indexes of {database}.{name} cannot be built: {error}") from error
            built = {bson.decode(each, LENIENT)["name"] for each in indexes(self._client, database, name)}
            if missing := specs.keys() - built:
                raise CheckpointFailed(f"Indexes of {database}.{name} are missing: {', '.join(sorted(missing))}.")

    def _until_majority(self) -> None:
        """Everything that was written with w: 1 is on a majority when this is."""
        self._books().update_one({"_id": _NOTE}, {"$inc": {"step": 1}})


def _release(mongod: str) -> list[str]:
    return mongod.split(".")[:2]
