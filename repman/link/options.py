"""What a replication was started with; kept on the target with the rest of what a link knows."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from repman.link.namespaces import Everything, Remap, Selection

MIB = 1 << 20


class BuildIndexes(Enum):
    """When the indexes of a collection are built on the target."""

    AFTER_DATA_COPY = "afterDataCopy"
    BEFORE_DATA_COPY = "beforeDataCopy"
    NEVER = "never"
    """Only what replication itself needs: ``_id``."""


class WriteBlocking(Enum):
    """Where clients' writes are blocked: on the source from the cut-over, on the target until then."""

    NONE = "none"
    TARGET = "destinationOnly"
    BOTH = "sourceAndDestination"


class TargetData(Enum):
    """What to do where the target holds data already."""

    REPLACE = "replace"
    """Collections of the same name are dropped and copied anew."""
    REFUSE = "requireEmptyDestination"
    """A start is refused when a selected namespace exists on the target."""


@dataclass(frozen=True, slots=True)
class LinkOptions:
    """How a link works; zero means that the link chooses."""

    selection: Selection = field(default_factory=Everything)
    remap: Remap = field(default_factory=Remap)
    target_data: TargetData = TargetData.REPLACE
    pause_on_initial_sync: bool = False
    build_indexes: BuildIndexes = BuildIndexes.AFTER_DATA_COPY
    write_blocking: WriteBlocking = WriteBlocking.NONE
    reversible: bool = False
    verify: bool = False
    """Compare source and target before the end, and refuse to end where they differ."""
    atomic_transactions: bool = False
    """Readers of the target never see a part of a transaction of the source."""
    refuse_renames_out: bool = False
    """A rename out of the selection fails the link; otherwise the collection is dropped on the target."""
    natural_order: frozenset[tuple[str, str]] = frozenset()
    """Collections (database, name) that are read in the order of the disk; they are copied anew after a restart."""
    parallel_collections: int = 0
    """Collections that are cloned at once."""
    read_workers: int = 0
    """Segments that are read at once, over all collections."""
    insert_workers: int = 0
    segment_bytes: int = 0
    read_batch_bytes: int = 0
    apply_workers: int = 0
    stream_batch: int = 0
    """Events that the source sends at most at once."""
    bulk_operations: int = 0
    """Operations that go to the target at most in one command."""
