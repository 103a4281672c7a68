"""Commands arrive once, answers come back, and nonsense changes nothing."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from repman.errors import MonitorDown, Refused, StateError
from repman.model.command import Command, CommandKind, Receipt
from repman.model.problem import Refusal
from repman.state.bus import MAX_REQUEST, BusServer, ask, monitor_server
from repman.state.codec import decode, encode

COMMAND = Command(CommandKind.SWITCHOVER, "shop", "127.0.0.1:3302", user="admin")
DONE = Receipt("done", "The writer is 127.0.0.1:3302 now.", plan="1k7", new_writer="127.0.0.1:3302")

Serve = Callable[..., BusServer]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "monitor.sock"


@pytest.fixture
def serve(path: Path) -> Iterator[Serve]:
    started: list[BusServer] = []

    def start(handler: Callable[[Command], Receipt], at_once: int = 16, at: Path = path) -> BusServer:
        server = monitor_server(at, handler, at_once)
        server.start()
        started.append(server)
        return server

    yield start
    for server in started:
        server.close()


def keep(heard: list[Command], command: Command) -> Receipt:
    heard.append(command)
    return DONE


def raw(path: Path, message: bytes) -> Receipt:
    """The answer to bytes that are no proper message."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
        peer.settimeout(10)
        peer.connect(str(path))
        peer.sendall(message)
        peer.shutdown(socket.SHUT_WR)
        (length,) = struct.unpack(">I", peer.recv(4, socket.MSG_WAITALL))
        return decode(Receipt, peer.recv(length, socket.MSG_WAITALL))


def test_a_command_and_its_receipt(serve: Serve, path: Path) -> None:
    heard: list[Command] = []
    serve(partial(keep, heard))
    assert ask(path, COMMAND, 5.0) == DONE
    assert heard == [COMMAND]


def test_a_large_answer(serve: Serve, path: Path) -> None:
    large = Receipt("preview", "x" * 3_000_000)
    serve(lambda command: large)
    assert ask(path, COMMAND, 10.0) == large


def test_commands_are_served_at_the_same_time(serve: Serve, path: Path) -> None:
    together = threading.Barrier(8, timeout=10)

    def handler(command: Command) -> Receipt:
        together.wait()
        return DONE

    serve(handler)
    answers: list[Receipt] = []
    threads = [threading.Thread(target=lambda: answers.append(ask(path, COMMAND, 10.0))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [DONE] * 8


def test_more_than_fit_are_refused_at_once(serve: Serve, path: Path) -> None:
    busy, release = threading.Event(), threading.Event()

    def handler(command: Command) -> Receipt:
        busy.set()
        assert release.wait(10)
        return DONE

    serve(handler, at_once=1)
    first = threading.Thread(target=lambda: ask(path, COMMAND, 10.0))
    first.start()
    assert busy.wait(10)
    for _ in range(20):
        assert ask(path, COMMAND, 5.0).refusals[0][0] == "busy"
    release.set()
    first.join()


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\0\0",
        b"GET / HTTP/1.1\r\n\r\n",
        struct.pack(">I", MAX_REQUEST + 1),
        struct.pack(">I", 10) + b"{",
        struct.pack(">I", 0),
        struct.pack(">I", 2) + b"{}",
        struct.pack(">I", 4) + b"\xff\xfe\0\0",
        struct.pack(">I", 38) + b'{"kind":"fly","cluster":"shop","x":12}',
    ],
)
def test_what_is_no_command_is_refused_and_reaches_nobody(serve: Serve, path: Path, message: bytes) -> None:
    heard: list[Command] = []
    serve(partial(keep, heard))
    receipt = raw(path, message)
    assert receipt.status == "refused"
    assert receipt.refusals[0][0] == "malformed-command"
    assert heard == []
    assert ask(path, COMMAND, 5.0) == DONE


def test_an_error_of_ours_is_the_answer(serve: Serve, path: Path) -> None:
    def handler(command: Command) -> Receipt:
        raise Refused([Refusal("no-replica", "No replica is left.")])

    serve(handler)
    assert ask(path, COMMAND, 5.0) == Receipt("failed", "No replica is left.")


def test_a_bug_is_logged_and_not_told(serve: Serve, path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def handler(command: Command) -> Receipt:
        raise RuntimeError("hidden")

    serve(handler)
    receipt = ask(path, COMMAND, 5.0)
    assert receipt.status == "failed"
    assert "hidden" not in receipt.sentence
    assert "hidden" in caplog.text


def test_nobody_listens(path: Path) -> None:
    with pytest.raises(MonitorDown, match="not running"):
        ask(path, COMMAND, 1.0)
    with pytest.raises(MonitorDown, match="not running"):
        ask(path.parent / "none" / ("x" * 120), COMMAND, 1.0)


def test_an_answer_that_does_not_come_in_time(serve: Serve, path: Path) -> None:
    release = threading.Event()

    def handler(command: Command) -> Receipt:
        release.wait(10)
        return DONE

    serve(handler)
    begin = time.monotonic()
    with pytest.raises(MonitorDown, match="may still be carried out"):
        ask(path, COMMAND, 0.2)
    assert time.monotonic() - begin < 2
    release.set()


def test_a_frozen_monitor_with_a_full_queue(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as frozen:
        frozen.bind(str(path))
        frozen.listen(0)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as first:
            first.connect(str(path))
            with pytest.raises(MonitorDown, match="did not take the command"):
                ask(path, COMMAND, 0.2)


@pytest.mark.parametrize("answer", [b"", b"\0\0\0\x02{}", b"\xff\xff\xff\xff"])
def test_a_monitor_that_breaks_off(path: Path, answer: bytes) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dying:
        dying.bind(str(path))
        dying.listen(1)

        def die() -> None:
            peer, _ = dying.accept()
            with peer:
                peer.recv(65536)
                peer.sendall(answer)

        thread = threading.Thread(target=die)
        thread.start()
        with pytest.raises(MonitorDown, match="may have been carried out"):
            ask(path, COMMAND, 5.0)
        thread.join()


def test_only_the_owner_may_open_it(serve: Serve, path: Path) -> None:
    old = os.umask(0)
    try:
        serve(lambda command: DONE)
    finally:
        os.umask(old)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_path_longer_than_a_socket_address(serve: Serve, tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    path = deep / "monitor.sock"
    before = set(os.listdir("/proc/self/fd"))
    server = serve(lambda command: DONE, at=path)
    assert path.is_socket()
    assert ask(path, COMMAND, 5.0) == DONE
    with pytest.raises(StateError, match="Another process of repman"):
        serve(lambda command: DONE, at=path)
    server.close()
    assert not path.exists()
    assert set(os.listdir("/proc/self/fd")) == before
    with pytest.raises(MonitorDown):
        ask(path, COMMAND, 1.0)


def test_a_second_one_is_refused_and_the_first_goes_on(serve: Serve, path: Path) -> None:
    serve(lambda command: DONE)
    with pytest.raises(StateError, match="Another process of repman listens"):
        serve(lambda command: Receipt("done", "wrong"))
    assert ask(path, COMMAND, 5.0) == DONE


def test_it_can_be_started_again_after_the_end(serve: Serve, path: Path) -> None:
    serve(lambda command: Receipt("done", "first")).close()
    serve(lambda command: DONE)
    assert ask(path, COMMAND, 5.0) == DONE


def test_what_a_killed_monitor_left_is_replaced(serve: Serve, path: Path) -> None:
    program = textwrap.dedent(f"""
        import time
        from pathlib import Path
        from repman.state.bus import monitor_server
        monitor_server(Path({str(path)!r}), None).start()
        print("ready", flush=True)
        time.sleep(60)
    """)
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        with pytest.raises(StateError, match="Another process of repman listens"):
            serve(lambda command: DONE)
        process.send_signal(signal.SIGKILL)
    assert path.exists()
    with pytest.raises(MonitorDown, match="not running"):
        ask(path, COMMAND, 1.0)
    serve(lambda command: DONE)
    assert ask(path, COMMAND, 5.0) == DONE


def test_a_directory_that_is_missing(serve: Serve, path: Path) -> None:
    with pytest.raises(StateError, match="check that its directory exists"):
        serve(lambda command: DONE, at=path.parent / "none" / "monitor.sock")


def test_descriptors_are_not_inherited(serve: Serve, path: Path) -> None:
    serve(lambda command: DONE)
    ours = subprocess.run(["ls", "/proc/self/fd"], capture_output=True, text=True, check=True, close_fds=False)
    assert len(ours.stdout.split()) <= 4 + len([0 for fd in _inheritable() if fd > 2])


def _inheritable() -> list[int]:
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            if os.get_inheritable(int(name)):
                found.append(int(name))
        except OSError:
            continue
    return found


def test_a_peer_that_goes_away_does_no_harm(serve: Serve, path: Path) -> None:
    serve(lambda command: Receipt("preview", "x" * 1_000_000))
    for _ in range(5):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
            peer.connect(str(path))
            document = encode(COMMAND)
            peer.sendall(struct.pack(">I", len(document)) + document)
    assert ask(path, COMMAND, 5.0).status == "preview"
