"""The server sums up a collection, so that two states of it can be compared without moving documents.

The sum is of the server's hash of each whole document (``$toHashedIndexKey``), with the number and bytes of the
documents.  It does not tell 1 from 1.0 as long as both have as many bytes.
"""

from __future__ import annotations

from typing import Any

from bson import Timestamp

from repman.checkpoints.manifest import Sum
from repman.checkpoints.parts import Client


def sum_up(client: Client, database: str, name: str, at: Timestamp | None) -> Sum:
    """A collection at a cluster time, or as a majority has it now.  Raises PyMongoError."""
    concern: dict[str, Any] = {"level": "majority"}
    if at is not None:
        concern = {"level": "snapshot", "atClusterTime": at}
    # As a decimal: a sum of 64-bit integers becomes a double and loses digits.
    hashes = {"$sum": {"$toDecimal": {"$toHashedIndexKey": "$$ROOT"}}}
    group = {"_id": None, "n": {"$sum": 1}, "bytes": {"$sum": {"$bsonSize": "$$ROOT"}}, "hashes": hashes}
    command = {"aggregate": name, "pipeline": [{"$group": group}], "cursor": {}, "readConcern": concern}
    found = client[database].command(command)["cursor"]["firstBatch"]
    if not found:
        return Sum(database, name, 0, 0, "0")
    return Sum(database, name, int(found[0]["n"]), int(found[0]["bytes"]), str(found[0]["hashes"]))
