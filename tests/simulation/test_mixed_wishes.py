"""Operators who ask for anything at any time, while servers die: never two writers, nothing acknowledged is lost."""

from __future__ import annotations

from random import Random

import pytest

from repman.model.command import Command, CommandKind
from simulation.simulator import ADDRESSES, Simulation

pytestmark = pytest.mark.slow

_WISHES = (
    CommandKind.HOLD,
    CommandKind.MAINTENANCE,
    CommandKind.START_SERVER,
    CommandKind.STOP_SERVER,
    CommandKind.READ_ONLY,
    CommandKind.START_REPLICATION,
    CommandKind.STOP_REPLICATION,
    CommandKind.RESET_REPLICATION,
    CommandKind.RESET_BINLOG,
    CommandKind.SKIP_EVENT,
    CommandKind.RATE,
    CommandKind.ROLLING_RESTART,
    CommandKind.SWITCHOVER,
)
_UNDONE = (
    (CommandKind.HOLD, {"on": False}),
    (CommandKind.MAINTENANCE, {"on": False}),
    (CommandKind.RATE, {"rating": "unrated"}),
    (CommandKind.START_SERVER, {}),
    (CommandKind.START_REPLICATION, {}),
    (CommandKind.READ_ONLY, {"on": False}),
)
_AT_REST = 34.0
"""Seconds after which nobody asks for anything more, and what was wished is taken back."""


def _wish(random: Random) -> Command:
    kind = random.choice(_WISHES)
    server = "" if kind is CommandKind.ROLLING_RESTART else random.choice(ADDRESSES)
    rating = random.choice(("preferred", "ignored", "unrated"))
    return Command(kind, "c1", server, random.random() < 0.5, on=random.random() < 0.6, rating=rating, user="ann")


def _story(sim: Simulation, random: Random) -> None:
    for _ in range(12):
        sim.ask(random.uniform(3.0, 30.0), _wish(random))
    for _ in range(2):
        victim, at = random.choice(ADDRESSES), random.uniform(3.0, 28.0)
        sim.at(at, sim.world.kill, victim)
        sim.at(at + random.uniform(0.5, 5.0), sim.world.start, victim)
    for again in range(3):
        for number, (kind, more) in enumerate(_UNDONE):
            for place, server in enumerate(ADDRESSES):
                when = _AT_REST + 8.0 * again + number + place * 0.2
                sim.ask(when, Command(kind, "c1", server, **more))  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(40))
def test_no_wish_breaks_the_promises(seed: int) -> None:
    sim = Simulation(seed=seed, quantum=0.02)
    _story(sim, Random(seed))
    sim.run(70.0)
    found = sim.recorder.finish((sim.proxy,), converges=False)
    # Who asks all the time makes many plans: I15 is about repairs that never end.
    assert not [sentence for sentence in found if not sentence.startswith("I15")]
    open_ones = [server for server in sim.world.servers.values() if server.up and not server.read_only]
    assert len(open_ones) == 1, sim.recorder.snapshots[-1].refusals
