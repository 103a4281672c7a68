"""Documents that are asked for often: rendered, encoded and compressed once, for as long as nothing they tell changes.

A document consists of parts that change at different times.  Each part is compressed by itself, in such a way that
the pieces, one after the other, are one stream: what changes with every look is small, what is large changes with the
configuration.
"""

from __future__ import annotations

import hashlib
import json
import struct
import threading
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from flask import Response, request

_GZIP_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_LAST_BLOCK = b"\x03\x00"
_LEVEL = 6
_MOST_KEPT = 1024
_SMALL = 1024
"""Bytes that are not worth compressing."""


class Part:
    """A piece of a document."""

    def __init__(self, plain: bytes) -> None:
        self.plain = plain

    @cached_property
    def rest(self) -> Part:
        """The same object without its opening brace."""
        return Part(self.plain[1:])

    @cached_property
    def packed(self) -> bytes:
        """Compressed, complete in itself, without beginning and end of a stream."""
        packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
        return packer.compress(self.plain) + packer.flush(zlib.Z_FULL_FLUSH)

    @cached_property
    def digest(self) -> bytes:
        """Tells it from other pieces."""
        return hashlib.blake2b(self.plain, digest_size=16).digest()


class Rendition:
    """A whole document, ready to be sent."""

    def __init__(self, parts: tuple[Part, ...]) -> None:
        self.parts = parts

    @cached_property
    def plain(self) -> bytes:
        """As it is."""
        return b"".join(part.plain for part in self.parts)

    @cached_property
    def gzip(self) -> bytes:
        """As one gzip stream."""
        crc = 0
        for part in self.parts:
            crc = zlib.crc32(part.plain, crc)
        end = struct.pack("<II", crc, sum(len(part.plain) for part in self.parts) & 0xFFFFFFFF)
        return b"".join([_GZIP_HEAD, *(part.packed for part in self.parts), _LAST_BLOCK, end])

    @cached_property
    def tag(self) -> str:
        """The ETag's core."""
        return hashlib.blake2b(b"".join(part.digest for part in self.parts), digest_size=16).hexdigest()


@dataclass(slots=True)
class _Slot:
    version: tuple[object, ...] | None = None
    made: Any = None
    lock: threading.Lock = field(default_factory=threading.Lock)


class Renditions:
    """What was made, by key, with the version of what it was made from; usable from several threads."""

    def __init__(self) -> None:
        self._slots: dict[tuple[object, ...], _Slot] = {}

    def get(self, key: tuple[object, ...], version: tuple[object, ...], make: Callable[[], Any]) -> Any:
        """What `make` makes of that version; it is called once a version, however many ask."""
        slot = self._slots.get(key)
        if slot is None:
            if len(self._slots) >= _MOST_KEPT:
                self._slots.clear()
            slot = self._slots.setdefault(key, _Slot())
        if slot.version != version:
            with slot.lock:
                if slot.version != version:
                    slot.made = make()
                    slot.version = version
        return slot.made


def part(document: object) -> Part:
    """A whole JSON document in one piece."""
    return Part(encoded(document))


def joined(first: Part, second: Part) -> Rendition:
    """Two objects as one; both must have keys, and none in common."""
    return Rendition((Part(first.plain[:-1] + b","), second.rest))


def listed(whole: Sequence[Rendition]) -> Rendition:
    """Several documents as an array."""
    comma, pieces = Part(b","), [Part(b"[")]
    for number, rendition in enumerate(whole):
        pieces += [comma, *rendition.parts] if number else rendition.parts
    return Rendition((*pieces, Part(b"]")))


def encoded(document: object) -> bytes:
    """JSON, as short as it gets."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def reply(rendition: Rendition) -> Response:
    """The document, compressed when the client may have it so; 304 when the client has it already."""
    packs = len(rendition.plain) > _SMALL and _takes_gzip(request.accept_encodings)
    tag = f'"{rendition.tag}{"-gzip" if packs else ""}"'
    known = request.headers.get("If-None-Match", "")
    headers = {"ETag": tag, "Vary": "Accept-Encoding", "Cache-Control": "private, no-cache"}
    if known and (known.strip() == "*" or tag in {each.strip().removeprefix("W/") for each in known.split(",")}):
        return Response(status=304, headers=headers)
    if packs:
        headers["Content-Encoding"] = "gzip"
    return Response(rendition.gzip if packs else rendition.plain, 200, headers=headers, content_type="application/json")


def _takes_gzip(accepted: Any) -> bool:
    return any(name in ("gzip", "x-gzip", "*") and quality > 0 for name, quality in accepted) and not any(
        name == "gzip" and quality == 0 for name, quality in accepted
    )
