"""The end of a replication: what was changed so that it could go on is given its final form."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from functools import partial

from repman.link import indexes, listing
from repman.link.catalog import Catalog, Collection, Spec, creation
from repman.link.connection import Cluster
from repman.link.status import UnsuccessfulIndex
from repman.link.writing import define
from repman.mongo.patience import patiently

LOG = logging.getLogger(__name__)


def give_final_form(
    target: Cluster, catalog: Catalog, stop: threading.Event, source: Cluster | None = None
) -> tuple[UnsuccessfulIndex, ...]:
    """Give collections and indexes the source's form; returns the indexes that could not be given it.

    `source` is asked what became of the indexes that it was still building when the link began.  Raises Stopped and
    PyMongoError.
    """
    give_final_sizes(target, catalog, stop)
    collections = [each for each in catalog.all() if each.indexes]

    def finalize(collection: Collection) -> list[UnsuccessfulIndex]:
        return indexes.finalize(target, catalog, without_abandoned(source, catalog, collection))

    def finalized(collection: Collection) -> list[UnsuccessfulIndex]:
        return patiently(lambda: finalize(collection), stop)

    found = listing.in_parallel(collections, finalized)
    return tuple(sorted((each for some in found for each in some), key=lambda each: (each.namespace, each.name)))


def give_final_sizes(target: Cluster, catalog: Catalog, stop: threading.Event) -> None:
    """Take the room away from capped collections that they had while replication went on.

    Raises Stopped and PyMongoError.
    """
    for collection in catalog.all():
        if collection.is_capped:
            patiently(partial(_give_final_size, target, catalog.target(collection), collection.options), stop)


def _give_final_size(target: Cluster, namespace: tuple[str, str], options: Spec) -> None:
    database, name = namespace
    for entry in target.client[database].list_collections(filter={"name": name}):
        found = entry["options"]
        changes = {}
        if found.get("size") != options["size"]:
            changes["cappedSize"] = options["size"]
        if found.get("max") != options.get("max"):
            changes["cappedMax"] = options.get("max", 0)
        if changes:
            define(target, database, {"collMod": name, **changes})


def without_abandoned(source: Cluster | None, catalog: Catalog, collection: Collection) -> Collection:
    """The collection without indexes whose build the source has given up, of which no event tells.

    Raises PyMongoError.
    """
    waiting = {name for name, why in collection.deferred.items() if why == indexes.INCOMPLETE}
    if source is None or not waiting:
        return collection
    present = {spec["name"] for spec in indexes.listed(source, collection.database, collection.name)}
    abandoned = waiting - present
    if not abandoned:
        return collection
    LOG.info("the source did not complete %s of %s", ", ".join(sorted(abandoned)), collection)
    left = replace(
        collection,
        indexes={name: spec for name, spec in collection.indexes.items() if name not in abandoned},
        deferred={name: why for name, why in collection.deferred.items() if name not in abandoned},
    )
    catalog.add(left)
    return left


def opposite(target: Cluster, catalog: Catalog) -> list[Collection]:
    """The catalogue of the way back: the target's collections, by the UUIDs that they have there.

    Under the target's names.  Taken while nobody but the link has written there.  Raises PyMongoError.
    """
    found: list[Collection] = []
    carried = {catalog.target(each): each for each in catalog.all()}
    for database in sorted({database for database, _ in carried}):
        for entry in target.client[database].list_collections():
            known = carried.get((database, entry["name"]))
            if known is None:
                continue
            key = known.key if known.is_view else bytes(entry["info"]["uuid"]).hex()
            options = creation(entry.get("options", {}))
            if known.is_view:
                key = f"view:{database}.{entry['name']}"
            found.append(Collection(key, database, entry["name"], options, known.indexes))
    return found
