"""Whether a moment can be restored, from what, and if not, why not.  Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bson import Timestamp

from repman.checkpoints.holdings import files_of
from repman.checkpoints.manifest import File, Slice, SnapshotManifest


@dataclass(frozen=True, slots=True)
class Way:
    """A snapshot, and for each part the slices that lead from it to the moment."""

    snapshot: SnapshotManifest
    slices: Mapping[str, tuple[Slice, ...]]

    @property
    def files(self) -> list[File]:
        """Everything that is read on the way."""
        return [*files_of(self.snapshot), *(each.file for part in self.slices.values() for each in part)]


@dataclass(frozen=True, slots=True)
class Verdict:
    """A way to the moment; or the reasons why there is none, each a sentence."""

    way: Way | None
    reasons: tuple[str, ...] = field(default=())


def ways(
    at: Timestamp, parts: Sequence[str], snapshots: Sequence[SnapshotManifest], slices: Mapping[str, Sequence[Slice]]
) -> list[Verdict]:
    """The ways to a moment by their manifests, the shortest first; whether their files are sound is not looked at.

    One verdict without a way when there is no snapshot to begin with.
    """
    wanted = set(parts)
    begun = []
    for snapshot in sorted(snapshots, key=lambda each: each.at, reverse=True):
        held = {each.shard or each.set_name for each in snapshot.parts}
        if snapshot.at <= at and held == wanted:
            begun.append(snapshot)
    if not begun:
        return [Verdict(None, ("There is no complete snapshot of the same parts from before it: take one.",))]
    return [_from(snapshot, at, slices) for snapshot in begun]


def with_damage(verdict: Verdict, damage: Mapping[str, str]) -> Verdict:
    """The same, now that its files were looked at."""
    if verdict.way is None:
        return verdict
    reasons = tuple(damage[file.name] for file in verdict.way.files if file.name in damage)
    return Verdict(None, reasons) if reasons else verdict


def _from(snapshot: SnapshotManifest, at: Timestamp, slices: Mapping[str, Sequence[Slice]]) -> Verdict:
    if snapshot.floor > at:
        capped = "a capped collection of it is from later, as servers before 8.0 cannot read those in the past"
        return Verdict(None, (f"Snapshot {snapshot.id} cannot be brought to a moment so early: {capped}.",))
    if snapshot.at == at:
        return Verdict(Way(snapshot, {}))
    found: dict[str, tuple[Slice, ...]] = {}
    reasons: list[str] = []
    for part in snapshot.parts:
        name = part.shard or part.set_name
        chain, reason = chain_to(slices.get(name, ()), part.since, at)
        if reason:
            reasons.append(f"{name}: {reason}")
        found[name] = chain
    reasons += undecided(at, found, slices)
    return Verdict(None, tuple(reasons)) if reasons else Verdict(Way(snapshot, found))


def chain_to(slices: Sequence[Slice], since: Timestamp, at: Timestamp) -> tuple[tuple[Slice, ...], str]:
    """The slices that hold every entry from one moment to another; or why there are none such."""
    best = "its oplog was not captured from the snapshot on."
    for chain in sorted({each.chain for each in slices}, reverse=True):
        mine = sorted((each for each in slices if each.chain == chain), key=lambda each: each.number)
        begins = max((index for index, each in enumerate(mine) if each.first <= since <= each.last), default=None)
        if begins is None:
            continue
        taken = [mine[begins]]
        for following in mine[begins + 1 :]:
            if taken[-1].last >= at:
                break
            before = taken[-1]
            overlaps = following.first == before.last and following.first_digest == before.last_digest
            if following.number != before.number + 1 or not overlaps:
                best = (
                    f"its oplog has a gap after {_told(before.last)}: slice {before.number + 1} is missing or damaged."
                )
                break
            taken.append(following)
        else:
            best = f"its oplog is captured up to {_told(taken[-1].last)} only."
        if taken[-1].last >= at:
            return tuple(taken), ""
    return (), best


def undecided(at: Timestamp, chosen: Mapping[str, Sequence[Slice]], slices: Mapping[str, Sequence[Slice]]) -> list[str]:
    """Transactions prepared until that moment of which no part's oplog says how they ended."""
    known = {each.transaction for part in slices.values() for piece in part for each in piece.decided}
    found = []
    for name, pieces in chosen.items():
        for piece in pieces:
            for transaction, prepared in piece.prepared:
                if prepared <= at and transaction not in known:
                    when = _told(prepared)
                    found.append(
                        f"{name}: how the transaction prepared at {when} ended is not known; it shows when the oplog is "
                        f"captured further."
                    )
    return found


def _told(moment: Timestamp) -> str:
    return f"{moment.as_datetime():%Y-%m-%dT%H:%M:%SZ} ({moment.inc})"
