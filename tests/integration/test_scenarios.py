"""Scenarios and traffic on a real cluster, asked for over the API and played by the worker."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest
from cluster import World
from http_api import Api
from mariadb_stand import wait_until

from repman.config import load
from repman.model.scenario import NAMES, find
from repman.provisioning.choice import orchestrator_of
from repman.scenarios.field import Field
from repman.scenarios.play import play

LONG = os.environ.get("REPMAN_LONG") == "1"
QUICK = (
    "testSwitchover2TimesReplicationOkSemiSyncNoRplCheck",
    "testSwitchoverReadOnlyNoRplCheck",
    "testSwitchoverLongTrxWithoutCommitNoRplCheckNoSemiSync",
    "testFailoverSemisyncAutoRejoinSafeMSXMSM",
    "testFailoverSemisyncAutoRejoinMSSXMSXXMSXMSSM",
    "testClusterKilledAndBack",
)


@pytest.fixture(scope="module")
def served(shared_world: World) -> Iterator[World]:
    """The shared cluster with its API, there to be tested."""
    with shared_world.serving(test=True):
        yield shared_world


@pytest.fixture
def api(served: World) -> Iterator[Api]:
    served.healthy()
    yield Api(served)
    served.restore()


def test_names(api: Api) -> None:
    assert tuple(api.read("tests")) == NAMES
    assert tuple(api.read("/api/monitor")["tests"]) == NAMES


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.long) for name in NAMES] if LONG else QUICK)
def test_played_over_the_api(served: World, api: Api, name: str) -> None:
    verdict = api.post(f"tests/actions/run/{name}").json()
    assert (verdict["name"], verdict["result"], verdict["lost"]) == (name, "PASS", 0), verdict
    served.healthy(60.0)
    assert _schemas(served) == set()


def test_a_failing_cluster_fails_the_test(served: World) -> None:
    """The positive control: with automatic failover off, the death of the writer is not survived."""
    served.restarted(failover_mode="manual")
    served.healthy(protected=False)
    settings, _ = load(served.repman.place / "repman.toml", ())
    cluster = settings.clusters[0]
    field = Field(settings, cluster, orchestrator_of(cluster), threading.Event(), "admin", patience=6.0)
    scenario = find("testFailoverAssyncAutoRejoinNowrites")
    assert scenario is not None
    verdict = play(scenario, field, len(served.servers))
    served.restore()
    assert verdict.result == "FAIL"
    assert "another writer" in verdict.sentence


def test_an_unknown_test_fails_and_touches_nothing(served: World, api: Api) -> None:
    before = served.writer.address
    verdict = api.post("tests/actions/run/testNothing").json()
    assert (verdict["name"], verdict["result"]) == ("testNothing", "FAIL")
    assert served.only_open().address == before


def test_a_cluster_that_is_used_is_not_tested_by_mistake(served: World) -> None:
    served.restarted(test=False)
    served.healthy()
    api, before = Api(served), served.writer.address
    answer = api.post("tests/actions/run/testFailoverNoRplChecksNoSemiSync")
    assert answer.status_code == 409
    assert "force=true" in answer.json()["error"]
    assert served.only_open().address == before
    served.restore()


def test_traffic_over_the_api(served: World, api: Api) -> None:
    assert api.post("actions/start-traffic", threads="99").status_code == 400
    assert api.post("actions/start-traffic", threads="2", rate="50").json()["on"] is True
    assert api.post("actions/start-traffic").json()["sentence"] == "traffic was on already"
    wait_until(lambda: api.read("traffic")["acknowledged"] > 20, 20, "traffic")
    assert api.post("tests/actions/run/all").status_code == 409
    ended = api.post("actions/stop-traffic").json()
    assert (ended["on"], ended["errors"]) == (False, 0)
    assert ended["acknowledged"] > 20
    assert api.read("traffic") == {"sentence": "", "on": False}
    wait_until(lambda: _schemas(served) == set(), 10, "the removal of the rows on every server")


def test_traffic_cannot_write_to_a_server_that_is_closed(served: World, api: Api) -> None:
    api.post("actions/start-traffic")
    found = served.writer.run(
        "SELECT privilege_type FROM information_schema.user_privileges WHERE grantee LIKE '%repman_traffic%'"
    )
    assert tuple(found) == (("USAGE",),)
    api.post("actions/stop-traffic")


def _schemas(world: World) -> set[str]:
    return {
        server.entry.name
        for server in world.servers
        if server.run("SELECT 1 FROM information_schema.schemata WHERE schema_name = 'repman_traffic'")
    }
