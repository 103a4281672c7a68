"""Wishes: what reaches the monitor, and how its receipts are answered."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from repman.model.command import Command, CommandKind, Receipt

from . import shop
from .conftest import Installation, Monitor

SWITCHOVER = "/api/clusters/shop/actions/switchover"
FAILOVER = "/api/clusters/shop/actions/failover"
BOOTSTRAP = "/api/clusters/shop/actions/replication/bootstrap/"
REFUSED = Receipt("refused", "No.", (("no-candidate", "There is nobody."), ("paused", "repman is paused.")))


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_switchover_answers_when_it_has_ended(
    client: FlaskClient, admin: dict, monitor: Monitor, method: str
) -> None:
    monitor.receipt = Receipt("done", "db2 is the writer.", plan="p1", new_writer="127.0.0.1:3302")
    answer = client.open(SWITCHOVER, method=method, headers=admin)
    assert answer.status_code == 200
    assert answer.json["writer"] == "127.0.0.1:3302"
    assert monitor.commands == [Command(CommandKind.SWITCHOVER, "shop", user="admin")]


@pytest.mark.parametrize("wish", ["db2", "db1002", "127.0.0.1:3302"])
@pytest.mark.parametrize("name", ["to", "prefmaster"])
def test_the_wished_writer_is_found_by_any_of_its_names(
    client: FlaskClient, admin: dict, monitor: Monitor, wish: str, name: str
) -> None:
    client.get(f"{SWITCHOVER}?{name}={wish}", headers=admin)
    client.post(SWITCHOVER, data={name: wish}, headers=admin)
    client.post(SWITCHOVER, json={name: wish}, headers=admin)
    assert [command.server for command in monitor.commands] == ["127.0.0.1:3302"] * 3


def test_an_unknown_wish_names_the_servers_there_are(client: FlaskClient, admin: dict, monitor: Monitor) -> None:
    answer = client.get(f"{SWITCHOVER}?to=db9", headers=admin)
    assert (answer.status_code, answer.json["known"]) == (404, ["db1", "db2", "db3"])
    assert monitor.commands == []


def test_two_different_wishes_are_refused(client: FlaskClient, admin: dict, monitor: Monitor) -> None:
    assert client.get(f"{SWITCHOVER}?to=db2&prefmaster=db3", headers=admin).status_code == 400
    assert monitor.commands == []


def test_a_dead_writer_cannot_be_switched_over(
    client: FlaskClient, admin: dict, monitor: Monitor, installation: Installation
) -> None:
    installation.publish(shop.unprotected())
    monitor.receipt = REFUSED
    answer = client.get(SWITCHOVER, headers=admin)
    assert (answer.status_code, answer.text) == (400, "Master failed")
    assert answer.content_type.startswith("text/plain")


def test_the_monitor_may_know_of_the_death_before_the_snapshot(
    client: FlaskClient, admin: dict, monitor: Monitor
) -> None:
    monitor.receipt = Receipt("refused", "It is dead.", (("writer-failed", "db1 is dead."),))
    answer = client.get(SWITCHOVER, headers=admin)
    assert (answer.status_code, answer.text) == (400, "Master failed")


@pytest.mark.parametrize("path", [SWITCHOVER, FAILOVER, BOOTSTRAP + "master-slave"])
def test_a_refusal_lists_every_reason(client: FlaskClient, admin: dict, monitor: Monitor, path: str) -> None:
    monitor.receipt = REFUSED
    answer = client.get(path, headers=admin)
    assert answer.status_code == 409
    assert answer.json["error"] == "No."
    assert [reason["code"] for reason in answer.json["reasons"]] == ["no-candidate", "paused"]


def test_a_plan_that_failed_is_no_success(client: FlaskClient, admin: dict, monitor: Monitor) -> None:
    monitor.receipt = Receipt("failed", "db2 did not follow in 5 s; db1 is the writer again.", plan="p2")
    answer = client.get(SWITCHOVER, headers=admin)
    assert (answer.status_code, answer.json["plan"]) == (500, "p2")
    assert "did not follow" in answer.json["error"]


@pytest.mark.parametrize(
    ("query", "force"), [("", False), ("?force=true", True), ("?force=1", True), ("?force=false", False)]
)
def test_a_failover_is_forced_only_by_word(
    client: FlaskClient, admin: dict, monitor: Monitor, query: str, force: bool
) -> None:
    assert client.post(FAILOVER + query, headers=admin).status_code == 200
    assert monitor.commands == [Command(CommandKind.FAILOVER, "shop", force=force, user="admin")]


def test_a_word_that_is_neither_yes_nor_no_changes_nothing(client: FlaskClient, admin: dict, monitor: Monitor) -> None:
    answer = client.post(f"{FAILOVER}?force=perhaps", headers=admin)
    assert (answer.status_code, monitor.commands) == (400, [])
    assert "perhaps" in answer.json["error"]


@pytest.mark.parametrize("topology", ["master-slave", "multi-tier-slave"])
def test_bootstrap_hands_on_topology_and_clean(
    client: FlaskClient, admin: dict, monitor: Monitor, topology: str
) -> None:
    monitor.receipt = Receipt("unchanged", "The cluster is healthy; nothing was changed.")
    assert client.post(f"{BOOTSTRAP}{topology}?clean=true", headers=admin).status_code == 200
    assert monitor.commands == [Command(CommandKind.BOOTSTRAP, "shop", clean=True, topology=topology, user="admin")]


def test_an_unknown_topology_names_those_that_can_be_built(client: FlaskClient, admin: dict, monitor: Monitor) -> None:
    answer = client.post(f"{BOOTSTRAP}ring", headers=admin)
    assert (answer.status_code, answer.json["supported"]) == (400, ["master-slave", "multi-tier-slave"])
    assert monitor.commands == []


def test_cleanup_and_reset_reach_the_monitor(client: FlaskClient, admin: dict, monitor: Monitor) -> None:
    assert client.post("/api/clusters/shop/actions/replication/cleanup", headers=admin).status_code == 200
    assert client.post("/api/clusters/shop/actions/reset-failover-control", headers=admin).status_code == 200
    assert [command.kind for command in monitor.commands] == [
        CommandKind.CLEANUP,
        CommandKind.RESET_FAILOVER_CONTROL,
    ]


def test_a_plan_is_previewed(client: FlaskClient, guest: dict, monitor: Monitor) -> None:
    preview = {"steps": ["promote db2"], "chosen": "db2"}
    monitor.receipt = Receipt("preview", "db2 would take over.", preview=preview)
    answer = client.get("/api/clusters/shop/plan/failover?to=db2", headers=guest)
    assert (answer.status_code, answer.json["steps"]) == (200, ["promote db2"])
    assert monitor.commands == [
        Command(CommandKind.PREVIEW, "shop", server="127.0.0.1:3302", preview_of="failover", user="guest")
    ]
    assert client.get("/api/clusters/shop/plan/lunch", headers=guest).status_code == 404


def test_without_a_monitor_nothing_can_be_ordered_and_all_can_be_read(client: FlaskClient, admin: dict) -> None:
    answer = client.get(SWITCHOVER, headers=admin)
    assert answer.status_code == 503
    assert "repman serve" in answer.json["error"]
    assert client.get("/api/clusters/shop", headers=admin).status_code == 200


@pytest.mark.parametrize("body", ["{", "[]", '"to"', "null", "\xff", "[" * 60000])
def test_a_malformed_body_changes_nothing(client: FlaskClient, admin: dict, monitor: Monitor, body: str) -> None:
    answer = client.post(SWITCHOVER, data=body, content_type="application/json", headers=admin)
    assert (answer.status_code, monitor.commands) == (400, [])
    assert "JSON object" in answer.json["error"]


@pytest.mark.parametrize("path", [SWITCHOVER, FAILOVER, BOOTSTRAP + "master-slave"])
def test_an_unknown_cluster_has_the_contract_s_text(client: FlaskClient, admin: dict, path: str) -> None:
    answer = client.get(path.replace("shop", "shoq"), headers=admin)
    assert (answer.status_code, answer.text) == (500, "No Cluster")


def test_head_never_acts(client: FlaskClient, admin: dict, monitor: Monitor) -> None:
    assert client.head(SWITCHOVER, headers=admin).status_code == 405
    assert monitor.commands == []
