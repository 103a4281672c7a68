"""Accounts made at run time: who may make, change and drop which, and what becomes of tokens."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import jwt
import pytest
from flask import Flask
from werkzeug.test import TestResponse

from repman.config.settings import Credential
from repman.errors import StateError
from repman.state.accounts import EVERYWHERE, Account, AccountStore
from repman.web import passwords
from repman.web.acl import GRANTS, users_of
from repman.web.app import create_app
from repman.web.directory import Directory

from . import shop

SECRET = "correct-horse-battery"
READ = "/api/clusters/{}/topology/servers"


class Api:
    """Two processes of one web over two clusters, and who asks them."""

    def __init__(self, root: Path) -> None:
        self.settings = shop.settings(
            root,
            clusters=("shop", "other"),
            api_users=(shop.ADMIN, shop.GUEST, Credential("clerk", "clerks-password")),
            acl_allow={
                "admin": ("global", "cluster", "proxy", "db", "prov"),
                "clerk": ("cluster-grant", "cluster-switchover"),
            },
        )
        self.apps = [create_app(self.settings), create_app(self.settings)]

    def close(self) -> None:
        for app in self.apps:
            close(app)

    def login(self, name: str, password: str) -> TestResponse:
        body = {"username": name, "password": password}
        return self.apps[0].test_client().post("/api/login", json=body)

    def bearer(self, name: str, password: str) -> dict[str, str]:
        answer = self.login(name, password)
        assert answer.status_code == 200, answer.text
        return {"Authorization": f"Bearer {answer.json['token']}"}  # type: ignore[index]

    def post(self, path: str, who: Credential | dict[str, str], process: int = 0, **body: Any) -> TestResponse:
        headers = who if isinstance(who, dict) else self.bearer(who.user, who.password)
        return self.apps[process].test_client().post(path, json=body, headers=headers)

    def get(self, path: str, headers: dict[str, str], process: int = 0) -> TestResponse:
        return self.apps[process].test_client().get(path, headers=headers)

    def users(self, who: str, **body: Any) -> TestResponse:
        return self.post(f"/api/clusters/shop/users/{who}", shop.ADMIN, **body)


CLERK = Credential("clerk", "clerks-password")


def close(app: Flask) -> None:
    house = app.extensions["repman"]
    house.history.close()
    house.audit.close()
    house.directory.store.close()


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    made = Api(tmp_path)
    yield made
    made.close()


def test_a_user_is_made_with_the_password_that_was_sent(api: Api) -> None:
    answer = api.users("add", username="ann", password=SECRET, grants="cluster-switchover db-logs")
    assert answer.status_code == 200, answer.text
    assert answer.json == {
        "user": "ann",
        "cluster": "shop",
        "sentence": "ann is a user of shop now.",
        "grants": ["cluster-switchover", "db-logs"],
    }
    ann = api.bearer("ann", SECRET)
    assert api.get(READ.format("shop"), ann).status_code == 200
    assert api.post("/api/clusters/shop/actions/failover", ann).headers["X-Repman-Missing-Grant"] == "cluster-failover"
    # Granted: the monitor that would do it does not run.
    assert api.post("/api/clusters/shop/actions/switchover", ann).status_code == 503


def test_without_a_password_one_is_made_and_told_once(api: Api) -> None:
    told = api.users("add", username="ann").json["password"]
    assert len(told) >= 20
    assert api.login("ann", told).status_code == 200
    assert told not in api.get("/api/users", api.bearer("admin", shop.ADMIN.password)).text


def test_another_cluster_is_closed_and_not_even_listed(api: Api) -> None:
    api.users("add", username="ann", password=SECRET, grants="cluster")
    ann = api.bearer("ann", SECRET)
    answer = api.get(READ.format("other"), ann)
    assert (answer.status_code, answer.text) == (403, "No valid ACL")
    assert api.get(READ.format("none"), ann).status_code == 403
    assert [cluster["name"] for cluster in api.get("/api/clusters", ann).json] == ["shop"]
    monitor = api.get("/api/monitor", ann).json
    assert (monitor["clusters"], list(monitor["Confs"])) == (["shop"], ["shop"])
    assert "ann" in api.get("/api/clusters/shop", ann).json["apiUsers"]
    admin = api.bearer("admin", shop.ADMIN.password)
    assert "ann" not in api.get("/api/clusters/other", admin).json["apiUsers"]
    assert [user["user"] for user in api.get("/api/clusters/other/users", admin).json] == ["admin", "clerk", "guest"]


def test_a_user_is_let_into_a_second_cluster_with_the_password_he_has(api: Api) -> None:
    api.users("add", username="ann", password=SECRET, grants="db")
    path = "/api/clusters/other/users/add"
    assert api.post(path, shop.ADMIN, username="ann", password="another-one").status_code == 409
    answer = api.post(path, shop.ADMIN, username="ann", grants="cluster-switchover")
    assert "password" not in answer.json
    ann = api.bearer("ann", SECRET)
    assert api.get(READ.format("other"), ann).status_code == 200
    assert api.post("/api/clusters/shop/actions/switchover", ann).status_code == 403
    assert api.post("/api/clusters/other/actions/switchover", ann).status_code == 503


def test_nobody_gives_or_takes_a_grant_that_he_lacks(api: Api) -> None:
    for grants in ("cluster-failover", "cluster", ["cluster-switchover", "db-stop"]):
        answer = api.post("/api/clusters/shop/users/add", CLERK, username="tool", password=SECRET, grants=grants)
        assert answer.status_code == 403
        assert answer.json["missing_grant"] == answer.headers["X-Repman-Missing-Grant"] not in ("", "cluster-grant")
    assert api.login("tool", SECRET).status_code == 403

    assert (
        api.post("/api/clusters/shop/users/add", CLERK, username="tool", grants="cluster-switchover").status_code == 200
    )
    path = "/api/clusters/shop/users/update"
    assert api.post(path, CLERK, username="tool", grants="db-stop").status_code == 403
    assert api.post(path, CLERK, username="tool", grants="").status_code == 200
    api.users("update", username="tool", grants="db-stop")
    for change in ({"grants": ""}, {"grants": "cluster-switchover"}, {"password": SECRET}):
        assert api.post(path, CLERK, username="tool", **change).status_code == 403, change
    assert api.post("/api/clusters/shop/users/drop", CLERK, username="tool").status_code == 403


def test_a_password_is_set_only_by_who_could_do_all_that_its_user_can(api: Api) -> None:
    """Else a clerk of one cluster comes into another as somebody else."""
    api.users("add", username="chief", password=SECRET, grants="cluster-grant")
    api.users("add", username="ann", password=SECRET, grants="")
    chief = api.bearer("chief", SECRET)
    path = "/api/clusters/shop/users/update"
    assert api.post(path, chief, username="ann", password="set-by-chief").status_code == 200
    assert api.post("/api/clusters/other/users/add", shop.ADMIN, username="ann").status_code == 200
    assert api.post(path, chief, username="ann", password="set-by-chief").status_code == 403


def test_users_of_all_clusters_are_managed_by_who_may_everywhere(api: Api) -> None:
    path = "/api/monitor/actions/{}user/ann"
    api.users("add", username="local", password=SECRET, grants="cluster")
    local = api.bearer("local", SECRET)
    assert api.post(path.format("add"), local, password=SECRET).status_code == 403
    assert api.post(path.format("add"), shop.ADMIN, username="bob", password=SECRET).status_code == 400
    assert api.post(path.format("add"), shop.ADMIN, password=SECRET, grants="global cluster-grant").status_code == 200
    ann = api.bearer("ann", SECRET)
    assert api.get(READ.format("other"), ann).status_code == 200
    assert api.get("/api/users", ann).status_code == 200
    for act in ("update", "drop"):
        answer = api.users(act, username="ann", grants="")
        assert (answer.status_code, "all clusters" in answer.json["error"]) == (409, True)
        answer = api.post(f"/api/monitor/actions/{act}user/local", shop.ADMIN, grants="")
        assert (answer.status_code, "single clusters" in answer.json["error"]) == (409, True)
    assert api.post(path.format("update"), shop.ADMIN, grants="db").status_code == 200
    assert api.get("/api/users", ann).status_code == 403
    assert api.post(path.format("drop"), shop.ADMIN).status_code == 200
    assert api.get(READ.format("other"), ann).status_code == 401


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "username"),
        ({"username": 7}, "username"),
        ({"username": "a b"}, "username"),
        ({"username": ""}, "username"),
        ({"username": "x" * 65}, "username"),
        ({"username": "ann:x"}, "username"),
        ({"username": "ann", "password": "short"}, "password"),
        ({"username": "ann", "password": 12345678}, "password"),
        ({"username": "ann", "password": "x" * 1025}, "password"),
        ({"username": "ann", "grants": "cluster nonsense"}, "nonsense"),
        ({"username": "ann", "grants": 7}, "grants"),
        ({"username": "ann", "grants": [7]}, "grants"),
    ],
)
def test_what_cannot_be_an_account_is_refused_and_makes_none(api: Api, body: dict[str, Any], words: str) -> None:
    answer = api.users("add", **body)
    assert answer.status_code == 400
    assert words in answer.json["error"]
    assert api.apps[0].extensions["repman"].directory.accounts() == {}


@pytest.mark.parametrize("body", ["", "[]", "{", "[" * 60000, '"ann"'])
def test_a_body_that_is_no_object(api: Api, body: str) -> None:
    headers = api.bearer("admin", shop.ADMIN.password)
    answer = api.apps[0].test_client().post("/api/clusters/shop/users/add", data=body, headers=headers)
    assert (answer.status_code, answer.text) == (400, "Error in request")


def test_a_user_of_the_configuration_is_changed_there_only(api: Api) -> None:
    for act in ("add", "update", "drop"):
        answer = api.users(act, username="guest", password=SECRET, grants="db")
        assert answer.status_code == 409
        assert "configuration" in answer.json["error"]
    path = "/api/users/password"
    answer = api.post(path, shop.GUEST, password=shop.GUEST.password, newPassword=SECRET)
    assert answer.status_code == 409
    assert api.login("guest", shop.GUEST.password).status_code == 200


def test_who_exists_is_not_made_again_and_who_does_not_is_not_changed(api: Api) -> None:
    assert api.users("add", username="ann", password=SECRET).status_code == 200
    assert api.users("add", username="ann", password="another-password").status_code == 409
    assert api.login("ann", SECRET).status_code == 200
    assert api.users("update", username="bob", grants="").status_code == 404
    assert api.users("drop", username="bob").status_code == 404
    assert api.users("update", username="ann").status_code == 400


def test_tokens_end_with_the_password_and_with_the_account_in_every_process(api: Api) -> None:
    api.users("add", username="ann", password=SECRET)
    ann = api.bearer("ann", SECRET)
    assert [api.get(READ.format("shop"), ann, process).status_code for process in (0, 1)] == [200, 200]
    answer = api.post("/api/users/password", ann, 1, password=SECRET, newPassword="another-password")
    assert answer.status_code == 200, answer.text
    assert [api.get(READ.format("shop"), ann, process).status_code for process in (0, 1)] == [401, 401]
    assert api.login("ann", SECRET).status_code == 403
    ann = api.bearer("ann", "another-password")
    assert api.users("drop", username="ann").status_code == 200
    assert [api.get(READ.format("shop"), ann, process).status_code for process in (0, 1)] == [401, 401]
    api.users("add", username="ann", password="another-password")
    assert api.get(READ.format("shop"), ann).status_code == 401


def test_other_grants_count_for_the_tokens_there_are(api: Api) -> None:
    api.users("add", username="ann", password=SECRET, grants="cluster-switchover")
    ann = api.bearer("ann", SECRET)
    assert api.post("/api/clusters/shop/actions/switchover", ann, 1).status_code == 503
    api.users("update", username="ann", grants="")
    assert api.post("/api/clusters/shop/actions/switchover", ann, 1).status_code == 403


def test_the_present_password_is_asked_for_and_cannot_be_guessed(api: Api) -> None:
    api.users("add", username="ann", password=SECRET)
    ann = api.bearer("ann", SECRET)
    codes = [
        api.post("/api/users/password", ann, password="guess", newPassword="another-password").status_code
        for _ in range(6)
    ]
    assert codes == [403] * 5 + [429]


def test_logout_voids_this_token_and_no_other(api: Api) -> None:
    one, other = api.bearer("admin", shop.ADMIN.password), api.bearer("admin", shop.ADMIN.password)
    assert api.get(READ.format("shop"), one, 1).status_code == 200
    assert api.post("/api/logout", one).status_code == 200
    answer = api.get(READ.format("shop"), one, 1)
    assert (answer.status_code, answer.text.rpartition(": ")[2]) == (401, "token was revoked, log in again")
    assert api.get(READ.format("shop"), other, 1).status_code == 200


def test_all_tokens_of_a_user_end_at_once_and_new_ones_are_good(api: Api) -> None:
    mine, his = api.bearer("admin", shop.ADMIN.password), api.bearer("guest", shop.GUEST.password)
    assert api.post("/api/users/guest/revoke-tokens", mine).status_code == 200
    assert [api.get(READ.format("shop"), his, process).status_code for process in (0, 1)] == [401, 401]
    assert api.get(READ.format("shop"), api.bearer("guest", shop.GUEST.password), 1).status_code == 200
    assert api.post("/api/users/nobody/revoke-tokens", mine).status_code == 404
    assert api.apps[0].test_client().post("/api/logout?everywhere=yes", headers=mine).status_code == 200
    assert api.get(READ.format("shop"), mine, 1).status_code == 401
    assert api.get(READ.format("shop"), api.bearer("admin", shop.ADMIN.password), 1).status_code == 200


def test_accounts_tokens_and_revocation_outlive_a_restart(api: Api) -> None:
    api.users("add", username="ann", password=SECRET, grants="db-logs")
    good, void = api.bearer("ann", SECRET), api.bearer("ann", SECRET)
    api.post("/api/logout", void)
    (api.settings.service.rundir / "accounts.changes").unlink()
    again = create_app(api.settings)
    client = again.test_client()
    assert client.get(READ.format("shop"), headers=good).status_code == 200
    assert client.get(READ.format("shop"), headers=void).status_code == 401
    close(again)


def test_nothing_in_the_store_or_in_a_token_opens_anything(api: Api) -> None:
    api.users("add", username="ann", password=SECRET)
    bearer = api.bearer("ann", SECRET)
    api.post("/api/logout", bearer)
    token = bearer["Authorization"].split()[1]
    claims = str(jwt.decode(token, options={"verify_signature": False}))
    held = b"".join(path.read_bytes() for path in api.settings.service.datadir.iterdir() if path.name != "jwt.key")
    account = api.apps[0].extensions["repman"].directory.accounts()["ann"]
    assert account.password.encode() in held
    assert account.password.startswith("$argon2id$")
    for secret in (SECRET, shop.ADMIN.password, token):
        assert secret not in claims
        assert secret.encode() not in held
    assert account.password not in claims
    assert account.password not in repr(account)
    database = api.settings.service.datadir / "accounts.db"
    assert not stat.S_IMODE(database.stat().st_mode) & 0o007


def test_the_well_known_pair_opens_from_this_machine_only(tmp_path: Path) -> None:
    base = shop.settings(tmp_path, api_users=(Credential("admin", "repman"),))
    app = create_app(base)

    def attempt(source: str) -> int:
        body = {"username": "admin", "password": "repman"}
        return app.test_client().post("/api/login", json=body, environ_base={"REMOTE_ADDR": source}).status_code

    assert [attempt(source) for source in ("127.0.0.1", "::1", "::ffff:127.0.0.1")] == [200] * 3
    token = app.test_client().post("/api/login", json={"username": "admin", "password": "repman"}).json["token"]
    headers = {"Authorization": f"Bearer {token}"}
    alerts = app.test_client().get("/api/clusters/shop/topology/alerts", headers=headers).json
    assert [alert["code"] for alert in alerts["warnings"] if alert["number"] == "WARN0108"] == ["known-password"]
    assert [attempt(source) for source in ("192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1", "", "unix")] == [403] * 5
    close(app)


def test_many_logins_at_once_are_sent_away_and_wrong_ones_stay_limited(api: Api) -> None:
    api.users("add", username="ann", password=SECRET)
    with ThreadPoolExecutor(20) as pool:
        codes = list(pool.map(lambda _: api.login("ann", "guess").status_code, range(40)))
    assert set(codes) <= {403, 429, 503}
    assert codes.count(403) <= 5
    assert 503 in codes


def test_an_unknown_name_costs_as_much_as_a_known_one(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    api.users("add", username="ann", password=SECRET)
    checked: list[str] = []
    real = passwords._verified
    monkeypatch.setattr(passwords, "_verified", lambda stored, given: checked.append(stored) or real(stored, given))
    for name in ("ann", "nobody", "admin"):
        api.login(name, "guess")
    assert len(checked) == 3


def test_without_its_store_nobody_comes_in_and_with_a_lost_one_what_was_known_holds(
    tmp_path: Path, api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    admin = api.bearer("admin", shop.ADMIN.password)
    service = api.settings.service
    database = service.datadir / "accounts.db"
    for app in api.apps:
        app.extensions["repman"].directory.store.close()
    for path in service.datadir.glob("accounts.db*"):
        path.unlink()
    database.write_bytes(b"this is no database" * 100)
    os.utime(service.rundir / "accounts.changes", (1, 1)) if (service.rundir / "accounts.changes").exists() else (
        service.rundir / "accounts.changes"
    ).touch()
    assert api.get(READ.format("shop"), admin).status_code == 200
    assert "taken as they were known last" in caplog.text
    late = create_app(api.settings)
    answer = late.test_client().get(READ.format("shop"), headers=admin)
    assert answer.status_code == 503
    assert "accounts.db" in answer.json["error"]
    assert "move the file away" in answer.json["error"]
    close(late)


def test_a_read_costs_no_look_at_the_database(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    admin = api.bearer("admin", shop.ADMIN.password)
    reads: list[int] = []
    real = AccountStore.read
    monkeypatch.setattr(AccountStore, "read", lambda store: reads.append(1) or real(store))
    for _ in range(20):
        assert api.get(READ.format("shop"), admin).status_code == 200
    assert reads == []
    api.users("add", username="ann", password=SECRET)
    reads.clear()
    for _ in range(20):
        api.get(READ.format("shop"), admin)
    assert len(reads) <= 1


def test_changes_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    stores = [AccountStore(f"sqlite:///{tmp_path}/accounts.db") for _ in range(4)]

    def add(number: int) -> None:
        def more(account: Account | None) -> Account:
            assert account is not None
            return replace(account, grants={**account.grants, f"c{number}": frozenset({"db-logs"})})

        stores[number % 4].change("ann", "test", more)

    stores[0].change("ann", "test", lambda _: Account("ann", "hash", {EVERYWHERE: frozenset()}))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(24)))
    known = stores[1].read()
    assert len(known.accounts["ann"].grants) == 25
    assert known.changes == 1 + 1 + 24
    for store in stores:
        store.close()


def test_the_store_forgets_tokens_that_have_expired(tmp_path: Path) -> None:
    store = AccountStore(f"sqlite:///{tmp_path}/accounts.db")
    for number in range(10):
        store.revoke(f"old{number}", "ann", 1.0)
    store.revoke("new", "ann", 1e12)
    store.revoke("new", "ann", 1e12)
    assert store.read().revoked == {"new"}
    store.close()


def test_who_revokes_without_end_fills_no_store(tmp_path: Path) -> None:
    store = AccountStore(f"sqlite:///{tmp_path}/accounts.db", most_revoked=3)
    store.revoke("his", "bob", 1e12)
    for number in range(4):
        store.revoke(f"t{number}", "ann", 1e12)
    known = store.read()
    # The four are void still, by the round.
    assert (known.revoked, known.rounds) == ({"his"}, {"ann": 1})
    store.close()


def test_a_configured_user_hides_a_stored_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = AccountStore(f"sqlite:///{tmp_path}/accounts.db")
    store.change("admin", "test", lambda _: Account("admin", "hash", {EVERYWHERE: frozenset(GRANTS)}))
    service = shop.settings(tmp_path).service
    directory = Directory(users_of(service), store, tmp_path / "mark")
    assert directory.users()["admin"].password == shop.ADMIN.password
    assert "admin" in caplog.text
    directory.configure({})
    assert directory.users()["admin"].stored
    store.close()


def test_a_store_that_cannot_be_made_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StateError, match="directory"):
        AccountStore(f"sqlite:///{tmp_path}/file/accounts.db").read()


@pytest.mark.parametrize("body", ['{"username": "ann", "grants": "\\ud800"}', '{"username": "ann", "x": ["\\udfff"]}'])
def test_half_characters_make_no_user(api: Api, body: str) -> None:
    headers = api.bearer(shop.ADMIN.user, shop.ADMIN.password)
    for path in ("/api/clusters/shop/users/add", "/api/monitor/actions/adduser/ann"):
        answer = api.apps[0].test_client().post(path, data=body, headers=headers)
        assert (answer.status_code, answer.text) == (400, "Error in request")


def test_who_sees_one_cluster_is_not_told_of_others_that_its_users_see(api: Api) -> None:
    api.users("add", username="ann", password=SECRET, grants="cluster-grant")
    api.users("add", username="bob", password=SECRET, grants="db-logs")
    assert api.post("/api/clusters/other/users/add", shop.ADMIN, username="bob", grants="db").status_code == 200
    listed = "/api/clusters/shop/users"
    [bob] = [user for user in api.get(listed, api.bearer("ann", SECRET)).json if user["user"] == "bob"]
    assert bob["clusters"] == {"shop": ["db-logs"]}
    [bob] = [user for user in api.get(listed, api.bearer("admin", shop.ADMIN.password)).json if user["user"] == "bob"]
    assert list(bob["clusters"]) == ["other", "shop"]
