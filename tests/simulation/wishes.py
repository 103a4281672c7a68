"""What operators ask of single servers, alone and together with faults."""

from __future__ import annotations

from collections.abc import Callable

from repman.model.command import Command, CommandKind
from simulation.scenarios import Scenario
from simulation.simulator import A, B, C, Simulation

Story = Callable[[Simulation], None]


def _asked(*wishes: tuple[float, CommandKind, str, dict[str, object]]) -> Story:
    """The last wish is asked twice: it finds its aim reached, unless repman died before it began with it."""
    at, *last = wishes[-1]
    wishes = (*wishes, (at + 4.0, *last))  # type: ignore[assignment]

    def faults(sim: Simulation) -> None:
        for at, kind, server, more in wishes:
            sim.ask(at, Command(kind, "c1", server, **more))  # type: ignore[arg-type]

    return faults


def _with(story: Story, *faults: tuple[float, str, str]) -> Story:
    """That story with faults of the world: (when, what, whom)."""

    def both(sim: Simulation) -> None:
        story(sim)
        for at, what, address in faults:
            sim.at(at, getattr(sim.world, what), address)

    return both


_STOPPED = _asked((3.0, CommandKind.STOP_SERVER, B, {}), (12.0, CommandKind.START_SERVER, B, {}))
_HELD = _asked((3.0, CommandKind.HOLD, B, {"reason": "reseed"}), (18.0, CommandKind.HOLD, B, {"on": False}))
_DETACHED = _asked((3.0, CommandKind.STOP_REPLICATION, B, {}), (18.0, CommandKind.START_REPLICATION, B, {}))
_CLOSED = _asked((3.0, CommandKind.READ_ONLY, A, {}), (14.0, CommandKind.READ_ONLY, A, {"on": False}))
_ROLLING = _asked((3.0, CommandKind.ROLLING_RESTART, "", {}))
_EMPTIED = _asked(
    (3.0, CommandKind.RESET_BINLOG, B, {"force": True}),
    (6.0, CommandKind.SWITCHOVER, B, {}),
)

WISHES = (
    Scenario("stopped-and-started", _STOPPED, writer=A, plans=("service", "service")),
    Scenario("stopped-and-the-writer-dies", _with(_STOPPED, (6.0, "kill", A), (9.0, "start", A)), 40.0),
    Scenario(
        "writer-stopped",
        _asked((3.0, CommandKind.STOP_SERVER, A, {"force": True}), (12.0, CommandKind.START_SERVER, A, {})),
        plans=("switchover", "service"),
    ),
    Scenario("held", _HELD, writer=A, plans=()),
    Scenario("held-and-the-writer-dies", _with(_HELD, (6.0, "kill", A), (9.0, "start", A)), 40.0, writer=C),
    Scenario("held-and-destroyed", _with(_HELD, (5.0, "kill", B), (12.0, "start", B)), 40.0, writer=A),
    Scenario("replication-stopped", _DETACHED, writer=A),
    Scenario(
        "replication-stopped-and-the-writer-dies", _with(_DETACHED, (6.0, "kill", A), (9.0, "start", A)), 40.0, writer=C
    ),
    Scenario(
        "replication-removed",
        _asked((3.0, CommandKind.RESET_REPLICATION, B, {}), (12.0, CommandKind.START_REPLICATION, B, {})),
        writer=A,
        plans=("replication", "replication"),
    ),
    Scenario("closed-and-opened", _CLOSED, writer=A, plans=("access", "reopen")),
    Scenario(
        "closed-and-the-writer-dies",
        _with(_CLOSED, (6.0, "kill", A), (9.0, "start", A)),
        40.0,
        refused=frozenset({"closed-by-wish"}),
    ),
    Scenario("binary-log-emptied", _EMPTIED, writer=B, plans=("replication", "switchover")),
    Scenario(
        "rolling-restart", _ROLLING, 60.0, writer=A, plans=("restart", "restart", "switchover", "restart", "switchover")
    ),
    Scenario("rolling-restart-and-the-writer-dies", _with(_ROLLING, (4.5, "kill", A), (9.0, "start", A)), 80.0),
    Scenario("rolling-restart-and-a-replica-dies", _with(_ROLLING, (4.5, "kill", C), (9.0, "start", C)), 80.0),
    Scenario(
        "rated-and-moved",
        _asked(
            (3.0, CommandKind.RATE, C, {"rating": "preferred"}),
            (4.0, CommandKind.SWITCHOVER, "", {}),
            (6.0, CommandKind.RATE, C, {"rating": "preferred"}),
        ),
        writer=C,
    ),
)
