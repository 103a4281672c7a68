"""Indexes on the target: built in a form that lets replication go on, and given their own at the end."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from pymongo.errors import OperationFailure

from repman.link.catalog import SIMPLE, Catalog, Collection, Spec, final_index, index_key, replicated_index
from repman.link.connection import Cluster, Document
from repman.link.status import UnsuccessfulIndex
from repman.link.writing import define
from repman.mongo.patience import is_transient
from repman.mongo.raw import LENIENT

LOG = logging.getLogger(__name__)

INCOMPLETE = "incomplete"
INCONSISTENT = "inconsistent"
FAILED = "failed"
_SAME_KEYS = "has the keys of another index until it becomes unique"
_CONFLICTS = frozenset({85, 86})
"""IndexOptionsConflict, IndexKeySpecsConflict."""
_NO_COLLECTION = frozenset({26, 166})
"""NamespaceNotFound, CommandNotSupportedOnView."""
_NO_SUCH_INDEX = frozenset({26, 27})
_MOST_AT_ONCE = 50
_CONVERTIBLE = frozenset({"unique", "prepareUnique", "hidden", "expireAfterSeconds", "v", "ns", "background"})
_FIXED = frozenset({"collation", "partialFilterExpression", "sparse", "wildcardProjection"})
"""What an index has or has not, beside what is asked for, and keeps for its life."""


def create(target: Cluster, catalog: Catalog, collection: Collection, specs: Iterable[Spec]) -> Collection:
    """Build the indexes, as they are while replication goes on; returns the collection with them.

    An index that cannot be built is remembered for the end, and does not stop the link.  Raises PyMongoError when the
    target cannot be asked.
    """
    known, deferred = dict(collection.indexes), dict(collection.deferred)
    wanted = []
    for spec in specs:
        name = spec["name"]
        if name in known and name not in deferred and known[name] == spec:
            continue
        known[name] = spec
        if deferred.get(name) in (INCOMPLETE, INCONSISTENT):
            continue
        deferred.pop(name, None)
        wanted.append(spec)
    database, collection_name = catalog.target(collection)
    try:
        for first in range(0, len(wanted), _MOST_AT_ONCE):
            some = [replicated_index(spec) for spec in wanted[first : first + _MOST_AT_ONCE]]
            _build(target, database, collection_name, some)
    except OperationFailure as error:
        if is_transient(error):
            raise
        deferred |= _one_by_one(target, (database, collection_name), wanted)
    changed = replace(collection, indexes=known, deferred=deferred)
    catalog.add(changed)
    return changed


def _one_by_one(target: Cluster, namespace: tuple[str, str], specs: list[Spec]) -> dict[str, str]:
    """Build each by itself; returns why some could not be built, by name."""
    failed = {}
    database, name = namespace
    for spec in specs:
        try:
            _build(target, database, name, [replicated_index(spec)])
        except OperationFailure as error:
            if is_transient(error):
                raise
            if error.code in _CONFLICTS and _replaced(target, namespace, spec):
                continue
            failed[spec["name"]] = _SAME_KEYS if error.code in _CONFLICTS else str(error)
            LOG.warning("index %s of %s.%s is left for the end: %s", spec["name"], database, name, error)
    return failed


def _replaced(target: Cluster, namespace: tuple[str, str], spec: Spec) -> bool:
    """Whether an older index of the same name was in the way, and is not any more."""
    database, name = namespace
    present = {each["name"]: each for each in listed(target, database, name)}
    old = present.get(spec["name"])
    if old is None:
        return False
    define(target, database, {"dropIndexes": name, "index": spec["name"]})
    try:
        _build(target, database, name, [replicated_index(spec)])
    except OperationFailure as error:
        if is_transient(error):
            raise
        return False
    return True


def listed(cluster: Cluster, database: str, name: object) -> list[Document]:
    """All indexes of a collection, by its name or UUID; none when there is no such collection.  Raises PyMongoError."""
    try:
        # Not PyMongo's own, which knows no dates beyond the year 9999.  There are 64 at most: one answer has them all.
        reply = cluster.client[database].command({"listIndexes": name}, codec_options=LENIENT)
    except OperationFailure as error:
        if error.code in _NO_COLLECTION:
            return []
        raise
    return list(reply["cursor"]["firstBatch"])


def _build(target: Cluster, database: str, name: str, specs: list[Document]) -> None:
    if specs:
        # By default every voting member would have to be there, and one that stays away would hold everything up.
        define(target, database, {"createIndexes": name, "indexes": specs, "commitQuorum": "majority"})


def drop(target: Cluster, catalog: Catalog, collection: Collection, name: str) -> Collection:
    """Take an index away; returns the collection without it.  Raises PyMongoError."""
    database, collection_name = catalog.target(collection)
    try:
        define(target, database, {"dropIndexes": collection_name, "index": name})
    except OperationFailure as error:
        if error.code not in _NO_SUCH_INDEX:
            raise
    changed = replace(
        collection,
        indexes={each: spec for each, spec in collection.indexes.items() if each != name},
        deferred={each: why for each, why in collection.deferred.items() if each != name},
    )
    catalog.add(changed)
    return changed


def finalize(target: Cluster, catalog: Catalog, collection: Collection) -> list[UnsuccessfulIndex]:
    """Give every index the form that the source's has; returns those that could not be given it.

    Raises PyMongoError when the target cannot be asked.
    """
    unsuccessful = []
    deferred = dict(collection.deferred)
    # Those that are there first: where two have the same keys, one becoming unique makes room for the other.
    for name in sorted(collection.indexes, key=lambda each: each in deferred):
        spec = collection.indexes[name]
        kind = deferred.get(name, "")
        if kind == INCONSISTENT:
            reason = f"index {name} is not on all shards of the source"
        else:
            reason = _finalized(target, catalog.target(collection), spec)
        if not reason:
            deferred.pop(name, None)
            continue
        known = kind if kind in (INCOMPLETE, INCONSISTENT) else FAILED
        if known == FAILED:
            deferred.setdefault(name, reason)
        unsuccessful.append(UnsuccessfulIndex(str(collection), name, known, dict(spec["key"]), reason))
    if deferred != dict(collection.deferred):
        catalog.add(replace(collection, deferred=deferred))
    return unsuccessful


def _finalized(target: Cluster, namespace: tuple[str, str], spec: Spec) -> str:
    """Why the index could not be made what it is on the source; nothing when it is that now."""
    database, name = namespace
    try:
        present = {each["name"]: each for each in listed(target, database, name)}
        found = present.get(spec["name"])
        if found is not None and is_convertible(found, spec):
            for change in changes(found, spec):
                define(target, database, {"collMod": name, "index": {"name": spec["name"], **change}})
            return ""
        if found is not None:
            define(target, database, {"dropIndexes": name, "index": spec["name"]})
        _build(target, database, name, [final_index(spec)])
    except OperationFailure as error:
        if is_transient(error):
            raise
        return f"index {spec['name']}: {error.details.get('errmsg', error) if error.details else error}"
    return ""


def is_convertible(found: Mapping[str, Any], wanted: Spec) -> bool:
    """Whether `changes` make of one index the other: otherwise it is built anew."""
    if index_key(found) != index_key(wanted):
        return False
    if (found.get("unique") and not wanted.get("unique")) or ("expireAfterSeconds" in found.keys() - wanted.keys()):
        return False
    one, other = ({"collation": SIMPLE, **final_index(each)} for each in (found, wanted))
    return all(one.get(name) == other.get(name) for name in _FIXED | (wanted.keys() - _CONVERTIBLE))


def changes(found: Mapping[str, Any], wanted: Spec) -> list[Document]:
    """What ``collMod`` has to do, one after the other, to make of one index the other."""
    steps: list[Document] = []
    if wanted.get("unique") and not found.get("unique"):
        if not found.get("prepareUnique"):
            steps.append({"prepareUnique": True})
        steps.append({"unique": True})
    elif bool(wanted.get("prepareUnique")) != bool(found.get("prepareUnique")):
        steps.append({"prepareUnique": bool(wanted.get("prepareUnique"))})
    expiry = wanted.get("expireAfterSeconds")
    if expiry is not None and expiry != found.get("expireAfterSeconds"):
        steps.append({"expireAfterSeconds": expiry})
    if bool(wanted.get("hidden")) != bool(found.get("hidden")):
        steps.append({"hidden": bool(wanted.get("hidden"))})
    return steps
