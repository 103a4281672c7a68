"""What repman reports of an election that it did not ask for."""

from __future__ import annotations

from repman.decide.view import View
from repman.decide.witness import Life
from repman.model.decision import Takeover
from repman.model.memory import Memory
from repman.model.observation import ServerSeen


def takeover(before: Memory, view: View) -> Takeover | None:
    """The members made another one the primary since the look before; None: they did not."""
    new = view.writer_seen
    if not before.writer or before.writer == view.writer or view.life is not Life.OPEN or new is None:
        return None
    old = before.server(before.writer)
    last, member = old.last, new.member
    election = member.election if member else None
    return Takeover(
        old_writer=before.writer,
        new_writer=view.writer,
        old_term=last.member.term if last and last.member else -1,
        new_term=member.term if member else -1,
        lost_at=_wall(view, old.failing_since or view.now),
        seen_at=view.wall,
        reason=election.reason if election else "",
        elected_at=election.at if election else None,
        writable_at=election.writable_at if election else None,
        caught_up=election.catch_up_operations if election else None,
        old_position=str(last.executed) if last and last.executed else "",
        new_position=str(new.executed or ""),
        lags=_lags(view),
        sentence=_sentence(view, before.writer, last, new),
    )


def _wall(view: View, monotonic: float) -> float:
    return view.wall - (view.now - monotonic)


def _lags(view: View) -> tuple[tuple[str, float], ...]:
    return tuple(
        (one.address, one.links[0].lag) for one in view.seen.answering() if one.links and one.links[0].lag is not None
    )


def _sentence(view: View, old: str, last: ServerSeen | None, new: ServerSeen) -> str:
    old_term = last.member.term if last and last.member else "unknown"
    member = new.member
    told = f"the members elected {view.name(new.address)} in place of {view.name(old)}"
    told += f" (term {old_term} to {member.term if member else 'unknown'}"
    if member is not None and member.election is not None:
        election = member.election
        told += f", {election.reason}, {election.votes_needed} votes needed"
        if election.catch_up_operations:
            told += f", {election.catch_up_operations} operations fetched first"
    return told + ")"
