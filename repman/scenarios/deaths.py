"""Scenarios in which servers die: in the names of these, M is the writer, S a replica, X one that is down."""

from __future__ import annotations

from repman.model.snapshot import Snapshot
from repman.scenarios.field import Field
from repman.scenarios.ground import Unmet


def writer_dies(field: Field) -> None:
    """Another server takes the writes."""
    with field.writes() as made:
        old = field.writer
        field.kill(old)
        field.another_writer(old)
        field.flows(made)
        field.start(old)
        field.healthy()
    field.compare()


def writer_dies_without_writes(field: Field) -> None:
    """The old writer comes back as a replica."""
    old = field.writer
    field.kill(old)
    new = field.another_writer(old)
    field.start(old)
    seen = field.healthy()
    if seen.writer != new:
        raise Unmet(f"the writer is {field.name(seen.writer)}, not {field.name(new)}, since the old one is back")


def writer_returns_late(field: Field) -> None:
    """The old writer comes back after many writes on the new one."""
    with field.writes() as made:
        old = field.writer
        field.kill(old)
        new = field.another_writer(old)
        field.healthy(without=(old,))
        field.flows(made, 200)
        field.start(old)
        seen = field.healthy()
        if seen.writer != new:
            raise Unmet(f"the writer is {field.name(seen.writer)}, not {field.name(new)}")
        field.flows(made)
    field.compare()


def replica_dies(field: Field) -> None:
    """A replica is away for a while; the writer stays."""
    with field.writes() as made:
        writer, replica = field.writer, field.replicas[0]
        field.kill(replica)
        field.until(lambda seen: not _answers(seen, replica), f"news of the death of {field.name(replica)}")
        field.flows(made, 200)
        field.start(replica)
        seen = field.healthy()
        if seen.writer != writer:
            raise Unmet(f"the writer moved to {field.name(seen.writer)} because a replica died")
    field.compare()


def two_writers_die_first_returns_first(field: Field) -> None:
    """Two deaths in a row; they come back in the order in which they died."""
    _two_die(field, swapped=False)


def two_writers_die_second_returns_first(field: Field) -> None:
    """Two deaths in a row; the later one comes back first."""
    _two_die(field, swapped=True)


def replica_then_writer_die(field: Field) -> None:
    """Both come back and follow the same writer."""
    with field.writes() as made:
        writer, replica = field.writer, field.replicas[-1]
        field.kill(replica)
        # Until the writer itself says that the other replicas acknowledge, the dead one may hold the last writes.
        field.until(lambda seen: not _answers(seen, replica) and seen.protected, "protection without the replica")
        field.flows(made)
        field.kill(writer)
        field.another_writer(writer)
        field.start(replica)
        field.healthy(without=(writer,))
        field.start(writer)
        field.healthy()
        field.flows(made)
    field.compare()


def all_die(field: Field) -> None:
    """Everything is killed at once and started again."""
    with field.writes() as made:
        everybody = (field.writer, *field.replicas)
        field.kill(*everybody)
        field.start(*everybody)
        field.healthy()
        field.flows(made)
    field.compare()


def _two_die(field: Field, swapped: bool) -> None:
    with field.writes() as made:
        first = field.writer
        field.kill(first)
        second = field.another_writer(first)
        field.healthy(without=(first,))
        field.flows(made)
        # Under semi-sync the last server alone acknowledges nothing: writes go on when one is back.
        field.kill(second)
        for address in (second, first) if swapped else (first, second):
            field.start(address)
        field.healthy()
        field.flows(made)
    field.compare()


def _answers(seen: Snapshot, address: str) -> bool:
    view = seen.server(address)
    return view is not None and view.seen.answered
