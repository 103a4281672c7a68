"""The problems of clusters whose servers elect their primary: those that every cluster has, and their own."""

from __future__ import annotations

from repman.decide import problems as steered
from repman.decide.electing.claims import claims
from repman.decide.electing.majority import no_majority
from repman.decide.problems import Found, Row
from repman.decide.view import View
from repman.decide.witness import Life
from repman.model.problem import Severity
from repman.model.replica_set import MemberState

_SHARED = (
    *("writer-dead", "writer-suspect", "no-writer", "server-down", "access-denied", "connections-exhausted"),
    *("host-unresolved", "late", "stopped-on-purpose", "held", "proxy-down", "proxy-maintenance", "paused"),
)
"""Codes of `repman.decide.problems` that mean the same here."""

_BUSY = {
    MemberState.RECOVERING: "recovers, or is in maintenance mode",
    MemberState.STARTUP2: "copies the data of the set",
    MemberState.ROLLBACK: "rolls writes back that the set went on without",
    MemberState.UNKNOWN: "does not know its own state",
    MemberState.DOWN: "is down, by its own word",
}


def _no_primary(view: View) -> Found:
    if view.life is Life.CLOSED:
        yield "", f"the set has no primary: {view.name(view.writer)}, the last one, is it no more"


def _minority(view: View) -> Found:
    if view.seen.answering() and view.life is not Life.NONE:
        for refusal in no_majority(view):
            yield "", refusal.sentence


def _two_primaries(view: View) -> Found:
    for one in claims(view.seen.servers)[1:]:
        term = one.member.term if one.member else -1
        yield one.address, f"{view.name(one.address)} still takes itself for the primary, of the older term {term}"


def _not_serving(view: View) -> Found:
    for one in view.seen.answering():
        if one.member is not None and one.member.state in _BUSY:
            told = _BUSY[one.member.state]
            yield one.address, f"{view.name(one.address)} ({one.member.state}) {told}: it takes no traffic"


def _no_member(view: View) -> Found:
    names = {one.member.set_name for one in view.seen.answering() if one.member and one.member.set_name}
    for one in view.seen.answering():
        if one.member is None or one.member.state in (MemberState.STARTUP, MemberState.REMOVED):
            yield one.address, f"{view.name(one.address)} is no member of the set"
        elif view.policy.replica_set and one.member.set_name != view.policy.replica_set:
            wanted = view.policy.replica_set
            yield one.address, f"{view.name(one.address)} is of the set {one.member.set_name}, not of {wanted}"
        elif len(names) > 1:
            yield one.address, f"{view.name(one.address)} is of the set {one.member.set_name}, others are not"


def _stranger(view: View) -> Found:
    teller = view.writer_seen
    if view.life is Life.OPEN and teller is not None and teller.member is not None:
        for heard in teller.member.heard:
            if heard.address not in view.policy.addresses:
                yield "", f"the set has a member {heard.address} that is not among db-servers-hosts"


def _blocked(view: View) -> Found:
    one = view.writer_seen
    if one is not None and one.member is not None and one.member.writes_blocked:
        yield one.address, f"user writes are blocked on {view.name(one.address)}"


def _rolled_back(view: View) -> Found:
    for remembered in view.memory.servers:
        if remembered.rolled_back:
            name = view.name(remembered.address)
            yield (
                remembered.address,
                f"{name} came back and took back what only it had: {remembered.rolled_back}",
            )


OWN: tuple[Row, ...] = (
    Row(
        "no-primary",
        Severity.ERROR,
        "ERR00012",
        "The members answer and none is the primary. They elect one by themselves as soon as a majority of them can; "
        "a failover that an operator asks for makes them begin at once.",
        _no_primary,
    ),
    Row(
        "no-majority",
        Severity.ERROR,
        "",
        "Too few voters of a replica set live: nothing can be elected, and the primary steps down. Bring members back; "
        "repman never forces a configuration upon a minority.",
        _minority,
    ),
    Row(
        "two-primaries",
        Severity.WARNING,
        "WARN0003",
        "Two members take themselves for the primary. The one of the higher term is; the other one has not heard of it "
        "yet, cannot acknowledge majority writes and gets no traffic.",
        _two_primaries,
    ),
    Row(
        "member-not-serving",
        Severity.WARNING,
        "ERR00042",
        "A member recovers, copies the data or rolls writes back. It takes no traffic until it is a secondary again.",
        _not_serving,
    ),
    Row(
        "no-member",
        Severity.ERROR,
        "",
        "A configured server is in no replica set, or in another one than the rest. Bootstrap the cluster, add it with "
        "rs.add, or correct db-servers-hosts.",
        _no_member,
    ),
    Row(
        "unknown-member",
        Severity.WARNING,
        "",
        "The replica set has a member that repman does not watch. Add it to db-servers-hosts.",
        _stranger,
    ),
    Row(
        "writes-blocked",
        Severity.WARNING,
        "",
        "User writes are blocked (setUserWriteBlockMode). The probes name no writer until that ends.",
        _blocked,
    ),
    Row(
        "rolled-back",
        Severity.WARNING,
        "",
        "A member that came back took writes back which no majority had acknowledged; the documents are in its "
        "rollback directory. Resetting the failover counter ends the notice.",
        _rolled_back,
    ),
)

REGISTRY: tuple[Row, ...] = (*(row for row in steered.REGISTRY if row.code in _SHARED), *OWN)
