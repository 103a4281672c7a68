from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
import requests
from flask import Flask

from repman.cli.link_process import answer_until_told
from repman.errors import LinkFailed
from repman.link.serving import Listener

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@pytest.fixture(autouse=True)
def _signals_as_they_were() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Opening:
    """Notes what happens to it; `at_open` is sent to this process while it opens."""

    def __init__(self, at_open: signal.Signals | None = None, error: Exception | None = None) -> None:
        self.at_open, self.error = at_open, error
        self.seen: list[str] = []

    def open(self) -> None:
        self.seen.append("open")
        if self.at_open is not None:
            signal.raise_signal(self.at_open)
        if self.error is not None:
            raise self.error
        self.seen.append("opened")

    def close(self) -> None:
        self.seen.append("close")


def never() -> Flask:
    raise AssertionError("no application is needed before the link is open")


# In a process of its own: what is left of a server when it ends goes with its process.
SERVING = """
import sys
from flask import Flask
from repman.cli.link_process import answer_until_told
from repman.errors import ConfigError
from repman.link.serving import Listener

class Opening:
    def open(self): print("open", flush=True)
    def close(self): print("close", flush=True)

def hello():
    app = Flask("hello")
    app.add_url_rule("/", "hello", lambda: "hello")
    return app

try:
    answer_until_told(Opening(), hello, Listener(port=int(sys.argv[1])))
except ConfigError as error:
    print(error)
"""


@contextlib.contextmanager
def serving(port: int) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen([sys.executable, "-c", SERVING, str(port)], stdout=subprocess.PIPE, text=True)
    with process:
        yield process
        process.kill()


def answered(process: subprocess.Popen[str], port: int) -> str:
    """What it answers as soon as it does."""
    with requests.Session() as session:
        session.trust_env = False
        deadline = time.monotonic() + 30
        while True:
            try:
                return session.get(f"http://127.0.0.1:{port}/", timeout=5).text
            except requests.ConnectionError:
                assert time.monotonic() < deadline
                assert process.poll() is None
                time.sleep(0.02)


@pytest.mark.parametrize("number", SIGNALS)
def test_it_answers_until_it_is_told_to_stop(number: signal.Signals) -> None:
    port = free_port()
    with serving(port) as process:
        assert answered(process, port) == "hello"
        process.send_signal(number)
        told, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert told.split() == ["open", "close"]


def test_a_port_that_is_taken_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with serving(taken.getsockname()[1]) as process:
            told, _ = process.communicate(timeout=30)
    assert "give another --port" in told
    assert told.split()[:2] == ["open", "close"]


@pytest.mark.parametrize("number", SIGNALS)
def test_it_can_be_told_to_stop_while_it_opens(number: signal.Signals) -> None:
    link = Opening(at_open=number)
    answer_until_told(link, never, Listener(port=free_port()))
    assert link.seen == ["open", "close"]


def test_a_second_signal_is_not_held_up_by_us() -> None:
    answer_until_told(Opening(at_open=signal.SIGTERM), never, Listener(port=free_port()))
    assert [signal.getsignal(number) for number in SIGNALS] == [signal.SIG_DFL, signal.SIG_DFL]


def test_a_link_that_cannot_be_opened_is_closed() -> None:
    link = Opening(error=LinkFailed("connect to source cluster: no"))
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(LinkFailed, match="connect to source"):
        answer_until_told(link, never, Listener(port=free_port()))
    assert link.seen == ["open", "close"]
    assert signal.getsignal(signal.SIGTERM) is before
