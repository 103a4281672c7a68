"""Journal, history, accounts and audit trail on a real PostgreSQL, which the test starts for itself."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from repman.errors import JournalError, RepmanError
from repman.model.memory import Memory
from repman.model.plan import Outcome, Plan, PlanKind, Step, StepKind
from repman.model.position import MariadbGtid
from repman.model.snapshot import Event
from repman.state.accounts import Account, AccountStore
from repman.state.audit import AuditTrail, Entry
from repman.state.history import Crash, History
from repman.state.journal import Journal

pytestmark = pytest.mark.integration
psycopg = pytest.importorskip("psycopg", reason="the postgresql extra is not installed")

PLAN = Plan(PlanKind.FAILOVER, "shop", (Step(StepKind.FENCE, "a:1"), Step(StepKind.PROMOTE, "b:2")), "dead")


def _binaries() -> Path:
    """Where the server's programs are: named by the environment, or Debian's place."""
    named = os.environ.get("REPMAN_POSTGRESQL_BIN")
    places = [Path(named)] if named else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not places:
        pytest.skip("PostgreSQL is not installed (Debian package postgresql)")
    return places[-1]


@dataclass
class Postgresql:
    """A server of its own; as root it runs as nobody, since it refuses root."""

    binaries: Path
    directory: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"postgresql://repman@127.0.0.1:{self.port}/postgres"

    def create(self) -> None:
        command: list[str | Path] = [
            self.binaries / "initdb",
            "-D",
            self.directory / "data",
            "-U",
            "repman",
            "-A",
            "trust",
            "-N",
        ]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=60, user=self._user)

    def start(self) -> None:
        settings = (f"unix_socket_directories={self.directory}", f"port={self.port}", "fsync=off")
        options = [part for setting in settings for part in ("-c", setting)]
        command: list[str | Path] = [self.binaries / "postgres", "-D", self.directory / "data", *options]
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stderr=log, stdout=log, user=self._user)
        end = time.monotonic() + 20
        while time.monotonic() < end:
            try:
                Journal(self.url).close()
                return
            except JournalError:
                assert self.process.poll() is None, (self.directory / "log").read_text()
                time.sleep(0.05)
        raise AssertionError((self.directory / "log").read_text())

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)  # without waiting for clients
            self.process.wait(20)

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGQUIT)  # at once, without a checkpoint
        self.process.wait(20)

    @property
    def _user(self) -> str | None:
        return "nobody" if os.geteuid() == 0 else None


@pytest.fixture(scope="module")
def server() -> Iterator[Postgresql]:
    binaries = _binaries()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    directory = Path(tempfile.mkdtemp(prefix="repman-pg-"))
    if os.geteuid() == 0:
        shutil.chown(directory, "nobody")
    running = Postgresql(binaries, directory, port)
    try:
        running.create()
        running.start()
        yield running
    finally:
        running.stop()
        shutil.rmtree(directory)


def test_a_plan_and_a_memory(server: Postgresql) -> None:
    journal = Journal(server.url)
    name = journal.open_plan(PLAN, "e", 1.7e9)
    journal.assume(name, "it is dead")
    journal.intent(name, 0, PLAN.steps[0])
    journal.outcome(name, 0, Outcome(True, "späti"), 0.25)
    journal.intent(name, 1, PLAN.steps[1])
    other = Journal(server.url)
    found = other.unfinished("shop")
    assert found is not None
    assert (found.id, found.plan, found.started_at, found.assumptions) == (name, PLAN, 1.7e9, ("it is dead",))
    assert [(record.index, record.outcome) for record in found.steps] == [
        (0, Outcome(True, "späti")),
        (1, None),
    ]
    journal.close_plan(name, "done", "")
    assert other.unfinished("shop") is None
    assert [plan.id for plan in other.plans("shop", 5)] == [name]
    memory = Memory("shop", "a:1", MariadbGtid.parse("0-1-9"))
    journal.save_memory(Memory("shop"))
    journal.save_memory(memory)
    assert other.load_memory("shop") == memory
    journal.close()
    other.close()


def test_a_restarted_server_is_found_again(server: Postgresql) -> None:
    journal = Journal(server.url)
    name = journal.open_plan(PLAN, "e", 1.7e9)
    server.kill()
    with pytest.raises(JournalError, match="check that the database server runs"):
        journal.intent(name, 0, PLAN.steps[0])
    server.start()
    journal.intent(name, 0, PLAN.steps[0])
    server.kill()
    server.start()
    journal.outcome(name, 0, Outcome(True), 0.1)
    found = journal.unfinished("shop")
    assert found is not None
    assert found.id == name
    assert [record.outcome for record in found.steps] == [Outcome(True)]
    journal.close_plan(name, "done", "")
    journal.close()


def test_several_begin_at_the_same_time(server: Postgresql) -> None:
    with psycopg.connect(server.url) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    failed: list[Exception] = []
    together = threading.Barrier(6)

    def begin() -> None:
        history = History(server.url)
        try:
            together.wait()
            history.events("begin")
            Journal(server.url).close()
        except RepmanError as error:
            failed.append(error)
        finally:
            history.close()

    threads = [threading.Thread(target=begin) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def test_history(server: Postgresql) -> None:
    history = History(server.url)
    events = tuple(Event(1.7e9 + number, "INFO", f"number {number}") for number in range(50))
    crash = Crash("shop", "a:1", "b:2", 1.7e9, False, True, "0-1-9", "0-1-12")
    for event in events:
        history.append(event, "shop")
    history.append_crash(crash)
    history.close()
    assert (history.problem, history.dropped) == ("", 0)
    assert history.events("shop", 100) == events[::-1]
    assert history.crashes("shop") == (crash,)
    history.close()


def test_accounts_and_revoked_tokens(server: Postgresql) -> None:
    one, other = AccountStore(server.url), AccountStore(server.url)
    assert one.shared
    one.change("ann", "admin", lambda _: Account("ann", "hash", {"": frozenset({"db-logs"})}))
    one.revoke("token", "ann", 1e12)
    one.revoke("old", "ann", 1.0)
    one.revoke_all("ann")

    def more(number: int) -> None:
        store = (one, other)[number % 2]

        def add(account: Account | None) -> Account:
            assert account is not None
            return replace(account, grants={**account.grants, f"c{number}": frozenset()})

        store.change("ann", "admin", add)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(more, range(12)))
    known = other.read()
    assert len(known.accounts["ann"].grants) == 13
    assert (known.rounds, known.revoked, known.changes) == ({"ann": 1}, {"token", "old"}, 1 + 4 + 12)
    other.change("ann", "admin", lambda _: None)
    assert one.read().accounts == {}
    for store in (one, other):
        store.close()


def test_the_audit_trail(server: Postgresql) -> None:
    trail = AuditTrail(server.url, keep=5, keep_unproven=5)
    for number in range(30):
        trail.append(Entry(1.7e9, f"u{number}", number % 2 == 0, "::1", "POST", "/api/ä", status=200))
    found = [row for _, row in trail.entries(limit=100)]
    assert 10 <= len(found) <= 14
    assert found[0].user == "u29"
    assert trail.entries("shop") == []
    trail.close()


def test_an_old_store_is_migrated_once(server: Postgresql) -> None:
    """In a database of its own, with the tables of the first release of accounts, opened by many at once."""
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE older")
    url = server.url.replace("/postgres", "/older")
    with psycopg.connect(url) as connection:
        connection.execute(
            """
            CREATE TABLE account (name VARCHAR(128) PRIMARY KEY, password TEXT NOT NULL,
                created_by VARCHAR(128) NOT NULL, created_at FLOAT NOT NULL,
                changed_by VARCHAR(128) NOT NULL, changed_at FLOAT NOT NULL);
            CREATE TABLE account_grants (name VARCHAR(128), cluster VARCHAR(255), grants TEXT NOT NULL,
                PRIMARY KEY (name, cluster));
            CREATE TABLE token_round (name VARCHAR(128) PRIMARY KEY, round BIGINT NOT NULL);
            CREATE TABLE token_revoked (id VARCHAR(64) PRIMARY KEY, until FLOAT NOT NULL);
            CREATE TABLE account_changes ("only" BIGINT PRIMARY KEY, number BIGINT NOT NULL);
            INSERT INTO token_revoked VALUES ('t1', 4e9);
            """
        )

    def read(_: int) -> frozenset[str]:
        store = AccountStore(url)
        try:
            return store.read().revoked
        finally:
            store.close()

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(read, range(6))) == [{"t1"}] * 6
    trail, journal = AuditTrail(url), Journal(url)
    assert trail.entries() == []
    trail.close()
    journal.close()
    with psycopg.connect(url) as connection:
        numbers = {
            store: connection.execute(f"SELECT version_num FROM {store}_schema").fetchall()
            for store in ("accounts", "audit", "journal")
        }
        assert numbers == {"accounts": [("0002",)], "audit": [("0001",)], "journal": [("0001",)]}
        assert connection.execute("SELECT id, name FROM token_revoked").fetchall() == [("t1", "")]
