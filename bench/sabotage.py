"""repman without draining: the positive control of the loss measurements.  Never for anything else.

A replica is promoted as it is, with what it has received and not applied.  If a measurement does not see the
losses that follow, it cannot see any, and says so.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from repman.cli import main, serve
from repman.engines import mariadb_steps
from repman.engines.mariadb import MariadbCluster
from repman.model.plan import Outcome, Step, StepKind
from repman.model.problem import Refusal
from repman.monitor import executor

_DRAIN_GUARDS = ("not-drained", "would-lose")


def without_draining() -> None:
    """Take out the step, and what would notice that it was left out."""
    perform: Callable[..., Outcome] = MariadbCluster.perform
    forbidden = executor.forbidden

    def careless(self: MariadbCluster, step: Step, *rest: Any) -> Outcome:
        return Outcome(True, "left out") if step.kind is StepKind.DRAIN else perform(self, step, *rest)

    def permissive(*given: Any) -> tuple[Refusal, ...]:
        return tuple(refusal for refusal in forbidden(*given) if refusal.code not in _DRAIN_GUARDS)

    MariadbCluster.perform = careless  # type: ignore[method-assign,assignment]
    executor.forbidden = permissive  # type: ignore[attr-defined]
    mariadb_steps._require_drained = lambda look: None


def _argv(name: str, common: list[str]) -> tuple[str, ...]:
    return (sys.executable, __file__, name, *common)


if __name__ == "__main__":
    serve._argv = _argv
    if sys.argv[1:2] == ["monitor"]:
        without_draining()
    sys.exit(main())
