"""A real `repman streams serve` of a test: started, killed and removed by it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import requests
from postgres_stand import free_port, wait_until

from repman.streams.job import Endpoint, Family

KEY = "key-of-the-tests"
TYPES = {Family.MYSQL: "MySQL", Family.POSTGRESQL: "PostgreSQL"}
OVER = ("FINISHED", "FAILED", "STOPPED")


class StreamsService:
    """One service with a data directory of its own."""

    def __init__(self) -> None:
        self.data = Path(tempfile.mkdtemp(prefix="repman-streams-"))
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = {**os.environ, "REPMAN_STREAMS_API_KEY": KEY}
        self.process: subprocess.Popen[bytes] | None = None
        self.http = requests.Session()
        self.http.headers["X-API-Key"] = KEY
        self.start()

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = [sys.executable, "-m", "repman", "streams", "serve", "--port", str(self.port)]
        with (self.data / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--data-dir", str(self.data)], env=self.environment, stdout=log, stderr=log
            )
        wait_until(self._answers, 60.0, what="the streams service to answer")

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log()
        with contextlib.suppress(requests.ConnectionError):
            return requests.get(f"{self.url}/health", timeout=10).ok
        return False

    def kill(self) -> None:
        """End it without any cleaning up."""
        self.stop(signal.SIGKILL)

    def stop(self, how: int = signal.SIGTERM) -> int:
        """End it; its exit code."""
        assert self.process is not None
        self.process.send_signal(how)
        return self.process.wait(40)

    def remove(self) -> None:
        """End it and its streams, and delete its files."""
        self.stop()
        self.http.close()
        shutil.rmtree(self.data, ignore_errors=True)

    def log(self) -> str:
        """What it and its streams have told."""
        return (self.data / "log").read_text()

    def call(self, method: str, path: str, body: object = None) -> requests.Response:
        """One request of the API."""
        return self.http.request(method, f"{self.url}/api/v1{path}", json=body, timeout=40)

    def made(self, path: str, body: object = None) -> str:
        """The id in the answer to an order, which has to succeed."""
        answer = self.call("POST", path, body)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])

    def connect(self, endpoint: Endpoint, **also: object) -> str:
        """A connection to that database."""
        place = {"host": endpoint.host, "port": endpoint.port, "database": endpoint.database}
        account = {"username": endpoint.user, "password": endpoint.password}
        names = {"type": TYPES[endpoint.family], "name": f"{endpoint.family} of the test"}
        return self.made("/connections", {**names, **place, **account, **also})

    def configure(self, source: str, target: str, mode: str, *tables: str, **also: object) -> str:
        """A configuration for those tables."""
        named = [{"name": table} for table in tables]
        body = {"name": "test", "source": source, "target": target, "mode": mode, "tables": named}
        return self.made("/stream-configs", {**body, **also})

    def stats(self, stream: str) -> dict[str, Any]:
        """The statistics of a stream."""
        found: dict[str, Any] = self.call("GET", f"/streams/{stream}/stats").json()
        return found

    def rows(self, stream: str) -> int:
        """How many rows or changes the target has."""
        return int(self.stats(stream)["nodes"][1]["stat"]["counter"])

    def await_status(self, stream: str, *wanted: str, seconds: float = 60.0) -> dict[str, Any]:
        """Wait until a stream is in one of those states; its statistics then."""
        found: dict[str, Any] = {}

        def there() -> bool:
            found.update(self.stats(stream))
            status = found["status"]
            assert status in wanted or status not in OVER, json.dumps(found)
            return status in wanted

        wait_until(there, seconds, f"{stream} to be {' or '.join(wanted)}")
        return found
