"""Versions of database servers: the only place where versions are compared."""

from __future__ import annotations

import re
from dataclasses import dataclass

_NUMBERS = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?")


@dataclass(frozen=True, slots=True)
class ServerVersion:
    """A flavour (``MariaDB``, ``MySQL``, ``Percona``, ``MongoDB``) and its release numbers."""

    flavour: str
    major: int
    minor: int
    patch: int = 0
    suffix: str = ""

    @classmethod
    def parse(cls, version: str, comment: str = "") -> ServerVersion:
        """Read ``SELECT VERSION()`` and ``@@version_comment``.

        Some MariaDB servers put ``5.5.5-`` before their version for old clients; it is dropped.
        Raises ValueError when there are no release numbers in it.
        """
        text = version.removeprefix("5.5.5-")
        found = _NUMBERS.search(text)
        if found is None:
            raise ValueError(f"no release number in the server version {version!r}")
        told = f"{version} {comment}".lower()
        flavour = "MariaDB" if "mariadb" in told else "Percona" if "percona" in told else "MySQL"
        return cls(flavour, int(found[1]), int(found[2]), int(found[3] or 0), text[found.end() :].lstrip("-"))

    def at_least(self, major: int, minor: int = 0, patch: int = 0) -> bool:
        """Whether this release is that one or a later one (of the same flavour)."""
        return (self.major, self.minor, self.patch) >= (major, minor, patch)

    def older_than(self, other: ServerVersion) -> bool:
        """Whether this release line (major and minor) comes before the other's, patches ignored."""
        return (self.major, self.minor) < (other.major, other.minor)

    def __str__(self) -> str:
        return f"{self.flavour} {self.major}.{self.minor}.{self.patch}"
