"""The real process: gunicorn with two workers, started and stopped as the supervisor does it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from repman.config.settings import Settings
from repman.model.command import Command, Receipt
from repman.model.probe import probe_table
from repman.state.bus import monitor_server
from repman.state.snapshots import Publisher
from repman.web import process

from . import shop

pytestmark = pytest.mark.slow


@dataclass
class Running:
    url: str
    settings: Settings
    process: multiprocessing.process.BaseProcess


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def reachable(url: str, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            return requests.get(f"{url}/api/status", timeout=1).ok
        except requests.ConnectionError:
            threading.Event().wait(0.02)
    return False


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    port = free_port()
    settings = shop.settings(tmp_path, http_port=port, http_workers=2)
    publisher = Publisher(settings.service.rundir)
    publisher.publish(shop.snapshot(), probe_table(shop.snapshot(), "keep", 60.0))
    child = multiprocessing.get_context("spawn").Process(target=process.run, args=(settings,))
    child.start()
    made = Running(f"http://127.0.0.1:{port}", settings, child)
    assert reachable(made.url, 20), "gunicorn does not answer"
    yield made
    if child.is_alive():
        child.kill()
    child.join(10)


def login(url: str, password: str = shop.ADMIN.password) -> requests.Response:
    body = {"username": "admin", "password": password}
    return requests.post(f"{url}/api/login", json=body, timeout=5, headers={"Connection": "close"})


def test_all_workers_accept_one_token_and_count_failures_together(running: Running) -> None:
    bearer = {"Authorization": "Bearer " + login(running.url).json()["token"], "Connection": "close"}
    path = f"{running.url}/api/clusters/shop/topology/servers"
    assert {requests.get(path, headers=bearer, timeout=5).status_code for _ in range(20)} == {200}
    assert [login(running.url, "guess").status_code for _ in range(7)] == [403] * 5 + [429] * 2


def test_the_page_and_the_probes_are_on_the_same_port(running: Running) -> None:
    assert "<title>repman</title>" in requests.get(running.url, timeout=5).text
    assert requests.get(f"{running.url}/clusters/shop/servers/db1/master-status", timeout=5).status_code == 200


def test_reads_go_on_while_plans_run(running: Running) -> None:
    ended, started = threading.Event(), threading.Semaphore(0)

    def handler(command: Command) -> Receipt:
        started.release()
        ended.wait(10)
        return Receipt("done", "Done.")

    server = monitor_server(running.settings.service.monitor_socket, handler)
    server.start()
    bearer = {"Authorization": "Bearer " + login(running.url).json()["token"]}
    codes: list[int] = []

    def order() -> None:
        path = f"{running.url}/api/clusters/shop/actions/switchover"
        codes.append(requests.post(path, headers=bearer, timeout=20).status_code)

    orders = [threading.Thread(target=order) for _ in range(8)]
    for each in orders:
        each.start()
    for _ in orders:
        assert started.acquire(timeout=5)
    assert all(requests.get(f"{running.url}/api/clusters", headers=bearer, timeout=2).ok for _ in range(10))
    ended.set()
    for each in orders:
        each.join(10)
    server.close()
    assert codes == [200] * 8


def test_clients_that_fall_silent_keep_nobody_out(running: Running) -> None:
    port = int(running.url.rpartition(":")[2])
    begun = [socket.create_connection(("127.0.0.1", port)) for _ in range(60)]
    for client in begun[:40]:
        client.sendall(b"GET /api/clus")
    for client in begun[40:]:
        client.sendall(b"POST /api/login HTTP/1.1\r\nHost: a\r\nContent-Length: 90\r\n\r\n{")
    try:
        assert requests.get(f"{running.url}/api/status", timeout=20).ok
        begun[-1].settimeout(20)
        assert begun[-1].recv(100).startswith(b"HTTP/1.1 400 ")
    finally:
        for client in begun:
            client.close()


def test_sigterm_ends_it_cleanly(running: Running) -> None:
    assert running.process.pid is not None
    os.kill(running.process.pid, signal.SIGTERM)
    running.process.join(8)
    assert running.process.exitcode == 0
    assert not reachable(running.url, 0.2)
