"""Several changes of one collection as few commands.  Pure.

The commands are carried out in this order: inserts, updates (in the order of the changes), deletes.  That is right
although the changes came in another one, because what is later overridden is left out: a document that is inserted,
replaced or deleted as a whole owes nothing to earlier changes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from repman.link.changes import Change, Kind, is_operator_like, replacement
from repman.mongo.empties import has_empty


@dataclass(slots=True)
class Bulk:
    """What to send for a number of changes."""

    inserts: list[Change | None] = field(default_factory=list)
    updates: list[Change | None] = field(default_factory=list)
    """Updates, replacements, and inserts of what may be there."""
    deletes: list[Change | None] = field(default_factory=list)
    apart: list[Change] = field(default_factory=list)
    """Documents to be read from the source, after everything else."""


def bulk_of(changes: Iterable[Change]) -> Bulk:
    """The bulk that has the effect of the changes, one after the other."""
    made = Bulk()
    places: dict[bytes, list[tuple[list[Change | None], int]]] = {}
    apart: dict[bytes, Change] = {}
    for change in changes:
        key, kind = change.key, change.kind
        known = places.get(key)
        if key in apart or kind is Kind.REFETCH:
            # What is read from the source is newer than all of these.
            apart[key] = change
            _leave_out(known)
            continue
        if kind is Kind.UPDATE:
            to = made.updates
        else:
            if known is not None:
                _leave_out(known)
            if kind is Kind.DELETE:
                to = made.deletes
            elif kind is Kind.INSERT and known is None and not has_empty(change.statements[0]):
                to = made.inserts
            else:
                to = made.updates
            if to is not made.deletes and is_operator_like(change.statements[0]):
                apart[key] = change
                continue
        if known is None:
            places[key] = [(to, len(to))]
        else:
            known.append((to, len(to)))
        to.append(change)
    made.apart = list(apart.values())
    return made


def pieces_of(changes: Iterable[Change]) -> list[list[Change]]:
    """The changes in pieces of which each may become a bulk where keys that differ may be one to the server.

    A key is given another form only by a delete and what follows it; in a bulk all deletes are at the end.
    """
    pieces: list[list[Change]] = []
    deleting = False
    for change in changes:
        deletes = change.kind is Kind.DELETE
        if not pieces or (deleting and not deletes):
            pieces.append([])
        deleting = deletes
        pieces[-1].append(change)
    return pieces


def _leave_out(places: list[tuple[list[Change | None], int]] | None) -> None:
    for changes, index in places or ():
        changes[index] = None
    if places is not None:
        places.clear()


def statements_of(change: Change) -> tuple[bytes, ...]:
    """The statements of an ``update`` command that carry it out."""
    if change.kind is Kind.UPDATE:
        return change.statements
    return (replacement(change.key, change.statements[0]),)
