"""One cluster of a link: a client that is set up for copying, and what only concerns the cluster as a whole."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from bson.timestamp import Timestamp
from pymongo import MongoClient, ReadPreference
from pymongo.database import Database
from pymongo.errors import OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.uri_parser import parse_uri
from pymongo.write_concern import WriteConcern

from repman.errors import LinkFailed
from repman.link.orphans import Orphans
from repman.mongo.patience import without_credentials

Document = dict[str, Any]
T = TypeVar("T")

MAJORITY = WriteConcern(w="majority")
ONE = WriteConcern(w=1)
_CONNECT_MS = 5000
_SOCKET_MS = 300_000
_OLDEST = (6, 0)
_ROLLING = 0.9
"""Share of its size from which on an oplog may lose its oldest entries."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What a primary has, and what no election can undo any more."""

    election: object
    """Equal as long as the same primary was not elected anew; None where nobody tells."""
    written: Timestamp
    """The time of the primary's newest operation."""
    committed: Timestamp
    """A majority has everything up to this time."""


class Cluster:
    """A replica set, or a sharded cluster behind mongos."""

    def __init__(self, uri: str, name: str, application: str = "pcsm") -> None:
        """Nothing is opened before `connect`; `name` is what the operator calls it."""
        self.uri = uri
        self.name = name
        self.application = application
        """By which the cluster knows our connections."""
        self._client: MongoClient[Document] | None = None
        self._seen_time: tuple[float, Timestamp] | None = None
        self.version: tuple[int, ...] = ()
        self.sharded = False
        """Whether there are shards behind it."""
        self.identity: object = None
        """Equal for two connections to the same cluster."""
        self.permit: Callable[[], None] = lambda: None
        """Called before every write of the link; raises while it must not write."""
        self.orphans = Orphans(application)
        """Writes to it that may be under way although nobody waits for them."""

    @property
    def client(self) -> MongoClient[Document]:
        """The client; only between `connect` and `close`."""
        assert self._client is not None
        return self._client

    @cached_property
    def address(self) -> str:
        """Hosts and ports, comma separated, without credentials; what is unreadable is not shown."""
        try:
            nodes = parse_uri(self.uri, validate=False, warn=True)["nodelist"]
        except PyMongoError:
            return "?"
        return ",".join(f"{host}:{port}" for host, port in nodes)

    def connect(self) -> None:
        """Raises LinkFailed when the cluster cannot be reached, refuses us, is too old, or cannot be replicated."""
        try:
            self._client = MongoClient(
                self.uri,
                appname=self.application,
                readPreference="primary",
                readConcernLevel="majority",
                w="majority",
                retryReads=True,
                retryWrites=True,
                directConnection=False,
                connectTimeoutMS=_CONNECT_MS,
                serverSelectionTimeoutMS=_CONNECT_MS,
                socketTimeoutMS=_SOCKET_MS,
                maxPoolSize=100,
            )
            hello = self.client.admin.command("hello")
            self.version = tuple(self.client.server_info()["versionArray"][:3])
            self._require_cluster(hello)
            self.sharded = hello.get("msg") == "isdbgrid"
            self.identity = self._identity(hello)
        except PyMongoError as error:
            raise LinkFailed(f"connect to {self.name} cluster: {without_credentials(str(error))}") from error
        if self.version < _OLDEST:
            told = ".".join(map(str, self.version))
            raise LinkFailed(f"version check: the {self.name} cluster is MongoDB {told}; 6.0 or newer is needed")

    def _require_cluster(self, hello: Document) -> None:
        if "setName" not in hello and hello.get("msg") != "isdbgrid":
            raise LinkFailed(
                f"connect to {self.name} cluster: {self.address} is a single server: it has no oplog to follow; "
                "make it a replica set of one member"
            )

    def _identity(self, hello: Document) -> object:
        if hello.get("msg") == "isdbgrid":
            return self.client.config.version.find_one({}, {"clusterId": 1})
        try:
            config = self.client.admin.command("replSetGetConfig")["config"]
            return config["settings"]["replicaSetId"]
        except OperationFailure:
            return hello["setName"], tuple(sorted(hello["hosts"]))

    def close(self) -> None:
        """Close all connections."""
        if self._client is not None:
            self._client.close()

    def database(self, name: str, write: WriteConcern = MAJORITY) -> Database[Document]:
        """A database, read on the primary with read concern majority."""
        return self.client.get_database(
            name, read_preference=ReadPreference.PRIMARY, read_concern=ReadConcern("majority"), write_concern=write
        )

    def time(self) -> Timestamp:
        """The cluster's time now; raises PyMongoError."""
        return self._time_of(self.client.admin.command("ping"))

    def standing(self) -> Standing:
        """How far the primary is, and how far a majority; behind mongos both are the cluster's time.  Raises PyMongoError."""
        hello = self.client.admin.command("hello")
        if "lastWrite" not in hello:
            now = self._time_of(hello)
            return Standing(None, now, now)
        written, committed = (hello["lastWrite"][which]["ts"] for which in ("opTime", "majorityOpTime"))
        return Standing(hello.get("electionId"), written, committed)

    def note(self, text: str) -> Timestamp:
        """Write a no-op to the oplog, which every change stream gets past; returns its time.  Raises PyMongoError."""
        reply = self.client.admin.command("appendOplogNote", 1, data={"msg": text})
        return self._time_of(reply)

    def _time_of(self, reply: Document) -> Timestamp:
        if "$clusterTime" in reply:
            moment: Timestamp = reply["$clusterTime"]["clusterTime"]
        else:
            moment = reply["operationTime"]
        self._seen_time = (time.monotonic(), moment)
        return moment

    def last_seen_time(self) -> Timestamp | None:
        """The newest time that was heard of, without asking the cluster."""
        return self._seen_time[1] if self._seen_time is not None else None

    def oplog_begins(self) -> Timestamp | None:
        """The oldest entry of the oplog once it has begun to forget; None before, behind mongos, or without the right.

        Raises PyMongoError.
        """
        local = self.client.local
        try:
            stats = local.command("collStats", "oplog.rs")
            if stats["size"] < _ROLLING * stats["maxSize"]:
                return None
            first = local["oplog.rs"].find_one({}, {"ts": 1}, sort=[("$natural", 1)])
        except OperationFailure:
            return None
        return first["ts"] if first is not None else None

    def block_writes(self, on: bool) -> None:
        """Keep clients from writing, or no longer; raises PyMongoError."""
        self.client.admin.command({"setUserWriteBlockMode": 1, "global": on})
