"""The route table: complete, closed without a token, closed without the grant."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from werkzeug.routing import Rule

from repman.config.settings import Credential
from repman.web.acl import ANY, GRANTS, PUBLIC
from repman.web.app import create_app
from repman.web.routes import ROUTES, Route

from . import shop
from .conftest import Installation, Monitor

BY_PATH = {route.path: route for route in ROUTES}
GATED = [route for route in ROUTES if route.grant not in (PUBLIC, ANY)]
VALUES = {
    "cluster": "shop",
    "server": "db1",
    "host": "127.0.0.1",
    "port": "3301",
    "topology": "master-slave",
    "kind": "switchover",
    "name": "index.html",
}
PUBLIC_PATHS = {
    "/",
    "/static/<name>",
    "/api/login",
    "/api/status",
    "/api/clusters/<cluster>/status",
}


def url(route: Route) -> str:
    """The route's path with values for which it answers 200; only a replica is one."""
    values = VALUES | ({"server": "db2", "port": "3302"} if "slave" in route.path.rpartition("/")[2] else {})
    return re.sub(r"<(\w+)>", lambda found: values[found[1]], route.path)


def test_every_rule_of_the_application_is_in_the_table(installation: Installation) -> None:
    rules: dict[str, Rule] = {rule.rule: rule for rule in installation.app.url_map.iter_rules()}
    assert rules.keys() == BY_PATH.keys()
    for path, rule in rules.items():
        assert rule.methods is not None
        assert rule.methods - {"HEAD"} == set(BY_PATH[path].methods) - {"HEAD"}, path


def test_only_these_routes_are_public() -> None:
    probes = {route.path for route in ROUTES if "/servers/" in route.path}
    assert len(probes) == 15
    assert {route.path for route in ROUTES if route.grant == PUBLIC} == PUBLIC_PATHS | probes


def test_every_grant_exists() -> None:
    assert {route.grant for route in GATED} <= set(GRANTS)


@pytest.mark.parametrize("route", [route for route in ROUTES if route.grant != PUBLIC], ids=lambda route: route.path)
def test_a_protected_route_is_closed_without_a_token(
    installation: Installation, monitor: Monitor, route: Route
) -> None:
    client = installation.client()
    words = "Unauthenticated resource" if route.path == "/api/clusters" else "Unauthorised access to this resource"
    for method in route.methods:
        answer = client.open(url(route), method=method)
        assert (answer.status_code, answer.text) == (401, f"{words}: no token present in request")
        assert "Location" not in answer.headers
    assert monitor.commands == []


@pytest.mark.parametrize("route", GATED, ids=lambda route: route.path)
def test_a_gated_route_is_closed_without_its_grant(tmp_path: Path, route: Route) -> None:
    """The user holds every other grant."""
    base = shop.settings(tmp_path)
    service = replace(
        base.service,
        acl_allow={"admin": tuple(sorted({grant.split("-")[0] for grant in GRANTS}))},
        acl_discard={"admin": (route.grant,)},
    )
    app = create_app(replace(base, service=service))
    client = app.test_client()
    token = client.post("/api/login", json={"username": "admin", "password": shop.ADMIN.password}).json["token"]
    bearer = {"Authorization": f"Bearer {token}"}
    answer = client.open(url(route), method="POST", headers=bearer)
    assert (answer.status_code, answer.text) == (403, "No valid ACL")
    assert answer.headers["X-Repman-Missing-Grant"] == route.grant
    answer = client.get(url(route), headers=bearer | {"Accept": "application/json"})
    assert answer.status_code == 403
    assert (answer.json["error"], answer.json["missing_grant"]) == ("No valid ACL", route.grant)
    app.extensions["repman"].history.close()


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.path)
def test_every_route_is_open_to_who_may(installation: Installation, monitor: Monitor, route: Route) -> None:
    if route.path == "/api/login":
        return
    answer = installation.client().open(url(route), method=route.methods[0], headers=installation.headers())
    assert answer.status_code == 200, answer.text
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    cross = answer.headers.get("Access-Control-Allow-Origin")
    assert cross == ("*" if route.grant == PUBLIC and route.path not in ("/", "/static/<name>") else None)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.path)
def test_a_trailing_slash_is_no_redirect(installation: Installation, route: Route) -> None:
    if route.path == "/":
        return
    answer = installation.client().open(url(route) + "/", method=route.methods[0], headers=installation.headers())
    assert answer.status_code == 404


def test_a_user_without_an_acl_entry_may_read_and_do_nothing(installation: Installation) -> None:
    client, headers = installation.client(), installation.headers(Credential("guest", shop.GUEST.password))
    assert client.get("/api/clusters/shop/topology/servers", headers=headers).status_code == 200
    assert client.get("/api/clusters/shop/actions/failover", headers=headers).status_code == 403
