"""Which moments can be restored with what is kept now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bson import Timestamp

from repman.checkpoints.holdings import Holdings
from repman.checkpoints.model import Checkpoint
from repman.checkpoints.restorable import Verdict, ways, with_damage


class Judge:
    """Judges by manifests and by the files themselves.  Methods raise RepositoryError."""

    def __init__(self, holdings: Holdings) -> None:
        self._holdings = holdings

    def moment(self, at: Timestamp, parts: Sequence[str], thorough: bool = False) -> Verdict:
        """The shortest way to a moment of which every file is sound; or why there is none.

        With `thorough` every file of it is read now, also when it looks unchanged since it was read last.
        """
        slices = {part: self._holdings.slices(part) for part in parts}
        found = ways(at, parts, self._holdings.snapshots(), slices)
        looked = []
        for each in found:
            damage = self._holdings.damage(each.way.files, thorough) if each.way else {}
            looked.append(with_damage(each, damage))
            if looked[-1].way is not None:
                return looked[-1]
        return looked[0]

    def checkpoint(self, checkpoint: Checkpoint, thorough: bool = False) -> Checkpoint:
        """The same with what it is worth now."""
        if checkpoint.at is None or checkpoint.flaws:
            return replace(checkpoint, restorable=False, reasons=checkpoint.flaws)
        names = [part.shard or part.set_name for part in checkpoint.parts]
        verdict = self.moment(checkpoint.at, names, thorough)
        return replace(checkpoint, restorable=verdict.way is not None, reasons=verdict.reasons)

    def undecided(self, at: Timestamp, parts: Sequence[str]) -> bool:
        """Whether it is not known yet how a transaction ended that was prepared until then."""
        slices = {part: self._holdings.slices(part) for part in parts}
        decided = {each.transaction for part in slices.values() for piece in part for each in piece.decided}
        return any(
            prepared <= at and transaction not in decided
            for part in parts
            for piece in self._holdings.newest_chain(part)
            for transaction, prepared in piece.prepared
        )
