import math
from dataclasses import replace

import pytest

from repman.model.probe import ProbeTable
from repman.probes.answers import Check, agent_answer, answer

TABLE = ProbeTable(
    "c1",
    1000.0,
    (
        ("db1", "127.0.0.1:3306"),
        ("127.0.0.1:3306", "127.0.0.1:3306"),
        ("db2", "[::1]:3307"),
        ("[::1]:3307", "[::1]:3307"),
    ),
    ("127.0.0.1:3306",),
    ("[::1]:3307",),
)
YES, NO = "200 -Valid Master!", "503 -Not a Valid Master!"


@pytest.mark.parametrize(
    ("check", "server", "status", "text"),
    [
        (Check.MASTER, "db1", 200, YES),
        (Check.MASTER, "127.0.0.1:3306", 200, YES),
        (Check.MASTER, "db2", 503, NO),
        (Check.MASTER, "nobody", 503, NO),
        (Check.SLAVE, "db1", 503, "503 -Not a Valid Slave!"),
        (Check.SLAVE, "db2", 200, "200 -Valid Slave!"),
        (Check.SLAVE, "[::1]:3307", 200, "200 -Valid Slave!"),
        (Check.SLAVE, "::1:3307", 200, "200 -Valid Slave!"),
        (Check.SLAVE, "[::1]:3306", 503, "503 -Not a Valid Slave!"),
    ],
)
def test_texts_and_codes(check: Check, server: str, status: int, text: str) -> None:
    given = answer(TABLE, check, server, 1000.5)
    assert (given.status, given.text, given.age) == (status, text, 0.5)


def test_unknown_cluster() -> None:
    given = answer(None, Check.MASTER, "db1", 1.0)
    assert (given.status, given.text) == (500, "No cluster!")


@pytest.mark.parametrize(
    ("policy", "stale_max", "age", "status", "to_agent"),
    [
        ("keep", 60.0, 0.0, 200, "up"),
        ("keep", 60.0, 60.0, 200, "up"),
        ("keep", 60.0, 60.1, 503, ""),
        ("keep", 3.0, 3.1, 503, ""),
        ("fail", 60.0, 5.0, 200, "up"),
        ("fail", 60.0, 5.1, 503, "down"),
        ("fail", 2.0, 2.1, 503, "down"),
        ("keep", 60.0, -0.2, 200, "up"),
        ("keep", 60.0, -500.0, 503, ""),
    ],
)
def test_stale_policy(policy: str, stale_max: float, age: float, status: int, to_agent: str) -> None:
    table = replace(TABLE, stale_policy=policy, stale_max=stale_max)
    given = answer(table, Check.MASTER, "db1", table.monotonic + age)
    assert given.status == status
    assert given.text == (YES if status == 200 else NO)
    assert given.age == pytest.approx(age if age >= 0 else 0.0 if age > -1 else math.inf)
    assert agent_answer(table, Check.MASTER, "db1", table.monotonic + age) == to_agent


def test_agent_answers() -> None:
    assert agent_answer(TABLE, Check.MASTER, "db1", 1000.0) == "up"
    assert agent_answer(TABLE, Check.MASTER, "db2", 1000.0) == "down"
    assert agent_answer(TABLE, Check.SLAVE, "db2", 1000.0) == "up"
    assert agent_answer(TABLE, Check.MASTER, "misspelt", 1000.0) == "down"
    assert agent_answer(None, Check.MASTER, "db1", 1000.0) == ""


def test_a_passive_monitor_says_nothing_to_agents_and_no_to_probes() -> None:
    passive = replace(TABLE, masters=(), slaves=(), active=False)
    assert agent_answer(passive, Check.MASTER, "db1", 1000.0) == ""
    assert answer(passive, Check.MASTER, "db1", 1000.0).status == 503
