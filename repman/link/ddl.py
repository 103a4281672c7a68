"""Changes of collections, views, indexes and databases, carried out on the target.

Every one may have been carried out before, and the catalogue may know what came after it: each looks for the
collection by its UUID and does nothing where the target is ahead.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from bson.timestamp import Timestamp
from pymongo.errors import OperationFailure

from repman.errors import LinkFailed
from repman.link import indexes, listing
from repman.link.catalog import (
    NEVER_EXPIRES,
    Catalog,
    Collection,
    index_key,
    is_time_series,
    roomy,
    rounded,
    view_key,
)
from repman.link.changes import Definition
from repman.link.connection import Cluster
from repman.link.namespaces import Selection, is_internal
from repman.link.writing import define

LOG = logging.getLogger(__name__)

_CONVERTED = re.compile(r"tmp[^.]*\.convertToCapped\.")
_MADE_ELSEWHERE = re.compile(r"tmp[^.]*\.(?:convertToCapped\.|renameCollection)")
_NO_SUCH_NAMESPACE = 26
_WITHOUT_ROUNDING = (7,)
_BENIGN = frozenset({26, 27, 72, 215})
"""NamespaceNotFound, IndexNotFound, InvalidOptions, DatabaseDropPending: the target is ahead."""
_UNSUPPORTED = {
    "reshardCollection": "the source was resharded",
    "refineCollectionShardKey": "a shard key of the source was refined",
    "invalidate": "the change stream was invalidated",
}
_OPTIONS = ("validator", "validationLevel", "validationAction", "changeStreamPreAndPostImages", "viewOn", "pipeline")


class Copier(Protocol):
    """Copies single collections while everything else goes on."""

    def announce(self, key: str) -> None:
        """The collection of that key is to be copied, also if a crash comes in between."""

    def unfinished(self, key: str) -> bool:
        """Whether it was announced, and is not copied yet."""

    def copy(self, collection: Collection) -> None:
        """Copy it as it is now, into an empty one."""


class Definitions:
    """Carries changes of definitions out, one at a time."""

    def __init__(
        self,
        source: Cluster,
        target: Cluster,
        catalog: Catalog,
        selection: Selection,
        listed_at: Timestamp,
        copier: Copier,
        refuse_renames_out: bool,
        build_indexes: bool = True,
    ) -> None:
        """What happened until `listed_at` is in the catalogue; `copier` copies what events do not tell of."""
        self._source, self._target = source, target
        self._catalog, self._selection = catalog, selection
        self._listed_at = listed_at
        self._copier = copier
        self._refuse_renames_out = refuse_renames_out
        self._build_indexes = build_indexes
        self._acts: dict[str, Callable[[Definition], None]] = {
            "create": self._create,
            "drop": self._drop,
            "dropDatabase": self._drop_database,
            "rename": self._rename,
            "modify": self._modify,
            "createIndexes": self._create_indexes,
            "dropIndexes": self._drop_indexes,
        }

    def collections(self, change: Definition) -> frozenset[str]:
        """The keys of all collections that it concerns: nothing else may happen to them meanwhile."""
        found = {key_of(change)}
        if change.kind == "dropDatabase":
            found |= {each.key for each in self._catalog.of_database(change.database)}
        for database, name in ((change.database, change.name), *destination(change)):
            occupant = self._catalog.named(database, name)
            if occupant is not None:
                found.add(occupant.key)
        return frozenset(found)

    def concerns(self, change: Definition) -> bool:
        """Whether it is any of the link's business."""
        if change.kind in _UNSUPPORTED or self._catalog.get(key_of(change)) is not None:
            return True
        if change.kind == "dropDatabase":
            return not is_internal(change.database)
        places = ((change.database, change.name), *destination(change))
        return any(self._selects(*place) for place in places)

    def apply(self, change: Definition) -> None:
        """Carry it out.  Raises LinkFailed for what cannot be, and PyMongoError."""
        if reason := _UNSUPPORTED.get(change.kind):
            raise LinkFailed(f"{reason} ({change.database}.{change.name}): start the link anew")
        act = self._acts.get(change.kind)
        if act is None:
            LOG.info("%s of %s.%s is not replicated", change.kind, change.database, change.name)
            return
        try:
            act(change)
        except OperationFailure as error:
            if error.code not in _BENIGN:
                raise
            LOG.info("%s of %s.%s: the target is ahead: %s", change.kind, change.database, change.name, error)

    def _selects(self, database: str, name: str) -> bool:
        if _MADE_ELSEWHERE.match(name):
            # A collection that is being made in the place of another one; its last part may be that one's name.
            name = _MADE_ELSEWHERE.sub("", name, count=1) or name
        return not is_internal(database, name) and self._selection.selects(database, name)

    def _create(self, change: Definition) -> None:
        key, options = key_of(change), self._as_made(change.description)
        options.pop("idIndex", None)
        known = self._catalog.get(key)
        if known is not None:
            if known.is_view and dict(known.options) != options:
                self._make(replace(known, options=options))
            return
        if is_time_series(options):
            LOG.warning("%s.%s is a time series, which is not replicated", change.database, change.name)
            return
        if not self._selects(change.database, change.name) or change.time <= self._listed_at:
            return
        if self._catalog.named(change.database, change.name) is not None:
            return  # the name is another one's by now, so this one is gone
        self._make(Collection(key, change.database, change.name, options))

    def _as_made(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """The options that the source has given a collection, of those that it was told."""
        made = dict(options)
        if "size" in made and self._source.version < _WITHOUT_ROUNDING:
            made["size"] = rounded(made["size"])
        return made

    def _make(self, collection: Collection) -> None:
        listing.recreate(self._target, self._catalog, collection)
        self._catalog.add(collection)

    def _drop(self, change: Definition) -> None:
        known = self._catalog.get(key_of(change))
        if known is not None:
            self._forget(known)

    def _forget(self, collection: Collection) -> None:
        listing.drop(self._target, *self._catalog.target(collection))
        self._catalog.remove(collection)

    def _drop_database(self, change: Definition) -> None:
        """Collections were dropped one by one before it; views are not told of."""
        for each in self._catalog.of_database(change.database):
            if each.is_view:
                self._forget(each)

    def _rename(self, change: Definition) -> None:
        known = self._catalog.get(key_of(change))
        ((database, name),) = destination(change)
        selected = self._selects(database, name)
        if known is None:
            if selected and change.time > self._listed_at:
                self._came_in(change, database, name)
            return
        if known.namespace != (change.database, change.name):
            if known.namespace == (database, name) and self._copier.unfinished(known.key):
                self._copy(known)  # it was renamed before something came in between
            return
        if not selected:
            if self._refuse_renames_out:
                raise LinkFailed(f"{known} was renamed to {database}.{name}, which the filter does not let through")
            self._forget(known)
            return
        untold = self._source.sharded and _CONVERTED.match(change.name)
        if untold:
            # The stream of a sharded cluster does not tell of the documents that were put into it.
            self._copier.announce(known.key)
        noted = replace(known, renaming=(database, name))
        self._catalog.add(noted)
        moved = self._move(noted, database, name)
        if untold:
            self._copy(moved)

    def finish_renames(self) -> None:
        """Carry out what was noted and may not be done; before anything else, as its old name is nobody's by now.

        A change that was applied under that name would make a new collection, which would take the place of the one
        that was renamed.  Raises PyMongoError.
        """
        for each in self._catalog.all():
            if each.renaming is not None:
                self._move(each, *each.renaming)

    def _move(self, known: Collection, database: str, name: str) -> Collection:
        occupant = self._catalog.named(database, name)
        here = "{}.{}".format(*self._catalog.target(known))
        there = f"{self._catalog.target_database(database)}.{name}"
        try:
            define(self._target, "admin", {"renameCollection": here, "to": there, "dropTarget": True})
        except OperationFailure as error:
            if error.code != _NO_SUCH_NAMESPACE:
                raise
            LOG.info("%s is called %s on the target already", here, there)
        if occupant is not None and occupant.key != known.key:
            self._catalog.remove(occupant)
        return self._catalog.rename(known, database, name)

    def _came_in(self, change: Definition, database: str, name: str) -> None:
        """A collection that was not selected has got a name that is."""
        found = listing.find_by_uuid(self._source, database, change.uuid)
        if found is None:
            return
        occupant = self._catalog.named(database, name)
        if occupant is not None:
            self._forget(occupant)
        made = replace(found, name=name)
        self._copier.announce(made.key)
        self._make(made)
        self._copy(made)

    def _copy(self, collection: Collection) -> None:
        found = listing.find_by_uuid(self._source, collection.database, collection.key)
        if found is None:
            return  # gone by now; the event that says so follows
        looked = replace(listing.looked_into(self._source, found).collection, name=collection.name)
        self._catalog.add(looked)
        self._copier.copy(looked)

    def _modify(self, change: Definition) -> None:
        known = self._catalog.get(key_of(change))
        if known is None:
            return
        description = dict(change.description)
        index = description.pop("index", None)
        if index is not None:
            known = self._modify_index(known, dict(index))
        options = {name: description[name] for name in _OPTIONS if name in description}
        for word, option in (("cappedSize", "size"), ("cappedMax", "max")):
            if word in description:
                options[option] = description[word]
        options = self._as_made(options)
        database, name = self._catalog.target(known)
        command = {key: value for key, value in options.items() if key not in ("size", "max")}
        if "size" in options:
            command["cappedSize"] = roomy(options["size"])
        if command:
            define(self._target, database, {"collMod": name, **command})
        if options:
            self._catalog.add(replace(known, options={**known.options, **options}))

    def _modify_index(self, collection: Collection, change: dict[str, Any]) -> Collection:
        name = change.pop("name", None)
        pattern = change.pop("keyPattern", None)
        if name is None and pattern is not None:
            wanted = tuple(pattern.items())
            name = next((each for each, spec in collection.indexes.items() if index_key(spec) == wanted), None)
        old = collection.indexes.get(name or "")
        if old is None:
            return collection
        spec = {**old, **change}
        for word in ("unique", "hidden", "prepareUnique"):
            if not spec.get(word, True):
                del spec[word]
        if spec.get("unique"):
            spec.pop("prepareUnique", None)
        if "expireAfterSeconds" in spec and "expireAfterSeconds" not in old:
            database, target = self._catalog.target(collection)
            ttl = {"name": name, "expireAfterSeconds": NEVER_EXPIRES}
            try:
                define(self._target, database, {"collMod": target, "index": ttl})
            except OperationFailure as error:
                if error.code not in _BENIGN:
                    raise
                # The target does not have it yet, or not any more: the end builds it as the catalogue knows it.
                LOG.info("index %s of %s is not there to be changed: %s", name, collection, error)
        changed = replace(collection, indexes={**collection.indexes, spec["name"]: spec})
        self._catalog.add(changed)
        return changed

    def _create_indexes(self, change: Definition) -> None:
        known = self._catalog.get(key_of(change))
        if known is None:
            return
        specs = [dict(spec) for spec in change.description["indexes"]]
        if not self._build_indexes:
            self._catalog.add(replace(known, indexes={**known.indexes, **{spec["name"]: spec for spec in specs}}))
            return
        names = {spec["name"] for spec in specs}
        # Those that the source was still building are complete now.
        waiting = {name: why for name, why in known.deferred.items() if name not in names}
        present = {
            name: spec for name, spec in known.indexes.items() if name not in names or name not in known.deferred
        }
        indexes.create(self._target, self._catalog, replace(known, indexes=present, deferred=waiting), specs)

    def _drop_indexes(self, change: Definition) -> None:
        known = self._catalog.get(key_of(change))
        for spec in change.description["indexes"]:
            if known is not None:
                known = indexes.drop(self._target, self._catalog, known, spec["name"])


def key_of(change: Definition) -> str:
    """By which the catalogue knows the collection."""
    return change.uuid or view_key(change.database, change.name)


def destination(change: Definition) -> tuple[tuple[str, str], ...]:
    """Database and name that a rename leads to."""
    to = change.description.get("to")
    return ((to["db"], to["coll"]),) if change.kind == "rename" and to else ()
