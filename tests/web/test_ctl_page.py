"""``repman ctl``'s rooms against the real application: jobs of the store, a worker and a monitor that say what a test wants."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from repman.cli.tokens import token_file
from repman.model.command import Command, CommandKind, Receipt
from repman.model.job import Job, JobKind, JobState
from repman.model.memory import RollingRestart
from repman.model.snapshot import ServerView
from repman.model.work import Reply, Request
from repman.state.bus import worker_server
from repman.state.jobs import JobStore

from . import shop
from .conftest import Ctl, Installation, Monitor, serving

DB2 = "127.0.0.1:3302"


@dataclass
class Worker:
    """Answers requests as the test says, and keeps them."""

    reply: Reply | Callable[[Request], Reply] = field(default_factory=lambda: Reply("done", "Done."))
    requests: list[Request] = field(default_factory=list)

    def __call__(self, request: Request) -> Reply:
        self.requests.append(request)
        return self.reply if isinstance(self.reply, Reply) else self.reply(request)


@pytest.fixture
def worker(installation: Installation) -> Iterator[Worker]:
    script = Worker()
    server = worker_server(installation.settings.service.worker_socket, script)
    server.start()
    yield script
    server.close()


@pytest.fixture
def store(installation: Installation) -> Iterator[JobStore]:
    made = JobStore(installation.settings.service.jobs_url)
    yield made
    made.close()


def job(name: str = "job-1", state: JobState = JobState.RUNNING, **changes: Any) -> Job:
    made = Job(name, JobKind.BACKUP_LOGICAL, "shop", DB2, time.time(), state=state, step="dumping", started_at=1.0)
    return replace(made, ended_at=4.0 if state.ended else None, **changes)


def printed(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("state", "code"),
    [(JobState.DONE, 0), (JobState.FAILED, 1), (JobState.CANCELLED, 1), (JobState.INTERRUPTED, 1)],
)
def test_the_end_of_a_job_is_the_exit_code(
    ctl: Ctl, worker: Worker, store: JobStore, state: JobState, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    error = "" if state is JobState.DONE else "the disk is full"

    def begun(request: Request) -> Reply:
        store.add(job(state=state, error=error, result={"backup": "b-7"}))
        return Reply("started", "a logical backup of db2 started", job="job-1")

    worker.reply = begun
    assert ctl("backups", "logical", "--server", "db2") == code
    told = capsys.readouterr().out
    assert f"backup-logical of {DB2}: {state}" in told
    assert "b-7" in told
    assert error in told
    (request,) = worker.requests
    assert (request.name, request.server, request.user) == ("backup-logical", DB2, "admin")
    assert ctl("jobs", "follow", "job-1", "--json") == code
    assert printed(capsys)["error"] == error


def test_without_waiting_the_id_is_all_that_is_printed(
    ctl: Ctl, worker: Worker, capsys: pytest.CaptureFixture[str]
) -> None:
    worker.reply = Reply("started", "two jobs", job="job-1", document={"jobs": ["job-1", "job-2"]})
    assert ctl("optimize", "--no-wait") == 0
    assert capsys.readouterr().out == "job-1\njob-2\n"
    assert ctl("optimize", "--no-wait", "--json") == 0
    assert printed(capsys)["jobs"] == ["job-1", "job-2"]


def test_of_several_jobs_one_that_fails_is_a_failure(
    ctl: Ctl, worker: Worker, store: JobStore, capsys: pytest.CaptureFixture[str]
) -> None:
    store.add(job("job-1", JobState.DONE))
    store.add(job("job-2", JobState.FAILED))
    worker.reply = Reply("started", "two jobs", job="job-1", document={"jobs": ["job-1", "job-2"]})
    assert ctl("optimize", "--json") == 1
    assert [each["state"] for each in printed(capsys)] == ["done", "failed"]


def test_each_step_is_told_and_ctrl_c_ends_the_watching_only(ctl: Ctl, store: JobStore) -> None:
    store.add(job())
    argv = [sys.executable, "-m", "repman", "ctl", "jobs", "follow", "job-1"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            assert "dumping" in process.stderr.readline()
            store.save(job(step="reading the dump back"))
            assert "reading the dump back" in process.stderr.readline()
            process.send_signal(signal.SIGINT)
            told = process.stderr.read()
            assert process.wait(10) == 130
        finally:
            process.kill()
    assert "it goes on" in told
    assert "repman ctl jobs follow job-1" in told
    assert "repman ctl jobs cancel job-1" in told
    found = store.get("job-1")
    assert found is not None
    assert found.state is JobState.RUNNING


def test_jobs_are_listed_shown_and_cancelled(
    ctl: Ctl, worker: Worker, store: JobStore, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ctl("jobs", "list") == 0
    assert "no jobs" in capsys.readouterr().out
    store.add(job(bytes_done=50, bytes_total=200))
    assert ctl("jobs", "list") == 0
    told = capsys.readouterr().out
    for part in ("job-1", "backup-logical", DB2, "running", "25%", "dumping"):
        assert part in told
    assert ctl("jobs", "show", "job-1") == 0
    assert "50 bytes of 200 bytes" in capsys.readouterr().out
    assert ctl("jobs", "show", "job-9") == 2
    worker.reply = Reply("done", "backup-logical is being cancelled", job="job-1")
    assert ctl("jobs", "cancel", "job-1") == 0
    assert worker.requests[-1].arguments == {"job": "job-1"}
    store.save(job(state=JobState.DONE))
    assert ctl("jobs", "cancel", "job-1") == 3


def test_a_refused_job_is_exit_code_3_with_the_reason(
    ctl: Ctl, worker: Worker, capsys: pytest.CaptureFixture[str]
) -> None:
    worker.reply = Reply("refused", "db1 is the writer and has the only copy.", "only-copy")
    assert ctl("reseed", "logicalmaster", "db2") == 3
    assert "- db1 is the writer and has the only copy.  [only-copy]" in capsys.readouterr().out
    assert ctl("reseed", "logicalmaster", "db2", "--json") == 3
    assert printed(capsys)["reasons"][0]["code"] == "only-copy"


@pytest.mark.parametrize(
    "words",
    [("backups", "logical"), ("traffic", "start"), ("tests", "run", "testSwitchoverReadOnlyNoRplCheck")],
)
def test_no_worker_is_exit_code_4(ctl: Ctl, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert ctl(*words) == 4
    assert "worker" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ("servers", "stop", "db9"),
        ("servers", "maintenance", "db2", "perhaps"),
        ("backups", "logical", "--server", "db9"),
        ("reseed", "by-magic", "db2"),
        ("tests", "run", "testNothing"),
        ("servers", "add", "db9:nonsense"),
        ("proxies", "start", "nobody"),
        ("users", "update", "ann"),
        ("users", "drop", "nobody"),
    ],
)
def test_what_makes_no_sense_is_exit_code_2(ctl: Ctl, words: tuple[str, ...]) -> None:
    assert ctl(*words) == 2


WISHES = [
    (("stop", "db2"), CommandKind.STOP_SERVER, {"force": False}),
    (("stop", "db2", "--force"), CommandKind.STOP_SERVER, {"force": True}),
    (("start", "db2"), CommandKind.START_SERVER, {}),
    (("maintenance", "db2", "on"), CommandKind.MAINTENANCE, {"on": True, "toggle": False}),
    (("maintenance", "db2", "off"), CommandKind.MAINTENANCE, {"on": False, "toggle": False}),
    (("read-only", "db2", "on"), CommandKind.READ_ONLY, {"on": True, "toggle": False}),
    (("read-only", "db2", "off"), CommandKind.READ_ONLY, {"on": False, "toggle": False}),
    (("promote", "db2"), CommandKind.SWITCHOVER, {}),
    (("prefer", "db2"), CommandKind.RATE, {"rating": "preferred"}),
    (("ignore", "db2"), CommandKind.RATE, {"rating": "ignored"}),
    (("unrate", "db2"), CommandKind.RATE, {"rating": "unrated"}),
    (("start-replication", "db2"), CommandKind.START_REPLICATION, {}),
    (("stop-replication", "db2"), CommandKind.STOP_REPLICATION, {}),
    (("reset-replication", "db2"), CommandKind.RESET_REPLICATION, {}),
    (("skip-event", "db2"), CommandKind.SKIP_EVENT, {}),
    (("reset-binlog", "db2", "--force"), CommandKind.RESET_BINLOG, {"force": True}),
]


@pytest.mark.parametrize(("words", "kind", "fields"), WISHES, ids=lambda value: "-".join(value) if value else "")
def test_every_wish_about_a_server_is_sent(
    ctl: Ctl, monitor: Monitor, words: tuple[str, ...], kind: CommandKind, fields: dict[str, object]
) -> None:
    assert ctl("servers", *words) == 0
    (command,) = monitor.commands
    assert (command.kind, command.server, command.user) == (kind, DB2, "admin")
    assert {name: getattr(command, name) for name in fields} == fields


def test_a_rolling_restart_is_begun_and_left_off(ctl: Ctl, monitor: Monitor) -> None:
    monitor.receipt = Receipt("started", "3 servers are restarted")
    assert ctl("rolling-restart", "--no-wait") == 0
    assert ctl("rolling-restart", "--cancel") == 0
    assert [(each.kind, each.on) for each in monitor.commands] == [
        (CommandKind.ROLLING_RESTART, True),
        (CommandKind.ROLLING_RESTART, False),
    ]


@pytest.mark.parametrize("left", [(), ("127.0.0.1:3303",)])
def test_a_rolling_restart_is_watched_until_it_has_ended(
    ctl: Ctl, installation: Installation, monitor: Monitor, left: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    def restarted(address: str) -> ServerView:
        view = next(view for view in shop.snapshot().servers if view.policy.address == address)
        return view if address in left else replace(view, seen=replace(view.seen, boot="another"))

    addresses = [view.policy.address for view in shop.snapshot().servers]
    rolling = RollingRestart("admin", tuple((address, "boot") for address in addresses), shop.WRITER, 0.0, DB2)
    ended = shop.snapshot(servers=tuple(restarted(address) for address in addresses), ticks=99)

    def begun(command: Command) -> Receipt:
        installation.publish(shop.snapshot(rolling=rolling, ticks=98))
        threading.Timer(0.5, installation.publish, [ended]).start()
        return Receipt("started", "3 servers are restarted")

    monitor.receipt = begun
    assert ctl("rolling-restart", "--json") == (1 if left else 0)
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {
        "status": "failed" if left else "done",
        "restarted": 3 - len(left),
        "left": list(left),
    }
    assert f"{3 - len(left)} of 3 restarted" in captured.err


def test_a_job_is_followed_while_the_api_is_started_anew(
    installation: Installation, store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.add(job())
    monkeypatch.setenv("REPMAN_USER", shop.ADMIN.user)
    monkeypatch.setenv("REPMAN_PASSWORD", shop.ADMIN.password)
    argv = [sys.executable, "-m", "repman", "ctl", "jobs", "follow", "job-1", "--cluster", "shop", "--json"]
    with serving(installation) as port:
        process = subprocess.Popen(
            [*argv, "--url", f"http://127.0.0.1:{port}"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert process.stderr is not None
        assert "dumping" in process.stderr.readline()
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1.0)
        store.save(job(state=JobState.DONE))
        with serving(installation, port):
            out, _ = process.communicate(timeout=20)
        assert process.returncode == 0
        assert json.loads(out)["state"] == "done"
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        ("cleanup", CommandKind.CLEANUP),
        ("reset-failovers", CommandKind.RESET_FAILOVER_CONTROL),
        ("reset-availability", CommandKind.RESET_AVAILABILITY),
    ],
)
def test_wishes_about_the_cluster(ctl: Ctl, monitor: Monitor, command: str, kind: CommandKind) -> None:
    assert ctl(command) == 0
    assert [each.kind for each in monitor.commands] == [kind]


def verdict(request: Request) -> Reply:
    name = request.arguments["name"]
    result = "FAIL" if "Killed" in name else "PASS"
    figures = {"seconds": 1.5, "acknowledged": 10, "lost": 0, "longest_gap": 0.25}
    return Reply("done", document=[{"name": name, "result": result, "sentence": "db1 stayed closed", **figures}])


def test_each_scenario_is_told_and_one_that_fails_is_exit_code_1(
    ctl: Ctl, worker: Worker, capsys: pytest.CaptureFixture[str]
) -> None:
    worker.reply = verdict
    assert ctl("tests", "run", "testSwitchoverReadOnlyNoRplCheck", "--force") == 0
    assert "PASS testSwitchoverReadOnlyNoRplCheck" in capsys.readouterr().out
    assert worker.requests[-1].arguments["force"] == "true"
    assert ctl("tests", "run", "testSwitchoverReadOnlyNoRplCheck", "testClusterKilledAndBack") == 1
    told = capsys.readouterr().out
    assert "FAIL testClusterKilledAndBack" in told
    assert "db1 stayed closed" in told


def test_provisioning_that_reseeds_is_watched(
    ctl: Ctl, worker: Worker, store: JobStore, capsys: pytest.CaptureFixture[str]
) -> None:
    store.add(job("job-5", JobState.DONE))
    worker.reply = Reply("started", "db2 is made and reseeded", job="job-5")
    assert ctl("servers", "provision", "db2", "--method", "physicalmaster", "--json") == 0
    assert printed(capsys)["id"] == "job-5"
    assert worker.requests[0].arguments == {"method": "physicalmaster"}
    worker.reply = Reply("done", "nothing was missing")
    assert ctl("services", "provision", "--no-replication") == 0
    assert "nothing was missing" in capsys.readouterr().out
    assert worker.requests[-1].arguments == {"replicate": "false"}


def test_passwords_come_from_stdin_and_wrong_ones_change_nothing(
    ctl: Ctl, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert ctl("users", "add", "ann") == 2
    monkeypatch.setattr(sys, "stdin", io.StringIO("short\n"))
    assert ctl("users", "add", "ann") == 2
    monkeypatch.setattr(sys, "stdin", io.StringIO("long-enough-secret\n"))
    assert ctl("users", "add", "ann", "--grants", "cluster-show db-logs") == 0
    told = capsys.readouterr().out
    assert "ann is a user of shop now." in told
    assert "long-enough-secret" not in told
    assert ctl("topology", "--user", "ann", "--password", "long-enough-secret") == 0
    assert ctl("users", "update", "ann", "--grants", "db-logs") == 0
    assert ctl("users", "list", "--json") == 0
    capsys.readouterr()
    assert ctl("users", "list") == 0
    assert "shop: db-logs" in capsys.readouterr().out
    monkeypatch.setattr(sys, "stdin", io.StringIO("another-long-secret\n"))
    assert ctl("users", "update", "ann", "--new-password") == 0
    assert ctl("topology", "--user", "ann", "--password", "long-enough-secret") == 5
    assert ctl("users", "drop", "ann") == 0
    assert ctl("topology", "--user", "ann", "--password", "another-long-secret") == 5


def test_a_generated_password_is_told_once(ctl: Ctl, capsys: pytest.CaptureFixture[str]) -> None:
    assert ctl("users", "add", "bob", "--generate", "--json", "--everywhere") == 0
    once = printed(capsys)["password"]
    assert ctl("topology", "--user", "bob", "--password", once) == 0
    assert ctl("users", "revoke", "bob") == 0
    assert ctl("users", "drop", "bob", "--everywhere") == 0


def test_logout_voids_and_forgets_the_kept_token(ctl: Ctl, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ctl("logout") == 2
    assert ctl("login") == 0
    token = json.loads(token_file().read_text())
    monkeypatch.delenv("REPMAN_USER")
    monkeypatch.delenv("REPMAN_PASSWORD")
    assert ctl("topology") == 0
    assert ctl("logout") == 0
    assert json.loads(token_file().read_text()) == {}
    token_file().write_text(json.dumps(token))
    assert ctl("topology") == 5


def test_the_audit_trail_is_shown(ctl: Ctl, monitor: Monitor, capsys: pytest.CaptureFixture[str]) -> None:
    assert ctl("switchover", "--to", "db2") == 0
    capsys.readouterr()
    assert ctl("audit") == 0
    told = capsys.readouterr().out
    for part in ("admin", "/api/clusters/shop/actions/switchover", "to=db2"):
        assert part in told
    assert ctl("audit", "--everywhere", "--limit", "1", "--json") == 0
    assert len(printed(capsys)) == 1


def test_a_certificate_file_that_is_none_is_exit_code_2(ctl: Ctl, capsys: pytest.CaptureFixture[str]) -> None:
    assert ctl("status", "--cacert", "/nowhere.pem") == 2
    assert "/nowhere.pem" in capsys.readouterr().err


def test_plain_http_behind_https_is_said_so(ctl: Ctl, url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert ctl("status", "--url", url.replace("http:", "https:")) == 4
    assert "https:" in capsys.readouterr().err
