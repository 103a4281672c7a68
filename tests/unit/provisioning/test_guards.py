"""Which servers may be made and unmade, by what was published."""

from __future__ import annotations

from dataclasses import replace

import pytest

from repman.model.decision import Routes, ServerState
from repman.model.observation import Reach, ServerSeen
from repman.model.policy import ServerPolicy
from repman.model.problem import Refusal
from repman.model.snapshot import FORMAT, ServerView, Snapshot
from repman.provisioning.guards import against_provisioning, against_unprovisioning, held_by_others

MASTER, SLAVE, ERR, FAILED = ServerState.MASTER, ServerState.SLAVE, ServerState.SLAVE_ERR, ServerState.FAILED
ALONE = ServerState.STANDALONE


def view(number: int, state: ServerState, held: str = "") -> ServerView:
    address = f"h:{number}"
    seen = ServerSeen(address, Reach.REFUSED if state is FAILED else Reach.ANSWERED, 1.0)
    policy = ServerPolicy(address, "h", number, f"db{number}", f"db{number}")
    return ServerView(policy, seen, None, state, state, maintenance=False, failures=0, held=held)


def cluster(*states: ServerState, writer: str = "h:1") -> Snapshot:
    return Snapshot(
        format=FORMAT,
        cluster="shop",
        at=1.0,
        monotonic=1.0,
        generation=1,
        run="r",
        active=True,
        lease="us",
        paused=False,
        writer=writer,
        writer_alive=True,
        topology="master-slave",
        protected=True,
        blocked_by=(),
        refusals=(),
        problems=(),
        routes=Routes(),
        servers=tuple(view(number, state) for number, state in enumerate(states, 1)),
    )


def codes(refusals: list[Refusal]) -> set[str]:
    assert all(refusal.sentence for refusal in refusals)
    return {refusal.code for refusal in refusals}


@pytest.mark.parametrize(
    ("seen", "server", "expected"),
    [
        (cluster(MASTER, SLAVE, SLAVE), "h:2", set()),
        (cluster(MASTER, SLAVE, SLAVE), "h:1", {"is-writer"}),
        (cluster(MASTER, SLAVE), "h:2", {"last-replica"}),
        (cluster(MASTER, SLAVE, ERR), "h:2", {"last-replica"}),
        (cluster(MASTER, SLAVE, ERR), "h:3", set()),
        (cluster(MASTER, FAILED, FAILED), "h:1", {"is-writer", "only-copy"}),
        (cluster(FAILED, SLAVE, FAILED), "h:2", {"only-copy"}),
        (cluster(ALONE, ALONE, writer=""), "h:1", {"only-copy"}),
        (cluster(MASTER), "h:1", {"is-writer", "only-copy"}),
    ],
)
def test_what_would_be_lost_is_kept(seen: Snapshot, server: str, expected: set[str]) -> None:
    assert codes(against_unprovisioning(seen, server, force=False)) == expected
    assert against_unprovisioning(seen, server, force=True) == []


def test_a_held_server_is_nobodys_copy() -> None:
    seen = cluster(MASTER, SLAVE, SLAVE)
    held = replace(seen, servers=(*seen.servers[:2], view(3, SLAVE, "a reseed rebuilds it")))
    assert codes(against_unprovisioning(held, "h:2", force=False)) == {"last-replica"}


@pytest.mark.parametrize("force", [False, True])
def test_nothing_is_done_while_the_cluster_moves_or_is_anothers(force: bool) -> None:
    seen = cluster(MASTER, SLAVE, SLAVE)
    assert codes(against_unprovisioning(replace(seen, in_failover=True), "h:2", force)) == {"plan-running"}
    assert codes(against_unprovisioning(replace(seen, active=False), "h:2", force)) == {"passive"}


def test_a_writer_never_comes_back_empty_beside_data() -> None:
    seen = cluster(FAILED, SLAVE, SLAVE)
    assert codes(against_provisioning(seen, "h:1", ["h:2"])) == {"is-writer"}
    assert against_provisioning(seen, "h:1", []) == []
    assert against_provisioning(seen, "h:3", ["h:2"]) == []


def test_what_somebody_else_holds_is_left_to_them() -> None:
    seen = cluster(MASTER, SLAVE)
    held = replace(seen, servers=(seen.servers[0], view(2, SLAVE, "asked by an operator")))
    assert codes(held_by_others(held, "h:2", "ours")) == {"held"}
    assert held_by_others(held, "h:2", "asked by an operator") == []
    assert held_by_others(seen, "h:2", "ours") == []
