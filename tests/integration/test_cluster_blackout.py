"""Every server dies at once and all come back: the most advanced is opened, nothing acknowledged is lost.

A server that is started as a semi-sync replica after a crash forgets the transactions that its storage engine had
not committed durably.  When all do so at once, a commit that is durable nowhere is gone although a client was told
of it; that is why the sandbox's servers flush the commit itself (innodb_flush_log_at_trx_commit = 3).
"""

from __future__ import annotations

import os
import time

import pytest
from cluster import World

ROUNDS = int(os.environ.get("REPMAN_ROUNDS", "3"))


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_all_servers_killed_under_writers(world: World, round_: int) -> None:
    with world.traffic(8) as traffic:
        traffic.flows(500)
        for server in world.servers:
            server.kill()
        for server in world.servers:
            server.start()
        assert traffic.first_after(time.monotonic(), 30.0) < 30.0
        world.healthy(60.0)
        traffic.flows(50)
    world.nothing_lost(traffic)
