"""What tests ask of the worker over the API, and what they look at afterwards."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import requests
from cluster import World
from cluster_repman import CLUSTER
from http_api import Api
from mariadb_stand import Server, wait_until

from repman.model.backup import Backup
from repman.model.job import Job, JobState
from repman.state.backups import BackupReader, place_of
from repman.state.jobs import JobStore

SCHEMA = "shelf"
OBJECTS = (
    f"CREATE DATABASE IF NOT EXISTS {SCHEMA}",
    f"USE {SCHEMA}",
    "CREATE TABLE book (id INT PRIMARY KEY AUTO_INCREMENT, title VARCHAR(200), body LONGTEXT)",
    "INSERT INTO book (title, body) SELECT MD5(seq), REPEAT(SHA2(seq, 512), 20) FROM seq_1_to_3000",
    "CREATE TABLE heap (a INT, b VARBINARY(20), c POINT) ENGINE=Aria",
    "INSERT INTO heap VALUES (1, x'00ff27', POINT(1, 2))",
    "CREATE VIEW titles AS SELECT title FROM book",
    "CREATE PROCEDURE nothing() SELECT 1",
    "CREATE TRIGGER shout BEFORE INSERT ON book FOR EACH ROW SET NEW.title = UPPER(NEW.title)",
    "CREATE EVENT tick ON SCHEDULE EVERY 1 DAY DO INSERT INTO book (title) VALUES ('tick')",
)


class Jobs:
    """The jobs of the shared cluster's worker."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.data = world.repman.place / "data"
        self.store = JobStore(f"sqlite:///{self.data}/jobs.db")
        self.api = Api(world)

    def ask(self, path: str, server: Server | None = None, **arguments: str) -> requests.Response:
        root = f"servers/{server.entry.name}/" if server else ""
        return self.api.post(f"{root}actions/{path}", **arguments)

    def start(self, path: str, server: Server | None = None, **arguments: str) -> str:
        answer = self.ask(path, server, **arguments)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text}; {self.world.repman.shown()}"
        assert answer.json()["status"] == "started"
        return str(answer.json()["job"])

    def job(self, identifier: str) -> Job:
        found = self.store.get(identifier)
        assert found is not None
        return found

    def ended(self, identifier: str, seconds: float = 90.0) -> Job:
        wait_until(lambda: self.job(identifier).state.ended, seconds, f"{self.job(identifier)} to end")
        return self.job(identifier)

    def at_step(self, identifier: str, words: str) -> None:
        wait_until(lambda: self.job(identifier).step.startswith(words), 30, f"{words}: {self.job(identifier)}")

    def done(self, path: str, server: Server | None = None, **arguments: str) -> Job:
        job = self.ended(self.start(path, server, **arguments))
        assert job.state is JobState.DONE, f"{job}; {self.world.repman.shown()}"
        return job

    def failed(self, path: str, server: Server | None = None, **arguments: str) -> Job:
        job = self.ended(self.start(path, server, **arguments))
        assert job.state is JobState.FAILED, job
        return job

    def backups(self) -> tuple[Backup, ...]:
        return BackupReader(self.data).backups(CLUSTER)

    def directories(self) -> list[Path]:
        return sorted(place_of(self.data, CLUSTER).iterdir())

    def held(self, server: Server) -> str:
        view = self.world.repman.looked().server(server.address)
        assert view is not None
        return view.held

    def tidy(self) -> None:
        for job in self.store.open():
            self.api.post(f"jobs/{job.id}/cancel")
        for job in self.store.open():
            self.ended(job.id)
        for server in self.world.servers:
            if self.held(server):
                self.world.repman.ask("hold", server.address, on=False)
        self.store.close()


@contextlib.contextmanager
def jobs_at(world: World) -> Iterator[Jobs]:
    """A healthy cluster with something of everything in it, on every server."""
    world.healthy()
    world.writer.write(f"DROP DATABASE IF EXISTS {SCHEMA}", *OBJECTS)
    aim = world.writer.value("@@gtid_binlog_pos")
    for replica in world.replicas:
        assert replica.value(f"MASTER_GTID_WAIT('{aim}', 10)") == 0, replica.entry.name
    jobs = Jobs(world)
    try:
        yield jobs
    finally:
        jobs.tidy()
        world.restore()
        world.writer.write(f"DROP DATABASE IF EXISTS {SCHEMA}")


def destroy(server: Server) -> None:
    """What a broken disk does."""
    server.kill()
    shutil.rmtree(server.entry.datadir)


def tables(server: Server) -> list[tuple[str, str]]:
    return sorted(
        server.run(
            "SELECT table_schema, table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE' "
            "AND table_schema NOT IN ('mysql', 'sys', 'information_schema', 'performance_schema')"
        )
    )


def checksums(server: Server) -> dict[tuple[str, str], object]:
    return {(schema, name): server.run(f"CHECKSUM TABLE `{schema}`.`{name}`")[0][1] for schema, name in tables(server)}


def routines(server: Server) -> list[tuple[object, ...]]:
    """Views, procedures, triggers and accounts, by what makes them."""
    return sorted(
        str(row)
        for row in (
            *server.run(f"SELECT table_name, view_definition FROM information_schema.views WHERE table_schema = '{SCHEMA}'"),
            *server.run(
                "SELECT routine_name, routine_definition, definer FROM information_schema.routines "
                f"WHERE routine_schema = '{SCHEMA}'"
            ),
            *server.run(
                "SELECT trigger_name, action_statement, definer FROM information_schema.triggers "
                f"WHERE trigger_schema = '{SCHEMA}'"
            ),
            *server.run(f"SELECT event_name, event_definition, definer FROM information_schema.events WHERE event_schema = '{SCHEMA}'"),
            *server.run("SELECT user, host, is_role FROM mysql.user WHERE user NOT IN ('root', 'mariadb.sys', 'mysql')"),
        )
    )  # fmt: skip


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
    differ = set(routines(server)) ^ set(routines(writer))
    assert not differ, differ
    events = server.run("SELECT DISTINCT status FROM information_schema.events")
    assert events == (("SLAVESIDE_DISABLED",),), events
    # Whatever it has in its binary log is of the writer's.
    newest = {part.split("-")[1]: int(part.split("-")[2]) for part in writer.value("@@gtid_binlog_state").split(",")}
    for part in filter(None, str(server.value("@@gtid_binlog_state")).split(",")):
        _, origin, sequence = part.split("-")
        assert int(sequence) <= newest.get(origin, 0), f"{part} is not of the writer"
    for leftover in ("repman-old", "repman-new"):
        assert not Path(f"{server.entry.datadir}.{leftover}").exists()
