"""Whether a collection or view is defined alike on both sides: its options, its indexes, how many documents it has."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pymongo.database import Database

from repman.link.copies import Copy
from repman.link.verify import Reading

Definition = Mapping[str, Any]
Conversion = Callable[[Definition], Definition | None]
"""What the target should have for something of the source; None when it should have nothing for it."""

_OF_ONE_SIDE = frozenset({"v", "ns", "background", "buildUUID", "indexBuildInfo"})
"""Fields of an index that tell of the server that built it."""


@dataclass(frozen=True, slots=True)
class DefinitionDifference:
    """One thing that is not alike."""

    what: str
    """``type``, ``option NAME``, ``index NAME`` or ``documents``."""
    expected: Any
    """By the source, converted; None: nothing."""
    found: Any
    """On the target; None: nothing."""


def unchanged(definition: Definition) -> Definition:
    """The conversion of a link that has ended: both sides are the same."""
    return definition


def collection_metadata_differences(
    source: Database[dict[str, Any]],
    target: Database[dict[str, Any]],
    pair: tuple[str, str],
    index: Conversion = unchanged,
    options: Conversion = unchanged,
    at: Reading | None = None,
) -> tuple[DefinitionDifference, ...]:
    """Compare definitions as they are now, and with `at` the numbers of documents at that moment (one by one: a second
    for a million).

    Of a view the definition is all there is.  Raises PyMongoError.
    """
    here, there = Copy(source, pair[0], at.source if at else None), Copy(target, pair[1], at.target if at else None)
    expected, found = here.information(), there.information()
    if expected.get("type") != found.get("type"):
        return (DefinitionDifference("type", expected.get("type"), found.get("type")),)
    wanted = options(expected.get("options", {})) or {}
    differing = option_differences(wanted, found.get("options", {}))
    if expected.get("type") != "collection":
        return tuple(differing)
    differing += index_differences(
        (index(dict(spec)) for spec in source[pair[0]].list_indexes()),
        (dict(spec) for spec in target[pair[1]].list_indexes()),
    )
    if at is not None and (counts := (here.count(), there.count())) and counts[0] != counts[1]:
        differing.append(DefinitionDifference("documents", *counts))
    return tuple(differing)


def option_differences(expected: Definition, found: Definition) -> list[DefinitionDifference]:
    """Of two sets of options; those of a view are what it shows.  Pure."""
    return [
        DefinitionDifference(f"option {name}", expected.get(name), found.get(name))
        for name in sorted({*expected, *found})
        if _comparable(expected.get(name)) != _comparable(found.get(name))
    ]


def index_differences(expected: Iterable[Definition | None], found: Iterable[Definition]) -> list[DefinitionDifference]:
    """Of two sets of indexes, as ``listIndexes`` tells of them; one that is None is not expected at all.  Pure."""
    wanted = {spec["name"]: _essential(spec) for spec in expected if spec is not None}
    present = {spec["name"]: _essential(spec) for spec in found}
    return [
        DefinitionDifference(f"index {name}", wanted.get(name), present.get(name))
        for name in sorted({*wanted, *present})
        if _fields(wanted.get(name)) != _fields(present.get(name))
    ]


def _essential(spec: Definition) -> dict[str, Any]:
    essential = {name: value for name, value in spec.items() if name not in _OF_ONE_SIDE}
    if essential.get("collation") == {"locale": "simple"}:
        # To create an index without collation this has to be said; it is not told afterwards.
        del essential["collation"]
    return essential


def _fields(spec: Definition | None) -> object:
    """The order of an index's fields says nothing, but that of its keys does."""
    return spec and {name: _comparable(value) for name, value in spec.items()}


def _comparable(value: Any) -> object:
    """Equal where servers make no difference: numbers of any type, but neither truth values nor another order."""
    if isinstance(value, Mapping):
        return "document", tuple((name, _comparable(each)) for name, each in value.items())
    if isinstance(value, list):
        return "array", tuple(_comparable(each) for each in value)
    return ("truth", value) if isinstance(value, bool) else value
