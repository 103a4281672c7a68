"""What the body of a start asks for, with every rule that its fields have to keep.  Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import msgspec

from repman.link.mongosync.answers import BAD_BODY, MISSING, UNKNOWN, UNSUPPORTED, ApiError
from repman.link.mongosync.filters import Entry, Filter
from repman.link.mongosync.names import CLUSTERS
from repman.link.namespaces import Everything, Remap, is_internal
from repman.link.options import BuildIndexes, LinkOptions, TargetData, WriteBlocking

_REFUSED_VALUES = {
    ("buildIndexes", "excludeHashed"): "choose afterDataCopy, beforeDataCopy or never",
    ("buildIndexes", "excludeHashedAfterCopy"): "choose afterDataCopy, beforeDataCopy or never",
    ("destinationDataHandling", "ignorePreExistingNamespaces"): "empty the destination, or leave those namespaces out",
}
_REFUSED_FIELDS = {
    "documentFilter": "collections are copied whole: leave it out",
    "preExistingDestinationData": "empty the destination of what is copied, and leave it out",
    "sharding": "it is for the way from a replica set to a sharded cluster, which is not offered: leave it out",
    "supportOlderVersions": "both clusters must run 6.0 or later: leave it out",
}
"""Fields that may only be absent, null or false, and what to do instead."""

_BLOCKING: dict[bool | str, WriteBlocking] = {
    True: WriteBlocking.BOTH,
    False: WriteBlocking.NONE,
    **{each.value: each for each in WriteBlocking},
}
_FORBIDDEN_IN_NAMES = frozenset('/\\. "$\0')
_LONGEST_NAME = 63
"""Bytes of the name of a database."""


class _Database(msgspec.Struct, forbid_unknown_fields=True):
    database: str


class _Renaming(msgspec.Struct, forbid_unknown_fields=True, rename={"here": "from", "there": "to"}):
    here: _Database
    there: _Database


class _NaturalOrder(msgspec.Struct, forbid_unknown_fields=True):
    database: str
    collections: tuple[str, ...]


class _Verification(msgspec.Struct, forbid_unknown_fields=True):
    enabled: bool = True


class _Body(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """The fields of a start that can be carried out."""

    source: str
    destination: str
    build_indexes: str = BuildIndexes.AFTER_DATA_COPY.value
    copy_in_natural_order: tuple[_NaturalOrder, ...] = ()
    destination_data_handling: str = TargetData.REFUSE.value
    detect_random_id: bool = True
    """Taken and not needed: segments are cut by samples of ``_id``, which random ones do not slow down."""
    enable_user_write_blocking: bool | str = False
    """Blocking the destination needs authentication there: without it the link's own writes are blocked as well."""
    exclude_namespaces: tuple[Entry, ...] = ()
    include_namespaces: tuple[Entry, ...] = ()
    namespace_remap: tuple[_Renaming, ...] = ()
    reversible: bool = False
    skip_disk_space_check: bool = False
    """Taken and not needed: the space of the destination's disk is not asked for."""
    verification: _Verification = msgspec.field(default_factory=_Verification)

    @property
    def filter(self) -> Filter:
        """The selection of namespaces."""
        return Filter(self.include_namespaces, self.exclude_namespaces)


@dataclass(frozen=True, slots=True)
class Start:
    """What to start: which of the two clusters is the source, and how to work."""

    source: str
    """One of `CLUSTERS`; the other one is the destination."""
    options: LinkOptions


def start_of(document: object, base: LinkOptions) -> Start:
    """What the body asks for; what it does not speak of is taken from `base`.

    A verification that `base` switches off stays off.  Raises ApiError, which names every field that is in the way.
    """
    fields = _fields(document)
    _refuse_by_name(fields)
    body = _converted(fields)
    if mistakes := _mistakes(body):
        raise ApiError(BAD_BODY, "; ".join(mistakes))
    selection = body.filter
    options = replace(
        base,
        selection=selection if selection != Filter() else Everything(),
        remap=Remap({each.here.database: each.there.database for each in body.namespace_remap}),
        target_data=TargetData(body.destination_data_handling),
        build_indexes=BuildIndexes(body.build_indexes),
        write_blocking=_BLOCKING[body.enable_user_write_blocking],
        reversible=body.reversible,
        verify=base.verify and body.verification.enabled,
        refuse_renames_out=True,
        natural_order=frozenset(
            (each.database, collection) for each in body.copy_in_natural_order for collection in each.collections
        ),
    )
    return Start(body.source, options)


def nothing_in(document: object) -> None:
    """Raises ApiError when the body of a call that takes no field is not an empty object."""
    if given := _fields(document):
        raise ApiError(UNKNOWN, f"this call takes no field, so not {_listed(given)}: send {{}}")


def _fields(document: object) -> dict[str, Any]:
    """The fields that were given; null is the same as nothing."""
    if not isinstance(document, dict):
        raise ApiError(BAD_BODY, "the body must be a JSON object: send at least {}")
    return {name: value for name, value in document.items() if value is not None}


def _refuse_by_name(fields: dict[str, Any]) -> None:
    """Raises ApiError for fields and values that this API does not have, or that repman does not offer."""
    known = {field.encode_name for field in msgspec.structs.fields(_Body)}
    if unknown := fields.keys() - known - _REFUSED_FIELDS.keys():
        raise ApiError(UNKNOWN, f"start does not know {_listed(unknown)}; it knows {_listed(known)}")
    refused = [
        f"{name} is not supported: {advice}"
        for name, advice in _REFUSED_FIELDS.items()
        if name in fields and fields[name] is not False
    ]
    refused += [
        f"{name} {value} is not supported: {advice}"
        for (name, value), advice in _REFUSED_VALUES.items()
        if fields.get(name) == value
    ]
    if refused:
        raise ApiError(UNSUPPORTED, "; ".join(refused))
    if missing := [name for name in ("source", "destination") if name not in fields]:
        raise ApiError(MISSING, f"{_listed(missing)} must be given: cluster0 or cluster1")


def _converted(fields: dict[str, Any]) -> _Body:
    given = {name: value for name, value in fields.items() if name not in _REFUSED_FIELDS}
    try:
        return msgspec.convert(given, _Body)
    except msgspec.ValidationError as error:
        text = str(error)
        if "unknown field" in text:
            raise ApiError(UNKNOWN, text) from None
        raise ApiError(MISSING if "missing required field" in text else BAD_BODY, text) from None


def _mistakes(body: _Body) -> list[str]:
    """All that is wrong with the values and their relations."""
    found = _direction_mistakes(body)
    found += _value_mistake("buildIndexes", body.build_indexes, [each.value for each in BuildIndexes])
    found += _value_mistake("destinationDataHandling", body.destination_data_handling, [TargetData.REFUSE.value])
    if body.enable_user_write_blocking not in _BLOCKING:
        choices = ", ".join(each.value for each in WriteBlocking)
        found.append(f"enableUserWriteBlocking must be true, false or one of {choices}")
    elif body.reversible and _BLOCKING[body.enable_user_write_blocking] is not WriteBlocking.BOTH:
        found.append("reversible needs enableUserWriteBlocking: sourceAndDestination")
    if body.reversible and body.build_indexes == BuildIndexes.NEVER.value:
        found.append("reversible needs the indexes on both clusters: buildIndexes must not be never")
    for each in body.copy_in_natural_order:
        if not each.database or not each.collections or "" in each.collections:
            found.append("copyInNaturalOrder: each entry names a database and at least one collection")
    found += body.filter.mistakes()
    found += _remap_mistakes(body.namespace_remap, body.filter)
    return found


def _direction_mistakes(body: _Body) -> list[str]:
    found = _value_mistake("source", body.source, CLUSTERS) + _value_mistake("destination", body.destination, CLUSTERS)
    if not found and body.source == body.destination:
        found.append(f"source and destination must differ: both are {body.source}")
    return found


def _value_mistake(name: str, value: str, choices: list[str] | tuple[str, ...]) -> list[str]:
    return [] if value in choices else [f"{name} must be {' or '.join(choices)}, not {value!r}"]


def _remap_mistakes(renamings: tuple[_Renaming, ...], selection: Filter) -> list[str]:
    """Renamings that cannot be carried out, or that put two databases of the source into one."""
    found = []
    sources = [each.here.database for each in renamings]
    targets = [each.there.database for each in renamings]
    for name in _repeated(sources):
        found.append(f"namespaceRemap: {name} is renamed twice")
    for name in _repeated(targets):
        found.append(f"namespaceRemap: two databases would be called {name}")
    for name in dict.fromkeys(sources):
        if is_internal(name) or not selection.reaches(name):
            found.append(f"namespaceRemap: {name} is not copied, so it cannot be renamed")
    for name in dict.fromkeys(targets):
        if is_internal(name) or not _is_database_name(name):
            found.append(f"namespaceRemap: a database for data cannot be called {name!r}")
        elif name not in sources and any(entry.database == name for entry in selection.include):
            found.append(f"namespaceRemap: {name} is copied under its own name, so no other can be called so")
    return found


def _repeated(names: list[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})


def _is_database_name(name: str) -> bool:
    return 0 < len(name.encode()) <= _LONGEST_NAME and not _FORBIDDEN_IN_NAMES.intersection(name)


def _listed(names: Any) -> str:
    return ", ".join(sorted(names))
