"""Who becomes the writer: positions are compared as sets, never counted.

Collect, filter, compare, rank; each server's place has its reason.  Every reachable server takes part in the
comparison, also those that may not be elected: the most advanced unelectable one blocks only if it holds
something that the others cannot get from it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from repman.decide.view import View, errant
from repman.model.observation import ServerSeen
from repman.model.policy import ServerPolicy
from repman.model.position import Position
from repman.model.problem import Refusal


@dataclass(frozen=True, slots=True)
class Election:
    """The result: a winner or refusals, and the reason for every server's place."""

    winner: str = ""
    donor: str = ""
    """Unelectable server from which the winner must first fetch what only that one has."""
    ranking: tuple[str, ...] = ()
    refusals: tuple[Refusal, ...] = ()


def elect(view: View, without: Collection[str] = (), wanted: str = "", prefer: str = "") -> Election:
    """The best server to open, when nobody is open.

    `without`: addresses out of the question (the dead writer).  `wanted`: the operator's choice, refused when it
    may not be.  `prefer`: wins among equals (a returning writer spares everybody the move).
    """
    reachable = [
        (policy, one)
        for policy, one in view.members()
        if one.answered and one.received is not None and one.address not in without
    ]
    unfit = {one.address: reasons_against(view, policy, one) for policy, one in reachable}
    fit = [(policy, one) for policy, one in reachable if not unfit[one.address]]
    ranking = _ranking(view, reachable, unfit, without)
    if wanted:
        fit, refusals = _only(view, wanted, fit, unfit)
        if refusals:
            return Election(ranking=ranking, refusals=refusals)
    if not fit:
        return Election(ranking=ranking, refusals=(_nobody(view, unfit, without),))
    tops = [(policy, one) for policy, one in fit if all(_covers(one, other) for _, other in fit)]
    if not tops:
        return Election(ranking=ranking, refusals=(_diverged([one for _, one in fit], view),))
    policy, winner = min(tops, key=lambda pair: _preference(view, pair[0], pair[1], prefer))
    donor, refusals = _donor(view, winner, [one for _, one in reachable if one is not winner])
    return Election("" if refusals else policy.address, donor, ranking, refusals)


def reasons_against(view: View, policy: ServerPolicy, one: ServerSeen) -> tuple[str, ...]:
    """Why a server may not be made the writer, in words; empty when it may."""
    reasons = []
    if not policy.electable:
        reasons.append("is excluded by db-servers-ignored-hosts")
    if alone := view.why_left_alone(one.address):
        reasons.append(alone)
    if not one.binlog:
        reasons.append("has no binary log")
    elif not one.log_replica_updates:
        reasons.append("does not log what it replicates (log_slave_updates), so nobody could follow it")
    if own := errant(view, one):
        reasons.append(f"has transactions of its own that nobody else has ({own})")
    reasons += [
        f"cannot apply what it received: error {link.applier_errno}, {link.applier_error}"
        for link in one.links
        if link.applier_errno
    ]
    lag = lag_of(view, one)
    if 0 <= view.policy.max_lag < lag:
        reasons.append(f"is {lag:.0f} s late, more than failover-max-slave-delay allows ({view.policy.max_lag:.0f} s)")
    return tuple(reasons)


def lag_of(view: View, one: ServerSeen) -> float:
    """Seconds behind by the server's own estimate; 0 when it gives none or has applied all it received."""
    lag = 0.0
    for link in one.links:
        if link.lag is not None and link.lag > lag:
            lag = link.lag
    if lag and one.drained and not any(link.healthy for link in one.links):
        return 0.0
    return lag


def _covers(one: ServerSeen, other: ServerSeen) -> bool:
    return one is other or (
        one.received is not None and other.received is not None and one.received.covers(other.received)
    )


def _only(
    view: View, wanted: str, fit: list[tuple[ServerPolicy, ServerSeen]], unfit: dict[str, tuple[str, ...]]
) -> tuple[list[tuple[ServerPolicy, ServerSeen]], tuple[Refusal, ...]]:
    chosen = [pair for pair in fit if pair[1].address == wanted]
    if chosen:
        return chosen, ()
    why = "; ".join(unfit.get(wanted, ("does not answer",)))
    return [], (Refusal("candidate-unfit", f"{view.name(wanted)} cannot become the writer: it {why}", wanted),)


def _nobody(view: View, unfit: dict[str, tuple[str, ...]], without: Collection[str]) -> Refusal:
    parts = [f"{view.name(address)} {'; '.join(reasons)}" for address, reasons in unfit.items()]
    parts += [
        f"{view.name(one.address)} does not answer ({one.reach})"
        for one in view.seen.servers
        if not one.answered and one.address not in without
    ]
    return Refusal("no-candidate", "no server can become the writer: " + ("; ".join(parts) or "there is no other"))


def _diverged(servers: list[ServerSeen], view: View) -> Refusal:
    told = "; ".join(f"{view.name(one.address)} has {one.received}" for one in servers)
    return Refusal("diverged", f"the candidates diverged, each has something that another lacks: {told}")


def _preference(view: View, policy: ServerPolicy, one: ServerSeen, prefer: str) -> tuple[object, ...]:
    return (
        one.address != prefer,
        policy.preferred is None,
        policy.preferred or 0,
        one.backlog,
        _standing(view, one),
        view.policy.addresses.index(one.address),
    )


def _standing(view: View, one: ServerSeen) -> int:
    """One that a broken-off plan promoted already comes first, a relay last: its replicas are spared the move."""
    if not view.seen.replicas_of(one.address):
        return 1
    return 2 if one.links else 0


def _donor(view: View, winner: ServerSeen, others: list[ServerSeen]) -> tuple[str, tuple[Refusal, ...]]:
    """The unelectable server that has more, if one has; refusals when it cannot be had from there."""
    ahead = []
    for other in others:
        assert other.received is not None
        assert winner.received is not None
        cluster_part: Position = other.received
        if errant(view, other):
            cluster_part = other.received.not_written_by(other.server_id)
        if not winner.received.covers(cluster_part):
            ahead.append(other)
    if not ahead:
        return "", ()
    best = next((one for one in ahead if all(_covers(one, other) for other in ahead)), None)
    if best is None or not _covers(best, winner):
        return "", (_diverged([winner, *ahead], view),)
    stuck = any(link.applier_errno for link in best.links)
    if errant(view, best) or stuck or not (best.binlog and best.log_replica_updates):
        missing = best.received.minus(winner.received) if best.received and winner.received else ""
        return "", (
            Refusal(
                "most-advanced-unusable",
                f"{view.name(best.address)} holds transactions that {view.name(winner.address)} lacks ({missing}) "
                "and cannot hand them over",
                best.address,
            ),
        )
    return best.address, ()


def _ranking(
    view: View,
    reachable: list[tuple[ServerPolicy, ServerSeen]],
    unfit: dict[str, tuple[str, ...]],
    without: Collection[str],
) -> tuple[str, ...]:
    lines = []
    for policy, one in reachable:
        reasons = unfit[one.address]
        preferred = "" if policy.preferred is None else f", preferred ({policy.preferred + 1})"
        lines.append(
            f"{policy.name}: " + ("; ".join(reasons) if reasons else f"has received {one.received}{preferred}")
        )
    for policy, one in view.members():
        if not one.answered:
            lines.append(f"{policy.name}: does not answer ({one.reach})")
        elif one.address in without:
            lines.append(f"{policy.name}: is the server to be replaced")
    return tuple(lines)
