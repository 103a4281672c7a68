"""What this API, and the program that speaks it, calls things."""

from __future__ import annotations

from repman.link.link import Place

CLUSTERS = ("cluster0", "cluster1")
PORT = 27182
BASE = "/api/v1"
"""What every path begins with."""
DEFAULT_ID = "coordinator"
"""What a process is called that was given no id."""
PLACE = Place("mongosync_reserved_for_internal_use", "repman")
"""Where a link keeps what it knows, on its destination."""
