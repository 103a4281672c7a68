"""What a server does with update expressions, as far as links use them, on documents in memory."""

from __future__ import annotations

from typing import Any

import bson


def updated(document: dict[str, Any], expression: bytes) -> dict[str, Any]:
    """The document after an update with operators, or its replacement."""
    decoded = bson.decode(expression)
    if not any(name.startswith("$") for name in decoded):
        return decoded
    made: dict[str, Any] = bson.decode(bson.encode(document))
    touched = [path for fields in decoded.values() for path in fields]
    for path in touched:
        assert not any(other != path and other.startswith(f"{path}.") for other in touched), "conflicting paths"
    assert len(set(touched)) == len(touched), "conflicting paths"
    for path in decoded.get("$unset", {}):
        _unset(made, path.split("."))
    for path, value in decoded.get("$set", {}).items():
        _set(made, path.split("."), value)
    for path, cut in decoded.get("$push", {}).items():
        assert cut["$each"] == []
        inside, name = _inside(made, path.split("."))
        assert isinstance(inside[name], list)
        inside[name] = inside[name][: cut["$slice"]]
    assert set(decoded) <= {"$unset", "$set", "$push"}
    return made


def _inside(value: Any, path: list[str]) -> tuple[Any, Any]:
    for part in path[:-1]:
        value = value[int(part)] if isinstance(value, list) else value.setdefault(part, {})
    return value, int(path[-1]) if isinstance(value, list) else path[-1]


def _set(document: dict[str, Any], path: list[str], value: Any) -> None:
    inside, name = _inside(document, path)
    if isinstance(inside, list):
        inside += [None] * (name + 1 - len(inside))
    inside[name] = value


def _unset(document: dict[str, Any], path: list[str]) -> None:
    inside, name = _inside(document, path)
    if isinstance(inside, dict):
        inside.pop(name, None)
