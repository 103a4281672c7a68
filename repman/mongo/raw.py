"""BSON without decoding: documents pass through as the bytes they came in.

Only what decides about a document is looked at.  The layout is that of https://bsonspec.org/spec.html, version 1.1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from struct import Struct
from typing import Any

import bson
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.raw_bson import RawBSONDocument

RAW: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument)
"""Replies of commands as bytes: `RawBSONDocument.raw`."""
LENIENT: CodecOptions[dict[str, Any]] = CodecOptions(datetime_conversion=DatetimeConversion.DATETIME_AUTO)
"""Decoded, but a date outside of Python's years stays a number."""

DOCUMENT, ARRAY = b"\x03", b"\x04"

_read_size = Struct("<i").unpack_from
_write_size = Struct("<i").pack
_FIXED = {1: 8, 6: 0, 7: 12, 8: 1, 9: 8, 10: 0, 16: 4, 17: 8, 18: 8, 19: 16, 127: 0, 255: 0}
"""Bytes of values by type, where that alone says it."""
_AFTER_SIZE = {2: 4, 3: 0, 4: 0, 5: 5, 12: 16, 13: 4, 14: 4, 15: 0}
"""Bytes beyond the size that a value begins with."""
_REGEX = 11


class Documents:
    """Any number of whole documents, one after the other, that go into a command's document sequence as they are.

    PyMongo writes what bears this marker by its `raw` bytes, as it does with RawBSONDocument, which would however
    refuse more than one document; to make an object of each costs more than all the rest of copying it.
    """

    __slots__ = ("raw",)
    _type_marker = 101

    def __init__(self, raw: bytes) -> None:
        self.raw = raw


def fields(raw: bytes) -> dict[bytes, bytes]:
    """The values of a document by key, each as its bytes without type and key."""
    found = {}
    at = 4
    kind = raw[4]
    while kind:
        end = raw.index(0, at + 1)
        start = end + 1
        key = raw[at + 1 : end]
        size = _FIXED.get(kind)
        at = start + (_sized(kind, raw, start) if size is None else size)
        found[key] = raw[start:at]
        kind = raw[at]
    return found


def elements(raw: bytes) -> dict[bytes, bytes]:
    """The elements of a document by key, each with type, key and value: `document` makes it of them again."""
    found, at = {}, 4
    while raw[at]:
        end = raw.index(0, at + 1)
        after = end + 1 + size_of(raw, raw[at], end + 1)
        found[raw[at + 1 : end]] = raw[at:after]
        at = after
    return found


def size_of(raw: bytes, kind: int, start: int) -> int:
    """Bytes of the value of that type that begins there."""
    size = _FIXED.get(kind)
    return _sized(kind, raw, start) if size is None else size


def _sized(kind: int, raw: bytes, start: int) -> int:
    extra = _AFTER_SIZE.get(kind)
    if extra is not None:
        return int(_read_size(raw, start)[0]) + extra
    if kind == _REGEX:
        return raw.index(0, raw.index(0, start) + 1) + 1 - start
    raise ValueError(f"a value of the unknown BSON type {kind}")


def documents(array: bytes) -> Iterator[bytes]:
    """The documents of an array of documents."""
    at = 4
    while array[at]:
        at = array.index(0, at + 1) + 1
        end = at + _read_size(array, at)[0]
        yield array[at:end]
        at = end


def batch(reply: bytes) -> tuple[int, list[bytes], dict[bytes, bytes]]:
    """Of the reply to ``find``, ``aggregate`` or ``getMore``: the cursor's id, its documents, the cursor's fields."""
    cursor = fields(fields(reply)[b"cursor"])
    array = cursor.get(b"nextBatch") or cursor[b"firstBatch"]
    return int.from_bytes(cursor[b"id"], "little", signed=True), list(documents(array)), cursor


def document(*elements: bytes) -> bytes:
    """A document of elements, each with its type and key."""
    body = b"".join(elements)
    return b"%b%b\x00" % (_write_size(len(body) + 5), body)


def element(key: str, value: Any) -> bytes:
    """One element: type, key and value."""
    return bson.encode({key: value})[4:-1]


def first_element(raw: bytes) -> tuple[int, bytes]:
    """Type and value of a document's first element."""
    start = raw.index(0, 5) + 1
    kind = raw[4]
    return kind, raw[start : start + size_of(raw, kind, start)]


def id_of(raw: bytes) -> Any:
    """The ``_id`` of a document, decoded."""
    return RawBSONDocument(raw)["_id"]


def array_of(items: Sequence[bytes]) -> bytes:
    """An array of documents."""
    return document(*(b"\x03%d\x00%b" % pair for pair in enumerate(items)))
