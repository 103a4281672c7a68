"""replication-manager-cli's commands and options on a real cluster."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster import World, free_port
from cluster_repman import CLUSTER, PASSWORD
from http_api import Api

from repman.cli.compatible import main


@pytest.fixture(scope="module")
def served(shared_world: World) -> Iterator[World]:
    """The shared cluster with its API."""
    with shared_world.serving(api_server=True, api_port=free_port()):
        Api(shared_world)
        yield shared_world


@pytest.fixture
def common(served: World) -> Iterator[list[str]]:
    served.healthy()
    yield ["--port", str(served.repman.changes["http-port"]), "--password", PASSWORD]
    served.restore()


def test_topology_names_every_server(served: World, common: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["topology", *common]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"| Group: {CLUSTER} |  Mode: Automatic "
    assert lines[1].split()[:4] == ["Id", "Host", "Port", "Status"]
    assert [line.split()[2] for line in lines[2:]] == [str(server.entry.port) for server in served.servers]
    states = [line.split()[3] for line in lines[2:]]
    assert sorted(states) == ["Master", "Slave", "Slave"]


def test_status(served: World, common: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", *common]) == 0
    assert capsys.readouterr().out == "running\n"
    assert main(["status", "--cluster", CLUSTER, "--with-errors", *common]) == 0
    words = capsys.readouterr().out.split("\n", 1)
    assert words[0] == "running"
    assert json.loads(words[1])["errors"] == []


def test_show_gives_what_is_asked_for(served: World, common: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "--get=master,slaves,alerts,crashes,settings", *common]) == 0
    (found,) = json.loads(capsys.readouterr().out)["clusters"]
    assert found["Name"] == CLUSTER
    assert found["master"]["url"] == served.writer.address
    assert {server["url"] for server in found["slaves"]} == {server.address for server in served.replicas}
    assert found["settings"]["failoverMode"] == "automatic"
    assert main(["show", "--get=nonsense", *common]) == 2


def test_switchover_to_the_wished_master(served: World, common: list[str]) -> None:
    wished = served.replicas[-1].address
    assert main(["switchover", f"--db-servers-prefered-master={wished}", "--insecure=true", *common]) == 0
    assert served.only_open().address == wished


def test_a_failover_of_a_living_master_is_told_to_be_refused(
    served: World, common: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    before = served.only_open().address
    assert main(["failover", *common]) == 1
    assert "alive" in capsys.readouterr().err
    assert served.only_open().address == before


def test_server_words(served: World, common: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    replica = served.replicas[0].address
    for word, shown in (("on", "Y"), ("off", "N")):
        assert main(["server", "--id", replica, f"--set=maintenance={word}", *common]) == 0
        capsys.readouterr()
        main(["topology", *common])
        lines = capsys.readouterr().out.splitlines()
        assert next(line for line in lines if f" {replica.rpartition(':')[2]} " in line).split()[-1] == shown
    assert main(["server", "--id", replica, "--get=variables", *common]) == 0
    names = {row["variableName"] for row in json.loads(capsys.readouterr().out)}
    assert "READ_ONLY" in names
    assert main(["server", "--id", replica, "--get=nonsense", *common]) == 2


@pytest.mark.parametrize(
    "word", ["processlist", "errors", "variables", "tables", "status-delta", "slow-query", "innodb-status"]
)
def test_every_read_of_a_server(
    served: World, common: list[str], word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["server", "--id", served.writer.address, f"--get={word}", *common]) == 0
    json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("word", "needed"),
    [
        ("meta-data-locks", "plugin"),
        ("query-response-time", "plugin"),
        ("digest-statements-pfs", "performance_schema=ON"),
    ],
)
def test_a_read_that_the_server_does_not_offer_says_what_it_needs(
    served: World, common: list[str], word: str, needed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["server", "--id", served.writer.address, f"--get={word}", *common]) == 1
    assert needed in capsys.readouterr().err


def test_a_server_is_stopped_and_started(served: World, common: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    writer, replica = served.writer, served.replicas[0]
    assert main(["server", "--id", writer.address, "--action=stop", *common]) == 1
    assert "is-writer" in capsys.readouterr().err
    assert served.alive(writer)
    assert main(["server", "--id", replica.address, "--action=stop", *common]) == 0
    assert not served.alive(replica)
    assert main(["server", "--id", replica.address, "--action=start", *common]) == 0
    served.healthy(40)


def test_over_https_with_the_certificate_to_expect(
    served: World, common: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secure = ["--port", str(served.repman.changes["api-port"]), "--password", PASSWORD]
    assert main(["status", *secure]) == 0
    certificate = served.repman.place / "data" / "api-tls.crt"
    assert main(["status", "--cert", str(certificate), *secure]) == 0
    assert capsys.readouterr().out == "running\n" * 2
    assert main(["status", "--insecure=false", *secure]) == 1
    assert "certificate" in capsys.readouterr().err


def test_any_path_of_the_api(served: World, common: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    root = f"http://127.0.0.1:{served.repman.changes['http-port']}"
    assert main(["api", f"--url={root}/api/clusters", *common]) == 0
    assert [cluster["name"] for cluster in json.loads(capsys.readouterr().out)] == [CLUSTER]
    assert main(["api", f"--url={root}/nowhere", *common]) == 1


def test_exit_codes(served: World, common: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["topology", *common[:2], "--password", "wrong"]) == 14
    assert main(["topology", "--cluster", "nobody", *common]) == 10
    assert main(["topology", "--port", str(free_port())]) == 1
    assert capsys.readouterr().out == ""


def test_bootstrap_of_servers_with_data(served: World, common: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with served.traffic(1) as traffic:
        traffic.flows(5)
    served.healthy()
    assert main(["bootstrap", "--clean-all", *common]) == 0
    out = capsys.readouterr().out
    assert "Replication cleanup done" in out
    assert "Replication bootstrap done" in out
    served.healthy()


def test_the_tests_are_listed(served: World, common: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["test", "--show-tests", *common]) == 0
    assert "testFailoverNoRplChecksNoSemiSync" in capsys.readouterr().out.split()
