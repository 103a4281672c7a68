"""Where on the target a link keeps what it knows."""

from __future__ import annotations

from dataclasses import dataclass

COLLECTIONS = ("checkpoints", "heartbeats", "collections", "segments", "opposite")
"""One document a link says where it is, one who works on it; then the catalogue, how far each part of the clone is, and
the catalogue of the way back."""


@dataclass(frozen=True, slots=True)
class Place:
    """A database of the target, and the link's name in it."""

    database: str
    id: str
