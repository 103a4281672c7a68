"""Servers and the balancer of a running cluster, unmade and made again over HTTP while clients write."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cluster import World, free_port, state
from cluster_repman import CLUSTER
from http_api import Api
from mariadb_stand import Server, wait_until
from ssh_stand import START, Sshd

from repman.model.decision import ServerState
from repman.orchestrators.template import program

SECONDS = 60.0


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A cluster of this module's own: what is unprovisioned by mistake is nobody else's."""
    world = World(tmp_path_factory.mktemp("world"))
    world.standard = {"http_server": True, "http_port": free_port()}
    try:
        world.begin()
        yield world
    finally:
        world.destroy()


@pytest.fixture
def world(made: World) -> World:
    made.restore()
    return made


@pytest.fixture
def api(world: World) -> Api:
    return Api(world)


def path(server: Server, deed: str) -> str:
    return f"servers/{server.entry.name}/actions/{deed}"


def balancer(api: Api) -> str:
    """The path of the only balancer, by its id."""
    (found,) = api.read("topology/proxies")
    return f"proxies/{found['id']}/actions"


def done(answer: Any) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


def reasons(answer: Any) -> set[str]:
    assert answer.status_code == 409, answer.text
    return {reason["code"] for reason in answer.json()["reasons"]}


def finished(api: Api, identifier: str) -> dict[str, Any]:
    """The job, when it has ended well."""
    found: dict[str, Any] = {}

    def ended() -> bool:
        found.update(api.read(f"jobs/{identifier}"))
        return found["state"] not in ("waiting", "running")

    wait_until(ended, SECONDS, f"the end of the job {identifier}")
    assert found["state"] == "done", found
    return found


def services(api: Api) -> dict[str, dict[str, Any]]:
    (agent,) = api.read("actions/services")
    return {service["name"]: service for service in agent["services"]}


@contextlib.contextmanager
def rows(world: World) -> Iterator[None]:
    """A table that was written before anything else happens, with 500 rows."""
    filled = "INSERT INTO kept.rows SELECT seq, MD5(seq) FROM kept.seq_1_to_500"
    world.writer.write("CREATE DATABASE kept", "CREATE TABLE kept.rows (id INT PRIMARY KEY, word CHAR(32))", filled)
    try:
        yield
    finally:
        world.only_open().write("DROP DATABASE kept")


def checksum(server: Server) -> object:
    (found,) = server.as_root("CHECKSUM TABLE kept.rows")
    assert found[1]
    return found


def own_events(server: Server) -> str:
    """GTIDs that the server wrote itself, as a replica must not."""
    own = server.value("@@server_id")
    positions = server.value("@@gtid_binlog_state").split(",")
    return ",".join(each for each in positions if each and each.split("-")[1] == str(own))


def test_services_are_shown_as_they_are(world: World, api: Api) -> None:
    stopped = world.replicas[0]
    world.sandbox.stop(stopped.entry.name)
    (agent,) = api.read("actions/services")
    assert agent == {**agent, "id": 1, "status": "up", "error": ""}
    assert agent["cpuCores"] > 0
    assert agent["memBytes"] > agent["memFreeBytes"] > 0
    told = {service["name"]: service for service in agent["services"]}
    assert told.keys() == set(world.sandbox.names)
    for name in world.sandbox.names:
        pid = world.sandbox.pid(name)
        assert (told[name]["pid"], told[name]["state"]) == (pid, "running" if pid else "stopped")
    running = told[world.writer.entry.name]
    assert running["memBytes"] > 10 * 1024 * 1024
    assert running["diskBytes"] > 10 * 1024 * 1024
    assert running["cpuSeconds"] > 0
    assert told[stopped.entry.name]["memBytes"] is None
    with world.frozen(world.replicas[-1]):
        assert services(api)[world.replicas[-1].entry.name]["state"] == "frozen"
    assert api.get(f"/api/clusters/{CLUSTER}/services").json()[0]["hostName"] == agent["hostName"]


def test_a_replica_is_unprovisioned_and_provisioned_again(world: World, api: Api) -> None:
    replica = world.replicas[0]
    identity = (replica.value("@@port"), replica.value("@@server_id"))
    with rows(world), world.traffic() as traffic:
        traffic.flows()
        done(api.post(path(replica, "unprovision")))
        assert not list(Path(replica.entry.datadir).parent.glob("data*"))
        assert not world.alive(replica)
        assert services(api)[replica.entry.name]["state"] == "unprovisioned"
        assert reasons(api.post(path(replica, "unprovision"))) == {"unprovisioned"}
        world.repman.until(lambda seen: state(seen, replica) is ServerState.FAILED, "a server that is gone")
        answer = done(api.post(path(replica, "provision")))
        assert answer["status"] == "started"
        finished(api, answer["job"])
        world.healthy()
        world.nothing_lost(traffic)
        assert (replica.value("@@port"), replica.value("@@server_id")) == identity
        replica.value(f"MASTER_GTID_WAIT('{world.writer.value('@@gtid_binlog_pos')}', 20)")
        assert checksum(replica) == checksum(world.writer)
        assert own_events(replica) == ""


def test_an_empty_server_stays_held_until_it_is_reseeded(world: World, api: Api) -> None:
    replica = world.replicas[-1]
    done(api.post(path(replica, "unprovision")))
    assert api.post(path(replica, "provision"), method="magic").status_code == 400
    assert not Path(replica.entry.datadir).exists()
    assert done(api.post(path(replica, "provision"), method="none"))["status"] == "done"
    world.restarted()
    world.repman.looked()
    seen = world.repman.looked()
    view = seen.server(replica.address)
    assert view is not None
    assert (view.state, bool(view.held), view.seen.links) == (ServerState.MAINTENANCE, True, ())
    assert replica.address not in seen.routes.readers
    assert world.repman.ask("switchover", replica.address).status == "refused"
    answer = done(Api(world).post(path(replica, "reseed/logicalmaster")))
    finished(Api(world), answer["job"])
    world.healthy()


def test_a_server_that_somebody_holds_is_left_to_them(world: World, api: Api) -> None:
    replica = world.replicas[0]
    world.repman.done("hold", replica.address, reason="a colleague looks into it")
    try:
        assert reasons(api.post(path(replica, "unprovision"), force="true")) == {"held"}
        assert world.alive(replica)
    finally:
        world.repman.done("hold", replica.address, on=False)


def test_without_a_monitor_nothing_is_made_or_unmade(world: World, api: Api) -> None:
    replica = world.replicas[0]
    monitor = world.repman.pid("monitor")
    assert monitor is not None
    os.kill(monitor, signal.SIGSTOP)
    try:
        wait_until(lambda: time.time() - world.repman.snapshot.at > 10.5, 20, "an old snapshot")
        assert api.post(path(replica, "unprovision")).status_code == 503
        assert world.alive(replica)
        assert Path(replica.entry.datadir).exists()
    finally:
        os.kill(monitor, signal.SIGCONT)


def test_data_that_are_there_are_never_written_over(world: World, api: Api) -> None:
    replica = world.replicas[0]
    before = replica.value("@@gtid_slave_pos")
    assert reasons(api.post(path(replica, "provision"))) == {"provisioned"}
    world.sandbox.stop(replica.entry.name)
    assert reasons(api.post(path(replica, "provision"))) == {"provisioned"}
    replica.start()
    assert replica.value("@@gtid_slave_pos") == before


def test_the_writer_the_last_replica_and_the_only_copy_are_kept(world: World, api: Api) -> None:
    writer, (first, second) = world.writer, world.replicas
    assert reasons(api.post(path(writer, "unprovision"))) == {"is-writer"}
    world.sandbox.stop(first.entry.name)
    world.repman.until(lambda seen: state(seen, first) is ServerState.FAILED, "the end of the first")
    assert reasons(api.post(path(second, "unprovision"))) == {"last-replica"}
    world.sandbox.stop(second.entry.name)
    world.repman.until(lambda seen: state(seen, second) is ServerState.FAILED, "the end of the second")
    assert reasons(api.post(path(writer, "unprovision"))) == {"is-writer", "only-copy"}
    assert all(Path(server.entry.datadir).exists() for server in world.servers)
    assert world.alive(writer)


def test_a_writer_that_is_unprovisioned_by_force_hands_its_role_over_first(world: World, api: Api) -> None:
    old = world.writer
    with world.traffic() as traffic:
        traffic.flows()
        done(api.post(path(old, "unprovision"), force="true"))
        assert world.only_open().address != old.address
        traffic.flows()
        finished(api, done(api.post(path(old, "provision")))["job"])
        world.healthy()
        world.nothing_lost(traffic)


def test_the_balancer_is_unprovisioned_and_provisioned_again(world: World, api: Api) -> None:
    haproxy = world.sandbox.haproxy
    assert haproxy is not None
    there = balancer(api)
    text = Path(haproxy.config).read_text()
    done(api.post(f"{there}/unprovision"))
    assert world.sandbox.pid("haproxy") is None
    assert not Path(haproxy.config).exists()
    assert services(api)["haproxy"]["state"] == "unprovisioned"
    assert api.post(f"{there}/start").status_code == 500
    done(api.post(f"{there}/provision"))
    assert Path(haproxy.config).read_text() == text
    world.healthy()
    with world.through_haproxy() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT @@port")
        assert cursor.fetchone() == (world.writer.entry.port,)
    assert api.post("proxies/nobody/actions/provision").text == "Server Not Found"


def test_the_balancer_is_stopped_and_started(world: World, api: Api) -> None:
    done(api.post(f"{balancer(api)}/stop"))
    assert world.sandbox.pid("haproxy") is None
    done(api.post(f"{balancer(api)}/stop"))
    done(api.post(f"{balancer(api)}/start"))
    world.healthy()


def test_everything_is_unprovisioned_and_provisioned_again(world: World, api: Api) -> None:
    assert reasons(api.post("services/actions/unprovision")) == {"only-copy"}
    assert all(world.alive(server) for server in world.servers)
    gone = done(api.post("services/actions/unprovision", force="true"))
    assert sorted(gone["unprovisioned"]) == sorted(world.sandbox.names)
    assert not any(Path(server.entry.datadir).exists() for server in world.servers)
    built = done(api.post("actions/services/provision"))
    assert sorted(built["provisioned"]) == sorted(built["started"]) == sorted(world.sandbox.names)
    world.healthy()
    again = done(api.post("services/actions/provision"))
    assert again["provisioned"] == again["started"] == []
    with world.traffic() as traffic:
        traffic.flows()
        world.nothing_lost(traffic)


def test_what_is_missing_is_made_and_the_rest_is_left_alone(world: World, api: Api) -> None:
    replica = world.replicas[0]
    others = {server.entry.name: world.sandbox.pid(server.entry.name) for server in world.servers if server != replica}
    done(api.post(path(replica, "unprovision")))
    built = done(api.post("actions/services/bootstrap"))
    assert (built["status"], built["provisioned"]) == ("started", [replica.entry.name])
    for job in built["jobs"]:
        finished(api, job)
    world.healthy()
    assert {name: world.sandbox.pid(name) for name in others} == others


def test_the_configuration_of_a_server_is_downloaded(world: World, api: Api) -> None:
    entry, haproxy = world.servers[0].entry, world.sandbox.haproxy
    assert haproxy is not None
    wanted = f"servers/{entry.host}/{entry.port}/config"
    assert api.get(wanted, token=False).status_code == 401
    texts = unpacked(api.get(wanted).content)
    assert texts == {"etc/mysql/conf.d/repman.cnf": Path(entry.config).read_text()}
    balanced = unpacked(api.get(f"servers/{haproxy.host}/{haproxy.write_port}/config").content)
    assert balanced == {"etc/haproxy/haproxy.cfg": Path(haproxy.config).read_text()}
    assert api.get(f"servers/{entry.host}/1/config").text == "No server"
    found = world.sandbox.description
    secrets = [account.password for account in (found.monitor, found.replication, found.application)]
    assert not [secret for secret in secrets if secret in "".join([*texts.values(), *balanced.values()])]
    world.restarted(api_credentials_secure_config=False, **world.standard)
    assert unpacked(Api(world).get(wanted, token=False).content) == texts


def unpacked(content: bytes) -> dict[str, str]:
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
        return {entry.name: archive.extractfile(entry).read().decode() for entry in archive}  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["opensvc", "kube", "slapos"])
def test_an_orchestrator_that_is_not_there_says_so(world: World, name: str) -> None:
    world.restarted(prov_orchestrator=name, sandbox_directory=None)
    api = Api(world)
    told = api.read("actions/services")
    assert told["available"] is False
    assert name in told["reason"]
    for deed in (
        "actions/services/provision",
        "actions/services/bootstrap",
        "services/actions/unprovision",
        path(world.replicas[0], "provision"),
        path(world.replicas[0], "unprovision"),
        path(world.replicas[0], "start"),
        path(world.replicas[0], "stop"),
        f"{balancer(api)}/provision",
        f"{balancer(api)}/unprovision",
        f"{balancer(api)}/start",
        f"{balancer(api)}/stop",
    ):
        answer = api.post(deed, force="true")
        assert (answer.status_code, answer.json()) == (501, told), deed
    listed = {each["name"]: each["available"] for each in api.read("/api/monitor")["serviceOrchestrators"]}
    assert listed == {"opensvc": False, "kube": False, "slapos": False, "local": True, "onpremise": True}
    assert all(world.alive(server) for server in world.servers)


def test_a_replica_is_stopped_and_started_over_ssh(world: World, tmp_path: Path) -> None:
    sshd = Sshd(tmp_path)
    start = tmp_path / "start.sh"
    start.write_text(START.format(sandbox=world.sandbox.directory, server=program("mariadbd")))
    sshd.start()
    try:
        world.restarted(
            prov_orchestrator="onpremise",
            sandbox_directory=None,
            onpremise_ssh=True,
            onpremise_ssh_port=sshd.port,
            onpremise_ssh_credential=f"{sshd.access.user}:",
            onpremise_ssh_private_key=str(sshd.private_key),
            onpremise_ssh_known_hosts=str(sshd.known_hosts),
            onpremise_ssh_start_db_script=str(start),
            **world.standard,
        )
        api, replica = Api(world), world.replicas[0]
        told = services(api)
        assert {name: service["pid"] for name, service in told.items()} == {
            server.entry.name: world.sandbox.pid(server.entry.name) for server in world.servers
        }
        done(api.post(path(replica, "stop")))
        assert not world.alive(replica)
        assert services(api)[replica.entry.name]["state"] == "stopped"
        done(api.post(path(replica, "start")))
        world.healthy()
        refused = api.post(path(replica, "unprovision"))
        assert "onpremise-ssh-unprovision-db-script" in refused.text
        world.healthy()
        broken = tmp_path / "broken.sh"
        broken.write_text("exit 3\n")
        world.restarted(
            prov_orchestrator="onpremise",
            sandbox_directory=None,
            onpremise_ssh=True,
            onpremise_ssh_port=sshd.port,
            onpremise_ssh_credential=f"{sshd.access.user}:",
            onpremise_ssh_private_key=str(sshd.private_key),
            onpremise_ssh_known_hosts=str(sshd.known_hosts),
            onpremise_ssh_start_db_script=str(start),
            onpremise_ssh_unprovision_db_script=str(broken),
            **world.standard,
        )
        api = Api(world)
        half = api.post(path(replica, "unprovision"))
        assert "stays held, for some of its data may be gone" in half.text
        assert not world.alive(replica)
        view = world.repman.looked().server(replica.address)
        assert view is not None
        assert view.held
        world.repman.ask("hold", replica.address, on=False)
        done(api.post(path(replica, "start")))
        world.healthy()
        world.restarted(
            prov_orchestrator="onpremise",
            sandbox_directory=None,
            onpremise_ssh=True,
            onpremise_ssh_port=free_port(),
            onpremise_ssh_known_hosts=str(sshd.known_hosts),
            **world.standard,
        )
        (agent,) = Api(world).read("actions/services")
        assert agent["status"] == "down"
        assert "cannot be reached" in agent["error"]
        assert {service["state"] for service in agent["services"]} == {"unknown"}
    finally:
        sshd.stop()
