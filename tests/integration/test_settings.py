"""Settings changed while repman runs, on a whole cluster: what is said, what is saved, and what is done."""

from __future__ import annotations

import os
import signal
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from cluster import World, free_port, listens, state
from cluster_repman import CLUSTER, PASSWORD, Repman
from http_api import Api
from mariadb_stand import Server, wait_until

from repman.model.decision import ServerState
from repman.model.snapshot import Snapshot
from repman.orchestrators.sandbox import Sandbox


class Grown(World):
    """Three servers that repman watches, and a fourth one that it does not know."""

    def __init__(self, directory: Path) -> None:
        self.sandbox = Sandbox.create(directory / "s", 4, haproxy=True, cluster=CLUSTER)
        *self.servers, self.fourth = (Server(self.sandbox, entry) for entry in self.sandbox.servers)
        self.repman = Repman(self.sandbox, directory / "repman")
        self.standard: dict[str, object] = {
            "http_server": True,
            "http_port": free_port(),
            "db_servers_hosts": [server.address for server in self.servers],
            "db_servers_names": [server.entry.name for server in self.servers],
        }
        self._directory = directory

    @property
    def config(self) -> Path:
        return self.repman.place / "repman.toml"

    @property
    def saved(self) -> Path:
        return self.repman.place / "data" / CLUSTER / f"{CLUSTER}.toml"

    def files(self) -> dict[Path, bytes]:
        """All that may hold settings."""
        paths = [self.config, *(self.repman.place / "data").rglob("*.toml")]
        return {path: path.read_bytes() for path in paths}


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grown]:
    world = Grown(tmp_path_factory.mktemp("grown"))
    try:
        world.begin()
        yield world
    finally:
        world.destroy()


@pytest.fixture
def api(grown: Grown) -> Iterator[Api]:
    text = grown.config.read_text()
    yield Api(grown)
    for path in (grown.repman.place / "data").rglob("*.toml"):
        path.unlink()
    grown.config.write_text(text)
    if listens(int(str(grown.repman.changes["http-port"]))):
        assert Api(grown).post("settings/reload").status_code == 200
    else:
        grown.repman.stop()
    grown.restore()


def option(api: Api, name: str, path: str = "settings/options") -> dict[str, object]:
    found = api.read(path)["options"]
    return next(each for each in found if each["name"] == name)


def test_failover_mode_is_switched_off_and_on_live(grown: Grown, api: Api) -> None:
    answer = api.post("settings/switch/interactive")
    assert answer.status_code == 200, answer.text
    assert (answer.json()["option"]["value"], answer.json()["restartNeeded"]) == ("manual", [])
    told = option(api, "failover-mode")
    assert (told["value"], told["origin"], told["author"], told["live"]) == ("manual", "override", "admin", True)
    assert str(told["changedAt"]).endswith("Z")
    assert api.read("settings")["failoverMode"] == "manual"
    old = grown.writer
    grown.sandbox.kill(old.entry.name)
    # Before the replicas have said that they lost it, another reason stands there.
    grown.repman.until(lambda seen: not seen.writer_alive and _is_manual(seen), "the death, and a refusal for the mode")
    before = grown.repman.looked().ticks
    grown.repman.until(lambda seen: seen.ticks > before + 10, "more looks")
    assert grown.repman.snapshot.writer == old.address
    answer = api.post("settings/actions/switch/failover-mode")
    assert answer.json()["option"]["value"] == "automatic"
    new = grown.repman.until(lambda seen: seen.writer_alive and seen.writer != old.address, "a failover")
    assert grown.server(new.writer).address == grown.only_open().address


def _is_manual(seen: Snapshot) -> bool:
    return any(refusal.code == "manual" or "failover-mode" in refusal.sentence for refusal in seen.refusals)


def test_the_longest_delay_is_set_live(grown: Grown, api: Api) -> None:
    late = grown.replicas[0]
    late.run("STOP ALL SLAVES", "SET GLOBAL slave_parallel_threads=0", "CHANGE MASTER TO MASTER_DELAY=2", "START SLAVE")
    try:
        assert api.post("settings/actions/set/failover-max-slave-delay/-1").status_code == 200
        with grown.traffic(1):
            grown.repman.until(lambda seen: _lag(seen, late) > 1.0, "a lag of a second")
            assert state(grown.repman.snapshot, late) is not ServerState.SLAVE_LATE
            answer = api.call("POST", "settings/actions/set/failover-max-slave-delay", json={"value": 0.5})
            assert answer.json()["option"]["value"] == 0.5
            grown.repman.until(lambda seen: state(seen, late) is ServerState.SLAVE_LATE, "a replica that is late")
            assert api.post("settings/actions/set/failover-max-slave-delay/60").status_code == 200
            grown.repman.until(lambda seen: state(seen, late) is ServerState.SLAVE, "a replica that is in time")
    finally:
        late.run("STOP ALL SLAVES", "CHANGE MASTER TO MASTER_DELAY=0", "START SLAVE")
        wait_until(lambda: late.replica()["Slave_IO_Running"] == "Yes", what="the replica to receive again")


def _lag(seen: Snapshot, server: Server) -> float:
    view = seen.server(server.address)
    assert view is not None
    return max((link.lag or 0.0 for link in view.seen.links), default=0.0)


def test_a_bad_name_or_value_changes_nothing(grown: Grown, api: Api) -> None:
    assert api.post("settings/actions/set/failover-limit/3").status_code == 200
    before, policy = grown.files(), api.read("settings")
    for path, status, told in (
        ("settings/actions/set/failover-limti/3", 501, "Setting Not Found"),
        ("settings/actions/set/proxysql-port/3", 501, "not used by repman"),
        ("settings/actions/switch/failover-limit", 501, "Setting Not Found"),
        ("settings/actions/set/failover-limit/many", 400, "is not a number"),
        ("settings/actions/set/failover-limit/-1", 400, "out of range"),
        ("settings/actions/set/failover-drain-timeout/1000", 400, "longer than failover-timeout"),
        ("settings/actions/set/db-servers-hosts/127.0.0.1:1", 409, "is the writer"),
        ("settings/actions/set-cron/scheduler-db-servers-optimize-cron/every%20day", 400, "Bad cron pattern"),
        ("/api/clusters/settings/actions/set/failover-limit/3", 501, "one of a cluster"),
        ("/api/clusters/settings/actions/set/http-port/0", 400, "out of range"),
    ):
        answer = api.post(path)
        assert (answer.status_code, told in answer.text) == (status, True), (path, answer.status_code, answer.text)
        assert grown.files() == before, path
    assert api.read("settings") == policy
    assert api.post("settings/actions/set-cron/scheduler-db-servers-optimize-cron/0%200%203%20*%2F2%20*%20*").ok
    assert option(api, "scheduler-db-servers-optimize-cron")["value"] == "0 0 3 */2 * *"


def test_a_change_outlives_repman_and_can_be_cleared(grown: Grown, api: Api) -> None:
    assert api.post("settings/actions/set/monitoring-ticker/0.2").status_code == 200
    assert tomllib.loads(grown.saved.read_text())[CLUSTER]["monitoring-ticker"]["by"] == "admin"
    assert tomllib.loads(grown.saved.read_text())[CLUSTER]["monitoring-ticker"]["over"] == 0.25
    assert (grown.saved.stat().st_mode & 0o777) == 0o600
    grown.restarted()
    api = Api(grown)
    assert option(api, "monitoring-ticker")["value"] == 0.2
    assert option(api, "monitoring-ticker")["author"] == "admin"
    assert api.post("settings/actions/clear/monitoring-ticker").json()["option"]["origin"] == "main"
    assert api.read("settings")["monitoringTicker"] == 0.25


def test_a_changed_file_is_read_again(grown: Grown, api: Api) -> None:
    assert api.post("settings/actions/set/monitoring-ticker/0.2").status_code == 200
    text = grown.config.read_text()
    grown.config.write_text(text.replace("monitoring-ticker = 0.25", "monitoring-ticker = 0.3"))
    answer = api.post("settings/reload")
    assert answer.status_code == 200, answer.text
    assert option(api, "monitoring-ticker")["value"] == 0.3, "the file is newer than the change"
    assert "monitoring-ticker" not in grown.saved.read_text(), "it cannot come back"
    grown.config.write_text(text + "failover-limti = 1\n")
    answer = api.post("settings/actions/reload")
    assert (answer.status_code, "did you mean failover-limit?" in answer.text) == (400, True)
    assert option(api, "monitoring-ticker")["value"] == 0.3
    grown.config.write_text(text + "failover-limit = 6\n")
    pid = grown.repman.pid("serve")
    assert pid is not None
    os.kill(pid, signal.SIGHUP)
    wait_until(lambda: option(api, "failover-limit")["value"] == 6, what="SIGHUP to be followed")
    grown.repman.until(lambda seen: "failover-limit = 6" in seen.events[0].text, "the monitor to follow")


def test_two_web_workers_agree(grown: Grown, api: Api) -> None:
    pid = grown.repman.pid("web")
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    assert len(children) == 2, "two workers, or this test shows nothing"
    for limit in range(10, 20):
        assert api.post(f"settings/actions/set/failover-limit/{limit}").status_code == 200
        for _ in range(8):  # each a connection of its own, so that either worker may take it
            assert api.read("settings")["failoverLimit"] == limit


def test_accounts_and_rights_are_followed(grown: Grown, api: Api) -> None:
    text = grown.config.read_text()
    other = f'"admin:{PASSWORD}", "guest:{PASSWORD}"'
    grown.config.write_text(text.replace(f'"admin:{PASSWORD}"', other))
    assert api.post("settings/reload").status_code == 200
    guest = Api(grown, user="guest")
    assert guest.get("settings").status_code == 403
    assert guest.get("settings/options").status_code == 403
    assert guest.post("settings/actions/switch/monitoring-pause").status_code == 403
    rights = "admin:global cluster proxy db prov,guest:cluster"
    assert api.post(f"/api/clusters/settings/actions/set/api-credentials-acl-allow/{rights}").status_code == 200
    assert guest.get("settings").status_code == 200
    refused = guest.post("settings/actions/set/http-port/1234")
    assert (refused.status_code, refused.headers["X-Repman-Missing-Grant"]) == (403, "global-settings")
    assert "doesn't have required ACL for http-port" in refused.text
    assert guest.post("/api/clusters/settings/actions/set/api-token-timeout/5").status_code == 403


def test_an_option_that_is_not_live_waits_for_a_restart(grown: Grown, api: Api) -> None:
    port = grown.repman.changes["http-port"]
    other = free_port()
    answer = api.post(f"/api/clusters/settings/actions/set/http-port/{other}")
    assert answer.status_code == 200, answer.text
    assert answer.json()["restartNeeded"] == ["http-port"]
    assert "restarted" in answer.json()["sentence"]
    told = option(api, "http-port", "/api/clusters/settings/options")
    assert (told["value"], told["restartNeeded"], told["live"]) == (other, True, False)
    assert api.url.endswith(f":{port}"), "and it goes on where it is"
    grown.repman.stop()
    grown.repman.start(**grown.standard)
    wait_until(lambda: _status(other) == 200, 20, "the other port")
    assert _status(port) == 0


def _status(port: object) -> int:
    try:
        return requests.get(f"http://127.0.0.1:{port}/api/status", timeout=5).status_code
    except requests.ConnectionError:
        return 0


def test_a_fourth_server_is_added_and_dropped(grown: Grown, api: Api) -> None:
    host, port = grown.fourth.entry.host, grown.fourth.entry.port
    begun = grown.repman.snapshot.ticks
    answer = api.call("POST", f"actions/addserver/{host}/{port}", json={"name": "db4"})
    assert (answer.status_code, answer.json()["msg"]) == (200, "Monitor added"), answer.text
    assert "add it to its backends" in answer.json()["warnings"][-1]
    seen = grown.repman.until(lambda seen: seen.server("db4") is not None, "the new server")
    assert seen.ticks - begun <= 8, "within two ticks, and those that its change took"
    grown.repman.until(lambda seen: state(seen, grown.fourth) is ServerState.SLAVE, "a replica more")
    assert grown.fourth.replica()["Slave_IO_Running"] == "Yes"
    grown.writer.as_root("CREATE DATABASE IF NOT EXISTS of_four")
    wait_until(lambda: grown.fourth.run("SHOW DATABASES LIKE 'of_four'"), what="the write on the new server")
    again = api.post(f"actions/addserver/{host}/{port}/mariadb")
    assert (again.status_code, again.json()["msg"].endswith("Server already exists")) == (409, True)
    assert api.post(f"actions/addserver/{host}/{port}/proxysql").status_code == 400
    assert api.post(f"actions/addserver/{host}/70000").status_code == 400

    writer = grown.writer.entry
    refused = api.post(f"actions/dropserver/{writer.host}/{writer.port}", force=True)
    assert (refused.status_code, refused.json()["reasons"][0]["code"]) == (409, "is-writer")
    assert api.post(f"actions/dropserver/{host}/1").status_code == 404
    dropped = api.post(f"actions/dropserver/{host}/{port}")
    assert (dropped.status_code, dropped.json()["msg"]) == (200, "Monitor dropped"), dropped.text
    grown.repman.until(lambda seen: seen.server("db4") is None, "three servers")
    assert grown.fourth.replica()["Slave_IO_Running"] == "No", "nobody counts on its acknowledgements"
    assert CLUSTER not in tomllib.loads(grown.saved.read_text()), "back at what the file says"
    grown.healthy()


def test_the_last_server_that_acknowledges_stays(grown: Grown, api: Api) -> None:
    first, last = grown.replicas
    assert api.post(f"actions/dropserver/{first.entry.host}/{first.entry.port}").status_code == 200
    grown.repman.until(lambda seen: len(seen.servers) == 2, "two servers")
    refused = api.post(f"actions/dropserver/{last.entry.host}/{last.entry.port}")
    assert (refused.status_code, refused.json()["reasons"][0]["code"]) == (409, "last-acker")
    assert len(grown.repman.looked().servers) == 2
    assert api.post("settings/actions/clear/db-servers-hosts").status_code == 400, "its names would not fit any more"
    assert api.post(f"actions/addserver/{first.entry.host}/{first.entry.port}").status_code == 200
    grown.repman.until(lambda seen: len(seen.servers) == 3, "three servers")
    grown.repman.until(lambda seen: state(seen, first) is ServerState.SLAVE, "the replica to be back")


def test_automatic_failovers_are_counted_anew_under_the_old_path(grown: Grown, api: Api) -> None:
    old = grown.writer
    grown.sandbox.kill(old.entry.name)
    grown.repman.until(lambda seen: seen.failovers > 0 and seen.writer != old.address, "a failover")
    assert api.post("settings/reset/failovercontrol").status_code == 200
    assert grown.repman.looked().failovers == 0


def test_a_cluster_comes_and_goes_with_the_files(grown: Grown, api: Api) -> None:
    text = grown.config.read_text()
    accounts = "\n".join(line for line in text.splitlines() if "-credential = " in line)
    nobody = f'[other]\ndb-servers-hosts = "127.0.0.1:{free_port()}"\n{accounts}\n'
    grown.config.write_text(text + nobody)
    before = grown.repman.snapshot.run
    assert api.post("settings/reload").status_code == 200
    assert [each["name"] for each in api.read("/api/clusters")] == ["other", CLUSTER]
    wait_until(lambda: api.read("/api/clusters/other/snapshot")["generation"] > 0, what="a look at the new cluster")
    grown.config.write_text(text)
    assert api.post("settings/reload").status_code == 200
    assert [each["name"] for each in api.read("/api/clusters")] == [CLUSTER]
    assert api.get("/api/clusters/other").status_code == 500
    assert grown.repman.looked().run == before, "the monitor was not started again"


def test_a_file_that_drops_the_writer_is_refused_by_the_monitor(grown: Grown, api: Api) -> None:
    text, writer = grown.config.read_text(), grown.writer
    others = [server for server in grown.servers if server.address != writer.address]
    lines = [line for line in text.splitlines() if not line.startswith(("db-servers-hosts", "db-servers-names"))]
    lines.append("db-servers-hosts = " + repr([server.address for server in others]))
    grown.config.write_text("\n".join([*lines, ""]))
    answer = api.post("settings/reload")
    assert (answer.status_code, "is the writer" in answer.text) == (409, True), answer.text
    assert len(grown.repman.looked().servers) == 3
    assert grown.only_open().address == writer.address
