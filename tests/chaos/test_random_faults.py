"""Random faults on the real thing, by a seed: whatever happens, it heals, and nothing acknowledged is lost.

``REPMAN_CHAOS_SEED`` repeats a run, ``REPMAN_ROUNDS`` says how long it is.
"""

from __future__ import annotations

import os
import random
import time

import pymysql
import pytest
from cluster import World, codes
from faults import Hands
from ledger import Ledger
from observer import Observer
from schedule import Round, schedule
from verdict import findings

from repman.errors import SandboxError

CONVERGES = 60.0
"""Seconds from healing to a healthy cluster."""
LONG_ROUNDS = 20
OPTIONS: dict[str, dict[str, object]] = {
    "controlled": {},
    "uncontrolled": {"prov_orchestrator": "onpremise", "sandbox_directory": None},
    "degrading": {"semi_sync_unacked_policy": "degrade", "semi_sync_degrade_after": 1},
}
ROUND_TIMEOUT = 180


def _seed() -> int:
    told = os.environ.get("REPMAN_CHAOS_SEED", "")
    return int(told) if told else random.SystemRandom().randrange(10**6)


def _rounds(default: int) -> int:
    return int(os.environ.get("REPMAN_ROUNDS", default))


@pytest.mark.timeout(3 * ROUND_TIMEOUT)
def test_a_few_random_faults(arena: World) -> None:
    _run(arena, _seed(), 3)


@pytest.mark.long
@pytest.mark.timeout(_rounds(LONG_ROUNDS) * ROUND_TIMEOUT)
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_many_random_faults(arena: World, options: dict[str, object]) -> None:
    if options:
        arena.standard = {**arena.standard, **options}
        arena.restarted()
        arena.healthy()
    _run(arena, _seed(), _rounds(LONG_ROUNDS))


def _run(world: World, seed: int, rounds: int) -> None:
    planned = schedule(seed, rounds)
    ledger = Ledger(world.through_haproxy, 4 + seed % 5, world.repman.shown)
    hands = Hands(world, ledger)
    observer = Observer(world)
    failures = []
    try:
        with observer, ledger:
            for round_ in planned:
                _break(hands, round_)
                hands.heal()
                healing = time.monotonic()
                _converge(world, ledger, hands)
                hands.note(f"healthy after {time.monotonic() - healing:.1f} s")
                if "diverged" in codes(world.repman.snapshot):
                    break
    except (AssertionError, SandboxError, pymysql.Error) as error:
        failures.append(str(error))
    ended = time.monotonic()
    ledger.stop()
    found = findings(observer, hands.by_hand, ended)
    failures += [str(finding) for finding in found if finding.violation]
    open_now = [server for server in world.servers if world.is_open(server)]
    if len(open_now) == 1:
        failures += ledger.wrong_on(open_now[0])
    for note in found:
        print(note)
    print("\n".join(hands.done))
    print(f"seed {seed}: {rounds} rounds, {ledger.count} writes acknowledged, {len(ledger.errors)} errors")
    if failures:
        pytest.fail(_told(seed, planned, hands, observer, failures), pytrace=False)


def _break(hands: Hands, round_: Round) -> None:
    hands.note(f"round {round_.number}")
    *overlapped, last = round_.faults
    for fault in overlapped:
        hands.do(fault)
        time.sleep(fault.then)
    hands.do(last)
    time.sleep(last.then)


def _converge(world: World, ledger: Ledger, hands: Hands) -> None:
    """Wait for the healthy cluster that must come; it must be so by the servers' own word.

    Or for an old writer shown as diverged, where nobody can make it forget what no client was told of.
    """
    deadline = time.monotonic() + CONVERGES
    while True:
        try:
            if "prov_orchestrator" in world.standard and "diverged" in codes(world.repman.looked()):
                ledger.flows(20, max(1.0, deadline - time.monotonic()))
                return
            world.healthy(max(1.0, deadline - time.monotonic()))
            ledger.flows(20, max(1.0, deadline - time.monotonic()))
            _protected(world)
            return
        except (AssertionError, pymysql.Error) as error:
            if time.monotonic() > deadline:
                raise
            hands.note(f"not yet: {error}")


def _protected(world: World) -> None:
    seen = world.repman.looked()
    assert seen.protected, [refusal.sentence for refusal in seen.blocked_by]
    names = ("enabled", "wait_no_slave", "timeout")
    words = ", ".join(f"@@global.rpl_semi_sync_master_{name}" for name in names)
    ((enabled, without_replica, timeout),) = world.only_open().run(f"SELECT {words}")
    assert enabled
    assert without_replica
    assert timeout > 86400_000


def _told(seed: int, planned: tuple[Round, ...], hands: Hands, observer: Observer, failures: list[str]) -> str:
    parts = [
        *failures,
        f"REPMAN_CHAOS_SEED={seed} REPMAN_ROUNDS={len(planned)}",
        *map(str, planned),
        "--- what was done",
        *hands.done,
        "--- what repman told",
        *observer.told(),
    ]
    return "\n".join(parts)
