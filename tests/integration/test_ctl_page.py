"""``repman ctl`` as operators run it, on a real cluster: what each command does there, prints, and ends with."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cluster import World, free_port, listens
from cluster_repman import CLUSTER, PASSWORD
from mariadb_stand import Server, wait_until

SECRET = "correct-horse-battery"
SCENARIO = "testSwitchover2TimesReplicationOkSemiSyncNoRplCheck"


class Ctl:
    """Runs it, each time as a process of its own."""

    def __init__(self, world: World, place: Path) -> None:
        self.url = f"http://127.0.0.1:{world.standard['http_port']}"
        self.secure = f"https://127.0.0.1:{world.standard['api_port']}"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("REPMAN_")},
            "REPMAN_URL": self.url,
            "REPMAN_USER": "admin",
            "REPMAN_PASSWORD": PASSWORD,
            "XDG_CACHE_HOME": str(place),
            "COLUMNS": "200",
            "TERM": "xterm",
        }

    def __call__(
        self, *words: str, code: int = 0, stdin: str = "", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            self.argv(*words),
            input=stdin,
            capture_output=True,
            text=True,
            env={**self.environment, **environment},
            timeout=170,
            check=False,
        )
        assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def read(self, *words: str, **options: Any) -> Any:
        """What it prints as JSON."""
        return json.loads(self(*words, "--json", **options).stdout)

    def argv(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "repman", "ctl", *words]

    def at_a_terminal(self, *words: str) -> str:
        """All that it draws on a terminal; it must end well."""
        ours, theirs = pty.openpty()
        process = subprocess.Popen(self.argv(*words), stdout=theirs, stderr=theirs, env=self.environment)
        os.close(theirs)
        drawn = b""
        with os.fdopen(ours, "rb", buffering=0) as terminal, contextlib.suppress(OSError):
            while piece := terminal.read(4096):
                drawn += piece
        assert process.wait(10) == 0, drawn.decode()
        return drawn.decode()


@pytest.fixture(scope="module")
def served(shared_world: World) -> Iterator[World]:
    """The shared cluster with its API on both ports."""
    with shared_world.serving(api_server=True, api_port=free_port(), test=True):
        for port in (shared_world.standard["http_port"], shared_world.standard["api_port"]):
            wait_until(lambda port=port: listens(port), 20, "the API")
        yield shared_world


@pytest.fixture
def ctl(served: World, tmp_path: Path) -> Iterator[Ctl]:
    served.healthy()
    yield Ctl(served, tmp_path)
    for server in served.servers:
        served.repman.ask("hold", server.address, on=False)
        served.repman.ask("maintenance", server.address, on=False)
        served.repman.ask("start-server", server.address)
    served.restore()


def destroy(server: Server) -> None:
    """What a broken disk does."""
    with contextlib.suppress(TypeError):
        server.kill()
    shutil.rmtree(server.entry.datadir)


@pytest.mark.timeout(240)
def test_a_backup_is_watched_with_a_bar_and_brings_a_destroyed_replica_back(served: World, ctl: Ctl) -> None:
    served.writer.write(
        "CREATE DATABASE IF NOT EXISTS shelf",
        "CREATE TABLE shelf.book (id INT PRIMARY KEY, body LONGTEXT)",
        "INSERT INTO shelf.book SELECT seq, REPEAT(SHA2(seq, 512), 20) FROM shelf.seq_1_to_2000",
    )
    drawn = ctl.at_a_terminal("backups", "physical")
    assert "backup-physical" in drawn
    assert "100%" in drawn
    assert "━" in drawn, "the bar"
    backup = ctl.read("backups", "list")[-1]
    assert backup["method"] == "physical"
    assert backup["id"] in ctl("backups", "list").stdout

    victim = served.replicas[-1]
    destroy(victim)
    told = ctl("reseed", "physicalbackup", victim.entry.name, "--backup", backup["id"])
    assert f"reseed by physicalbackup of {victim.address}: done" in told.stdout
    steps = told.stderr.splitlines()
    assert len(steps) > 1, "a line for each step that is seen"
    assert steps[-1].endswith(": done")
    served.healthy(40)
    aim = served.writer.value("@@gtid_binlog_pos")
    assert victim.value(f"MASTER_GTID_WAIT('{aim}', 20)") == 0
    assert victim.run("CHECKSUM TABLE shelf.book") == served.writer.run("CHECKSUM TABLE shelf.book")
    served.writer.write("DROP DATABASE shelf")


@pytest.mark.timeout(120)
def test_jobs_are_begun_without_waiting_listed_followed_and_refused(served: World, ctl: Ctl) -> None:
    # There is a position, and no database but the servers' own: that, too, is backed up.
    served.writer.write("CREATE DATABASE shelf", "DROP DATABASE shelf")
    (job,) = ctl("backups", "logical", "--server", served.replicas[0].entry.name, "--no-wait").stdout.split()
    assert ctl.read("jobs", "follow", job)["state"] == "done"
    assert ctl.read("jobs", "show", job)["kind"] == "backup-logical"
    assert ctl.read("jobs", "list", "--state", "done")[0]["id"] == job
    assert job in ctl("jobs", "list").stdout
    assert "has ended already" in ctl("jobs", "cancel", job, code=3).stdout
    ctl("jobs", "follow", "nothing", code=2)
    assert ctl.read("reseed", "logicalmaster", served.writer.entry.name, code=3)["status"] == "refused"
    ctl("reseed", "by-magic", served.replicas[0].entry.name, code=2)
    assert ctl.read("checksum")["state"] == "done"
    optimized = ctl.read("optimize")
    assert [job["state"] for job in optimized] == ["done", "done"]
    assert {job["server"] for job in optimized} == {server.address for server in served.replicas}
    assert ctl.read("analyze", served.replicas[0].entry.name)["state"] == "done"


@pytest.mark.timeout(120)
def test_what_is_not_watched_any_more_goes_on(served: World, ctl: Ctl) -> None:
    served.writer.write(
        "CREATE DATABASE IF NOT EXISTS shelf",
        "CREATE TABLE shelf.much (id INT PRIMARY KEY, body LONGTEXT)",
        "INSERT INTO shelf.much SELECT seq, REPEAT(SHA2(seq, 512), 100) FROM shelf.seq_1_to_100",
    )
    argv = ctl.argv("backups", "logical", "--server", served.writer.entry.name)
    with contextlib.closing(served.writer.connect(served.writer.application)) as other, other.cursor() as cursor:
        # The backup waits for this table, so it cannot be done too early.
        cursor.execute("LOCK TABLES shelf.much WRITE")
        with subprocess.Popen(
            argv,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=ctl.environment,
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            first = process.stderr.readline()
            assert not first.endswith(": done\n")
            process.send_signal(signal.SIGINT)
            told = process.stderr.read()
            assert process.wait(20) == 130, told
    assert "it goes on" in told
    job = told.split("jobs cancel ")[1].split()[0]
    assert ctl.read("jobs", "follow", job)["state"] == "done"
    served.writer.write("DROP DATABASE shelf")


def test_settings_are_changed_shown_and_cleared(served: World, ctl: Ctl) -> None:
    before = ctl.read("settings", "get", "failover-limit")
    assert before["origin"] == "default"
    assert "failover-limit" in ctl("settings", "set", "failover-limit", "7").stdout
    changed = ctl.read("settings", "get", "failover-limit")
    assert (changed["value"], changed["origin"], changed["author"]) == (7, "override", "admin")
    listed = ctl("settings", "list", "--changed", "--like", "failover-lim").stdout
    assert "admin" in listed
    assert "7" in listed
    ctl("settings", "set", "failover-limit", stdin="8\n")
    assert ctl.read("settings", "get", "failover-limit")["value"] == 8
    ctl("settings", "clear", "failover-limit")
    assert ctl.read("settings", "get", "failover-limit") == before
    assert "failover-limit" in ctl("settings", "set", "failover-limit", "many", code=2).stderr
    assert "not-an-option" in ctl("settings", "set", "not-an-option", "1", code=2).stderr
    assert "failover-limit" in ctl("settings", "get", "failover-limits", code=2).stderr
    assert ctl.read("settings", "get", "failover-limit") == before
    mode = ctl.read("settings", "get", "failover-mode")["value"]
    ctl("settings", "switch", "failover-mode")
    assert ctl.read("settings", "get", "failover-mode")["value"] != mode
    ctl("settings", "clear", "failover-mode")
    ctl("settings", "reload")
    assert "http-port" in ctl("settings", "list", "--global").stdout


def test_users_are_made_log_in_within_their_grants_and_go(served: World, ctl: Ctl) -> None:
    ctl("users", "add", "eve", code=2)
    ctl("users", "add", "ann", "--grants", "cluster-show", stdin=f"{SECRET}\n")
    assert "ann" in ctl("users", "list").stdout
    nobody = {"REPMAN_USER": "", "REPMAN_PASSWORD": ""}
    ann = {"REPMAN_USER": "ann", "REPMAN_PASSWORD": SECRET}
    ctl("topology", code=5, **nobody)
    ctl("login", **ann)
    ctl("topology", **nobody)
    before = served.writer
    assert "cluster-switchover" in ctl("switchover", code=5, **nobody).stderr
    assert served.writer is before
    ctl("users", "update", "ann", "--grants", "cluster-switchover")
    ctl("switchover", **nobody)
    assert served.writer is not before
    ctl("logout", **nobody)
    ctl("topology", code=5, **nobody)
    ctl("logout", code=2, **nobody)
    switched = [row for row in ctl.read("audit", "--limit", "50") if row["path"].endswith("switchover")]
    assert (switched[0]["user"], switched[0]["status"]) == ("ann", 200)
    once = ctl.read("users", "add", "bob", "--everywhere", "--generate")["password"]
    ctl("password", REPMAN_USER="bob", REPMAN_PASSWORD=once, stdin=f"{SECRET}\n")
    ctl("topology", REPMAN_USER="bob", REPMAN_PASSWORD=SECRET)
    ctl("users", "revoke", "bob")
    ctl("users", "drop", "bob", "--everywhere")
    ctl("users", "drop", "ann")
    ctl("topology", code=5, **ann)
    assert "ann" not in ctl("users", "list").stdout


def test_a_server_is_stopped_started_and_kept_from_harm(served: World, ctl: Ctl) -> None:
    replica, writer = served.replicas[0], served.writer
    refused = ctl("servers", "stop", writer.entry.name, code=3).stdout
    assert "Refused; nothing was changed:" in refused
    assert "[is-writer]" in refused
    assert served.alive(writer)
    ctl("servers", "stop", replica.entry.name)
    assert not served.alive(replica)
    ctl("servers", "start", replica.entry.name)
    served.healthy(40)
    ctl("servers", "stop", "nobody", code=2)
    assert ctl.read("servers", "drop", writer.entry.name, code=3)["reasons"][0]["code"] == "is-writer"
    ctl("servers", "add", "db9:nonsense", code=2)


def test_a_server_is_maintained_rated_closed_and_promoted(served: World, ctl: Ctl) -> None:
    replica = served.replicas[0]
    name = replica.entry.name
    for wanted, shown in (("on", "Maintenance"), ("off", "Slave")):
        ctl("servers", "maintenance", name, wanted)
        served.repman.until(lambda seen, shown=shown: seen.server(name).state.value == shown, f"{name} to be {shown}")
    for verb in ("prefer", "ignore", "unrate"):
        ctl("servers", verb, name)
    ctl("servers", "stop-replication", name)
    assert replica.replica()["Slave_IO_Running"] == "No"
    ctl("servers", "start-replication", name)
    served.healthy()
    assert ctl.read("servers", "read-only", name, "off", code=3)["reasons"][0]["code"] == "not-the-writer"
    writer = served.writer
    ctl("servers", "read-only", writer.entry.name, "on")
    assert not served.is_open(writer)
    assert ctl.read("servers", "read-only", writer.entry.name, "on")["status"] == "unchanged"
    ctl("servers", "read-only", writer.entry.name, "off")
    served.healthy()
    ctl("servers", "promote", name)
    assert served.only_open() is replica


@pytest.mark.timeout(180)
def test_a_rolling_restart_is_watched(served: World, ctl: Ctl) -> None:
    pids = {server.entry.name: served.sandbox.pid(server.entry.name) for server in served.servers}
    writer = served.writer
    done = ctl("rolling-restart")
    assert "All 3 servers were restarted" in done.stdout
    assert "3 of 3 restarted" in done.stderr
    assert served.only_open() is writer
    assert all(served.sandbox.pid(name) != pid for name, pid in pids.items())


@pytest.mark.timeout(240)
def test_scenarios_are_played(served: World, ctl: Ctl) -> None:
    assert SCENARIO in ctl("tests", "list").stdout
    assert ctl("tests", "run", SCENARIO).stdout.startswith(f"PASS {SCENARIO}")
    assert "near it" in ctl("tests", "run", SCENARIO[:-3], code=2).stderr


def test_traffic_goes_on_and_off(served: World, ctl: Ctl) -> None:
    ctl("traffic", "start", "--rate", "50")
    wait_until(lambda: ctl.read("traffic", "show")["acknowledged"] > 10, 20, "traffic")
    assert ctl.read("traffic", "stop")["acknowledged"] > 10
    assert ctl.read("traffic", "show")["on"] is False


@pytest.mark.timeout(180)
def test_services_are_shown_unmade_and_made_again(served: World, ctl: Ctl) -> None:
    (host,) = ctl.read("services", "list")
    names = {service["name"] for service in host["services"]}
    assert names >= {server.entry.name for server in served.servers}
    told = ctl("services", "list").stdout
    assert all(name in told for name in names)
    ctl("proxies", "stop", "nobody", code=2)
    balancer = next(service["address"] for service in host["services"] if service["type"] == "proxy")
    ctl("proxies", "stop", balancer)
    ctl("proxies", "start", balancer)
    served.healthy(40)
    replica = served.replicas[0]
    ctl("servers", "unprovision", replica.entry.name)
    assert not Path(replica.entry.datadir).exists()
    assert "reseed" in ctl("servers", "provision", replica.entry.name, "--method", "physicalmaster").stdout
    served.healthy(40)


def test_one_server_is_looked_into(served: World, ctl: Ctl) -> None:
    replica = served.replicas[0].entry.name
    assert {row["variableName"] for row in ctl.read("show", "variables", replica, "--like", "server_i%")} == {
        "SERVER_ID"
    }
    for what in ("processlist", "status", "status-delta", "innodb", "tables", "schemas", "replication", "binlog"):
        assert ctl("show", what, replica).stdout.strip()
        ctl.read("show", what, replica)
    ctl("show", "processlist", "nobody", code=2)
    assert ctl("logs", "errors", replica).stdout.strip()
    ctl("logs", "slow", replica)
    assert ctl.read("logs", "collect", "error", replica)["state"] == "done"


def test_https_is_verified(served: World, ctl: Ctl, tmp_path: Path) -> None:
    told = ctl("topology", "--url", ctl.secure, code=4).stderr
    assert "--cacert" in told
    certificate = str(served.repman.place / "data" / "api-tls.crt")
    assert "Master" in ctl("topology", "--url", ctl.secure, "--cacert", certificate).stdout
    assert "Master" in ctl("topology", REPMAN_URL=ctl.secure, REPMAN_CACERT=certificate).stdout
    other = tmp_path / "other.pem"
    other.write_text("no certificate")
    ctl("topology", "--url", ctl.secure, "--cacert", str(other), code=2)
    assert "plain HTTP" in ctl("topology", "--url", ctl.url.replace("http:", "https:"), code=4).stderr


def test_a_worker_that_is_down_is_unreachable(served: World, ctl: Ctl) -> None:
    paused = threading.Event()

    def keep_down() -> None:
        while not paused.wait(0.05):
            with contextlib.suppress(Exception):
                served.repman.kill_one("worker")

    keeper = threading.Thread(target=keep_down)
    keeper.start()
    try:
        assert "worker" in ctl("traffic", "show", code=4).stderr
        assert CLUSTER in ctl("status").stdout
    finally:
        paused.set()
        keeper.join()
