"""The playbooks that replace a writer: failover of a dead one, reopening of one that came back closed.

Order: route away, fence, stop receiving, drain, promote, follow with the nearest replica (semi-sync needs one),
open, route, follow with the rest.  Never follow before promote, never open before the fence is certain.
"""

from __future__ import annotations

from collections.abc import Iterator

from repman.decide.election import Election, elect
from repman.decide.guards import (
    closed_by_wish,
    fence_allows,
    keeps_acknowledged,
    may_act,
    may_act_automatically,
    nobody_else_open,
    reuses_no_gtid,
)
from repman.decide.proposal import Proposal
from repman.decide.view import View, errant
from repman.decide.witness import Life, Testimony
from repman.model.observation import Receiver, ServerSeen
from repman.model.plan import Plan, PlanKind, Step, StepKind
from repman.model.position import Position
from repman.model.problem import Refusal


def failover(
    view: View, wanted: str = "", asked: bool = False, force: bool = False, doubt: tuple[Refusal, ...] = ()
) -> Proposal:
    """Replace the writer, taken for dead; `doubt` says why it may not be.

    `asked`: by an operator, whom the limits of automatic failovers do not bind.  `force`: go on although
    acknowledged writes may be lost; each refusal set aside becomes an assumption of the plan.
    """
    old = view.writer
    controlled = bool(old) and view.policy.server(old).controlled
    election = elect(view, without=(old,), wanted=wanted)
    overridable = (
        *doubt,
        *keeps_acknowledged(view, election),
        *fence_allows(view, controlled),
        *nobody_else_open(view, election.winner),
    )
    refusals = [*may_act(view), *election.refusals]
    if not asked:
        refusals += may_act_automatically(view)
    if not force:
        refusals += overridable
    if refusals:
        return Proposal(refusals=tuple(refusals), ranking=election.ranking)
    assumptions = [f"forced although: {refusal.sentence}" for refusal in overridable]
    return Proposal(_replace(view, election, PlanKind.FAILOVER, _why_dead(view), assumptions), ranking=election.ranking)


def reopen(view: View, wanted: str = "", asked: bool = False, force: bool = False) -> Proposal:
    """Open the most advanced server when the writer answers and is closed: after a restart it is one among all."""
    election = elect(view, wanted=wanted, prefer=view.writer)
    overridable = (
        *keeps_acknowledged(view, election),
        *reuses_no_gtid(view, election),
        *nobody_else_open(view, election.winner),
    )
    refusals = [*may_act(view), *election.refusals]
    if not asked:
        refusals += [refusal for refusal in may_act_automatically(view) if refusal.code == "manual-mode"]
        refusals += _closed_by_hand(view)
    if not force:
        refusals += overridable
    if refusals:
        return Proposal(refusals=tuple(refusals), ranking=election.ranking)
    assumptions = [f"forced although: {refusal.sentence}" for refusal in overridable]
    reason = f"{view.name(view.writer)} is back, read-only, and no server is open"
    return Proposal(_replace(view, election, PlanKind.REOPEN, reason, assumptions), ranking=election.ranking)


def _closed_by_hand(view: View) -> list[Refusal]:
    writer = view.writer_seen
    if view.memory.closed_by:
        return [closed_by_wish(view)]
    if writer is None or view.memory.reopen:
        return []
    remembered = view.memory.server(view.writer)
    if writer.ran_as(remembered.open_boot):
        return [
            Refusal(
                "closed-by-hand",
                f"{view.name(view.writer)} was made read-only by somebody else while it ran: open it, or ask for a "
                "failover with force",
                view.writer,
            )
        ]
    missing = [one for one in view.seen.servers if not one.answered]
    if not remembered.open_boot and missing:
        told = ", ".join(view.name(one.address) for one in missing)
        return [
            Refusal(
                "history-unknown",
                f"no server is open, repman does not remember who was, and {told} cannot be asked",
            )
        ]
    return []


def _why_dead(view: View) -> str:
    old = view.name(view.writer)
    lost = [view.name(address) for address in view.verdict.saying(Testimony.LOST)]
    silent = [view.name(address) for address in view.verdict.saying(Testimony.SILENT)]
    said = [f"{', '.join(lost)} lost it"] if lost else []
    said += [f"{', '.join(silent)} heard nothing of it"] if silent else []
    own = "refuses connections" if view.life is Life.CRASHED else "does not answer"
    return f"{old} {own}" + (f" and {' and '.join(said)}" if said else "")


def _replace(view: View, election: Election, kind: PlanKind, reason: str, assumptions: list[str]) -> Plan:
    old, winner = view.writer, election.winner
    replicas = [
        one
        for one in view.seen.answering()
        if one.address not in (old, winner) and _may_follow(view, one, winner) and not _stays_below(view, one, winner)
    ]
    steps = [
        *_take_out(view, winner),
        *_isolate(view, winner),
        *_fetch_all(view, election),
        Step(StepKind.PROMOTE, winner),
        *_attach(view, winner, replicas),
    ]
    return Plan(
        kind,
        view.policy.name,
        tuple(steps),
        reason,
        old_writer=old,
        new_writer=winner,
        deadline=view.policy.failover_timeout,
        assumptions=(*assumptions, *_loss(view, winner)),
        ranking=election.ranking,
    )


def _take_out(view: View, winner: str) -> Iterator[Step]:
    """Route away from the old writer; a frozen one that we control is killed, which is a certain fence."""
    old = view.writer
    if old == winner:
        return
    yield Step(StepKind.ROUTE_AWAY, old, timeout=2.0, essential=False)
    if view.life is Life.HUNG and _we_may_kill(view):
        yield Step(StepKind.KILL, old, timeout=5.0, essential=False)


def _isolate(view: View, winner: str) -> list[Step]:
    """Fence, close whoever else is open, stop the receivers.

    A hung writer that we cannot kill is fenced last: its fence has no certain outcome, and only when no replica
    receives from it any more is it certain to acknowledge nothing.
    """
    old = view.writer
    fence = [] if old == winner else [Step(StepKind.FENCE, old, timeout=view.policy.fence_timeout)]
    others = [*_close_others(view, winner), *_silence_receivers(view, winner)]
    return others + fence if view.life is Life.HUNG and not _we_may_kill(view) else fence + others


def _close_others(view: View, winner: str) -> Iterator[Step]:
    """A replica that somebody made writable is closed before another server is opened."""
    for one in view.seen.answering():
        alone = view.policy.server(one.address).keep_read_only_alone
        if one.open and one.address not in (winner, view.writer) and not alone:
            yield Step(StepKind.CLOSE, one.address, timeout=view.policy.fence_timeout)


def _we_may_kill(view: View) -> bool:
    return view.policy.restart_fenced and view.policy.server(view.writer).controlled


def _silence_receivers(view: View, winner: str) -> Iterator[Step]:
    """From here on nothing that the old writer still says is received, nor acknowledged."""
    for one in view.seen.answering():
        others = [link for link in one.links if link.source != winner]
        if (
            one.address != view.writer
            and not _stays_below(view, one, winner)
            and any(link.receiver is not Receiver.STOPPED for link in others)
        ):
            yield Step(StepKind.STOP_RECEIVING, one.address)


def _stays_below(view: View, one: ServerSeen, winner: str) -> bool:
    """A replica of a relay that itself follows the winner: it keeps its source."""
    if not view.policy.multi_tier or one.address == winner or one.link is None:
        return False
    source = one.link.source
    if source in (view.writer, winner) or source not in view.policy.addresses:
        return False
    return any(relay.address == source and relay.follows(view.writer) for relay in view.seen.answering())


def _fetch_all(view: View, election: Election) -> Iterator[Step]:
    patience = view.policy.drain_timeout
    if election.donor:
        yield Step(StepKind.DRAIN, election.donor, timeout=patience)
    if view.seen.server(election.winner).links:
        yield Step(StepKind.DRAIN, election.winner, timeout=patience)
    if election.donor:
        yield Step(StepKind.CATCH_UP, election.winner, election.donor, timeout=patience)


def _attach(view: View, winner: str, replicas: list[ServerSeen]) -> Iterator[Step]:
    """The nearest replica first, then open, then the others: none of them can hold up the writes."""
    patience = view.policy.drain_timeout
    ordered = sorted(replicas, key=lambda one: (not one.links, one.backlog, view.policy.addresses.index(one.address)))
    if ordered:
        yield Step(StepKind.DRAIN, ordered[0].address, timeout=patience, essential=False)
        yield Step(StepKind.FOLLOW, ordered[0].address, winner, essential=False)
    yield Step(StepKind.OPEN, winner)
    yield Step(StepKind.ROUTE, winner, timeout=2.0, essential=False)
    for one in ordered[1:]:
        yield Step(StepKind.DRAIN, one.address, timeout=patience, essential=False)
        yield Step(StepKind.FOLLOW, one.address, winner, essential=False)
    old = view.writer
    if old != winner and view.life is Life.HUNG:
        policy = view.policy.server(old)
        if policy.controlled and view.policy.restart_fenced and not view.left_alone(old):
            yield Step(StepKind.START, old, essential=False)


def _may_follow(view: View, one: ServerSeen, winner: str) -> bool:
    """A replica; or a server that follows nobody (a plan broke off) and has nothing that the winner lacks."""
    if view.stands_still(one.address) or errant(view, one):
        return False
    if one.links or one.address == view.writer:
        return True
    has, wins = one.received, view.seen.server(winner).received
    return view.policy.rejoin and not one.open and not (has is None or has.is_empty()) and _covered(has, wins)


def _covered(has: Position, wins: Position | None) -> bool:
    return wins is not None and wins.covers(has)


def _loss(view: View, winner: str) -> list[str]:
    """What an asynchronous failover is known to lose, told before anybody finds out."""
    position, seen = view.memory.writer_position, view.seen.server(winner)
    if view.policy.semi_sync or position is None or seen.received is None or winner == view.writer:
        return []
    missing = position.minus(seen.received)
    return [f"transactions that no reachable server received are lost: {missing}"] if missing else []
