"""The actions on a whole cluster, as replication-manager's clients call them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from cluster import World
from cluster_repman import CLUSTER
from http_api import Api


@pytest.fixture
def api(served: World) -> Iterator[Api]:
    served.healthy()
    yield Api(served)
    served.restore()


def test_a_plan_is_shown_and_changes_nothing(served: World, api: Api) -> None:
    before, wished = served.writer.address, served.replicas[0]
    plan = api.get("plan/switchover", to=wished.entry.name).json()
    assert (plan["possible"], plan["oldWriter"], plan["newWriter"]) == (True, before, wished.address)
    assert served.writer.address == before
    assert api.get("plan/dance").status_code == 404


def test_a_switchover_to_the_wished_server(served: World, api: Api) -> None:
    wished = served.replicas[-1]
    answer = api.call("POST", "actions/switchover", data={"prefmaster": wished.address})
    assert (answer.status_code, answer.json()["writer"]) == (200, wished.address)
    assert served.only_open().address == wished.address
    assert api.get("actions/switchover", to="nobody").status_code == 404
    assert api.get(f"/api/clusters/not-{CLUSTER}/actions/switchover").text == "No Cluster"
    assert served.only_open().address == wished.address


def test_a_failover_after_the_writers_death(served: World, api: Api) -> None:
    served.restarted(failover_mode="manual")
    served.healthy(protected=False)
    api = Api(served)
    refused = api.post("actions/failover")
    assert refused.status_code == 409
    assert refused.json()["reasons"]
    old = served.writer
    served.sandbox.kill(old.entry.name)
    served.repman.until(lambda seen: not seen.writer_alive, "the death")
    answer = api.post("actions/switchover")
    assert (answer.status_code, answer.text) == (400, "Master failed")
    answer = api.post("actions/failover")
    assert answer.status_code == 200, answer.text
    assert answer.json()["writer"] == served.only_open().address != old.address


def test_the_counter_of_failovers_is_reset(served: World, api: Api) -> None:
    assert api.post("actions/reset-failover-control").status_code == 200
    served.repman.until(lambda seen: seen.failovers == 0, "a counter of zero")
