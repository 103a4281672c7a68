"""The gates before any act.  Every guard that says no is reported, never only the first."""

from __future__ import annotations

from collections.abc import Collection

from repman.decide.acks import stalled_for
from repman.decide.election import Election
from repman.decide.view import View
from repman.decide.witness import Life
from repman.model.memory import ServerMemory
from repman.model.observation import ServerSeen
from repman.model.policy import UnackedPolicy, UnknownFencePolicy
from repman.model.problem import Refusal


def may_act(view: View) -> tuple[Refusal, ...]:
    """What must hold before anything at all is changed."""
    refusals = []
    if view.policy.paused:
        refusals.append(Refusal("paused", "monitoring-pause is set: repman changes nothing until it is unset"))
    if not view.leased:
        refusals.append(_no_lease(view))
    return tuple(refusals)


def _no_lease(view: View) -> Refusal:
    answering = view.seen.answering()
    holders = view.seen.lease_holders
    if not answering:
        return Refusal("no-lease", "no server of the cluster answers, so nobody can grant the lease to act")
    who = f"; another repman holds it: {', '.join(holders)}" if holders else ""
    return Refusal(
        "no-lease", f"{view.seen.votes} of {len(answering)} answering servers gave us the lease, not a majority{who}"
    )


def may_act_automatically(view: View) -> tuple[Refusal, ...]:
    """What an operator's limits say about a failover that nobody asked for."""
    policy, memory = view.policy, view.memory
    refusals = [closed_by_wish(view)] if memory.closed_by else []
    if stopped := memory.server(view.writer).stopped_by:
        sentence = f"{view.name(view.writer)} was stopped by {stopped}, it did not die: start it, or ask for a failover"
        refusals.append(Refusal("stopped-on-purpose", sentence, view.writer))
    if not policy.automatic_failover:
        refusals.append(Refusal("manual-mode", "failover-mode is manual: an operator must ask for the failover"))
    if policy.failover_limit and memory.failovers >= policy.failover_limit:
        refusals.append(
            Refusal(
                "failover-limit",
                f"{memory.failovers} failovers were made, failover-limit allows {policy.failover_limit}: "
                "reset the failover control when the cause is understood",
            )
        )
    if policy.failover_time_limit and memory.last_failover is not None:
        ago = view.wall - memory.last_failover
        if 0 <= ago < policy.failover_time_limit:
            refusals.append(
                Refusal(
                    "too-soon",
                    f"the last failover was {ago:.0f} s ago, failover-time-limit asks for {policy.failover_time_limit:.0f} s",
                )
            )
    return tuple(refusals)


def closed_by_wish(view: View) -> Refusal:
    """Why no server is opened: an operator closed the cluster."""
    sentence = f"{view.memory.closed_by} closed the cluster for writes: take read-only off the writer to open it again"
    return Refusal("closed-by-wish", sentence, view.writer)


def keeps_acknowledged(view: View, election: Election, without: Collection[str] = ()) -> tuple[Refusal, ...]:
    """Whether the elected server is certain to have every write that a client was told is safe.

    Under semi-sync each such write was received by one replica at least, but which one is not known: a replica
    that may have acknowledged and cannot be asked now, or that has lost what it had received, forbids the move.
    """
    if not view.policy.semi_sync or not election.winner:
        return ()
    winner = view.seen.server(election.winner)
    refusals = list(_was_unprotected(view, election, winner))
    if _writer_vouches(view):
        return tuple(refusals)
    unknown_past = not view.memory.server(view.writer).open_boot
    for one in view.seen.servers:
        remembered = view.memory.server(one.address)
        if one.address in (view.writer, election.winner) or one.address in without:
            continue
        may_hold_more = remembered.acker or unknown_past or _was_missed(view, election, remembered)
        may_hold_more = may_hold_more or _had_more(view, election, remembered)
        if (not one.answered or one.received is None) and may_hold_more:
            refusals.append(
                Refusal(
                    "acker-missing",
                    f"{view.name(one.address)} may be the only one with the last acknowledged writes and cannot be asked"
                    f" ({one.reach}): bring it back, or force the failover and accept the loss",
                    one.address,
                )
            )
    refusals += _restarted(view, election)
    refusals += _shrunk(view, election)
    return tuple(refusals)


def _writer_vouches(view: View) -> bool:
    """Whether the writer is back with all that it ever acknowledged, so that no replica need be asked for it.

    The elected server covers what the writer has.  Replicas may have received more than that: commits which the
    writer had sent and, when it died, had not told anybody of.
    """
    writer = view.writer_seen
    if view.life is not Life.CLOSED or writer is None:
        return False
    return writer.inventory is not None and writer.inventory.commits_survive


def reuses_no_gtid(view: View, election: Election) -> tuple[Refusal, ...]:
    """Whether the writer, come back from a crash, may number its next transactions without naming two things alike.

    A writer that is started as a semi-sync replica takes back the end of its binary log, of which no client was
    told, and then gives the same GTIDs to other transactions.  A replica that had received the first ones asks for
    what follows them, is served, and differs from then on without any error; nor does it acknowledge what it skips,
    so that writes hang.  Where such a replica answers, the election finds it more advanced and opens it instead.
    """
    writer, remembered = view.writer_seen, view.memory.server(view.writer)
    if writer is None or election.winner != view.writer or writer.ran_as(remembered.open_boot):
        return ()
    return tuple(
        Refusal(
            "tail-unseen",
            f"{view.name(one.address)} may have received transactions that {view.name(view.writer)} lost in its crash and "
            f"cannot be asked ({one.reach}); {view.name(view.writer)} would give their GTIDs to others: bring it back, fail "
            "over to another server, or force this and reseed it before it replicates again",
            one.address,
        )
        for one in view.seen.servers
        if one.address != view.writer
        and (not one.answered or one.received is None)
        and (not remembered.open_boot or _may_be_ahead(view, election, view.memory.server(one.address)))
    )


def _may_be_ahead(view: View, election: Election, absent: ServerMemory) -> bool:
    """Whether a server that is absent now may have received more than the returned writer has."""
    return absent.acker or _was_missed(view, election, absent) or _had_more(view, election, absent)


def _was_missed(view: View, election: Election, remembered: ServerMemory) -> bool:
    """Whether it was missed while the writer had more than anybody can show now: it may have acknowledged that."""
    known = [view.seen.server(address).received for address in (election.winner, election.donor) if address]
    missed = remembered.missed_at
    return missed is not None and not any(position is not None and position.covers(missed) for position in known)


def _restarted(view: View, election: Election) -> list[Refusal]:
    """Ackers whose process is another one than when the writer was last seen open, while the writer is away.

    A restart discards what was received and not applied; since when the writer acknowledged the last write is not
    known, nor is what the restarted one had received by then.  A writer that is back has all of it itself.
    """
    if view.life is Life.CLOSED:
        return []
    return [
        Refusal(
            "acker-restarted",
            f"{view.name(one.address)} was restarted since {view.name(view.writer)} was last seen and may have lost "
            "acknowledged writes that it had received: bring the old writer back, or force the failover and accept "
            "the loss",
            one.address,
        )
        for one in view.seen.answering()
        if one.address != view.writer
        and ((remembered := view.memory.server(one.address)).acker or _was_missed(view, election, remembered))
        and remembered.acker_boot
        and not one.ran_as(remembered.acker_boot)
    ]


def _was_unprotected(view: View, election: Election, winner: ServerSeen) -> tuple[Refusal, ...]:
    """Some of the writer's acknowledgements were not backed by a replica, and the candidate lacks those writes."""
    exposed = view.memory.exposed
    if election_of_same(view, winner) or exposed is None:
        return ()
    known = [view.seen.server(address).received for address in (election.winner, election.donor) if address]
    if any(position is not None and position.covers(exposed) for position in known):
        return ()
    return (
        Refusal(
            "not-protected",
            f"{view.name(view.writer)} acknowledged writes without waiting for a replica, and "
            f"{view.name(winner.address)} lacks some of them: bring it back, or force the failover and accept the loss",
            view.writer,
        ),
    )


def election_of_same(view: View, winner: ServerSeen) -> bool:
    """Whether the elected server is the writer itself, come back."""
    return winner.address == view.writer


def _had_more(view: View, election: Election, absent: ServerMemory) -> bool:
    """Whether a server that is absent now had received cluster transactions that the elected one cannot get."""
    highest, writer = absent.highest_received, view.memory.writer_position
    if highest is None or writer is None or not writer.covers(highest):
        return False
    known = [view.seen.server(address).received for address in (election.winner, election.donor) if address]
    return not any(position is not None and position.covers(highest) for position in known)


def _shrunk(view: View, election: Election) -> list[Refusal]:
    """Servers that once had received more than anybody can show now."""
    known = [view.seen.server(address).received for address in (election.winner, election.donor) if address]
    refusals = []
    for one in view.seen.servers:
        highest = view.memory.server(one.address).highest_received
        if one.address == view.writer or highest is None or not one.answered:
            continue
        if not any(position is not None and position.covers(highest) for position in known):
            if one.received is not None and one.received.covers(highest):
                continue  # It still has it; the election has dealt with that.
            refusals.append(
                Refusal(
                    "received-shrank",
                    f"{view.name(one.address)} had received {highest} and has lost part of it, which may be the only "
                    "copy of acknowledged writes: bring the old writer back, or force the failover and accept the loss",
                    one.address,
                )
            )
    return refusals


def nobody_else_open(view: View, winner: str) -> tuple[Refusal, ...]:
    """A server that follows none of ours and is open may hold writes that somebody moved there by hand."""
    return tuple(
        Refusal(
            "another-open",
            f"{view.name(one.address)} accepts writes and follows none of ours: if they were moved there by hand, let the"
            " others follow it; else close it, or force the failover, which closes it",
            one.address,
        )
        for policy, one in view.members()
        if one.open
        and one.address not in (view.writer, winner)
        and not policy.keep_read_only_alone
        and not _follows_ours(view, one)
    )


def no_replica_open(view: View, winner: str) -> tuple[Refusal, ...]:
    """A switchover closes nobody beside the old writer: a writable replica is repaired first."""
    return tuple(
        Refusal("another-open", f"the replica {view.name(one.address)} accepts writes: close it first", one.address)
        for policy, one in view.members()
        if one.open
        and one.address not in (view.writer, winner)
        and not policy.keep_read_only_alone
        and _follows_ours(view, one)
    )


def _follows_ours(view: View, one: ServerSeen) -> bool:
    return any(link.source in view.policy.addresses for link in one.links)


def fence_allows(view: View, controlled: bool) -> tuple[Refusal, ...]:
    """Whether a failover may begin although the writer may turn out impossible to fence."""
    if view.life is not Life.HUNG or controlled:
        return ()
    if view.policy.unknown_fence is UnknownFencePolicy.PROCEED:
        return ()
    last = view.memory.server(view.writer).last
    lossless = last is not None and last.semi_sync is not None and last.semi_sync.lossless
    if view.policy.unknown_fence is UnknownFencePolicy.SEMI_SYNC and (lossless or not view.policy.semi_sync):
        return ()
    return (
        Refusal(
            "cannot-fence",
            f"{view.name(view.writer)} answers nobody, so it cannot be fenced, and it may still acknowledge writes "
            "(failover-unknown-fence decides what is allowed then)",
            view.writer,
        ),
    )


def protection_refusals(view: View) -> tuple[Refusal, ...]:
    """Why a write acknowledged now could be lost, whatever the election would say."""
    writer = view.writer_seen
    if not view.policy.semi_sync or writer is None or not writer.open:
        return ()
    semi_sync = writer.semi_sync
    if semi_sync is None or not semi_sync.lossless:
        by_us = " (switched off by repman after its grace period)" if view.memory.degraded else ""
        return (
            Refusal(
                "semi-sync-off",
                f"commits on {view.name(view.writer)} do not wait for a replica{by_us}",
                view.writer,
            ),
        )
    if semi_sync.ackers == 0:
        wait = "writes wait" if view.policy.unacked is UnackedPolicy.BLOCK else "writes wait, until repman degrades"
        return (Refusal("no-acker", f"no replica of {view.name(view.writer)} acknowledges: {wait}", view.writer),)
    if waited := stalled_for(view):
        sentence = f"writes on {view.name(view.writer)} have waited for {waited:.0f} s: its replicas do not acknowledge"
        return (Refusal("acks-stalled", sentence, view.writer),)
    return ()
