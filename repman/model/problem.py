"""What is wrong, and why nothing is done about it: codes with sentences.

The codes are the user interface: stable, documented in `docs/problems.md`, the same in API, log,
metric and command line.  Where replication-manager has a number for the same thing, the registry names it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How bad it is."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that should not be so."""

    code: str
    """Kebab case, such as ``writer-dead``."""
    severity: Severity
    sentence: str
    server: str = ""
    """Address, when it is about one server."""
    number: str = ""
    """replication-manager's number for it, such as ``ERR00016``."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One reason why something is not done.  Refusals are always given all together."""

    code: str
    sentence: str
    server: str = ""
