"""A cluster and its parts: config servers and shards, or one replica set.

The parts are found from one address: of a mongos, of the config servers, or of a replica set that is not sharded.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bson import Timestamp
from pymongo import MongoClient
from pymongo.errors import ConfigurationError, InvalidURI
from pymongo.read_concern import ReadConcern
from pymongo.uri_parser import parse_uri
from pymongo.write_concern import WriteConcern

from repman.checkpoints.model import PartType
from repman.errors import CheckpointRefused
from repman.mongo.patience import without_credentials

Document = dict[str, Any]
Client = MongoClient[Document]

MAJORITY = WriteConcern(w="majority", wtimeout=60_000)
BOOKS = "repman"
"""The collection, of the database `config`, that repman keeps notes in: the one place where config servers take any."""
_SELECTION_MS = 10_000


@dataclass(frozen=True, slots=True)
class Access:
    """How a cluster is reached."""

    uri: str = field(repr=False)
    """Of a mongos, of the config servers, or of a replica set."""
    shards: Mapping[str, str] = field(default_factory=dict, repr=False)
    """URIs of shards by their `_id`, where the account of `uri` is not one of theirs."""


@dataclass(frozen=True, slots=True)
class Part:
    """One replica set of a cluster."""

    type: PartType
    set_name: str
    shard: str
    uri: str = field(repr=False)

    @property
    def name(self) -> str:
        """What targets of a restore are given for: the shard's, or the set's where it is none."""
        return self.shard or self.set_name


class Cluster:
    """An open cluster; close it.  Its methods raise PyMongoError."""

    def __init__(self, parts: tuple[Part, ...], clients: dict[str, Client], mongos: Client | None) -> None:
        self.parts, self._clients, self.mongos = parts, clients, mongos

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def config(self) -> Part | None:
        """The config servers; None where there are none."""
        return next((part for part in self.parts if part.type is PartType.CONFIG_SERVER), None)

    def client(self, part: Part) -> Client:
        """Sessions with its primary."""
        return self._clients[part.name]

    def books(self, part: Part) -> Any:
        """The collection of repman's notes on that part; what is written there is on a majority."""
        return self.client(part).config.get_collection(
            BOOKS, write_concern=MAJORITY, read_concern=ReadConcern("majority")
        )

    def host(self, part: Part) -> str:
        """The primary's address."""
        return address(self.client(part))

    def close(self) -> None:
        """End all sessions."""
        for client in (*self._clients.values(), *([self.mongos] if self.mongos else ())):
            client.close()


def connect(uri: str) -> Client:
    """A client of ours.  Raises CheckpointRefused when the URI is none."""
    try:
        return MongoClient(
            uri,
            appname="repman-checkpoints",
            serverSelectionTimeoutMS=_SELECTION_MS,
            datetime_conversion="DATETIME_AUTO",
        )
    except (ConfigurationError, InvalidURI, ValueError) as error:
        raise CheckpointRefused(
            f"The address of the cluster cannot be used: {without_credentials(str(error))}"
        ) from error


def open_cluster(access: Access) -> Cluster:
    """Find the parts.  Raises CheckpointRefused when it is no cluster's address, and PyMongoError."""
    with contextlib.ExitStack() as opened:
        first = connect(access.uri)
        opened.callback(first.close)
        hello = first.admin.command("hello")
        found: dict[str, Client] = {}
        mongos = None
        if hello.get("msg") == "isdbgrid":
            mongos = first
            servers = first.admin.command("serverStatus")["sharding"]["configsvrConnectionString"]
            config = _opened(opened, PartType.CONFIG_SERVER, "", _with_hosts(access.uri, servers), found)
            parts = [config, *_shards(opened, access, first, found)]
        elif "configsvr" in hello:
            found[hello["setName"]] = first
            config = Part(PartType.CONFIG_SERVER, hello["setName"], "", access.uri)
            parts = [config, *_shards(opened, access, first, found)]
        else:
            _refuse_shard(first, hello)
            found[hello["setName"]] = first
            parts = [Part(PartType.REPLICA_SET, hello["setName"], "", access.uri)]
        if len({part.name for part in parts}) < len(parts):
            raise CheckpointRefused("A shard has the name of the config servers' set: rename the set, or the shard.")
        opened.pop_all()
        return Cluster(tuple(parts), found, mongos)


def _shards(opened: contextlib.ExitStack, access: Access, config: Client, found: dict[str, Client]) -> list[Part]:
    listed = config.config.get_collection("shards", read_concern=ReadConcern("majority")).find().sort("_id")
    parts = []
    for each in listed:
        uri = access.shards.get(each["_id"]) or _with_hosts(access.uri, each["host"])
        parts.append(_opened(opened, PartType.REPLICA_SET, each["_id"], uri, found))
    return parts


def _opened(opened: contextlib.ExitStack, kind: PartType, shard: str, uri: str, found: dict[str, Client]) -> Part:
    client = connect(uri)
    opened.callback(client.close)
    part = Part(kind, client.admin.command("hello")["setName"], shard, uri)
    found[part.name] = client
    return part


def _refuse_shard(client: Client, hello: Document) -> None:
    if "setName" not in hello:
        raise CheckpointRefused("This server is not a member of a replica set, so it has no oplog: make it one.")
    if client.admin["system.version"].find_one({"_id": "shardIdentity"}):
        raise CheckpointRefused(
            f"{hello['setName']} is a shard: give the address of its cluster's config servers, or of a mongos."
        )


def _with_hosts(uri: str, connection: str) -> str:
    """The same account and options for another set, given as ``set/host,host``."""
    set_name, _, hosts = connection.rpartition("/")
    parse_uri(uri)  # raises what `connect` turns into words
    scheme, _, rest = uri.partition("://")
    authority, _, tail = rest.partition("/")
    account, at, _ = authority.rpartition("@")
    path, _, options = tail.partition("?")
    kept = [each for each in options.split("&") if each and _name(each) not in ("replicaset", "directconnection")]
    if scheme.endswith("+srv") and not any(_name(each) in ("tls", "ssl") for each in kept):
        kept.append("tls=true")  # as an address with +srv has it
    if set_name:
        kept.append(f"replicaSet={set_name}")
    return f"mongodb://{account}{at}{hosts}/{path}?{'&'.join(kept)}"


def _name(option: str) -> str:
    return option.partition("=")[0].lower()


def address(client: Client) -> str:
    """The primary's `host:port`.  Raises PyMongoError."""
    hello = client.admin.command("hello")
    return str(hello.get("me") or hello.get("primary", ""))


def version(client: Client) -> str:
    """Of mongod.  Raises PyMongoError."""
    return str(client.server_info()["version"])


def newest(client: Client) -> Timestamp:
    """The last entry of the oplog that a majority has.  Raises PyMongoError."""
    found: Document = client.admin.command("hello")["lastWrite"]
    moment: Timestamp = found["majorityOpTime"]["ts"]
    return moment
