"""The real application on a real run directory: published snapshots, a command socket, a history."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.serving import make_server

from repman import cli
from repman.config.settings import Credential, Settings
from repman.model.command import Command, Receipt
from repman.model.probe import probe_table
from repman.model.snapshot import Snapshot
from repman.state.bus import monitor_server
from repman.state.history import History
from repman.state.snapshots import Publisher
from repman.web.app import create_app

from . import shop

Ctl = Callable[..., int]
"""Runs ``repman ctl`` with these words; returns its exit code."""


@dataclass
class Monitor:
    """Answers commands as the test says, and keeps them."""

    receipt: Receipt | Callable[[Command], Receipt] = field(default_factory=lambda: Receipt("done", "Done."))
    commands: list[Command] = field(default_factory=list)

    def __call__(self, command: Command) -> Receipt:
        self.commands.append(command)
        return self.receipt if isinstance(self.receipt, Receipt) else self.receipt(command)


@dataclass
class Installation:
    """One repman, as far as the web process can see it."""

    settings: Settings
    publisher: Publisher
    history: History
    app: Flask

    def publish(self, snapshot: Snapshot) -> None:
        self.publisher.publish(snapshot, probe_table(snapshot, "keep", 60.0))

    def client(self) -> FlaskClient:
        return self.app.test_client()

    def token(self, who: Credential = shop.ADMIN) -> str:
        answer = self.client().post("/api/login", json={"username": who.user, "password": who.password})
        assert answer.status_code == 200, answer.text
        return str(answer.json["token"])  # type: ignore[index]

    def headers(self, who: Credential = shop.ADMIN) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(who)}"}


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    settings = shop.settings(tmp_path)
    history = History(settings.service.history_url)
    made = Installation(settings, Publisher(settings.service.rundir), history, create_app(settings))
    made.publish(shop.snapshot())
    yield made
    history.close()
    house = made.app.extensions["repman"]
    for store in (house.history, house.audit, house.directory.store):
        store.close()


@pytest.fixture
def monitor(installation: Installation) -> Iterator[Monitor]:
    script = Monitor()
    server = monitor_server(installation.settings.service.monitor_socket, script)
    server.start()
    yield script
    server.close()


@pytest.fixture
def client(installation: Installation) -> FlaskClient:
    return installation.client()


@pytest.fixture
def admin(installation: Installation) -> dict[str, str]:
    return installation.headers()


@pytest.fixture
def guest(installation: Installation) -> dict[str, str]:
    return installation.headers(shop.GUEST)


@contextmanager
def serving(installation: Installation, port: int = 0) -> Iterator[int]:
    """The application on a port of its own, or on that one; gives the port."""
    server = make_server("127.0.0.1", port, installation.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def url(installation: Installation) -> Iterator[str]:
    with serving(installation) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def ctl(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ctl:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "180")
    monkeypatch.setenv("REPMAN_URL", url)
    monkeypatch.setenv("REPMAN_USER", shop.ADMIN.user)
    monkeypatch.setenv("REPMAN_PASSWORD", shop.ADMIN.password)
    return lambda *words: cli.main(["ctl", *words])
