"""Whether the target is what the source was at the moment up to which it was replicated."""

from __future__ import annotations

import logging
import threading

from repman.errors import LinkFailed
from repman.link.catalog import Catalog
from repman.link.connection import Cluster
from repman.link.record import Record
from repman.link.verify import Reading, collection_differences

LOG = logging.getLogger(__name__)


def require_alike(source: Cluster, target: Cluster, catalog: Catalog, record: Record, stop: threading.Event) -> None:
    """Raises LinkFailed, which names what differs, and PyMongoError."""
    assert record.place is not None
    for collection in catalog.all():
        if collection.is_view:
            continue
        database, name = catalog.target(collection)
        found = collection_differences(
            source.database(collection.database),
            target.database(database),
            (collection.name, name),
            Reading(source=record.place.time),
            lambda _: None,
            stop,
        )
        if found.total:
            record.differs = True
            some = ", ".join(each.shown() for each in found.listed[:5])
            raise LinkFailed(f"verification: {found.total} documents of {collection} differ, among them {some}")
