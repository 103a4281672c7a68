"""Wishes about single servers, on a real cluster: what each does to the servers, and what it refuses."""

from __future__ import annotations

from cluster import World, codes, refused, state
from mariadb_stand import wait_until

from repman.model.command import Receipt
from repman.model.decision import ServerState


def test_a_held_server_is_left_alone_also_by_the_next_monitor(world: World) -> None:
    repman, held = world.repman, world.replicas[0]
    assert repman.ask("hold", world.writer.address, reason="x").refusals[0][0] == "is-writer"

    receipt = repman.done("hold", held.address, reason="job 7")
    seen = repman.snapshot
    assert "job 7" in receipt.sentence
    assert seen.server(held.address).held == "job 7"  # type: ignore[union-attr]
    assert state(seen, held) is ServerState.MAINTENANCE
    assert "held" in codes(seen)
    assert held.address not in seen.routes.readers
    assert repman.ask("hold", held.address, reason="job 7").status == "unchanged"
    assert repman.ask("hold", held.address, reason="job 8").refusals[0][0] == "already-held"

    before = len(repman.plans())
    repman.kill()
    world.restarted()
    held.run("STOP SLAVE")
    repman.until(
        lambda seen: seen.at > 0 and not held_replicates(world, held.address), "the stopped replica to be seen"
    )
    for _ in range(3):
        seen = repman.looked()
    assert seen.server(held.address).held == "job 7"  # type: ignore[union-attr]
    assert held.replica()["Slave_IO_Running"] == "No"
    assert len(repman.plans()) == before
    assert refused(repman.snapshot) == set()

    repman.done("hold", held.address, on=False)
    world.healthy()
    assert held.replica()["Slave_IO_Running"] == "Yes"


def held_replicates(world: World, address: str) -> bool:
    view = world.repman.snapshot.server(address)
    assert view is not None
    return all(link.healthy for link in view.seen.links)
