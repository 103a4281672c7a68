"""The playbook that moves a living writer: nothing is lost, and what cannot complete is undone."""

from __future__ import annotations

from repman.decide.election import lag_of, reasons_against
from repman.decide.guards import may_act, no_replica_open, nobody_else_open
from repman.decide.proposal import Proposal
from repman.decide.view import View
from repman.decide.witness import Life
from repman.model.observation import ServerSeen
from repman.model.plan import Plan, PlanKind, Step, StepKind
from repman.model.policy import ServerPolicy
from repman.model.problem import Refusal


def switchover(view: View, wanted: str = "", force_reason: str = "") -> Proposal:
    """Move the writer to `wanted`, or to the best replica.

    `force_reason`: why this was asked as something else (a forced failover of a healthy writer).
    """
    if view.life is not Life.OPEN:
        return Proposal(refusals=(_writer_failed(view), *may_act(view)))
    if wanted == view.writer:
        return Proposal(unchanged=f"{view.name(wanted)} is the writer already")
    candidates = [(policy, one) for policy, one in view.members() if one.address != view.writer]
    unfit = {one.address: _reasons(view, policy, one) for policy, one in candidates}
    ranking = tuple(f"{policy.name}: {'; '.join(unfit[one.address]) or 'ready'}" for policy, one in candidates)
    refusals = [*may_act(view), *nobody_else_open(view, wanted), *no_replica_open(view, wanted)]
    refusals += _long_write(view)
    if wanted:
        candidates = [pair for pair in candidates if pair[1].address == wanted]
        if unfit[wanted]:
            sentence = f"{view.name(wanted)} cannot become the writer: it {'; it '.join(unfit[wanted])}"
            refusals.append(Refusal("candidate-unfit", sentence, wanted))
    fit = [(policy, one) for policy, one in candidates if not unfit[one.address]]
    if not fit and not wanted:
        refusals.append(Refusal("no-candidate", "no replica can become the writer: " + ("; ".join(ranking) or "none")))
    if refusals:
        return Proposal(refusals=tuple(refusals), ranking=ranking)
    target = min(fit, key=lambda pair: _preference(view, *pair))[1]
    reason = force_reason or f"asked to move the writer to {view.name(target.address)}"
    return Proposal(_plan(view, target, reason, ranking), ranking=ranking)


def _long_write(view: View) -> list[Refusal]:
    """Fencing would kill it, and its rollback may take as long again while nobody can write."""
    writer = view.writer_seen
    running = writer.inventory.longest_write if writer and writer.inventory else 0.0
    if running <= view.policy.long_write:
        return []
    return [
        Refusal(
            "long-write",
            f"a transaction on {view.name(view.writer)} has been writing for {running:.0f} s, longer than "
            f"switchover-wait-write-query allows ({view.policy.long_write:.0f} s): let it end, or kill it",
            view.writer,
        )
    ]


def _writer_failed(view: View) -> Refusal:
    if view.life is Life.NONE:
        return Refusal("writer-failed", "the cluster has no writer to move; bootstrap it first")
    told = {
        Life.CLOSED: "answers but is read-only",
        Life.ALIVE: "lives but rejects our connection",
        Life.SUSPECT: "does not answer",
    }.get(view.life, "is dead")
    return Refusal("writer-failed", f"{view.name(view.writer)} {told}: a switchover needs a living writer", view.writer)


def _reasons(view: View, policy: ServerPolicy, one: ServerSeen) -> tuple[str, ...]:
    if not one.answered:
        return (f"does not answer ({one.reach})",)
    reasons = list(reasons_against(view, policy, one))
    link = one.follows(view.writer)
    if link is None:
        reasons.append(f"does not replicate from {view.name(view.writer)}")
    elif not link.healthy:
        reasons.append("does not replicate at the moment (receiver or applier is not running)")
    elif lag_of(view, one) > view.policy.switchover_max_lag:
        reasons.append(
            f"is {lag_of(view, one):.0f} s late, more than switchover-max-lag allows ({view.policy.switchover_max_lag:.0f} s)"
        )
    writer = view.writer_seen
    if writer and writer.version and one.version and one.version.older_than(writer.version):
        reasons.append(f"runs an older release ({one.version}) from which {writer.version} could not replicate")
    return tuple(reasons)


def _preference(view: View, policy: ServerPolicy, one: ServerSeen) -> tuple[object, ...]:
    return (
        policy.preferred is None,
        policy.preferred or 0,
        lag_of(view, one),
        view.policy.addresses.index(one.address),
    )


def _plan(view: View, target: ServerSeen, reason: str, ranking: tuple[str, ...]) -> Plan:
    old, new = view.writer, target.address
    others = [
        one.address for one in view.seen.replicas_of(old) if one.address != new and not view.stands_still(one.address)
    ]
    # The nearest follower must be attached before the new writer opens, for semi-sync waits for it; a healthy
    # sibling first, so that the old writer's own move does not lengthen the gap.
    healthy = [address for address in others if (link := view.seen.server(address).follows(old)) and link.healthy]
    nearest = healthy[0] if healthy else old
    later = [address for address in [*others, old] if address != nearest]
    steps = (
        Step(StepKind.CATCH_UP, new, old, timeout=view.policy.switchover_timeout / 2),
        Step(StepKind.ROUTE_AWAY, old, timeout=1.0),
        Step(StepKind.FENCE, old, timeout=view.policy.fence_timeout / 2),
        Step(StepKind.CATCH_UP, new, old, timeout=1.0),
        Step(StepKind.PROMOTE, new, timeout=1.0),
        Step(StepKind.FOLLOW, nearest, new, timeout=1.0),
        Step(StepKind.OPEN, new, timeout=1.0),
        Step(StepKind.ROUTE, new, timeout=1.0, essential=False),
        *(Step(StepKind.FOLLOW, address, new, essential=False) for address in later),
    )
    undo = (
        # Where the old writer is the nearest follower it may follow the new one already.
        *((Step(StepKind.PROMOTE, old, essential=False),) if nearest == old else ()),
        Step(StepKind.OPEN, old),
        Step(StepKind.ROUTE, old, timeout=1.0, essential=False),
        # Its writes wait until somebody acknowledges them again.
        *(Step(StepKind.FOLLOW, address, old, timeout=1.0, essential=False) for address in (new, *others)),
    )
    return Plan(
        PlanKind.SWITCHOVER,
        view.policy.name,
        steps,
        reason,
        old_writer=old,
        new_writer=new,
        undo=undo,
        deadline=view.policy.switchover_timeout,
        ranking=ranking,
    )
