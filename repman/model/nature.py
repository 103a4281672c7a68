"""What kind of cluster an engine makes: who elects the writer, and therefore what may be decided for it."""

from __future__ import annotations

from enum import StrEnum

from repman.model.plan import StepKind


class Nature(StrEnum):
    """Declared by a cluster's type in the configuration; chooses the rules in `repman.decide`."""

    STEERED = "steered"
    """The servers replicate as they are told, and elect nobody: repman elects, fences and promotes (MariaDB)."""
    ELECTING = "electing"
    """The servers elect their primary themselves, by majority: repman watches, and asks for elections (MongoDB)."""

    @property
    def steps(self) -> frozenset[StepKind]:
        """The only steps that a plan for such a cluster may have; the executor refuses every other one."""
        return _ELECTING if self is Nature.ELECTING else _STEERED


_PROXIES = frozenset({StepKind.ROUTE_AWAY, StepKind.ROUTE})
_PROCESSES = frozenset({StepKind.START, StepKind.STOP})
_ELECTING = frozenset(
    {
        *_PROXIES,
        *_PROCESSES,
        StepKind.CATCH_UP,
        StepKind.INITIATE,
        StepKind.FREEZE,
        StepKind.STEP_DOWN,
        StepKind.STEP_UP,
        StepKind.THAW,
    }
)
_STEERED = frozenset(StepKind) - frozenset(
    {StepKind.INITIATE, StepKind.FREEZE, StepKind.STEP_DOWN, StepKind.STEP_UP, StepKind.THAW}
)
