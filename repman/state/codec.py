"""Our frozen values to JSON and back without loss.

Positions are written through their own `to_json`, with their kind, so that another engine's position can be
told apart when it is read.  Infinite and undefined floats have no JSON and do not survive: use None.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, TypeVar, cast, get_args, get_type_hints

import msgspec

from repman.model.position import Position, position_from_json

T = TypeVar("T")


def encode(value: object) -> bytes:
    """The JSON of a value of `repman.model`."""
    return _ENCODER.encode(_plain(value))


def decode(kind: type[T], document: bytes | str) -> T:
    """The value of that class; raises ValueError when the document is not one."""
    value: T = _decoder(cast(Any, kind)).decode(document)
    return value


_ENCODER = msgspec.json.Encoder()


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


def _plain(value: Any) -> Any:
    """The value with every position in it replaced; what can hold none is left to the compiled encoder."""
    if isinstance(value, Position):
        return value.to_json()
    kind: Any = type(value)
    if kind is tuple or kind is list:
        return [_plain(item) for item in value]
    if kind is dict:
        return {key: _plain(item) for key, item in value.items()}
    plan = _fields(kind)
    if plan is None:
        return value
    return {name: _plain(getattr(value, name)) if open_ else getattr(value, name) for name, open_ in plan}


@cache
def _fields(kind: Any) -> tuple[tuple[str, bool], ...] | None:
    """Each field with whether a position may be in it; None for a class that holds no position."""
    if not isinstance(kind, type) or not is_dataclass(kind):
        return None
    hints = get_type_hints(kind)
    found = tuple((field.name, _may_hold_position(hints[field.name])) for field in fields(kind))
    return found if any(open_ for _, open_ in found) else None


def _may_hold_position(hint: Any) -> bool:
    if hint is object or hint is Any:
        return True
    if isinstance(hint, type) and issubclass(hint, Position):
        return True
    if arguments := get_args(hint):
        return any(_may_hold_position(argument) for argument in arguments)
    return isinstance(hint, type) and _fields(cast(Any, hint)) is not None
