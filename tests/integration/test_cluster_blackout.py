"""Every server dies at once and all come back: the most advanced is opened, nothing acknowledged is lost.

A server that is started as a semi-sync replica after a crash forgets the transactions that its storage engine had
not committed durably.  When all do so at once, a commit that is durable nowhere is gone although a client was told
of it; that is why the sandbox's servers flush the commit itself (innodb_flush_log_at_trx_commit = 3).  What no client was told
of is forgotten too, though replicas may have received it: they are asked before the writer is opened again.
"""

from __future__ import annotations

import os
import time

import pytest
from cluster import World, refused, state

from repman.model.decision import ServerState

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
    world.all_alike(traffic)


def test_the_writer_is_not_opened_before_its_replicas_were_asked(world: World) -> None:
    """It may have taken back what they have, and would give the same GTIDs to other transactions."""
    with world.traffic(8) as traffic:
        traffic.flows(500)
        writer, replicas = world.writer, world.replicas
        for server in world.servers:
            server.kill()
        writer.start()
        world.repman.until(lambda seen: "tail-unseen" in refused(seen), "the refusal to open the writer")
        assert not world.is_open(writer)
        replicas[0].start()
        world.repman.until(
            lambda seen: state(seen, replicas[0]) is not ServerState.FAILED and "tail-unseen" in refused(seen),
            "a refusal because of the other replica",
        )
        assert not any(world.is_open(server) for server in world.servers)
        replicas[1].start()
        world.healthy(60.0)
        traffic.flows(50)
    world.nothing_lost(traffic)
    world.all_alike(traffic)
