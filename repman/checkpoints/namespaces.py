"""Which collections a part's data are.  Pure."""

from __future__ import annotations

from repman.checkpoints.model import PartType

_INTERNAL = frozenset({"admin", "config", "local"})
KEPT_OF_CONFIG = ("chunks", "collections", "databases", "placementHistory", "shards", "tags", "version")
"""Where the data of a sharded cluster are.  The balancer's settings, locks and logs are the living cluster's own."""

KEPT_OF_SHARDS = ("rangeDeletions",)
"""Which documents a shard has given away and still has: they must not come back to life."""


def is_kept(kind: PartType, database: str, name: str) -> bool:
    """Whether a collection is saved and restored.

    Accounts and roles (in `admin`) are not, lest a restore changes who may log in.
    """
    if database == "config":
        return name in (KEPT_OF_CONFIG if kind is PartType.CONFIG_SERVER else KEPT_OF_SHARDS)
    return kind is not PartType.CONFIG_SERVER and database not in _INTERNAL and name != "system.profile"


def is_kept_database(kind: PartType, database: str) -> bool:
    """Whether a database may have such collections."""
    return database == "config" or (kind is not PartType.CONFIG_SERVER and database not in _INTERNAL)


ASIDE = "repmanRangeDeletions"


def landing(database: str, name: str) -> str:
    """Under which name of the same database a collection is restored first.

    A shard acts at once on what it is told to delete, and forgets what does not fit the chunks that it knows; so that
    is told it at the very end.
    """
    return ASIDE if database == "config" and name in KEPT_OF_SHARDS else name
