"""Schemathesis against a repman that watches a real cluster: every operation of the OpenAPI document.

Each operation is called with values that exist, and with whatever its schema allows.  Nothing may be answered that
the document does not say: no other status, no other form, no mistake of repman's, and nothing may hang.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import schemathesis
from cluster import World, free_port
from cluster_repman import CLUSTER
from http_api import Api
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from repman.web.description.openapi import document
from repman.web.description.paths import variables, written
from repman.web.routes import ROUTES, Route

SCHEMA = schemathesis.openapi.from_dict(document(ROUTES))
CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]
READ, ACT = 30.0, 90.0
"""Seconds within which an answer must come; reads about one server have a deadline of three, actions wait."""

OUT = {
    "/api/login": "its failures would keep the test itself out",
    "/api/logout": "ends the test's own token",
    "/api/users/password": "its failures would keep the test itself out",
    "/api/users/<user>/revoke-tokens": "ends the test's own token",
}
"""What would stop repman from answering us; their own tests are elsewhere."""
LONG = (
    "bootstrap",
    "cleanup",
    "failover",
    "optimize",
    "provision",
    "reseed",
    "rolling",
    "run",
    "stop",
    "switchover",
    "unprovision",
    "wait-innodb-purge",
    "waitdatabases",
)
"""What takes many seconds when it is done: called only with values that do not exist."""

REAL = {
    "backup": "1",
    "cluster": CLUSTER,
    "host": "127.0.0.1",
    "kind": "switchover",
    "method": "logicalbackup",
    "name": "failover-max-slave-delay",
    "proxy": "haproxy",
    "server": "db2",
    "task": "optimize",
    "topology": "master-slave",
    "value": "31",
}
OPERATIONS = [
    pytest.param(route, method, id=f"{method} {written(route.path)}")
    for route in sorted(ROUTES, key=lambda route: not route.safe)
    for method in route.methods
    if route.path not in OUT and method in ("GET", "POST")
]


@dataclass
class Target:
    """The cluster that may be broken, and its API."""

    world: World
    api: Api
    ports: dict[str, str]

    def real(self, route: Route) -> dict[str, str]:
        """Values that exist for the variable parts, as far as there are such."""
        known = REAL | self.ports
        return {name: known[name] for name in variables(route.path) if name in known}


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    world = World(tmp_path_factory.mktemp("fuzz"))
    world.standard = {"http_server": True, "http_port": free_port()}
    try:
        world.begin()
        yield Target(world, Api(world), {"port": str(world.servers[1].entry.port)})
    finally:
        world.destroy()


def is_long(route: Route) -> bool:
    parts = [part for part in route.path.split("/") if not part.startswith("<")]
    return not route.safe and any(part in LONG for part in parts[4:])


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("route", "method"), OPERATIONS)
def test_every_answer_is_a_documented_one(target: Target, route: Route, method: str) -> None:
    operation = SCHEMA[written(route.path)][method]
    real, names = target.real(route), variables(route.path)
    usual = method == ("GET" if route.safe else "POST")
    pinned = [real] if usual and not is_long(route) else []
    pinned += [{"cluster": CLUSTER}] if len(names) > 1 and "cluster" in names and usual else []
    pinned += [{}] if names or not usual else []
    bound = READ if route.safe else ACT

    def ask(case: schemathesis.Case) -> None:
        began = time.monotonic()
        answer = case.call(base_url=target.api.url, headers=target.api.headers, timeout=bound + 10)
        assert time.monotonic() - began < bound, f"{route.path} took {time.monotonic() - began:.1f} s"
        mistaken = answer.status_code >= 500 and b"incident" in answer.content
        assert not mistaken, (case.as_curl_command(), answer.content)
        case.validate_response(answer, checks=CHECKS)

    for values in pinned:
        rounds = settings(
            max_examples=5 if route.safe else 2,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        known = {"path_parameters": values} if values else {}
        rounds(given(operation.as_strategy(**known))(ask))()
        if route.parameters and usual:
            rounds(given(operation.as_strategy(GenerationMode.NEGATIVE, **known))(ask))()


def test_it_still_answers(target: Target) -> None:
    assert target.api.get("/api/status", token=False).status_code == 200
    assert target.api.get("/api/monitor").status_code == 200
