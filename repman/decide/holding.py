"""Wishes about one server that repman fulfils by remembering them: hold it, take it out of service.

A held server is left alone in every way while a job rebuilds it: no repair, no election, no route, no start.  It is
still observed, and closed when it is found open beside the writer.  Nothing but an end of the hold ends it.
"""

from __future__ import annotations

from dataclasses import replace

from repman.decide.guards import may_act
from repman.decide.proposal import Proposal
from repman.decide.view import View
from repman.model.command import Command
from repman.model.memory import Rating
from repman.model.problem import Refusal


def hold(view: View, command: Command) -> Proposal:
    """Begin or end a hold; both may be asked again."""
    address, name = command.server, view.name(command.server)
    remembered = view.memory.server(address)
    if not command.on:
        if not remembered.held:
            return Proposal(unchanged=f"{name} is not held")
        memory = view.memory.with_server(replace(remembered, held=""))
        return Proposal(memory=memory, done=f"{name} is no longer held")
    reason = command.reason or f"asked by {command.user or 'an operator'}"
    if remembered.held == reason:
        return Proposal(unchanged=f"{name} is held already: {reason}")
    refusals = [*may_act(view), *not_the_writer(view, address, "hold it")]
    if remembered.held:
        sentence = f"{name} is held already, for another reason: {remembered.held}"
        refusals.append(Refusal("already-held", sentence, address))
    if refusals:
        return Proposal(refusals=tuple(refusals))
    memory = view.memory.with_server(replace(remembered, held=reason))
    return Proposal(memory=memory, done=f"{name} is held: {reason}")


def maintenance(view: View, command: Command) -> Proposal:
    """Take a server out of service, or give it back."""
    address, name = command.server, view.name(command.server)
    remembered = view.memory.server(address)
    wanted = not remembered.maintenance if command.toggle else command.on
    if wanted == remembered.maintenance:
        return Proposal(unchanged=f"{name} is {'in maintenance already' if wanted else 'not in maintenance'}")
    if wanted and (refusals := not_the_writer(view, address, "put it into maintenance")):
        return Proposal(refusals=tuple(refusals))
    memory = view.memory.with_server(replace(remembered, maintenance=wanted))
    return Proposal(memory=memory, done=f"{name} is {'in maintenance' if wanted else 'back in service'}")


def rate(view: View, command: Command) -> Proposal:
    """Say how a server is to be treated in elections."""
    known = [rating.value for rating in Rating if rating is not Rating.CONFIGURED]
    address, name = command.server, view.name(command.server)
    if command.rating not in known:
        return Proposal(refusals=(Refusal("unknown-rating", f"{command.rating!r} is none of: {', '.join(known)}"),))
    rating, remembered = Rating(command.rating), view.memory.server(address)
    if rating is remembered.rating:
        return Proposal(unchanged=f"{name} is {rating.value} already")
    memory = view.memory.with_server(replace(remembered, rating=rating))
    return Proposal(memory=memory, done=f"{name} is {rating.value}")


def reset_availability(view: View, command: Command) -> Proposal:
    """Count the shares of time anew."""
    memory = replace(view.memory, unprotected_seconds=0.0)
    return Proposal(memory=memory, done="availability is counted anew")


def not_the_writer(view: View, address: str, wish: str) -> list[Refusal]:
    """The refusal to do that to the server in charge, alive or not."""
    if address != view.writer:
        return []
    sentence = f"{view.name(address)} is the writer: move that role away first (switchover), then {wish}"
    return [Refusal("is-writer", sentence, address)]


def nobody_held(view: View) -> list[Refusal]:
    """Refusals for wishes about the whole cluster: a held server is somebody else's for now."""
    return [
        Refusal(
            "held", f"{view.name(one.address)} {view.why_left_alone(one.address)}; wait until that ends", one.address
        )
        for one in view.memory.servers
        if one.held
    ]
