"""How many large reads one web process answers.

A stand-in for the monitor publishes the snapshots of 100 clusters of three servers each second.  One gunicorn worker
answers; clients with kept connections ask for `/api/status`, which is the floor of the framework, for `/api/monitor`,
and for `/api/clusters/{c}` in turn: plain, compressed, and with the tag of the last answer.  Clients and server share
the processors, so the ratio to `/api/status` of the same run says more than the rate.

Usage: python bench/reads.py [--seconds 4] [--connections 8]
Prints one JSON object; exits 1 when an answer was wrong or a goal was missed.
"""

from __future__ import annotations

import argparse
import http.client
import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from report import figures, finish, say

from repman.config import load
from repman.config.settings import Settings
from repman.model.decision import ServerState
from repman.model.observation import Link, Reach, Receiver, SemiSync, ServerSeen
from repman.model.position import MariadbGtid
from repman.model.probe import probe_table
from repman.model.snapshot import FORMAT, Event, ServerView, Snapshot
from repman.model.version import ServerVersion
from repman.orchestrators.network import free_ports
from repman.state.snapshots import Publisher
from repman.web import process
from repman.web.render.empty import unobserved

CLUSTERS, SERVERS, EVENTS = 100, 3, 50
GOAL = 500
PASSWORD = "only-for-this-bench"


def configuration(root: Path, port: int) -> str:
    lines = [
        "[Default]",
        f'monitoring-datadir = "{root}/data"',
        f'monitoring-rundir = "{root}/run"',
        f"http-port = {port}",
        "http-workers = 1",
        "api-server = false",
        f'api-credentials = "admin:{PASSWORD}"',
        'db-servers-credential = "repman:secret"',
        'replication-credential = "repl:secret"',
    ]
    for cluster in range(CLUSTERS):
        hosts = ",".join(f"10.0.{cluster}.{server + 1}:3306" for server in range(SERVERS))
        lines += [f"[cluster{cluster}]", f'db-servers-hosts = "{hosts}"']
    return "\n".join(lines) + "\n"


def snapshots(settings: Settings) -> list[Snapshot]:
    """A healthy look at every cluster."""
    return [_healthy(unobserved(cluster.policy)) for cluster in settings.clusters]


def _healthy(empty: Snapshot) -> Snapshot:
    writer = empty.servers[0].policy.address
    position = MariadbGtid.parse("0-1-1000")
    link = Link(writer, 1, Receiver.RUNNING, True, position, 1, 0.5, 0.0)
    views = []
    for number, view in enumerate(empty.servers):
        seen = ServerSeen(
            view.policy.address,
            Reach.ANSWERED,
            at=0.0,
            version=ServerVersion.parse("10.11.6-MariaDB-log", "Debian 12"),
            server_id=number + 1,
            read_only=number > 0,
            executed=position,
            received=position,
            links=(link,) if number else (),
            semi_sync=SemiSync(True, True, number == 0, 2, 1e6, True),
            binlog=True,
        )
        state = ServerState.SLAVE if number else ServerState.MASTER
        views.append(ServerView(view.policy, seen, None, state, state, False, 0))
    return replace(
        empty,
        format=FORMAT,
        generation=1,
        run="bench",
        active=True,
        writer=writer,
        writer_alive=True,
        topology="master-slave",
        protected=True,
        blocked_by=(),
        problems=(),
        servers=tuple(views),
        events=tuple(Event(time.time() - number, "INFO", f"event {number} of the bench") for number in range(EVENTS)),
    )


def publish(settings: Settings, ended: Any) -> None:
    """Be the monitor: one look a second at every cluster, spread over the second."""
    publisher, known = Publisher(settings.service.rundir), snapshots(settings)
    while not ended.is_set():
        for index, snapshot in enumerate(known):
            now = replace(snapshot, at=time.time(), monotonic=time.monotonic(), generation=snapshot.generation + 1)
            known[index] = now
            publisher.publish(now, probe_table(now, "keep", 60.0))
            ended.wait(1.0 / len(known))


class Load:
    """Clients that ask for the paths in turn until the time is over."""

    def __init__(
        self, port: int, headers: dict[str, str], paths: list[str], tagged: bool, check: Callable[[bytes], bool]
    ):
        self.port, self.headers, self.paths, self.tagged, self.check = port, headers, paths, tagged, check
        self.seconds: list[float] = []
        self.wrong = self.not_modified = self.bytes = 0

    def client(self, first: int, until: float) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        tags: dict[str, str] = {}
        number = first
        while (began := time.monotonic()) < until:
            path = self.paths[number % len(self.paths)]
            number += 1
            headers = {**self.headers, **({"If-None-Match": tags[path]} if self.tagged and path in tags else {})}
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            body = answer.read()
            self.seconds.append(time.monotonic() - began)
            self.bytes += len(body)
            if answer.status == 304 and self.tagged:
                self.not_modified += 1
            elif answer.status != 200 or not self.check(body):
                self.wrong += 1
            tags[path] = answer.headers.get("ETag", "")
        connection.close()

    def run(self, connections: int, seconds: float) -> dict[str, Any]:
        until = time.monotonic() + seconds
        threads = [threading.Thread(target=self.client, args=(number * 13, until)) for number in range(connections)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return {
            "per_second": round(len(self.seconds) / seconds),
            "ms": figures([1000 * each for each in self.seconds]),
            "mean_bytes": self.bytes // max(1, len(self.seconds)),
            "not_modified": self.not_modified,
            "wrong": self.wrong,
        }


def log_in(port: int) -> dict[str, str]:
    until = time.monotonic() + 20
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("POST", "/api/login", json.dumps({"username": "admin", "password": PASSWORD}))
            token = json.loads(connection.getresponse().read())["token"]
            return {"Authorization": f"Bearer {token}"}
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
        finally:
            connection.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--connections", type=int, default=8)
    chosen = parser.parse_args()
    context = get_context("spawn")
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as place:
        root, (port,) = Path(place), free_ports(1)
        (root / "repman.toml").write_text(configuration(root, port))
        settings, _ = load(root / "repman.toml", (), {})
        ended = context.Event()
        children = [
            context.Process(target=publish, args=(settings, ended)),
            context.Process(target=process.run, args=(settings,)),
        ]
        for child in children:
            child.start()
        try:
            headers = log_in(port)
            results = measure(port, headers, chosen.connections, chosen.seconds)
        finally:
            ended.set()
            for child in children:
                child.terminate()
                child.join(10)
    floor = results["status"]["per_second"]
    for result in results.values():
        result["of_status"] = round(result["per_second"] / max(1, floor), 2)
    failures = [f"{name}: {result['wrong']} wrong answers" for name, result in results.items() if result["wrong"]]
    failures += [
        f"{name}: {result['per_second']}/s of {GOAL}/s"
        for name, result in results.items()
        if result["per_second"] < GOAL
    ]
    return finish("reads", failures, clusters=CLUSTERS, connections=chosen.connections, results=results)


def measure(port: int, headers: dict[str, str], connections: int, seconds: float) -> dict[str, dict[str, Any]]:
    clusters = [f"/api/clusters/cluster{number}" for number in range(CLUSTERS)]
    packed = {**headers, "Accept-Encoding": "gzip"}
    cases: dict[str, tuple[dict[str, str], list[str], bool]] = {
        "status": ({}, ["/api/status"], False),
        "monitor": (headers, ["/api/monitor"], False),
        "monitor, gzip": (packed, ["/api/monitor"], False),
        "monitor, gzip, tag": (packed, ["/api/monitor"], True),
        "cluster": (headers, clusters, False),
        "cluster, gzip": (packed, clusters, False),
        "cluster, gzip, tag": (packed, clusters, True),
    }
    results = {}
    for name, (sent, paths, tagged) in cases.items():
        small = b"{" if "gzip" not in name else b"\x1f\x8b"
        Load(port, sent, paths, tagged, lambda body: True).run(connections, 0.5)
        load_ = Load(port, sent, paths, tagged, lambda body, small=small: body.startswith(small))  # type: ignore[misc]
        results[name] = load_.run(connections, seconds)
        say(f"{name}: {results[name]['per_second']}/s")
    return results


if __name__ == "__main__":
    sys.exit(main())
