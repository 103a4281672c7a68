"""``repman serve`` that watches a real replica set, with a real HAProxy in front that follows its probes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pymongo
import requests
from mongo_stand import Member, ReplicaSet, free_port, wait_until
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from repman.errors import MonitorDown, StateError
from repman.model.command import Command, CommandKind, Receipt
from repman.model.decision import ServerState
from repman.model.snapshot import Snapshot
from repman.orchestrators import haproxy_files
from repman.orchestrators.description import BalancerEntry, ServerEntry
from repman.state.bus import ask
from repman.state.snapshots import SnapshotReader

CLUSTER = "docs"
ACCOUNT = ("admin", "only-for-this-test")
TICK = 0.5


class Watched:
    """A replica set, the repman that watches it and the HAProxy that repman steers."""

    def __init__(self, place: Path, members: ReplicaSet) -> None:
        self.place, self.set = place, members
        memory = Path("/dev/shm")
        self.rundir = Path(tempfile.mkdtemp(prefix="repman-test-", dir=memory if memory.is_dir() else None))
        self.http, self.probes = free_port(), free_port()
        self.config = place / "repman.toml"
        self._reader = SnapshotReader(self.rundir)
        self._process: subprocess.Popen[bytes] | None = None
        self.balancer = BalancerEntry(
            "127.0.0.1", free_port(), free_port(), str(self.rundir / "h.sock"), str(place / "haproxy.pid"),
            str(place / "haproxy.cfg"), ("haproxy", "-db", "-f", str(place / "haproxy.cfg")),
        )  # fmt: skip
        self._haproxy: subprocess.Popen[bytes] | None = None

    def start(self, **changes: object) -> None:
        """Start with these options of the cluster (``_`` for ``-``), and wait until the whole set is watched."""
        place = self.place
        default: dict[str, object] = {
            "monitoring-datadir": str(place / "data"),
            "monitoring-rundir": str(self.rundir),
            "log-file": str(place / "repman.log"),
            "http-port": self.http,
            "http-workers": 1,
            "api-server": False,
            "probes-port": self.probes,
            "api-credentials": [":".join(ACCOUNT)],
        }
        cluster: dict[str, object] = {
            "cluster-type": "mongodb",
            "mongodb-replica-set": self.set.name,
            "db-servers-hosts": [member.address for member in self.set.members],
            "db-servers-names": [f"m{number}" for number, _ in enumerate(self.set.members)],
            "monitoring-ticker": TICK,
            "monitoring-inventory-interval": 1,
            "db-servers-read-timeout": TICK,
            "haproxy": True,
            "haproxy-servers": [self.balancer.host],
            "haproxy-write-port": self.balancer.write_port,
            "haproxy-read-port": self.balancer.read_port,
            "haproxy-runtime-socket": [self.balancer.stats_socket],
            **{name.replace("_", "-"): value for name, value in changes.items()},
        }
        lines = ["[Default]", *(f"{name} = {json.dumps(value)}" for name, value in default.items())]
        lines += [f"[{CLUSTER}]", *(f"{name} = {json.dumps(value)}" for name, value in cluster.items())]
        self.config.write_text("\n".join(lines) + "\n")
        self._start_haproxy()
        since = time.time()
        with open(place / "output.log", "ab") as output:
            argv = (sys.executable, "-P", "-m", "repman", "serve", "--config", str(self.config))
            self._process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        self.until(lambda seen: seen.at > since and seen.routes.writer, "a first look")
        wait_until(self._takes_commands, 20, "the command socket")
        wait_until(self._serves, 20, "the API")

    def _start_haproxy(self) -> None:
        servers = tuple(
            ServerEntry(f"m{number}", "127.0.0.1", member.port, "", "", "", "", "", ())
            for number, member in enumerate(self.set.members)
        )
        probes = ("127.0.0.1", self.probes)
        Path(self.balancer.config).write_text(haproxy_files.configuration(self.balancer, servers, CLUSTER, probes))
        haproxy_files.state_file(self.balancer).write_text(haproxy_files.all_down(servers, probes))
        with open(self.place / "haproxy.log", "ab") as output:
            self._haproxy = subprocess.Popen(
                self.balancer.start, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )

    def stop(self) -> None:
        for process in (self._process, self._haproxy):
            if process is not None:
                process.terminate()
                process.wait(30)
        shutil.rmtree(self.rundir, ignore_errors=True)

    @property
    def snapshot(self) -> Snapshot:
        found = self._reader.get(CLUSTER)
        assert found is not None, "nothing was published yet"
        return found

    def until(self, test: Callable[[Snapshot], object], what: str, seconds: float = 40.0) -> Snapshot:
        """Wait until a published snapshot passes the test."""
        deadline = time.monotonic() + seconds
        while True:
            found = self._reader.get(CLUSTER)
            if found is not None and test(found):
                return found
            assert time.monotonic() < deadline, f"waited {seconds} s in vain for {what}; {self.shown()}"
            time.sleep(0.001)

    def until_healthy(self) -> Snapshot:
        """Wait until every member is watched in its place."""
        wanted = [ServerState.MASTER, *[ServerState.SLAVE] * (len(self.set.members) - 1)]
        return self.until(
            lambda seen: sorted(view.state for view in seen.servers) == sorted(wanted) and not seen.in_failover,
            "a healthy set",
        )

    def shown(self) -> str:
        """What repman says of itself, for a test that failed."""
        found = self._reader.get(CLUSTER)
        if found is None:
            return f"no snapshot; {(self.place / 'output.log').read_text()[-2000:]}"
        servers = [f"{view.policy.name} {view.state} {view.seen.reach} {view.seen.error}" for view in found.servers]
        events = [f"{event.at:.3f} {event.text}" for event in found.events]
        return "\n".join([*servers, str(found.problems), f"plan: {found.plan}", *events])

    def primary(self) -> Member:
        """Whom repman takes for the primary."""
        return self.member(self.snapshot.writer)

    def member(self, address: str) -> Member:
        return next(member for member in self.set.members if member.address == address)

    def ask(self, kind: str, server: str = "", **arguments: object) -> Receipt:
        """Order something over the command socket."""
        return ask(self.rundir / "monitor.sock", Command(CommandKind(kind), CLUSTER, server, **arguments), 90)  # type: ignore[arg-type]

    def probe(self, member: Member, what: str) -> int:
        """The status that the probe listener answers for that member."""
        url = f"http://127.0.0.1:{self.probes}/api/clusters/{CLUSTER}/servers/127.0.0.1/{member.port}/{what}"
        return requests.get(url, timeout=5).status_code

    def api(self, path: str) -> Any:
        """A document of the API."""
        root = f"http://127.0.0.1:{self.http}/api"
        user, password = ACCOUNT
        answer = requests.post(f"{root}/login", json={"username": user, "password": password}, timeout=10).json()
        found = requests.get(f"{root}/{path}", headers={"Authorization": f"Bearer {answer['token']}"}, timeout=10)
        assert found.status_code == 200, found.text
        return found.json()

    def ctl(self, *words: str) -> str:
        user, password = ACCOUNT
        url = f"http://127.0.0.1:{self.http}"
        done = subprocess.run(
            [sys.executable, "-P", "-m", "repman", "ctl", *words],
            env={**os.environ, "REPMAN_URL": url, "REPMAN_USER": user, "REPMAN_PASSWORD": password, "COLUMNS": "200"},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def through_haproxy(self) -> MongoClient[dict[str, Any]]:
        """A client that knows the write port only."""
        return MongoClient(
            "127.0.0.1", self.balancer.write_port, directConnection=True, serverSelectionTimeoutMS=500,
            socketTimeoutMS=2000, retryWrites=False,
        )  # fmt: skip

    def written_through_haproxy(self) -> str:
        """Where a majority write through HAProxy arrived; empty: nowhere."""
        try:
            with self.through_haproxy() as client:
                client.get_database("shop", write_concern=pymongo.WriteConcern("majority")).through.insert_one({})
                return str(client.admin.command("hello")["me"])
        except PyMongoError:
            return ""

    def _takes_commands(self) -> bool:
        try:
            return self.ask("preview", preview_of="switchover").status == "preview"
        except (MonitorDown, StateError):
            return False

    def _serves(self) -> bool:
        try:
            return requests.get(f"http://127.0.0.1:{self.http}/", timeout=2).status_code < 500
        except requests.RequestException:
            return False


class Writers:
    """Threads that insert numbered documents with majority, and remember what was acknowledged."""

    def __init__(self, uri: str, threads: int = 4) -> None:
        self.acknowledged: list[str] = []
        self.longest_gap = 0.0
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._last: float | None = None
        self._client: MongoClient[dict[str, Any]] = MongoClient(uri, w="majority", serverSelectionTimeoutMS=20000)
        self._threads = [threading.Thread(target=self._write, args=(number,)) for number in range(threads)]
        for thread in self._threads:
            thread.start()

    def _write(self, number: int) -> None:
        collection = self._client.shop.orders
        count = 0
        while not self._stop.is_set():
            key = f"{number}-{count}"
            count += 1
            try:
                collection.insert_one({"_id": key})
            except PyMongoError:
                continue
            now = time.monotonic()
            with self._lock:
                self.acknowledged.append(key)
                if self._last is not None:
                    self.longest_gap = max(self.longest_gap, now - self._last)
                self._last = now

    def count(self) -> int:
        with self._lock:
            return len(self.acknowledged)

    def go_on(self, by: int = 50) -> None:
        """Wait until so many more are acknowledged."""
        wanted = self.count() + by
        wait_until(lambda: self.count() >= wanted, 30, "writes to go on")

    def end(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._client.close()
