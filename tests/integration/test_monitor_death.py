"""repman dies at any moment: the cluster keeps its one writer, and what was begun is ended or explained."""

from __future__ import annotations

import contextlib
import os
import threading
import time

import pytest
from cluster import World, free_port
from cluster_repman import Repman
from mariadb_stand import wait_until

from repman.errors import MonitorDown, StateError
from repman.model.snapshot import Snapshot
from repman.state.record import JournalledPlan

ROUNDS = int(os.environ.get("REPMAN_ROUNDS", "3"))


def kill_at(repman: Repman, kind: str, step: int) -> str:
    """``kill -9`` of the monitor as soon as a plan of that kind is known to have done that step; the plan's id."""

    def there(seen: Snapshot) -> bool:
        plan = seen.plan
        return plan is not None and plan.kind == kind and plan.state == "running" and plan.current >= step

    seen = repman.until(there, f"step {step} of a {kind}")
    repman.kill_one("monitor")
    assert seen.plan is not None
    return seen.plan.id


def ended(repman: Repman, plan_id: str) -> JournalledPlan:
    """That plan, when nothing is left open of it."""

    def found() -> JournalledPlan | None:
        return next((plan for plan in repman.plans() if plan.id == plan_id and plan.state != "running"), None)

    wait_until(found, 30, f"the end of the plan {plan_id}")
    plan = found()
    assert plan is not None
    return plan


def monitor_killed_in_a_failover(world: World, step: int) -> None:
    with world.traffic() as traffic:
        old = world.writer
        old.kill()
        died = time.monotonic()
        plan_id = kill_at(world.repman, "failover", step)
        assert traffic.first_after(died, 30) < 20.0
        traffic.flows(50)
        plan = ended(world.repman, plan_id)
        assert plan.state == "done" or plan.detail
        old.start()
        world.healthy(30)
    world.nothing_lost(traffic)


def monitor_killed_in_a_switchover(world: World, step: int) -> None:
    with world.traffic() as traffic:
        target = world.replicas[-1]

        def order() -> None:
            with contextlib.suppress(MonitorDown, StateError):
                world.repman.ask("switchover", target.address)

        ordering = threading.Thread(target=order)
        ordering.start()
        plan_id = kill_at(world.repman, "switchover", step)
        ordering.join(30)
        assert not ordering.is_alive()
        died = time.monotonic()
        assert traffic.first_after(died, 30) < 20.0
        plan = ended(world.repman, plan_id)
        assert plan.state == "done" or plan.detail
        world.healthy(30)
        traffic.flows(50)
    world.nothing_lost(traffic)


@pytest.mark.parametrize("step", [0, 2, 4, 6, 8])
def test_monitor_killed_in_a_failover(world: World, step: int) -> None:
    monitor_killed_in_a_failover(world, step)


@pytest.mark.parametrize("step", [0, 1, 2, 4, 6])
def test_monitor_killed_in_a_switchover(world: World, step: int) -> None:
    monitor_killed_in_a_switchover(world, step)


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("kind", ["failover", "switchover"])
def test_monitor_killed_again_and_again(world: World, kind: str) -> None:
    work = monitor_killed_in_a_failover if kind == "failover" else monitor_killed_in_a_switchover
    for seed in range(ROUNDS):
        work(world, seed % 8)


def test_writes_go_on_without_repman_and_it_moves_nothing_when_it_is_back(world: World) -> None:
    with world.traffic() as traffic:
        writer = world.writer
        before = len(world.repman.plans())
        world.repman.kill()
        traffic.flows(300)
        assert world.only_open() is writer
        world.repman.start()
        world.healthy()
        assert world.only_open() is writer
        assert len(world.repman.plans()) == before
        traffic.flows(50)
        assert traffic.longest_gap() < 2.0
        assert traffic.errors == []
    world.nothing_lost(traffic)


def test_a_repman_without_memories_adopts_the_cluster_as_it_is(world: World) -> None:
    with world.traffic() as traffic:
        writer = world.writer
        world.repman.kill()
        world.repman.forget()
        world.repman.start()
        world.healthy()
        assert world.only_open() is writer
        assert world.repman.plans() == []
        assert traffic.errors == []
    world.nothing_lost(traffic)


def test_a_writer_that_died_while_repman_was_away_is_replaced(world: World) -> None:
    """Replicas that run on are known again by a new process, which cannot tell two starts in quick succession."""
    uptime = "(SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'UPTIME')"
    for server in world.servers:
        wait_until(lambda server=server: int(server.value(uptime)) > 5, 10, "its start to be past")
    with world.traffic() as traffic:
        old = world.writer
        world.repman.kill()
        old.kill()
        died = time.monotonic()
        world.repman.start()
        assert traffic.first_after(died) < 20.0
        world.another_than(old)
        old.start()
        world.healthy()
    world.nothing_lost(traffic)


def test_a_second_repman_refuses_and_takes_over_when_the_first_is_gone(world: World) -> None:
    second = world.second_repman()
    try:
        second.start(probes_port=free_port())
        second.until(lambda seen: not seen.active and "votes are ours" in seen.lease, "the lease to be refused")
        with world.traffic() as traffic:
            writer = world.writer
            receipt = second.ask("switchover")
            assert receipt.status == "refused"
            refusals = dict(receipt.refusals)
            assert "no-lease" in refusals
            assert "another repman holds it" in refusals["no-lease"]
            assert world.only_open() is writer
            assert {problem.code for problem in second.snapshot.problems} >= {"passive"}

            writer.kill()
            died = time.monotonic()
            assert traffic.first_after(died) < 20.0
            assert [plan.plan.kind for plan in second.plans()] == []
            writer.start()
            world.healthy()

            world.repman.kill()
            second.until(lambda seen: seen.active, "the lease")
            assert second.ask("switchover").status == "done"
            traffic.flows(50)
            second.stop()
        world.nothing_lost(traffic)
    finally:
        second.destroy()
