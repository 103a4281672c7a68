"""Links between MongoDB clusters, in our own form."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from repman.config.settings_link import LinkSettings
from repman.model.link import FORMAT, LinkSide, LinkView
from repman.state.links import is_fresh

DOWN = "down"
"""The state of a link whose process does not run, and should."""
DISABLED = "disabled"
"""The state of a link whose process does not run, as it is configured."""


def state_of(settings: LinkSettings, view: LinkView | None, age: float) -> str:
    """The link's own state, or one of the words for a process that does not run."""
    if view is not None and is_fresh(view, age):
        return view.state
    return DOWN if settings.enabled else DISABLED


def render_link(settings: LinkSettings, view: LinkView | None, age: float) -> dict[str, Any]:
    """A link; of one whose process does not run what was known last.

    `age`: seconds since that was published.
    """
    up = view is not None and is_fresh(view, age)
    known = view or _unknown(settings)
    document = asdict(known)
    for name in ("format", "monotonic", "at", "state", "unsuccessful"):
        del document[name]
    return {
        **document,
        "dialect": settings.dialect,
        "enabled": settings.enabled,
        "automatic": settings.automatic,
        "up": up,
        "pid": known.pid if up else 0,
        "state": state_of(settings, view, age),
        "last_state": known.state,
        "at": known.at or None,
        "age": age if math.isfinite(age) else None,
        "progress": _progress(known),
        "unsuccessful_indexes": [asdict(index) for index in known.unsuccessful],
        "warnings": list(known.warnings),
        "links": {"self": f"/api/links/{settings.name}"},
    }


def _unknown(settings: LinkSettings) -> LinkView:
    """A link that has published nothing yet."""
    return LinkView(
        FORMAT,
        settings.name,
        0.0,
        0.0,
        0,
        settings.dialect,
        "",
        LinkSide("source", settings.source_hosts),
        LinkSide("target", settings.target_hosts),
        "unknown",
    )


def _progress(view: LinkView) -> float | None:
    """The share that is copied, 0 to 1; None before anything is known of it."""
    if view.clone_completed:
        return 1.0
    return min(1.0, view.copied_bytes / view.total_bytes) if view.total_bytes else None
