from __future__ import annotations

import msgspec
import pytest

from repman.link.options import LinkOptions
from repman.link.percona.filters import NamespaceFilter
from repman.link.percona.quantities import parse_duration, parse_size, show_size
from repman.link.percona.starting import BadOption, StartRequest, options_of, unused


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("42", 42),
        ("500MB", 500_000_000),
        ("500 mb", 500_000_000),
        ("1GiB", 1 << 30),
        ("1.5gib", 3 << 29),
        ("2G", 2_000_000_000),
        ("1,024KiB", 1 << 20),
        ("3b", 3),
        ("1.5EiB", 3 << 59),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", 'strconv.ParseFloat: parsing "": invalid syntax'),
        ("abc", 'strconv.ParseFloat: parsing "": invalid syntax'),
        ("-5MB", 'strconv.ParseFloat: parsing "": invalid syntax'),
        ("1.2.3MB", 'strconv.ParseFloat: parsing "1.2.3": invalid syntax'),
        ("5XB", "unhandled size name: xb"),
        ("16EiB", "too large: 16EiB"),
    ],
)
def test_what_is_no_size(text: str, told: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_size(text)
    assert str(caught.value) == told


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        (0, "0 B"),
        (9, "9 B"),
        (10, "10 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (479_994_880, "458 MiB"),
        (100_000_000, "95 MiB"),
        (64 << 30, "64 GiB"),
        (2**31 - 1, "2.0 GiB"),
        (2**64 - 1, "16 EiB"),
    ],
)
def test_sizes_are_shown(size: int, shown: str) -> None:
    assert show_size(size) == shown


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("1s", 1), ("500ms", 0.5), ("1h2m3.5s", 3723.5), ("-1.5s", -1.5), ("+2m", 120), (".5s", 0.5), ("10us", 1e-5)],
)  # fmt: skip
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", 'time: invalid duration ""'),
        ("abc", 'time: invalid duration "abc"'),
        ("-", 'time: invalid duration "-"'),
        ("5", 'time: missing unit in duration "5"'),
        ("1s5", 'time: missing unit in duration "1s5"'),
        ("5x", 'time: unknown unit "x" in duration "5x"'),
        ("1s.", 'time: invalid duration "1s."'),
    ],
)
def test_what_is_no_duration(text: str, told: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_duration(text)
    assert str(caught.value) == told


def test_every_option_reaches_the_link() -> None:
    body = b"""{"includeNamespaces": ["a.*"], "excludeNamespaces": ["a.b"], "pauseOnInitialSync": true,
        "cloneNumParallelCollections": 3, "cloneNumReadWorkers": 4, "cloneNumInsertWorkers": 5,
        "cloneSegmentSize": "1GiB", "cloneReadBatchSize": "32MiB", "replNumWorkers": 6,
        "replChangeStreamBatchSize": 7, "replBulkOpsSize": 8, "replEventQueueSize": 9, "replWorkerQueueSize": 10,
        "replWorkerFlushInterval": "500ms", "replWorkerBulkQueueSize": 11, "useCollectionBulkWrite": true,
        "somethingElse": {}}"""
    request = msgspec.json.decode(body, type=StartRequest)
    assert options_of(request) == LinkOptions(
        selection=NamespaceFilter(("a.*",), ("a.b",)),
        pause_on_initial_sync=True,
        parallel_collections=3,
        read_workers=4,
        insert_workers=5,
        segment_bytes=1 << 30,
        read_batch_bytes=32 << 20,
        apply_workers=6,
        stream_batch=7,
        bulk_operations=8,
    )
    assert unused(request) == [
        "replEventQueueSize",
        "replWorkerQueueSize",
        "replWorkerFlushInterval",
        "replWorkerBulkQueueSize",
    ]


def test_a_body_that_says_nothing_leaves_everything_to_the_link() -> None:
    assert options_of(StartRequest()) == LinkOptions(selection=NamespaceFilter())
    assert unused(StartRequest()) == []


@pytest.mark.parametrize("text", ["", "0", "0MB"])
def test_no_size_is_a_size_the_link_chooses(text: str) -> None:
    assert options_of(StartRequest(clone_segment_size=text, clone_read_batch_size=text)) == options_of(StartRequest())


def test_a_request_is_more_than_the_servers_flags() -> None:
    server = StartRequest(clone_num_read_workers=4, repl_num_workers=2, pause_on_initial_sync=True)
    asked = StartRequest(clone_num_read_workers=0, clone_segment_size="1GiB", pause_on_initial_sync=False)
    assert asked.over(server) == StartRequest(
        clone_num_read_workers=0, clone_segment_size="1GiB", repl_num_workers=2, pause_on_initial_sync=False
    )


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (
            {"clone_segment_size": "100MB"},
            "invalid clone segment size: cloneSegmentSize must be at least 458 MiB, got 95 MiB",
        ),
        (
            {"clone_segment_size": "65GiB"},
            "invalid clone segment size: cloneSegmentSize must be at most 64 GiB, got 65 GiB",
        ),
        (
            {"clone_segment_size": "abc"},
            'invalid clone segment size: invalid cloneSegmentSize value: abc: strconv.ParseFloat: parsing "": invalid syntax',
        ),
        (
            {"clone_read_batch_size": "1MiB"},
            "invalid clone read batch size: cloneReadBatchSize must be at least 16 MiB, got 1.0 MiB",
        ),
        (
            {"clone_read_batch_size": "2GiB"},
            "invalid clone read batch size: cloneReadBatchSize must be at most 2.0 GiB, got 2.0 GiB",
        ),
        (
            {"clone_read_batch_size": "9 apples"},
            "invalid clone read batch size: invalid cloneReadBatchSize value: 9 apples: unhandled size name: apples",
        ),
        (
            {"repl_worker_flush_interval": "soon"},
            'invalid replWorkerFlushInterval value: soon: time: invalid duration "soon"',
        ),
        (
            {"clone_num_read_workers": -1},
            "invalid cloneNumReadWorkers value: -1: give a number from 0 (automatic) to 2147483647",
        ),
    ],
)
def test_values_that_cannot_be_used(asked: dict[str, object], told: str) -> None:
    with pytest.raises(BadOption) as caught:
        options_of(StartRequest(**asked))  # type: ignore[arg-type]
    assert str(caught.value) == told


@pytest.mark.parametrize("text", ["479994880", "458MiB", "64GiB"])
def test_the_limits_themselves_can_be_used(text: str) -> None:
    assert options_of(StartRequest(clone_segment_size=text)).segment_bytes == parse_size(text)
