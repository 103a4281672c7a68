"""Which moments can be restored, by manifests alone."""

from __future__ import annotations

import pytest
from bson import ObjectId, Timestamp

from repman.checkpoints.manifest import CollectionDump, Decision, File, PartDump, Slice, SnapshotManifest, Sum
from repman.checkpoints.model import PartType
from repman.checkpoints.restorable import chain_to, ways, with_damage

T = Timestamp


def file(name: str) -> File:
    return File(name, 10, "0", 20, 1)


def snapshot(
    at: int, parts: tuple[str, ...] = ("a", "b"), since: int | None = None, capped: int = 0
) -> SnapshotManifest:
    dumps = tuple(
        PartDump(
            PartType.REPLICA_SET, f"set_{name}", name, "6.0.5", T(since or at, 0),
            (CollectionDump(Sum("d", "c", 0, 0, "0"), "00", b"", (), (file(f"{at}/{name}"),), T(capped, 0) if capped else None),),
        )
        for name in parts
    )  # fmt: skip
    return SnapshotManifest(ObjectId(), "g", "c", T(at, 0), dumps)


def piece(
    part: str, number: int, first: int, last: int, chain: str = "x", prepared: tuple[tuple[str, int], ...] = (),
    decided: tuple[tuple[str, int | None], ...] = (), first_digest: str = "",
) -> Slice:  # fmt: skip
    return Slice(
        part, chain, number, T(first, 0), T(last, 0), first_digest or str(first), str(last), file(f"{part}{number}"),
        tuple((name, T(at, 0)) for name, at in prepared),
        tuple(Decision(name, None if at is None else T(at, 0)) for name, at in decided),
    )  # fmt: skip


WHOLE = {"a": [piece("a", 0, 5, 20), piece("a", 1, 20, 40)], "b": [piece("b", 0, 10, 40)]}


def test_a_snapshot_and_slices_of_every_part_lead_there() -> None:
    (verdict,) = ways(T(30, 0), ("a", "b"), [snapshot(10)], WHOLE)
    assert verdict.way is not None
    assert [each.number for each in verdict.way.slices["a"]] == [0, 1]
    assert {each.name for each in verdict.way.files} == {"10/a", "10/b", "a0", "a1", "b0"}


def test_its_own_moment_needs_no_slices() -> None:
    (verdict,) = ways(T(10, 0), ("a", "b"), [snapshot(10)], {})
    assert verdict.way is not None
    assert verdict.way.slices == {}


def test_the_newest_snapshot_before_it_is_the_first_way() -> None:
    found = ways(T(30, 0), ("a", "b"), [snapshot(10), snapshot(35), snapshot(25)], WHOLE)
    assert [each.way and each.way.snapshot.at for each in found] == [T(25, 0), T(10, 0)]


@pytest.mark.parametrize(
    ("snapshots", "at"),
    [([], 30), ([snapshot(31)], 30), ([snapshot(10, ("a",))], 30), ([snapshot(10, ("a", "b", "c"))], 30)],
    ids=["none", "later", "of fewer parts", "of more parts"],
)
def test_without_a_snapshot_of_the_same_parts_there_is_none(snapshots: list[SnapshotManifest], at: int) -> None:
    (verdict,) = ways(T(at, 0), ("a", "b"), snapshots, WHOLE)
    assert verdict.way is None
    assert "no complete snapshot" in verdict.reasons[0]


@pytest.mark.parametrize(
    ("slices", "reason"),
    [
        ([], "was not captured from the snapshot on"),
        ([piece("a", 0, 11, 40)], "was not captured from the snapshot on"),
        ([piece("a", 0, 5, 20)], "captured up to"),
        ([piece("a", 0, 5, 20), piece("a", 2, 30, 40)], "gap"),
        ([piece("a", 0, 5, 20), piece("a", 1, 21, 40)], "gap"),
        ([piece("a", 0, 5, 20), piece("a", 1, 20, 40, first_digest="another")], "gap"),
        ([piece("a", 0, 5, 20), piece("a", 1, 20, 40, chain="y")], "captured up to"),
    ],
    ids=["nothing", "late", "short", "number missing", "no overlap", "another entry there", "another chain"],
)
def test_every_kind_of_gap_has_its_reason(slices: list[Slice], reason: str) -> None:
    (verdict,) = ways(T(30, 0), ("a", "b"), [snapshot(10)], {**WHOLE, "a": slices})
    assert verdict.way is None
    (told,) = verdict.reasons
    assert told.startswith("a: ")
    assert reason in told


def test_the_reasons_of_all_parts_are_told() -> None:
    (verdict,) = ways(T(30, 0), ("a", "b"), [snapshot(10)], {})
    assert [each.partition(":")[0] for each in verdict.reasons] == ["a", "b"]


def test_a_chain_that_began_anew_is_used_where_it_is_enough() -> None:
    mended = [piece("a", 0, 5, 20, "x"), piece("a", 0, 24, 40, "y")]
    assert chain_to(mended, T(25, 0), T(30, 0))[0] == (mended[1],)
    assert chain_to(mended, T(10, 0), T(30, 0))[0] == ()


def test_what_transactions_wrote_before_the_snapshot_is_needed() -> None:
    (verdict,) = ways(T(30, 0), ("a", "b"), [snapshot(10, since=4)], WHOLE)
    assert verdict.way is None


def test_a_transaction_that_no_part_saw_end_is_a_reason() -> None:
    open_ = {**WHOLE, "b": [piece("b", 0, 10, 40, prepared=(("t", 25),))]}
    (verdict,) = ways(T(30, 0), ("a", "b"), [snapshot(10)], open_)
    assert verdict.way is None
    assert "the transaction prepared at" in verdict.reasons[0]
    # Prepared after the moment: nothing to do with it.
    assert ways(T(24, 0), ("a", "b"), [snapshot(10)], open_)[0].way is not None
    # The other part's oplog says how it ended, though later.
    told = {**open_, "a": [*WHOLE["a"], piece("a", 2, 40, 60, decided=(("t", 50),))]}
    assert ways(T(30, 0), ("a", "b"), [snapshot(10)], told)[0].way is not None


def test_a_capped_collection_of_later_bounds_the_moments() -> None:
    (early,) = ways(T(11, 0), ("a", "b"), [snapshot(10, capped=12)], WHOLE)
    assert early.way is None
    assert "capped" in early.reasons[0]
    assert ways(T(12, 0), ("a", "b"), [snapshot(10, capped=12)], WHOLE)[0].way is not None


def test_damage_counts_only_on_the_way() -> None:
    (verdict,) = ways(T(15, 0), ("a", "b"), [snapshot(10)], WHOLE)
    assert with_damage(verdict, {"a1": "The file a1 is missing."}).way is not None
    damaged = with_damage(verdict, {"a0": "The file a0 is missing."})
    assert (damaged.way, damaged.reasons) == (None, ("The file a0 is missing.",))
