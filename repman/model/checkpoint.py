"""Clusters of MongoDB whose checkpoints are kept: what a configuration says of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ManagedCluster:
    """One cluster: how it is found, and where its data are kept."""

    group: str
    """24 hex digits: the group, or project, that owns it."""
    id: str
    """24 hex digits."""
    name: str
    uri: str = field(repr=False)
    """Of a mongos, of the config servers, or of the only replica set; may hold a password."""
    repository: str = ""
    """A directory, or ``s3://bucket/prefix``."""
    endpoint: str = ""
    """URL of an S3-compatible store; empty: Amazon's own."""
    region: str = ""
    quota_bytes: int = 0
    """Most that the repository of the cluster may take; 0: no bound."""
    parts: Mapping[str, str] = field(default_factory=dict, repr=False)
    """URI by shard or replica set, where the account or the hosts differ from what the cluster itself tells."""


@dataclass(frozen=True, slots=True)
class CheckpointSite:
    """All that one service of checkpoints takes care of."""

    groups: Mapping[str, str] = field(default_factory=dict)
    """Names by id."""
    clusters: tuple[ManagedCluster, ...] = ()

    def cluster(self, group: str, wanted: str) -> ManagedCluster | None:
        """A cluster of that group, by id or by name."""
        mine = (each for each in self.clusters if each.group == group)
        return next((each for each in mine if wanted in (each.id, each.name)), None)
