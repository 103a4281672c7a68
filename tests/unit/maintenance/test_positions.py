"""What dumps and streams say of their position, and whether replication can go on from it."""

from __future__ import annotations

import struct
import zlib

import pytest

from repman.errors import JobFailed
from repman.maintenance.dump import DumpInspector, completed
from repman.maintenance.mydumper import position_of
from repman.maintenance.reach import begins, beyond, foreign, missing
from repman.maintenance.xbstream import XbstreamInspector, gtid_of

DUMP = b"""-- MariaDB dump
-- CHANGE MASTER TO MASTER_LOG_FILE='binlog.000007', MASTER_LOG_POS=1036;
INSERT INTO `t` VALUES ('-- SET GLOBAL gtid_slave_pos=\\'9-9-9\\';');
"""
END = b"-- SET GLOBAL gtid_slave_pos='0-1-4,2-7-30';\n-- Dump completed on 2026-01-01  1:00:00\n"


def inspected(*parts: bytes) -> DumpInspector:
    inspector = DumpInspector()
    for part in parts:
        inspector.feed(part)
    inspector.finish()
    return inspector


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_a_dump_states_its_position(size):
    whole = DUMP + b"x" * 200_000 + b"\n" + END if size > 1 else DUMP + END
    found = inspected(*(whole[at : at + size] for at in range(0, len(whole), size)))
    assert found.gtid == "0-1-4,2-7-30"
    assert found.binlog == ("binlog.000007", 1036)


@pytest.mark.parametrize("text", [b"", DUMP, DUMP + END[:-60], END + b"x" * 1000])
def test_a_dump_that_is_cut_off_is_none(text):
    with pytest.raises(JobFailed, match="cut off"):
        inspected(text)


@pytest.mark.parametrize(
    ("stated", "before", "wanted"),
    [
        ("0-1-4", "0-1-3", "0-1-4"),
        ("", "0-1-3", "0-1-3"),
        ("1-1-9", "0-2-3, 1-1-5", "0-2-3,1-1-9"),
        ("", "", ""),
    ],
)
def test_domains_that_the_binary_log_does_not_know_yet_are_completed(stated, before, wanted):
    assert completed(stated, before) == wanted


def test_mydumper_states_the_sources_own_position_and_not_its_sources():
    text = (
        "Started dump at: 2026-01-01 01:00:00\nSHOW MASTER STATUS:\n\tLog: binlog.000002\n\tPos: 385\n\tGTID:0-1-12\n\n"
        "SHOW SLAVE STATUS:\n\tHost: db1\n\tLog: binlog.000009\n\tPos: 77\n\tGTID:0-1-10\n\n"
    )
    assert position_of(text + "Finished dump at: 2026-01-01 01:00:09\n") == ("binlog.000002", 385, "0-1-12")
    with pytest.raises(JobFailed, match="cut off"):
        position_of(text)


def chunk(kind: bytes, path: str, data: bytes = b"", offset: int = 0, crc: int | None = None) -> bytes:
    name = path.encode()
    head = struct.pack("<8sBcI", b"XBSTCK01", 0, kind, len(name)) + name
    if kind == b"E":
        return head
    return head + struct.pack("<QQI", len(data), offset, zlib.crc32(data) if crc is None else crc) + data


STREAM = (
    chunk(b"P", "./ibdata1", b"a" * 1000)
    + chunk(b"P", "./ibdata1", b"b" * 10, 1000)
    + chunk(b"E", "./ibdata1")
    + chunk(b"P", "empty.MYD")
    + chunk(b"E", "empty.MYD")
    + chunk(b"P", "xtrabackup_binlog_info", b"binlog.000003\t385\t0-1-7,1-2-3\n")
    + chunk(b"E", "xtrabackup_binlog_info")
    + chunk(b"P", "xtrabackup_info", b"x")
    + chunk(b"E", "xtrabackup_info")
)


@pytest.mark.parametrize("size", [1, 13, 64, 1 << 20])
def test_a_stream_is_followed_however_it_is_cut(size):
    inspector = XbstreamInspector()
    for at in range(0, len(STREAM), size):
        inspector.feed(STREAM[at : at + size])
    inspector.finish()
    assert inspector.files == 4
    assert inspector.position == ("binlog.000003", 385, "0-1-7,1-2-3")


@pytest.mark.parametrize("length", [0, 5, 30, 600, 1100, len(STREAM) - 3, len(STREAM) - 40])
def test_a_stream_that_is_cut_off_is_none(length):
    inspector = XbstreamInspector()
    inspector.feed(STREAM[:length])
    with pytest.raises(JobFailed, match=r"cut off|does not hold"):
        inspector.finish()


def test_a_damaged_stream_is_none():
    with pytest.raises(JobFailed, match="checksum"):
        XbstreamInspector().feed(chunk(b"P", "a", b"1234", crc=7))
    with pytest.raises(JobFailed, match="does not begin"):
        XbstreamInspector().feed(b"XBSTCK02" + STREAM[8:])
    with pytest.raises(JobFailed, match="does not begin"):
        XbstreamInspector().feed(struct.pack("<8sBcI", b"XBSTCK01", 0, b"P", 1 << 30))


def test_positions_are_read_strictly():
    assert gtid_of(" 1-2-3, 0-1-9\n") == "0-1-9,1-2-3"
    assert gtid_of("nothing") == gtid_of("") == ""


def test_positions_on_one_history_are_compared_by_domain():
    assert beyond("0-1-7", "0-2-9") == ""
    assert beyond("0-1-7,1-1-5", "0-2-6,1-1-5") == "0-1-7"
    assert beyond("0-1-7", "") == "0-1-7"
    assert beyond("", "") == ""


def test_what_the_binary_logs_no_longer_hold():
    kept = begins("0-1-100", ["Server ver", "BEGIN GTID 0-1-101", "BEGIN GTID 3-1-8"])
    assert kept == {0: 100, 3: 7}
    assert missing("0-1-100,3-1-7", kept) == ""
    assert missing("0-1-120,3-1-9", kept) == ""
    assert missing("0-1-90,3-1-7", kept) == "domain 0: 91 to 100"
    assert missing("0-1-100", kept) == "domain 3: 1 to 7"
    assert missing("", begins("", ["BEGIN GTID 0-1-1"])) == ""


@pytest.mark.parametrize(
    ("position", "last", "state", "kept", "wanted"),
    [
        ("0-1-90", "0-2-120", "0-1-100,0-2-120", {0: 0}, ""),
        ("0-1-120", "0-2-110", "0-1-100,0-2-110", {0: 0}, "0-1-120"),
        ("0-1-105", "0-2-120", "0-1-100,0-2-120", {0: 0}, "0-1-105"),
        ("0-1-50", "0-2-120", "0-2-120", {0: 50}, ""),
        ("0-1-60", "0-2-120", "0-2-120", {0: 50}, "0-1-60"),
        ("0-1-90,5-9-3", "0-1-100", "0-1-100", {0: 0}, "5-9-3"),
        ("0-1-90", "0-1-100", "", {}, ""),
    ],
    ids=["older", "ahead", "lost in a failover", "where the logs begin", "after that", "unknown domain", "no logs"],
)
def test_a_position_that_the_writer_never_had_is_of_another_history(position, last, state, kept, wanted):
    assert foreign(position, last, state, kept) == wanted
