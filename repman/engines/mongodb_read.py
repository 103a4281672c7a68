"""From what a member of a replica set answers to what was seen of it.  Pure.

Sources: MongoDB manual, "hello", "replSetGetStatus", "replSetGetConfig", "serverStatus".
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from bson import Timestamp

from repman.model.observation import Link, Reach, Receiver, ServerSeen
from repman.model.position import Optime
from repman.model.replica_set import ElectionSeen, Heard, Member, MemberState, Oplog, RollbackSeen, Seat
from repman.model.version import ServerVersion

Document = Mapping[str, Any]

_STATES = {
    0: MemberState.STARTUP,
    1: MemberState.PRIMARY,
    2: MemberState.SECONDARY,
    3: MemberState.RECOVERING,
    5: MemberState.STARTUP2,
    6: MemberState.UNKNOWN,
    7: MemberState.ARBITER,
    8: MemberState.DOWN,
    9: MemberState.ROLLBACK,
    10: MemberState.REMOVED,
}
_SUMMARY = '"id":21612,'
_BLOCKED = 2
"""``userWriteBlockMode``: writes of users are blocked."""
_NEVER = 86400.0 * 365
"""Unix seconds; heartbeat times before it mean that there was none."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What is read with the inventory."""

    oplog: Oplog | None = None
    writes_blocked: bool = False
    connections: int | None = None
    queued: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What one member answered in one look."""

    at: float
    hello: Document
    status: Document | None = None
    """None: it is in no set."""
    removed: bool = False
    """It has a configuration in which it does not occur."""
    config: Document | None = None
    rollback: RollbackSeen | None = None
    version: ServerVersion | None = None
    role: str = ""
    """``configsvr`` or ``shardsvr``, as it was started."""
    figures: Figures = field(default_factory=Figures)

    @property
    def name(self) -> str:
        """``host:port`` by which the set knows it; empty outside of a set."""
        return str(self.hello.get("me", ""))

    @property
    def optime(self) -> Optime | None:
        """How far it is."""
        return optime(self.hello.get("lastWrite", {}).get("opTime"))

    @property
    def applied_at(self) -> float | None:
        """Unix seconds at which the primary wrote the last thing that this member has, with milliseconds."""
        return _unix(self._own.get("lastAppliedWallTime"))

    @property
    def writable(self) -> bool:
        """Whether it takes writes as the primary."""
        return bool(self.hello.get("isWritablePrimary"))

    @property
    def term(self) -> int:
        """The highest term it knows."""
        return int((self.status or {}).get("term", -1))

    @property
    def _own(self) -> Document:
        members = (self.status or {}).get("members", ())
        return next((member for member in members if member.get("self")), {})


def optime(document: object) -> Optime | None:
    """An optime of the form ``{ts, t}``."""
    if not isinstance(document, Mapping) or not isinstance(document.get("ts"), Timestamp):
        return None
    return Optime(int(document.get("t", -1)), document["ts"].time, document["ts"].inc)


def _unix(value: object) -> float | None:
    """Unix seconds of a time as the driver reads it: in UTC, and without saying so."""
    return value.replace(tzinfo=UTC).timestamp() if isinstance(value, datetime) else None


def version_of(text: str) -> ServerVersion:
    """The release in ``buildInfo``; raises ValueError when there is none in it."""
    return replace(ServerVersion.parse(text), flavour="MongoDB")


def seen(
    address: str, answer: Answer, primary: Answer | None, lag: float | None, names: Mapping[str, str]
) -> ServerSeen:
    """One member's part of a look.

    `primary`: the latest answer of the real primary; `names`: configured addresses by the set's names.
    """
    process = answer.hello.get("topologyVersion", {}).get("processId", "")
    return ServerSeen(
        address=address,
        reach=Reach.ANSWERED,
        at=answer.at,
        version=answer.version,
        server_id=int(answer._own.get("_id", 0)),
        boot=str(process),
        read_only=not answer.writable,
        executed=answer.optime,
        received=answer.optime,
        links=_links(answer, primary, lag, names),
        # The members' own elections say who may write; there is no vote of theirs that repman could hold.
        leased=True,
        member=member_of(answer, names),
    )


def member_of(answer: Answer, names: Mapping[str, str]) -> Member:
    """What it says as a member."""
    status, config = answer.status, answer.config or {}
    if status is None:
        return Member(MemberState.REMOVED if answer.removed else MemberState.STARTUP)
    own, settings = answer._own, config.get("settings", {})
    state = _STATES.get(int(status.get("myState", 6)), MemberState.UNKNOWN)
    return Member(
        state=state,
        set_name=str(status.get("set", "")),
        role=answer.role,
        term=answer.term,
        voters_needed=int(status.get("majorityVoteCount", 0)),
        config_version=int(own.get("configVersion", 0)),
        config_term=int(own.get("configTerm", -1)),
        seat=_seat(config, own.get("_id")),
        sync_source=_named(str(status.get("syncSourceHost", "")), names),
        heard=tuple(_heard(one, status, names) for one in status.get("members", ()) if not one.get("self")),
        committed=str(optime(answer.hello.get("lastWrite", {}).get("majorityOpTime")) or ""),
        heartbeat_interval=float(status.get("heartbeatIntervalMillis", 2000)) / 1000,
        election_timeout=float(settings.get("electionTimeoutMillis", 10000)) / 1000,
        election=_election(status) if state is MemberState.PRIMARY else None,
        rollback=answer.rollback,
        writes_blocked=answer.figures.writes_blocked,
        oplog=answer.figures.oplog,
        connections=answer.figures.connections,
        queued=answer.figures.queued,
    )


def _named(name: str, names: Mapping[str, str]) -> str:
    return names.get(name, name)


def _links(answer: Answer, primary: Answer | None, lag: float | None, names: Mapping[str, str]) -> tuple[Link, ...]:
    position = answer.optime
    status = answer.status or {}
    if answer.writable or position is None or status.get("myState") not in (2, 3, 5, 9):
        return ()
    source = _named(str(status.get("syncSourceHost", "")), names)
    leader = "" if primary is None else _named(primary.name, names)
    if not source and not leader:
        return ()
    applies = status.get("myState") == 2
    return (
        Link(
            source=source or leader,
            source_server_id=max(0, int(status.get("syncSourceId", 0))),
            receiver=Receiver.RUNNING if source else Receiver.CONNECTING,
            applier_running=applies,
            received=position,
            heartbeats=0,
            heartbeat_period=float(status.get("heartbeatIntervalMillis", 2000)) / 1000,
            lag=lag,
            uses_gtid=False,
        ),
    )


def _heard(one: Document, status: Document, names: Mapping[str, str]) -> Heard:
    came, now = _unix(one.get("lastHeartbeatRecv")), _unix(status.get("date"))
    silent = None if came is None or now is None or came < _NEVER else max(0.0, now - came)
    return Heard(
        address=_named(str(one.get("name", "")), names),
        state=_STATES.get(int(one.get("state", 6)), MemberState.UNKNOWN),
        healthy=one.get("health") == 1,
        silent_for=silent,
    )


def _seat(config: Document, number: object) -> Seat | None:
    for one in config.get("members", ()):
        if one.get("_id") == number:
            return Seat(
                id=int(one["_id"]),
                host=str(one["host"]),
                votes=int(one.get("votes", 1)),
                priority=float(one.get("priority", 1)),
                hidden=bool(one.get("hidden", False)),
                arbiter=bool(one.get("arbiterOnly", False)),
                delay=float(one.get("secondaryDelaySecs", one.get("slaveDelay", 0))),
                builds_indexes=bool(one.get("buildIndexes", True)),
                tags=tuple(sorted((str(key), str(value)) for key, value in one.get("tags", {}).items())),
            )
    return None


def _election(status: Document) -> ElectionSeen | None:
    told = status.get("electionCandidateMetrics")
    at = _unix(told.get("lastElectionDate")) if isinstance(told, Mapping) else None
    if told is None or at is None:
        return None
    caught_up = told.get("numCatchUpOps")
    return ElectionSeen(
        reason=str(told.get("lastElectionReason", "")),
        votes_needed=int(told.get("numVotesNeeded", 0)),
        at=at,
        writable_at=_unix(told.get("wMajorityWriteAvailabilityDate")),
        catch_up_operations=int(caught_up) if caught_up is not None else None,
    )


def figures_of(status: Document, oplog: Oplog | None) -> Figures:
    """What ``serverStatus`` tells."""
    connections = status.get("connections", {}).get("current")
    queued = status.get("globalLock", {}).get("currentQueue", {}).get("total")
    return Figures(
        oplog=oplog,
        writes_blocked=status.get("repl", {}).get("userWriteBlockMode") == _BLOCKED,
        connections=int(connections) if connections is not None else None,
        queued=int(queued) if queued is not None else None,
    )


def rollback_of(lines: Sequence[str]) -> RollbackSeen | None:
    """The latest rollback that a member's log tells of.

    Source: MongoDB, log message 21612 ("Rollback summary").
    """
    for line in reversed(lines):
        if _SUMMARY not in line:
            continue
        try:
            told = json.loads(line)
            attributes = told["attr"]
            return RollbackSeen(
                at=datetime.fromisoformat(told["t"]["$date"]).timestamp(),
                operations=int(attributes.get("totalEntriesRolledBackIncludingNoops", 0)),
                common_point=_logged(attributes.get("commonPoint")),
                last=_logged(attributes.get("lastOptimeRolledBack")),
                directory=str(attributes.get("rollbackDataFileDirectory", "")),
            )
        except (ValueError, KeyError, TypeError):
            continue
    return None


def _logged(value: object) -> str:
    """An optime of a log, in our notation."""
    if not isinstance(value, Mapping):
        return ""
    stamp = value["ts"]["$timestamp"]
    return str(Optime(int(value.get("t", -1)), int(stamp["t"]), int(stamp["i"])))
