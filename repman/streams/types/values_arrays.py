"""Arrays, ranges and hstore of PostgreSQL as JSON; pure.

Source of the forms: the manual of PostgreSQL, "Array Input and Output Syntax", "Range Input/Output", "hstore".
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from repman.streams.types.values_to_postgresql import Converter

_NUMBERS = frozenset({"int2", "int4", "int8", "float4", "float8", "numeric", "oid"})
_DOCUMENTS = frozenset({"json", "jsonb"})
_TOKEN = re.compile(r'"((?:[^"\\]|\\.)*)"|([{}])|[,;]|((?:[^{}",;\\]|\\.)+)', re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_BOUND = re.compile(r'"((?:[^"\\]|\\.|"")*)"|([^",\\]*)', re.DOTALL)
_HSTORE = re.compile(r'"((?:[^"\\]|\\.)*)"=>(?:"((?:[^"\\]|\\.)*)"|NULL)', re.DOTALL)


def array_as_json(element: str) -> Converter:
    """What turns an array of this type into a JSON array: numbers and booleans as such, all else as strings."""
    scalar: Callable[[str], str]
    if element in _NUMBERS:
        scalar = _number
    elif element == "bool":
        scalar = _boolean
    elif element in _DOCUMENTS:
        scalar = str
    else:
        scalar = _string

    def turned(text: bytes) -> bytes:
        return _array(text.decode(), scalar).encode()

    return turned


def _number(text: str) -> str:
    return "null" if text in ("NaN", "Infinity", "-Infinity") else text


def _boolean(text: str) -> str:
    return "true" if text == "t" else "false"


def _string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _array(text: str, scalar: Callable[[str], str]) -> str:
    # bounds other than 1 stand before the elements: [0:1]={a,b}
    text = text[text.index("{") :]
    done: list[list[str]] = [[]]
    for match in _TOKEN.finditer(text):
        inside, brace, bare = match.groups()
        if brace == "{":
            done.append([])
        elif brace == "}":
            items = done.pop()
            done[-1].append("[" + ", ".join(items) + "]")
        elif inside is not None:
            done[-1].append(scalar(_ESCAPE.sub(r"\1", inside)))
        elif bare is not None:
            done[-1].append("null" if bare == "NULL" else scalar(_ESCAPE.sub(r"\1", bare)))
    return done[0][0]


def range_as_json(text: str) -> Any:
    """A range as ``{"lower", "upper", "bounds"}``, a multirange as a list of such, an empty one as ``{"empty": true}``."""
    if text.startswith("{"):
        return [range_as_json(part) for part in _ranges(text[1:-1])]
    if text == "empty":
        return {"empty": True}
    lower, end = _bound(text, 1)
    upper, _ = _bound(text, end + 1)
    return {"lower": lower, "upper": upper, "bounds": text[0] + text[-1]}


def _bound(text: str, start: int) -> tuple[str | None, int]:
    """One bound and where it ends."""
    match = _BOUND.match(text, start, len(text) - 1)
    assert match is not None
    inside, bare = match.groups()
    if inside is not None:
        return _ESCAPE.sub(r"\1", inside.replace('""', '"')), match.end()
    return bare or None, match.end()


def _ranges(text: str) -> list[str]:
    """The ranges of a multirange; commas within brackets and quotes do not part them."""
    parts, start, inside, quoted = [], 0, False, False
    for at, letter in enumerate(text):
        if letter == '"':
            quoted = not quoted
        elif quoted:
            continue
        elif letter in "[(":
            start, inside = at, True
        elif letter in "])" and inside:
            parts.append(text[start : at + 1])
            inside = False
    return parts


def hstore_as_json(text: bytes) -> bytes:
    """An hstore as a JSON object of strings and nulls."""
    found = {}
    for match in _HSTORE.finditer(text.decode()):
        key, value = match.groups()
        found[_ESCAPE.sub(r"\1", key)] = None if value is None else _ESCAPE.sub(r"\1", value)
    return json.dumps(found, ensure_ascii=False).encode()
