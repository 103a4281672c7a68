"""Backups that restore, and replicas that are rebuilt: on real servers, under writes, through API and worker."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pymysql
import pytest
from cluster import World, state
from jobs_of_worker import SCHEMA, Jobs, destroy, jobs_at, rebuilt
from mariadb_stand import Server, wait_until

from repman.model.backup import BackupMethod
from repman.model.decision import ServerState
from repman.model.job import JobState


@pytest.fixture
def jobs(served: World) -> Iterator[Jobs]:
    with jobs_at(served) as made:
        yield made


@pytest.mark.parametrize("kind", ["logical", "physical"])
def test_a_backup_brings_a_destroyed_replica_back(served: World, jobs: Jobs, kind: str) -> None:
    victim = served.replicas[-1]
    with served.traffic() as traffic:
        made = jobs.done(f"backup-{kind}")
        backup = jobs.backups()[-1]
        assert (made.result["backup"], backup.method) == (backup.id, BackupMethod(kind))
        assert backup.source in [replica.address for replica in served.replicas]
        traffic.flows()
        destroy(victim)
        traffic.flows()
        job = jobs.done(f"reseed/{kind}backup", victim)
        assert job.result["gtid"] == backup.gtid
        traffic.flows()
        served.nothing_lost(traffic)
    rebuilt(served, victim)


@pytest.mark.parametrize("kind", ["logical", "physical"])
def test_the_writer_fills_a_replica(served: World, jobs: Jobs, kind: str) -> None:
    """One that is destroyed, and then one that runs and holds what it should not."""
    victim = served.replicas[0]
    with served.traffic() as traffic:
        destroy(victim)
        jobs.done(f"reseed/{kind}master", victim)
        victim.as_root("SET sql_log_bin=0", f"DELETE FROM {SCHEMA}.book LIMIT 5", "CREATE DATABASE own")
        jobs.done(f"reseed/{kind}master", victim)
        traffic.flows()
        served.nothing_lost(traffic)
    rebuilt(served, victim)


def test_mydumper_backs_up_and_restores(served: World, jobs: Jobs) -> None:
    served.restarted(backup_logical_type="mydumper")
    served.healthy()
    with served.traffic() as traffic:
        jobs.done("backup-logical")
        assert jobs.backups()[-1].tool == "mydumper"
        traffic.flows()
        victim = served.replicas[-1]
        destroy(victim)
        jobs.done("reseed/logicalbackup", victim)
        served.nothing_lost(traffic)
    rebuilt(served, victim)


def test_every_backup_path(served: World, jobs: Jobs) -> None:
    source, before = served.replicas[0], len(jobs.backups())
    for path, kind in (("backup", "physical"), ("backup-physical", "physical"), ("backup-logical", "logical")):
        answer = jobs.ask(path, source, wait="true")
        assert (answer.status_code, answer.json()["status"]) == (200, "done"), answer.text
        backup = jobs.backups()[-1]
        assert (backup.source, backup.method.value) == (source.address, kind)
    jobs.done("master-physical-backup")
    found = jobs.backups()
    assert found[-1].source == served.writer.address
    assert len(found) <= before + 4
    listed = jobs.api.read("backups")
    assert [each["id"] for each in listed] == [backup.id for backup in found]
    tasks = jobs.api.read("jobs")["servers"]
    assert {task["task"] for each in tasks.values() for task in each["tasks"]} >= {"mysqldump", "mariabackup"}
    latest = jobs.api.read("jobs/list")[0]
    assert (latest["kind"], latest["state"], latest["progress"]) == ("backup-physical", "done", 1.0)
    assert jobs.api.read(f"jobs/{latest['id']}") == latest
    assert jobs.api.get("jobs/none").status_code == 404
    assert jobs.api.get("jobs/list", state="asleep").status_code == 400
    assert jobs.api.post("servers/nobody/actions/backup").status_code == 500
    assert jobs.ask("reseed/wishing", source).status_code == 400
    cluster = jobs.api.read(jobs.api.cluster)
    assert set(cluster["backupList"]) == {str(backup.number) for backup in found}


def test_the_writer_is_not_reseeded(served: World, jobs: Jobs) -> None:
    for method in ("logicalmaster", "physicalmaster", "logicalbackup", "physicalbackup"):
        answer = jobs.ask(f"reseed/{method}", served.writer)
        assert answer.status_code == 409
        assert "is the writer" in answer.json()["error"]


def test_the_only_healthy_replica_is_not_reseeded_without_force(served: World, jobs: Jobs) -> None:
    other, victim = served.replicas
    other.kill()
    served.repman.until(lambda seen: state(seen, other) is not ServerState.SLAVE, "the death of the other one")
    answer = jobs.ask("reseed/logicalmaster", victim)
    assert (answer.status_code, "only healthy replica" in answer.json()["error"]) == (409, True)
    assert jobs.held(victim) == ""
    assert jobs.ask("backup-logical", other).status_code == 409
    jobs.done("reseed/logicalmaster", victim, force="true")
    other.start()
    rebuilt(served, victim)


@pytest.mark.parametrize("kind", ["logical", "physical"])
def test_a_damaged_backup_is_refused_before_anything_is_destroyed(served: World, jobs: Jobs, kind: str) -> None:
    jobs.done(f"backup-{kind}")
    directory, victim = jobs.directories()[-1], served.replicas[0]
    file = next(path for path in directory.iterdir() if path.name.endswith(".zst"))
    before = file.read_bytes()
    file.write_bytes(
        before[: len(before) // 2] + bytes([before[len(before) // 2] ^ 1]) + before[len(before) // 2 + 1 :]
    )
    started = victim.run("SHOW STATUS LIKE 'Uptime'")[0][1]
    job = jobs.failed(f"reseed/{kind}backup", victim)
    assert "damaged" in job.error
    assert jobs.held(victim) == ""
    assert int(victim.run("SHOW STATUS LIKE 'Uptime'")[0][1]) >= int(started)
    rebuilt(served, victim)
    file.write_bytes(before[:-100])
    assert "damaged" in jobs.failed(f"reseed/{kind}backup", victim).error
    rebuilt(served, victim)


def test_what_a_restore_needs_is_looked_for_before_anything_is_destroyed(served: World, jobs: Jobs) -> None:
    jobs.done("backup-logical")
    accounts, victim = jobs.directories()[-1] / "accounts.sql", served.replicas[0]
    accounts.rename(accounts.with_name("elsewhere.sql"))
    job = jobs.failed("reseed/logicalbackup", victim)
    assert "accounts.sql is missing" in job.error
    assert jobs.held(victim) == ""
    rebuilt(served, victim)


def test_a_backup_that_is_too_old_is_refused(served: World, jobs: Jobs) -> None:
    jobs.done("backup-logical")
    writer, victim = served.writer, served.replicas[0]
    writer.write(f"INSERT INTO {SCHEMA}.book (title) VALUES ('later')")
    writer.run("FLUSH BINARY LOGS")
    served.healthy()
    wait_until(lambda: _purged(writer), 20, "replicas that need the first logs no more")
    job = jobs.failed("reseed/logicalbackup", victim)
    assert "too old" in job.error
    assert jobs.held(victim) == ""
    rebuilt(served, victim)


def _purged(writer: Server) -> bool:
    newest = writer.run("SHOW BINARY LOGS")[-1][0]
    writer.run(f"PURGE BINARY LOGS TO '{newest}'")
    return len(writer.run("SHOW BINARY LOGS")) == 1


@contextlib.contextmanager
def blocked(server: Server) -> Iterator[None]:
    """A session that keeps the table from being dropped or read by others."""
    connection = pymysql.connect(unix_socket=server.entry.socket, user="root")
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"LOCK TABLES {SCHEMA}.book WRITE")
        yield
    finally:
        connection.close()


def test_a_killed_worker_leaves_the_server_held_until_it_is_reseeded(served: World, jobs: Jobs) -> None:
    victim = served.replicas[0]
    with blocked(victim):
        job = jobs.start("reseed/logicalmaster", victim)
        jobs.at_step(job, "emptying")
        killed = served.repman.kill_one("worker")
        assert killed
        ended = jobs.ended(job)
    assert ended.state is JobState.INTERRUPTED
    assert "Reseed it again" in ended.error
    assert jobs.held(victim)
    assert state(served.repman.looked(), victim) is ServerState.MAINTENANCE
    wait_until(lambda: served.repman.pid("worker") not in (None, killed), 20, "the next worker")
    jobs.done("reseed/logicalmaster", victim)
    assert jobs.held(victim) == ""
    rebuilt(served, victim)


def test_a_worker_killed_while_it_streams_leaves_no_program_behind(served: World, jobs: Jobs) -> None:
    """A frozen source: the copy cannot end before the worker does."""
    victim, writer = served.replicas[0], served.writer
    with blocked(writer):
        job = jobs.start("reseed/logicalmaster", victim)
        jobs.at_step(job, "streaming")
        wait_until(lambda: programs(jobs) != [], 10, "a dump")
        killed = served.repman.kill_one("worker")
        wait_until(lambda: programs(jobs) == [], 10, "the dump's end")
    assert killed
    assert jobs.ended(job).state is JobState.INTERRUPTED
    assert jobs.held(victim)
    jobs.done("reseed/physicalmaster", victim)
    rebuilt(served, victim)


def programs(jobs: Jobs) -> list[str]:
    """Programs that work for a job of this repman, by their command lines."""
    found = []
    mark = os.fsencode(jobs.world.repman.rundir / "jobs")
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            words = Path(f"/proc/{pid}/cmdline").read_bytes()
            if mark in words:
                found.append(words.decode(errors="replace"))
    return found


def test_a_cancelled_reseed_leaves_the_server_held(served: World, jobs: Jobs) -> None:
    victim = served.replicas[0]
    with blocked(victim):
        job = jobs.start("reseed/logicalmaster", victim)
        jobs.at_step(job, "emptying")
        again = jobs.ask("optimize", victim)
        assert (again.status_code, "is busy" in again.text) == (409, True)
        assert jobs.ask("reseed-cancel", victim).status_code == 200
        ended = jobs.ended(job, 15)
    assert ended.state is JobState.CANCELLED
    assert ended.error.startswith("Cancelled by admin")
    assert jobs.held(victim)
    answer = jobs.ask("reseed-cancel", victim)
    assert (answer.status_code, answer.json()["code"]) == (409, "held")
    assert jobs.ask("reseed-cancel", victim, release="true").status_code == 200
    assert jobs.held(victim) == ""
    jobs.done("reseed/logicalmaster", victim)
    rebuilt(served, victim)


def test_a_cancelled_backup_leaves_nothing(served: World, jobs: Jobs) -> None:
    source = served.replicas[0]
    before = jobs.backups()
    for cancel in ("jobs/{job}/cancel", f"servers/{source.entry.name}/actions/job-cancel/mysqldump"):
        with blocked(source):
            job = jobs.start("backup-logical", source)
            wait_until(lambda job=job: jobs.job(job).state is JobState.RUNNING, 10, "the backup")
            wait_until(lambda: any(path.name.endswith(".partial") for path in jobs.directories()), 10, "its directory")
            answer = jobs.api.post(cancel.format(job=job))
            assert answer.status_code == 200, answer.text
            assert jobs.ended(job, 20).state is JobState.CANCELLED
        assert jobs.backups() == before
        assert not any(path.name.endswith(".partial") for path in jobs.directories())
    assert jobs.api.post(f"jobs/{job}/cancel").status_code == 409
    assert jobs.api.post(f"servers/{source.entry.name}/actions/job-cancel/mysqldump").status_code == 409


def test_a_reseeded_server_follows_also_where_servers_are_not_rejoined(served: World, jobs: Jobs) -> None:
    served.restarted(autorejoin=False)
    served.healthy()
    victim = served.replicas[0]
    destroy(victim)
    jobs.done("reseed/physicalmaster", victim)
    rebuilt(served, victim)


def test_old_backups_go_when_a_new_one_is_whole(served: World, jobs: Jobs) -> None:
    keep = {f"backup_keep_{period}": 0 for period in ("hourly", "daily", "weekly", "monthly", "yearly")}
    jobs.done("backup-physical")
    served.restarted(**keep)
    served.healthy()
    first = jobs.done("backup-logical").result["backup"]
    second = jobs.done("backup-logical")
    assert first in second.result["removed"]
    kinds = [backup.method.value for backup in jobs.backups()]
    assert sorted(kinds) == ["logical", "physical"]
    assert second.result["backup"] in [backup.id for backup in jobs.backups()]


def test_a_backup_comes_by_the_clock(served: World, jobs: Jobs) -> None:
    served.restarted(
        monitoring_scheduler=True,
        scheduler_db_servers_logical_backup_cron="*/3 * * * * *",
        scheduler_db_servers_analyze=False,
    )
    wait_until(lambda: _scheduled(jobs) != [], 40, "a scheduled backup")
    assert {job["state"] for job in _scheduled(jobs)} == {"done"}


def _scheduled(jobs: Jobs) -> list[dict[str, object]]:
    with contextlib.suppress(OSError):
        found = [job for job in jobs.api.read("jobs/list") if job["user"] == "scheduler"]
        return [job for job in found if job["state"] not in ("waiting", "running")]
    return []
