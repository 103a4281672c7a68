"""From what was written to a checked value."""

from __future__ import annotations

import math
from collections.abc import Callable

from repman.config.mongo_uri import without_secrets
from repman.config.option import Kind, Option, Value
from repman.config.secrets import is_encrypted
from repman.config.settings import Credential

_YES = frozenset({"true", "yes", "on", "1"})
_NO = frozenset({"false", "no", "off", "0"})
_LEVELS = {
    "1": "ERROR",
    "2": "WARNING",
    "3": "INFO",
    "4": "DEBUG",
    "WARN": "WARNING",
}


def coerce(option: Option, raw: object) -> Value:
    """The checked value; raises ValueError with a sentence that does not show a secret."""
    if isinstance(raw, str):
        raw = raw.strip()
    value = _READERS[option.kind](option, raw)
    _check_range(option, value)
    return value


def credential(text: str) -> Credential:
    """Read ``user:password``; raises ValueError, never showing the text."""
    user, colon, password = text.partition(":")
    if not colon and "/" in text:
        raise ValueError("secrets from a vault are not supported yet; write user:password")
    if not colon or not user.strip():
        raise ValueError("write user:password")
    return Credential(user.strip(), password)


def _quoted(option: Option, raw: object) -> str:
    return "the value" if option.secret else repr(raw)


def _bool(option: Option, raw: object) -> bool:
    if isinstance(raw, bool):
        return raw
    if isinstance(raw, str) and raw.lower() in _YES | _NO:
        return raw.lower() in _YES
    raise ValueError(f"{_quoted(option, raw)} is not true or false")


def _number(option: Option, raw: object) -> float:
    problem = f"{_quoted(option, raw)} is not a number"
    if isinstance(raw, bool) or not isinstance(raw, int | float | str):
        raise ValueError(problem)
    try:
        number = float(raw)
    except (ValueError, OverflowError):
        raise ValueError(problem) from None
    if not math.isfinite(number):
        raise ValueError(problem)
    return number


def _int(option: Option, raw: object) -> int:
    number = _number(option, raw)
    if not number.is_integer():
        raise ValueError(f"{_quoted(option, raw)} is not a whole number")
    return int(number)


def _text(option: Option, raw: object) -> str:
    if not isinstance(raw, str):
        raise ValueError(f"{_quoted(option, raw)} is not a string; put it in quotes")
    if "\0" in raw or "\n" in raw:
        raise ValueError(f"{_quoted(option, raw)} holds a line break or a NUL character")
    return raw


def _list(option: Option, raw: object) -> tuple[str, ...]:
    if isinstance(raw, str):
        parts = raw.split(",")
    elif isinstance(raw, list) and all(isinstance(part, str) for part in raw):
        parts = raw
    else:
        raise ValueError(f"{_quoted(option, raw)} is neither a string with commas nor an array of strings")
    return tuple(_text(option, part.strip()) for part in parts if part.strip())


def _choice(option: Option, raw: object) -> str:
    word = str(raw)
    if option.name == "log-level":
        word = _LEVELS.get(word.upper(), word.upper())
    if word not in option.choices:
        raise ValueError(f"{_quoted(option, raw)} is none of {', '.join(option.choices)}")
    return word


def _credential(option: Option, raw: object) -> str:
    text = _text(option, raw)
    if text and not is_encrypted(text):
        credential(text)
    return text


def mongo_uri(text: str) -> str:
    """The same text when it is the address of a MongoDB cluster; raises ValueError, never showing the text."""
    if text and without_secrets(text) is None:
        raise ValueError(
            "write mongodb://user:password@host1:27017,host2:27017/?replicaSet=name or mongodb+srv://..., with special "
            "characters of user and password escaped (an @ is %40)"
        )
    return text


def _uri(option: Option, raw: object) -> str:
    text = _text(option, raw)
    return text if is_encrypted(text) else mongo_uri(text)


_READERS: dict[Kind, Callable[[Option, object], Value]] = {
    Kind.BOOL: _bool,
    Kind.INT: _int,
    Kind.PORT: _int,
    Kind.SECONDS: _number,
    Kind.TEXT: _text,
    Kind.PATH: _text,
    Kind.LIST: _list,
    Kind.CHOICE: _choice,
    Kind.CREDENTIAL: _credential,
    Kind.URI: _uri,
}


def _check_range(option: Option, value: Value) -> None:
    if isinstance(value, str | tuple) or option.kind is Kind.BOOL:
        return
    low, high = (1, 65535) if option.kind is Kind.PORT else (option.at_least, option.at_most)
    if (low is not None and value < low) or (high is not None and value > high):
        raise ValueError(f"{value:g} is out of range; allowed: {option.range}")
