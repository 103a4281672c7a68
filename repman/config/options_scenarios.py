"""Options of scenarios: whether a cluster is there to be tested."""

from __future__ import annotations

from functools import partial

from repman.config.option import Kind, Option

_scenarios = partial(Option, group="Tests", live=True)

SCENARIO_OPTIONS: tuple[Option, ...] = (
    _scenarios(
        name="test",
        kind=Kind.BOOL,
        default=False,
        help="The cluster is there to be tested: scenarios that kill its servers, and actions that destroy data "
        "or replication, need no `force=true`. Never set it for a cluster that somebody relies upon.",
    ),
)
