"""What becomes a row of the audit trail, and who may read it."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

import pytest
from flask.testing import FlaskClient

from repman.model.command import Receipt

from . import shop
from .conftest import Installation, Monitor

SWITCHOVER = "/api/clusters/shop/actions/switchover"


def rows(client: FlaskClient, headers: dict[str, str], path: str = "/api/audit") -> list[dict[str, Any]]:
    answer = client.get(path, headers=headers)
    assert answer.status_code == 200, answer.text
    return [row for row in answer.json if row["path"] != "/api/login"]  # type: ignore[union-attr]


def test_an_act_is_noted_with_its_outcome(
    client: FlaskClient, monitor: Monitor, admin: dict[str, str], guest: dict[str, str]
) -> None:
    monitor.receipt = Receipt("done", "db2 took over.", plan="plan-7")
    client.post(f"{SWITCHOVER}?to=db2&password=tops3cret&strange=1", headers=admin)
    monitor.receipt = Receipt("refused", "No server can take over.")
    client.get(SWITCHOVER, headers=admin)
    client.get(SWITCHOVER, headers=guest)
    client.get(SWITCHOVER)
    client.post("/api/clusters/none/actions/switchover", headers=admin)
    unknown, nobody, denied, refused, done = rows(client, admin)
    assert (done["user"], done["status"], done["plan"], done["sentence"]) == ("admin", 200, "plan-7", "db2 took over.")
    assert (done["method"], done["arguments"], done["cluster"]) == ("POST", "to=db2", "shop")
    assert (refused["status"], refused["sentence"], refused["method"]) == (409, "No server can take over.", "GET")
    assert (denied["user"], denied["proven"], denied["status"]) == ("guest", True, 403)
    assert (nobody["user"], nobody["proven"], nobody["status"]) == ("", False, 401)
    assert (unknown["cluster"], unknown["status"], unknown["sentence"]) == ("none", 500, "No Cluster")


def test_reads_leave_no_row(client: FlaskClient, admin: dict[str, str]) -> None:
    for path in ("/api/monitor", "/api/clusters", "/api/clusters/shop/topology/servers", "/api/audit"):
        assert client.get(path, headers=admin).status_code == 200
    assert rows(client, admin) == []


def test_what_fails_is_noted_too(client: FlaskClient, admin: dict[str, str]) -> None:
    assert client.post(SWITCHOVER, headers=admin).status_code == 503
    assert client.post(SWITCHOVER, headers=admin, data="{", content_type="application/json").status_code == 400
    malformed, down = rows(client, admin)
    assert down["status"] == 503
    assert "monitor" in down["sentence"]
    assert malformed["status"] == 400


def test_logins_are_noted_with_the_name_that_was_said(
    installation: Installation, client: FlaskClient, admin: dict[str, str]
) -> None:
    client.post("/api/login", json={"username": "admin", "password": "guess"})
    client.post("/api/login", json={"username": "x" * 5000 + "\0", "password": "guess"})
    client.post("/api/login", data='{"username": "\\ud800\\u0000", "password": "guess"}')
    client.post("/api/login", data="nonsense")
    found = client.get("/api/audit", headers=admin).json
    assert [(row["user"], row["proven"], row["status"]) for row in found] == [
        ("", False, 403),
        ("\\ud800\\0", False, 403),
        ("x" * 128, False, 403),
        ("admin", False, 403),
        ("admin", True, 200),
    ]


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "limit=5001", "before=0", "before=x"])
def test_a_page_that_is_no_number(client: FlaskClient, admin: dict[str, str], query: str) -> None:
    assert client.get(f"/api/audit?{query}", headers=admin).status_code == 400


def test_an_act_is_done_when_its_row_cannot_be_written(
    installation: Installation,
    client: FlaskClient,
    monitor: Monitor,
    admin: dict[str, str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    other = sqlite3.connect(installation.settings.service.datadir / "audit.db")
    other.execute("BEGIN EXCLUSIVE")
    assert client.post(SWITCHOVER, headers=admin).status_code == 200
    assert len(monitor.commands) == 1
    lost = [line.partition(": ")[2] for line in caplog.messages if line.startswith("not in the audit trail")]
    assert [json.loads(line)["user"] for line in lost] == ["admin"]
    other.rollback()
    other.close()


def test_a_mistake_of_ours_is_noted(
    client: FlaskClient, monitor: Monitor, admin: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("repman.web.views.actions.render_receipt", lambda receipt: 1 / 0)
    assert client.post(SWITCHOVER, headers=admin).status_code == 500
    assert [row["status"] for row in rows(client, admin)] == [500]


def test_only_who_may_reads_it(client: FlaskClient, admin: dict[str, str], guest: dict[str, str]) -> None:
    client.post(SWITCHOVER, headers=admin)
    for path in ("/api/audit", "/api/clusters/shop/audit"):
        assert client.get(path, headers=guest).status_code == 403
        assert len(rows(client, admin, path)) == 1
    assert client.get("/api/clusters/none/audit", headers=admin).status_code == 404
    assert shop.ADMIN.password not in client.get("/api/audit", headers=admin).text
