"""Decision tables for clusters whose members elect: what a look means, and what may be done."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from member_cluster import HERE, LETTERS, Course, address, answering, codes, gone, healthy, refused, states, steps

from repman.decide.steps import forbidden
from repman.decide.view import look
from repman.engines.mongodb import MongodbSet
from repman.model.command import CommandKind
from repman.model.memory import Memory
from repman.model.nature import Nature
from repman.model.observation import ClusterSeen, Reach, ServerSeen
from repman.model.plan import Plan, PlanKind, Step, StepKind
from repman.model.position import Optime
from repman.model.replica_set import MemberState, RollbackSeen

P, S = MemberState.PRIMARY, MemberState.SECONDARY
LOST: dict[str, Any] = {"a_lost": True}
SILENT: dict[str, Any] = {"a_silent": 5.0}

TABLE: tuple[tuple[str, int, dict[str, ServerSeen], dict[str, Any]], ...] = (
    ("everybody is in its place", 1, {},
     {"states": "Master Slave Slave", "codes": [], "write": "a", "read": "bc", "alive": True}),
    ("the primary's process is gone and the members lost it", 1,
     {"a": gone("a"), "b": answering("b", **LOST), "c": answering("c", **LOST)},
     {"states": "Failed Slave Slave", "codes": ["writer-dead"], "write": "", "read": "bc", "alive": False}),
    ("its process is gone and the members have not noticed: no traffic at once", 1,
     {"a": gone("a")}, {"states": "Suspect Slave Slave", "codes": ["writer-suspect"], "write": ""}),
    ("only we have lost it: members hear it, so it keeps its traffic", 3,
     {"a": gone("a", Reach.SILENT)}, {"states": "Suspect Slave Slave", "codes": ["writer-suspect"], "write": "a"}),
    ("one look without an answer may be our own pause", 1,
     {"a": gone("a", Reach.SILENT), "b": answering("b", **SILENT), "c": answering("c", **SILENT)},
     {"states": "Suspect Slave Slave", "write": "a"}),
    ("frozen: no answer twice, and no heartbeat of it came in", 2,
     {"a": gone("a", Reach.SILENT), "b": answering("b", **SILENT), "c": answering("c", **SILENT)},
     {"states": "Failed Slave Slave", "codes": ["writer-dead"], "write": ""}),
    ("it stepped down and nobody is elected yet", 1, {"a": answering("a")},
     {"states": "Slave Slave Slave", "codes": ["no-primary"], "write": "", "read": "abc", "alive": False}),
    ("a primary that a majority has left gets nothing more", 1,
     {"a": answering("a", P, b_lost=True, c_lost=True), "b": gone("b"), "c": gone("c")},
     {"states": "Master Failed Failed", "codes": ["server-down", "server-down", "no-majority"], "write": ""}),
    ("two say so: the higher term is right", 1, {"b": answering("b", P, term=4)},
     {"states": "SlaveErr Master Slave", "codes": ["two-primaries"], "write": "b", "read": "c"}),
    ("a member that recovers takes no reads", 1, {"b": answering("b", MemberState.RECOVERING)},
     {"states": "Master SlaveErr Slave", "codes": ["member-not-serving"], "read": "c"}),
    ("a member that rolls back takes no reads", 1, {"b": answering("b", MemberState.ROLLBACK)},
     {"states": "Master SlaveErr Slave", "codes": ["member-not-serving"], "read": "c"}),
    ("an arbiter takes nothing", 1, {"b": answering("b", MemberState.ARBITER)},
     {"states": "Master Arbiter Slave", "codes": [], "read": "c"}),
    ("a hidden member takes no reads", 1, {"b": answering("b", seat={"hidden": True, "priority": 0.0})},
     {"states": "Master Slave Slave", "read": "c"}),
    ("one that is late on purpose is not late, and takes no reads", 1,
     {"b": answering("b", lag=60.0, seat={"delay": 60.0, "priority": 0.0})},
     {"states": "Master Slave Slave", "read": "c"}),
    ("a late member takes no reads", 1, {"b": answering("b", lag=60.0)},
     {"states": "Master SlaveLate Slave", "codes": ["late"], "read": "c"}),
    ("user writes are blocked", 1, {"a": answering("a", P, writes_blocked=True)},
     {"codes": ["writes-blocked"], "write": ""}),
    ("a server of no set", 1,
     {"c": answering("c", MemberState.STARTUP, set_name="", term=-1, voters_needed=0)},
     {"states": "Master Slave StandAlone", "codes": ["no-member"], "read": "b"}),
    ("a server that rejects us lives", 1, {"a": gone("a", Reach.DENIED)},
     {"states": "ErrorAuth Slave Slave", "codes": ["access-denied"], "write": "a"}),
)  # fmt: skip


@pytest.mark.parametrize(("title", "looks", "servers", "expected"), TABLE, ids=[row[0] for row in TABLE])
def test_what_a_look_means(title: str, looks: int, servers: dict[str, ServerSeen], expected: dict[str, Any]) -> None:
    course = Course()
    for _ in range(looks):
        found = course.look(**servers)
    told = {
        "states": states(found),
        "codes": codes(found),
        "write": found.routes.writer.partition(":")[0],
        "read": "".join(reader.partition(":")[0] for reader in found.routes.readers),
        "alive": found.writer_alive,
    }
    assert {key: told[key] for key in expected} == expected


def test_a_set_is_protected_while_a_majority_would_be_left() -> None:
    course = Course()
    assert course.look().protected
    alone = {"a": answering("a", P, c_lost=True), "c": gone("c")}
    assert [each.code for each in course.look(**alone).blocked_by] == ["no-majority"]
    unfit = {each: answering(each, seat={"priority": 0.0}) for each in "bc"}
    assert [each.code for each in course.look(**unfit).blocked_by] == ["no-candidate"]


def test_an_election_of_the_members_is_reported_once() -> None:
    course = Course()
    lost = {"a": gone("a"), "b": answering("b", **LOST), "c": answering("c", **LOST)}
    course.look(**lost)
    elected = lost | {"b": answering("b", P, term=4, optime=Optime(4, 1010, 1), **LOST)}
    found = course.look(**elected)
    assert found.takeover is not None
    told = found.takeover
    assert (told.old_writer, told.new_writer) == (address("a"), address("b"))
    assert (told.old_term, told.new_term, told.reason) == (3, 4, "electionTimeout")
    assert (told.old_position, told.new_position) == (str(HERE), "4:1010.1")
    assert told.seen_at - told.lost_at == 1.0
    assert "term 3 to 4" in told.sentence
    assert found.memory.failovers == 1
    assert course.look(**elected).takeover is None


def test_nobody_is_elected_at_first_sight() -> None:
    assert Course(watched=False).look().takeover is None


def test_repman_never_acts_by_itself_and_says_why_nothing_happens() -> None:
    course = Course()
    for servers in ({"a": gone("a")}, {"a": answering("a")}, {}):
        assert course.look(**servers).plan is None
    lonely = {"a": gone("a"), "b": gone("b"), "c": answering("c", a_lost=True, b_lost=True)}
    assert refused(course.look(**lonely)) == ["no-majority"]


def test_a_switchover_is_steered_and_thawed() -> None:
    found = Course().ask("switchover", "b")
    assert steps(found) == [
        "catch-up b <- a",
        "freeze c ?",
        "route-away a ?",
        "step-down a <- b",
        "step-up b",
        "route b ?",
        "thaw a ?",
        "thaw c ?",
    ]
    assert found.plan is not None
    undo = [str(step).replace(":27017", "") for step in found.plan.undo]
    assert undo == ["thaw a", "thaw c", "step-up a", "route a"]
    frozen = {float(step.note) for step in found.plan.steps if step.note}
    assert min(frozen) > found.plan.deadline, "who is frozen must not wake in the middle of the plan"


@pytest.mark.parametrize(
    ("servers", "to", "chosen"),
    [
        ({}, "", "b"),
        ({"c": answering("c", seat={"priority": 2.0})}, "", "c"),
        ({"b": answering("b", lag=2.0)}, "", "c"),
        ({"b": answering("b", seat={"priority": 0.0})}, "", "c"),
        ({}, "c", "c"),
    ],
)
def test_whom_a_switchover_chooses(servers: dict[str, ServerSeen], to: str, chosen: str) -> None:
    found = Course().ask("switchover", to, servers)
    assert found.plan is not None
    assert found.plan.new_writer == address(chosen)


REFUSALS: tuple[tuple[str, str, dict[str, ServerSeen], list[str]], ...] = (
    ("no primary", "b", {"a": answering("a")}, ["writer-failed"]),
    ("late", "b", {"b": answering("b", lag=60.0)}, ["candidate-unfit"]),
    ("never elected by the set", "b", {"b": answering("b", seat={"priority": 0.0})}, ["candidate-unfit"]),
    ("hidden", "b", {"b": answering("b", seat={"hidden": True})}, ["candidate-unfit"]),
    ("an arbiter", "b", {"b": answering("b", MemberState.ARBITER)}, ["candidate-unfit"]),
    ("gone", "b", {"b": gone("b")}, ["candidate-unfit"]),
    ("no majority", "b", {"a": answering("a", P, b_lost=True, c_lost=True)}, ["no-majority"]),
    ("nobody else", "", {"b": gone("b"), "c": gone("c")}, ["no-candidate"]),
)


@pytest.mark.parametrize(("title", "to", "servers", "expected"), REFUSALS, ids=[row[0] for row in REFUSALS])
def test_switchovers_that_are_refused(title: str, to: str, servers: dict[str, ServerSeen], expected: list[str]) -> None:
    assert refused(Course().ask("switchover", to, servers)) == expected


def test_a_member_in_maintenance_is_not_chosen_and_takes_no_reads() -> None:
    course = Course()
    assert course.ask("maintenance", "b").done
    found = course.look()
    assert states(found) == "Master Maintenance Slave"
    assert found.routes.readers == (address("c"),)
    assert refused(course.ask("switchover", "b")) == ["candidate-unfit"]


def test_a_failover_that_is_asked_for_is_an_election_and_no_force() -> None:
    lost = {"a": gone("a"), "b": answering("b", **LOST), "c": answering("c", **LOST)}
    assert steps(Course().ask("failover", "", lost)) == ["thaw b ?", "step-up b", "route b ?"]
    assert refused(Course().ask("failover")) == ["writer-alive"]
    lonely = {"a": gone("a"), "b": gone("b"), "c": answering("c", a_lost=True, b_lost=True)}
    assert "no-majority" in refused(Course().ask("failover", "", lonely, force=True))


def test_a_set_is_made_only_of_servers_that_are_in_none() -> None:
    fresh = {
        each: answering(each, MemberState.STARTUP, set_name="", term=-1, voters_needed=0, heard=()) for each in LETTERS
    }
    assert steps(Course(watched=False).ask("bootstrap", "", fresh)) == ["initiate a", "step-up a", "route a ?"]
    assert refused(Course(watched=False).ask("bootstrap", "", fresh | {"c": answering("c")})) == ["has-replication"]
    assert Course().ask("bootstrap", clean=True).unchanged


def test_a_member_without_which_there_is_no_majority_is_not_stopped() -> None:
    course = Course()
    assert steps(course.ask("stop-server", "b")) == ["stop b"]
    alone = {"a": answering("a", P, c_lost=True), "c": gone("c")}
    assert "no-majority" in refused(Course().ask("stop-server", "b", alone))
    assert "is-writer" in refused(Course().ask("stop-server", "a", force=True))


def test_a_rollback_is_told_until_an_operator_has_read_it() -> None:
    course = Course()
    rollback = RollbackSeen(1.0, 7, "3:1000.1", "3:1001.2", "/data/rollback")
    assert codes(course.look(b=answering("b", rollback=rollback))) == ["rolled-back"]
    assert codes(course.look(b=answering("b", rollback=rollback))) == ["rolled-back"]
    assert course.ask("reset-failover-control", servers={"b": answering("b", rollback=rollback)}).done
    assert codes(course.look(b=answering("b", rollback=rollback))) == []


def test_no_wish_leads_to_a_step_that_is_not_for_such_clusters() -> None:
    """Whatever is asked, of whom, and however the set is: plans have steps of this kind only."""
    situations = [
        {},
        {"a": gone("a"), "b": answering("b", **LOST), "c": answering("c", **LOST)},
        {"a": answering("a")},
        {"b": gone("b")},
        {
            each: answering(each, MemberState.STARTUP, set_name="", term=-1, voters_needed=0, heard=())
            for each in LETTERS
        },
    ]
    planned = set()
    for servers in situations:
        for kind in CommandKind:
            if kind in (CommandKind.PREVIEW, CommandKind.RELOAD):
                continue
            for to in ("", *LETTERS):
                course = Course(watched=servers is not situations[-1])
                found = course.ask(kind, to, servers, force=True, clean=True, rating="preferred", user="ann")
                planned |= {step.kind for step in (*found.plan.steps, *found.plan.undo)} if found.plan else set()
    assert planned >= {StepKind.STEP_DOWN, StepKind.STEP_UP, StepKind.THAW, StepKind.INITIATE}
    assert planned <= Nature.ELECTING.steps


def view_of(servers: dict[str, ServerSeen]) -> Any:
    course = Course()
    seen = healthy() | servers
    cluster = ClusterSeen("docs", 1.0, tuple(seen[each] for each in LETTERS))
    return look(course.policy, cluster, dataclasses.replace(course.memory, writer=address("a")), 1.0, 1.0)


@pytest.mark.parametrize("kind", sorted(set(StepKind) - Nature.ELECTING.steps))
def test_steps_of_steered_clusters_are_forbidden_whatever_a_plan_says(kind: StepKind) -> None:
    plan = Plan(PlanKind.FAILOVER, "docs", (), "a plan of another kind of cluster")
    found = forbidden(view_of({}), plan, Step(kind, address("b"), address("a")), {})
    assert [refusal.code for refusal in found] == ["not-for-this-kind"]
    assert kind not in MongodbSet.performs


def test_the_driver_performs_what_is_not_a_proxys_or_an_orchestrators() -> None:
    others = {StepKind.ROUTE, StepKind.ROUTE_AWAY, StepKind.START, StepKind.STOP}
    assert Nature.ELECTING.steps - others == MongodbSet.performs
    assert not Nature.STEERED.steps & (MongodbSet.performs - {StepKind.CATCH_UP})


@pytest.mark.parametrize(
    ("step", "servers", "expected"),
    [
        (Step(StepKind.STEP_UP, address("b")), {"a": answering("a")}, []),
        (Step(StepKind.STEP_UP, address("b")), {}, ["another-open"]),
        (Step(StepKind.STEP_UP, address("b")), {"b": gone("b")}, ["target-lost"]),
        (Step(StepKind.STEP_DOWN, address("a"), address("b")), {}, []),
        (Step(StepKind.STEP_DOWN, address("a"), address("b")), {"b": gone("b")}, ["candidate-unfit"]),
        (Step(StepKind.STEP_DOWN, address("a"), address("b")), {"b": answering("b", lag=60.0)}, ["candidate-unfit"]),
        (Step(StepKind.FREEZE, address("a")), {}, ["is-writer"]),
        (Step(StepKind.ROUTE, address("b")), {}, ["not-primary"]),
        (Step(StepKind.ROUTE, address("a")), {}, []),
        (Step(StepKind.STOP, address("a")), {}, ["is-writer"]),
    ],
)
def test_what_is_asked_before_a_step(step: Step, servers: dict[str, ServerSeen], expected: list[str]) -> None:
    plan = Plan(PlanKind.SWITCHOVER, "docs", (), "", old_writer=address("a"), new_writer=address("b"))
    assert [refusal.code for refusal in forbidden(view_of(servers), plan, step, {})] == expected


def test_positions_are_ordered_as_elections_order_them() -> None:
    old, new, later = Optime(3, 2000, 1), Optime(4, 1000, 1), Optime(4, 1000, 2)
    assert later.covers(new)
    assert new.covers(old)
    assert not old.covers(new)
    assert new.union(later) == later
    assert later.minus(new) == "4:1000.1..4:1000.2"
    assert new.minus(later) == ""
    assert (later.count_minus(new), new.count_minus(later)) == (1, 0)
    assert Optime.from_json(later.to_json()) == later
    assert later.written_by(1).is_empty()


def test_a_forgotten_writer_is_inferred_from_what_members_hear() -> None:
    course = Course(watched=False)
    assert course.look(a=gone("a", Reach.SILENT)).writer == address("a")
    assert course.memory != Memory("docs")
