"""Options of the streams between MySQL/MariaDB and PostgreSQL, where `repman serve` runs them with the rest."""

from __future__ import annotations

from functools import partial

from repman.config.option import Kind, Option, Scope

_streams = partial(Option, scope=Scope.SERVER, group="Streams")

STREAMS_OPTIONS: tuple[Option, ...] = (
    _streams(
        name="streams-server",
        kind=Kind.BOOL,
        default=False,
        help="Serve the API of streams between MySQL/MariaDB and PostgreSQL, and run the streams. "
        "`repman streams serve` does so alone.",
    ),
    _streams(
        name="streams-bind-address",
        kind=Kind.TEXT,
        default="127.0.0.1",
        help="Address on which the API of streams listens; `0.0.0.0` for all addresses.",
    ),
    _streams(
        name="streams-port",
        kind=Kind.PORT,
        default=8020,
        help="Port of the API of streams.",
    ),
)
