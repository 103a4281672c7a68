"""What the source has, and how the target is prepared for it."""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from bson.binary import Binary
from pymongo.errors import OperationFailure
from pymongo.read_concern import ReadConcern

from repman.errors import LinkFailed
from repman.link import indexes
from repman.link.catalog import (
    Catalog,
    Collection,
    is_time_series,
    replicated_options,
    view_key,
    without_id,
)
from repman.link.connection import Cluster, Document
from repman.link.namespaces import Remap, Selection, is_internal
from repman.link.writing import define
from repman.mongo.patience import is_transient, patiently

LOG = logging.getLogger(__name__)

_AT_ONCE = 8
_NO_SUCH_NAMESPACE, _IS_A_VIEW = 26, 166
_GONE = frozenset({_NO_SUCH_NAMESPACE, _IS_A_VIEW})
"""The name is nothing's any more, or a view's: the event that tells so will follow."""
T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Listed:
    """A collection of the source, and how large it is about."""

    collection: Collection
    bytes: int = 0
    count: int = 0


def list_source(source: Cluster, selection: Selection, stop: threading.Event) -> list[Listed]:
    """Everything selected.  Raises Stopped and PyMongoError."""
    found: list[Collection] = []
    for name in patiently(lambda: source.client.list_database_names(), stop):
        if not is_internal(name):
            found += patiently(lambda name=name: list_database(source, name, selection), stop)  # type: ignore[misc]
    building = patiently(lambda: _building(source), stop)
    return in_parallel(found, lambda each: patiently(lambda: _looked_into(source, each, building), stop))


def list_database(source: Cluster, database: str, selection: Selection) -> list[Collection]:
    """The selected collections and views of a database, without indexes.  Raises PyMongoError."""
    found = []
    for entry in source.client[database].list_collections():
        name, options = entry["name"], dict(entry.get("options", {}))
        if is_internal(database, name) or not selection.selects(database, name):
            continue
        if entry["type"] == "timeseries" or is_time_series(options):
            LOG.warning("%s.%s is a time series, which is not replicated", database, name)
            continue
        key = view_key(database, name) if entry["type"] == "view" else bytes(entry["info"]["uuid"]).hex()
        found.append(Collection(key, database, name, options))
    return found


def find_by_uuid(source: Cluster, database: str, key: str) -> Collection | None:
    """The collection as it is now, without indexes; None when there is none.  Raises PyMongoError."""
    for entry in source.client[database].list_collections(filter={"info.uuid": Binary(bytes.fromhex(key), 4)}):
        return Collection(key, database, entry["name"], dict(entry.get("options", {})))
    return None


def looked_into(source: Cluster, collection: Collection) -> Listed:
    """The collection with its indexes and its size.  Raises PyMongoError."""
    return _looked_into(source, collection, _building(source))


def _looked_into(source: Cluster, collection: Collection, building: dict[str, set[str]]) -> Listed:
    if collection.is_view:
        return Listed(collection)
    found = without_id(_indexes(source, collection))
    unfinished = building.get(str(collection), set())
    deferred = {name: indexes.INCOMPLETE for name in found if name in unfinished}
    return _sized(source, replace(collection, indexes=found, deferred=deferred))


def _sized(source: Cluster, collection: Collection) -> Listed:
    try:
        stats = source.client[collection.database].command("collStats", collection.name)
    except OperationFailure as error:
        if error.code in _GONE:
            return Listed(collection)
        raise
    return Listed(collection, int(stats["size"]), int(stats["count"]))


def _indexes(source: Cluster, collection: Collection) -> list[Document]:
    """All indexes.  Raises PyMongoError."""
    # By its UUID: the name may have become another collection's since it was listed.  Mongos takes names only.
    name = collection.name if source.sharded else Binary(bytes.fromhex(collection.key), 4)
    return indexes.listed(source, collection.database, name)


def _building(source: Cluster) -> dict[str, set[str]]:
    """The indexes that are being built at this moment, by namespace."""
    found: dict[str, set[str]] = defaultdict(set)
    try:
        operations = source.client.admin.with_options(read_concern=ReadConcern("local")).aggregate(
            [
                {"$currentOp": {"allUsers": True, "idleConnections": True}},
                {"$match": {"command.createIndexes": {"$type": 2}}},
            ]
        )
        for operation in operations:
            command = operation["command"]
            namespace = f"{command.get('$db', operation.get('ns', '').partition('.')[0])}.{command['createIndexes']}"
            found[namespace] |= {spec["name"] for spec in command.get("indexes", ()) if "name" in spec}
    except OperationFailure as error:
        if is_transient(error):
            raise
        LOG.info("index builds of the source cannot be seen (it takes the right inprog): %s", error)
    return found


def present_on(target: Cluster, collections: Sequence[Collection], remap: Remap) -> list[str]:
    """Which of the namespaces the target has already.  Raises PyMongoError."""
    databases = {remap.database(each.database) for each in collections}
    names = {name: set(target.client[name].list_collection_names()) for name in databases}
    return sorted(
        f"{database}.{each.name}"
        for each in collections
        if each.name in names[database := remap.database(each.database)]
    )


def prepare_target(
    target: Cluster, catalog: Catalog, collections: Sequence[Collection], build: bool, stop: threading.Event
) -> None:
    """Create the collections anew; with `build` their indexes, too.  Raises Stopped, LinkFailed and PyMongoError."""

    def prepare(collection: Collection) -> None:
        patiently(lambda: recreate(target, catalog, collection), stop)
        if build and not collection.is_view:
            patiently(lambda: indexes.create(target, catalog, collection, collection.indexes.values()), stop)

    in_parallel(collections, prepare)


def recreate(target: Cluster, catalog: Catalog, collection: Collection) -> None:
    """Make the collection on the target, empty, in the place of what has its name.  Raises LinkFailed, PyMongoError."""
    database, name = catalog.target(collection)
    drop(target, database, name)
    try:
        define(target, database, {"create": name, **replicated_options(collection.options)})
    except OperationFailure as error:
        if is_transient(error):
            raise
        raise LinkFailed(f"{collection} cannot be created on the target: {error}") from error


def drop(target: Cluster, database: str, name: str) -> None:
    """Take a collection away; there need not be one.  Raises PyMongoError."""
    try:
        define(target, database, {"drop": name})
    except OperationFailure as error:
        if error.code != _NO_SUCH_NAMESPACE:
            raise


def in_parallel(items: Sequence[T], call: Callable[[T], R]) -> list[Any]:
    """What the call returns for each, in their order; several at once.  Raises what the first that fails raises."""
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="prepare") as pool:
        return list(pool.map(call, items))
