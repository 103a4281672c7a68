"""Transactions of the source, applied so that nobody sees a part of one."""

from __future__ import annotations

import logging
from collections.abc import Callable

from pymongo.errors import OperationFailure

from repman.link.bulk import statements_of
from repman.link.catalog import Catalog, Collection
from repman.link.changes import Change, Kind, is_operator_like
from repman.link.connection import Cluster, is_transient
from repman.link.raw import Documents

LOG = logging.getLogger(__name__)

Apart = Callable[[Collection, list[Change]], None]


def apply_whole(target: Cluster, catalog: Catalog, changes: list[Change], apart: Apart) -> None:
    """Apply the changes in one transaction of the target.

    Where the target holds newer documents, which an update does not fit, there is no such transaction any more: then
    the changes are applied one by one (`apart`).  Raises PyMongoError.
    """
    if any(change.kind is Kind.REFETCH or _inexpressible(change) for change in changes):
        _one_by_one(catalog, changes, apart)
        return
    try:
        with target.client.start_session() as session, session.start_transaction():
            for collection, some in _runs(catalog, changes):
                database, name = catalog.target(collection)
                for command in _commands(name, some):
                    reply = target.client[database].command(command, session=session)
                    for error in reply.get("writeErrors", ()):
                        raise OperationFailure(error.get("errmsg", ""), error["code"], error)
    except OperationFailure as error:
        if is_transient(error):
            raise
        LOG.info("a transaction of the source is applied in parts: %s", error)
        _one_by_one(catalog, changes, apart)
        return
    # The commit waits for a majority: no checkpoint has to keep it.


def _inexpressible(change: Change) -> bool:
    return change.kind in (Kind.INSERT, Kind.REPLACE) and is_operator_like(change.statements[0])


def _one_by_one(catalog: Catalog, changes: list[Change], apart: Apart) -> None:
    for collection, some in _runs(catalog, changes):
        apart(collection, some)


def _runs(catalog: Catalog, changes: list[Change]) -> list[tuple[Collection, list[Change]]]:
    """The changes in their order, as long as they are of one collection together."""
    runs: list[tuple[Collection, list[Change]]] = []
    for change in changes:
        collection = catalog.get(change.collection.hex())
        if collection is None:
            continue
        if not runs or runs[-1][0].key != collection.key:
            runs.append((collection, []))
        runs[-1][1].append(change)
    return runs


def _commands(name: str, changes: list[Change]) -> list[dict[str, object]]:
    """Commands in the order of the changes."""
    runs: list[tuple[bool, list[bytes]]] = []
    for change in changes:
        deletes = change.kind is Kind.DELETE
        if not runs or runs[-1][0] != deletes:
            runs.append((deletes, []))
        runs[-1][1].extend(change.statements if deletes else statements_of(change))
    return [
        {"delete": name, "deletes": [Documents(b"".join(statements))]}
        if deletes
        else {"update": name, "updates": [Documents(b"".join(statements))], "bypassDocumentValidation": True}
        for deletes, statements in runs
    ]
