"""Which namespaces a link carries, and how databases are called on the target.  Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

SYSTEM_DATABASES = frozenset({"admin", "config", "local"})
OWN_DATABASES = frozenset(
    {
        "percona_clustersync_mongodb",
        "percona_link_mongodb",
        "percona_mongolink",
        "mongosync_reserved_for_internal_use",
    }
)
"""Where links, and the tools whose APIs they speak, keep their own documents."""
OWN_PREFIXES = ("mongosync_internal_", "mongosync_reserved_for_", "__mdb_internal_")


class Selection(Protocol):
    """A filter of namespaces, in the words of one dialect."""

    def selects(self, database: str, collection: str) -> bool:
        """Whether this namespace is carried."""

    def selects_whole(self, database: str) -> bool:
        """Whether every collection of the database is carried, whatever its name."""

    def document(self) -> dict[str, Any]:
        """What `selection_of` makes the same selection of; BSON types only."""


@dataclass(frozen=True, slots=True)
class Everything:
    """No filter."""

    def selects(self, database: str, collection: str) -> bool:
        """Always."""
        return True

    def selects_whole(self, database: str) -> bool:
        """Always."""
        return True

    def document(self) -> dict[str, Any]:
        """Nothing but the kind."""
        return {"kind": "everything"}


def is_internal(database: str, collection: str = "") -> bool:
    """Whether a namespace belongs to a server or to a link and is never carried."""
    return (
        database in SYSTEM_DATABASES
        or database in OWN_DATABASES
        or database.startswith(OWN_PREFIXES)
        or collection.startswith("system.")
    )


@dataclass(frozen=True, slots=True)
class Remap:
    """Databases that have another name on the target."""

    names: Mapping[str, str] = field(default_factory=dict)
    """By name on the source."""

    def database(self, database: str) -> str:
        """Its name on the target."""
        return self.names.get(database, database)

    def reversed(self) -> Remap:
        """The way back."""
        return Remap({there: here for here, there in self.names.items()})
