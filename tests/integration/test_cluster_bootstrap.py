"""Bootstrap and cleanup of a real cluster, through the HTTP API."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests
from cluster import World, free_port, listens
from cluster_repman import CLUSTER, PASSWORD
from mariadb_stand import wait_until


class Api:
    def __init__(self, world: World) -> None:
        port = world.repman.changes["http-port"]
        assert isinstance(port, int)
        wait_until(lambda: listens(port), 20, "the API")
        self.url = f"http://127.0.0.1:{port}"
        answer = requests.post(f"{self.url}/api/login", json={"username": "admin", "password": PASSWORD}, timeout=10)
        assert answer.status_code == 200
        self._headers = {"Authorization": f"Bearer {answer.json()['token']}"}

    def act(self, action: str, **parameters: str) -> requests.Response:
        url = f"{self.url}/api/clusters/{CLUSTER}/actions/{action}"
        return requests.get(url, params=parameters, headers=self._headers, timeout=60)

    def bootstrap(self, **parameters: str) -> requests.Response:
        return self.act("replication/bootstrap/master-slave", **parameters)


@pytest.fixture(scope="module")
def fresh(shared_world: World) -> Iterator[World]:
    """Three servers without replication and data, and a repman with its API."""
    shared_world.standard = {"http_server": True, "http_port": free_port()}
    shared_world.rebuild(bootstrap=False)
    yield shared_world
    shared_world.standard = {}
    shared_world.rebuild()


@pytest.fixture
def api(fresh: World) -> Api:
    return Api(fresh)


def positions(world: World) -> list[str]:
    return [server.value("CONCAT(@@gtid_binlog_pos, '|', @@gtid_slave_pos)") for server in world.servers]


def test_a_cluster_is_built_from_nothing_refused_with_data_and_cleaned(fresh: World, api: Api) -> None:
    built = api.bootstrap()
    assert built.status_code == 200, built.text
    assert built.json()["status"] == "done"
    seen = fresh.healthy()
    assert seen.protected
    assert seen.topology == "master-slave"

    with fresh.traffic(threads=2) as traffic:
        before = fresh.only_open()
        again = api.bootstrap()
        assert (again.status_code, again.json()["status"]) == (200, "unchanged")
        assert fresh.only_open() is before
        traffic.flows(20)
    fresh.nothing_lost(traffic)

    asked = api.act("replication/cleanup")
    assert (asked.status_code, [reason["code"] for reason in asked.json()["reasons"]]) == (409, ["needs-force"])
    assert fresh.only_open() is before
    cleaned = api.act("replication/cleanup?force=true")
    assert cleaned.status_code == 200, cleaned.text
    assert not any(fresh.is_open(server) for server in fresh.servers)
    assert not any(server.replica() for server in fresh.servers)
    assert before.value(f"COUNT(*) > 0 FROM {traffic.table}") == 1

    fresh.repman.until(
        lambda seen: all(
            "counted" in (view.seen.inventory.user_schemas if view.seen.inventory else ()) for view in seen.servers
        ),
        "the schema to be seen on every server",
    )
    untouched = positions(fresh)
    refused = api.bootstrap()
    assert refused.status_code == 409
    assert "counted" in refused.text
    for server in fresh.servers:
        assert server.entry.name in refused.text
    assert positions(fresh) == untouched
    assert not any(fresh.is_open(server) for server in fresh.servers)

    forced = api.bootstrap(clean="true")
    assert forced.status_code == 200, forced.text
    fresh.healthy()
    assert fresh.only_open().value(f"COUNT(*) > 0 FROM {traffic.table}") == 1


def test_a_broken_replication_is_refused_and_rebuilt_with_clean(fresh: World, api: Api) -> None:
    assert api.bootstrap(clean="true").status_code == 200
    fresh.healthy()
    fresh.restarted(monitoring_pause=True)
    paused = Api(fresh)
    assert "paused" in paused.bootstrap(clean="true").text
    replica = fresh.replicas[0]
    replica.run("STOP SLAVE")
    fresh.repman.looked()
    refused = paused.bootstrap()
    assert refused.status_code == 409
    assert f"{replica.entry.name} replicates from" in refused.text
    assert replica.replica()["Slave_IO_Running"] == "No"
    replica.run("START SLAVE")
    fresh.restarted()
    assert Api(fresh).bootstrap(clean="true").status_code == 200
    fresh.healthy()


def test_a_topology_that_cannot_be_built_and_a_missing_server_are_refused(fresh: World, api: Api) -> None:
    answer = api.act("replication/bootstrap/multi-master")
    assert answer.status_code == 400
    replica = fresh.replicas[0]
    replica.kill()
    fresh.repman.until(lambda seen: not seen.server(replica.address).seen.answered, "its death to be seen")
    answer = api.bootstrap(clean="true")
    assert answer.status_code == 409
    assert f"{replica.entry.name} does not answer" in answer.text
    replica.start()
    fresh.healthy()
