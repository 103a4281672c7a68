"""Every call in every state, through the API."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from mongosync_stand import CLUSTER0, CLUSTER1, IDLE, Stand, status

from repman.errors import HistoryLost, LinkFailed, LinkRefused
from repman.link.options import TargetData
from repman.link.status import Phase, State, Status

START = {"source": "cluster0", "destination": "cluster1"}
SYNCING = {"initial_sync_completed": False, "clone_completed": False}
STATES: dict[str, Status] = {
    "idle": IDLE,
    "preparing": status(phase=Phase.PREPARING, clone_started=False, **SYNCING),
    "copying": status(phase=Phase.CLONING, **SYNCING),
    "catching up": status(phase=Phase.CATCHING_UP, initial_sync_completed=False),
    "steady": status(),
    "late": status(lag_seconds=31),
    "on the edge": status(lag_seconds=30),
    "building indexes": status(indexes_total=3, indexes_built=2),
    "all indexes built": status(indexes_total=3, indexes_built=3),
    "paused": status(State.PAUSED),
    "paused while copying": status(State.PAUSED, Phase.CLONING, **SYNCING),
    "committing": status(State.FINALIZING),
    "committed": status(State.FINALIZED, can_write=True),
    "committed, reversible": status(State.FINALIZED, can_write=True, reversible=True),
    "reversing": status(State.REVERSING, reversible=True),
    "reversed": status(source=CLUSTER1, target=CLUSTER0, reversible=True),
    "failed": status(State.FAILED, error="change replication: bulk write: no"),
    "history lost": status(State.FAILED, error="change replication: oplog history is lost"),
}
RUNNING = ("preparing", "copying", "catching up", "steady", "late", "on the edge", "building indexes",
           "all indexes built", "reversed")  # fmt: skip
READY = ("steady", "on the edge", "all indexes built", "reversed")
LEGAL = {
    "start": ("idle",),
    "pause": tuple(name for name in RUNNING if name != "preparing"),
    "resume": ("paused", "paused while copying", "failed", "history lost"),
    "commit": READY,
    "reverse": ("committed, reversible",),
}
ASKED = {"start": "start", "pause": "pause", "resume": "resume", "commit": "finalize", "reverse": "reverse"}


def error_name(call: str, state: str) -> tuple[int, str]:
    if state in ("failed", "history lost"):
        return 500, "OplogRolledOver" if state == "history lost" else "InternalError"
    if call == "commit" and state in RUNNING:
        return 400, "NotReadyToCommit"
    if call == "reverse" and state == "committed":
        return 400, "NotReversible"
    return 400, "InvalidStateTransition"


@pytest.mark.parametrize(("call", "state"), list(itertools.product(ASKED, STATES)))
def test_a_call_in_a_state(call: str, state: str) -> None:
    stand = Stand(cluster0=STATES[state])
    answer = stand.post(call, START if call == "start" else {})
    asked = [name for name, _ in stand.link.asked]
    if state in LEGAL[call]:
        assert (answer.status_code, answer.json) == (200, {"success": True})
        assert asked == [ASKED[call]]
    else:
        assert answer.json is not None
        assert (answer.status_code, answer.json["error"]) == error_name(call, state)
        assert answer.json["success"] is False
        assert answer.json["errorDescription"]
        assert asked == []


@pytest.mark.parametrize("state", STATES)
def test_can_commit_tells_whether_commit_would_be_accepted(state: str) -> None:
    stand = Stand(cluster0=STATES[state])
    answer = stand.client().get("/api/v1/progress")
    assert answer.json is not None
    if state in ("failed", "history lost"):
        assert answer.status_code == 500
        assert answer.json["success"] is False
        assert answer.json["error"] == error_name("progress", state)[1]
        assert STATES[state].error in answer.json["errorDescription"]
    else:
        assert answer.status_code == 200
        assert answer.json["success"] is True
        assert answer.json["progress"]["canCommit"] is (state in READY)


def test_a_refusal_tells_every_reason_and_what_to_wait_for() -> None:
    late = status(lag_seconds=45, indexes_total=2, initial_sync_completed=False)
    answer = Stand(cluster0=late).post("commit")
    assert answer.json is not None
    assert answer.json["errorDescription"] == (
        "cannot commit: the initial sync is not completed; the lag is 45 s, more than 30 s; 0 of 2 indexes are built; "
        "wait until canCommit is true"
    )


def test_what_a_start_is_given() -> None:
    stand = Stand()
    assert stand.post("start", START).json == {"success": True}
    [(_, (options, again))] = stand.link.asked
    assert again is False
    assert options.target_data is TargetData.REFUSE
    assert options.verify


def test_a_pause_may_come_while_copying_and_a_resume_knows_a_failure() -> None:
    copying, paused, failed = (Stand(cluster0=STATES[name]) for name in ("copying", "paused", "failed"))
    copying.post("pause")
    paused.post("resume")
    failed.post("resume")
    assert copying.link.asked == [("pause", True)]
    assert paused.link.asked == [("resume", False)]
    assert failed.link.asked == [("resume", True)]


SAID_BY_LINK = [
    (LinkRefused("target-not-empty", "shop.a exists"), 400, "DestinationNotEmpty"),
    (LinkRefused("unsupported", "no"), 400, "UnsupportedOption"),
    (LinkRefused("catching-up", "no"), 400, "NotReadyToCommit"),
    (LinkRefused("cloning", "no"), 400, "NotReadyToCommit"),
    (LinkRefused("not-reversible", "no"), 400, "NotReversible"),
    (LinkRefused("already-running", "no"), 400, "InvalidStateTransition"),
    (LinkRefused("a code of tomorrow", "no"), 400, "InvalidStateTransition"),
    (HistoryLost("gone"), 500, "OplogRolledOver"),
    (LinkFailed("broken"), 500, "InternalError"),
]


@pytest.mark.parametrize(("said", "code", "name"), SAID_BY_LINK, ids=[str(row[0]) + row[2] for row in SAID_BY_LINK])
def test_what_the_link_says_is_passed_on_under_a_name(said: Exception, code: int, name: str) -> None:
    stand = Stand()
    stand.link.refusal = said
    answer = stand.post("start", START)
    assert answer.status_code == code
    assert answer.json == {"success": False, "error": name, "errorDescription": str(said)}


def test_an_unexpected_error_is_answered_in_the_same_form() -> None:
    stand = Stand()
    stand.link.refusal = ValueError("odd")
    answer = stand.post("start", START)
    assert answer.json is not None
    assert (answer.status_code, answer.json["success"], answer.json["error"]) == (500, False, "InternalError")
    assert "odd" not in answer.text


BODIES: list[tuple[Any, str]] = [
    ("", "InvalidRequestBody"),
    ("{", "InvalidRequestBody"),
    ("[]", "InvalidRequestBody"),
    ("null", "InvalidRequestBody"),
    (b"\xff", "InvalidRequestBody"),
    (b'{"a": "\xff"}', "InvalidRequestBody"),
    ("[" * 100_000, "InvalidRequestBody"),
    ({"force": True}, "UnknownField"),
]


@pytest.mark.parametrize("call", ASKED)
@pytest.mark.parametrize(("body", "name"), BODIES, ids=[str(row[0])[:12] for row in BODIES])
def test_a_body_must_be_a_json_object(call: str, body: Any, name: str) -> None:
    stand = Stand(cluster0=STATES[LEGAL[call][0]])
    answer = stand.post(call, body)
    assert answer.json is not None
    assert (answer.status_code, answer.json["success"], answer.json["error"]) == (400, False, name)
    assert stand.link.asked == []


def test_curl_says_that_the_body_is_a_form() -> None:
    answer = Stand().post("start", START, content_type="application/x-www-form-urlencoded")
    assert answer.json == {"success": True}


@pytest.mark.parametrize(
    ("method", "path", "given", "code", "name"),
    [
        ("GET", "/api/v1/nothing", {}, 404, "UnknownEndpoint"),
        ("GET", "/", {}, 404, "UnknownEndpoint"),
        ("GET", "/api/v1/start", {}, 405, "MethodNotAllowed"),
        ("POST", "/api/v1/progress", {}, 405, "MethodNotAllowed"),
        ("GET", "/api/v1/progress", {"headers": {"Origin": "http://localhost"}}, 403, "Forbidden"),
        ("GET", "/api/v1/progress", {"headers": {"Host": "evil.example"}}, 403, "Forbidden"),
        ("POST", "/api/v1/start", {"data": b" " * ((1 << 20) + 1)}, 413, "RequestTooLarge"),
    ],
)
def test_what_is_no_call_is_answered_in_the_same_form(
    method: str, path: str, given: dict[str, Any], code: int, name: str
) -> None:
    answer = Stand().client().open(path, method=method, **given)
    assert answer.json is not None
    assert (answer.status_code, answer.json["success"], answer.json["error"]) == (code, False, name)
    assert answer.json["errorDescription"]


def test_a_question_for_the_progress_may_have_a_body() -> None:
    answer = Stand().client().get("/api/v1/progress", data="{}")
    assert answer.status_code == 200
    assert answer.content_type == "application/json"
