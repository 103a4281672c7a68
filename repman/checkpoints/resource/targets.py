"""Where the parts of a restore go.  Pure."""

from __future__ import annotations

from collections.abc import Sequence

from repman.checkpoints.model import CheckpointPart, SnapshotPart
from repman.errors import CheckpointRefused
from repman.model.checkpoint import ManagedCluster


def names_of(parts: Sequence[CheckpointPart | SnapshotPart]) -> tuple[str, ...]:
    """The names by which parts are given targets: the shard's, or the set's where it is no shard."""
    return tuple(part.shard or part.set_name for part in parts)


def targets_of(target: ManagedCluster, names: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """The URI in that cluster for each part of another; raises CheckpointRefused where the configuration tells none.

    A single part goes to the cluster's own address, unless the configuration names one for it.
    """
    if not names:
        # Without targets a restore is a download, which nobody has asked for.
        raise CheckpointRefused("what is to be restored has no parts, so that it cannot be restored to a cluster")
    alone = {names[0]: target.uri} if len(names) == 1 else {}
    known = alone | dict(target.parts)
    if missing := [name for name in names if name not in known]:
        raise CheckpointRefused(
            f"the configuration does not say where {', '.join(missing)} of the restored cluster goes to in "
            f"{target.name}: add a line for each to [clusters.{target.name}.parts]"
        )
    return tuple((name, known[name]) for name in names)
