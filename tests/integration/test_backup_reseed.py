"""Backups that restore, and replicas that are rebuilt: on real servers, under writes, through the worker process."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import pytest
from cluster import World
from cluster_repman import CLUSTER
from mariadb_stand import Server, wait_until

from repman.model.backup import Backup
from repman.model.job import Job, JobState
from repman.model.work import Reply, Request
from repman.state.backups import BackupReader
from repman.state.bus import ask_worker
from repman.state.jobs import JobStore

SCHEMA = "shelf"


class Jobs:
    """What a test asks of the worker."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.data = world.repman.place / "data"
        self.store = JobStore(f"sqlite:///{self.data}/jobs.db")

    def ask(self, name: str, server: Server | None = None, **arguments: str) -> Reply:
        request = Request(name, CLUSTER, server.address if server else "", arguments, "tester")
        return ask_worker(self.world.repman.rundir / "worker.sock", request, 30.0)

    def start(self, name: str, server: Server | None = None, **arguments: str) -> str:
        reply = self.ask(name, server, **arguments)
        assert reply.status == "started", f"{reply}; {self.world.repman.shown()}"
        return reply.job

    def job(self, identifier: str) -> Job:
        found = self.store.get(identifier)
        assert found is not None
        return found

    def ended(self, identifier: str, seconds: float = 90.0) -> Job:
        wait_until(lambda: self.job(identifier).state.ended, seconds, f"{self.job(identifier)} to end")
        return self.job(identifier)

    def done(self, name: str, server: Server | None = None, **arguments: str) -> Job:
        job = self.ended(self.start(name, server, **arguments))
        assert job.state is JobState.DONE, f"{job}; {self.world.repman.shown()}"
        return job

    def backups(self) -> tuple[Backup, ...]:
        return BackupReader(self.data).backups(CLUSTER)


@pytest.fixture
def jobs(world: World):
    made = Jobs(world)
    world.writer.write(
        f"CREATE DATABASE IF NOT EXISTS {SCHEMA}",
        f"CREATE TABLE IF NOT EXISTS {SCHEMA}.book (id INT PRIMARY KEY AUTO_INCREMENT, title VARCHAR(200), body LONGTEXT)",
        f"INSERT INTO {SCHEMA}.book (title, body) SELECT MD5(seq), REPEAT(SHA2(seq, 512), 20) FROM {SCHEMA}.seq_1_to_5000",
    )
    yield made
    for server in world.servers:
        if held(world, server):
            world.repman.ask("hold", server.address, on=False)
    world.writer.write(f"DROP DATABASE IF EXISTS {SCHEMA}")
    made.store.close()


def held(world: World, server: Server) -> str:
    view = world.repman.snapshot.server(server.address)
    assert view is not None
    return view.held


def destroy(server: Server) -> None:
    """What a broken disk does."""
    with contextlib.suppress(TypeError):
        server.kill()
    shutil.rmtree(server.entry.datadir)


def tables(server: Server) -> list[tuple[str, str]]:
    system = "('mysql', 'sys', 'information_schema', 'performance_schema')"
    return sorted(
        server.run(
            "SELECT table_schema, table_name FROM information_schema.tables "
            f"WHERE table_schema NOT IN {system} AND table_type = 'BASE TABLE'"
        )
    )


def checksums(server: Server) -> dict[tuple[str, str], object]:
    return {name: server.run("CHECKSUM TABLE `{}`.`{}`".format(*name))[0][1] for name in tables(server)}


def rebuilt(world: World, server: Server) -> None:
    """It replicates, has what all have, and wrote nothing itself."""
    world.healthy(40)
    writer = world.writer
    aim = writer.value("@@gtid_binlog_pos")
    for replica in world.replicas:
        assert replica.value(f"MASTER_GTID_WAIT('{aim}', 20)") == 0
    wanted = checksums(writer)
    assert len(wanted) > 1
    for replica in world.replicas:
        assert checksums(replica) == wanted
    own = server.value("@@server_id")
    newest = {part.split("-")[1]: int(part.split("-")[2]) for part in writer.value("@@gtid_binlog_state").split(",")}
    for part in filter(None, str(server.value("@@gtid_binlog_state")).split(",")):
        _, origin, sequence = part.split("-")
        assert int(sequence) <= newest.get(origin, 0), f"{part} is of {own} and not of the writer"
    assert not Path(f"{server.entry.datadir}.repman-old").exists()
    assert not Path(f"{server.entry.datadir}.repman-new").exists()


@pytest.mark.parametrize("kind", ["logical", "physical"])
def test_a_backup_brings_a_destroyed_replica_back(world: World, jobs: Jobs, kind: str) -> None:
    with world.traffic() as traffic:
        made = jobs.done(f"backup-{kind}")
        backup = jobs.backups()[-1]
        assert made.result["backup"] == backup.id
        assert backup.method.value == kind
        assert backup.source in [replica.address for replica in world.replicas]
        traffic.flows()
        victim = world.replicas[-1]
        destroy(victim)
        traffic.flows()
        job = jobs.done("reseed", victim, method=f"{kind}backup")
        assert job.result["gtid"] == backup.gtid
        traffic.flows()
        world.nothing_lost(traffic)
    rebuilt(world, victim)


@pytest.mark.parametrize("kind", ["logical", "physical"])
def test_the_writer_fills_a_destroyed_replica(world: World, jobs: Jobs, kind: str) -> None:
    with world.traffic() as traffic:
        victim = world.replicas[0]
        destroy(victim)
        job = jobs.done("reseed", victim, method=f"{kind}master")
        assert job.bytes_done >= 0
        traffic.flows()
        world.nothing_lost(traffic)
    rebuilt(world, victim)
