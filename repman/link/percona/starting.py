"""What a start is asked for: the request's body, over what the server was told, over what the link chooses."""

from __future__ import annotations

import msgspec

from repman.link.options import MIB, LinkOptions
from repman.link.percona.filters import NamespaceFilter
from repman.link.percona.quantities import parse_duration, parse_size, show_size

SMALLEST_SEGMENT = 10 * (48_000_000 - 512)
"""Bytes: ten of the batches in which documents are inserted."""
LARGEST_SEGMENT = 64 * 1024 * MIB
SMALLEST_BATCH = 16 * MIB
"""Bytes: the largest document must fit."""
LARGEST_BATCH = 2**31 - 1
_LARGEST_COUNT = 2**31 - 1

UNUSED = (
    "repl_event_queue_size",
    "repl_worker_queue_size",
    "repl_worker_flush_interval",
    "repl_worker_bulk_queue_size",
)
"""Fields that are checked and then have no effect, as this engine has no such queues."""


class BadOption(ValueError):
    """A start was asked for with a value that cannot be used; the text is for the caller."""


class StartRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """The body of a start; what is None was not said, and zero or an empty text leaves the choice to the link."""

    include_namespaces: list[str] | None = None
    exclude_namespaces: list[str] | None = None
    pause_on_initial_sync: bool | None = None
    clone_num_parallel_collections: int | None = None
    clone_num_read_workers: int | None = None
    clone_num_insert_workers: int | None = None
    clone_segment_size: str | None = None
    clone_read_batch_size: str | None = None
    repl_num_workers: int | None = None
    repl_change_stream_batch_size: int | None = None
    repl_event_queue_size: int | None = None
    repl_worker_queue_size: int | None = None
    repl_bulk_ops_size: int | None = None
    repl_worker_flush_interval: str | None = None
    repl_worker_bulk_queue_size: int | None = None
    use_collection_bulk_write: bool | None = None
    atomic_transactions: bool | None = None
    """Ours: readers of the target never see a part of a transaction."""

    def over(self, other: StartRequest) -> StartRequest:
        """This request, with what it does not say taken from another."""
        fields = self.__struct_fields__
        said = {name: value for name in fields if (value := getattr(self, name)) is not None}
        return msgspec.structs.replace(other, **said)


def options_of(request: StartRequest) -> LinkOptions:
    """What the link is started with; raises BadOption."""
    _require_counts(request)
    if interval := request.repl_worker_flush_interval:
        try:
            parse_duration(interval)
        except ValueError as error:
            raise BadOption(f"invalid replWorkerFlushInterval value: {interval}: {error}") from None
    return LinkOptions(
        selection=NamespaceFilter(tuple(request.include_namespaces or ()), tuple(request.exclude_namespaces or ())),
        pause_on_initial_sync=bool(request.pause_on_initial_sync),
        atomic_transactions=bool(request.atomic_transactions),
        parallel_collections=request.clone_num_parallel_collections or 0,
        read_workers=request.clone_num_read_workers or 0,
        insert_workers=request.clone_num_insert_workers or 0,
        segment_bytes=_size(
            "clone segment size", "cloneSegmentSize", request.clone_segment_size, SMALLEST_SEGMENT, LARGEST_SEGMENT
        ),
        read_batch_bytes=_size(
            "clone read batch size", "cloneReadBatchSize", request.clone_read_batch_size, SMALLEST_BATCH, LARGEST_BATCH
        ),
        apply_workers=request.repl_num_workers or 0,
        stream_batch=request.repl_change_stream_batch_size or 0,
        bulk_operations=request.repl_bulk_ops_size or 0,
    )


def unused(request: StartRequest) -> list[str]:
    """Names, as in the body, of what was said and has no effect."""
    names = dict(zip(request.__struct_fields__, request.__struct_encode_fields__, strict=True))
    return [names[name] for name in UNUSED if getattr(request, name)]


def _require_counts(request: StartRequest) -> None:
    for name, key in zip(request.__struct_fields__, request.__struct_encode_fields__, strict=True):
        value = getattr(request, name)
        if isinstance(value, int) and not 0 <= value <= _LARGEST_COUNT:
            raise BadOption(f"invalid {key} value: {value}: give a number from 0 (automatic) to {_LARGEST_COUNT}")


def _size(what: str, key: str, text: str | None, least: int, most: int) -> int:
    """Bytes; zero when the link chooses."""
    if not text:
        return 0
    try:
        size = parse_size(text)
    except ValueError as error:
        raise BadOption(f"invalid {what}: invalid {key} value: {text}: {error}") from None
    if size and size < least:
        raise BadOption(f"invalid {what}: {key} must be at least {show_size(least)}, got {show_size(size)}")
    if size > most:
        raise BadOption(f"invalid {what}: {key} must be at most {show_size(most)}, got {show_size(size)}")
    return size
