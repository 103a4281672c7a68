"""Selections as they were kept, whatever dialect they were given in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from repman.link.mongosync import filters as mongosync
from repman.link.namespaces import Everything, Selection
from repman.link.percona import filters as percona


def selection_of(document: Mapping[str, Any]) -> Selection:
    """The selection that `Selection.document` told of; raises ValueError for what is none."""
    kind = document.get("kind")
    if kind == percona.KIND:
        return percona.from_document(document)
    if kind == mongosync.KIND:
        return mongosync.from_document(document)
    if kind == Everything().document()["kind"]:
        return Everything()
    raise ValueError(f"a filter of the unknown kind {kind!r}")
