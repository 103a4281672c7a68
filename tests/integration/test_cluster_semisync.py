"""No replica is left to acknowledge: writes wait, or go on unprotected and said so, as the policy says."""

from __future__ import annotations

import time

from cluster import World, codes


def kill_replicas(world: World) -> None:
    for replica in world.replicas:
        replica.kill()


def test_writes_wait_for_a_replica(world: World) -> None:
    with world.traffic() as traffic:
        writer, replicas = world.writer, world.replicas
        kill_replicas(world)
        seen = world.repman.until(lambda seen: "no-acker" in codes(seen), "the problem")
        assert not seen.protected
        waiting = traffic.count
        for _ in range(6):
            world.repman.looked()
        assert traffic.count == waiting
        assert world.only_open() is writer
        back = time.monotonic()
        replicas[0].start()
        assert traffic.first_after(back) < 10.0
        replicas[1].start()
        world.healthy()
        assert traffic.errors == []
    world.nothing_lost(traffic)


def test_writes_go_on_unprotected_after_a_while_and_are_protected_again(world: World) -> None:
    world.restarted(semi_sync_unacked_policy="degrade", semi_sync_degrade_after=1)
    world.healthy()
    unprotected = world.repman.snapshot.unprotected_seconds
    with world.traffic() as traffic:
        writer, replicas = world.writer, world.replicas
        kill_replicas(world)
        world.repman.until(lambda seen: "no-acker" in codes(seen), "the problem")
        seen = world.repman.until(lambda seen: seen.degraded, "the degradation")
        traffic.flows(50)
        seen = world.repman.looked()
        assert "unprotected" in codes(seen)
        assert "semi-sync-off" in {refusal.code for refusal in seen.blocked_by}
        assert world.only_open() is writer
        for replica in replicas:
            replica.start()
        seen = world.healthy()
        assert not seen.degraded
        assert seen.unprotected_seconds > unprotected
        assert "unprotected" not in codes(seen)
        assert writer.value("@@rpl_semi_sync_master_enabled") == 1
        traffic.flows(20)
        assert traffic.errors == []
    world.nothing_lost(traffic)
