"""Where values come from, and what is found wrong with them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum


class Layer(IntEnum):
    """Sources of values, weakest first."""

    DEFAULT = 0
    SAVED = 1
    INCLUDE = 2
    MAIN = 3
    OVERRIDE = 4
    """Changed at run time, over what a file says."""
    ENVIRONMENT = 5
    FLAG = 6


@dataclass(frozen=True, slots=True, order=True)
class Origin:
    """Where one value was given."""

    layer: Layer
    where: str = ""
    """Path of a file, name of an environment variable, or name of the option set by a flag."""
    line: int = 0

    def __str__(self) -> str:
        if self.layer is Layer.DEFAULT:
            return "default"
        if self.layer is Layer.ENVIRONMENT:
            return f"environment variable {self.where}"
        if self.layer is Layer.FLAG:
            return f"--set {self.where}"
        return f"{self.where}:{self.line}" if self.line else self.where


DEFAULT = Origin(Layer.DEFAULT)


@dataclass(slots=True)
class Findings:
    """Mistakes, which keep repman from starting, and warnings; gathered until everything is checked."""

    _mistakes: dict[tuple[Origin, str], None] = field(default_factory=dict)
    _warnings: dict[tuple[Origin, str], None] = field(default_factory=dict)

    def mistake(self, text: str, origin: Origin = DEFAULT) -> None:
        """Note a mistake; `text` says what to do."""
        self._mistakes[origin, text] = None

    def warn(self, text: str, origin: Origin = DEFAULT) -> None:
        """Note something that works and is probably not meant."""
        self._warnings[origin, text] = None

    @property
    def mistakes(self) -> tuple[str, ...]:
        """All mistakes, in order of file and line."""
        return _sentences(self._mistakes)

    @property
    def warnings(self) -> tuple[str, ...]:
        """All warnings, in order of file and line."""
        return _sentences(self._warnings)


def _sentences(found: dict[tuple[Origin, str], None]) -> tuple[str, ...]:
    return tuple(text if origin.layer is Layer.DEFAULT else f"{origin}: {text}" for origin, text in sorted(found))
