"""How a wish ended."""

from __future__ import annotations

from repman.web.shapes.cluster import STEP
from repman.web.shapes.common import BOOLEAN, REASON, STRING, array, each, one_of, record

RECEIPT = record(
    {
        "error": STRING,
        "status": one_of("done", "started", "unchanged", "refused", "failed", "preview"),
        "reasons": array(REASON),
        **each("sentence plan writer", STRING),
    },
    "Receipt",
    optional=("error",),
)
PREVIEW = record(
    {
        **RECEIPT["properties"],
        "possible": BOOLEAN,
        **each("reason oldWriter newWriter", STRING),
        "steps": array({**STEP, "title": "PlannedStep", "required": ["kind", "server"]}),
    },
    "Preview",
    optional=("error", "possible", "reason", "oldWriter", "newWriter", "steps"),
)
UNKNOWN_SERVER = record({"error": STRING, "known": array(STRING)}, "UnknownServer")
