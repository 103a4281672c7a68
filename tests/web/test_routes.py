"""The route table: complete, and every route of it closed to everybody but those who may.

The walk takes its routes from the table, so it holds for whatever is added there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from flask_jwt_extended import create_access_token
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from repman.config.settings import Credential
from repman.model.probe import probe_table
from repman.state.accounts import Account
from repman.state.audit import Entry
from repman.state.bus import monitor_server
from repman.state.snapshots import Publisher
from repman.web import tokens
from repman.web.acl import ANY, GRANTS, PUBLIC
from repman.web.app import create_app
from repman.web.call import House
from repman.web.routes import ROUTES, Route, probes

from . import shop
from .conftest import Installation, Monitor

BY_PATH = {route.path: route for route in ROUTES}
PROTECTED = [route for route in ROUTES if route.grant != PUBLIC]
GATED = [route for route in PROTECTED if route.grant != ANY]
VALUES = {
    "cluster": "shop",
    "server": "db1",
    "host": "127.0.0.1",
    "port": "3301",
    "topology": "master-slave",
    "kind": "switchover",
    "name": "index.html",
}
"""For the variable parts of paths; one that is not here is given its own name."""
PUBLIC_PATHS = {
    "/",
    "/static/<name>",
    "/api/docs",
    "/api/heartbeat",
    "/api/login",
    "/api/openapi.json",
    "/api/prometheus",
    "/api/status",
    "/api/timeout",
    "/heartbeat",
    "/metrics",
    "/api/clusters/<cluster>/status",
}
NOBODY, EXPIRED, REVOKED = "nobody", "expired", "revoked"


def url(route: Route) -> str:
    """The route's path with values; the probes for replicas are given one."""
    values = VALUES | ({"server": "db2", "port": "3302"} if "slave" in route.path.rpartition("/")[2] else {})
    values |= {"name": "failover-limit"} if "settings" in route.path else {}
    return re.sub(r"<(?:[^<>]*:)?(\w+)>", lambda found: values.get(found[1], found[1]), route.path)


@dataclass
class Walk:
    """One application, a user for every grant, and a monitor that notes what reaches it."""

    client: FlaskClient
    house: House
    monitor: Monitor
    bearers: dict[str, dict[str, str]]
    """Headers by the name of a user, and by `NOBODY`, `EXPIRED` and `REVOKED`."""

    def open(self, route: Route, who: str, method: str = "", accept: str = "*/*") -> TestResponse:
        headers = {"Accept": accept, **self.bearers[who]}
        return self.client.open(url(route), method=method or route.methods[-1], headers=headers)

    def last(self) -> Entry:
        return self.house.audit.entries(limit=1)[0][1]


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    rooms = tuple(sorted({grant.partition("-")[0] for grant in GRANTS}))
    rich = {f"has {grant}": (grant,) for grant in GRANTS}
    poor = {f"lacks {grant}": rooms for grant in GRANTS}
    settings = shop.settings(
        tmp_path_factory.mktemp("walk"),
        clusters=("shop", "other"),
        api_users=tuple(Credential(name, "as long as it is one") for name in (*rich, *poor, ANY)),
        acl_allow=rich | poor,
        # A grant whose name begins another's, such as prov-cluster, is given with that.
        acl_discard={f"lacks {grant}": (grant,) for grant in GRANTS}
        | {f"has {grant}": tuple(other for other in GRANTS if other != grant) for grant in GRANTS},
    )
    publisher = Publisher(settings.service.rundir)
    for name in ("shop", "other"):
        publisher.publish(shop.snapshot(name), probe_table(shop.snapshot(name), "keep", 60.0))
    app = create_app(settings)
    house: House = app.extensions["repman"]
    # Made at run time, for the other cluster only, where he may everything.
    house.directory.change("stranger", "test", lambda _: Account("stranger", "!", {"other": frozenset(GRANTS)}))
    monitor = Monitor()
    server = monitor_server(settings.service.monitor_socket, monitor)
    server.start()
    with app.app_context():
        made = {name: tokens.issue(user, house.directory, house.key) for name, user in house.users.items()}
        made[EXPIRED] = create_access_token(ANY, expires_delta=timedelta(seconds=-1))
        made[REVOKED] = tokens.issue(house.users[f"has {GRANTS[0]}"], house.directory, house.key)
        revoked = tokens.read(made[REVOKED], house.key)
    house.directory.revoke(revoked.id, revoked.user, revoked.until)
    bearers = {name: {"Authorization": f"Bearer {token}"} for name, token in made.items()}
    yield Walk(app.test_client(), house, monitor, bearers | {NOBODY: {}})
    server.close()
    house.history.close()
    house.audit.close()
    house.directory.store.close()


def test_every_rule_of_the_application_is_in_the_table(installation: Installation) -> None:
    rules: dict[str, Rule] = {rule.rule: rule for rule in installation.app.url_map.iter_rules()}
    assert rules.keys() == BY_PATH.keys()
    for path, rule in rules.items():
        assert rule.methods is not None
        assert rule.methods - {"HEAD"} == set(BY_PATH[path].methods) - {"HEAD"}, path


def test_only_these_routes_are_public() -> None:
    checks = {route.path for route in probes.ROUTES}
    assert {route.path for route in ROUTES if route.grant == PUBLIC} == PUBLIC_PATHS | checks


def test_only_these_acts_ask_for_no_grant() -> None:
    """They are about the caller alone, or only wait."""
    acts = {route.path for route in ROUTES if not route.safe and route.grant in (ANY, PUBLIC)}
    own = {"/api/login", "/api/logout", "/api/users/password"}
    assert own <= acts <= own | {"/api/clusters/<cluster>/actions/waitdatabases"}


def test_every_grant_exists() -> None:
    assert {route.grant for route in GATED} <= set(GRANTS)


@pytest.mark.parametrize("route", PROTECTED, ids=lambda route: route.path)
@pytest.mark.parametrize(
    ("who", "reason"),
    [
        (NOBODY, "no token present in request"),
        (EXPIRED, "Token is expired"),
        (REVOKED, "token was revoked, log in again"),
    ],
)
def test_a_protected_route_is_closed_without_a_valid_token(walk: Walk, route: Route, who: str, reason: str) -> None:
    words = "Unauthenticated resource" if route.plain_401 else "Unauthorised access to this resource"
    for method in route.methods:
        answer = walk.open(route, who, method)
        assert (answer.status_code, answer.text) == (401, f"{words}: {reason}")
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert "Location" not in answer.headers
        if not route.safe:
            noted = walk.last()
            assert (noted.path, noted.status, noted.proven) == (url(route), 401, False)
    assert walk.monitor.commands == []


@pytest.mark.parametrize("route", GATED, ids=lambda route: route.path)
def test_a_gated_route_is_closed_to_who_has_every_other_grant(walk: Walk, route: Route) -> None:
    who = f"lacks {route.grant}"
    for method in route.methods:
        answer = walk.open(route, who, method)
        assert (answer.status_code, answer.text) == (403, "No valid ACL")
        assert answer.headers["X-Repman-Missing-Grant"] == route.grant
        if not route.safe:
            noted = walk.last()
            assert (noted.user, noted.proven, noted.path, noted.status) == (who, True, url(route), 403)
        answer = walk.open(route, who, method, accept="application/json")
        assert answer.status_code == 403
        assert answer.json == {"error": "No valid ACL", "user": who, "missing_grant": route.grant}
        assert answer.headers["X-Repman-Missing-Grant"] == route.grant
    assert walk.monitor.commands == []


@pytest.mark.parametrize(
    "route",
    [route for route in PROTECTED if "<cluster>" in route.path or route.grant != ANY],
    ids=lambda route: route.path,
)
def test_a_route_is_closed_to_who_has_its_grant_in_another_cluster(walk: Walk, route: Route) -> None:
    answer = walk.open(route, "stranger")
    assert (answer.status_code, answer.text) == (403, "No valid ACL")
    assert walk.monitor.commands == []


@pytest.mark.parametrize("route", PROTECTED, ids=lambda route: route.path)
def test_a_protected_route_is_open_to_who_has_its_grant_and_no_other(walk: Walk, route: Route) -> None:
    if route.path == "/api/logout":
        pytest.skip("the token would be void; test_accounts.py has it")
    answer = walk.open(route, ANY if route.grant == ANY else f"has {route.grant}")
    walk.monitor.commands.clear()
    assert answer.status_code not in (401, 403, 405), answer.text
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("route", [route for route in ROUTES if route.grant == PUBLIC], ids=lambda route: route.path)
@pytest.mark.parametrize("who", [NOBODY, EXPIRED])
def test_a_public_route_asks_for_no_token(walk: Walk, route: Route, who: str) -> None:
    answer = walk.open(route, who, route.methods[0])
    assert answer.status_code == (403 if route.path == "/api/login" else 200), answer.text
    cross = route.cross_origin
    assert answer.headers.get("Access-Control-Allow-Origin") == ("*" if cross else None)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.path)
def test_a_trailing_slash_is_no_redirect(walk: Walk, route: Route) -> None:
    if route.path == "/" or "<path:" in route.path.rpartition("/")[2]:
        return
    answer = walk.client.open(url(route) + "/", method=route.methods[0], headers=walk.bearers[ANY])
    assert answer.status_code == 404


def test_a_user_without_an_acl_entry_may_read_and_do_nothing(installation: Installation) -> None:
    client, headers = installation.client(), installation.headers(Credential("guest", shop.GUEST.password))
    assert client.get("/api/clusters/shop/topology/servers", headers=headers).status_code == 200
    assert client.get("/api/clusters/shop/actions/failover", headers=headers).status_code == 403
