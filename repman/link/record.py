"""What a link remembers of its run; saved as one document, from which a process that starts later goes on."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from bson.timestamp import Timestamp

from repman.link.frontier import Place
from repman.link.namespaces import Remap
from repman.link.options import BuildIndexes, LinkOptions, TargetData, WriteBlocking
from repman.link.selections import selection_of
from repman.link.status import Finalization, Phase, State, UnsuccessfulIndex

Document = dict[str, Any]
FORMAT = 1


@dataclass
class Record:
    """One run of a link."""

    id: str = ""
    state: State = State.IDLE
    phase: Phase = Phase.NONE
    options: LinkOptions = field(default_factory=LinkOptions)
    error: str = ""
    history_lost: bool = False
    """It failed because the oplog has rolled over: to go on, source and target are compared."""
    differs: bool = False
    """It failed because source and target differ."""
    started_at: Timestamp | None = None
    """The source's time before anything was copied: the stream begins here."""
    listed_at: Timestamp | None = None
    """What happened to collections until here is in the catalogue."""
    copied_at: Timestamp | None = None
    """The source's time when everything was copied: from here on the target can become consistent."""
    place: Place | None = None
    events_read: int = 0
    events_applied: int = 0
    total_bytes: int = 0
    copied_bytes: int = 0
    finalization: Finalization | None = None
    can_write_at: Timestamp | None = None
    """The target's time at which clients were let in: where the way back begins."""
    reversed: bool = False

    @classmethod
    def new(cls, options: LinkOptions) -> Record:
        """A run that begins now."""
        return cls(secrets.token_hex(12), State.RUNNING, Phase.PREPARING, options)

    @property
    def consistent(self) -> bool:
        """Whether the target was a copy of the source at some time after the clone."""
        return self.copied_at is not None and self.place is not None and self.place.time > self.copied_at

    def document(self) -> Document:
        """What `of_document` makes the same record of."""
        return {
            "format": FORMAT,
            "id": self.id,
            "state": self.state.value,
            "phase": self.phase.value,
            "options": _options_document(self.options),
            "error": self.error,
            "historyLost": self.history_lost,
            "differs": self.differs,
            "clone": {
                "totalSize": self.total_bytes,
                "copiedSize": self.copied_bytes,
                "startTS": self.started_at,
                "listedTS": self.listed_at,
                "finishTS": self.copied_at,
                "finishTime": _date(self.copied_at),
            },
            "repl": {
                "eventsRead": self.events_read,
                "events": self.events_applied,
                "lastOpTS": self.place.time if self.place else None,
                "token": self.place.token if self.place else b"",
            },
            "finalization": _finalization_document(self.finalization),
            "canWriteAt": self.can_write_at,
            "reversed": self.reversed,
        }


def of_document(document: Document) -> Record:
    """The record that `Record.document` told of; raises KeyError and ValueError for what is none."""
    if document.get("format") != FORMAT:
        raise ValueError("what the target keeps of this link was written by another program or release; reset the link")
    clone, replication = document["clone"], document["repl"]
    moment = replication["lastOpTS"]
    return Record(
        document["id"],
        State(document["state"]),
        Phase(document["phase"]),
        _options_of(document["options"]),
        document["error"],
        document["historyLost"],
        document["differs"],
        clone["startTS"],
        clone["listedTS"],
        clone["finishTS"],
        Place(moment, bytes(replication["token"])) if moment is not None else None,
        replication["eventsRead"],
        replication["events"],
        clone["totalSize"],
        clone["copiedSize"],
        _finalization_of(document["finalization"]),
        document["canWriteAt"],
        document["reversed"],
    )


def _date(moment: Timestamp | None) -> datetime | None:
    return datetime.fromtimestamp(moment.time, UTC) if moment is not None else None


def _options_document(options: LinkOptions) -> Document:
    made: Document = {}
    for each in fields(options):
        value = getattr(options, each.name)
        if isinstance(value, Enum):
            value = value.value
        made[each.name] = value
    made["selection"] = options.selection.document()
    made["remap"] = dict(options.remap.names)
    made["natural_order"] = [list(pair) for pair in sorted(options.natural_order)]
    return made


def _options_of(document: Document) -> LinkOptions:
    known = {each.name for each in fields(LinkOptions)}
    made = {name: value for name, value in document.items() if name in known}
    made["selection"] = selection_of(document["selection"])
    made["remap"] = Remap(document["remap"])
    made["natural_order"] = frozenset((database, name) for database, name in document["natural_order"])
    made["target_data"] = TargetData(document["target_data"])
    made["build_indexes"] = BuildIndexes(document["build_indexes"])
    made["write_blocking"] = WriteBlocking(document["write_blocking"])
    return LinkOptions(**made)


def _finalization_document(finalization: Finalization | None) -> Document | None:
    if finalization is None:
        return None
    return {
        "completed": finalization.completed,
        "startedAt": finalization.started_at,
        "completedAt": finalization.completed_at,
        "unsuccessful": [
            {"namespace": each.namespace, "name": each.name, "kind": each.kind, "keys": list(each.keys.items()),
             "reason": each.reason}
            for each in finalization.unsuccessful
        ],
    }  # fmt: skip


def _finalization_of(document: Document | None) -> Finalization | None:
    if document is None:
        return None
    unsuccessful = tuple(
        UnsuccessfulIndex(each["namespace"], each["name"], each["kind"], dict(each["keys"]), each["reason"])
        for each in document["unsuccessful"]
    )
    return Finalization(document["completed"], _utc(document["startedAt"]), _utc(document["completedAt"]), unsuccessful)


def _utc(moment: datetime | None) -> datetime | None:
    """The driver gives times without their zone, which is UTC."""
    return moment.replace(tzinfo=UTC) if moment is not None else None
