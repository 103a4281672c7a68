"""The playbooks for one server at a time: rejoin, wrong source, stopped replica, writable replica, protection.

All are short, so that none of them ever delays a failover, and none touches a server in maintenance.  One that is
held is closed when it is found open, and not touched otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator

from repman.decide.bootstrap import healthy
from repman.decide.view import View, errant
from repman.decide.witness import Life
from repman.model.observation import Link, Receiver, ServerSeen
from repman.model.plan import Plan, PlanKind, Step, StepKind
from repman.model.policy import ServerPolicy, UnackedPolicy


def repairs(view: View) -> Iterator[Plan]:
    """Every repair that would help now, most urgent first; only while the writer is open."""
    writer = view.writer_seen
    if view.life is not Life.OPEN or writer is None:
        return
    members = [(policy, one) for policy, one in view.members() if one.address != view.writer]
    for policy, one in members:
        held = bool(view.memory.server(one.address).held)
        if one.open and (held or not view.left_alone(one.address)) and (plan := _second_writer(view, policy, one)):
            yield plan
    yield from _protection(view, writer)
    for policy, one in members:
        idle = one.answered and not one.open and not view.stands_still(one.address)
        if idle and (plan := _replica(view, policy, one, writer)):
            yield plan


def _plan(view: View, kind: PlanKind, reason: str, *steps: Step, deadline: float = 15.0) -> Plan:
    return Plan(kind, view.policy.name, steps, reason, new_writer=view.writer, deadline=deadline)


def _second_writer(view: View, policy: ServerPolicy, one: ServerSeen) -> Plan | None:
    """A server that is open beside the writer.

    An old writer that comes back open may hold commits that wait for an acknowledgement.  Closing it by SQL would
    commit them; killed and started again as a semi-sync replica it forgets them, as no client was told of them.
    """
    away = Step(StepKind.ROUTE_AWAY, one.address, timeout=2.0, essential=False)
    waits = one.semi_sync is not None and one.semi_sync.source_enabled and not view.left_alone(one.address)
    if policy.controlled and view.policy.restart_fenced and waits and not one.links:
        reason = f"{policy.name} came back open beside {view.name(view.writer)}: killed before it can commit, started as a replica"
        return _plan(
            view,
            PlanKind.REJOIN,
            reason,
            away,
            Step(StepKind.KILL, one.address),
            Step(StepKind.START, one.address),
        )
    if not view.policy.enforce_read_only or policy.keep_read_only_alone:
        return None
    reason = f"{policy.name} accepts writes beside the writer {view.name(view.writer)}"
    return _plan(
        view,
        PlanKind.REPAIR,
        reason,
        away,
        Step(StepKind.CLOSE, one.address, timeout=view.policy.fence_timeout),
    )


def _replica(view: View, policy: ServerPolicy, one: ServerSeen, writer: ServerSeen) -> Plan | None:
    """What one closed server needs to be a healthy replica of the writer."""
    if errant(view, one):
        return None
    if not one.links:
        return _rejoin(view, policy, one, writer)
    link = one.link
    if link is None or link.applier_errno:
        return None
    if link.source != view.writer:
        return _repoint(view, policy, one, writer, link)
    if not link.healthy and _stuck(link):
        reason = f"{policy.name} does not replicate: {_broken_half(link)}"
        return _plan(view, PlanKind.REPAIR, reason, Step(StepKind.RESUME, one.address))
    if link.healthy and _settings_differ(view, one, link):
        reason = f"{policy.name} replicates with other settings than configured (heartbeat, GTID or acknowledgements)"
        return _plan(view, PlanKind.REPAIR, reason, Step(StepKind.FOLLOW, one.address, view.writer))
    return None


def _rejoin(view: View, policy: ServerPolicy, one: ServerSeen, writer: ServerSeen) -> Plan | None:
    if not view.policy.rejoin or one.executed is None or writer.executed is None:
        return None
    if not writer.executed.covers(one.executed):
        return None
    holds_data = one.inventory is None or bool(one.inventory.user_schemas)
    if one.executed.is_empty() and holds_data:
        return None
    reason = f"{policy.name} is back and has nothing that {view.name(view.writer)} lacks"
    return _plan(view, PlanKind.REJOIN, reason, Step(StepKind.FOLLOW, one.address, view.writer, timeout=10.0))


def _repoint(view: View, policy: ServerPolicy, one: ServerSeen, writer: ServerSeen, link: Link) -> Plan | None:
    through_relay = link.source in view.policy.addresses and view.policy.multi_tier
    if not view.policy.rejoin or (through_relay and _relay_works(view, link.source)):
        return None
    if one.received is None or writer.executed is None:
        return None
    if not writer.executed.covers(one.received):
        return None  # Diverged; or its look is a moment newer than the writer's, then the next one tells.
    reason = f"{policy.name} follows {view.name(link.source)} instead of the writer {view.name(view.writer)}"
    steps = [] if one.drained else [Step(StepKind.DRAIN, one.address, timeout=5.0)]
    if link.receiver is Receiver.RUNNING:
        steps.insert(0, Step(StepKind.STOP_RECEIVING, one.address))
    return _plan(view, PlanKind.REJOIN, reason, *steps, Step(StepKind.FOLLOW, one.address, view.writer))


def _relay_works(view: View, address: str) -> bool:
    relay = view.seen.server(address)
    return relay.answered and any(link.healthy for link in relay.links)


def _stuck(link: Link) -> bool:
    """Whether it will not go on by itself: a receiver that is connecting retries on its own."""
    return link.receiver is Receiver.STOPPED or not link.applier_running


def _broken_half(link: Link) -> str:
    if link.receiver_errno:
        return f"its receiver stopped with error {link.receiver_errno}, {link.receiver_error}"
    return "its receiver is stopped" if link.receiver is Receiver.STOPPED else "its applier is stopped"


def _settings_differ(view: View, one: ServerSeen, link: Link) -> bool:
    beats = 0 < link.heartbeat_period <= view.policy.heartbeat_period + 0.001
    acknowledges = not view.policy.semi_sync or (one.semi_sync is not None and one.semi_sync.replica_enabled)
    return not (beats and link.uses_gtid and acknowledges)


def _protection(view: View, writer: ServerSeen) -> Iterator[Plan]:
    """Semi-sync is a policy: it changes only here, by a plan, never by a server's own timeout."""
    policy, semi_sync = view.policy, writer.semi_sync
    if not policy.semi_sync or semi_sync is None:
        return
    attached = [one for one in view.seen.replicas_of(view.writer) if can_acknowledge(one, writer)]
    if not semi_sync.lossless and attached:
        told = ", ".join(view.name(one.address) for one in attached)
        reason = f"{told} can acknowledge: commits on {view.name(view.writer)} wait for it again"
        yield _plan(view, PlanKind.PROTECTION, reason, Step(StepKind.SEMI_SYNC_ON, view.writer))
        return
    waited = 0.0 if view.memory.unacked_since is None else view.now - view.memory.unacked_since
    grace_over = view.memory.unacked_since is not None and waited >= policy.degrade_after
    if policy.unacked is UnackedPolicy.DEGRADE and semi_sync.source_enabled and grace_over:
        reason = f"no replica has acknowledged for {waited:.0f} s: writes on {view.name(view.writer)} go on unprotected"
        yield _plan(view, PlanKind.PROTECTION, reason, Step(StepKind.SEMI_SYNC_OFF, view.writer))


def can_acknowledge(one: ServerSeen, writer: ServerSeen) -> bool:
    """Whether it acknowledges what that writer commits."""
    acknowledges = one.semi_sync is not None and one.semi_sync.replica_enabled
    return acknowledges and one.receives_from(writer.address)


def settled(view: View) -> bool:
    """Whether there is nothing to repair and every server is in its place."""
    return healthy(view) and next(repairs(view), None) is None
