"""Settings of the streams between MySQL/MariaDB and PostgreSQL."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StreamsSettings:
    """Whether the service runs with the rest, and where it listens."""

    server: bool = False
    bind: str = "127.0.0.1"
    port: int = 8020
