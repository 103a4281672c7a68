"""Commands that write documents to the target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pymongo.errors import OperationFailure

from repman.link.checkpoint import term_of
from repman.link.connection import Cluster, Document
from repman.link.raw import Documents

DUPLICATE = 11000
_ONE = {"w": 1}


@dataclass(slots=True)
class Written:
    """What a command did."""

    term: int
    """Of the target, in which it was written; -1 when that is not known."""
    errors: list[Mapping[str, Any]] = field(default_factory=list)
    """Of single statements: ``index``, ``code``, ``errmsg``."""


def insert(target: Cluster, database: str, name: str, documents: bytes, ordered: bool = False) -> Written:
    """Insert whole documents, at most 100,000.  Raises PyMongoError when the command as a whole failed."""
    command = {"insert": name, "documents": [Documents(documents)], "ordered": ordered}
    return _write(target, database, command)


def update(target: Cluster, database: str, name: str, statements: bytes, ordered: bool = True) -> Written:
    """Carry out update statements.  Raises PyMongoError when the command as a whole failed."""
    return _write(target, database, {"update": name, "updates": [Documents(statements)], "ordered": ordered})


def delete(target: Cluster, database: str, name: str, statements: bytes) -> Written:
    """Carry out delete statements.  Raises PyMongoError when the command as a whole failed."""
    return _write(target, database, {"delete": name, "deletes": [Documents(statements)], "ordered": False})


def define(target: Cluster, database: str, command: Document) -> None:
    """Change a collection or an index, for good: by majority.  Raises PyMongoError."""
    target.client[database].command({**command, "writeConcern": {"w": "majority"}})


def _write(target: Cluster, database: str, command: Document) -> Written:
    if "delete" not in command:
        command["bypassDocumentValidation"] = True
    reply = target.client[database].command({**command, "writeConcern": _ONE})
    if trouble := reply.get("writeConcernError"):
        raise OperationFailure(trouble.get("errmsg", ""), trouble.get("code"), trouble)
    return Written(term_of(reply), reply.get("writeErrors", []))


class Terms:
    """In which terms of the target something was written since the last checkpoint.

    Documents are written without waiting for a majority, for speed.  A checkpoint is, and what was written before it
    in the same term is a part of what the majority has.  What was written in another term may be lost with it.
    """

    def __init__(self) -> None:
        self._written: set[int] = set()

    def wrote(self, term: int) -> None:
        """Something was written in that term."""
        self._written.add(term)

    def kept_by(self, term: int) -> bool:
        """Whether a checkpoint of that term keeps all that was written; begins anew in any case."""
        written, self._written = self._written, set()
        return written <= {term}
