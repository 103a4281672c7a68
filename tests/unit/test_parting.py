"""What is done before a server is watched no more, and what forbids that."""

from __future__ import annotations

from dataclasses import replace

from repman.model.memory import Memory, ServerMemory
from repman.model.plan import StepKind
from repman.model.policy import ClusterPolicy, ServerPolicy
from repman.monitor.parting import parting, stays

A, B, C = (ServerPolicy(f"{name}:1", name, 1, f"id-{name}", name) for name in "abc")
OLD = ClusterPolicy("shop", (A, B, C))
MEMORY = Memory(
    "shop", writer="a:1", servers=(ServerMemory("a:1"), ServerMemory("b:1", acker=True), ServerMemory("c:1"))
)


def test_a_server_that_acknowledges_is_stopped_first() -> None:
    plan = parting(OLD, replace(OLD, servers=(A, C)), MEMORY)
    assert plan is not None
    assert [(step.kind, step.server) for step in plan.steps] == [(StepKind.STOP_RECEIVING, "b:1")]
    assert not plan.steps[0].essential, "a server that cannot be reached does not stay for that"


def test_nothing_is_done_to_one_that_does_not_nor_under_a_pause() -> None:
    assert parting(OLD, replace(OLD, servers=(A, B)), MEMORY) is None
    assert parting(OLD, OLD, MEMORY) is None
    assert parting(replace(OLD, paused=True), replace(OLD, servers=(A, C)), MEMORY) is None


def test_a_writer_stays() -> None:
    assert "a is the writer" in stays(OLD, replace(OLD, servers=(B, C)), MEMORY)
    assert stays(OLD, replace(OLD, servers=(A, B)), MEMORY) == ""
    assert stays(OLD, replace(OLD, servers=(B, C)), replace(MEMORY, writer="")) == ""
    assert stays(OLD, replace(OLD, servers=(B, C)), replace(MEMORY, writer="gone:1")) == ""


def test_a_held_server_stays_until_its_job_ends() -> None:
    held = MEMORY.with_server(replace(MEMORY.server("c:1"), held="a reseed rebuilds it"))
    assert "c is no longer among the servers and is held" in stays(OLD, replace(OLD, servers=(A, B)), held)
    assert stays(OLD, replace(OLD, servers=(A, C)), held) == ""
