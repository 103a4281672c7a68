"""Lists of namespaces to include and to exclude.

An entry is ``database.collection`` or ``database.*``, split at the first dot.  There are no other wildcards; case
matters.  An entry without a dot names no collection, yet an include list that holds it is a list: nothing else is
carried.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

KIND = "percona"

_Listed = dict[str, frozenset[str] | None]
"""Collections by database; None stands for all of them."""


@dataclass(frozen=True, slots=True)
class NamespaceFilter:
    """What is included, less what is excluded; nothing included means everything."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    _included: _Listed = field(init=False, repr=False, compare=False)
    _excluded: _Listed = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_included", _listed(self.include))
        object.__setattr__(self, "_excluded", _listed(self.exclude))

    def selects(self, database: str, collection: str) -> bool:
        """Whether this namespace is carried; an exclusion wins."""
        if _holds(self._excluded, database, collection):
            return False
        return not self._included or _holds(self._included, database, collection)

    def selects_whole(self, database: str) -> bool:
        """Whether every collection of the database is carried, whatever its name."""
        excluded = self._excluded.get(database, frozenset())
        if excluded is None or excluded - {""}:
            return False
        return not self._included or self._included.get(database, frozenset()) is None

    def document(self) -> dict[str, Any]:
        """What `from_document` makes the same filter of."""
        return {"kind": KIND, "include": list(self.include), "exclude": list(self.exclude)}


def from_document(document: Mapping[str, Any]) -> NamespaceFilter:
    """The filter that `NamespaceFilter.document` was made of."""
    return NamespaceFilter(tuple(document["include"]), tuple(document["exclude"]))


def _listed(entries: Iterable[str]) -> _Listed:
    found: _Listed = {}
    for entry in entries:
        database, _, collection = entry.partition(".")
        names = found.get(database, frozenset())
        found[database] = None if collection == "*" or names is None else names | {collection}
    return found


def _holds(listed: _Listed, database: str, collection: str) -> bool:
    names = listed.get(database, frozenset())
    return names is None or collection in names
