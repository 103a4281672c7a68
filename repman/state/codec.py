"""Our frozen values to JSON and back without loss.

Positions are written through their own `to_json`, with their kind, so that another engine's position can be
told apart when it is read.  Infinite and undefined floats have no JSON and do not survive: use None.
"""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar, cast

import msgspec

from repman.model.position import Position, position_from_json

T = TypeVar("T")


def encode(value: object) -> bytes:
    """The JSON of a value of `repman.model`."""
    return _ENCODER.encode(value)


def decode(kind: type[T], document: bytes | str) -> T:
    """The value of that class; raises ValueError when the document is not one."""
    value: T = _decoder(cast(Any, kind)).decode(document)
    return value


def _write(value: object) -> dict[str, Any]:
    if isinstance(value, Position):
        return value.to_json()
    raise TypeError(f"{type(value).__name__} has no place in a document")


_ENCODER = msgspec.json.Encoder(enc_hook=_write)


@cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind, dec_hook=_read)


def _read(kind: type, document: Any) -> Any:
    if kind is not Position:
        return document
    if not isinstance(document, dict):
        raise ValueError("a position must be an object")
    try:
        return position_from_json(document)
    except KeyError as missing:
        raise ValueError(f"a position lacks {missing}") from missing
