"""What was sent to a cluster, and whose answer nobody waits for any more.

A server does not notice that.  A write that it carries out late would undo what has been written since: it must be over
before the same is sent again.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pymongo import MongoClient
from pymongo.errors import (
    AutoReconnect,
    ConnectionFailure,
    NotPrimaryError,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WaitQueueTimeoutError,
)
from pymongo.read_concern import ReadConcern

LOG = logging.getLogger(__name__)

Document = dict[str, Any]

_WRITES = frozenset(
    {"insert", "update", "delete", "commitTransaction", "create", "drop", "renameCollection", "collMod", "dropIndexes"}
)
"""Building an index is none: to build it again does no harm, and it may last for hours."""
_NOT_SENT = (NotPrimaryError, ServerSelectionTimeoutError, WaitQueueTimeoutError)
"""Of errors of connections those after which nothing is under way: it was refused, or never sent."""


class Orphans:
    """The writes to one cluster that may still be under way although nobody waits for them.  Usable from several threads."""

    def __init__(self, application: str) -> None:
        """`application` is the name by which the cluster knows our connections."""
        self._application = application
        self._lock = threading.Lock()
        self._suspected = False
        self._left: frozenset[Any] = frozenset()

    def suspect(self) -> None:
        """From now on there may be some: an answer was lost, or another process had the link before us."""
        self._suspected = True

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Around a write: if its answer is lost, it is suspected."""
        try:
            yield
        except _NOT_SENT:
            raise
        except ConnectionFailure:
            self.suspect()
            raise

    def require_over(self, client: MongoClient[Document]) -> None:
        """Raises AutoReconnect, which passes, while one of them is under way, and PyMongoError.

        Transactions that were left open are aborted; to one that somebody goes on with that is an error that passes.
        """
        if not self._suspected and not self._left:
            return
        with self._lock:
            if self._suspected:
                self._look(client)
            elif self._left:
                self._left &= self._writes(self._operations(client))
            if self._left:
                raise AutoReconnect(f"{len(self._left)} writes whose answers were lost are still under way")

    def _look(self, client: MongoClient[Document]) -> None:
        # Before it is asked: what is lost meanwhile needs another look.
        self._suspected = False
        try:
            operations = self._operations(client)
        except BaseException:
            self._suspected = True
            raise
        self._left |= self._writes(operations)
        for each in operations:
            if each.get("type") == "idleSession" and "transaction" in each:
                _abort(client, each["lsid"])

    def _operations(self, client: MongoClient[Document]) -> list[Document]:
        """What runs on the cluster on behalf of programs of our name."""
        look: Document = {"$currentOp": {"allUsers": False, "idleSessions": True}}
        admin = client.admin.with_options(read_concern=ReadConcern("local"))
        try:
            with admin.aggregate([look, {"$match": {"appName": self._application}}]) as found:
                return list(found)
        except OperationFailure as error:
            LOG.info("what runs on the target cannot be seen: %s", error)
            return []

    def _writes(self, operations: list[Document]) -> frozenset[Any]:
        found = (each for each in operations if each.get("active") and "opid" in each)
        return frozenset(each["opid"] for each in found if not _WRITES.isdisjoint(each.get("command", {})))


def _abort(client: MongoClient[Document], session: Document) -> None:
    try:
        client.admin.command("killSessions", [{"id": session["id"]}])
    except PyMongoError as error:
        # It ends by itself after a minute.
        LOG.info("a transaction that was left open cannot be aborted: %s", error)
