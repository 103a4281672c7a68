"""What members answer, and what is made of it; how late they are; how errors are named.  No server."""

from __future__ import annotations

import socket
from datetime import datetime
from typing import Any

import pytest
from bson import ObjectId, Timestamp
from pymongo.errors import (
    AutoReconnect,
    ConfigurationError,
    NetworkTimeout,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
)

from repman.engines.mongodb_lag import Course
from repman.engines.mongodb_reach import dial, reach_of, words_of
from repman.engines.mongodb_read import Answer, member_of, rollback_of, seen, version_of
from repman.model.observation import Reach, Receiver
from repman.model.position import Optime
from repman.model.replica_set import MemberState

NAMES = {"a.example:27017": "10.0.0.1:27017", "b.example:27017": "10.0.0.2:27017"}


def hello(seconds: int, term: int = 3, **more: Any) -> dict[str, Any]:
    at = {"ts": Timestamp(seconds, 1), "t": term}
    process = {"processId": ObjectId("6b07168bd72977338a5f2853"), "counter": 6}
    return {
        "me": "b.example:27017",
        "lastWrite": {"opTime": at, "majorityOpTime": at},
        "topologyVersion": process,
        **more,
    }


def status(state: int, **more: Any) -> dict[str, Any]:
    now = datetime(2026, 5, 1, 12, 0, 10)
    return {
        "set": "docs",
        "myState": state,
        "term": 3,
        "date": now,
        "majorityVoteCount": 2,
        "heartbeatIntervalMillis": 2000,
        "syncSourceHost": "a.example:27017",
        "members": [
            {
                "_id": 0,
                "name": "a.example:27017",
                "state": 1,
                "health": 1,
                "lastHeartbeatRecv": datetime(2026, 5, 1, 12, 0, 9),
            },
            {"_id": 1, "name": "b.example:27017", "self": True, "configVersion": 4, "configTerm": 3},
            {"_id": 2, "name": "c.example:27017", "state": 8, "health": 0, "lastHeartbeatRecv": datetime(1970, 1, 1)},
        ],
        **more,
    }


CONFIG = {
    "settings": {"electionTimeoutMillis": 2500},
    "members": [
        {"_id": 1, "host": "b.example:27017", "priority": 0.5, "votes": 1, "hidden": False, "tags": {"dc": "east"}},
    ],
}


def test_a_secondary_is_read() -> None:
    answer = Answer(5.0, hello(1000), status(2), config=CONFIG, version=version_of("6.0.5"))
    found = seen("10.0.0.2:27017", answer, None, 1.5, NAMES)
    assert (found.reach, found.read_only, found.open, found.boot) == (
        Reach.ANSWERED,
        True,
        False,
        "6b07168bd72977338a5f2853",
    )
    assert found.executed == Optime(3, 1000, 1)
    assert str(found.version) == "MongoDB 6.0.5"
    link = found.link
    assert link is not None
    assert (link.source, link.receiver, link.applier_running, link.lag) == (
        "10.0.0.1:27017",
        Receiver.RUNNING,
        True,
        1.5,
    )
    member = found.member
    assert member is not None
    assert (member.state, member.set_name, member.term, member.voters_needed) == (MemberState.SECONDARY, "docs", 3, 2)
    assert (member.config_version, member.election_timeout, member.heartbeat_interval) == (4, 2.5, 2.0)
    assert member.seat is not None
    assert (member.seat.priority, member.seat.tags, member.seat.electable) == (0.5, (("dc", "east"),), True)
    first, lost = member.heard
    assert (first.address, first.state, first.healthy, first.silent_for) == (
        "10.0.0.1:27017",
        MemberState.PRIMARY,
        True,
        1.0,
    )
    assert (lost.address, lost.state, lost.healthy, lost.silent_for) == (
        "c.example:27017",
        MemberState.DOWN,
        False,
        None,
    )


def test_a_primary_is_read_with_its_election() -> None:
    metrics = {
        "lastElectionReason": "stepUpRequest",
        "numVotesNeeded": 2,
        "lastElectionDate": datetime(2026, 5, 1, 12, 0, 0),
        "wMajorityWriteAvailabilityDate": datetime(2026, 5, 1, 12, 0, 1),
        "numCatchUpOps": 3,
    }
    answer = Answer(5.0, hello(1000, isWritablePrimary=True), status(1, electionCandidateMetrics=metrics))
    found = seen("10.0.0.2:27017", answer, answer, None, NAMES)
    assert found.open
    assert found.links == ()
    assert found.member is not None
    election = found.member.election
    assert election is not None
    assert (election.reason, election.votes_needed, election.catch_up_operations) == ("stepUpRequest", 2, 3)
    assert election.writable_at is not None
    assert election.writable_at - election.at == 1.0


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (Answer(0.0, {}), MemberState.STARTUP),
        (Answer(0.0, {}, removed=True), MemberState.REMOVED),
        (Answer(0.0, {}, {"myState": 7}), MemberState.ARBITER),
        (Answer(0.0, {}, {"myState": 99}), MemberState.UNKNOWN),
    ],
)
def test_members_that_tell_little(answer: Answer, state: MemberState) -> None:
    assert member_of(answer, {}).state is state
    assert seen("x:1", answer, None, None, {}).executed is None


def at(moment: float, seconds: int, term: int = 3) -> Answer:
    wall = datetime.fromtimestamp(1_800_000_000 + seconds)
    own = {"members": [{"self": True, "lastAppliedWallTime": wall}]}
    return Answer(moment, hello(seconds, term, isWritablePrimary=True), own)


def test_a_write_after_a_pause_makes_nobody_late() -> None:
    course = Course()
    course.note(at(10.0, 100))
    course.note(at(70.0, 160))
    behind = at(70.5, 100)
    assert course.lag(behind, at(70.0, 160)) == 0.5
    assert course.lag(at(71.0, 160), at(70.0, 160)) == 0.0
    assert course.lag(behind, None) is None


def test_lag_grows_while_something_is_missing() -> None:
    course = Course()
    for moment in range(10, 20):
        course.note(at(float(moment), 100 + moment))
    assert course.lag(at(19.5, 112), at(19.0, 119)) == 6.5
    unknown = Course()
    unknown.note(at(19.0, 119))
    assert unknown.lag(at(19.5, 112), at(19.0, 119)) == 7.0


def test_what_an_older_term_had_beyond_the_new_primary_does_not_count() -> None:
    course = Course()
    course.note(at(10.0, 100, term=3))
    course.note(at(11.0, 105, term=3))
    course.note(at(20.0, 101, term=4))
    assert course.lag(at(20.0, 101, term=4), at(20.0, 101, term=4)) == 0.0


SUMMARY = (
    '{"t":{"$date":"2026-11-25T17:13:29.219+00:00"},"s":"I","c":"ROLLBACK","id":21612,"ctx":"BackgroundSync",'
    '"msg":"Rollback summary","attr":{"rollbackDataFileDirectory":"/data/rollback/1","rbid":3,'
    '"lastOptimeRolledBack":{"ts":{"$timestamp":{"t":1795626803,"i":5}},"t":1},'
    '"commonPoint":{"ts":{"$timestamp":{"t":1795626802,"i":10}},"t":1},"totalEntriesRolledBackIncludingNoops":5}}'
)


def test_a_rollback_is_found_in_the_log() -> None:
    found = rollback_of(["{}", SUMMARY, "no JSON", '{"id":21612,"attr":3}'])
    assert found is not None
    assert (found.operations, found.common_point, found.last, found.directory) == (
        5,
        "1:1795626802.10",
        "1:1795626803.5",
        "/data/rollback/1",
    )
    assert rollback_of(["{}"]) is None


def caused(by: OSError) -> AutoReconnect:
    error = AutoReconnect("lost")
    error.__cause__ = by
    return error


@pytest.mark.parametrize(
    ("error", "reach"),
    [
        (ServerSelectionTimeoutError("none"), Reach.SILENT),
        (NetworkTimeout("late"), Reach.SILENT),
        (AutoReconnect("connection closed"), Reach.CLOSED),
        (caused(ConnectionRefusedError()), Reach.REFUSED),
        (caused(ConnectionResetError()), Reach.CLOSED),
        (caused(socket.gaierror()), Reach.UNRESOLVED),
        (caused(OSError(113, "No route to host")), Reach.UNREACHABLE),
        (OperationFailure("Authentication failed.", 18), Reach.DENIED),
        (OperationFailure("not authorized", 13), Reach.DENIED),
        (OperationFailure("shutting down", 91), Reach.BUSY),
        (ConfigurationError("bad"), Reach.DENIED),
    ],
)
def test_errors_of_the_driver_in_words_of_the_model(error: PyMongoError, reach: Reach) -> None:
    assert reach_of(error) is reach


def test_error_texts_have_no_signatures_in_them() -> None:
    text = "not authorized on admin to execute command { replSetGetStatus: 1, lsid: { id: UUID('1') }, x: 1 }"
    assert words_of(OperationFailure("whole", 13, {"errmsg": text})) == (
        "not authorized on admin to execute command { replSetGetStatus: 1"
    )


def test_a_port_on_which_nobody_listens_refuses() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        failure = dial("127.0.0.1", port, 1.0)
        assert failure is not None
        assert failure[0] is Reach.REFUSED
        bound.listen()
        assert dial("127.0.0.1", port, 1.0) is None
