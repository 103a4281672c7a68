"""Settings over HTTP, on real files: what clients of replication-manager send, and who may send it."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from repman.config import load
from repman.config.changes import Wish, change, given
from repman.config.option import Option, Scope
from repman.config.options import ALIASES, OPTIONS
from repman.config.secrets import make_key
from repman.model.probe import probe_table
from repman.state.snapshots import Publisher
from repman.web.app import create_app

from . import shop
from .conftest import Installation

PASSWORD = "as-long-as-it-is-one"
ACCOUNTS = 'db-servers-credential = "repman:pw-of-repman"\nreplication-credential = "repl:pw-of-repl"\n'


@pytest.fixture
def main(tmp_path: Path) -> Path:
    path = tmp_path / "main.toml"
    path.write_text(
        f'[Default]\nmonitoring-datadir = "data"\nmonitoring-rundir = "run"\napi-credentials = "admin:{PASSWORD}"\n'
        f'[shop]\ndb-servers-hosts = "db1,db2,db3"\n{ACCOUNTS}'
    )
    return path


@pytest.fixture
def app(main: Path) -> Iterator[Flask]:
    settings, _ = load(main, ["shop.autorejoin=true"], {"REPMAN_SHOP_FAILOVER_LIMIT": "4"})
    Publisher(settings.service.rundir)
    made = create_app(settings)
    yield made
    made.extensions["repman"].history.close()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    client = app.test_client()
    token = client.post("/api/login", json={"username": "admin", "password": PASSWORD}).json["token"]
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    return client


ACTIONS = "/api/clusters/shop/settings/actions"


def value(client: FlaskClient, key: str) -> object:
    return client.get("/api/clusters/shop/settings").json[key]


@pytest.mark.parametrize(
    ("name", "key", "flipped"),
    [
        ("interactive", "failoverMode", "manual"),
        ("failover-mode", "failoverMode", "manual"),
        ("readonly", "failoverReadOnlyState", False),
        ("monitoring-pause", "monitoringPause", True),
        ("Monitoring-Pause", "monitoringPause", True),
    ],
)
def test_switches_in_both_vocabularies(client: FlaskClient, name: str, key: str, flipped: object) -> None:
    first = value(client, key)
    for path in (f"{ACTIONS}/switch/{name}", f"/api/clusters/shop/settings/switch/{name}"):
        assert client.get(path).status_code == 200
        assert value(client, key) == (flipped if value(client, key) != first else first)
    assert value(client, key) == first
    assert client.post(f"{ACTIONS}/switch/{name}").status_code == 200
    assert value(client, key) == flipped


def test_a_switch_that_only_replication_manager_has(client: FlaskClient) -> None:
    answer = client.get(f"{ACTIONS}/switch/rejoinflashback")
    assert (answer.status_code, answer.text.splitlines()[0]) == (501, "Setting Not Found")
    assert "autorejoin-flashback is known to replication-manager" in answer.text
    asked = client.get(f"{ACTIONS}/switch/verbosity", headers={"Accept": "application/json"})
    assert asked.status_code == 501
    assert asked.json["mistakes"]


@pytest.mark.parametrize(("path", "where"), [("switch/autorejoin", "--set"), ("set/failover-limit/9", "environment")])
def test_what_flags_and_environment_give_is_refused_with_the_place(client: FlaskClient, path: str, where: str) -> None:
    answer = client.post(f"{ACTIONS}/{path}")
    assert (answer.status_code, where in answer.json["error"]) == (409, True)


def test_values_in_base64_where_clients_send_them_so(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    # The six settings of replication-manager that are sent so are none of repman's yet: one of ours stands for them.
    name = "haproxy-api-write-backend"
    monkeypatch.setattr("repman.web.views.settings.IN_BASE64", frozenset({name}))
    sent = base64.b64encode(b"write side").decode()
    assert client.post(f"{ACTIONS}/set/{name}/{sent}").json["option"]["value"] == "write side"
    assert client.post(f"{ACTIONS}/set/{name}/not-base64!").status_code == 400
    assert client.post(f"{ACTIONS}/set/{name}", json={"value": "plain"}).json["option"]["value"] == "plain"


def test_an_empty_value(client: FlaskClient) -> None:
    assert client.post(f"{ACTIONS}/set/db-servers-ignored-hosts/db3").status_code == 200
    assert client.post(f"{ACTIONS}/set/db-servers-ignored-hosts/{{undefined}}").json["option"]["value"] == ""
    assert client.post(f"{ACTIONS}/set/db-servers-ignored-hosts/db3").status_code == 200
    assert client.post(f"{ACTIONS}/set/db-servers-ignored-hosts", json={"value": ""}).json["option"]["value"] == ""
    assert client.post(f"{ACTIONS}/set/db-servers-ignored-hosts").status_code == 400


def test_a_change_is_saved_without_a_monitor_and_that_is_said(client: FlaskClient) -> None:
    answer = client.post(f"{ACTIONS}/set/failover-time-limit/7").json
    assert "not running" in answer["monitor"]
    assert "when it starts" in answer["monitor"]
    assert answer["option"]["author"] == "admin"
    assert value(client, "failoverTimeLimit") == 7


def test_two_processes_see_a_change_at_once(main: Path, client: FlaskClient) -> None:
    other = create_app(load(main, (), {})[0])
    assert client.post(f"{ACTIONS}/set/failover-time-limit/7").status_code == 200
    live = other.extensions["repman"].live
    assert live.known.clusters[0].policy.failover_time_limit == 0
    assert live.settings.clusters[0].policy.failover_time_limit == 7
    other.extensions["repman"].history.close()


def test_every_option_is_listed_and_no_secret_shown(client: FlaskClient) -> None:
    listed = [
        each
        for path in ("/api/clusters/shop/settings/options", "/api/clusters/settings/options")
        for each in client.get(path).json["options"]
    ]
    assert {each["name"] for each in listed} == {option.name for option in OPTIONS if option.scope is not Scope.LINK}
    text = client.get("/api/clusters/shop/settings/options").text + client.get("/api/clusters/settings/options").text
    assert "pw-of-repman" not in text
    assert PASSWORD not in text


def test_nothing_can_be_changed_without_a_file(installation: Installation, admin: dict[str, str]) -> None:
    for path in ("settings/actions/set/failover-limit/3", "settings/reload", "settings/options"):
        answer = installation.client().get(f"/api/clusters/shop/{path}", headers=admin)
        assert (answer.status_code, "without a configuration file" in answer.text) == (503, True), path


def test_servers_are_added_under_free_names_and_dropped_from_every_list(client: FlaskClient) -> None:
    add = "/api/clusters/shop/actions/addserver"
    assert client.post(f"{ACTIONS}/set/db-servers-names/a,b,c").status_code == 200
    assert client.post(f"{add}/db4/3306").json["msg"] == "Monitor added"
    assert client.post(f"{add}/db4/3307/mariadb").json["msg"] == "Monitor added"
    assert value(client, "dbServersNames") == "a,b,c,db4,db4-3307"
    again = client.post(f"{add}/DB4/3306")
    assert (again.status_code, again.json["msg"]) == (
        409,
        "Error adding new mariadb monitor of DB4:3306: Server already exists",
    )
    assert client.post(f"{add}/db4/33060").status_code == 200, "another port is another server"
    assert client.post(f"{ACTIONS}/set/db-servers-prefered-master/db4-3307,a").status_code == 200
    assert client.post("/api/clusters/shop/actions/dropserver/db4/3307").json["msg"] == "Monitor dropped"
    assert value(client, "dbServersPreferedMaster") == "a"
    assert value(client, "dbServersHosts") == "db1,db2,db3,db4:3306,db4:33060"
    unknown = client.post("/api/clusters/none/actions/addserver/db4/3306")
    assert (unknown.status_code, unknown.json["msg"]) == (500, "Cluster Not Found")


ONLY_IN_FILE = [option for option in OPTIONS if option.only_in_file and option.scope is not Scope.LINK]


@pytest.mark.parametrize("option", ONLY_IN_FILE, ids=lambda option: option.name)
def test_what_names_programs_and_files_is_refused_to_everybody(client: FlaskClient, main: Path, option: Option) -> None:
    before = {path: path.read_bytes() for path in main.parent.rglob("*.toml")}
    names = (option.name, option.name.upper(), *(old for old, name in ALIASES.items() if name == option.name))
    for name in names:
        for root in ("/api/clusters/shop", "/api/clusters"):
            if option.scope is Scope.CLUSTER and root == "/api/clusters":
                continue
            path = f"{root}/settings/actions/set/{name}"
            for answer in (client.get(f"{path}/tmp/evil"), client.post(path, json={"value": "/tmp/evil"})):
                assert (answer.status_code, "only in the configuration file" in answer.json["error"]) == (409, True)
    flipped = client.post(f"{ACTIONS}/switch/{option.name}")
    assert flipped.status_code == 501
    assert {path: path.read_bytes() for path in main.parent.rglob("*.toml")} == before
    path = f"/api/clusters/{'shop/' if option.scope is Scope.CLUSTER else ''}settings/options"
    listed = {each["name"]: each["onlyInFile"] for each in client.get(path).json["options"]}
    assert listed[option.name]


@pytest.mark.parametrize(
    "option", [option for option in OPTIONS if option.scope is Scope.LINK], ids=lambda row: row.name
)
def test_an_option_of_a_link_is_changed_in_the_file_alone(client: FlaskClient, main: Path, option: Option) -> None:
    before = {path: path.read_bytes() for path in main.parent.rglob("*.toml")}
    for root in ("/api/clusters/shop", "/api/clusters"):
        answer = client.post(f"{root}/settings/actions/set/{option.name}", json={"value": "1"})
        assert answer.status_code == 501
        assert "change it in the configuration file, in [links.<name>], and reload" in answer.text
    assert {path: path.read_bytes() for path in main.parent.rglob("*.toml")} == before


def test_what_was_saved_of_a_path_before_can_be_forgotten(client: FlaskClient, main: Path) -> None:
    saved = main.parent / "data" / "shop" / "shop.toml"
    saved.parent.mkdir(parents=True, exist_ok=True)
    saved.write_text('[shop]\nsandbox-directory = "/tmp/old"\n')
    assert client.post(f"{ACTIONS}/clear/sandbox-directory").json["option"]["value"] == ""


@pytest.fixture
def clerk(app: Flask, client: FlaskClient) -> FlaskClient:
    """Somebody who may change settings, and little else."""
    grants = "global-settings cluster-settings"
    body = {"password": PASSWORD, "grants": grants}
    assert client.post("/api/monitor/actions/adduser/clerk", json=body).status_code == 200
    made = app.test_client()
    token = made.post("/api/login", json={"username": "clerk", "password": PASSWORD}).json["token"]
    made.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    return made


@pytest.mark.parametrize(
    "wish",
    [
        "set/api-credentials/admin:chosen-by-clerk",
        "set/api-user/admin:chosen-by-clerk",
        "set/API-Credential/x",
        "set/api-credentials-external/admin:chosen-by-clerk",
        "set/api-credentials-acl-allow/clerk:cluster",
        "set/api-credentials-acl-discard/admin:cluster-failover",
        "clear/api-credentials",
        "clear/api-credentials-acl-discard",
        "switch/api-credentials-secure-config",
        "set/api-credentials-secure-config/false",
        "clear/api-credentials-secure-config",
    ],
)
def test_nobody_gets_by_a_setting_what_he_does_not_hold(client: FlaskClient, clerk: FlaskClient, wish: str) -> None:
    for root in (ACTIONS, "/api/clusters/settings/actions"):
        if "secure-config" in wish and root != ACTIONS:
            continue
        answer = clerk.post(f"{root}/{wish}")
        assert (answer.status_code, "clerk lacks" in answer.text) == (403, True)
        assert "chosen-by-clerk" not in answer.text
    assert clerk.post("/api/clusters/settings/actions/set/api-token-timeout/5").status_code == 200
    body = {"username": "admin", "password": PASSWORD}
    assert client.post("/api/login", json=body).status_code == 200


def test_who_holds_every_grant_changes_accounts(client: FlaskClient, main: Path) -> None:
    make_key(main.parent / "key")
    main.write_text(main.read_text().replace("[shop]", 'monitoring-key-path = "key"\n[shop]'))
    value = f"admin:{PASSWORD},ann:another-password"
    answer = client.post("/api/clusters/settings/actions/set/api-credentials", json={"value": value})
    assert answer.status_code == 200, answer.text
    assert client.post("/api/login", json={"username": "ann", "password": "another-password"}).status_code == 200


def test_taking_a_change_back_does_not_drop_the_writer(app: Flask, client: FlaskClient) -> None:
    assert client.post(f"{ACTIONS}/set/db-servers-hosts/db1,db2,db3,{shop.WRITER}").status_code == 200
    snapshot = shop.snapshot()
    Publisher(app.extensions["repman"].settings.service.rundir).publish(snapshot, probe_table(snapshot, "keep", 60.0))
    for name in ("db-servers-hosts", "hosts"):
        answer = client.post(f"{ACTIONS}/clear/{name}")
        assert (answer.status_code, answer.json["reasons"][0]["code"]) == (409, "is-writer")
    assert client.post(f"{ACTIONS}/clear/db-servers-ignored-hosts").status_code == 200


@pytest.mark.parametrize("wrong", [["db1"], [], {"db1": 1}])
def test_a_value_is_one_word(client: FlaskClient, wrong: object) -> None:
    answer = client.post(f"{ACTIONS}/set/haproxy-api-write-backend", json={"value": wrong})
    assert (answer.status_code, "must be a string" in answer.json["error"]) == (400, True)


def test_null_is_no_value(client: FlaskClient) -> None:
    answer = client.post(f"{ACTIONS}/set/haproxy-api-write-backend", json={"value": None})
    assert (answer.status_code, "Say which value" in answer.json["error"]) == (400, True)
    # Nobody is wished for, so the only trouble is that no monitor runs.
    assert client.post("/api/clusters/shop/actions/switchover", json={"to": None}).status_code == 503


@pytest.mark.parametrize("name", ["switchover-timeout", "failover-timeout", "monitoring-inventory-interval"])
def test_what_is_waited_for_has_an_end(client: FlaskClient, name: str) -> None:
    assert client.post(f"{ACTIONS}/set/{name}/1e300").status_code == 400
    assert client.post("/api/clusters/shop/actions/switchover").status_code == 503


def test_a_change_in_the_middle_of_a_read_is_in_the_next_one(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = app.extensions["repman"]
    changes = iter([Wish("shop", "failover-time-limit", given("7"))])
    look = house.reader.get

    def look_after_a_change(name: str) -> object:
        for wish in changes:
            change(house.settings.source, [wish], "another process", "2026-11-21T05:30:00Z")
            house.live.announce()
        return look(name)

    for path in ("/api/clusters/shop", "/api/clusters", "/api/monitor"):
        limit = {"/api/clusters/shop": "7", "/api/clusters": "8", "/api/monitor": "9"}[path]
        assert client.get(path).status_code == 200
        changes = iter([Wish("shop", "failover-time-limit", given(limit))])
        with monkeypatch.context() as patch:
            patch.setattr(type(house.reader), "get", lambda self, name: look_after_a_change(name))
            assert client.get(path).status_code == 200
        assert f'"failoverTimeLimit":{limit}' in client.get(path).text, path


def test_a_mistake_of_ours_logs_no_value_of_a_secret(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def break_down(*_: object) -> None:
        raise RuntimeError("broken on purpose")

    monkeypatch.setattr("repman.web.changing.change", break_down)
    assert client.post(f"{ACTIONS}/set/db-servers-credential/root:hush-hush").status_code == 500
    assert client.post(f"{ACTIONS}/set/failover%0a2/1").status_code == 500
    assert "incident" in caplog.text
    assert "hush-hush" not in caplog.text
    assert "failover\n2" not in caplog.text
