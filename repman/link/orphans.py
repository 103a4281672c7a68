"""What was sent to a cluster, and whose sender is gone.

A server does not notice that nobody waits for an answer.  A write that it carries out late would undo what has been
written since: it must be over before the same is sent again.
"""

from __future__ import annotations

import logging
import threading

from pymongo.errors import OperationFailure, PyMongoError

from repman.link.connection import Cluster, Document, is_transient
from repman.link.stopping import Stopped

LOG = logging.getLogger(__name__)

_WRITES = frozenset(
    {"insert", "update", "delete", "commitTransaction", "create", "drop", "renameCollection", "collMod", "dropIndexes"}
)
"""Building an index is none: to build it again does no harm, and it may last for hours."""
_AGAIN = 0.05


def wait_out(target: Cluster, stop: threading.Event) -> None:
    """Return when every write of ours that is under way now is over.

    Transactions that nobody ends are aborted; to a link that lives that is an error that passes.  Raises Stopped and
    PyMongoError.
    """
    operations = _operations(target)
    _abort(target, [each["lsid"] for each in operations if _is_left_open(each)])
    left = {each["opid"] for each in operations if _writes(each)}
    if left:
        LOG.info("%d writes to the %s cluster are still under way", len(left), target.name)
    while left:
        if stop.wait(_AGAIN):
            raise Stopped
        left &= {each["opid"] for each in _operations(target) if _writes(each)}


def _operations(target: Cluster) -> list[Document]:
    """What runs on the cluster on behalf of programs of our name."""
    look: Document = {"$currentOp": {"allUsers": False, "idleSessions": True}}
    try:
        with target.client.admin.aggregate([look, {"$match": {"appName": target.application}}]) as found:
            return list(found)
    except OperationFailure as error:
        if is_transient(error):
            raise
        LOG.info("what runs on the %s cluster cannot be seen: %s", target.name, error)
        return []


def _is_left_open(operation: Document) -> bool:
    return operation.get("type") == "idleSession" and "transaction" in operation


def _writes(operation: Document) -> bool:
    return bool(operation.get("active")) and not _WRITES.isdisjoint(operation.get("command", {}))


def _abort(target: Cluster, sessions: list[Document]) -> None:
    for session in sessions:
        try:
            target.client.admin.command("killSessions", [{"id": session["id"]}])
        except PyMongoError as error:
            # It ends by itself after a minute.
            LOG.info("a transaction that was left open cannot be aborted: %s", error)
