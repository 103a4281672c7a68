"""Transactions of the source, applied so that nobody sees a part of one."""

from __future__ import annotations

import logging
from collections.abc import Callable

from pymongo.errors import OperationFailure

from repman.link.bulk import statements_of
from repman.link.catalog import Catalog, Collection
from repman.link.changes import Change, Kind, is_operator_like
from repman.link.connection import Cluster, Document
from repman.link.writing import sending
from repman.mongo.patience import is_transient
from repman.mongo.raw import LENIENT, Documents

LOG = logging.getLogger(__name__)

_ATTEMPTS = 3
_MOST_BYTES = 16_000_000
_MOST_STATEMENTS = 50_000
"""In one command."""

Apart = Callable[[Collection, list[Change]], None]


def apply_whole(target: Cluster, catalog: Catalog, changes: list[Change], apart: Apart) -> None:
    """Apply the changes in one transaction of the target.

    Where the target holds newer documents, which an update does not fit, there is no such transaction any more, and one
    that is too large or takes too long is none that it can carry out: then the changes are applied one by one
    (`apart`).  Raises PyMongoError.
    """
    if any(change.kind is Kind.REFETCH or _inexpressible(change) for change in changes):
        _one_by_one(catalog, changes, apart)
        return
    for _ in range(_ATTEMPTS):
        try:
            _together(target, catalog, changes)
        except OperationFailure as error:
            reason = error
            if error.has_error_label("TransientTransactionError"):
                continue
            if is_transient(error):
                raise
            break
        # The commit waited for a majority: no checkpoint has to keep it.
        return
    LOG.warning("a transaction of the source with %d changes is applied in parts: %s", len(changes), reason)
    _one_by_one(catalog, changes, apart)


def _together(target: Cluster, catalog: Catalog, changes: list[Change]) -> None:
    with sending(target), target.client.start_session() as session, session.start_transaction():
        for collection, some in _runs(catalog, changes):
            database, name = catalog.target(collection)
            for command in commands(name, some):
                reply = target.client[database].command(command, session=session, codec_options=LENIENT)
                for error in reply.get("writeErrors", ()):
                    raise OperationFailure(error.get("errmsg", ""), error["code"], error)


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


def commands(name: str, changes: list[Change]) -> list[Document]:
    """What to send, one after the other, to the collection of that name: the changes in their order."""
    made: list[Document] = []
    kind, statements, size = False, list[bytes](), 0

    def complete() -> None:
        nonlocal statements, size
        if statements:
            made.append(_command(name, kind, statements))
        statements, size = [], 0

    for change in changes:
        deletes = change.kind is Kind.DELETE
        for statement in change.statements if deletes else statements_of(change):
            if deletes != kind or size + len(statement) > _MOST_BYTES or len(statements) == _MOST_STATEMENTS:
                complete()
            kind = deletes
            statements.append(statement)
            size += len(statement)
    complete()
    return made


def _command(name: str, deletes: bool, statements: list[bytes]) -> Document:
    sequence = [Documents(b"".join(statements))]
    if deletes:
        return {"delete": name, "deletes": sequence}
    return {"update": name, "updates": sequence, "bypassDocumentValidation": True}
