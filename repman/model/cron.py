"""Times of day by six fields: second, minute, hour, day of the month, month, day of the week (0 or 7 is Sunday).

A field is ``*``, a number, a name of a month or day, a range ``a-b``, either with a step ``/n`` (``a/n`` means from a
on), or several of these with commas.  When both days are bounded, a day that fits either is meant, as everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS = (
    ("second", 0, 59, ()),
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of the month", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("day of the week", 0, 7, DAYS),
)


@dataclass(frozen=True, slots=True)
class Cron:
    """The allowed values of each field; None where all are."""

    seconds: frozenset[int] | None
    minutes: frozenset[int] | None
    hours: frozenset[int] | None
    days: frozenset[int] | None
    months: frozenset[int] | None
    weekdays: frozenset[int] | None
    """0 is Sunday."""


def parse_cron(text: str) -> Cron:
    """Read six fields.  Raises ValueError, saying which one is wrong."""
    words = text.split()
    if len(words) != len(_FIELDS):
        raise ValueError(f"{text!r} has {len(words)} fields; write six: second minute hour day month weekday")
    found = [_field(word, *field) for word, field in zip(words, _FIELDS, strict=True)]
    weekdays = found[5] and frozenset(day % 7 for day in found[5])
    return Cron(found[0], found[1], found[2], found[3], found[4], weekdays)


def _field(word: str, name: str, low: int, high: int, names: tuple[str, ...]) -> frozenset[int] | None:
    if word in ("*", "?"):
        return None
    values: set[int] = set()
    for part in word.split(","):
        values |= _part(part, name, low, high, names)
    return frozenset(values)


def _part(part: str, name: str, low: int, high: int, names: tuple[str, ...]) -> set[int]:
    span, slash, step_text = part.partition("/")
    step = _number(step_text, part, name) if slash else 1
    first_text, dash, last_text = span.partition("-")
    if span == "*":
        # Sunday has two numbers; one of them will do.
        first, last = low, 6 if high == 7 else high
    else:
        first = _value(first_text, part, name, low, names)
        last = _value(last_text, part, name, low, names) if dash else (high if slash else first)
    if not (low <= first <= last <= high) or step < 1:
        raise ValueError(f"the {name} {part!r} is not between {low} and {high}")
    return set(range(first, last + 1, step))


def _value(text: str, part: str, name: str, low: int, names: tuple[str, ...]) -> int:
    if text.lower() in names:
        return names.index(text.lower()) + low
    return _number(text, part, name)


def _number(text: str, part: str, name: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 4):
        raise ValueError(f"the {name} {part!r} cannot be read")
    return int(text)
