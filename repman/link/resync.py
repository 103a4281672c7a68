"""Coming back after the source's oplog has forgotten what was not read: source and target are compared instead."""

from __future__ import annotations

import logging
import threading

from repman.link import indexes, listing
from repman.link.catalog import Catalog, Collection, creation
from repman.link.connection import Cluster
from repman.link.ddl import Copier
from repman.link.namespaces import Selection
from repman.link.writing import define
from repman.mongo.patience import patiently

LOG = logging.getLogger(__name__)


def reconcile(
    source: Cluster,
    target: Cluster,
    catalog: Catalog,
    selection: Selection,
    copier: Copier,
    stop: threading.Event,
) -> None:
    """Give the target the source's collections, options and indexes; documents only of collections that are new.

    May be repeated.  Raises Stopped, LinkFailed and PyMongoError.
    """
    listed = {each.collection.key: each.collection for each in listing.list_source(source, selection, stop)}
    for known in catalog.all():
        if known.key not in listed:
            LOG.info("%s is no longer on the source", known)
            patiently(lambda known=known: _drop(target, catalog, known), stop)  # type: ignore[misc]
    _rename(target, catalog, listed, stop)
    for collection in sorted(listed.values(), key=lambda each: each.is_view):
        patiently(lambda now=collection: _bring(target, catalog, now, copier), stop)  # type: ignore[misc]


def _drop(target: Cluster, catalog: Catalog, collection: Collection) -> None:
    listing.drop(target, *catalog.target(collection))
    catalog.remove(collection)


def _rename(target: Cluster, catalog: Catalog, listed: dict[str, Collection], stop: threading.Event) -> None:
    """First out of the way, then to the new names: names may have been exchanged."""
    moved = [each for each in catalog.all() if listed[each.key].namespace != each.namespace]
    for known in moved:
        aside = f"repman.aside.{known.key}"
        patiently(lambda known=known, to=aside: _move(target, catalog, known, known.database, to), stop)  # type: ignore[misc]
    for known in moved:
        there, now = listed[known.key], catalog.get(known.key)
        assert now is not None
        patiently(lambda now=now, to=there: _move(target, catalog, now, to.database, to.name), stop)  # type: ignore[misc]


def _move(target: Cluster, catalog: Catalog, collection: Collection, database: str, name: str) -> None:
    here = "{}.{}".format(*catalog.target(collection))
    there = f"{catalog.target_database(database)}.{name}"
    if here != there:
        define(target, "admin", {"renameCollection": here, "to": there, "dropTarget": True})
    catalog.rename(collection, database, name)


def _bring(target: Cluster, catalog: Catalog, now: Collection, copier: Copier) -> None:
    """Make one collection what it is on the source by now."""
    known = catalog.get(now.key)
    if known is None or creation(known.options) != creation(now.options):
        if now.is_view:
            listing.recreate(target, catalog, now)
            catalog.add(now)
            return
        copier.announce(now.key)
        catalog.add(now)
        copier.copy(now)
        return
    for name, spec in known.indexes.items():
        if now.indexes.get(name) != spec:
            known = indexes.drop(target, catalog, known, name)
    if now.indexes:
        indexes.create(target, catalog, known, list(now.indexes.values()))
