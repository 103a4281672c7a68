"""``repman sandbox create --kind mongodb``: a small sharded layout with accounts, watched by repman."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from mongo_stand import free_port, wait_until
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from repman.cli.sandbox_config import sections
from repman.engines.mongodb import MongodbSet
from repman.errors import MonitorDown, StateError
from repman.model.command import Command, CommandKind, Receipt
from repman.model.decision import ServerState
from repman.model.observation import Reach
from repman.model.snapshot import Snapshot
from repman.model.work import Request
from repman.orchestrators import process
from repman.orchestrators.description import Account
from repman.orchestrators.mongodb_files import Layout
from repman.orchestrators.sandbox import Sandbox
from repman.state.bus import ask, ask_worker
from repman.state.snapshots import SnapshotReader

SHARD, CONFIG = "shop-shard1", "shop-config"


@dataclass
class Site:
    """The sandbox and the repman that watches its sets."""

    sandbox: Sandbox
    rundir: Path

    def until(self, cluster: str, test: Callable[[Snapshot], object], what: str) -> Snapshot:
        reader = SnapshotReader(self.rundir)

        def found() -> Snapshot | None:
            seen = reader.get(cluster)
            return seen if seen is not None and test(seen) else None

        snapshot: Snapshot = wait_until(found, 60, f"{what}; {reader.get(cluster)}")
        return snapshot

    def ask(self, kind: CommandKind, server: str, **more: Any) -> Receipt:
        def receipt() -> Receipt | None:
            try:
                return ask(self.rundir / "monitor.sock", Command(kind, SHARD, server, **more), 90)
            except (MonitorDown, StateError):
                return None

        found: Receipt = wait_until(receipt, 30, "the command socket")
        return found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    place = tmp_path_factory.mktemp("sharded")
    memory = Path("/dev/shm")
    rundir = Path(tempfile.mkdtemp(prefix="repman-test-", dir=memory if memory.is_dir() else None))
    sandbox = Sandbox.create(place / "set", cluster="shop", layout=Layout(members=3, shards=1))
    running: subprocess.Popen[bytes] | None = None
    try:
        sandbox.start_all(60.0)
        own = {
            "monitoring-datadir": str(place / "data"),
            "monitoring-rundir": str(rundir),
            "http-server": False,
            "api-server": False,
            "api-credentials": ["admin:only-for-this-test"],
            "log-file": str(place / "log"),
            "probes-port": free_port(),
        }
        text = "".join(f"{name} = {json.dumps(value)}\n" for name, value in own.items())
        planned = "\n".join(line for line in sections(sandbox).splitlines() if not line.startswith("probes-port"))
        config = place / "repman.toml"
        config.write_text(planned.replace("[Default]\n", f"[Default]\n{text}", 1))
        argv = (sys.executable, "-P", "-m", "repman", "serve", "--config", str(config))
        running = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        yield Site(sandbox, rundir)
    finally:
        if running is not None:
            running.terminate()
            running.wait(60)
        sandbox.destroy()
        shutil.rmtree(rundir, ignore_errors=True)
    assert not (place / "set").exists()
    assert [entry.name for entry in sandbox.entries if process.find_all(entry.mark)] == []


def test_each_set_of_a_sharded_cluster_is_a_cluster(site: Site) -> None:
    shard = site.until(SHARD, lambda seen: seen.protected, "a healthy shard")
    config = site.until(CONFIG, lambda seen: seen.writer, "the config server")
    assert (shard.topology, config.topology) == ("shard", "config-servers")
    assert sorted(view.state for view in shard.servers) == [ServerState.MASTER, *[ServerState.SLAVE] * 2]
    assert {view.policy.name for view in config.servers} == {"config1"}
    assert not shard.problems


def test_accounts_are_needed_and_the_monitors_may_not_touch_data(site: Site) -> None:
    found = site.sandbox.description
    writer = site.until(SHARD, lambda seen: seen.routes.writer, "a primary").writer
    server = next(each for each in site.sandbox.servers if each.address == writer)

    def client(account: Account | None) -> MongoClient[dict[str, Any]]:
        login = {"username": account.user, "password": account.password} if account else {}
        return MongoClient(server.host, server.port, directConnection=True, **login)  # type: ignore[arg-type]

    for account, may in ((None, False), (found.monitor, False), (found.replication, True)):
        with client(account) as at:
            if may:
                at.shop.orders.insert_one({})
            else:
                with pytest.raises(OperationFailure):
                    at.shop.orders.insert_one({})


def test_a_rejected_account_is_no_sign_of_death(site: Site) -> None:
    places = {server.address: (server.host, server.port) for server in site.sandbox.servers}
    driver = MongodbSet(places, {"username": "repman", "password": "wrong"}, 1.0)
    try:
        looks = [[one.reach for one in driver.observe(3.0)] for _ in range(3)]
    finally:
        driver.close()
    assert looks == [[Reach.DENIED] * len(places)] * 3


def test_a_member_is_stopped_and_started(site: Site) -> None:
    seen = site.until(SHARD, lambda seen: seen.protected, "a healthy shard")
    replica = next(view for view in seen.servers if view.state is ServerState.SLAVE)
    address, name = replica.policy.address, replica.policy.name
    assert site.ask(CommandKind.STOP_SERVER, seen.writer).status == "refused"
    assert site.ask(CommandKind.STOP_SERVER, address, user="ann").status == "done"
    assert site.sandbox.pid(name) is None
    stopped = site.until(SHARD, lambda seen: not seen.protected, "the loss")
    view = stopped.server(address)
    assert view is not None
    assert (view.state, view.stopped_by) == (ServerState.MAINTENANCE, "ann")
    other = next(each for each in seen.servers if each.policy.address not in (address, seen.writer))
    refusals = site.ask(CommandKind.STOP_SERVER, other.policy.address).refusals
    assert [code for code, _ in refusals] == ["no-majority"]
    assert site.ask(CommandKind.START_SERVER, address).status == "done"
    site.until(SHARD, lambda seen: seen.protected, "the member's return")


def test_the_worker_lets_members_alone(site: Site) -> None:
    address = site.sandbox.server("shard1-1").address
    for name in ("reseed", "provision", "unprovision", "processlist", "backup-logical"):
        reply = ask_worker(site.rundir / "worker.sock", Request(name, SHARD, address), 30)
        assert (reply.status, reply.code) == ("refused", "not-for-this-kind"), (name, reply)
    services = ask_worker(site.rundir / "worker.sock", Request("services", SHARD), 30)
    assert services.status == "done", services
