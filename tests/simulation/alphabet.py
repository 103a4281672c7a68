"""Every three-server cluster that a small alphabet of server states can spell.

Each state carries, beside what a driver would have seen, the plain set of transactions that the server holds:
the dumb oracle judges by those sets and knows nothing of positions, links or rankings.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

from repman.model.memory import Memory, Progress, ServerMemory
from repman.model.observation import ClusterSeen, Inventory, Link, Reach, Receiver, SemiSync, ServerSeen
from repman.model.policy import ClusterPolicy, ServerPolicy
from repman.model.position import MariadbGtid
from repman.model.version import ServerVersion

A, B, C = "a:1", "b:1", "c:1"
ADDRESSES = (A, B, C)
NOW, WALL = 1000.0, 1_700_000_000.0
VERSION = ServerVersion("MariaDB", 10, 11, 6)
LOSSLESS = SemiSync(True, True, True, 1, 315_360_000.0, True)
ASYNCHRONOUS = SemiSync(False, True, False, 0, 315_360_000.0, True)

Transactions = frozenset[tuple[int, int]]
"""(server id, sequence number)."""


def history(last: int, *own: tuple[int, int]) -> Transactions:
    """Transactions 1 to `last` of server 1, and those of other servers given."""
    return frozenset([*((1, number) for number in range(1, last + 1)), *own])


def position(transactions: Transactions) -> MariadbGtid:
    """The same as a position."""
    if not transactions:
        return MariadbGtid()
    server, sequence = max(transactions, key=lambda one: (one[1], one[0]))
    highest = {one: max(n for s, n in transactions if s == one) for one, _ in transactions}
    seen = ",".join(f"0-{one}-{number}" for one, number in highest.items())
    return MariadbGtid.parse(f"0-{server}-{sequence}", seen)


@dataclass(frozen=True, slots=True)
class State:
    """One letter of the alphabet: what a server is like."""

    name: str
    seen: ServerSeen
    executed: Transactions = frozenset()
    received: Transactions = frozenset()
    hears: bool | None = None
    """It follows A and: hears of it, hears nothing; None: it cannot tell."""
    stuck: bool = False
    """It cannot apply what it received."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """One word: the states of A, B and C under a policy, with the memory that goes with them."""

    policy: ClusterPolicy
    states: tuple[State, State, State]
    memory: Memory
    leased: bool = True

    @property
    def seen(self) -> ClusterSeen:
        """What a driver would have observed."""
        return ClusterSeen("c1", NOW, tuple(self._vote(state.seen) for state in self.states))

    def _vote(self, seen: ServerSeen) -> ServerSeen:
        return seen if self.leased else replace(seen, leased=False, lease_holder="other")

    def state(self, address: str) -> State:
        """That server's state."""
        return self.states[ADDRESSES.index(address)]

    def __str__(self) -> str:
        told = " ".join(f"{address[0]}={state.name}" for address, state in zip(ADDRESSES, self.states, strict=True))
        flags = "" if self.leased else " no-lease"
        return f"{told} semi_sync={self.policy.semi_sync} paused={self.policy.paused}{flags}"


POSITIONS = {
    "behind": (9, 9),
    "level": (10, 10),
    "gap": (9, 10),
    "ahead": (11, 11),
}
LINKS = {
    "lost": (Receiver.CONNECTING, False),
    "hears": (Receiver.RUNNING, True),
    "silent": (Receiver.RUNNING, False),
    "stopped": (Receiver.STOPPED, None),
}


def _answered(address: str, executed: Transactions, received: Transactions, **more: object) -> ServerSeen:
    base = ServerSeen(
        address,
        Reach.ANSWERED,
        NOW,
        version=VERSION,
        server_id=ADDRESSES.index(address) + 1,
        boot="1",
        read_only=True,
        executed=position(executed),
        received=position(received),
        semi_sync=ASYNCHRONOUS,
        binlog=True,
        log_replica_updates=True,
        strict_gtid=True,
        row_format=True,
        leased=True,
        inventory=Inventory(0.0, user_schemas=("app",)),
    )
    return replace(base, **more)  # type: ignore[arg-type]


def _link(source: str, receiver: Receiver, stored: Transactions, applier: int = 0) -> Link:
    return Link(
        source,
        ADDRESSES.index(source) + 1,
        receiver,
        applier == 0,
        position(stored),
        7,
        0.5,
        0.0 if receiver is Receiver.RUNNING and not applier else None,
        receiver_errno=2003 if receiver is Receiver.CONNECTING else 0,
        applier_errno=applier,
    )


def _absent(address: str) -> Iterator[State]:
    for reach in (Reach.REFUSED, Reach.SILENT, Reach.DENIED):
        yield State(reach.value, ServerSeen(address, reach, NOW, error="no answer"))


def replica_states(address: str) -> tuple[State, ...]:
    """The letters for B and C."""
    sibling = C if address == B else B
    own = (ADDRESSES.index(address) + 1, 10)
    found = list(_absent(address))
    sets = {name: (history(one), history(two)) for name, (one, two) in POSITIONS.items()}
    sets["errant"] = (history(9, own), history(9, own))
    for name, (executed, received) in sets.items():
        for shape, (receiver, hears) in LINKS.items():
            seen = _answered(address, executed, received, links=(_link(A, receiver, received),))
            found.append(State(f"{name}-{shape}", seen, executed, received, hears))
        if name != "gap":
            found.append(State(f"{name}-alone", _answered(address, executed, received), executed, received))
        seen = _answered(address, executed, received, links=(_link(sibling, Receiver.RUNNING, received),))
        found.append(State(f"{name}-sibling", seen, executed, received))
        if name in ("level", "errant"):
            seen = _answered(address, executed, received, read_only=False)
            found.append(State(f"{name}-open", seen, executed, received))
    executed, received = sets["gap"]
    seen = _answered(address, executed, received, links=(_link(A, Receiver.CONNECTING, received, applier=1950),))
    found.append(State("gap-stuck", seen, executed, received, False, stuck=True))
    return tuple(found)


def writer_states() -> tuple[State, ...]:
    """The letters for A, the writer in charge."""
    found = list(_absent(A))
    for name, executed in (("level", history(10)), ("ahead", history(11)), ("behind", history(9))):
        closed = _answered(A, executed, executed)
        found.append(State(f"{name}-closed", closed, executed, executed))
        if name != "behind":
            opened = replace(closed, read_only=False, semi_sync=LOSSLESS)
            found.append(State(f"{name}-open", opened, executed, executed))
    executed = history(10)
    unprotected = _answered(A, executed, executed, read_only=False)
    found.append(State("level-open-async", unprotected, executed, executed))
    follows = _answered(A, executed, executed, links=(_link(B, Receiver.RUNNING, executed),))
    found.append(State("level-follows-b", follows, executed, executed))
    return tuple(found)


def memory_of(states: tuple[State, State, State], semi_sync: bool, ackers: bool) -> Memory:
    """What repman remembers one look before: A was open at 10, the others received from it (or not)."""
    last = _answered(
        A,
        history(10),
        history(10),
        read_only=False,
        semi_sync=LOSSLESS if semi_sync else ASYNCHRONOUS,
    )
    servers = [ServerMemory(A, last, failures=1, failing_since=NOW - 1.0, open_boot="0")]
    for address, state in zip(ADDRESSES[1:], states[1:], strict=True):
        progress = None
        if state.hears is not None:
            link = state.seen.links[0]
            same = replace(link, heartbeats=link.heartbeats - (1 if state.hears else 0))
            progress = Progress(A, same.heartbeats, same.received, NOW - 60.0)
        servers.append(ServerMemory(address, progress=progress, failures=1, acker=ackers))
    return Memory("c1", A, position(history(10)), tuple(servers), looked_at=NOW - 1.0)


def policy(**changes: object) -> ClusterPolicy:
    """The policy of a cluster of three; nobody's process is ours."""
    servers = tuple(
        ServerPolicy(address, address[0], 1, f"db{number}", f"s{number}") for number, address in enumerate(ADDRESSES, 1)
    )
    return replace(ClusterPolicy("c1", servers), **changes)  # type: ignore[arg-type]


def unelectable(address: str, **changes: object) -> ClusterPolicy:
    """The same with one server excluded from election."""
    base = policy(**changes)
    return replace(base, servers=tuple(replace(one, electable=one.address != address) for one in base.servers))


def clusters(every: int = 1) -> Iterator[Cluster]:
    """All words, or each `every`-th of them."""
    kinds = (
        (policy(), True, True),
        (policy(semi_sync=False), False, True),
        (unelectable(C), False, True),
        (policy(paused=True), True, True),
        (policy(), True, False),
    )
    words = product(writer_states(), replica_states(B), replica_states(C))
    for number, states in enumerate(words):
        for rules, ackers, leased in kinds:
            held = rules.paused or not leased  # nothing may be done whatever the servers are like: a fifth will do
            if number % (every * 5 if held else every) == 0:
                yield Cluster(rules, states, memory_of(states, rules.semi_sync, ackers), leased)
