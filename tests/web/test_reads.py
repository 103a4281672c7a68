"""Reads and errors over HTTP."""

from __future__ import annotations

import logging
import random
from dataclasses import replace
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from repman.model.snapshot import Event, Snapshot
from repman.state import codec
from repman.state.history import Crash
from repman.web.app import create_app
from repman.web.routes import ROUTES

from . import shop
from .conftest import Installation, Monitor

CLUSTER = "/api/clusters/shop"


def test_the_published_document_is_given_whole(installation: Installation, client: FlaskClient, guest: dict) -> None:
    published = shop.snapshot()
    installation.publish(published)
    answer = client.get(f"{CLUSTER}/snapshot", headers=guest)
    assert codec.decode(Snapshot, answer.data) == published


@pytest.mark.parametrize(
    "path",
    [
        CLUSTER,
        f"{CLUSTER}/snapshot",
        f"{CLUSTER}/topology/servers",
        f"{CLUSTER}/topology/master",
        f"{CLUSTER}/topology/alerts",
        "/api/clusters",
        "/api/monitor",
    ],
)
def test_reads_say_how_old_they_are(installation: Installation, client: FlaskClient, guest: dict, path: str) -> None:
    published = shop.snapshot()
    installation.publish(replace(published, monotonic=published.monotonic - 40.0))
    answer = client.get(path, headers=guest)
    assert answer.status_code == 200
    assert 40.0 <= float(answer.headers["X-Repman-Age"]) < 45.0


def test_the_topology(client: FlaskClient, guest: dict) -> None:
    servers = client.get(f"{CLUSTER}/topology/servers", headers=guest).json
    assert [(one["id"], one["name"], one["state"]) for one in servers] == [
        ("db1001", "db1", "Master"),
        ("db1002", "db2", "Slave"),
        ("db1003", "db3", "Slave"),
    ]
    assert client.get(f"{CLUSTER}/topology/master", headers=guest).json["name"] == "db1"
    assert [one["name"] for one in client.get(f"{CLUSTER}/topology/slaves", headers=guest).json] == ["db2", "db3"]
    assert client.get(f"{CLUSTER}/topology/proxies", headers=guest).json[0]["state"] == "ProxyRunning"
    assert client.get(f"{CLUSTER}/topology/alerts", headers=guest).json["warnings"][0]["code"] == "replica-late"


def test_history_comes_newest_first_and_bounded(installation: Installation, client: FlaskClient, guest: dict) -> None:
    for number in range(5):
        installation.history.append(Event(1.7e9 + number, "INFO", f"line {number}"), "shop")
    installation.history.append(Event(1.8e9, "INFO", "elsewhere"), "stock")
    installation.history.append_crash(Crash("shop", "a:1", "b:2", 1.7e9, switchover=False))
    installation.history.close()
    events = client.get(f"{CLUSTER}/events?limit=2", headers=guest).json
    assert [event["text"] for event in events] == ["line 4", "line 3"]
    lines = client.get(f"{CLUSTER}/topology/logs", headers=guest).json
    assert lines[0] == "[shop] [general] INFO - line 4"
    assert len(lines) == 5
    assert client.get(f"{CLUSTER}/topology/crashes", headers=guest).json[0]["ElectedMasterURL"] == "b:2"


@pytest.mark.parametrize("limit", ["0", "-1", "many", "1e3", "99999999999", ""])
def test_a_limit_that_is_no_number_is_named(client: FlaskClient, guest: dict, limit: str) -> None:
    answer = client.get(f"{CLUSTER}/events?limit={limit}", headers=guest)
    assert answer.status_code == 400
    assert "from 1 to" in answer.json["error"]


def test_clusters_are_sorted_and_complete_before_the_first_look(tmp_path: Path) -> None:
    app = create_app(shop.settings(tmp_path, ("zoo", "shop")))
    client = app.test_client()
    token = client.post("/api/login", json={"username": "admin", "password": "right-horse"}).json["token"]
    bearer = {"Authorization": token}
    assert [one["name"] for one in client.get("/api/clusters", headers=bearer).json] == ["shop", "zoo"]
    answer = client.get("/api/clusters/zoo", headers=bearer)
    assert answer.json["blocked_by"][0]["code"] == "not-observed"
    assert "X-Repman-Age" not in answer.headers
    assert client.get("/api/clusters/zoo/topology/master", headers=bearer).json is None
    assert client.get("/api/monitor", headers=bearer).json["clusters"] == ["zoo", "shop"]
    app.extensions["repman"].history.close()


@pytest.mark.parametrize("path", ["", "/settings", "/topology/servers", "/topology/logs", "/topology/crashes"])
def test_an_unknown_cluster_on_routes_of_the_contract(client: FlaskClient, admin: dict, path: str) -> None:
    answer = client.get(f"/api/clusters/shoq{path}", headers=admin)
    assert (answer.status_code, answer.text) == (500, "No Cluster")


@pytest.mark.parametrize("path", ["/snapshot", "/events", "/plan/failover"])
def test_an_unknown_cluster_on_our_own_routes(client: FlaskClient, admin: dict, path: str) -> None:
    answer = client.get(f"/api/clusters/shoq{path}", headers=admin)
    assert answer.status_code == 404
    assert "shoq" in answer.json["error"]


@pytest.mark.parametrize("path", ["/nothing", "/api", "/api/", "/api/clusters/", "/api/clusters/shop/actions/lunch"])
def test_an_unknown_path(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert "docs/api.md" in answer.json["error"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", CLUSTER, {"GET", "HEAD", "POST"}),
        ("PUT", f"{CLUSTER}/actions/failover", {"GET", "HEAD", "POST"}),
        ("GET", "/api/login", {"POST"}),
        ("OPTIONS", CLUSTER, {"GET", "HEAD", "POST"}),
    ],
)
def test_a_wrong_method(client: FlaskClient, admin: dict, method: str, path: str, allowed: set[str]) -> None:
    answer = client.open(path, method=method, headers=admin)
    assert (answer.status_code, set(answer.headers["Allow"].split(", "))) == (405, allowed)
    assert "method" in answer.json["error"]
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_a_request_that_is_too_long(client: FlaskClient, admin: dict, monitor: Monitor) -> None:
    body = b'{"to": "' + b"x" * 1_100_000 + b'"}'
    for path in ("/api/login", f"{CLUSTER}/actions/switchover"):
        answer = client.post(path, data=body, content_type="application/json", headers=admin)
        assert answer.status_code == 413, path
        assert "too long" in answer.json["error"]
    assert monitor.commands == []


def test_our_own_mistakes_are_told_without_their_inside(
    installation: Installation,
    client: FlaskClient,
    guest: dict,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(cluster: str) -> Snapshot:
        raise KeyError("secret inside")

    monkeypatch.setattr(installation.app.extensions["repman"].reader, "get", broken)
    with caplog.at_level(logging.ERROR):
        answer = client.get(CLUSTER, headers=guest)
    assert answer.status_code == 500
    assert answer.json.keys() == {"error", "incident"}
    assert not any(word in answer.text for word in ("secret", "KeyError", "Traceback", ".py"))
    assert answer.json["incident"] in caplog.text
    assert "secret inside" in caplog.text


def test_a_history_that_cannot_be_read_says_what_to_do(installation: Installation, tmp_path: Path) -> None:
    settings = installation.settings
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "history.db").write_text("this is no database, not at all, it is only text" * 50)
    app = create_app(replace(settings, service=replace(settings.service, datadir=tmp_path / "broken")))
    client = app.test_client()
    token = client.post("/api/login", json={"username": "admin", "password": "right-horse"}).json["token"]
    answer = client.get(f"{CLUSTER}/events", headers={"Authorization": token})
    assert answer.status_code == 503
    assert "history" in answer.json["error"].lower()
    app.extensions["repman"].history.close()


def test_names_are_never_markup(client: FlaskClient, admin: dict) -> None:
    answer = client.get("/api/clusters/<script>alert(1)<script>/status", headers=admin)
    assert answer.status_code == 400
    assert answer.content_type.startswith("text/plain")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_no_input_makes_an_unexplained_error(client: FlaskClient, admin: dict, monitor: Monitor) -> None:
    """A thousand requests of odd parts: nothing is our mistake, every error has a text."""
    dice = random.Random(7)
    parts = [
        "shop",
        "db1",
        "..",
        "%00",
        "%2f",
        "ü",
        "'",
        "<b>",
        "",
        " ",
        "a" * 300,
        "127.0.0.1",
        "3301",
        "%",
        "?",
        "{}",
    ]
    bodies = [b"", b"{", b"[1]", b'{"to": []}', b'{"to": {"a": 1}}', b"to=db2&to=db3", b"\xff\xfe", b'{"force": 1e999}']
    kinds = ["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", "x"]
    headers = [admin, {}, {"Authorization": "Bearer \xff"}, {"Authorization": "Basic YTpi"}, {"Accept": "a/b;q=x"}]
    for _ in range(1000):
        path = dice.choice(ROUTES).path
        for variable in ("cluster", "server", "host", "port", "topology", "kind", "name"):
            path = path.replace(f"<{variable}>", dice.choice(parts))
        path = path[: path.index("<any")] + "is-master" if "<any" in path else path
        query = dice.choice(["", "?to=db2", "?to=%ff", "?force=x", "?limit=%00", "?to[]=1&&=", "?clean=true"])
        answer = client.open(
            path + query,
            method=dice.choice(["GET", "POST", "PUT", "HEAD", "OPTIONS", "TRACE"]),
            data=dice.choice(bodies),
            content_type=dice.choice(kinds),
            headers=dice.choice(headers),
        )
        assert answer.status_code < 500 or "incident" not in answer.text, (path, query, answer.text)
        explained = answer.text in ("No Cluster", "No cluster!", "Server Not Found", "") or "503 -" in answer.text
        explained |= '"msg":"Cluster Not Found"' in answer.text
        assert answer.status_code in (*range(500), 501, 503) or explained, (path, answer.text)
        assert not answer.headers.get("Location")
