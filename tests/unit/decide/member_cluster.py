"""A replica set of three as a driver would have seen it: a is the primary of term 3, everybody has everything."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from repman.decide.tick import decide
from repman.model.command import Command, CommandKind
from repman.model.decision import Decision
from repman.model.memory import Memory
from repman.model.nature import Nature
from repman.model.observation import ClusterSeen, Link, Reach, Receiver, ServerSeen
from repman.model.policy import ClusterPolicy, ServerPolicy
from repman.model.position import Optime
from repman.model.replica_set import ElectionSeen, Heard, Member, MemberState, Seat

LETTERS = "abc"
WALL = 1_800_000_000.0
HERE = Optime(3, 1000, 1)


def address(letter: str) -> str:
    return f"{letter}:27017"


def policy(**more: Any) -> ClusterPolicy:
    servers = tuple(ServerPolicy(address(each), each, 27017, f"db{each}", each, startable=True) for each in LETTERS)
    return replace(ClusterPolicy("docs", servers, nature=Nature.ELECTING, semi_sync=False), **more)


def heard(letter: str, **more: Any) -> tuple[Heard, ...]:
    """What that member hears of the others: `a_silent=9.0` for seconds, `a_lost=True`, `b_state=...`."""
    found = []
    for other in LETTERS:
        if other == letter:
            continue
        state = MemberState.PRIMARY if other == more.get("primary", "a") else MemberState.SECONDARY
        lost = bool(more.get(f"{other}_lost"))
        state = MemberState.DOWN if lost else more.get(f"{other}_state", state)
        found.append(Heard(address(other), state, not lost, more.get(f"{other}_silent", 0.3)))
    return tuple(found)


def member(letter: str, state: MemberState = MemberState.SECONDARY, term: int = 3, **more: Any) -> Member:
    hears = {name: more.pop(name) for name in list(more) if name == "primary" or name[1:2] == "_"}
    seat = replace(Seat(LETTERS.index(letter), address(letter)), **more.pop("seat", {}))
    election = ElectionSeen("electionTimeout", 2, WALL - 60, WALL - 59) if state is MemberState.PRIMARY else None
    made = Member(state, "docs", term=term, voters_needed=2, seat=seat, heard=heard(letter, **hears), election=election)
    return replace(made, **more)


def answering(letter: str, state: MemberState = MemberState.SECONDARY, at: float = 0.0, **more: Any) -> ServerSeen:
    """A member that answers; `lag`, `optime`, `boot` are the server's, everything else is the member's."""
    position, lag, boot = more.pop("optime", HERE), more.pop("lag", 0.0), more.pop("boot", "1")
    primary = state is MemberState.PRIMARY
    source = more.pop("source", "a")
    link = Link(address(source), 0, Receiver.RUNNING, True, position, 0, 2.0, lag)
    return ServerSeen(
        address(letter),
        Reach.ANSWERED,
        at,
        boot=boot,
        read_only=not primary,
        executed=position,
        received=position,
        links=(link,) if state is MemberState.SECONDARY else (),
        leased=True,
        member=member(letter, state, **more),
    )


def gone(letter: str, reach: Reach = Reach.REFUSED) -> ServerSeen:
    return ServerSeen(address(letter), reach, 0.0, "gone")


def healthy() -> dict[str, ServerSeen]:
    return {"a": answering("a", MemberState.PRIMARY), "b": answering("b"), "c": answering("c")}


class Course:
    """The set, watched from look to look."""

    def __init__(self, watched: bool = True, **changes: Any) -> None:
        self.policy = policy(**changes)
        self.memory = Memory("docs")
        self.now = 1000.0
        if watched:
            self.look()
            self.look()

    def look(self, command: Command | None = None, **servers: ServerSeen) -> Decision:
        """One look; servers that are not named are as in the healthy set."""
        self.now += 1.0
        seen = healthy() | servers
        parts = tuple(replace(seen[each], at=self.now) for each in LETTERS)
        found = decide(
            self.policy,
            ClusterSeen("docs", self.now, parts),
            self.memory,
            command,
            self.now,
            WALL + self.now,
        )
        self.memory = found.memory
        return found

    def ask(self, kind: str, to: str = "", servers: dict[str, ServerSeen] | None = None, **more: Any) -> Decision:
        command = Command(CommandKind(kind), "docs", address(to) if to else "", **more)
        return self.look(command, **(servers or {}))


def states(found: Decision) -> str:
    """The states in order, in one line."""
    return " ".join(str(state) for _, state in found.states)


def codes(found: Decision) -> list[str]:
    return [problem.code for problem in found.problems]


def refused(found: Decision) -> list[str]:
    return [refusal.code for refusal in found.refusals]


def steps(found: Decision) -> list[str]:
    """The plan, one line a step, ``?`` for those that may fail."""
    assert found.plan is not None, found.refusals
    return [str(step).replace(":27017", "") + ("" if step.essential else " ?") for step in found.plan.steps]
