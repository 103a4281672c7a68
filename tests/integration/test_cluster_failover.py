"""The writer dies under writers: nothing acknowledged is lost, and it comes back as a replica."""

from __future__ import annotations

import os
import time

from cluster import World

ROUNDS = int(os.environ.get("REPMAN_ROUNDS", "3"))
SOON = 10.0
"""Seconds that are plenty on a busy machine; the figures are measured by the benches."""


def test_kill_of_the_writer(world: World) -> None:
    with world.traffic() as traffic:
        old = world.writer
        old.kill()
        assert traffic.first_after(time.monotonic()) < SOON
        assert world.only_open() is not old
        traffic.flows(50)
        old.start()
        seen = world.healthy()
        assert seen.failovers >= 1
        traffic.flows(50)
    world.nothing_lost(traffic)
