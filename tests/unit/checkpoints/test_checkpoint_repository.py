"""Files are there whole or not at all, and nothing but what was written is believed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bson import ObjectId, Timestamp

from repman.checkpoints.exclusion import Exclusion
from repman.checkpoints.manifest import CheckpointManifest, seal, unseal
from repman.checkpoints.repository import Below, Directory, load, store
from repman.errors import CheckpointRefused, RepositoryError


@pytest.fixture
def kept(tmp_path: Path) -> Directory:
    return Directory(tmp_path / "kept")


def test_what_is_stored_is_loaded(kept: Directory) -> None:
    parts = [os.urandom(100_000), b"x" * 3_000_000, b""]
    file = store(kept, "a/b.zst", parts, lambda part: 1)
    assert b"".join(load(kept, file)) == b"".join(parts)
    assert (file.raw_bytes, file.documents) == (3_100_000, 3)
    assert kept.listed("a/")["a/b.zst"].size == file.size < 3_100_000


def test_what_breaks_off_leaves_nothing(kept: Directory, tmp_path: Path) -> None:
    def breaks() -> Iterator[bytes]:
        yield b"x" * 10_000
        raise ValueError("broken off")

    with pytest.raises(ValueError, match="broken off"):
        store(kept, "a", breaks(), len)
    assert [*(tmp_path / "kept").iterdir()] == []


def test_what_a_dead_writer_left_is_no_file_and_is_swept(kept: Directory, tmp_path: Path) -> None:
    kept.put("a", [b"1"])
    left = tmp_path / "kept" / ".b.0000.part"
    left.write_bytes(b"half")
    assert [*kept.listed("")] == ["a"]
    assert kept.sweep(left.stat().st_mtime) == 0
    assert kept.sweep(left.stat().st_mtime + 1) == 1
    assert not left.exists()


def flip(content: bytes) -> bytes:
    return content[:50] + bytes([content[50] ^ 1]) + content[51:]


@pytest.mark.parametrize(
    "damage", [flip, lambda content: content[:-1], lambda content: content + b"x"], ids=["flipped", "cut", "longer"]
)
def test_damage_is_seen(kept: Directory, tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    file = store(kept, "a", [os.urandom(1000)], len)
    path = tmp_path / "kept" / "a"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(RepositoryError, match=r"^a "):
        b"".join(load(kept, file))
    manifest = CheckpointManifest(ObjectId(), Timestamp(1, 2), ())
    sealed = seal(manifest)
    assert unseal(CheckpointManifest, "m", sealed) == manifest
    with pytest.raises(RepositoryError, match=r"^m "):
        unseal(CheckpointManifest, "m", flip(sealed))


def test_manifests_of_a_newer_release_are_not_guessed_at() -> None:
    sealed = seal(CheckpointManifest(ObjectId(), Timestamp(1, 2), (), format=99))
    with pytest.raises(RepositoryError, match="newer release"):
        unseal(CheckpointManifest, "m", sealed)


def test_names_do_not_lead_out(kept: Directory) -> None:
    for name in ("../x", "a/../../x", "/etc/x"):
        with pytest.raises(RepositoryError, match="no name"):
            kept.put(name, [b""])


def test_a_part_of_a_repository_sees_only_its_own(kept: Directory) -> None:
    one, other = Below(kept, "one"), Below(kept, "one-more")
    one.put("a", [b"1"])
    other.put("b", [b"2"])
    assert [*one.listed("")] == ["a"]
    assert b"".join(one.read("a")) == b"1"
    one.delete("a")
    assert [*kept.listed("")] == ["one-more/b"]


def test_one_at_a_time_over_processes(tmp_path: Path) -> None:
    one, other = Exclusion(tmp_path, "c", "snapshot"), Exclusion(tmp_path, "c", "snapshot")
    with one.held():
        for each in (one, other):
            with pytest.raises(CheckpointRefused, match="Another snapshot"), each.held():
                raise AssertionError("two at once")
    with other.held(wait=True), Exclusion(tmp_path, "c", "checkpoint").held():
        assert (tmp_path / "locks" / "c-snapshot.lock").exists()
