"""Which server a backup is read from, by what was published."""

from __future__ import annotations

from dataclasses import replace

import pytest

from repman.errors import JobFailed
from repman.maintenance.sources import check_source, choose_source
from repman.model.decision import ServerState
from repman.model.problem import Problem, Severity
from repman.model.snapshot import ServerView, Snapshot

from . import values

WRITER, NEAR, FAR = "127.0.0.1:3301", "127.0.0.1:3302", "127.0.0.1:3303"


def view(of: ServerView, lag: float = 0.0, **changes: object) -> ServerView:
    links = tuple(replace(link, lag=lag) for link in of.seen.links)
    seen = replace(of.seen, links=links, binlog=True, log_replica_updates=True)
    return replace(of, **{"seen": seen, **changes})  # type: ignore[arg-type]


def published(**changes: dict[str, object]) -> Snapshot:
    """Three servers, of which the third is later; `changes` by the last digit of a port."""
    found = values.snapshot()
    views = [
        view(each, float(number), **changes.get(f"db{number + 1}", {})) for number, each in enumerate(found.servers)
    ]
    return replace(found, servers=tuple(views))


def test_a_healthy_replica_is_preferred_and_the_nearest_of_them():
    assert choose_source(published(), ()) == NEAR
    assert choose_source(published(), (FAR,)) == FAR
    assert choose_source(published(), (), possible=[FAR, WRITER]) == FAR
    assert choose_source(published(), (), other=NEAR) == FAR


@pytest.mark.parametrize(
    "unfit", [{"state": ServerState.SLAVE_LATE}, {"maintenance": True}, {"held": "a reseed rebuilds it"}]
)
def test_who_is_not_healthy_is_not_read(unfit):
    assert choose_source(published(db2=unfit), ()) == FAR
    assert choose_source(published(db2=unfit, db3=unfit), ()) == WRITER


def test_a_replica_without_its_own_log_has_no_exact_position():
    there = published()
    bare = replace(there.servers[1], seen=replace(there.servers[1].seen, log_replica_updates=False))
    found = replace(there, servers=(there.servers[0], bare, there.servers[2]))
    assert choose_source(found, ()) == FAR
    with pytest.raises(JobFailed, match="no exact position"):
        check_source(found, NEAR)
    check_source(found, FAR)
    check_source(found, WRITER)


def test_nobody_can_be_read():
    with pytest.raises(JobFailed, match="published nothing"):
        choose_source(None, ())
    dead = replace(published(db2={"maintenance": True}, db3={"maintenance": True}), writer_alive=False)
    with pytest.raises(JobFailed, match="No server can be read from"):
        choose_source(dead, ())
    with pytest.raises(JobFailed, match="is held"):
        check_source(published(db2={"held": "x"}), NEAR)
    with pytest.raises(JobFailed, match="does not answer"):
        check_source(published(), "127.0.0.1:9999")


def test_a_server_that_diverged_is_no_copy_of_the_cluster():
    found = replace(published(), problems=(Problem("diverged", Severity.ERROR, "Only it has 0-2-9.", NEAR),))
    assert choose_source(found, (NEAR,)) == FAR
    with pytest.raises(JobFailed, match="transactions that the writer lacks"):
        check_source(found, NEAR)
    check_source(found, FAR)
