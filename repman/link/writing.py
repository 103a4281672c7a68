"""Commands that write documents to the target."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pymongo.errors import OperationFailure

from repman.link.checkpoint import term_of
from repman.link.connection import Cluster, Document
from repman.mongo.raw import LENIENT, Documents

DUPLICATE = 11000
_ONE, _MAJORITY = {"w": 1}, {"w": "majority"}


@dataclass(slots=True)
class Written:
    """What a command did."""

    term: int
    """Of the target, in which it was written; -1 when that is not known."""
    errors: list[Mapping[str, Any]] = field(default_factory=list)
    """Of single statements: ``index``, ``code``, ``errmsg``."""


def insert(target: Cluster, database: str, name: str, documents: bytes, ordered: bool = False) -> Written:
    """Insert whole documents, at most 100,000.  Raises PyMongoError when the command as a whole failed.

    Where their order counts (`ordered`), a majority has them before it returns: what an election took back would be
    inserted again behind what came after it.
    """
    command = {"insert": name, "documents": [Documents(documents)], "ordered": ordered}
    return _write(target, database, command, by_majority=ordered)


def update(target: Cluster, database: str, name: str, statements: bytes, ordered: bool = True) -> Written:
    """Carry out update statements.  Raises PyMongoError when the command as a whole failed."""
    return _write(target, database, {"update": name, "updates": [Documents(statements)], "ordered": ordered})


def delete(target: Cluster, database: str, name: str, statements: bytes) -> Written:
    """Carry out delete statements.  Raises PyMongoError when the command as a whole failed."""
    return _write(target, database, {"delete": name, "deletes": [Documents(statements)], "ordered": False})


def define(target: Cluster, database: str, command: Document) -> None:
    """Change a collection or an index, for good: by majority.  Raises PyMongoError."""
    with sending(target):
        reply = target.client[database].command({**command, "writeConcern": _MAJORITY}, codec_options=LENIENT)
    _require_concern(reply)


@contextmanager
def sending(target: Cluster) -> Iterator[None]:
    """Around every write of the link to its target, which is sent only while nobody else's can come in between.

    Raises LinkTaken when another process works on the link, and PyMongoError, which passes.
    """
    target.permit()
    target.orphans.require_over(target.client)
    with target.orphans.watched():
        yield


def _write(target: Cluster, database: str, command: Document, by_majority: bool = False) -> Written:
    if "delete" not in command:
        command["bypassDocumentValidation"] = True
    # Several shards have terms of their own, of which the reply tells nothing.
    concern = _MAJORITY if by_majority or target.sharded else _ONE
    with sending(target):
        reply = target.client[database].command({**command, "writeConcern": concern}, codec_options=LENIENT)
    _require_concern(reply)
    return Written(term_of(reply), reply.get("writeErrors", []))


def _require_concern(reply: Mapping[str, Any]) -> None:
    """A command that was carried out, but may be undone by an election, answers ok, too.  Raises OperationFailure."""
    if trouble := reply.get("writeConcernError"):
        raise OperationFailure(trouble.get("errmsg", ""), trouble.get("code"), dict(trouble))


class Terms:
    """In which terms of the target something was written since the last barrier.  Usable from several threads.

    Documents are written without waiting for a majority, for speed.  A barrier is, and what was written before it
    in the same term is a part of what the majority has.  What was written in another term may be lost with it.
    """

    def __init__(self) -> None:
        self._written: set[int] = set()
        self._lock = threading.Lock()

    def wrote(self, term: int) -> None:
        """Something was written in that term."""
        with self._lock:
            self._written.add(term)

    def kept_by(self, barrier: Callable[[], int]) -> bool:
        """Whether a majority keeps all that was written until now; `barrier` waits for it and returns its term.

        What is written while it waits may come after it, and is a matter of the next one.  Raises what `barrier`
        raises; what was written is then a matter of the next one, too.
        """
        with self._lock:
            written, self._written = self._written, set()
        if not written:
            return True
        try:
            term = barrier()
        except BaseException:
            with self._lock:
                self._written |= written
            raise
        return written == {term}
