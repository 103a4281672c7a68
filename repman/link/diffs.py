"""From the server's own description of an update (``rawUpdateDescription``) to statements that do the same.  Pure.

It is a tree.  Of a document: ``d`` has fields that are gone, ``u`` fields with new values in their old places, ``i``
fields that stand at the end from now on, wherever they were, and ``s`` before a name the same for what is in that
field.  Of an array: ``a`` is true, ``l`` is a new length, ``u`` and ``s`` come before an index.

The usual description of events leaves out whether a field moved to the end, and is the same for a field ``a.b`` and for
``b`` in ``a``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from repman.link.operators import Placed, ascending_runs, cutting, setting, unsetting
from repman.mongo.raw import document, size_of

_OF_AN_ARRAY = b"\x08a\x00"
_U = b"\x03u\x00"
_AFTER_U = 4 + len(_U)
_SET = b"\x03$set\x00"


class Unspeakable(Exception):
    """No statement can tell this change: the document has to be read from the source."""


@dataclass(slots=True)
class _Found:
    """What an update does, by paths."""

    removed: list[bytes] = field(default_factory=list)
    updated: list[Placed] = field(default_factory=list)
    inserted: list[Placed] = field(default_factory=list)
    cut: list[tuple[str, int]] = field(default_factory=list)
    """Arrays that are shorter now, and how long they are."""


def expressions_of(diff: bytes) -> list[bytes]:
    """Update expressions that do the same one after the other; done again, they lead to the same document.

    Raises Unspeakable.
    """
    values = diff[_AFTER_U:-1]
    if diff.startswith(_U, 4) and int.from_bytes(values[:4], "little") == len(values):
        # The usual case: new values of fields that stay where they are, and nothing else.
        for name, _, _ in _walk(values):
            _component(name)
        return [document(_SET + values)]
    found = _Found()
    _document(b"", diff, found)
    # A field that is put at the end may stand elsewhere: always where the document is newer than this change.
    gone = [*found.removed, *(path for path, _ in found.inserted)]
    first = [*unsetting(gone), *setting(found.updated)]
    return [
        *cutting(found.cut),
        *([document(*first)] if first else []),
        *(document(*setting(run)) for run in ascending_runs(found.inserted)),
    ]


def _document(above: bytes, diff: bytes, found: _Found) -> None:
    for key, _, value in _walk(diff):
        if key[:1] == b"s":
            _inner(above + _component(key[1:]), value, found)
        elif key == b"d":
            found.removed += [above + _component(name) for name, _, _ in _walk(value)]
        elif key == b"u":
            found.updated += _elements(above, value)
        elif key == b"i":
            found.inserted += _elements(above, value)
        else:
            raise Unspeakable


def _inner(path: bytes, diff: bytes, found: _Found) -> None:
    above = path + b"."
    if not diff.startswith(_OF_AN_ARRAY, 4):
        _document(above, diff, found)
        return
    for key, kind, value in _walk(diff):
        name = above + key[1:]
        if key == b"l":
            found.cut.append((path.decode(), int.from_bytes(value, "little")))
        elif key[:1] == b"s":
            _inner(name, value, found)
        elif key[:1] == b"u":
            found.updated.append((name, b"%c%b\x00%b" % (kind, name, value)))
        elif key != b"a":
            raise Unspeakable


def _elements(above: bytes, fields: bytes) -> Iterator[Placed]:
    for name, kind, value in _walk(fields):
        path = above + _component(name)
        yield path, b"%c%b\x00%b" % (kind, path, value)


def _component(name: bytes) -> bytes:
    if not name or name[:1] == b"$" or b"." in name:
        raise Unspeakable
    return name


def _walk(raw: bytes) -> Iterator[tuple[bytes, int, bytes]]:
    """Key, type and value of every element."""
    at = 4
    while kind := raw[at]:
        end = raw.index(0, at + 1)
        after = end + 1 + size_of(raw, kind, end + 1)
        yield raw[at + 1 : end], kind, raw[end + 1 : after]
        at = after
