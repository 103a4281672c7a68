"""Sizes and durations as people write them for Go programs: ``500MB``, ``1GiB``, ``1m30s``.

The errors are those that such programs give, as scripts look for them.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

_LETTERS = "kmgtpe"
_UNITS = {
    "": 1,
    "b": 1,
    **{letter + end: 1000**power for power, letter in enumerate(_LETTERS, 1) for end in ("", "b")},
    **{letter + end: 1024**power for power, letter in enumerate(_LETTERS, 1) for end in ("i", "ib")},
}
_NANOSECONDS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "μs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_TERM = re.compile(r"(\d+\.?\d*|\.\d+)([^\d.]*)", re.ASCII)


def parse_size(text: str) -> int:
    """Bytes; raises ValueError."""
    found = re.fullmatch(r"([0-9.,]*)(.*)", text.strip(), re.DOTALL)
    assert found is not None
    number, unit = found[1].replace(",", ""), found[2].strip().lower()
    try:
        value = Decimal(number)
    except InvalidOperation:
        raise ValueError(f'strconv.ParseFloat: parsing "{number}": invalid syntax') from None
    if unit not in _UNITS:
        raise ValueError(f"unhandled size name: {unit}")
    size = value * _UNITS[unit]
    if size >= 2**64:
        raise ValueError(f"too large: {text}")
    return int(size)


def show_size(size: int) -> str:
    """At most three digits in a unit of 1024 bytes: ``458 MiB``, ``1.5 GiB``."""
    if size < 10:
        return f"{size} B"
    power = min((size.bit_length() - 1) // 10, len(_LETTERS))
    tenths = (size * 10 * 2 + 1024**power) // (2 * 1024**power)
    number = f"{tenths // 10}.{tenths % 10}" if tenths < 100 else f"{(tenths + 5) // 10}"
    return f"{number} {_LETTERS[power - 1].upper() + 'i' if power else ''}B"


def parse_duration(text: str) -> float:
    """Seconds; raises ValueError."""
    sign, rest = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    if rest == "0":
        return 0.0
    total = Decimal(0)
    while rest:
        term = _TERM.match(rest)
        if term is None:
            break
        number, unit = term.groups()
        if not unit:
            raise ValueError(f'time: missing unit in duration "{text}"')
        if unit not in _NANOSECONDS:
            raise ValueError(f'time: unknown unit "{unit}" in duration "{text}"')
        total += Decimal(number) * _NANOSECONDS[unit]
        rest = rest[term.end() :]
        if not rest:
            return float(sign * total / 10**9)
    raise ValueError(f'time: invalid duration "{text}"')
