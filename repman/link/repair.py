"""Repair: what verification found to differ is made equal again, from the source as it is now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from threading import Event
from typing import Any

from bson.raw_bson import RawBSONDocument
from pymongo.database import Database
from pymongo.errors import OperationFailure

from repman.errors import LinkFailed
from repman.link.copies import Copy
from repman.link.differences import Difference
from repman.mongo.patience import is_transient, patiently
from repman.mongo.ranges import equal_to, identity_of
from repman.mongo.raw import LENIENT
from repman.mongo.stopping import Stopped

PATIENCE = 60.0
"""Seconds for which one piece is tried again: longer than an election takes."""
_AT_ONCE = 1000
"""Documents in one piece."""
_BYTES_AT_ONCE = 16 << 20
"""In one command to the target, for which PyMongo allows little more; one document may have as many."""
_BESIDE = 200
"""Bytes of a statement beside the document and its `_id`."""


@dataclass(frozen=True, slots=True)
class Unrepaired:
    """A document that the target did not take."""

    id: bytes
    """As `Difference.id`."""
    reason: str


@dataclass(frozen=True, slots=True)
class Repaired:
    """What a repair did."""

    replaced: int = 0
    """Documents that the target has as the source has them now."""
    deleted: int = 0
    """Documents of the target that the source does not have."""
    unrepaired: tuple[Unrepaired, ...] = ()

    def __add__(self, other: Repaired) -> Repaired:
        return Repaired(
            self.replaced + other.replaced, self.deleted + other.deleted, (*self.unrepaired, *other.unrepaired)
        )


def repair(
    source: Database[dict[str, Any]],
    target: Database[dict[str, Any]],
    pair: tuple[str, str],
    found: Sequence[Difference],
    stop: Event,
) -> Repaired:
    """Copy the documents that were found to differ anew, and delete those that the source does not have any more.

    May be repeated.  What the link has not applied yet may be applied afterwards, as after the clone; but nothing may
    be applied meanwhile: a change that came between reading a document here and writing it there would be undone.

    A capped collection cannot be repaired, as its documents have an order: it must be copied anew.  Waits while a
    cluster elects a primary.  Raises Stopped, LinkFailed when what was written may be lost again, and PyMongoError.
    """
    information = patiently(Copy(target, pair[1], None).information, stop, PATIENCE)
    if information.get("options", {}).get("capped"):
        reason = f"{target.name}.{pair[1]} is capped and keeps an order: drop it on the target and copy it anew"
        return Repaired(unrepaired=tuple(Unrepaired(each.id, reason) for each in found))
    done = Repaired()
    ids = iter(dict.fromkeys(each.id for each in found))
    while some := list(islice(ids, _AT_ONCE)):
        if stop.is_set():
            raise Stopped
        piece = _Piece(Copy(source, pair[0], None), target, pair[1], some)
        done += patiently(piece.repair, stop, PATIENCE)
    return done


@dataclass(frozen=True, slots=True)
class _Piece:
    source: Copy
    target: Database[dict[str, Any]]
    name: str
    ids: Sequence[bytes]

    def repair(self) -> Repaired:
        present = set(self.source.ids_having(self.ids))
        # Deleted first: one that has the same key with another type or in other letters would be in the way.
        done = self._delete([each for each in self.ids if each not in present])
        for documents in _bounded(self.source.having(self.ids)):
            done += self._replace(documents)
        return done

    def _delete(self, ids: Sequence[bytes]) -> Repaired:
        if not ids:
            return Repaired()
        statements = [{"q": equal_to(each), "limit": 1} for each in ids]
        reply = self._write({"delete": self.name, "deletes": statements})
        return Repaired(deleted=reply["n"], unrepaired=_refused(reply, ids))

    def _replace(self, documents: Sequence[tuple[bytes, bytes]]) -> Repaired:
        statements = [
            {"q": equal_to(identity), "u": _replacement(whole), "upsert": True} for identity, whole in documents
        ]
        reply = self._write({"update": self.name, "updates": statements, "bypassDocumentValidation": True})
        refused = _refused(reply, [identity for identity, _ in documents])
        return Repaired(replaced=len(documents) - len(refused), unrepaired=refused)

    def _write(self, command: dict[str, Any]) -> Mapping[str, Any]:
        reply: dict[str, Any] = self.target.command(
            {**command, "ordered": False, "writeConcern": {"w": "majority"}}, codec_options=LENIENT
        )
        if trouble := reply.get("writeConcernError"):
            raise LinkFailed(
                f"a majority of the target did not confirm the repair of {self.target.name}.{self.name}: "
                f"{trouble.get('errmsg')}; see to its members, then repair again"
            )
        return reply


def _replacement(whole: bytes) -> list[dict[str, Any]]:
    """As a pipeline: a plain replacement would set empty timestamps to now, and refuse some names with dollars."""
    return [{"$replaceWith": {"$literal": RawBSONDocument(whole)}}]


def _refused(reply: Mapping[str, Any], ids: Sequence[bytes]) -> tuple[Unrepaired, ...]:
    """Raises OperationFailure when the same would be taken a little later."""
    errors = reply.get("writeErrors", ())
    for error in errors:
        told = OperationFailure(str(error.get("errmsg")), error["code"], error)
        if is_transient(told):
            raise told
    return tuple(Unrepaired(ids[error["index"]], str(error.get("errmsg"))) for error in errors)


def _bounded(documents: Iterable[bytes]) -> Iterator[list[tuple[bytes, bytes]]]:
    """The documents, each after its `_id`, in pieces that go into one command."""
    some: list[tuple[bytes, bytes]] = []
    size = 0
    for whole in documents:
        identity = identity_of(whole)
        if some and size + len(identity) + len(whole) > _BYTES_AT_ONCE:
            yield some
            some, size = [], 0
        some.append((identity, whole))
        size += len(identity) + len(whole) + _BESIDE
    if some:
        yield some
