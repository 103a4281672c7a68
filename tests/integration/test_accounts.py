"""Accounts, tokens and the audit trail of a running repman over a real cluster."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from cluster import World
from cluster_repman import CLUSTER, PASSWORD
from http_api import Api

SECRET = "correct-horse-battery"


@pytest.fixture(scope="module")
def api(served: World) -> Api:
    return Api(served)


def login(api: Api, name: str, password: str) -> requests.Response:
    return requests.post(f"{api.url}/api/login", json={"username": name, "password": password}, timeout=10)


class Session:
    """One user with a token."""

    def __init__(self, api: Api, name: str, password: str = SECRET) -> None:
        answer = login(api, name, password)
        assert answer.status_code == 200, answer.text
        self.headers = {"Authorization": f"Bearer {answer.json()['token']}"}
        self.url = api.url

    def get(self, path: str) -> requests.Response:
        return requests.get(self.url + path, headers=self.headers, timeout=90)

    def post(self, path: str, **body: Any) -> requests.Response:
        return requests.post(self.url + path, json=body, headers=self.headers, timeout=90)


READ = f"/api/clusters/{CLUSTER}/topology/servers"
USERS = f"/api/clusters/{CLUSTER}/users"


@pytest.fixture
def admin(api: Api) -> Session:
    return Session(api, "admin", PASSWORD)


def audit(session: Session, path: str = f"/api/clusters/{CLUSTER}/audit") -> list[dict[str, Any]]:
    answer = session.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_user_is_made_and_acts_within_the_grants(served: World, api: Api, admin: Session) -> None:
    told = admin.post(f"{USERS}/add", username="ann", grants="cluster-reset cluster-settings")
    assert told.status_code == 200, told.text
    ann = Session(api, "ann", told.json()["password"])
    assert len(ann.get(READ).json()) == 3

    before = served.writer
    answer = ann.post(f"/api/clusters/{CLUSTER}/actions/switchover")
    assert (answer.status_code, answer.text) == (403, "No valid ACL")
    assert answer.headers["X-Repman-Missing-Grant"] == "cluster-switchover"
    assert served.writer is before

    assert admin.post(f"{USERS}/update", username="ann", grants="cluster-switchover").status_code == 200
    answer = ann.post(f"/api/clusters/{CLUSTER}/actions/switchover")
    assert answer.status_code == 200, answer.text
    assert served.writer is not before

    assert [user["grants"] or user["clusters"] for user in admin.get(USERS).json() if user["user"] == "ann"] == [
        {CLUSTER: ["cluster-switchover"]}
    ]
    changed = ann.post("/api/users/password", password=told.json()["password"], newPassword=SECRET)
    assert changed.status_code == 200, changed.text
    assert ann.get(READ).status_code == 401
    ann = Session(api, "ann")
    assert admin.post("/api/monitor/actions/adduser/bob", password=SECRET, grants="global").status_code == 200
    bob = Session(api, "bob")
    assert [user["user"] for user in bob.get("/api/users").json()] == ["admin", "ann", "bob"]
    assert admin.post("/api/monitor/actions/updateuser/bob", grants="").status_code == 200
    assert bob.get("/api/users").status_code == 403
    assert admin.post("/api/monitor/actions/dropuser/bob").status_code == 200
    assert bob.get(READ).status_code == 401
    assert admin.post(f"{USERS}/drop", username="ann").status_code == 200
    assert ann.get(READ).status_code == 401
    assert login(api, "ann", SECRET).status_code == 403


def test_tokens_survive_a_restart_and_revocation_too(served: World, api: Api, admin: Session) -> None:
    assert admin.post(f"{USERS}/add", username="ann", password=SECRET).status_code == 200
    kept, void, all_void = Session(api, "ann"), Session(api, "ann"), Session(api, "admin", PASSWORD)
    assert void.post("/api/logout").status_code == 200
    assert admin.post("/api/users/admin/revoke-tokens").status_code == 200
    served.restarted()
    served.healthy()
    api = Api(served)
    assert kept.get(READ).status_code == 200
    assert "token was revoked" in void.get(READ).text
    assert [session.get(READ).status_code for session in (void, admin, all_void)] == [401] * 3
    admin = Session(api, "admin", PASSWORD)
    # Every process of the web knows at once: each answers some of these.
    assert admin.post("/api/users/ann/revoke-tokens").status_code == 200
    assert {kept.get(READ).status_code for _ in range(20)} == {401}
    assert admin.post(f"{USERS}/drop", username="ann").status_code == 200


def test_the_audit_trail_shows_who_switched_over(served: World, api: Api, admin: Session) -> None:
    assert admin.post(f"{USERS}/add", username="ann", password=SECRET, grants="cluster-switchover").status_code == 200
    assert login(api, "ann", "guessed-wrong").status_code == 403
    ann = Session(api, "ann")
    wished = served.replicas[0]
    done = ann.post(f"/api/clusters/{CLUSTER}/actions/switchover", to=wished.entry.name)
    assert done.status_code == 200, done.text
    assert served.writer is wished
    path = f"/api/clusters/{CLUSTER}/actions/failover"
    assert requests.post(api.url + path, timeout=10).status_code == 401
    assert ann.post(path).status_code == 403

    refused, unknown, switched = audit(admin)[:3]
    assert (refused["user"], refused["proven"], refused["status"], refused["path"]) == ("ann", True, 403, path)
    assert (unknown["user"], unknown["proven"], unknown["status"]) == ("", False, 401)
    assert (switched["user"], switched["proven"], switched["status"]) == ("ann", True, 200)
    assert switched["path"] == f"/api/clusters/{CLUSTER}/actions/switchover"
    assert switched["arguments"] == f"to={wished.entry.name}"
    assert (switched["source"], switched["method"]) == ("127.0.0.1", "POST")
    assert switched["plan"] == done.json()["plan"] == served.repman.plans()[0].id
    assert switched["sentence"] == done.json()["sentence"]
    assert 0 < switched["seconds"] < 60
    assert switched["at"].endswith("+00:00")

    logins = [row for row in audit(admin, "/api/audit?limit=50") if row["path"] == "/api/login"]
    assert {(row["user"], row["proven"], row["status"]) for row in logins} >= {
        ("ann", True, 200),
        ("ann", False, 403),
        ("admin", True, 200),
    }
    oldest = audit(admin)[-1]["number"]
    assert audit(admin, f"/api/clusters/{CLUSTER}/audit?before={oldest}") == []
    assert ann.get("/api/audit").status_code == 403
    assert admin.post(f"{USERS}/drop", username="ann").status_code == 200


def test_nothing_secret_is_in_what_a_running_repman_shows_and_keeps(served: World, api: Api, admin: Session) -> None:
    assert admin.post(f"{USERS}/add", username="ann", password=SECRET, grants="cluster").status_code == 200
    Session(api, "ann")
    login(api, "ann", "guessed-wrong")
    found = served.sandbox.description
    secrets = {SECRET, PASSWORD, "guessed-wrong", found.monitor.password, found.replication.password}
    seen = {path: admin.get(path).text for path in (READ, "/api/monitor", "/api/clusters", "/api/users", "/api/audit")}
    place = served.repman.place
    for path in [*place.glob("data/*"), *place.glob("*.log"), *served.repman.rundir.glob("*")]:
        if path.is_file():
            seen[str(path)] = path.read_bytes().decode("latin-1")
    assert [where for where, text in seen.items() if any(secret in text for secret in secrets)] == []
    assert any("accounts.db" in where for where in seen)
    assert admin.post(f"{USERS}/drop", username="ann").status_code == 200


def test_rights_are_no_setting_like_others(served: World, api: Api, admin: Session) -> None:
    grants = "global-settings cluster-settings"
    assert admin.post("/api/monitor/actions/adduser/tool", password=SECRET, grants=grants).status_code == 200
    tool = Session(api, "tool")
    files = ("repman.toml", "data/default.toml")

    def kept() -> list[str]:
        places = [served.repman.place / name for name in files]
        return [place.read_text() if place.exists() else "" for place in places]

    before = kept()
    for place in ("/api/clusters/settings", f"/api/clusters/{CLUSTER}/settings"):
        for name in ("api-credentials-acl-allow", "api-credentials-acl-discard"):
            answer = tool.post(f"{place}/actions/set/{name}/admin:db")
            assert answer.status_code == 403, answer.text
            assert answer.json()["missing_grant"] == answer.headers["X-Repman-Missing-Grant"]
            assert "only who holds every grant" in answer.json()["error"]
    assert tool.post(f"{USERS}/add", username="more", grants="db").status_code == 403
    assert kept() == before
    assert tool.post("/api/clusters/settings/actions/set/api-token-timeout/47").status_code == 200
    assert admin.post("/api/clusters/settings/actions/clear/api-token-timeout").status_code == 200
    assert admin.post("/api/monitor/actions/dropuser/tool").status_code == 200
