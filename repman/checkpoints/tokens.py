"""Tokens: notes in the oplog of every part around one common cluster time.

A server gives every write a time after all that it has heard of.  So what is told to all parts first, and noted by each
then, comes after every write that was acknowledged before; and what comes after the second round of notes has a time
after `Tokens.at`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bson import ObjectId, Timestamp
from pymongo.read_concern import ReadConcern

from repman.checkpoints.parts import Cluster, Document, Part

_MAJORITY_MS = 60_000


@dataclass(frozen=True, slots=True)
class Tokens:
    """What was noted."""

    at: Timestamp
    """The common cluster time; every part's oplog goes beyond it, by a majority."""
    times: Mapping[str, Timestamp]
    """By part: the entry of the token."""
    discovered: Mapping[str, bool]
    """By part: whether that entry was read back."""


def place(cluster: Cluster, owner: ObjectId) -> Tokens:
    """Note a token on every part.  Raises PyMongoError."""
    heard = _newest([cluster.client(part).admin.command("ping") for part in cluster.parts])
    replies = [(part, _note(cluster, part, owner, 1, heard)) for part in cluster.parts]
    times = {part.name: reply["operationTime"] for part, reply in replies}
    at = max(times.values())
    heard = _newest([reply for _, reply in replies])
    for part in cluster.parts:
        _note(cluster, part, owner, 2, heard)
    found = {part.name: _found(cluster, part, times[part.name], owner) for part in cluster.parts}
    return Tokens(at, times, found)


def note(cluster: Cluster, part: Part, owner: ObjectId) -> Timestamp:
    """The time of a note on one part, which a majority has.  Raises PyMongoError."""
    moment: Timestamp = _note(cluster, part, owner, 0, {})["operationTime"]
    return moment


def _note(cluster: Cluster, part: Part, owner: ObjectId, stage: int, heard: Document) -> Document:
    client = cluster.client(part)
    with client.start_session() as session:
        if heard:
            session.advance_cluster_time(heard)
        reply: Document = client.admin.command(
            "appendOplogNote",
            1,
            data={"repman": "checkpoint", "checkpoint": owner, "round": stage},
            writeConcern={"w": "majority", "wtimeout": _MAJORITY_MS},
            session=session,
        )
        return reply


def _found(cluster: Cluster, part: Part, moment: Timestamp, owner: ObjectId) -> bool:
    oplog = cluster.client(part).local.get_collection("oplog.rs", read_concern=ReadConcern("majority"))
    entry: dict[str, Any] | None = oplog.find_one({"ts": moment})
    return entry is not None and entry.get("o", {}).get("checkpoint") == owner


def _newest(replies: list[Document]) -> Document:
    """The latest `$clusterTime` of some replies, with its signature."""
    times: list[Document] = [reply["$clusterTime"] for reply in replies if "$clusterTime" in reply]
    return max(times, key=lambda each: each["clusterTime"]) if times else {}
