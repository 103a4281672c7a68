"""Which collections and indexes a part has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import bson
from pymongo.errors import OperationFailure

from repman.checkpoints.model import PartType
from repman.checkpoints.namespaces import is_kept, is_kept_database
from repman.checkpoints.parts import Client
from repman.mongo.raw import LENIENT, RAW

_NO_COLLECTION = 26


@dataclass(frozen=True, slots=True)
class Listed:
    """One collection."""

    database: str
    name: str
    uuid: str
    """In hex."""
    options: bytes
    """BSON."""
    indexes: tuple[bytes, ...]
    """BSON of each that is complete."""
    capped: bool
    clustered: bool
    collation: dict[str, Any] | None


def collections(client: Client, kind: PartType) -> list[Listed]:
    """The collections that are kept; views are documents of `system.views`.  Raises PyMongoError."""
    found = []
    for database in client.list_database_names():
        if not is_kept_database(kind, database):
            continue
        for entry in client.get_database(database, codec_options=LENIENT).list_collections():
            if entry["type"] == "collection" and is_kept(kind, database, entry["name"]):
                found.append(_listed(client, database, entry))
    return found


def _listed(client: Client, database: str, entry: Any) -> Listed:
    options = dict(entry.get("options", {}))
    # Only `create` is told of the index of _id, and only where it is not as every new one is.
    if "idIndex" in entry:
        options["idIndex"] = entry["idIndex"]
    return Listed(
        database,
        entry["name"],
        bytes(entry["info"]["uuid"]).hex(),
        bson.encode(options),
        indexes(client, database, entry["name"]),
        bool(options.get("capped")),
        bool(options.get("clusteredIndex")),
        options.get("collation"),
    )


def indexes(client: Client, database: str, name: str) -> tuple[bytes, ...]:
    """The complete indexes of a collection; none when there is none of that name.  Raises PyMongoError."""
    command = {"listIndexes": name, "includeBuildUUIDs": True, "cursor": {"batchSize": 1000}}
    try:
        # One answer: a collection has 64 indexes at most.
        reply = client[database].command(command, codec_options=RAW)
    except OperationFailure as error:
        if error.code == _NO_COLLECTION:
            return ()
        raise
    # One that is being built is shown below its build's UUID.
    return tuple(bytes(each.raw) for each in reply["cursor"]["firstBatch"] if "buildUUID" not in each)
