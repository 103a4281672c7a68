"""The nouns of checkpoints to JSON and back, without loss."""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar, cast

import msgspec
from bson import ObjectId, Timestamp
from bson.errors import InvalidId

T = TypeVar("T")


def encode(value: object) -> str:
    """The JSON of a value of `repman.checkpoints.model`, or of one that is made of the same kinds."""
    return _ENCODER.encode(value).decode()


def decode(kind: type[T], document: str | bytes) -> T:
    """The value of that class; raises ValueError when the document is not one."""
    value: T = _decoder(cast(Any, kind)).decode(document)
    return value


def _write(value: object) -> object:
    if isinstance(value, ObjectId):
        return str(value)
    if isinstance(value, Timestamp):
        return [value.time, value.inc]
    raise TypeError(f"{type(value).__name__} has no place in a document")


_ENCODER = msgspec.json.Encoder(enc_hook=_write)


@cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind, dec_hook=_read)


def _read(kind: type, document: Any) -> object:
    if kind is ObjectId:
        try:
            return ObjectId(document)
        except (InvalidId, TypeError) as error:
            raise ValueError(f"no identifier: {document!r}") from error
    if kind is Timestamp:
        if isinstance(document, list) and len(document) == 2 and all(isinstance(each, int) for each in document):
            return Timestamp(document[0], document[1])
        raise ValueError(f"no timestamp: {document!r}")
    raise ValueError(f"{kind.__name__} is not read here")
