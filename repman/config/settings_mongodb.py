"""How the members of a replica set are reached."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class MongodbSettings:
    """What goes with a cluster whose servers are MongoDB's."""

    group: str = ""
    """The sharded cluster that the set is a part of; empty: none."""
    options: dict[str, object] = field(default_factory=dict)
    """Of connections, by PyMongo's names: TLS, the database of the account, compression."""
