"""Ranges of `_id`, and the raw BSON of an `_id`, whose type must not change on its way through Python.  Pure.

An `_id` may be of nearly any type, and 1, 1L and 1.0 are one key of the index but three different documents.  So an
`_id` is kept as the bytes of ``{"_id": value}`` as a server sent them, and put into commands as those bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from bson.raw_bson import RawBSONDocument

from repman.mongo.raw import document, size_of

LAST = document(b"\x7f_id\x00")
"""The `_id` after which there is no other: MaxKey."""
MOST_DOCUMENTS = 50_000
"""In one range: what is kept in memory of a range that differs grows with it."""
MOST_BYTES = 64 << 20
"""In one range, about: a range is read again when the reading was broken off."""


@dataclass(frozen=True, slots=True)
class IdRange:
    """The documents from one `_id` on and below another, in the order of the `_id` index."""

    low: bytes | None
    """Belongs to the range; None: from the first."""
    high: bytes | None
    """Does not belong to it; None: to the last."""

    def bounds(self) -> dict[str, Any]:
        """Fields of a `find` whose hint is ``{_id: 1}``.

        Bounds of the index hold for every type, NaN and collation; ``$gte`` in a filter would keep to one type.  They
        leave `LAST` out, unless there are none: an upper bound never belongs to the range, and where only a lower one
        is given servers put MaxKey as the upper.
        """
        if self.low is None and self.high is None:
            return {}
        low = {} if self.low is None else {"min": RawBSONDocument(self.low)}
        return {**low, "max": RawBSONDocument(self.high or LAST)}

    @property
    def leaves_last_out(self) -> bool:
        """Whether `LAST` belongs to the range, but not to its bounds."""
        return self.high is None and self.low is not None

    def match(self) -> dict[str, Any]:
        """The same range for a ``$match``, as an aggregation has no bounds: expressions compare across types too."""
        sides: list[dict[str, Any]] = []
        if self.low is not None:
            sides.append({"$gte": ["$_id", RawBSONDocument(alone("$literal", self.low))]})
        if self.high is not None:
            sides.append({"$lt": ["$_id", RawBSONDocument(alone("$literal", self.high))]})
        return {"$expr": {"$and": sides}} if sides else {}


def documents_per_range(average_bytes: float) -> int:
    """How many documents of that size a range has; never 0."""
    return max(1, min(MOST_DOCUMENTS, int(MOST_BYTES / max(average_bytes, 1.0))))


def identity_of(whole: bytes) -> bytes:
    """The document ``{"_id": value}`` out of a whole one.  Raises ValueError when there is no `_id`."""
    at = 4
    while kind := whole[at]:
        name_end = whole.index(0, at + 1)
        end = name_end + 1 + size_of(whole, kind, name_end + 1)
        if whole[at + 1 : name_end] == b"_id":
            return document(whole[at:end])
        at = end
    raise ValueError("a document without _id: the collection cannot be compared by _id")


def alone(name: str, identity: bytes) -> bytes:
    """The value of an `_id` as the only field of a document, under another name."""
    return document(_element(name, identity))


def among(identities: Iterable[bytes]) -> dict[str, Any]:
    """A filter for the documents that have one of these."""
    elements = [_element(str(number), identity) for number, identity in enumerate(identities)]
    return {"_id": RawBSONDocument(document(b"\x04$in\x00" + document(*elements)))}


def equal_to(identity: bytes) -> dict[str, Any]:
    """A filter for one document; with ``$eq``, as an `_id` that is a document would be read as operators."""
    return {"_id": RawBSONDocument(alone("$eq", identity))}


def _element(name: str, identity: bytes) -> bytes:
    return identity[4:5] + name.encode() + identity[8:-1]  # from the zero that ends the old name
