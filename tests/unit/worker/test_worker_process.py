"""The worker hands requests to its rooms; none of them can hurt another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from repman.config import load
from repman.config.live import Live
from repman.config.settings import ServiceSettings, Settings
from repman.errors import RepmanError, StateError, WorkerDown
from repman.model.work import Reply, Request
from repman.state.bus import ask_worker
from repman.worker.handler import Handler
from repman.worker.process import Worker
from repman.worker.rooms import rooms


class Echo:
    """A room that repeats what it is asked, and notes what happens to it."""

    def __init__(self, name: str, fails_at: str = "") -> None:
        self.name = name
        self.fails_at = fails_at
        self.noted: list[str] = []

    @property
    def handlers(self) -> Mapping[str, Handler]:
        return {self.name: self._answer}

    def start(self) -> None:
        self._note("start")

    def reload(self, settings: Settings) -> None:
        self._note("reload")

    def stop(self) -> None:
        self._note("stop")

    def _note(self, what: str) -> None:
        self.noted.append(what)
        if self.fails_at == what:
            raise RepmanError(f"{self.name} cannot {what}")

    def _answer(self, request: Request) -> Reply:
        self._note("answer")
        return Reply("done", document={"server": request.server, **request.arguments})


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(ServiceSettings(datadir=tmp_path / "data", rundir=tmp_path), ())


@pytest.fixture
def pair(settings: Settings) -> Iterator[tuple[Echo, Echo]]:
    """Two rooms behind a running worker; the first fails at the end."""
    inhabited = (Echo("first", fails_at="stop"), Echo("second"))
    worker = Worker(settings, inhabited)
    worker.start()
    yield inhabited
    worker.stop()
    assert [room.noted[-1] for room in inhabited] == ["stop", "stop"]


def test_a_request_reaches_the_room_that_knows_it(pair: tuple[Echo, Echo], settings: Settings) -> None:
    reply = ask_worker(settings.service.worker_socket, Request("second", "c1", "db1:3306", {"limit": "3"}), 5)
    assert (reply.status, reply.document) == ("done", {"server": "db1:3306", "limit": "3"})
    assert [room.noted for room in pair] == [["start"], ["start", "answer"]]


def test_an_unknown_request_is_refused_by_name(pair: tuple[Echo, Echo], settings: Settings) -> None:
    reply = ask_worker(settings.service.worker_socket, Request("third", "c1"), 5)
    assert (reply.status, reply.code) == ("refused", "unknown-request")
    assert "'third'" in reply.sentence


def test_a_room_that_fails_answers_so_and_the_next_request_is_served(settings: Settings) -> None:
    worker = Worker(settings, (Echo("first", fails_at="answer"), Echo("second")))
    worker.start()
    try:
        failed = ask_worker(settings.service.worker_socket, Request("first", "c1"), 5)
        assert (failed.status, failed.sentence) == ("failed", "first cannot answer")
        assert ask_worker(settings.service.worker_socket, Request("second", "c1"), 5).status == "done"
    finally:
        worker.stop()


def test_a_room_that_cannot_start_closes_those_before_it(settings: Settings) -> None:
    first = Echo("first")
    worker = Worker(settings, (first, Echo("second", fails_at="start")))
    with pytest.raises(RepmanError, match="second cannot start"):
        worker.start()
    assert first.noted == ["start", "stop"]
    with pytest.raises(WorkerDown):
        ask_worker(settings.service.worker_socket, Request("first", "c1"), 5)


def test_a_second_worker_for_the_same_directory_is_refused(pair: tuple[Echo, Echo], settings: Settings) -> None:
    other = Echo("other")
    with pytest.raises(StateError, match="Another process of repman listens"):
        Worker(settings, (other,)).start()
    assert other.noted == ["start", "stop"]
    assert ask_worker(settings.service.worker_socket, Request("first", "c1"), 5).status == "done"


def test_a_changed_configuration_reaches_every_room_before_the_next_request(tmp_path: Path) -> None:
    path = tmp_path / "repman.toml"
    text = f'[Default]\nmonitoring-datadir = "{tmp_path}/data"\nmonitoring-rundir = "{tmp_path}/run"\n'
    cluster = '[c1]\ndb-servers-hosts = "db1:3306"\ndb-servers-credential = "a:b"\nreplication-credential = "c:d"\n'
    path.write_text(text + cluster)
    settings = load(path)[0]
    first, second = Echo("first", fails_at="reload"), Echo("second")
    worker = Worker(settings, (first, second))
    worker.start()
    try:
        path.write_text(text + cluster.replace("db1:3306", "db1:3306,db2:3306"))
        Live(load(path)[0]).announce()
        assert ask_worker(settings.service.worker_socket, Request("second", "c1"), 5).status == "done"
    finally:
        worker.stop()
    assert first.noted == ["start", "reload", "stop"]
    assert second.noted == ["start", "reload", "answer", "stop"]


def test_two_rooms_with_the_same_request_are_a_mistake(settings: Settings) -> None:
    with pytest.raises(AssertionError, match="offered by two rooms: same"):
        Worker(settings, (Echo("same"), Echo("same")))


def test_the_rooms_of_the_installation_share_no_name(settings: Settings) -> None:
    Worker(settings, rooms(settings))
