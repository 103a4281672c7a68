"""The program repman-mongosync as a process, and its API as its clients use it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import requests
from mongo_stand import ReplicaSet, free_port, wait_until

FORWARD = {"source": "cluster0", "destination": "cluster1"}
BACKWARD = {"source": "cluster1", "destination": "cluster0"}


class Mongosync:
    """One process between two replica sets; `start` may be called again after its end."""

    def __init__(
        self, cluster0: ReplicaSet, cluster1: ReplicaSet, directory: Path, flags: tuple[str, ...] = ()
    ) -> None:
        self.clusters = cluster0, cluster1
        self.directory, self.flags = directory, flags
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.session = requests.Session()
        self.session.trust_env = False

    def start(self) -> None:
        """Run it, and wait until its port is open."""
        self.launch()
        self.answers()

    def launch(self) -> None:
        cluster0, cluster1 = self.clusters
        with (self.directory / "output").open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "repman.cli.mongosync", "--cluster0", cluster0.uri, "--cluster1", cluster1.uri,
                 "--port", str(self.port), "--logPath", str(self.directory), "--acceptDisclaimer", *self.flags],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip

    def answers(self) -> None:
        def progress() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, self.told()
            try:
                return self.get().status_code in (200, 500)
            except requests.ConnectionError:
                return False

        wait_until(progress, 30, "the port to be open")

    def told(self) -> str:
        """The end of what the process has written."""
        files = [self.directory / "output", self.directory / "mongosync.log"]
        return "\n".join(file.read_text()[-3000:] for file in files if file.exists())

    def get(self) -> requests.Response:
        return self.session.get(f"http://localhost:{self.port}/api/v1/progress", timeout=10)

    def progress(self) -> dict[str, Any]:
        answer = self.get().json()
        assert answer["success"] is True, answer
        progress: dict[str, Any] = answer["progress"]
        return progress

    def post(self, call: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        answer: dict[str, Any] = self.session.post(
            f"http://localhost:{self.port}/api/v1/{call}", data=json.dumps(body or {}), timeout=60
        ).json()
        return answer

    def do(self, call: str, body: dict[str, Any] | None = None) -> None:
        """A call that must be carried out."""
        answer = self.post(call, body)
        assert answer == {"success": True}, (call, answer)

    def until(self, seconds: float = 60, **wanted: Any) -> dict[str, Any]:
        """The first progress that has these values."""

        def seen() -> dict[str, Any] | None:
            progress = self.progress()
            return progress if all(progress[name] == value for name, value in wanted.items()) else None

        found: dict[str, Any] = wait_until(seen, seconds, f"{wanted}; the last progress is {self.get().text}")
        return found

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def terminate(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end; returns its exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(30)

    def close(self) -> None:
        self.session.close()
        if self.process is not None and self.process.poll() is None:
            self.kill()

    def log(self) -> list[dict[str, Any]]:
        file = self.directory / "mongosync.log"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def contents(cluster: ReplicaSet, *databases: str) -> dict[str, list[dict[str, Any]]]:
    """Every document of these databases by namespace, in the order of ``_id``."""
    found = {}
    for database in databases:
        for name in cluster.client[database].list_collection_names():
            if not name.startswith("system."):
                found[f"{database}.{name}"] = list(cluster.client[database][name].find().sort("_id", 1))
    return found


def until_equal(mongosync: Mongosync, *databases: str, here: int = 0) -> None:
    """Until the cluster `here` and the other one hold the same."""
    source, target = mongosync.clusters[here], mongosync.clusters[1 - here]
    wait_until(lambda: contents(source, *databases) == contents(target, *databases), 60, "equal contents")


def fill(cluster: ReplicaSet, count: int = 2000, database: str = "shop", size: int = 200) -> None:
    """A collection ``orders`` with a unique index, and one ``users`` without."""
    documents = [{"_id": number, "n": number, "text": "x" * size} for number in range(count)]
    cluster.client[database].orders.insert_many(documents)
    cluster.client[database].orders.create_index("n", unique=True)
    cluster.client[database].users.insert_many([{"_id": f"u{number}"} for number in range(10)])
