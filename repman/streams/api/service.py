"""What the routes work with."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flask import Response, jsonify, request

from repman.errors import UnknownStream
from repman.streams.api.admission import Gate
from repman.streams.api.bodies import BadField, document_of
from repman.streams.api.view import StreamView, published
from repman.streams.connections import Connection
from repman.streams.life import Life
from repman.streams.registry import Config, Registry, Stream

PREFIX = "/api/v1"


@dataclass(frozen=True, slots=True)
class Service:
    """The parts of a running service, as routes use them."""

    data: Path
    registry: Registry
    life: Life
    gate: Gate
    refused_with: int = 403
    """The status for a missing or wrong key: 403 as the page has it, or 401 for clients that ask again then."""
    changing: threading.Lock = field(default_factory=threading.Lock)
    """Held while connections and configurations are changed, as they name each other."""
    closing: threading.Event = field(default_factory=threading.Event)
    """Set when the service ends: answers that would never end do so then."""

    def connection(self, identifier: str) -> Connection:
        """The connection in a path; raises UnknownStream."""
        found = self.registry.connection(identifier)
        if found is None:
            raise UnknownStream(f"there is no connection {identifier[:80]}")
        return found

    def config(self, identifier: str) -> Config:
        """The configuration in a path; raises UnknownStream."""
        found = self.registry.config(identifier)
        if found is None:
            raise UnknownStream(f"there is no stream configuration {identifier[:80]}")
        return found

    def view(self, stream: Stream) -> StreamView:
        """What a stream's process told last."""
        return published(self.data, stream.id)


def body() -> dict[str, Any]:
    """The object in the request's body; raises BadField."""
    return document_of(request.get_data())


def answer(document: object, status: int = 200) -> Response:
    """A JSON answer."""
    made = jsonify(document)
    made.status_code = status
    return made


def nothing() -> Response:
    """The answer to what is gone."""
    return Response(status=204)


def listed(items: list[dict[str, Any]], name: str = "name") -> Response:
    """A list: as it is, or with its size and a cut where ``search``, ``limit`` or ``offset`` are asked for."""
    asked = request.args
    if not {"search", "limit", "offset"} & set(asked):
        return answer(items)
    search = asked.get("search", "")
    found = [each for each in items if search.lower() in str(each.get(name, "")).lower()]
    offset, limit = number("offset", 0), number("limit", len(found))
    document: dict[str, Any] = {
        "items": found[offset : offset + limit],
        "total": len(items),
        "filtered": len(found),
        "search": search,
        "limit": limit,
        "offset": offset,
    }
    return answer(document)


def number(name: str, default: int) -> int:
    """A count among the request's parameters; raises BadField."""
    text = request.args.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit()) or len(text) > 12:
        raise BadField(name, "must be a whole number, 0 or more", text[:60])
    return int(text)


def flag(name: str) -> bool:
    """A yes or no among the request's parameters; raises BadField."""
    text = request.args.get(name, "false").lower()
    if text not in ("true", "false", "1", "0", ""):
        raise BadField(name, "must be true or false", text[:60])
    return text in ("true", "1")
