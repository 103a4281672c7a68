"""What the worker says of a server becomes the answer that the API promises; nobody waits without bound."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from flask.testing import FlaskClient

from repman.model.work import Reply, Request
from repman.state.bus import worker_server

from .conftest import Installation

SERVER = "/api/clusters/shop/servers/db1"


@dataclass
class Worker:
    """Answers requests as the test says, and keeps them."""

    reply: Reply = field(default_factory=lambda: Reply("done"))
    requests: list[Request] = field(default_factory=list)
    goes_on: threading.Event = field(default_factory=threading.Event)
    entered: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def __call__(self, request: Request) -> Reply:
        self.requests.append(request)
        self.entered.release()
        assert self.goes_on.wait(10)
        return self.reply


@pytest.fixture
def worker(installation: Installation) -> Iterator[Worker]:
    script = Worker()
    script.goes_on.set()
    server = worker_server(installation.settings.service.worker_socket, script)
    server.start()
    yield script
    script.goes_on.set()
    server.close()


def test_a_read_asks_about_the_servers_address(client: FlaskClient, admin: dict[str, str], worker: Worker) -> None:
    worker.reply = Reply("done", document={"rows": [], "truncated": True})
    answer = client.get(f"{SERVER}/tables?limit=7", headers=admin)
    assert (answer.status_code, answer.json, answer.headers["X-Repman-Truncated"]) == (200, [], "true")
    [asked] = worker.requests
    assert (asked.name, asked.cluster, asked.arguments, asked.user) == ("tables", "shop", {"limit": "7"}, "admin")
    assert asked.server.count(":") == 1


@pytest.mark.parametrize(
    ("reply", "status", "words"),
    [
        (Reply("unreachable", "db1 cannot be reached", "unreachable"), 500, "503 -Not a Valid Server!"),
        (Reply("timeout", "db1 gave no answer", "deadline"), 504, '{"error":"db1 gave no answer","deadline":3.0}'),
        (Reply("refused", "too many", "busy"), 503, '{"error":"too many","code":"busy"}'),
        (Reply("refused", "off", "performance-schema-off"), 409, '{"error":"off","code":"performance-schema-off"}'),
        (Reply("refused", "no number", "bad-argument"), 400, '{"error":"no number","code":"bad-argument"}'),
        (Reply("failed", "SUPER", "right-missing"), 500, '{"error":"SUPER","code":"right-missing"}'),
    ],
    ids=lambda value: value.code if isinstance(value, Reply) else "",
)
def test_what_is_said_of_a_server(
    client: FlaskClient, admin: dict[str, str], worker: Worker, reply: Reply, status: int, words: str
) -> None:
    worker.reply = reply
    answer = client.get(f"{SERVER}/variables", headers=admin)
    assert (answer.status_code, answer.text) == (status, words)
    assert answer.headers.get("Retry-After") == ("1" if reply.code == "busy" else None)


def test_the_reason_is_told_to_who_asks_for_json(client: FlaskClient, admin: dict[str, str], worker: Worker) -> None:
    worker.reply = Reply("unreachable", "db1 cannot be reached: refused", "unreachable")
    answer = client.get(f"{SERVER}/variables", headers={**admin, "Accept": "application/json"})
    assert (answer.status_code, answer.json) == (
        500,
        {"error": "db1 cannot be reached: refused", "code": "unreachable"},
    )


def test_an_unknown_server_is_not_asked_for(client: FlaskClient, admin: dict[str, str], worker: Worker) -> None:
    assert client.get("/api/clusters/shop/servers/db9/status", headers=admin).text == "503 -Not a Valid Server!"
    act = client.post("/api/clusters/shop/servers/db9/actions/flush-logs", headers=admin)
    assert (act.status_code, act.text) == (500, "Server Not Found")
    assert worker.requests == []


def test_a_switch_is_told_its_side(client: FlaskClient, admin: dict[str, str], worker: Worker) -> None:
    worker.reply = Reply("done", document={"on": True, "changed": True})
    answer = client.post(f"{SERVER}/actions/toogle-slow-query", json={"to": "ON"}, headers=admin)
    assert answer.json == {"server": worker.requests[0].server, "on": True, "changed": True}
    assert (worker.requests[0].name, worker.requests[0].arguments) == ("toggle-slow-query", {"to": "on"})
    assert client.post(f"{SERVER}/actions/toogle-slow-query?to=up", headers=admin).status_code == 400
    assert client.head(f"{SERVER}/actions/toogle-slow-query", headers=admin).status_code == 405
    assert len(worker.requests) == 1


def test_a_few_wait_for_one_server_and_not_many_in_all(
    installation: Installation, admin: dict[str, str], worker: Worker
) -> None:
    worker.goes_on.clear()
    worker.reply = Reply("done", document={})

    def read(server: str) -> None:
        installation.client().get(f"/api/clusters/shop/servers/{server}/variables", headers=admin)

    def waiting(server: str, most: int) -> list[threading.Thread]:
        threads = [threading.Thread(target=read, args=(server,)) for _ in range(most)]
        for thread in threads:
            thread.start()
        for _ in threads:
            assert worker.entered.acquire(timeout=10)
        return threads

    def turned_away(server: str) -> bool:
        answer = installation.client().get(f"/api/clusters/shop/servers/{server}/variables", headers=admin)
        return (answer.status_code, answer.headers.get("Retry-After")) == (503, "1")

    threads = waiting("db1", 3)
    assert turned_away("db1")
    threads += waiting("db2", 3) + waiting("db3", 2)
    assert turned_away("db3")
    assert installation.client().get("/clusters/shop/servers/db1/master-status").status_code == 200
    worker.goes_on.set()
    for thread in threads:
        thread.join(10)
    assert not turned_away("db3")


def test_without_a_worker_reads_say_so(client: FlaskClient, admin: dict[str, str]) -> None:
    answer = client.get(f"{SERVER}/variables", headers=admin)
    assert answer.status_code == 503
    assert "repman worker" in answer.json["error"]  # type: ignore[index]


def test_not_all_threads_wait_for_databases_or_jobs(
    installation: Installation, client: FlaskClient, admin: dict[str, str], worker: Worker
) -> None:
    waits = installation.app.extensions["repman"].waits
    while waits.enter("admin"):
        pass
    paths = ("/api/clusters/shop/actions/waitdatabases", f"{SERVER}/actions/backup-logical?wait=true")
    for path in paths:
        answer = client.post(path, headers=admin)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert worker.requests == [], "nothing was begun"
    waits.leave("admin")
    assert client.post(paths[0], headers=admin).status_code == 200
