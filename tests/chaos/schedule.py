"""What is going to be done to the cluster, known before it begins: the same seed gives the same schedule."""

from __future__ import annotations

import random
from dataclasses import dataclass

OVERLAPS = 0.5
"""How often the next fault comes before the cluster has recovered from the one before."""
MOST = 4
"""Faults in one round."""

# Name, weight, longest duration in seconds (0: the fault has none).
_FAULTS = (
    ("kill-writer", 10, 6.0),
    ("kill-writer-quick-restart", 8, 1.0),
    ("freeze-writer", 10, 8.0),
    ("kill-replica", 4, 4.0),
    ("freeze-replica", 4, 8.0),
    ("kill-replicas", 3, 4.0),
    ("kill-writer-and-replica", 4, 4.0),
    ("kill-writer-and-next", 4, 6.0),
    ("freeze-writer-and-replica", 2, 6.0),
    ("kill-all", 3, 1.0),
    ("kill-monitor", 4, 0.0),
    ("kill-probes", 1, 0.0),
    ("kill-web", 1, 0.0),
    ("kill-repman", 3, 3.0),
    ("restart-haproxy", 3, 1.0),
    ("switchover", 6, 0.0),
    ("switchover-with-frozen-replica", 3, 4.0),
    ("switchover-in-a-long-write", 3, 4.0),
    ("stop-slave", 3, 0.0),
    ("stop-applier", 3, 0.0),
    ("open-replica", 3, 0.0),
    ("big-writes", 3, 0.0),
    ("strike-in-plan", 16, 5.0),
)
NAMES = tuple(name for name, _, _ in _FAULTS)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is done."""

    name: str
    seconds: float
    """How long it lasts."""
    pick: int
    """Which one of the servers that it may hit (a replica, a target)."""
    gap: float
    """Seconds between its parts, where it has two."""
    then: float
    """Seconds until the next fault of the round begins."""

    def __str__(self) -> str:
        return (
            f"{self.name}({self.seconds:.2f} s, pick {self.pick}, gap {self.gap:.2f} s, next after {self.then:.2f} s)"
        )


@dataclass(frozen=True, slots=True)
class Round:
    """Faults that are healed together."""

    number: int
    faults: tuple[Fault, ...]

    def __str__(self) -> str:
        return f"round {self.number}: " + ", ".join(str(fault) for fault in self.faults)


def schedule(seed: int, rounds: int) -> tuple[Round, ...]:
    """The rounds of that seed."""
    dice = random.Random(seed)
    return tuple(Round(number, _faults(dice)) for number in range(rounds))


def _faults(dice: random.Random) -> tuple[Fault, ...]:
    many = 1
    while many < MOST and dice.random() < OVERLAPS:
        many += 1
    return tuple(_fault(dice) for _ in range(many))


def _fault(dice: random.Random) -> Fault:
    name, _, longest = dice.choices(_FAULTS, [weight for _, weight, _ in _FAULTS])[0]
    seconds = dice.uniform(min(0.5, longest), longest) if longest > 1.0 else dice.choice((0.0, 0.2, 1.0))
    # Half of all overlaps hit the first second, where a plan is on its way.
    then = dice.uniform(0.0, 1.0) if dice.random() < 0.5 else dice.uniform(1.0, 4.0)
    return Fault(name, seconds, dice.randrange(3 * 8 * 6), dice.uniform(0.0, 1.0), then)
