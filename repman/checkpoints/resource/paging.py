"""Pages of lists, and the query parameters that every address takes.  Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

DEFAULT_SIZE = 100
MOST = 500
"""Items on a page."""
LAST_PAGE = 2**31 - 1
_WORDS = {"true": True, "false": False}


class BadParameter(ValueError):
    """A query parameter cannot be used; `name` says which, the text what to write."""

    def __init__(self, name: str, sentence: str) -> None:
        self.name = name
        super().__init__(sentence)


@dataclass(frozen=True, slots=True)
class Shape:
    """How an answer is to be written."""

    pretty: bool = False
    envelope: bool = False
    """Whether the status stands in the body as well."""


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list is wanted."""

    number: int = 1
    """From 1."""
    size: int = DEFAULT_SIZE
    counted: bool = True
    """Whether the length of the whole list is told."""

    @property
    def offset(self) -> int:
        """How many items come before it."""
        return (self.number - 1) * self.size


def shape(given: Mapping[str, str]) -> Shape:
    """What the query says of the answer's form; raises BadParameter."""
    return Shape(_word(given, "pretty", False), _word(given, "envelope", False))


def page(given: Mapping[str, str]) -> Page:
    """Which page the query wants; raises BadParameter."""
    number = _number(given, "pageNum", 1, LAST_PAGE)
    return Page(number, _number(given, "itemsPerPage", DEFAULT_SIZE, MOST), _word(given, "includeCount", True))


def links(url: str, given: Mapping[str, str], wanted: Page, total: int) -> list[dict[str, str]]:
    """The way to the other pages of a list; none, as on the resource's page, when everything stands on this one.

    `url` has no query; what else was in the query of this request stays in the links.
    """
    more = total > wanted.offset + wanted.size
    if wanted.number == 1 and not more:
        return []
    last = max(1, -(-total // wanted.size))
    targets = [("self", wanted.number)]
    if wanted.number > 1:
        targets.append(("previous", min(wanted.number - 1, last)))
    if more:
        targets.append(("next", wanted.number + 1))
    return [{"href": _address(url, given, number, wanted.size), "rel": name} for name, number in targets]


def _address(url: str, given: Mapping[str, str], number: int, size: int) -> str:
    query = {**given, "pageNum": str(number), "itemsPerPage": str(size)}
    return f"{url}?{urlencode(query)}"


def _word(given: Mapping[str, str], name: str, default: bool) -> bool:
    text = given.get(name)
    if text is None:
        return default
    if (found := _WORDS.get(text.lower())) is None:
        raise BadParameter(name, f"{name} is true or false")
    return found


def _number(given: Mapping[str, str], name: str, default: int, most: int) -> int:
    text = given.get(name)
    if text is None:
        return default
    # int() alone would take signs, spaces, underscores and digits of other scripts.
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and 1 <= int(text) <= most):
        raise BadParameter(name, f"{name} is a number from 1 to {most}")
    return int(text)
