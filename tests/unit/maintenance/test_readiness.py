"""What a reseed asks before it destroys anything."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest
from made_backups import backup

from repman.config.settings import ClusterSettings, Credential
from repman.errors import JobCancelled, JobFailed, MonitorDown
from repman.maintenance.catalogue import Catalogue
from repman.maintenance.course import Course
from repman.maintenance.physical import disk_usage, require_room
from repman.maintenance.readiness import require_restorable, require_spare, writer_of
from repman.maintenance.reseed import ReseedMethod, reseed
from repman.maintenance.surroundings import Surroundings
from repman.model.command import Command, Receipt
from repman.model.decision import Routes, ServerState
from repman.model.job import Job, JobKind
from repman.model.observation import Reach, ServerSeen
from repman.model.policy import ClusterPolicy, ServerPolicy
from repman.model.snapshot import FORMAT, ServerView, Snapshot

WRITER, REPLICA, OTHER = "127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"
STATES = {WRITER: ServerState.MASTER, REPLICA: ServerState.SLAVE, OTHER: ServerState.SLAVE}


def view(address: str, state: ServerState) -> ServerView:
    policy = ServerPolicy(address, "127.0.0.1", int(address[-1]), f"db{address[-1]}", f"db{address[-1]}")
    seen = ServerSeen(address, Reach.ANSWERED, 1.0)
    return ServerView(policy, seen, None, state, state, maintenance=False, failures=0)


def published() -> Snapshot:
    return Snapshot(
        format=FORMAT,
        cluster="shop",
        at=time.time(),
        monotonic=time.monotonic(),
        generation=1,
        run="r",
        active=True,
        lease="us",
        paused=False,
        writer=WRITER,
        writer_alive=True,
        topology="master-slave",
        protected=True,
        blocked_by=(),
        refusals=(),
        problems=(),
        routes=Routes(WRITER),
        servers=tuple(view(address, state) for address, state in STATES.items()),
    )


@pytest.fixture
def mariadb_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client is installed, as far as who looks for it can see; it is never started."""
    client = tmp_path / "bin" / "mariadb"
    client.parent.mkdir()
    client.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(client.parent), prepend=os.pathsep)


def around(tmp_path: Path, seen: Snapshot, ask: object = None) -> Surroundings:
    servers = tuple(each.policy for each in seen.servers)
    credential = Credential("u", "p")
    cluster = ClusterSettings(ClusterPolicy("shop", servers), credential, credential)
    return Surroundings(cluster, tmp_path, Catalogue(tmp_path), lambda: seen, ask)  # type: ignore[arg-type]


def test_a_replica_of_a_living_writer_may_be_emptied(tmp_path: Path):
    require_spare(around(tmp_path, published()), REPLICA)
    assert writer_of(around(tmp_path, published())) == WRITER


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"writer_alive": False}, "only copy by now"),
        ({"writer": "", "writer_alive": False}, "only copy by now"),
        ({"writer": REPLICA}, "only copy by now"),
        ({"monotonic": time.monotonic() - 60.0}, "silent"),
    ],
    ids=["the writer died", "no writer", "it became the writer", "the monitor died"],
)
def test_what_changed_since_the_job_began_keeps_the_data(tmp_path: Path, changes: dict[str, object], told: str):
    seen = replace(published(), **changes)  # type: ignore[arg-type]
    with pytest.raises(JobFailed, match=told):
        require_spare(around(tmp_path, seen), REPLICA)


def test_no_writer_is_said_so(tmp_path: Path):
    with pytest.raises(JobFailed, match="no writer at this moment"):
        writer_of(around(tmp_path, replace(published(), writer="")))


@pytest.mark.usefixtures("mariadb_here")
def test_a_backup_without_its_accounts_is_not_begun_with(tmp_path: Path):
    found = backup("2026-01-01 01:00")
    dump = tmp_path / "dump.sql"
    dump.touch()
    with pytest.raises(JobFailed, match=r"accounts\.sql is missing"):
        require_restorable(found, dump)
    (tmp_path / "accounts.sql").touch()
    require_restorable(found, dump)


@pytest.mark.usefixtures("mariadb_here")
def test_a_backup_in_a_compression_that_is_not_here_is_not_begun_with(tmp_path: Path):
    (tmp_path / "accounts.sql").touch()
    with pytest.raises(JobFailed, match="does not know"):
        require_restorable(replace(backup("2026-01-01 01:00"), compression="lz9"), tmp_path / "dump.sql.lz9")


@pytest.mark.usefixtures("mariadb_here")
def test_a_hold_that_cannot_be_ended_is_told_beside_the_reason(tmp_path: Path):
    """The reason, not the monitor's silence, is why the job ended; a cancelled job stays a cancelled one."""

    def ask(command: Command, _: float) -> Receipt:
        if command.on:
            course.cancel("Cancelled by ann")
            return Receipt("done", "it is held")
        raise MonitorDown("the monitor does not answer")

    course = Course(tmp_path)
    job = Job("j", JobKind.RESEED, "shop", REPLICA, 1.0, {"method": ReseedMethod.LOGICAL_MASTER.value})
    with pytest.raises(JobCancelled, match="ann"):
        reseed(job, course, around(tmp_path, published(), ask))
    assert "data are as they were, but db2 is still held" in course.harm
    assert "the monitor does not answer" in course.harm


def test_a_copy_that_would_fill_the_disk_is_not_begun(tmp_path: Path):
    (tmp_path / "shop.ibd").write_bytes(b"x" * 1000)
    (tmp_path / "binlog.000001").write_bytes(b"x" * 5000)
    (tmp_path / "aria_log.00000001").write_bytes(b"x" * 16)
    assert disk_usage(tmp_path) == 1016
    require_room(tmp_path, disk_usage(tmp_path))
    with pytest.raises(JobFailed, match="make room"):
        require_room(tmp_path, 1 << 60)
