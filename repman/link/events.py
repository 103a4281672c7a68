"""Events of a change stream taken apart: quickly for the usual ones, by the general way for all others.  Pure.

At tens of thousands of events a second this is most of what a link itself has to do.
"""

from __future__ import annotations

import re
from struct import Struct

from repman.mongo.raw import fields

_size = Struct("<i").unpack_from
_ID = b"\x03_id\x00"
_HEAD = re.compile(
    rb"\x02operationType\x00(....(?:insert|update|replace|delete)\x00)"
    rb"\x11clusterTime\x00.{8}"
    rb"\x05collectionUUID\x00(\x10\x00\x00\x00\x04.{16})"
    rb"\x09wallTime\x00.{8}",
    re.DOTALL,
).match
"""What stands between the token and the documents of an event that changes one, outside of transactions."""
_FULL, _NAMESPACE, _KEY = b"\x03fullDocument\x00", b"\x03ns\x00", b"\x03documentKey\x00"
_UPDATES = tuple((b"\x03%b\x00" % name, name) for name in (b"rawUpdateDescription", b"updateDescription"))


def taken_apart(event: bytes) -> dict[bytes, bytes]:
    """The fields of the event that say what it changes, as `raw.fields` gives them; others may be missing."""
    return _quickly(event) or fields(event)


def _quickly(event: bytes) -> dict[bytes, bytes] | None:
    """The same for an event that is laid out as the server does it; None for any other."""
    if event[4:9] != _ID:
        return None
    head = _HEAD(event, 9 + _size(event, 9)[0])
    if head is None:
        return None
    kind, uuid = head.groups()
    found = {b"operationType": kind, b"collectionUUID": uuid}
    at = head.end()
    if event.startswith(_FULL, at):
        start = at + len(_FULL)
        at = start + _size(event, start)[0]
        found[b"fullDocument"] = event[start:at]
    if not event.startswith(_NAMESPACE, at):
        return None
    at += len(_NAMESPACE)
    at += _size(event, at)[0]
    if not event.startswith(_KEY, at):
        return None
    start = at + len(_KEY)
    at = start + _size(event, start)[0]
    found[b"documentKey"] = event[start:at]
    for prefix, name in _UPDATES:
        if event.startswith(prefix, at):
            start = at + len(prefix)
            at = start + _size(event, start)[0]
            found[name] = event[start:at]
    # Anything more than that is not known here.
    return found if at == len(event) - 1 else None
