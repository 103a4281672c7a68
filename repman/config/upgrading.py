"""What repman makes of a configuration of replication-manager, line by line.  Pure, but for reading the files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from repman.config import read
from repman.config.files import Disk, Entry, read_main
from repman.config.findings import Findings
from repman.config.names import current_name, is_known, is_used, suggestion, upstream_options
from repman.config.option import Scope
from repman.config.options import BY_NAME, OPTIONS


class Fate(StrEnum):
    """What becomes of a line."""

    USED = "used"
    INERT = "inert"
    """repman has the option, and it does nothing here."""
    IGNORED = "ignored"
    """Only replication-manager has the option."""
    UNKNOWN = "unknown"
    """Nobody has it: with that line repman does not start."""


@dataclass(frozen=True, slots=True)
class Line:
    """One option as written."""

    fate: Fate
    cluster: str
    """Empty for ``[Default]``."""
    written: str
    option: str
    """Its name today; empty when nobody has it."""
    where: str
    """File and line."""
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """An option that the files do not give and whose default is another one here."""

    option: str
    theirs: str
    ours: str
    because: str


@dataclass(frozen=True, slots=True)
class Report:
    """The whole of it."""

    lines: tuple[Line, ...]
    differences: tuple[Difference, ...]
    mistakes: tuple[str, ...]
    """Why repman would not start with these files, each with what to do."""
    warnings: tuple[str, ...]

    def of(self, fate: Fate) -> tuple[Line, ...]:
        """The lines with that fate."""
        return tuple(line for line in self.lines if line.fate is fate)


def upgrade_report(path: Path, environ: Mapping[str, str]) -> Report:
    """What repman would make of that main file and what it includes."""
    document = read_main(path, Findings(), Disk())
    lines = tuple(_line(entry) for entry in document.entries if not isinstance(entry.raw, dict))
    given = {line.option for line in lines}
    _, findings = read(path, (), environ)
    return Report(lines, _differences(given), findings.mistakes, findings.warnings)


def _line(entry: Entry) -> Line:
    name = current_name(entry.written)
    fate, remark = _fate(entry, name)
    known = name if is_used(name) or is_known(name) else ""
    return Line(fate, entry.section, entry.written, known, str(entry.origin), remark)


def _fate(entry: Entry, name: str) -> tuple[Fate, str]:
    if is_known(name):
        return Fate.IGNORED, "repman has no such option"
    if not is_used(name):
        return Fate.UNKNOWN, f"no option{suggestion(entry.written)}"
    option = BY_NAME[name]
    if entry.section and option.scope is Scope.SERVER:
        upstream = upstream_options().get(name)
        fate = Fate.IGNORED if upstream is not None and upstream.scope == "cluster" else Fate.UNKNOWN
        return fate, "one for the whole installation; move it to [Default]"
    if option.inert:
        return Fate.INERT, option.inert
    return Fate.USED, f"is called {name} now" if name != entry.written else ""


def _differences(given: set[str]) -> tuple[Difference, ...]:
    return tuple(
        Difference(
            option.name, option.upstream or "empty", str(option.shown(option.default)) or "empty", option.because
        )
        for option in OPTIONS
        if option.upstream is not None and option.name not in given and not option.inert
    )
