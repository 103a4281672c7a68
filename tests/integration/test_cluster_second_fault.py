"""A second thing breaks while a plan is on its way: still one writer, and nothing acknowledged is lost."""

from __future__ import annotations

import time

import pytest
from cluster import World, at_step, codes, state
from mariadb_stand import wait_until

from repman.model.decision import ServerState
from repman.model.plan import StepKind


@pytest.mark.parametrize("step", [StepKind.CATCH_UP, StepKind.ROUTE_AWAY, StepKind.FENCE, StepKind.PROMOTE])
def test_the_old_writer_dies_in_a_switchover(world: World, step: StepKind) -> None:
    with world.traffic() as traffic:
        old, target = world.writer, world.replicas[0]
        thread, came = world.repman.in_background("switchover", target.address)
        world.repman.until(lambda seen: at_step(seen, step), f"the step {step}")
        old.kill()
        died = time.monotonic()
        thread.join(60)
        assert came
        assert came[0].sentence
        assert traffic.first_after(died) < 15.0
        world.another_than(old)
        old.start()
        world.healthy(30)
        traffic.flows(50)
    world.nothing_lost(traffic)


@pytest.mark.parametrize("step", [StepKind.ROUTE_AWAY, StepKind.DRAIN, StepKind.PROMOTE])
def test_the_new_writer_dies_in_a_failover(world: World, step: StepKind) -> None:
    """Only one server is left, which cannot be sure to have everything: it waits until one of the dead is back."""
    with world.traffic() as traffic:
        old = world.writer
        old.kill()
        seen = world.repman.until(lambda seen: at_step(seen, step), f"the step {step}")
        assert seen.plan is not None
        second = world.server(seen.plan.new_writer)
        second.kill()
        second.start()
        old.start()
        started = time.monotonic()
        assert traffic.first_after(started, 30) < 25.0
        world.healthy(30)
        traffic.flows(50)
    world.nothing_lost(traffic)


@pytest.mark.parametrize("step", [StepKind.ROUTE_AWAY, StepKind.STOP_RECEIVING, StepKind.PROMOTE, StepKind.OPEN])
def test_a_frozen_writer_that_nobody_controls_wakes_in_the_failover(world: World, step: StepKind) -> None:
    world.restarted(prov_orchestrator="onpremise", sandbox_directory=None)
    world.healthy()
    old = world.writer
    with world.traffic() as traffic:
        with world.frozen(old):
            frozen = time.monotonic()
            world.repman.until(lambda seen: at_step(seen, step), f"the step {step}")
        assert traffic.first_after(frozen, 30) < 25.0
        traffic.flows(50)
        wait_until(lambda: sum(world.is_open(server) for server in world.servers) == 1, 10, "one open server")
        seen = world.repman.until(
            lambda seen: (
                not seen.in_failover
                and all(
                    state(seen, server) in (ServerState.MASTER, ServerState.SLAVE)
                    or (server is old and "diverged" in codes(seen))
                    for server in world.servers
                )
            ),
            "its end to be shown",
        )
        traffic.flows(50)
    world.nothing_lost(traffic)
    if "diverged" in codes(seen):
        world.rebuild()


def test_a_short_freeze_is_no_death(world: World) -> None:
    with world.traffic() as traffic:
        old = world.writer
        with world.frozen(old):
            world.repman.until(lambda seen: state(seen, old) is ServerState.SUSPECT, "its silence to be seen")
        traffic.flows(50)
        assert world.only_open() is old
        world.healthy()
        assert traffic.errors == []
    world.nothing_lost(traffic)
