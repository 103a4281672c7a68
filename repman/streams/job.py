"""The seam of this room: what a stream is told, what it tells, and what moves its data.

Three parts meet here.  The API and the life cycle make `StreamSettings` out of a stored configuration and look after
one process per running stream.  That process makes a `Mover` (`repman.streams.movers` chooses it: `convert.Convert`
or `cdc.Cdc`), calls `run` in one thread and `progress` in another, and publishes what it is told.

What a mover has to keep:

- Making one costs nothing: no connection is opened before `check` or `run`.
- A mover made anew with the same `StreamSettings.stream` goes on where the last one of that stream stopped, however it
  stopped (pause, ``kill -9``).  Pausing is nothing else: `run` is told to stop, the process ends, and resuming starts
  another one.  What it needs for that is in the target (chunks, checkpoint), or in `StreamSettings.directory`.
- `progress` counts since the start of the stream, not of the process: a mover keeps its counts beside its position,
  and knows them again before `run` moves the first row.
- Nothing that a mover raises, logs or reports holds a password or a row's values of more than a key.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol


class Family(StrEnum):
    """Which protocol and which SQL a database speaks; MySQL or MariaDB is asked of the server itself."""

    MYSQL = "mysql"
    POSTGRESQL = "postgresql"


class TlsMode(StrEnum):
    """How a connection is encrypted, in the words of the API."""

    DISABLED = "disabled"
    REQUIRE = "require"
    VERIFY_CA = "verify-ca"
    VERIFY_FULL = "verify-full"


@dataclass(frozen=True, slots=True)
class Tls:
    """TLS of one connection; certificates and keys are PEM texts."""

    mode: TlsMode = TlsMode.DISABLED
    authority: str = ""
    certificate: str = ""
    key: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One database to connect to."""

    family: Family
    host: str
    port: int
    user: str
    password: str = field(default="", repr=False)
    database: str = ""
    schema: str = ""
    """PostgreSQL: the schema of tables that are named without one (``public`` when empty).  MySQL: always empty."""
    tls: Tls = Tls()


class Mode(StrEnum):
    """What a stream does."""

    CONVERT = "convert"
    """Copy what is there, once."""
    CDC = "cdc"
    """Follow the changes."""


class Operation(StrEnum):
    """A kind of row change."""

    INSERT = "insert"
    UPDATE = "update"
    DELETE = "delete"


ALL_OPERATIONS = frozenset(Operation)


@dataclass(frozen=True, slots=True)
class TableChoice:
    """One table of a stream, and what of it."""

    name: str
    """``table`` or ``schema.table``, as the client gave it; case-sensitive."""
    target: str = ""
    """Its name in the target; empty: the same."""
    columns: tuple[str, ...] = ()
    """The columns to move; empty: all."""
    where: str = ""
    """A condition in the source's SQL; empty: all rows.  `convert` only."""
    query: str = ""
    """One SELECT that is read in place of the table.  `convert` only."""
    operations: frozenset[Operation] = ALL_OPERATIONS
    """`cdc` only."""
    indexes: bool = True
    """Whether its secondary indexes are made in the target."""


class Creation(StrEnum):
    """What happens to one kind of structure in the target, in the words of the API."""

    DISABLED = "disabled"
    IF_MISSING = "create_if_not_exists"
    MUST_BE_NEW = "fail_if_exists"
    ANEW = "drop_and_recreate"


@dataclass(frozen=True, slots=True)
class StructurePolicy:
    """What is made in the target."""

    tables: Creation = Creation.IF_MISSING
    indexes: Creation = Creation.IF_MISSING
    foreign_keys: Creation = Creation.IF_MISSING
    checks: Creation = Creation.IF_MISSING


class WriteMode(StrEnum):
    """How rows meet the rows that the target has already; `convert` only, as `cdc` always applies by key."""

    APPEND = "append"
    UPSERT = "upsert"
    TRUNCATE = "truncate_and_load"
    MUST_BE_EMPTY = "fail_if_not_empty"


class OnError(StrEnum):
    """What happens to a row that the target does not take."""

    STOP = "stop"
    SKIP = "skip"
    """It goes to the dead-letter table with its reason, is counted as failed, and the stream goes on."""


class Snapshot(StrEnum):
    """Whether `cdc` copies what is there before it follows."""

    NEVER = "never"
    INITIAL = "initial"


@dataclass(frozen=True, slots=True)
class Limits:
    """Where a stream ends by itself; 0: nowhere."""

    events: int = 0
    """Rows (`convert`) or row changes (`cdc`) applied to the target; exactly that many, counted over the stream."""
    seconds: int = 0
    """Seconds of running; pauses do not count.  `StreamSettings.spent` of them are over already."""


@dataclass(frozen=True, slots=True)
class TypeOverride:
    """A column type of the user's choice; an empty matcher matches everything."""

    to: str
    """The type in the target's SQL."""
    table: str = ""
    column: str = ""
    type: str = ""
    """The type in the source, as the source shows it."""


@dataclass(frozen=True, slots=True)
class Options:
    """What else can be chosen for a stream.  Each has a default with which a stream works."""

    bundle_rows: int = 500
    """Rows of one bundle (10 to 1000)."""
    structure: StructurePolicy = StructurePolicy()
    skip_data: bool = False
    """Structure only."""
    write_mode: WriteMode = WriteMode.APPEND
    on_error: OnError = OnError.STOP
    most_errors: int = 0
    """With `OnError.SKIP`: as many rows may fail, the next one ends the stream; 0: any number."""
    snapshot: Snapshot = Snapshot.NEVER
    resume_from: str = "now"
    """Where a new stream of `cdc` begins: ``now``, ``checkpoint`` (of the configuration's last stream), or a position
    (GTID set, ``file:offset``, LSN)."""
    zero_dates: str = "null"
    """``null``, ``epoch`` or ``fail``."""
    type_overrides: tuple[TypeOverride, ...] = ()
    verify: bool = False
    """Compare source and target at the end."""
    parallel: int = 0
    """Workers that copy or apply at once; 0: the mover's own choice."""
    slot: str = ""
    """Replication slot of PostgreSQL; empty: a name made of the configuration."""
    publication: str = ""
    writers: tuple[Endpoint, ...] = ()
    """Other members of the source's cluster, of which one may become its writer."""


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """All that a mover is told."""

    stream: str
    """The stream's id (``stream_...``): one run, over all its pauses and restarts."""
    config: str
    """The id of its configuration (``config_...``)."""
    mode: Mode
    source: Endpoint
    target: Endpoint
    tables: tuple[TableChoice, ...]
    directory: Path
    """The stream's own directory, of this machine; it outlives the process."""
    limits: Limits = Limits()
    options: Options = Options()
    spent: float = 0.0
    """Seconds that earlier processes of this stream have run."""


class TableState(StrEnum):
    """How far one table is."""

    WAITING = "waiting"
    COPYING = "copying"
    INDEXING = "indexing"
    FOLLOWING = "following"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class TableProgress:
    """How far one table is; counts since the start of the stream."""

    name: str
    state: TableState = TableState.WAITING
    rows: int = 0
    """Rows or row changes that the target has committed."""
    bytes: int = 0
    """Of their values."""
    failed: int = 0
    estimated_rows: int = 0
    """What the source estimates there are; 0: unknown."""
    estimated_bytes: int = 0


class Phase(StrEnum):
    """What a mover does at present."""

    STARTING = "starting"
    STRUCTURE = "structure"
    DATA = "data"
    """Copying or following: the stream is RUNNING."""
    FINISHING = "finishing"
    """Indexes, foreign keys, verification."""
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Count:
    """What one end has handled since the start of the stream."""

    rows: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """All that a mover tells; counts since the start of the stream."""

    phase: Phase = Phase.STARTING
    tables: tuple[TableProgress, ...] = ()
    source: Count = Count()
    """Read."""
    target: Count = Count()
    """Committed in the target."""
    failed: int = 0
    """Rows that the target did not take."""
    lag: float | None = None
    """Seconds between a change's commit in the source and in the target; None: not known, or not followed."""
    retained_bytes: int | None = None
    """Log that the source keeps for this stream; None: not known."""
    position: str = ""
    """Of the source, up to which the target has everything."""
    reason: str = ""
    """Why it is done: ``EVENT_LIMIT_REACHED``, ``TIME_LIMIT_REACHED``, or empty when nothing is left."""
    warnings: tuple[str, ...] = ()
    """What the user should know: lossy types, an index that could not be made.  Oldest first."""
    errors: tuple[str, ...] = ()
    """The newest reasons why rows failed, and attempts that are repeated; at most some dozens."""


class Mover(Protocol):
    """What moves a stream's data.  `run` is called once; the others at any time, from another thread."""

    def check(self) -> tuple[str, ...]:
        """What stands against it, in sentences that say what to do; empty: it can be started.

        Asks source and target, and changes nothing: tables that are not there, missing grants, settings of the
        source that cdc cannot work with.  Answers within 20 seconds.  Raises StreamUnreachable when a database
        cannot be asked.
        """

    def run(self, stop: threading.Event) -> None:
        """Move everything, going on where the stream was; returns when it is done, or soon after `stop` is set.

        What was begun is committed with its position, or rolled back, before it returns.  It passes over short
        troubles (a database restarts, a deadlock) by itself.  Raises StreamFailed when it cannot go on, and its
        subclass StreamUnreachable when it may if it is run again later.
        """

    def progress(self) -> Progress:
        """How far it is; at once, without asking a database."""

    def release(self) -> None:
        """Give back what the stream holds in source and target: slot, publication, its chunks and its checkpoint.

        Called once the stream was stopped or is done, in a process of its own, never while it runs; what is gone
        already is no error.  Dead letters stay: somebody has still to look at them.  Raises StreamFailed.
        """
