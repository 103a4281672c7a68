"""The reads of replication-manager's page on a real cluster: every key, of the right type, and true."""

from __future__ import annotations

import shutil
import subprocess
import time
from typing import Any

import pytest
import requests
from cluster import World
from cluster_repman import CLUSTER, PASSWORD
from http_api import Api
from mariadb_stand import wait_until
from page_contract import misfits
from prometheus_client.parser import text_string_to_metric_families


@pytest.fixture(scope="module")
def api(served: World) -> Api:
    return Api(served)


def by_url(objects: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {found["url"]: found for found in objects}


def test_a_token_is_asked_for_and_given(api: Api) -> None:
    assert api.get("/api/monitor", token=False).status_code == 401
    wrong = requests.post(f"{api.url}/api/login", json={"username": "admin", "password": "guess"}, timeout=10)
    assert (wrong.status_code, wrong.text) == (403, "Invalid credentials")
    right = {"username": "admin", "password": PASSWORD}
    bare = requests.post(f"{api.url}/api/login", json=right, headers={"Accept": "text/html"}, timeout=10)
    headers = {"Authorization": bare.text}
    assert api.call("GET", "/api/monitor", token=False, headers=headers).status_code == 200


def test_the_status_of_daemon_and_cluster(served: World, api: Api) -> None:
    assert api.get("/api/status", token=False).json() == {"alive": "running"}
    assert api.get("status", token=False).json() == {"alive": "running"}
    answer = api.get("/api/clusters/none/status", token=False)
    assert (answer.status_code, answer.text) == (400, "No cluster found : none")


def test_the_monitor_object_has_every_key_of_the_page(served: World, api: Api) -> None:
    document = api.read("/api/monitor")
    assert misfits(document, "monitor") == []
    assert document["clusters"] == [CLUSTER]
    assert document["status"] == "A"
    assert document["uuid"] == served.repman.snapshot.run
    assert {each["name"] for each in document["serviceOrchestrators"]} == {
        "opensvc",
        "kube",
        "slapos",
        "local",
        "onpremise",
    }
    assert document["Confs"].keys() == {CLUSTER}
    assert PASSWORD not in api.get("/api/monitor").text


def test_the_cluster_object_has_every_key_of_the_page(served: World, api: Api) -> None:
    document = api.read(api.cluster)
    assert misfits(document, "cluster") == []
    assert (document["name"], document["topology"], document["activePassiveStatus"]) == (CLUSTER, "master-slave", "A")
    assert len(document["dbServers"]) == 3
    assert document["isAllDbUp"] is True
    assert document["isDown"] is False
    assert document["SlavesConnected"] == 2
    assert document["writer"] == served.writer.address
    assert document["protected"] is True
    assert [each["name"] for each in api.read("/api/clusters")] == [CLUSTER]
    answer = api.get("/api/clusters/none")
    assert (answer.status_code, answer.text) == (500, "No Cluster")


def test_the_settings_of_a_cluster(served: World, api: Api) -> None:
    document = api.read("settings")
    assert document["monitoringTicker"] == 0.25
    assert document["haproxyWritePort"] == served.sandbox.haproxy.write_port  # type: ignore[union-attr]
    account = served.sandbox.description.monitor
    assert account.password not in api.get("settings").text


def test_the_server_objects_have_every_key_and_tell_the_truth(served: World, api: Api) -> None:
    found = by_url(api.read("topology/servers"))
    assert list(found) == [server.address for server in served.servers]
    for server in served.servers:
        document = found[server.address]
        assert misfits(document, "server") == []
        assert document["serverId"] == int(server.value("@@server_id"))
        assert document["readOnly"] == ("ON" if int(server.value("@@read_only")) else "OFF")
        assert document["state"] == ("Master" if server.address == served.writer.address else "Slave")
        assert document["dbVersion"]["flavor"] == "MariaDB"
        for link in document["replications"]:
            assert misfits(link, "replication") == []
            assert f"{link['masterHost']['String']}:{link['masterPort']['String']}" == served.writer.address
            assert (link["slaveIoRunning"]["String"], link["slaveSqlRunning"]["String"]) == ("Yes", "Yes")


def test_writer_and_replicas_are_those_of_the_servers(served: World, api: Api) -> None:
    writer, replicas = api.read("topology/master"), api.read("topology/slaves")
    assert writer["url"] == served.writer.address
    assert misfits(writer, "server") == []
    assert {each["url"] for each in replicas} == {server.address for server in served.replicas}


def test_the_proxy_object_has_every_key_and_tells_the_routes(served: World, api: Api) -> None:
    (document,) = api.read("topology/proxies")
    assert misfits(document, "proxy") == []
    assert (document["type"], document["state"]) == ("haproxy", "ProxyRunning")
    routed = {f"{backend['host']}:{backend['port']}" for backend in document["backendsWrite"]}
    assert routed == {served.writer.address}
    assert {f"{backend['host']}:{backend['port']}" for backend in document["backendsRead"]} == {
        server.address for server in served.replicas
    }


def test_the_published_document_and_its_events(served: World, api: Api) -> None:
    assert api.read("snapshot")["writer"] == served.writer.address
    events = api.read("events")
    assert events == sorted(events, key=lambda event: -event["at"])
    assert len(api.get("events", limit=1).json()) == 1
    assert api.get("events", limit=0).status_code == 400


def test_the_api_describes_itself(served: World, api: Api) -> None:
    document = api.get("/api/openapi.json", token=False).json()
    assert document["openapi"] == "3.1.0"
    assert "/api/clusters/{cluster}/actions/switchover" in document["paths"]
    assert "<title>repman API</title>" in api.get("/api/docs", token=False).text


CHECKS = [("master-status", True), ("is-master", True), ("slave-status", False), ("is-slave", False)]


def test_the_page_and_the_probes_are_public(served: World, api: Api) -> None:
    assert "<title>repman</title>" in api.get("/", token=False).text
    script = api.get("/static/page.js", token=False)
    assert script.headers["Content-Type"].startswith("text/javascript")
    served.healthy()
    for server in served.servers:
        writes = server.address == served.writer.address
        host, _, port = server.address.partition(":")
        for root in ("", "/api"):
            for named in (server.entry.name, f"{host}/{port}"):
                for check, of_writer in CHECKS:
                    if (root, named, check) == ("/api", server.entry.name, "master-status"):
                        continue
                    answer = api.get(f"{root}/clusters/{CLUSTER}/servers/{named}/{check}", token=False)
                    word = "Master!" if of_writer else "Slave!"
                    wanted = (200, f"200 -Valid {word}") if writes == of_writer else (503, f"503 -Not a Valid {word}")
                    assert (answer.status_code, answer.text) == wanted, (root, named, check)
    answer = api.get(f"/clusters/none/servers/{served.servers[0].entry.name}/is-master", token=False)
    assert (answer.status_code, answer.text) == (500, "No cluster!")


def test_logs_alerts_and_crashes_tell_of_a_death(served: World, api: Api) -> None:
    old = served.writer
    since = int(time.time())
    served.sandbox.kill(old.entry.name)
    served.repman.until(lambda seen: seen.writer_alive and seen.writer != old.address, "a new writer")
    alerts = api.read("topology/alerts")
    for alert in (*alerts["errors"], *alerts["warnings"]):
        assert misfits(alert, "alert") == []
    assert any(old.address in alert["number"] for alert in (*alerts["errors"], *alerts["warnings"]))
    wait_until(lambda: api.read("topology/crashes")[:1] != [], 10, "the crash in the history")
    crash = api.read("topology/crashes")[0]
    assert misfits(crash, "crash") == []
    assert (crash["URL"], crash["Switchover"]) == (old.address, False)
    assert crash["UnixTimestamp"] >= since
    lines = api.read("topology/logs")
    assert all(line.startswith(f"[{CLUSTER}] [") for line in lines)
    assert api.read("topology/master")["url"] == crash["ElectedMasterURL"]
    served.restore()


def test_the_metrics_can_be_scraped(served: World, api: Api) -> None:
    served.healthy()
    answer = api.get("/api/prometheus", token=False)
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    lags = families["mysql_slave_status_seconds_behind_master"]
    assert lags.documentation
    assert {(each.labels["cluster"], each.labels["instance"]) for each in lags.samples} == {
        (CLUSTER, server.address) for server in served.replicas
    }
    (writer,) = [each for each in families["repman_server_writer"].samples if each.value == 1]
    assert writer.labels["instance"] == served.writer.address
    assert [each.value for each in families["repman_cluster_protected"].samples] == [1.0]


def test_what_prometheus_scrapes_has_well_formed_names(served: World, api: Api) -> None:
    served.healthy()
    answer = api.get("/metrics", token=False)
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    roles = {
        (each.labels["server"], each.labels["repman_server_role"])
        for each in families["repman_server_role"].samples
        if each.value == 1
    }
    assert roles == {
        (served.writer.address, "primary"),
        *((server.address, "replica") for server in served.replicas),
    }
    (ackers,) = families["repman_semisync_ackers"].samples
    assert (ackers.labels, ackers.value) == ({"cluster": CLUSTER}, len(served.replicas))
    assert {each.labels["cluster"] for each in families["repman_failovers"].samples} == {CLUSTER}
    if promtool := shutil.which("promtool"):
        done = subprocess.run([promtool, "check", "metrics"], input=answer.content, capture_output=True, check=False)
        assert (done.returncode, done.stdout + done.stderr) == (0, b"")


def test_the_heartbeat_has_no_secret(served: World, api: Api) -> None:
    document = api.get("/api/heartbeat", token=False).json()
    assert document == api.get("/heartbeat", token=False).json()
    assert (document["uuid"], document["status"], document["secret"]) == (served.repman.snapshot.run, "A", "")


def test_an_answer_can_be_late(api: Api) -> None:
    began = time.monotonic()
    assert api.get("/api/timeout", token=False, seconds=1).json() == {"alive": "running"}
    assert time.monotonic() - began >= 1
    assert api.get("/api/timeout", token=False, seconds=1200).status_code == 400
