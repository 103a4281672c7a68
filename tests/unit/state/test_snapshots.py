"""What is published is whole, findable under any name, and noticed when it is replaced."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import pytest

from repman.errors import StateError
from repman.state.codec import encode
from repman.state.publication import age
from repman.state.snapshots import CHECK_EVERY, ProbeReader, Publisher, SnapshotReader

from . import values

NAMES = ["shop", "a/b", "../../etc/passwd", "..", ".", ".hidden", "with space", "späti", "%2F", "x.json", "\n"]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_of_a_cluster_is_a_file_below_the_directory(tmp_path: Path, name: str) -> None:
    publisher = Publisher(tmp_path)
    snapshot, table = values.snapshot(name), values.table(name)
    publisher.publish(snapshot, table)
    snapshots, probes = SnapshotReader(tmp_path), ProbeReader(tmp_path)
    assert snapshots.get(name) == snapshot
    assert probes.get(name) == table
    assert snapshots.clusters() == probes.clusters() == (name,)
    assert len(list((tmp_path / "snapshots").iterdir())) == 1
    publisher.retire(name)
    publisher.retire(name)
    assert snapshots.get(name) is None
    assert probes.get(name, time.monotonic() + 1) is None
    assert snapshots.clusters() == ()


def test_names_do_not_collide(tmp_path: Path) -> None:
    publisher = Publisher(tmp_path)
    for name in NAMES:
        publisher.publish(values.snapshot(name), values.table(name))
    assert SnapshotReader(tmp_path).clusters() == tuple(sorted(NAMES))


def test_directories_and_files_are_not_for_everybody(tmp_path: Path) -> None:
    Publisher(tmp_path / "run").publish(values.snapshot(), values.table())
    for path in [tmp_path / "run", *(tmp_path / "run").rglob("*")]:
        assert path.stat().st_mode & 0o007 == 0 or path.name == "boot"
    assert (tmp_path / "run/snapshots").stat().st_mode & 0o777 == 0o750
    assert (tmp_path / "run/snapshots/shop.json").stat().st_mode & 0o600 == 0o600


def test_readers_without_a_publisher_know_nothing(tmp_path: Path) -> None:
    reader = SnapshotReader(tmp_path / "nowhere")
    assert reader.clusters() == ()
    assert reader.get("shop") is None
    assert ProbeReader(tmp_path / "nowhere").get("shop") is None


def test_an_unchanged_file_is_decoded_once_and_a_new_one_is_seen(tmp_path: Path) -> None:
    publisher, reader = Publisher(tmp_path), SnapshotReader(tmp_path)
    for generation in range(200):
        publisher.publish(values.snapshot(generation=generation), values.table())
        first = reader.get("shop")
        assert first is not None
        assert first.generation == generation
        assert reader.get("shop") is first


def test_a_probe_table_is_used_for_a_while_without_looking(tmp_path: Path) -> None:
    publisher, reader = Publisher(tmp_path), ProbeReader(tmp_path)
    old, new = values.table(), replace(values.table(), masters=())
    publisher.publish(values.snapshot(), old)
    assert reader.get("shop", 100.0) == old
    publisher.publish(values.snapshot(), new)
    assert reader.get("shop", 100.0 + CHECK_EVERY * 0.9) == old
    assert reader.get("shop", 100.0 + CHECK_EVERY * 1.1) == new


def test_age_is_told_by_the_monotonic_clock() -> None:
    table = replace(values.table(), monotonic=100.0)
    assert age(table, 130.0) == 30.0
    assert age(table, 10.0) == float("inf")
    assert 0 <= age(values.table()) < 5


@pytest.mark.parametrize("document", [b"", b"{", b"[1]", encode(replace(values.snapshot(), format=99))])
def test_what_another_release_wrote_counts_as_not_published(tmp_path: Path, document: bytes) -> None:
    Publisher(tmp_path)
    (tmp_path / "snapshots/shop.json").write_bytes(document)
    (tmp_path / "probes/shop.json").write_bytes(document)
    assert SnapshotReader(tmp_path).get("shop") is None
    assert ProbeReader(tmp_path).get("shop") is None


def test_a_new_publisher_keeps_what_this_boot_published(tmp_path: Path) -> None:
    Publisher(tmp_path).publish(values.snapshot(), values.table())
    half_written = tmp_path / "snapshots/.shop.json.99999999"
    half_written.write_text("{")
    of_a_living_process = tmp_path / "snapshots/.shop.json.1"
    of_a_living_process.write_text("{")
    Publisher(tmp_path)
    assert SnapshotReader(tmp_path).get("shop") is not None
    assert not half_written.exists()
    assert of_a_living_process.exists()


def test_a_new_publisher_drops_what_another_boot_published(tmp_path: Path) -> None:
    Publisher(tmp_path).publish(values.snapshot(), values.table())
    (tmp_path / "boot").write_text("another")
    Publisher(tmp_path)
    assert SnapshotReader(tmp_path).get("shop") is None
    assert ProbeReader(tmp_path).get("shop") is None


def test_an_unusable_directory_is_a_state_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match="check that it may be written"):
        Publisher(tmp_path / "file")
    publisher = Publisher(tmp_path / "run")
    os.rename(tmp_path / "run", tmp_path / "gone")
    with pytest.raises(StateError):
        publisher.publish(values.snapshot(), values.table())


def test_readers_never_see_a_part_of_a_document(tmp_path: Path) -> None:
    """Documents of very different lengths, replaced for a second under two readers."""
    publisher = Publisher(tmp_path)
    publisher.publish(values.snapshot(generation=0, events=0), values.table())
    program = textwrap.dedent(f"""
        import sys
        from pathlib import Path
        from repman.state.snapshots import ProbeReader, SnapshotReader
        root = Path({str(tmp_path)!r})
        snapshots, probes = SnapshotReader(root), ProbeReader(root)
        print("ready", flush=True)
        looks = last = 0
        while not (root / "stop").exists():
            snapshot, table = snapshots.get("shop"), probes.get("shop", float(looks))
            assert snapshot is not None and table is not None
            assert len(snapshot.events) == (snapshot.generation % 7) * 200
            assert snapshot.generation >= last, (snapshot.generation, last)
            last = snapshot.generation
            looks += 1
        assert snapshots.get("shop").generation == int((root / "stop").read_text())
        print(looks)
    """)
    command = [sys.executable, "-c", program]
    readers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for reader in readers:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "ready\n"
    versions = [values.snapshot(events=number * 200) for number in range(7)]
    generation, end = 0, time.monotonic() + 1.0
    while time.monotonic() < end:
        generation += 1
        publisher.publish(replace(versions[generation % 7], generation=generation), values.table())
    (tmp_path / "new").write_text(str(generation))
    os.rename(tmp_path / "new", tmp_path / "stop")
    looks = [int(reader.communicate(timeout=20)[0]) for reader in readers]
    assert [reader.returncode for reader in readers] == [0, 0]
    assert generation > 20
    assert all(count > 20 for count in looks)
