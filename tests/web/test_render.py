"""Renderers: golden documents, and the contract's keys with the contract's types.

A golden file is written anew by deleting it and running the test once; look at the difference before you
commit it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from page_contract import misfits

from repman.config.settings import Settings
from repman.model.command import Receipt
from repman.model.decision import ServerState
from repman.model.observation import Reach, Receiver, ServerSeen
from repman.model.snapshot import Event, ServerView, Snapshot
from repman.state.history import Crash
from repman.web.acl import users_of
from repman.web.render.cluster import render_cluster
from repman.web.render.config import config_key, render_config
from repman.web.render.crash import render_crash
from repman.web.render.empty import unobserved
from repman.web.render.logs import render_alerts, render_events, render_log_lines
from repman.web.render.monitor import Host, render_monitor
from repman.web.render.proxy import render_proxy
from repman.web.render.receipt import render_receipt
from repman.web.render.replication import render_health
from repman.web.render.server import render_replicas, render_servers, render_writer

from . import shop

HERE = Path(__file__).parent
SETTINGS: Settings = shop.settings(Path("/srv/repman"))
CLUSTER = SETTINGS.clusters[0]
USERS = users_of(SETTINGS.service)
HOST = Host("linux", "amd64", "box", {"Uid": "1", "Gid": "1", "Username": "repman", "Name": "", "HomeDir": "/"})


def fallen() -> Snapshot:
    """The old writer refuses connections; what it last said is kept."""
    snapshot = shop.unprotected()
    first, *others = snapshot.servers
    seen = ServerSeen(shop.WRITER, Reach.REFUSED, 13.0, "connection refused")
    dead = replace(
        first, seen=seen, last=first.seen, state=ServerState.FAILED, previous_state=ServerState.MASTER, failures=4
    )
    return replace(snapshot, servers=(dead, *others))


def a_cluster(snapshot: Snapshot) -> dict[str, Any]:
    return render_cluster(snapshot, CLUSTER, USERS, "/srv/repman/data")


CASES: dict[str, Callable[[], Any]] = {
    "cluster": lambda: a_cluster(shop.snapshot()),
    "cluster-fallen": lambda: a_cluster(fallen()),
    "cluster-unobserved": lambda: a_cluster(unobserved(CLUSTER.policy)),
    "monitor": lambda: render_monitor(SETTINGS, [shop.snapshot()], HOST) | {"version": "0", "fullVersion": "0"},
    "servers": lambda: render_servers(shop.snapshot()),
    "servers-fallen": lambda: render_servers(fallen()),
    "proxy": lambda: render_proxy(shop.snapshot(), CLUSTER.haproxies[0]),
    "alerts": lambda: render_alerts(fallen()),
    "logs": lambda: render_log_lines("shop", shop.snapshot().events),
    "events": lambda: render_events(shop.snapshot().events),
    "crash": lambda: render_crash(Crash("shop", "a:1", "b:2", 1.7e9, False, True, "0-1-9", "0-1-8", "0-1-9", "p1")),
    "receipt": lambda: render_receipt(Receipt("refused", "No.", (("paused", "It is paused."),), "p1")),
}


@pytest.mark.parametrize("name", CASES)
def test_golden(name: str) -> None:
    path = HERE / "golden" / f"{name}.json"
    text = json.dumps(CASES[name](), indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    if not path.exists():
        path.write_text(text, encoding="utf-8")
        pytest.fail(f"{path} was missing and has been written; look at it and run again")
    assert json.loads(text) == json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", ["monitor", "cluster", "cluster-fallen", "cluster-unobserved"])
def test_every_key_of_the_contract_is_there_with_its_type(name: str) -> None:
    document = CASES[name]()
    assert misfits(document, name.split("-")[0]) == []


def test_every_key_of_a_server_is_there() -> None:
    for server in render_servers(shop.snapshot()):
        assert misfits(server, "server") == []


def test_no_secret_is_in_any_document() -> None:
    secrets = (shop.ADMIN.password, shop.GUEST.password, "db-secret", "repl-secret")
    told = json.dumps([make() for make in CASES.values()])
    assert [secret for secret in secrets if secret in told] == []


def test_protection_and_its_reasons_are_told_in_both_spellings() -> None:
    document = a_cluster(fallen())
    assert document["protected"] is False
    assert document["blockedBy"] == document["blocked_by"]
    assert document["blocked_by"][0]["code"] == "no-candidate"
    assert a_cluster(shop.snapshot())["protected"] is True


def test_a_dead_writer_is_nobody_s_master() -> None:
    assert render_writer(fallen()) is None
    assert render_writer(unobserved(CLUSTER.policy)) is None
    writer = render_writer(shop.snapshot())
    assert writer is not None
    assert (writer["id"], writer["name"], writer["port"]) == ("db1001", "db1", "3301")


def test_events_of_one_moment_keep_their_order() -> None:
    events = [Event(5.0, "INFO", "third"), Event(5.0, "INFO", "second"), Event(5.0, "INFO", "first")]
    later = Event(6.0, "INFO", "fourth")
    told = [event["text"] for event in render_events([*events, later])]
    assert told == ["fourth", "third", "second", "first"]


def test_replicas_are_the_servers_that_replicate() -> None:
    assert [server["name"] for server in render_replicas(fallen())] == ["db2", "db3"]


def link_changed(view: ServerView, **changes: Any) -> ServerView:
    return replace(view, seen=replace(view.seen, links=(replace(view.seen.links[0], **changes),)))


@pytest.mark.parametrize(
    ("changes", "health"),
    [
        ({}, "Running OK"),
        ({"lag": 3.0}, "Behind master"),
        ({"receiver": Receiver.CONNECTING}, "NOT OK, IO Connecting"),
        ({"receiver": Receiver.STOPPED, "receiver_errno": 1236}, "NOT OK, IO Stopped (1236)"),
        ({"applier_running": False, "applier_errno": 1062}, "NOT OK, SQL Stopped (1062)"),
        ({"receiver": Receiver.STOPPED, "applier_running": False}, "NOT OK, ALL Stopped"),
    ],
)
def test_replication_health(changes: dict[str, Any], health: str) -> None:
    snapshot = shop.snapshot()
    assert render_health(snapshot, link_changed(snapshot.servers[1], **changes)) == health


def test_health_of_the_others() -> None:
    snapshot = shop.snapshot()
    writer, replica, _ = snapshot.servers
    assert render_health(snapshot, writer) == "Master OK"
    assert render_health(snapshot, replace(replica, maintenance=True)) == "Maintenance"
    assert render_health(replace(snapshot, in_failover=True), replica) == "In Failover"
    alone = replace(replica, seen=replace(replica.seen, links=()), state=ServerState.STANDALONE)
    assert render_health(snapshot, alone) == "Not a slave"


@pytest.mark.parametrize(
    ("option", "key"),
    [
        ("failover-max-slave-delay", "failoverMaxSlaveDelay"),
        ("failover-readonly-state", "failoverReadOnlyState"),
        ("http-bind-address", "httpBindAdress"),
        ("monitoring-ticker", "monitoringTicker"),
        ("verbose", "verbose"),
    ],
)
def test_config_keys_are_those_that_clients_know(option: str, key: str) -> None:
    assert config_key(option) == key


def test_any_option_value_becomes_json() -> None:
    odd = {"a-b": Path("/x"), "c": ("1", 2), "d": None, "e": ServerState.MASTER}
    assert json.loads(json.dumps(render_config(odd))) == {"aB": "/x", "c": ["1", 2], "d": None, "e": "Master"}
