"""The two names of the dialect, and what differs by name."""

from __future__ import annotations

from enum import Enum

from repman.link.place import Place

PORT = 2242
PLACE = Place("percona_clustersync_mongodb", "pcsm")
"""The same for both, so that a link goes on when the program is called by its other name."""


class Flavour(Enum):
    """Which program we are taken for."""

    PLM = "plm"
    PCSM = "pcsm"

    @property
    def environment(self) -> tuple[str, str]:
        """Prefixes of environment variables; both count, the own one first."""
        return ("PLM_", "PCSM_") if self is Flavour.PLM else ("PCSM_", "PLM_")

    @property
    def metrics_prefix(self) -> str:
        """What the names of all metrics begin with."""
        return "percona_link_mongodb_" if self is Flavour.PLM else "percona_clustersync_mongodb_"
