"""repman watches a real replica set: roles, deaths, freezes and step-downs, probes, HAProxy, the API, ``repman ctl``."""

from __future__ import annotations

import re
import signal

import pymongo
from mongo_stand import wait_until
from monitor_stand import CLUSTER, Watched

from repman.model.decision import ServerState
from repman.model.replica_set import MemberState


def follows(watched: Watched) -> None:
    """HAProxy leads to the primary, and the probes name it and nobody else."""
    primary = watched.primary()
    wait_until(lambda: watched.written_through_haproxy() == primary.address, 20, "HAProxy to follow the primary")
    for member in watched.set.members:
        if member.process is not None and member.process.poll() is None:
            assert watched.probe(member, "is-master") == (200 if member is primary else 503)


def test_members_are_seen_as_they_are(watched: Watched) -> None:
    seen = watched.until(
        lambda seen: all(view.seen.member and view.seen.member.oplog for view in seen.servers), "the oplogs"
    )
    primary = watched.set.until_primary()
    for view in seen.servers:
        member, writer = view.seen.member, view.policy.address == primary.address
        assert member is not None
        assert member.seat is not None
        assert member.oplog is not None
        assert member.state is (MemberState.PRIMARY if writer else MemberState.SECONDARY)
        assert view.state is (ServerState.MASTER if writer else ServerState.SLAVE)
        assert (member.set_name, member.voters_needed, member.seat.votes) == ("docs", 2, 1)
        assert member.term >= 1
        assert member.oplog.limit_bytes == 64 * 1024 * 1024
        assert {heard.address for heard in member.heard} == {
            other.address for other in watched.set.members if other.address != view.policy.address
        }
        assert writer or member.sync_source in {other.address for other in watched.set.members}
    assert seen.topology == "replica-set"
    assert seen.protected
    assert not seen.problems
    assert set(seen.routes.readers) == {each.address for each in watched.set.members} - {primary.address}
    follows(watched)
    for member in watched.set.members:
        assert watched.probe(member, "is-slave") == (503 if member is primary else 200)


def test_the_api_and_ctl_show_members(watched: Watched) -> None:
    writer = watched.snapshot.writer
    shown = watched.api(f"clusters/{CLUSTER}/topology/master")
    assert (shown["url"], shown["state"], shown["isWriter"]) == (writer, "Master", True)
    assert shown["dbVersion"]["flavor"] == "MongoDB"
    replicas = watched.api(f"clusters/{CLUSTER}/topology/slaves")
    assert sorted(each["state"] for each in replicas) == ["Slave", "Slave"]
    told = watched.ctl("topology", "--cluster", CLUSTER)
    assert "Master" in told
    assert told.count("Slave") == 2


def test_a_killed_primary_is_replaced_by_the_members_and_that_is_told(watched: Watched) -> None:
    old, before = watched.primary(), watched.snapshot
    term = before.server(before.writer).seen.member.term  # type: ignore[union-attr]
    old.kill()
    after = watched.snapshot.ticks
    gone = watched.until(lambda seen: seen.routes.writer != old.address, "the probes to drop the dead primary")
    assert gone.ticks - after <= 2
    assert gone.server(old.address).state in (ServerState.SUSPECT, ServerState.FAILED)  # type: ignore[union-attr]
    assert watched.probe(old, "is-master") == 503
    found = watched.until(lambda seen: seen.routes.writer, "a new primary")
    assert found.writer == watched.set.until_primary(other_than=old).address
    assert found.failovers == before.failovers + 1
    told = watched.until(
        lambda seen: [event for event in seen.events if event.code == "takeover" and "majority writes" in event.text],
        "the report of the election",
    )
    report = next(event.text for event in reversed(told.events) if event.code == "takeover" and event.at > before.at)
    assert f"term {term} to {term + 1}" in report
    assert "electionTimeout" in report
    crash = watched.api(f"clusters/{CLUSTER}/topology/crashes")[0]
    assert (crash["URL"], crash["ElectedMasterURL"], crash["Switchover"]) == (old.address, found.writer, False)
    follows(watched)
    old.start()
    watched.until_healthy()
    assert watched.probe(old, "is-slave") == 200
    assert not [problem for problem in watched.snapshot.problems if problem.code == "rolled-back"]


def test_a_frozen_primary_is_dropped_and_comes_back_as_a_secondary(watched: Watched) -> None:
    old = watched.primary()
    old.send(signal.SIGSTOP)
    try:
        watched.until(lambda seen: seen.routes.writer != old.address, "the probes to drop the frozen primary")
        assert watched.probe(old, "is-master") == 503
        found = watched.until(lambda seen: seen.routes.writer, "a new primary")
        assert found.writer == watched.set.until_primary(other_than=old).address
        follows(watched)
    finally:
        old.send(signal.SIGCONT)
    watched.until_healthy()
    follows(watched)


def test_a_primary_that_steps_down_is_followed(watched: Watched) -> None:
    old = watched.primary()
    after = watched.snapshot.ticks
    watched.set.step_down()
    seen = watched.until(lambda seen: seen.routes.writer != old.address, "the probes to drop it")
    assert seen.ticks - after <= 2
    found = watched.until(lambda seen: seen.routes.writer and seen.writer != old.address, "a new primary")
    assert found.writer == watched.set.until_primary(other_than=old).address
    follows(watched)
    with old.client() as client:
        client.admin.command("replSetFreeze", 0)


def test_without_a_majority_nobody_is_elected_and_nothing_is_forced(watched: Watched) -> None:
    primary = watched.primary()
    others = [member for member in watched.set.members if member is not primary]
    for member in others:
        member.kill()
    seen = watched.until(
        lambda seen: "no-majority" in {problem.code for problem in seen.problems} and not seen.routes.writer,
        "the loss of the majority",
    )
    assert not seen.protected
    receipt = watched.ask("failover", force=True)
    assert receipt.status == "refused"
    assert "no-majority" in {code for code, _ in receipt.refusals}
    with primary.client() as client:
        assert client.admin.command("replSetGetConfig")["config"]["version"] == 1
    for member in others:
        member.start()
    watched.until_healthy()
    follows(watched)


def test_what_a_member_rolled_back_is_told(watched: Watched) -> None:
    old = watched.primary()
    others = [member for member in watched.set.members if member is not old]
    for member in others:
        member.kill()
    alone = pymongo.WriteConcern(1, j=True)
    with old.client() as client:
        client.get_database("shop", write_concern=alone).lost.insert_many([{"_id": number} for number in range(7)])
    old.kill()
    for member in others:
        member.start()
    watched.until(lambda seen: seen.routes.writer in {member.address for member in others}, "a new primary")
    old.start()
    seen = watched.until(lambda seen: "rolled-back" in {problem.code for problem in seen.problems}, "the rollback")
    sentence = next(problem.sentence for problem in seen.problems if problem.code == "rolled-back")
    operations = re.search(r"(\d+) operations", sentence)
    assert operations is not None
    assert int(operations[1]) >= 7
    assert "rollback" in sentence
    assert watched.ask("reset-failover-control").status == "done"
    watched.until(lambda seen: "rolled-back" not in {problem.code for problem in seen.problems}, "the notice to end")
