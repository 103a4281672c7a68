"""Empty timestamps, in whose place a server puts its own time where a document is inserted or replaced.

It does so for fields of the document itself, not for ``_id`` and not for what is nested; updates of single fields and
pipelines bring an empty one in as it is (MongoDB manual, BSON types, timestamps).  Pure.
"""

from __future__ import annotations

from repman.mongo.raw import array_of, document, elements

_TIMESTAMP = 0x11
_EMPTY = bytes(8)
_ENDED_NAME = b"\x00" + _EMPTY


def has_empty(full: bytes) -> bool:
    """Whether the document has a field that a server would fill in."""
    if b"\x11" not in full or _ENDED_NAME not in full:
        return False  # nearly always: nothing has to be taken apart
    return any(
        each[0] == _TIMESTAMP and each.endswith(_ENDED_NAME) for name, each in elements(full).items() if name != b"_id"
    )


def literally(full: bytes) -> bytes:
    """The pipeline of an update that makes a document exactly this one."""
    return array_of([document(b"\x03$replaceWith\x00" + document(b"\x03$literal\x00" + full))])
