"""Switchover of a real replica set under write load, what it leaves behind, and how a failed one is undone."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator

import pytest
from mongo_stand import Member, wait_until
from monitor_stand import Watched, Writers
from pymongo.errors import PyMongoError

from repman.engines.mongodb import MongodbSet
from repman.errors import MonitorDown, StateError
from repman.model.plan import Step, StepKind


@pytest.fixture
def driver(watched: Watched) -> Iterator[MongodbSet]:
    """A driver of our own, which does single steps of plans."""
    made = MongodbSet({each.address: ("127.0.0.1", each.port) for each in watched.set.members}, {}, 1.0)
    yield made
    made.close()


def do(driver: MongodbSet, kind: StepKind, member: Member, source: str = "", note: str = "60") -> None:
    outcome = driver.perform(Step(kind, member.address, source, note=note), 10.0, lambda: None)
    assert outcome.ok, outcome.detail


def order(watched: Watched, target: Member) -> None:
    """Ask for a switchover of a monitor that may die meanwhile."""
    with contextlib.suppress(MonitorDown, StateError):
        watched.ask("switchover", target.address)


def logged(member: Member, text: str) -> bool:
    """Whether a member says so in its log."""
    try:
        with member.client(serverSelectionTimeoutMS=1000) as client:
            return any(text in line for line in client.admin.command("getLog", "global")["log"])
    except PyMongoError:
        return False


def test_a_switchover_under_load_loses_nothing_and_the_set_can_fail_over_at_once(watched: Watched) -> None:
    old = watched.primary()
    target = next(member for member in watched.set.members if member is not old)
    writers = Writers(watched.set.uri)
    try:
        writers.go_on()
        receipt = watched.ask("switchover", target.address)
        assert (receipt.status, receipt.new_writer) == ("done", target.address), f"{receipt} {watched.shown()}"
        writers.go_on()
        assert watched.primary() is target
        assert watched.probe(target, "is-master") == 200
        assert watched.probe(old, "is-master") == 503
        wait_until(lambda: watched.written_through_haproxy() == target.address, 20, "HAProxy to follow")
        target.kill()
        found = watched.until(lambda seen: seen.routes.writer not in ("", target.address), "a failover")
        writers.go_on()
        assert found.writer == watched.set.until_primary(other_than=target).address
    finally:
        writers.end()
    kept = {each["_id"] for each in watched.set.client.shop.orders.find({}, {"_id": 1})}
    assert sorted(set(writers.acknowledged) - kept) == []
    crashes = watched.api("clusters/docs/topology/crashes")
    assert [crash["Switchover"] for crash in crashes[:2]] == [False, True]


def test_without_the_thaw_the_set_would_have_no_primary(watched: Watched, driver: MongodbSet) -> None:
    """The control of the test above: the same steps up to the thaw, then the death of the new primary."""
    old = watched.primary()
    target, rival = [member for member in watched.set.members if member is not old]
    do(driver, StepKind.FREEZE, rival)
    do(driver, StepKind.STEP_DOWN, old, target.address)
    do(driver, StepKind.STEP_UP, target)
    target.kill()
    refuses = "I am still waiting for stepdown period to end"
    wait_until(lambda: logged(old, refuses) and logged(rival, refuses), 40, "both to refuse to stand for election")
    assert watched.until(lambda seen: not seen.routes.writer, "no primary").writer == target.address
    do(driver, StepKind.THAW, old)
    do(driver, StepKind.THAW, rival)
    watched.until(lambda seen: seen.routes.writer in (old.address, rival.address), "a primary after the thaw")


def test_a_switchover_that_cannot_complete_is_undone(watched: Watched) -> None:
    old = watched.primary()
    target = next(member for member in watched.set.members if member is not old)
    with target.client() as client:
        client.admin.command("fsync", lock=True)  # it receives, and applies nothing
        try:
            watched.set.client.shop.orders.insert_one({"_id": "behind"})
            receipt = watched.ask("switchover", target.address)
        finally:
            client.admin.command("fsyncUnlock")
    assert receipt.status == "failed", receipt
    assert "undone" in receipt.sentence
    watched.until_healthy()
    assert watched.primary() is old
    assert watched.probe(old, "is-master") == 200


def test_the_undo_puts_the_old_primary_back_and_thaws(watched: Watched, driver: MongodbSet) -> None:
    """After the step-down nobody else can be elected here, which is where a plan would be undone."""
    old = watched.primary()
    others = [member for member in watched.set.members if member is not old]
    for member in others:
        do(driver, StepKind.FREEZE, member)
    do(driver, StepKind.STEP_DOWN, old, others[0].address)
    failed = driver.perform(Step(StepKind.STEP_UP, others[0].address), 1.5, lambda: None)
    assert not failed.ok
    for member in (old, *others):
        do(driver, StepKind.THAW, member)
    do(driver, StepKind.STEP_UP, old)
    watched.until(lambda seen: seen.routes.writer == old.address, "the old primary to be it again")
    old.kill()
    watched.until(lambda seen: seen.routes.writer in {member.address for member in others}, "a failover")


def test_a_monitor_that_dies_in_the_middle_leaves_nobody_frozen(watched: Watched) -> None:
    """``kill -9`` once the first member is frozen: the next monitor goes on where the journal ends."""
    old = watched.primary()
    target = next(member for member in watched.set.members if member is not old)
    asked = threading.Thread(target=order, args=(watched, target))
    asked.start()
    begun = watched.until(
        lambda seen: seen.plan and seen.plan.state == "running" and seen.plan.current >= 2, "the plan to be under way"
    )
    assert begun.plan is not None
    os.kill(int((watched.rundir / "monitor.pid").read_text()), signal.SIGKILL)
    asked.join()
    ended = watched.until(
        lambda seen: (
            seen.run != begun.run and seen.plan and seen.plan.id == begun.plan.id and seen.plan.state != "running"
        ),
        "the plan to be ended by the next monitor",
    )
    assert ended.plan is not None
    assert ended.plan.state in ("done", "undone"), watched.shown()
    watched.until_healthy()
    watched.primary().kill()
    dead = watched.snapshot.writer
    watched.until(lambda seen: seen.routes.writer not in ("", dead), "a failover: nobody is frozen")


def test_what_makes_no_sense_is_refused(watched: Watched) -> None:
    primary = watched.primary()
    other = next(member for member in watched.set.members if member is not primary)
    assert watched.ask("switchover", primary.address).status == "unchanged"
    for kind in (
        "read-only",
        "stop-replication",
        "reset-replication",
        "skip-event",
        "reset-binlog",
        "start-replication",
    ):
        receipt = watched.ask(kind, other.address)
        assert (receipt.status, receipt.refusals[0][0]) == ("refused", "not-for-this-kind")
    assert watched.ask("cleanup", force=True).refusals[0][0] == "not-for-this-kind"
    assert watched.ask("bootstrap", clean=True).status == "unchanged"
    assert watched.ask("failover").refusals[0][0] == "writer-alive"
    assert watched.ask("hold", primary.address).refusals[0][0] == "is-writer"
    assert watched.ask("maintenance", other.address).status == "done"
    held = watched.ask("switchover", other.address)
    assert "maintenance" in held.sentence
    assert watched.ask("maintenance", other.address, on=False).status == "done"
