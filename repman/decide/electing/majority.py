"""Who votes, who lives, who may be elected: arithmetic on what the members say."""

from __future__ import annotations

from collections.abc import Iterator

from repman.decide.electing.claims import term_of
from repman.decide.election import lag_of
from repman.decide.view import View
from repman.model.observation import ServerSeen
from repman.model.policy import ServerPolicy
from repman.model.problem import Refusal
from repman.model.replica_set import Member, MemberState


def witness(view: View) -> ServerSeen | None:
    """Whose word on the others counts: the primary, else whoever knows the latest term and hears most members."""
    told = [one for one in view.seen.answering() if one.member is not None and one.member.heard]
    if not told:
        return next((one for one in view.seen.answering() if one.member is not None and one.member.set_name), None)
    return max(told, key=lambda one: (one.address == view.writer and one.open, term_of(one), _hears(one.member)))


def _hears(member: Member | None) -> int:
    return sum(1 for heard in member.heard if heard.healthy) if member else 0


def living(view: View, but: str = "") -> int:
    """How many members that a majority is counted of are alive by the best witness's word; `but` is not counted.

    Members without a vote are not told apart by a heartbeat; they are subtracted where their seat is known.
    """
    teller = witness(view)
    if teller is None or teller.member is None:
        return 0
    voteless = {one.address for one in view.seen.servers if _votes(view, one) == 0}
    alive = {heard.address for heard in teller.member.heard if heard.healthy and heard.state.votes_now}
    if teller.member.state.votes_now:
        alive.add(teller.address)
    return len(alive - voteless - {but})


def needed(view: View) -> int:
    """Votes that a majority needs; 0: nobody tells."""
    teller = witness(view)
    return teller.member.voters_needed if teller and teller.member else 0


def no_majority(view: View, but: str = "") -> list[Refusal]:
    """Why nothing can be elected: too few voters live (without `but`)."""
    alive, wanted = living(view, but), needed(view)
    if wanted and alive >= wanted:
        return []
    told = f"only {alive} of the {wanted} voters that a majority needs" if wanted else "no member that knows its set"
    lost = f"without {view.name(but)} " if but else ""
    sentence = (
        f"{lost}{told} would be there: the members elect nobody, and repman does not force them; bring members back "
        "(replSetReconfig with force is a decision for a person, who accepts that writes may be lost)"
    )
    return [Refusal("no-majority", sentence)]


def seat_of(view: View, one: ServerSeen) -> tuple[int, float]:
    """(votes, priority) as configured in the set; (1, 1.0) where nobody tells."""
    last = one if one.member is not None else view.memory.server(one.address).last
    if last is None or last.member is None or last.member.seat is None:
        return 1, 1.0
    return last.member.seat.votes, last.member.seat.priority


def _votes(view: View, one: ServerSeen) -> int:
    return seat_of(view, one)[0]


def unfit(view: View, policy: ServerPolicy, one: ServerSeen, longest: float) -> tuple[str, ...]:
    """Every reason why the set could not, or should not, elect that member; `longest` lag in seconds, negative: any."""
    if not one.answered:
        return (f"does not answer ({one.reach})",)
    reasons = []
    member = one.member
    if member is None or member.state not in (MemberState.SECONDARY, MemberState.PRIMARY):
        return (f"is no secondary ({member.state if member else 'no member of a set'})",)
    if member.seat is not None and not member.seat.electable:
        reasons.append(f"has priority {member.seat.priority:g} and {member.seat.votes} votes: the set never elects it")
    if member.seat is not None and (member.seat.hidden or member.seat.delay):
        reasons.append("is hidden or delayed")
    if not policy.electable:
        reasons.append("is among db-servers-ignored-hosts, or rated as ignored")
    if why := view.why_left_alone(one.address):
        reasons.append(why)
    if 0 <= longest < lag_of(view, one):
        reasons.append(f"is {lag_of(view, one):.0f} s late, more than is allowed ({longest:.0f} s)")
    return tuple(reasons)


def candidates(view: View, longest: float) -> Iterator[tuple[ServerPolicy, ServerSeen, tuple[str, ...]]]:
    """Every member but the writer, with the reasons against it."""
    for policy, one in view.members():
        if one.address != view.writer:
            yield policy, one, unfit(view, policy, one, longest)


def preference(view: View, policy: ServerPolicy, one: ServerSeen) -> tuple[object, ...]:
    """Sorts the best one first: what repman is told to prefer, the set's priority, the smallest lag, the order given."""
    return (
        policy.preferred is None,
        policy.preferred or 0,
        -seat_of(view, one)[1],
        lag_of(view, one),
        view.policy.addresses.index(one.address),
    )
