"""Every call in every state, over HTTP.  The link is a double that refuses as the interface of `Link` says."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient

from repman.errors import LinkFailed, LinkRefused
from repman.link.figures import Figures
from repman.link.options import LinkOptions
from repman.link.percona.app import application
from repman.link.percona.filters import NamespaceFilter
from repman.link.percona.flavour import Flavour
from repman.link.percona.starting import StartRequest
from repman.link.serving import MOST_BYTES, Listener
from repman.link.status import Phase, Side, State, Status

BASE = Status(State.IDLE, Phase.NONE, "one", Side("source", "a:1", 1), Side("target", "b:1", 1))
FAILURE = "change replication: oplog history is lost"
SITUATIONS = {
    "idle": BASE,
    "cloning": replace(BASE, state=State.RUNNING, phase=Phase.CLONING),
    "catching up": replace(BASE, state=State.RUNNING, phase=Phase.CATCHING_UP),
    "steady": replace(BASE, state=State.RUNNING, phase=Phase.REPLICATING),
    "paused": replace(BASE, state=State.PAUSED, phase=Phase.REPLICATING),
    "paused early": replace(BASE, state=State.PAUSED, phase=Phase.CATCHING_UP),
    "finalizing": replace(BASE, state=State.FINALIZING, phase=Phase.REPLICATING),
    "finalized": replace(BASE, state=State.FINALIZED, phase=Phase.REPLICATING),
    "failed": replace(BASE, state=State.FAILED, phase=Phase.REPLICATING, error=FAILURE),
    "failed in the clone": replace(BASE, state=State.FAILED, phase=Phase.CLONING, error="clone: no space"),
}


class Double:
    """The rules of `Link`, and what it was called with."""

    def __init__(self, status: Status) -> None:
        self._status = status
        self.calls: list[tuple[Any, ...]] = []
        self.breaks: Exception | None = None
        self.figures = Figures()

    def status(self) -> Status:
        return self._status

    def _done(self, *call: Any) -> None:
        if self.breaks is not None:
            raise self.breaks
        self.calls.append(call)

    def start(self, options: LinkOptions, again: bool = True) -> None:
        match self._status.state:
            case State.PAUSED:
                raise LinkRefused("is-paused", "it is paused")
            case State.RUNNING | State.FINALIZING | State.FAILED:
                raise LinkRefused("already-running", "it runs")
        assert again
        self._done("start", options)

    def pause(self, while_cloning: bool = True) -> None:
        if self._status.state is not State.RUNNING:
            raise LinkRefused("not-running", "it does not run")
        if self._status.phase is Phase.CLONING and not while_cloning:
            raise LinkRefused("cloning", "it clones")
        self._done("pause")

    def resume(self, from_failure: bool = False) -> None:
        if self._status.state is not State.PAUSED and not (from_failure and self._status.state is State.FAILED):
            raise LinkRefused("not-failed" if from_failure else "not-paused", "it is not paused")
        self._done("resume", from_failure)

    def finalize(self) -> None:
        match self._status.state, self._status.phase:
            case State.FAILED, _:
                raise LinkRefused("has-failed", "it failed")
            case State.IDLE, _:
                raise LinkRefused("cloning", "nothing was cloned")
            case _, Phase.CLONING:
                raise LinkRefused("cloning", "it clones")
            case _, Phase.CATCHING_UP:
                raise LinkRefused("catching-up", "it catches up")
        self._done("finalize")


def made(situation: str = "idle", listener: Listener | None = None, **more: Any) -> tuple[FlaskClient, Double]:
    double = Double(SITUATIONS[situation])
    return application(double, listener or Listener(), **more).test_client(), double  # type: ignore[arg-type]


RUNS, PAUSED = "already running", "paused"
NO_PAUSE, CLONES = "cannot pause: not running", "cannot pause: Change Replication is not running"
NO_RESUME = "cannot resume: not paused or not resuming from failure"
NO_CLONE, NOT_IN_SYNC = "clone is not completed", "initial sync is not completed"
CALLS = ("start", "pause", "resume", "resume from failure", "finalize")
TABLE = {
    "idle": (None, NO_PAUSE, NO_RESUME, NO_RESUME, NO_CLONE),
    "cloning": (RUNS, CLONES, NO_RESUME, NO_RESUME, NO_CLONE),
    "catching up": (RUNS, None, NO_RESUME, NO_RESUME, NOT_IN_SYNC),
    "steady": (RUNS, None, NO_RESUME, NO_RESUME, None),
    "paused": (PAUSED, NO_PAUSE, None, None, None),
    "paused early": (PAUSED, NO_PAUSE, None, None, NOT_IN_SYNC),
    "finalizing": (RUNS, NO_PAUSE, NO_RESUME, NO_RESUME, None),
    "finalized": (None, NO_PAUSE, NO_RESUME, NO_RESUME, None),
    "failed": (RUNS, NO_PAUSE, NO_RESUME, None, f"failed state: {FAILURE}"),
    "failed in the clone": (RUNS, NO_PAUSE, NO_RESUME, None, "failed state: clone: no space"),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("situation", SITUATIONS)
def test_every_call_in_every_state(situation: str, call: str) -> None:
    told: list[str] = []
    client, double = made(situation, changed=lambda: told.append(call))
    path, _, failure = call.partition(" ")
    answer = client.post(f"/{path}", data='{"fromFailure": true}' if failure else None)
    refusal = TABLE[situation][CALLS.index(call)]
    found = answer.get_json()
    assert answer.status_code == 200
    if refusal is None:
        assert found == {"ok": True}
        assert [made[0] for made in double.calls] == [path]
        assert told == [call]
    else:
        assert found.pop("code")
        assert found == {"ok": False, "error": refusal}
        assert (double.calls, told) == ([], [])


def test_codes_are_those_of_the_link() -> None:
    client, _ = made("paused")
    assert [client.post(path).get_json().get("code") for path in ("/start", "/pause")] == ["is-paused", "not-running"]


def test_resume_from_failure_reaches_the_link() -> None:
    client, double = made("failed")
    client.post("/resume", data='{"fromFailure": true}', content_type="text/plain")
    assert double.calls == [("resume", True)]


@pytest.mark.parametrize("body", [None, "", "  \n", "{}", '{"fromFailure": false, "more": 1}', '{"fromFailure": null}'])
def test_a_resume_may_say_nothing(body: str | None) -> None:
    client, double = made("paused")
    assert client.post("/resume", data=body).get_json() == {"ok": True}
    assert double.calls == [("resume", False)]


def test_a_start_is_over_what_the_server_was_told() -> None:
    defaults = StartRequest(clone_num_read_workers=3, repl_num_workers=2)
    client, double = made(defaults=defaults)
    client.post("/start", data='{"includeNamespaces": ["a.*"], "cloneNumReadWorkers": 5, "unknown": []}')
    selection = NamespaceFilter(("a.*",))
    assert double.calls == [("start", LinkOptions(selection=selection, read_workers=5, apply_workers=2))]


@pytest.mark.parametrize("nothing", [None, []])
def test_lists_that_say_nothing_leave_nothing_out(nothing: list[str] | None) -> None:
    client, double = made()
    assert client.post("/start", json={"includeNamespaces": nothing, "excludeNamespaces": nothing}).get_json()["ok"]
    assert double.calls == [("start", LinkOptions(selection=NamespaceFilter()))]


def test_a_start_with_a_bad_size_is_refused() -> None:
    client, double = made()
    answer = client.post("/start", json={"cloneSegmentSize": "1MB"})
    assert (answer.status_code, answer.get_json()) == (
        200,
        {
            "ok": False,
            "error": "invalid clone segment size: cloneSegmentSize must be at least 458 MiB, got 977 KiB",
            "code": "invalid-option",
        },
    )
    assert double.calls == []


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"\xff",
        b"[" * 100_000,
        b'{"more": ' + b"[" * 100_000,
        b'{"includeNamespaces": "a.*"}',
        b'{"includeNamespaces": [1]}',
        b'{"pauseOnInitialSync": "yes"}',
        b'{"cloneNumReadWorkers": "2"}',
        b'{"cloneNumReadWorkers": 2.5}',
        b'{"cloneSegmentSize": 500000000}',
    ],
    ids=lambda body: repr(body[:24]),
)
def test_what_is_not_a_start(body: bytes) -> None:
    client, double = made()
    answer = client.post("/start", data=body)
    found = answer.get_json()
    assert (answer.status_code, found["ok"], found["code"]) == (400, False, "bad-request")
    assert found["error"].startswith("Bad Request: ")
    assert double.calls == []


@pytest.mark.parametrize(
    ("method", "path", "status", "code", "text"),
    [
        ("GET", "/nowhere", 404, "not-found", "Endpoint not found"),
        ("POST", "/start/", 404, "not-found", "Endpoint not found"),
        ("GET", "/start", 405, "method-not-allowed", "Method Not Allowed"),
        ("POST", "/status", 405, "method-not-allowed", "Method Not Allowed"),
    ],
)
def test_wrong_paths_and_methods(method: str, path: str, status: int, code: str, text: str) -> None:
    client, _ = made()
    answer = client.open(path, method=method)
    assert (answer.status_code, answer.get_json()) == (status, {"ok": False, "error": text, "code": code})


@pytest.mark.parametrize("path", ["/start", "/pause", "/resume", "/finalize"])
def test_bodies_that_are_too_large(path: str) -> None:
    client, double = made("steady")
    answer = client.post(path, data=b" " * (MOST_BYTES + 1))
    assert (answer.status_code, answer.get_json()["error"]) == (413, "Request Entity Too Large")
    assert double.calls == []


def test_pause_and_finalize_do_not_read_their_bodies() -> None:
    client, double = made("steady")
    assert [client.post(path, data=b"{").get_json() for path in ("/pause", "/finalize")] == [{"ok": True}] * 2
    assert double.calls == [("pause",), ("finalize",)]


def test_a_finalize_that_goes_wrong_is_told() -> None:
    client, double = made("steady")
    double.breaks = LinkFailed("pause change replication: the target is gone")
    assert client.post("/finalize").get_json() == {
        "ok": False,
        "error": "pause change replication: the target is gone",
        "code": "failed",
    }


def test_an_accident_is_answered_in_json(caplog: pytest.LogCaptureFixture) -> None:
    client, double = made("steady")
    double.breaks = RuntimeError("secret of the house")
    answer = client.post("/pause")
    assert (answer.status_code, answer.get_json()) == (
        500,
        {"ok": False, "error": "Internal Server Error", "code": "internal"},
    )
    assert "secret of the house" in caplog.text


def test_status_is_one_line_of_json_whatever_is_sent_with_it() -> None:
    client, _ = made("steady")
    answer = client.get("/status", data="{}")
    assert answer.content_type == "application/json"
    assert answer.text.count("\n") == 1
    assert answer.text.endswith("}\n")
    assert ": " not in answer.text.replace("Sync: ", "")
    assert list(json.loads(answer.text))[:3] == ["ok", "state", "info"]


def test_a_failure_is_a_status_like_others() -> None:
    client, _ = made("failed")
    answer = client.get("/status")
    assert (answer.status_code, answer.get_json()["ok"], answer.get_json()["error"]) == (200, False, FAILURE)


def test_requests_are_logged_and_scrapes_are_not(caplog: pytest.LogCaptureFixture) -> None:
    client, _ = made()
    with caplog.at_level(logging.INFO):
        client.get("/status")
        client.get("/metrics")
        client.post("/nowhere")
    assert caplog.messages == ["GET /status", "POST /nowhere"]


def test_the_settings_of_a_run_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    client, _ = made()
    asked = {"replNumWorkers": 4, "cloneNumReadWorkers": 0, "useCollectionBulkWrite": True, "replEventQueueSize": 9}
    with caplog.at_level(logging.INFO):
        client.post("/start", json=asked)
    assert caplog.messages[1:] == [
        "Config: NumWorkers: 4",
        "Use collection-level bulk write",
        "replEventQueueSize is accepted and has no effect: there is no such queue here",
    ]


def test_who_may_not_ask_is_told_in_the_dialects_form() -> None:
    client, double = made("steady")
    for headers in ({"Origin": "http://example.com"}, {"Host": "example.com"}):
        answer = client.post("/pause", headers=headers)
        assert (answer.status_code, answer.get_json()["code"]) == (403, "forbidden")
    assert double.calls == []
    client, double = made("steady", Listener("0.0.0.0", token="word"))
    answer = client.post("/pause")
    assert (answer.status_code, answer.get_json()["code"]) == (401, "unauthorized")
    assert client.post("/pause", headers={"Authorization": "Bearer word"}).get_json() == {"ok": True}
    assert double.calls == [("pause",)]


def samples(text: str) -> dict[str, float]:
    pairs = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def test_metrics() -> None:
    client, double = made("steady")
    prefix = "percona_clustersync_mongodb_"
    double._status = replace(
        double._status, events_read=5, events_applied=4, lag_seconds=3, total_bytes=200, copied_bytes=100
    )
    found = samples(client.get("/metrics").text)
    ours = {name.removeprefix(prefix): value for name, value in found.items() if name.startswith(prefix)}
    states = {f'state{{state="{state.value}"}}': float(state is State.RUNNING) for state in State}
    assert ours == states | {
        "events_read_total": 5,
        "events_applied_total": 4,
        "copy_insert_size_bytes_total": 100,
        "lag_time_seconds": 3,
        "initial_sync_lag_time_seconds": 3,
        "estimated_total_size_bytes": 200,
        "indexes": 0,
        "indexes_built": 0,
        "collections": 0,
        "collections_copied": 0,
        "repl_event_queue_size": 1,
        "copy_read_document_total": 0,
        "copy_read_size_bytes_total": 0,
        "copy_insert_document_total": 0,
        "copy_read_batch_duration_seconds": 0,
        "copy_insert_batch_duration_seconds": 0,
    }
    assert "process_open_fds" in found
    double._status = replace(double._status, initial_sync_completed=True, oplog_seconds_left=60.0)
    found = samples(client.get("/metrics").text)
    assert (found[prefix + "initial_sync_lag_time_seconds"], found[prefix + "oplog_left_seconds"]) == (0, 60)


def test_metrics_of_the_threads() -> None:
    client, double = made("steady")
    figures = double.figures
    figures.idle(2)
    figures.queued(1, 30)
    with figures.applying(1, 20):
        busy = samples(client.get("/metrics").text)
    assert list(figures.timed_batches(iter([[b"12", b"345"]]))) == [[b"12", b"345"]]
    found = samples(client.get("/metrics").text)
    prefix = "percona_clustersync_mongodb_"
    worker = '{worker="1"}'
    assert busy[f"{prefix}repl_worker_bulk_queue_size{worker}"] == 20
    assert found[f"{prefix}repl_worker_bulk_queue_size{worker}"] == 0
    assert found[f"{prefix}repl_worker_event_queue_size{worker}"] == 10
    assert found[f'{prefix}repl_worker_event_queue_size{{worker="0"}}'] == 0
    assert found[f"{prefix}repl_worker_events_applied_total{worker}"] == 20
    assert found[f'{prefix}repl_worker_flush_batch_size_bucket{{le="50.0",worker="1"}}'] == 1
    assert found[f"{prefix}repl_worker_flush_duration_seconds_count{worker}"] == 1
    assert (found[f"{prefix}copy_read_document_total"], found[f"{prefix}copy_read_size_bytes_total"]) == (2, 5)


def test_metrics_of_the_older_program() -> None:
    client, _ = made("steady", flavour=Flavour.PLM)
    found = samples(client.get("/metrics").text)
    assert found["percona_link_mongodb_events_processed_total"] == 0
    assert not [name for name in found if "clustersync" in name]
