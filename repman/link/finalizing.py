"""The end of a replication: what was changed so that it could go on is given its final form."""

from __future__ import annotations

import logging
import threading

from repman.link import indexes, listing
from repman.link.catalog import Catalog, Collection, creation
from repman.link.connection import Cluster, patiently
from repman.link.status import UnsuccessfulIndex

LOG = logging.getLogger(__name__)


def give_final_form(target: Cluster, catalog: Catalog, stop: threading.Event) -> tuple[UnsuccessfulIndex, ...]:
    """Give all indexes the source's form; returns those that could not be given it.  Raises Stopped, PyMongoError."""
    collections = [each for each in catalog.all() if each.indexes]

    def finalized(collection: Collection) -> list[UnsuccessfulIndex]:
        return patiently(lambda: indexes.finalize(target, catalog, collection), stop)

    found = listing.in_parallel(collections, finalized)
    return tuple(sorted((each for some in found for each in some), key=lambda each: (each.namespace, each.name)))


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
