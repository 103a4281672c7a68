r"""mongosync's filter of namespaces: what to include, less what to exclude.  Pure.

Patterns match anywhere in a name unless they are anchored, as on the server.  The server reads them with PCRE and we
with Python's `re`, which knows less (``\z``, ``\h``, ``(?<name>...)``, ``[[:alpha:]]``): what it does not know, or would
read in another way, is refused, never guessed.
"""

from __future__ import annotations

import functools
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from repman.link.namespaces import is_internal

KIND = "mongosync"
_FLAGS = {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL, "x": re.VERBOSE}
_CLASS_OF_LETTERS = re.compile(r"\\[wWdDsSbB]")
_UP_TO = re.compile(r"\{,\d+\}")
_POSIX_CLASS = re.compile(r"\[([:.=])[^\]]*\1\]")


class Regex(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A pattern with options of the server's ``$regex``."""

    pattern: str
    options: str = ""
    """Any of ``i``, ``m``, ``s`` and ``x``."""

    def __post_init__(self) -> None:
        """Raises ValueError when the pattern cannot be used; its text says why."""
        compiled(self.pattern, self.options)

    def matches(self, name: str) -> bool:
        """Whether the pattern is found anywhere in the name."""
        return compiled(self.pattern, self.options).search(name) is not None


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, rename="camel"):
    """Databases, and in them all collections or some, as one entry of the filter has it."""

    database: str | None = None
    database_regex: Regex | None = None
    collections: tuple[str, ...] | None = None
    collections_regex: Regex | None = None

    def __post_init__(self) -> None:
        """Raises ValueError when the entry has no meaning; its text says what to write."""
        if (self.database is None) == (self.database_regex is None):
            raise ValueError("give either `database` or `databaseRegex`")
        if self.collections is not None and self.collections_regex is not None:
            raise ValueError("give either `collections` or `collectionsRegex`, or none of them for all collections")
        if self.database == "" or (self.collections is not None and (not self.collections or "" in self.collections)):
            raise ValueError("names must not be empty; leave `collections` out for all collections")

    @property
    def whole(self) -> bool:
        """Whether it is about every collection of its databases."""
        return self.collections is None and self.collections_regex is None

    def covers(self, database: str) -> bool:
        """Whether it is about this database, or about a part of it."""
        if self.database_regex is not None:
            return self.database_regex.matches(database)
        return self.database == database

    def matches(self, database: str, collection: str) -> bool:
        """Whether it is about this namespace."""
        if not self.covers(database):
            return False
        if self.collections_regex is not None:
            return self.collections_regex.matches(collection)
        return self.collections is None or collection in self.collections


@dataclass(frozen=True, slots=True)
class Filter:
    """The selection: everything, or what one of `include` matches; less what one of `exclude` matches."""

    include: tuple[Entry, ...] = ()
    """Empty: everything."""
    exclude: tuple[Entry, ...] = ()

    def selects(self, database: str, collection: str) -> bool:
        """Whether this namespace is carried."""
        included = not self.include or any(entry.matches(database, collection) for entry in self.include)
        return included and not any(entry.matches(database, collection) for entry in self.exclude)

    def selects_whole(self, database: str) -> bool:
        """Whether every collection of the database is carried, whatever its name."""
        included = not self.include or any(entry.whole and entry.covers(database) for entry in self.include)
        return included and not any(entry.covers(database) for entry in self.exclude)

    def reaches(self, database: str) -> bool:
        """Whether a collection of this database could be carried."""
        included = not self.include or any(entry.covers(database) for entry in self.include)
        return included and not any(entry.whole and entry.covers(database) for entry in self.exclude)

    def document(self) -> dict[str, Any]:
        """The form in which it is kept; `from_document` reads it."""
        return {"kind": KIND, "include": _plain(self.include), "exclude": _plain(self.exclude)}

    def mistakes(self) -> list[str]:
        """What the filter asks for and can never get; empty when there is nothing."""
        named = sorted({entry.database for entry in self.include if entry.database and is_internal(entry.database)})
        found = [
            f"includeNamespaces: {name} belongs to the server or to the link and is never copied" for name in named
        ]
        for entry in self.include:
            for collection in entry.collections or ():
                if is_internal("", collection):
                    found.append(f"includeNamespaces: {collection} is a collection of the server and is never copied")
        return found


def from_document(document: Mapping[str, Any]) -> Filter:
    """The filter that `Filter.document` wrote; raises ValueError for what is none."""
    try:
        return Filter(*(msgspec.convert(document[key], tuple[Entry, ...]) for key in ("include", "exclude")))
    except (KeyError, msgspec.ValidationError) as error:
        raise ValueError(f"a filter of mongosync that was kept cannot be read: {error}") from error


@functools.lru_cache(maxsize=256)
def compiled(pattern: str, options: str) -> re.Pattern[str]:
    """The pattern, ready to search; raises ValueError when it cannot be used here."""
    flags = 0
    for letter in options:
        if letter not in _FLAGS:
            raise ValueError(f"option {letter!r} of a pattern is not one of i, m, s and x")
        flags |= _FLAGS[letter]
    if _POSIX_CLASS.search(pattern):
        raise ValueError(f"the pattern {pattern!r} has a class like [:alpha:]: write its characters, as in [A-Za-z]")
    if _UP_TO.search(pattern):
        raise ValueError(f"the pattern {pattern!r} has a repetition without its least number: write it, as in {{0,3}}")
    if _CLASS_OF_LETTERS.search(pattern) and not (flags & re.IGNORECASE and not pattern.isascii()):
        # For PCRE what \w, \d and \s match is in ASCII, yet upper and lower case are those of all letters.  Python has
        # both or none: cases matter more where the pattern has other letters.
        flags |= re.ASCII
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            return re.compile(pattern, flags)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"the pattern {pattern!r} cannot be used here: {error}") from error


def _plain(entries: tuple[Entry, ...]) -> list[dict[str, Any]]:
    plain: list[dict[str, Any]] = msgspec.to_builtins(list(entries))
    return plain
