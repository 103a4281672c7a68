"""Looks end by their deadline, and those at one server leave room for others; against sockets that misbehave."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from functools import partial

import pytest

from repman.errors import LookFailed
from repman.inspection.errands import Errands
from repman.inspection.session import Deadline, Target, session
from repman.state.turnstile import Turnstile


def target(port: int, name: str = "db1") -> Target:
    return Target("shop", f"127.0.0.1:{port}", name, "repman", "a-password")


def look(at: Target, deadline: Deadline) -> str:
    with session(at, deadline) as found:
        return found.value("1")


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with closing(socket.create_server(("127.0.0.1", 0), backlog=64)) as listening:
        yield listening.getsockname()[1]


@pytest.fixture
def trickling() -> Iterator[int]:
    """A port that announces a long greeting and sends it byte by byte, for ever."""
    ended = threading.Event()
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:

        def serve() -> None:
            with suppress(OSError):
                peer, _ = listening.accept()
                with peer:
                    peer.sendall(b"\xff\xff\x00\x00")
                    while not ended.wait(0.02):
                        peer.sendall(b"\x0a")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        ended.set()
    thread.join(5)


@pytest.mark.parametrize("server", ["silent", "trickling"])
def test_a_server_that_does_not_answer_is_left_at_the_deadline(server: str, request: pytest.FixtureRequest) -> None:
    at = target(request.getfixturevalue(server))
    began = time.monotonic()
    with pytest.raises(LookFailed, match=r"no answer within 0\.3 s") as missed:
        Errands().run(at, partial(look, at), 0.3)
    assert (missed.value.status, missed.value.code) == ("timeout", "deadline")
    assert 0.25 < time.monotonic() - began < 3


def test_a_port_where_nobody_listens_is_known_at_once() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        at = target(listening.getsockname()[1])
    with pytest.raises(LookFailed, match="cannot be reached") as gone:
        Errands().run(at, partial(look, at), 30)
    assert gone.value.status == "unreachable"


def test_a_name_that_has_no_address_is_unreachable() -> None:
    at = Target("shop", "no-such-host.invalid:3306", "db1", "repman", "")
    with pytest.raises(LookFailed) as gone:
        Errands().run(at, partial(look, at), 5)
    assert gone.value.status in ("unreachable", "timeout")


def test_a_few_wait_for_one_server_and_the_others_are_told_at_once(silent: int) -> None:
    errands, at = Errands(), target(silent)
    told: list[str] = []

    def ask() -> None:
        try:
            errands.run(at, partial(look, at), 1.0)
        except LookFailed as error:
            told.append(error.code)

    asking = [threading.Thread(target=ask) for _ in range(20)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join(10)
    assert told.count("deadline") == 4
    assert told[:16] == ["busy"] * 16
    assert errands.run(target(silent, "again"), lambda deadline: "there is room again", 1.0)


def test_work_that_outlives_its_deadline_keeps_its_place() -> None:
    errands, at, go_on = Errands(), target(1), threading.Event()
    for _ in range(4):
        with pytest.raises(LookFailed, match="no answer"):
            errands.run(at, lambda deadline: go_on.wait(10), 0.01)
    with pytest.raises(LookFailed, match="too many"):
        errands.run(at, lambda deadline: True, 1.0)
    assert errands.run(Target("shop", "127.0.0.1:2", "db2", "u", ""), lambda deadline: True, 1.0)
    go_on.set()


def test_many_servers_are_looked_at_together_and_the_silent_ones_left_out(silent: int) -> None:
    here, there = target(silent, "silent"), Target("shop", "127.0.0.1:2", "db2", "u", "")
    works: dict[Target, Callable[[Deadline], str]] = {here: partial(look, here), there: lambda deadline: "seen"}
    assert Errands().run_all(works, 0.3) == {there: "seen"}


def test_a_mistake_of_ours_is_not_hidden() -> None:
    def mistake(deadline: Deadline) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Errands().run(target(1), mistake, 1.0)
    with pytest.raises(ZeroDivisionError):
        Errands().run_all({target(1): mistake}, 1.0)


def test_the_turnstile_counts_in_all_and_for_each() -> None:
    stile = Turnstile(whole=3, each=2)
    assert [stile.enter("a"), stile.enter("a"), stile.enter("a")] == [True, True, False]
    assert [stile.enter("b"), stile.enter("b")] == [True, False]
    stile.leave("a")
    with stile.passing("b") as inside:
        assert inside
        with stile.passing("c") as late:
            assert not late
    assert stile.enter("c")
