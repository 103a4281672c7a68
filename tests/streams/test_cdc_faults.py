"""The stream, its source or its target is killed at any moment under writes: nothing is lost, nothing comes twice."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

import pytest
from cdc_stand import ROUNDS, TABLES, Load, Side, Streaming, create, same
from mariadb_source import Mariadb
from postgres_stand import Postgres

Act = Callable[[Streaming, Side, Side], None]


def the_stream(stream: Streaming, source: Side, target: Side) -> None:
    stream.kill()
    stream.start()


def a_server(server: Side) -> None:
    if isinstance(server, Mariadb):
        server.kill()
    else:
        server.crash()
    server.start()


def the_source(stream: Streaming, source: Side, target: Side) -> None:
    a_server(source)


def the_target(stream: Streaming, source: Side, target: Side) -> None:
    a_server(target)


def series(source: Side, target: Side, act: Act, snapshot: str = "never") -> None:
    create(source)
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    chance = random.Random(seed)
    stream = Streaming(source, target, *TABLES, snapshot=snapshot)
    loads = []
    try:
        if snapshot == "initial":
            loads.append(Load(source, seed))
            loads[0].go_on(100)
        stream.start()
        if snapshot == "never":
            stream.ready()
            loads.append(Load(source, seed))
        for _ in range(ROUNDS):
            loads[0].go_on(chance.randrange(10, 100))
            threading.Event().wait(chance.uniform(0, 0.3))
            act(stream, source, target)
        loads[0].go_on(20)
        loads.pop().stop()
        same(source, target)
    finally:
        for load in loads:
            load.stop()
        stream.kill()


@pytest.mark.parametrize("act", [the_stream, the_source, the_target])
def test_killed_while_following_mariadb(mariadb: Mariadb, postgres: Postgres, act: Act) -> None:
    series(mariadb, postgres, act)


@pytest.mark.parametrize("act", [the_stream, the_source, the_target])
def test_killed_while_following_postgresql(mariadb: Mariadb, postgres: Postgres, act: Act) -> None:
    series(postgres, mariadb, act)


@pytest.mark.parametrize("act", [the_stream, the_target])
def test_killed_while_copying_mariadb(mariadb: Mariadb, postgres: Postgres, act: Act) -> None:
    series(mariadb, postgres, act, "initial")


@pytest.mark.parametrize("act", [the_stream, the_target])
def test_killed_while_copying_postgresql(mariadb: Mariadb, postgres: Postgres, act: Act) -> None:
    series(postgres, mariadb, act, "initial")
