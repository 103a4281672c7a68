"""The playbooks that build replication from nothing, and that remove it."""

from __future__ import annotations

from collections.abc import Iterator

from repman.decide.guards import may_act
from repman.decide.holding import nobody_held
from repman.decide.proposal import Proposal
from repman.decide.view import View
from repman.decide.witness import Life
from repman.model.plan import Plan, PlanKind, Step, StepKind
from repman.model.problem import Refusal

TOPOLOGIES = ("master-slave", "multi-tier-slave")
"""What can be built."""
_LOST = ("has-replication", "has-data", "has-history")
"""What a clean bootstrap removes."""


def bootstrap(view: View, topology: str, wanted: str = "", clean: bool = False) -> Proposal:
    """Make one server the writer and the others its replicas.

    Servers without replication and user data are just wired.  With either it is refused, naming what would be
    lost, unless `clean` or the cluster is there to be tested; a healthy cluster is left as it is.
    """
    if topology not in TOPOLOGIES:
        known = ", ".join(TOPOLOGIES)
        return Proposal(refusals=(Refusal("unknown-topology", f"cannot build {topology!r}; known: {known}"),))
    if not clean and healthy(view, topology) and _shaped(view, topology):
        return Proposal(unchanged=f"{view.name(view.writer)} is the writer and every other server follows it")
    refusals = [*may_act(view), *_missing(view), *nobody_held(view)]
    if wanted and view.left_alone(wanted):
        sentence = f"{view.name(wanted)} cannot become the writer: it {view.why_left_alone(wanted)}"
        refusals.append(Refusal("candidate-unfit", sentence, wanted))
    if not clean:
        lost = _would_be_lost(view)
        clean = view.policy.test and any(refusal.code in _LOST for refusal in lost)
        refusals += [refusal for refusal in lost if not (clean and refusal.code in _LOST)]
    if refusals:
        return Proposal(refusals=tuple(refusals))
    writer = wanted or _first_choice(view)
    return Proposal(
        Plan(
            PlanKind.BOOTSTRAP,
            view.policy.name,
            tuple(_build(view, topology, writer, clean)),
            f"asked to build {topology} with {view.name(writer)} as the writer",
            old_writer=view.writer if view.writer != writer else "",
            new_writer=writer,
            deadline=60.0 + 5.0 * len(view.policy.servers),
        )
    )


def cleanup(view: View, force: bool = False) -> Proposal:
    """Remove replication, binary logs and positions from every server; all end read-only, data stays.

    Where writes would stop by it, and nobody said that the cluster is there to be tested, only by force.
    """
    refusals = [*may_act(view), *_missing(view), *nobody_held(view)]
    if view.life is Life.OPEN and not (force or view.policy.test):
        sentence = f"{view.name(view.writer)} takes writes: they would stop until a bootstrap; force this"
        refusals.append(Refusal("needs-force", sentence, view.writer))
    if refusals:
        return Proposal(refusals=tuple(refusals))
    steps = (*_close_all(view), *(Step(StepKind.CLEAN, address) for address in view.policy.addresses))
    return Proposal(
        Plan(
            PlanKind.CLEANUP,
            view.policy.name,
            steps,
            "asked to remove replication from every server",
            old_writer=view.writer,
            deadline=60.0 + 5.0 * len(view.policy.servers),
        )
    )


def healthy(view: View, topology: str = "master-slave") -> bool:
    """Whether every other server follows the open writer (directly, or through the relay) and replicates."""
    if view.life is not Life.OPEN:
        return False
    for _, one in view.members():
        if one.address == view.writer:
            continue
        link = one.link
        if not one.answered or link is None or not link.healthy or one.read_only is False:
            return False
        if topology == "master-slave" and link.source != view.writer:
            return False
        if link.source not in view.policy.addresses:
            return False
    return True


def _shaped(view: View, topology: str) -> bool:
    """Whether the replicas hang as that topology has them: all at the writer, or those after the first at it."""
    sources = {link.source for one in view.seen.answering() for link in one.links}
    relayed = bool(sources - {view.writer})
    return relayed == (topology == "multi-tier-slave" and len(view.policy.servers) > 2)


def _missing(view: View) -> list[Refusal]:
    return [
        Refusal(
            "server-missing",
            f"{policy.name} does not answer ({one.reach}); every server is needed",
            one.address,
        )
        for policy, one in view.members()
        if not one.answered
    ]


def _would_be_lost(view: View) -> list[Refusal]:
    refusals = []
    for policy, one in view.members():
        if not one.answered:
            continue
        for link in one.links:
            sentence = f"{policy.name} replicates from {link.source}; clean=true would remove that"
            refusals.append(Refusal("has-replication", sentence, one.address))
        if one.inventory is None:
            sentence = f"what {policy.name} holds is not known yet; ask again in a moment"
            refusals.append(Refusal("not-inspected", sentence, one.address))
        elif one.inventory.user_schemas:
            schemas = ", ".join(one.inventory.user_schemas[:5])
            sentence = f"{policy.name} holds user data ({schemas}); clean=true would reset its binary log and position"
            refusals.append(Refusal("has-data", sentence, one.address))
        elif one.executed is not None and not one.executed.is_empty():
            sentence = f"{policy.name} has written transactions ({one.executed}); clean=true would forget them"
            refusals.append(Refusal("has-history", sentence, one.address))
    return refusals


def _first_choice(view: View) -> str:
    free = [server for server in view.policy.servers if not view.left_alone(server.address)]
    usable = [server for server in free if server.electable] or free or list(view.policy.servers)
    return min(usable, key=lambda server: (server.preferred is None, server.preferred or 0)).address


def _close_all(view: View) -> Iterator[Step]:
    if view.writer:
        yield Step(StepKind.ROUTE_AWAY, view.writer, timeout=2.0, essential=False)
    for address in view.policy.addresses:
        yield Step(StepKind.CLOSE, address)


def _build(view: View, topology: str, writer: str, clean: bool) -> Iterator[Step]:
    others = [address for address in view.policy.addresses if address != writer]
    if clean:
        yield from _close_all(view)
        for address in view.policy.addresses:
            yield Step(StepKind.CLEAN, address)
    for address in view.policy.addresses:
        yield Step(StepKind.PREPARE, address)
    yield Step(StepKind.PROMOTE, writer)
    relay = others[0] if topology == "multi-tier-slave" and len(others) > 1 else writer
    for index, address in enumerate(others):
        yield Step(StepKind.FOLLOW, address, writer if index == 0 else relay, timeout=10.0)
    yield Step(StepKind.OPEN, writer)
    yield Step(StepKind.ROUTE, writer, timeout=2.0, essential=False)
