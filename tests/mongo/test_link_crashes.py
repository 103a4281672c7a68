"""The process of a link is killed at any moment: nothing is lost, nothing is copied twice, nobody has to do anything."""

from __future__ import annotations

import contextlib
import random
import threading
from pathlib import Path

import pytest
import requests
from link_faults import ROUNDS, Faulty, Writers, alike, dice, faulty, fill
from mongo_stand import ReplicaSet

from repman.link.options import LinkOptions

SMALL = LinkOptions(segment_bytes=256 << 10, read_batch_bytes=64 << 10)


def a_moment(chance: random.Random, longest: float) -> None:
    """When a fault comes is drawn by lot."""
    threading.Event().wait(chance.uniform(0, longest))


def killed_in_the_clone(link: Faulty, chance: random.Random) -> None:
    part = chance.random()
    link.until(
        lambda status: status["initialSync"]["cloneCompleted"]
        or status["initialSync"].get("clonedSizeBytes", 0)
        >= part * status["initialSync"].get("estimatedCloneSizeBytes", 1),
        "a part of the clone",
    )
    a_moment(chance, 0.1)
    link.kill()
    link.restart()


def killed_in_replication(link: Faulty, writers: Writers, chance: random.Random) -> None:
    link.cloned()
    writers.go_on(chance.randrange(50, 300))
    a_moment(chance, 0.3)
    link.kill()
    writers.go_on(chance.randrange(1, 100))
    link.restart()


def killed_in_finalization(link: Faulty, chance: random.Random) -> None:
    def ask() -> None:
        with contextlib.suppress(requests.RequestException, AssertionError):
            link.finalize()

    link.in_sync()
    asking = threading.Thread(target=ask)
    asking.start()
    a_moment(chance, 0.6)
    link.kill()
    asking.join()
    link.restart()
    found = link.process.status()
    if found["state"] == "running":
        link.finalize()
    link.finalized()


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_killed_at_any_moment_with_writes_going_on(source: ReplicaSet, target: ReplicaSet, tmp_path: Path) -> None:
    for number in range(ROUNDS):
        chance = dice("killed", number)
        source.empty()
        target.empty()
        fill(source.client)
        with (
            faulty(tmp_path / str(number), source.uri, target.uri) as link,
            Writers(source.uri, ("killed", number)) as writers,
        ):
            writers.go_on(20)
            link.begin(SMALL)
            for _ in range(chance.randint(1, 2)):
                killed_in_the_clone(link, chance)
            for _ in range(chance.randint(1, 3)):
                killed_in_replication(link, writers, chance)
            writers.go_on(100)
            writers.end()
            killed_in_finalization(link, chance)
            alike(source, target)
