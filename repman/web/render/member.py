"""What a member of a replica set says of itself, in the form of the API; our own addition to the contract."""

from __future__ import annotations

from typing import Any

from repman.model.observation import ServerSeen
from repman.model.position import Optime, Position
from repman.model.replica_set import Member


def render_member(seen: ServerSeen) -> dict[str, Any] | None:
    """None for servers that are in no replica set by their kind."""
    member = seen.member
    if member is None:
        return None
    return {
        "state": member.state.value,
        "setName": member.set_name,
        "role": member.role,
        "term": member.term,
        "optime": _optime(seen.executed),
        "majorityOptime": member.committed,
        "configVersion": member.config_version,
        "configTerm": member.config_term,
        "votersNeeded": member.voters_needed,
        "syncSource": member.sync_source,
        "heartbeatIntervalSeconds": member.heartbeat_interval,
        "electionTimeoutSeconds": member.election_timeout,
        "writesBlocked": member.writes_blocked,
        **_seat(member),
        "members": [
            {
                "address": heard.address,
                "state": heard.state.value,
                "healthy": heard.healthy,
                "silentSeconds": heard.silent_for,
            }
            for heard in member.heard
        ],
        "oplog": _oplog(member),
        "election": _election(member),
        "rollback": _rollback(member),
    }


def _optime(position: Position | None) -> str:
    return str(position) if isinstance(position, Optime) else ""


def _seat(member: Member) -> dict[str, Any]:
    seat = member.seat
    return {
        "memberId": seat.id if seat else None,
        "votes": seat.votes if seat else None,
        "priority": seat.priority if seat else None,
        "hidden": seat is not None and seat.hidden,
        "arbiter": seat is not None and seat.arbiter,
        "delaySeconds": seat.delay if seat else 0.0,
        "tags": dict(seat.tags) if seat else {},
    }


def _oplog(member: Member) -> dict[str, Any] | None:
    oplog = member.oplog
    if oplog is None:
        return None
    return {
        "first": oplog.first,
        "last": oplog.last,
        "windowSeconds": oplog.window,
        "sizeBytes": oplog.size_bytes,
        "limitBytes": oplog.limit_bytes,
    }


def _election(member: Member) -> dict[str, Any] | None:
    election = member.election
    if election is None:
        return None
    return {
        "reason": election.reason,
        "votesNeeded": election.votes_needed,
        "at": election.at,
        "writableAt": election.writable_at,
        "catchUpOperations": election.catch_up_operations,
    }


def _rollback(member: Member) -> dict[str, Any] | None:
    rollback = member.rollback
    if rollback is None:
        return None
    return {
        "at": rollback.at,
        "operations": rollback.operations,
        "commonPoint": rollback.common_point,
        "last": rollback.last,
        "directory": rollback.directory,
    }
