"""The demo as a newcomer runs it: started, broken, repaired, stopped, removed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pymysql
import pytest
import requests

ROOT = Path(__file__).parents[2]
AT_MOST = 30.0
"""Seconds from installed packages to a healthy cluster."""


def demo(directory: Path, command: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-P", "-m", "repman.cli.demo", command, "--directory", str(directory)]
    return subprocess.run(words, capture_output=True, text=True, timeout=100, check=False, cwd="/")


def started(directory: Path) -> dict[str, Any]:
    ran = demo(directory, "start")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return json.loads((directory / "demo.json").read_bytes())


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    place = tmp_path_factory.mktemp("demo") / "var" / "demo"
    yield place
    assert demo(place, "reset").returncode == 0
    assert not place.exists()


@pytest.fixture
def facts(directory: Path) -> dict[str, Any]:
    return started(directory)


def through(facts: dict[str, Any], port: str = "write", *statements: str) -> tuple[Any, ...]:
    where = facts[port] | facts["db"]
    connection = pymysql.connect(**where, autocommit=True, connect_timeout=2, read_timeout=2)
    with closing(connection), connection.cursor() as cursor:
        for statement in statements or ("SELECT @@port, @@global.read_only",):
            cursor.execute(statement)
        return tuple(cursor.fetchall())


def writer(facts: dict[str, Any]) -> dict[str, Any]:
    ((port, _),) = through(facts)
    return next(server for server in facts["servers"] if server["port"] == port)


def pid_of(path: str) -> int:
    return int(Path(path).read_text())


def wait_until(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


def writes(facts: dict[str, Any]) -> bool:
    try:
        through(facts, "write", "REPLACE INTO shop.orders VALUES (1)")
    except pymysql.Error:
        return False
    return True


def test_from_nothing_to_a_protected_cluster(directory: Path) -> None:
    began = time.monotonic()
    ran = demo(directory, "start")
    seconds = time.monotonic() - began
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert seconds < AT_MOST
    facts = json.loads((directory / "demo.json").read_bytes())
    for shown in (facts["api_url"], facts["password"], facts["db"]["password"], "healthy and protected", "kill -9"):
        assert shown in ran.stdout
    assert (directory / "demo.json").stat().st_mode & 0o077 == 0
    assert set(facts) == {
        "api_url",
        "probe_url",
        "username",
        "password",
        "cluster",
        "write",
        "read",
        "db",
        "servers",
        "haproxy",
        "repman",
    }
    assert set(facts["servers"][0]) == {"name", "host", "port", "socket", "pid_file", "datadir", "start"}
    assert set(facts["haproxy"]) == {"pid_file", "stats_socket", "config"}
    for path in facts["repman"]["processes"].values():
        os.kill(pid_of(path), 0)
    for server in facts["servers"]:
        os.kill(pid_of(server["pid_file"]), 0)


def test_the_file_leads_to_a_working_api(facts: dict[str, Any]) -> None:
    account = {"username": facts["username"], "password": facts["password"]}
    token = requests.post(f"{facts['api_url']}/api/login", json=account, timeout=5).json()["token"]
    url = f"{facts['api_url']}/api/clusters/{facts['cluster']}/topology/servers"
    servers = requests.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=5).json()
    assert {server["name"] for server in servers} == {server["name"] for server in facts["servers"]}
    name = writer(facts)["name"]
    probe = f"{facts['probe_url']}/clusters/{facts['cluster']}/servers/{name}/master-status"
    assert requests.get(probe, timeout=5).status_code == 200


def test_a_killed_writer_is_replaced_and_rejoins_when_started(facts: dict[str, Any], directory: Path) -> None:
    through(facts, "write", "CREATE DATABASE IF NOT EXISTS shop")
    through(facts, "write", "CREATE TABLE IF NOT EXISTS shop.orders (id INT PRIMARY KEY)")
    old = writer(facts)
    os.kill(pid_of(old["pid_file"]), signal.SIGKILL)
    wait_until(lambda: writes(facts), 10)
    assert writer(facts) != old
    assert demo(directory, "status").returncode == 1
    back = subprocess.Popen(old["start"], env={}, cwd="/", stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: demo(directory, "status").returncode == 0, 20)
        assert writer(facts) != old
    finally:
        back.terminate()
        back.wait(20)


def test_it_repairs_whatever_is_dead_and_keeps_the_rest(facts: dict[str, Any], directory: Path) -> None:
    kept = writer(facts)
    stays = pid_of(kept["pid_file"])
    replica = next(server for server in facts["servers"] if server != kept)
    for path in (replica["pid_file"], facts["haproxy"]["pid_file"], facts["repman"]["processes"]["serve"]):
        os.kill(pid_of(path), signal.SIGKILL)
    assert started(directory) == facts
    assert pid_of(kept["pid_file"]) == stays
    assert writer(facts) == kept


def test_it_replaces_a_server_and_a_repman_that_hang(facts: dict[str, Any], directory: Path) -> None:
    kept = writer(facts)
    replica = next(server for server in facts["servers"] if server != kept)
    frozen = pid_of(replica["pid_file"])
    os.kill(frozen, signal.SIGSTOP)
    others = (facts["haproxy"]["pid_file"], *(facts["repman"]["processes"][name] for name in ("serve", "web")))
    hung = {path: pid_of(path) for path in others}
    for pid in hung.values():
        os.kill(pid, signal.SIGSTOP)
    assert started(directory) == facts
    assert pid_of(replica["pid_file"]) != frozen
    assert not [path for path, pid in hung.items() if pid_of(path) == pid]


def test_it_repairs_wrong_pid_files_and_lost_sockets(facts: dict[str, Any], directory: Path) -> None:
    server, web = facts["servers"][0], facts["repman"]["processes"]["web"]
    runs = pid_of(server["pid_file"])
    Path(server["pid_file"]).unlink()
    Path(web).write_text("1\n")
    Path(facts["haproxy"]["stats_socket"]).unlink()
    assert started(directory) == facts
    assert pid_of(server["pid_file"]) == runs
    assert pid_of(web) != 1
    assert Path(facts["haproxy"]["stats_socket"]).exists()


def test_what_a_killed_web_process_leaves_behind_is_not_taken_for_it(facts: dict[str, Any], directory: Path) -> None:
    killed = pid_of(facts["repman"]["processes"]["web"])
    os.kill(killed, signal.SIGKILL)
    started(directory)
    assert pid_of(facts["repman"]["processes"]["web"]) != killed
    assert demo(directory, "status").returncode == 0


def test_stop_keeps_the_data(facts: dict[str, Any], directory: Path) -> None:
    through(facts, "write", "CREATE DATABASE IF NOT EXISTS kept")
    assert demo(directory, "stop").returncode == 0
    assert demo(directory, "stop").returncode == 0
    for server in facts["servers"]:
        assert not Path(server["pid_file"]).exists()
    assert demo(directory, "status").returncode == 1
    left = [Path(server["pid_file"]) for server in facts["servers"]]
    for path in left:
        path.write_text("1\n")
    assert started(directory) == facts
    assert 1 not in [pid_of(str(path)) for path in left]
    assert ("kept",) in through(facts, "read", "SHOW DATABASES")


def test_an_interrupted_beginning_is_begun_again(tmp_path: Path) -> None:
    place = tmp_path / "demo"
    words = [sys.executable, "-P", "-m", "repman.cli.demo", "start", "--directory", str(place)]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL) as first:
        wait_until((place / "sandbox.json").exists, 20)
        first.kill()
    try:
        started(place)
    finally:
        assert demo(place, "reset").returncode == 0


def test_it_removes_only_what_it_made(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "sandbox.json").write_text("not one of ours")
    assert demo(tmp_path, "start").returncode == 1
    assert demo(tmp_path, "reset").returncode == 0
    assert demo(tmp_path, "stop").returncode == 0
    assert "there is no demo here" in demo(tmp_path, "status").stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_the_script_says_what_it_can_do() -> None:
    ran = subprocess.run([ROOT / "scripts" / "demo", "nonsense"], capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert "scripts/demo reset" in ran.stderr
