"""The collections that a link carries, by the identity that the source gives them.

Events are replayed from before the clone, so they may tell of what has changed again since.  A name does not say
which collection is meant then; the UUID does.  What the catalogue says is what the target has.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from repman.link.namespaces import Remap

SIMPLE = {"locale": "simple"}
"""The collation of what was given none."""
NEVER_EXPIRES = 2**31 - 1
"""Seconds of a TTL index while the source's own is the one that deletes."""

_LARGEST_DOCUMENT = 16 << 20
_ROUND = 256
"""Bytes of which the size of a capped collection is a multiple before MongoDB 7.0."""
_NOT_TO_CREATE_WITH = frozenset({"idIndex", "uuid", "autoIndexId", "temp"})
"""What is told of a collection and no option of it.  The temporary ones of the source's commands are given a lasting
name in the end, and the target must not take them away before that."""
_OF_THE_SOURCE_ONLY = frozenset({"ns", "background", "clustered", "buildUUID", "indexBuildInfo"})

Spec = Mapping[str, Any]
"""An index as ``listIndexes`` tells of it."""


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection or view, as the target has it, under the source's names."""

    key: str
    """The UUID in hex; of a view ``view:`` and its namespace."""
    database: str
    name: str
    options: Spec = field(default_factory=dict)
    indexes: Mapping[str, Spec] = field(default_factory=dict)
    """All but that of ``_id``, by name, in the source's form."""
    deferred: Mapping[str, str] = field(default_factory=dict)
    """Indexes that the target does not have yet: why, by name."""
    renaming: tuple[str, str] | None = None
    """Database and name, on the source, that it is being given on the target: noted before that is done."""

    @property
    def is_view(self) -> bool:
        """Whether it is a view."""
        return "viewOn" in self.options

    @property
    def is_capped(self) -> bool:
        """Whether its order matters."""
        return bool(self.options.get("capped"))

    @property
    def is_serial(self) -> bool:
        """Whether all its changes are applied one after the other.

        The documents of a capped collection have an order; under a collation keys may be one to the server although
        nothing in them shows that.
        """
        return self.is_capped or "collation" in self.options

    @property
    def namespace(self) -> tuple[str, str]:
        """Database and name, on the source."""
        return self.database, self.name

    def __str__(self) -> str:
        return f"{self.database}.{self.name}"

    def document(self) -> dict[str, Any]:
        """What `of_document` makes the same collection of."""
        return {
            "_id": self.key,
            "database": self.database,
            "name": self.name,
            "options": dict(self.options),
            # Names of indexes may hold dots and dollars, which keys should not.
            "indexes": [dict(spec) for spec in self.indexes.values()],
            "deferred": [[name, why] for name, why in self.deferred.items()],
            "renaming": list(self.renaming) if self.renaming else None,
        }


def of_document(document: Mapping[str, Any]) -> Collection:
    """The collection that `Collection.document` told of."""
    return Collection(
        document["_id"],
        document["database"],
        document["name"],
        document["options"],
        {spec["name"]: spec for spec in document["indexes"]},
        dict(document.get("deferred", ())),
        tuple(document["renaming"]) if document.get("renaming") else None,
    )


def view_key(database: str, name: str) -> str:
    """By which a view is known, which has no UUID."""
    return f"view:{database}.{name}"


def creation(options: Spec) -> dict[str, Any]:
    """The options to create the target's collection with: a clustered collection must not expire by itself."""
    made = {key: value for key, value in options.items() if key not in _NOT_TO_CREATE_WITH}
    if "clusteredIndex" in made:
        made.pop("expireAfterSeconds", None)
    return made


def replicated_options(options: Spec) -> dict[str, Any]:
    """The same while replication goes on.

    A capped collection has room beyond its size: the source tells of every document that it drops, and the target must
    drop none by itself.  It would where changes are applied again that are over already: it would make room for
    documents that are deleted a moment later.
    """
    made = creation(options)
    if made.get("capped"):
        made["size"] = roomy(made["size"])
        made.pop("max", None)
    return made


def roomy(size: int) -> int:
    """Bytes for twice what a capped collection of that size holds, and a document of the largest size."""
    return 2 * int(size) + _LARGEST_DOCUMENT


def rounded(size: int) -> int:
    """The size of a capped collection as a server before MongoDB 7.0 makes it of what it is told."""
    return -(-int(size) // _ROUND) * _ROUND


def is_time_series(options: Spec) -> bool:
    """Whether it is a time series, which links do not carry."""
    return "timeseries" in options or str(options.get("viewOn", "")).startswith("system.buckets.")


def index_key(spec: Spec) -> tuple[tuple[str, Any], ...]:
    """The key pattern in its order."""
    return tuple(spec["key"].items())


def final_index(spec: Spec) -> dict[str, Any]:
    """The index as it is created at the end."""
    made = {key: value for key, value in spec.items() if key not in _OF_THE_SOURCE_ONLY}
    if spec.get("v") != 1:  # an index of before MongoDB 3.4 has none, and must be given none
        made.setdefault("collation", SIMPLE)
    return made


def replicated_index(spec: Spec) -> dict[str, Any]:
    """The index as the target has it meanwhile: nothing in it may refuse, delete or hide what the source allows."""
    made = final_index(spec)
    for name in ("unique", "prepareUnique", "hidden"):
        made.pop(name, None)
    if "expireAfterSeconds" in made:
        made["expireAfterSeconds"] = NEVER_EXPIRES
    return made


def without_id(specs: list[dict[str, Any]]) -> dict[str, Spec]:
    """Indexes by name, without that of ``_id`` and a clustered one, which come with the collection."""
    return {spec["name"]: spec for spec in specs if index_key(spec) != (("_id", 1),) and not spec.get("clustered")}


Keep = Callable[[Collection], None]
Forget = Callable[[str], None]


class Catalog:
    """What the target has; every change is kept before it is told to others.  Usable from several threads."""

    def __init__(self, keep: Keep, forget: Forget, remap: Remap) -> None:
        """`keep` and `forget` write to where the catalogue outlives the process."""
        self._keep, self._forget = keep, forget
        self._remap = remap
        self._by_key: dict[str, Collection] = {}
        self._by_name: dict[tuple[str, str], str] = {}
        self._lock = threading.Lock()

    def load(self, found: Iterator[Collection]) -> None:
        """Begin with what was kept."""
        with self._lock:
            for collection in found:
                self._put(collection)

    def get(self, key: str) -> Collection | None:
        """The collection of that identity."""
        return self._by_key.get(key)

    def named(self, database: str, name: str) -> Collection | None:
        """The collection of that name, on the source at the time up to which was replicated."""
        key = self._by_name.get((database, name))
        return self._by_key.get(key) if key is not None else None

    def all(self) -> list[Collection]:
        """Everything, sorted by namespace."""
        with self._lock:
            return sorted(self._by_key.values(), key=lambda each: each.namespace)

    def of_database(self, database: str) -> list[Collection]:
        """Everything in that database, sorted."""
        return [each for each in self.all() if each.database == database]

    def target(self, collection: Collection) -> tuple[str, str]:
        """Database and name on the target."""
        return self._remap.database(collection.database), collection.name

    def target_database(self, database: str) -> str:
        """A database's name on the target."""
        return self._remap.database(database)

    def add(self, collection: Collection) -> None:
        """The target has it now, or has it otherwise."""
        with self._lock:
            self._keep(collection)
            self._put(collection)

    def rename(self, collection: Collection, database: str, name: str) -> Collection:
        """It has another name now; returns it."""
        moved = replace(collection, database=database, name=name, renaming=None)
        self.add(moved)
        return moved

    def remove(self, collection: Collection) -> None:
        """The target does not have it any more."""
        with self._lock:
            self._forget(collection.key)
            self._take(collection.key)

    def clear(self) -> None:
        """Nothing is known any more; what was kept is the caller's to clear."""
        with self._lock:
            self._by_key.clear()
            self._by_name.clear()

    def _put(self, collection: Collection) -> None:
        self._take(collection.key)
        self._by_key[collection.key] = collection
        self._by_name[collection.namespace] = collection.key

    def _take(self, key: str) -> None:
        old = self._by_key.pop(key, None)
        if old is not None and self._by_name.get(old.namespace) == key:
            del self._by_name[old.namespace]
