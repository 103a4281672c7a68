"""A moment of a whole cluster: a common cluster time, and which collections there were at it.

Collections cannot be listed as of a time that is past.  So they are listed before the time is chosen, and the oplogs
show afterwards whether any was made, changed or dropped in between; then everything is done again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bson import ObjectId, Timestamp
from pymongo.read_concern import ReadConcern

from repman.checkpoints import oplog, tokens
from repman.checkpoints.listing import Listed, collections
from repman.checkpoints.parts import Cluster, Document, Part
from repman.checkpoints.tokens import Tokens
from repman.mongo.raw import LENIENT

_TRIES = 5


@dataclass(frozen=True, slots=True)
class Moment:
    """What is known of it."""

    tokens: Tokens
    since: Mapping[str, Timestamp]
    """By part: the oldest entry of its oplog that belongs to a transaction which was open then, or a later one."""
    listed: Mapping[str, tuple[Listed, ...]]
    """By part: its collections; not those of that time where `unsettled`."""
    unsettled: tuple[str, ...] = ()
    """Parts in which collections or indexes were changed while they were listed, however often that was tried."""

    @property
    def at(self) -> Timestamp:
        """The common cluster time."""
        return self.tokens.at


def find(cluster: Cluster, owner: ObjectId, tell: Callable[[str], None]) -> Moment:
    """Note tokens and list collections.  Raises PyMongoError."""
    for _ in range(_TRIES):
        tell("moment: listing")
        begun = {part.name: tokens.note(cluster, part, owner) for part in cluster.parts}
        since = {part.name: min(begun[part.name], _oldest_open(cluster, part)) for part in cluster.parts}
        listed = {part.name: tuple(collections(cluster.client(part), part.type)) for part in cluster.parts}
        tell("moment: tokens")
        noted = tokens.place(cluster, owner)
        tell("moment: noted")
        unsettled = tuple(part.name for part in cluster.parts if _defined(cluster, part, begun[part.name], noted.at))
        if not unsettled:
            break
    return Moment(noted, since, listed, unsettled)


def _oldest_open(cluster: Cluster, part: Part) -> Timestamp:
    """The first entry of the transactions that have written to the oplog and have not ended."""
    open_ = {"state": {"$in": ["prepared", "inProgress"]}, "startOpTime": {"$exists": True}}
    found: Document | None = cluster.client(part).config.transactions.find_one(open_, sort=[("startOpTime.ts", 1)])
    return found["startOpTime"]["ts"] if found else Timestamp(2**32 - 1, 0)


def _defined(cluster: Cluster, part: Part, after: Timestamp, until: Timestamp) -> bool:
    """Whether a collection or an index was made, changed or dropped between."""
    entries = cluster.client(part).local.get_collection(
        "oplog.rs", read_concern=ReadConcern("majority"), codec_options=LENIENT
    )
    commands = entries.find({"ts": {"$gt": after, "$lte": until}, "op": "c"})
    return any(oplog.defines(entry, part.type) for entry in commands)
