"""Configuration files: TOML with the line of each value."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from repman.config.findings import Findings, Layer, Origin
from repman.config.sections import LINKS, is_reserved, link_section

_HEADER = re.compile(r"\s*\[\s*(\"[^\"]*\"|'[^']*'|[^\[\]]+?)\s*\]")
_QUOTES = re.compile(r"[\"']|\s+(?=\.)|(?<=\.)\s+")
"""What may stand around the parts of a section's title."""
_DOTTED = re.compile(r"\s*([A-Za-z0-9_-]+)\s*\.\s*([A-Za-z0-9_-]+)\s*=")
_KEY = re.compile(r"\s*(\"[^\"]*\"|'[^']*'|[A-Za-z0-9_-]+)\s*=")
_FENCE = re.compile(r"\"\"\"|'''")
_RESERVED = frozenset({"arbitrator"})
_CLUSTER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_LINK = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True)
class Entry:
    """One value as written."""

    section: str
    """As `repman.config.sections` names it: a cluster, ``links.<name>``, or empty for ``[Default]``."""
    written: str
    raw: object = field(repr=False)
    origin: Origin


@dataclass(frozen=True, slots=True)
class Document:
    """The entries of some files, and where the section of each cluster and link begins."""

    entries: tuple[Entry, ...] = ()
    sections: tuple[tuple[str, Origin], ...] = ()
    complete: bool = True
    """False: a file could not be read, so what is missing may be in it."""

    def __add__(self, other: Document) -> Document:
        return Document(self.entries + other.entries, self.sections + other.sections, self.complete and other.complete)


class Disk:
    """Configuration files as they are on disk; what was read is kept, so that others can read the very same."""

    def __init__(self, drafts: Mapping[Path, str] | None = None) -> None:
        """`drafts` are texts to be read in the place of what is on disk."""
        self._drafts = drafts or {}
        self.texts: dict[str, str] = {}
        """What the files said, by path."""
        self.listings: dict[str, list[str]] = {}
        """What the included directories held, by path."""

    def text(self, path: Path) -> str:
        """What the file says; raises OSError and UnicodeDecodeError."""
        read = self._drafts[path] if path in self._drafts else path.read_bytes().decode("utf-8-sig")
        return self.texts.setdefault(str(path), read)

    def has(self, path: Path) -> bool:
        """Whether there is such a file."""
        return path in self._drafts or exists(path)

    def listing(self, directory: Path) -> list[str]:
        """The paths of what is in the directory; raises OSError and ValueError."""
        return self.listings.setdefault(str(directory), [str(path) for path in directory.iterdir()])


@dataclass(frozen=True, slots=True)
class Kept:
    """Configuration files as somebody else read them from `Disk`."""

    texts: Mapping[str, str] = field(repr=False)
    listings: Mapping[str, list[str]]

    def text(self, path: Path) -> str:
        """What the file said; raises FileNotFoundError for one that was not read."""
        try:
            return self.texts[str(path)]
        except KeyError:
            raise FileNotFoundError(2, "was not there when the configuration was accepted", str(path)) from None

    def has(self, path: Path) -> bool:
        """Whether the file was read."""
        return str(path) in self.texts

    def listing(self, directory: Path) -> list[str]:
        """The paths of what was in the directory; raises FileNotFoundError for one that was not listed."""
        try:
            return self.listings[str(directory)]
        except KeyError:
            raise FileNotFoundError(2, "was not there when the configuration was accepted", str(directory)) from None


Files = Disk | Kept


def read_main(path: Path, findings: Findings, files: Files) -> Document:
    """The main file and the directory it includes."""
    main = read_file(path, Layer.MAIN, findings, files)
    document = main
    for entry in main.entries:
        if entry.written == "include" and not entry.section and isinstance(entry.raw, str) and entry.raw.strip():
            directory = path.parent / os.path.expanduser(entry.raw.strip())
            document += _read_included(directory, path, entry, findings, files)
    return document


def exists(path: Path) -> bool:
    """Whether something is there, even if it may not be looked at: reading it then says why."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def _read_included(directory: Path, main: Path, entry: Entry, findings: Findings, files: Files) -> Document:
    own = os.path.realpath(main)
    try:
        listed = map(Path, files.listing(directory))
        names = sorted(name for name in listed if name.suffix == ".toml" and os.path.realpath(name) != own)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        findings.mistake(f"include: cannot list {directory}: {reason}; create it or take the line out", entry.origin)
        return Document(complete=False)
    document = Document()
    for name in names:
        document += read_file(name, Layer.INCLUDE, findings, files)
    return document


def read_file(path: Path, layer: Layer, findings: Findings, files: Files) -> Document:
    """The entries of one file; what is wrong with it goes to `findings`."""
    origin = Origin(layer, str(path))
    try:
        text = files.text(path)
    except OSError as error:
        findings.mistake(f"cannot be read: {error.strerror}; check its name and permissions", origin)
    except UnicodeDecodeError:
        findings.mistake("is not a text file in UTF-8; repman reads TOML", origin)
    else:
        return read_text(text, origin, findings)
    return Document(complete=False)


def read_text(text: str, origin: Origin, findings: Findings) -> Document:
    """The entries of the text of a file; what is wrong with it goes to `findings`."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        findings.mistake(*_broken(error, origin))
    except ValueError as error:
        findings.mistake(f"is not valid TOML: {error}; nothing of this file was used", origin)
    except RecursionError:
        findings.mistake("is nested too deeply to be a configuration", origin)
    else:
        return _document(tables, line_numbers(text), origin, findings)
    return Document(complete=False)


def _broken(error: tomllib.TOMLDecodeError, origin: Origin) -> tuple[str, Origin]:
    told = str(error)
    place = re.search(r" \(at line (\d+), column (\d+)\)$", told)
    reason = told[: place.start()] if place else told
    line = int(place[1]) if place else 0
    reason = reason.replace("Cannot overwrite a value", "the same name is given twice")
    return f"is not valid TOML: {reason}; nothing of this file was used", replace(origin, line=line)


def _document(
    tables: dict[str, object], lines: dict[tuple[str, str], int], origin: Origin, findings: Findings
) -> Document:
    entries: list[Entry] = []
    sections: list[tuple[str, Origin]] = []
    for title, table in tables.items():
        here = replace(origin, line=lines.get((title, ""), lines.get(("", title), 0)))
        if not isinstance(table, dict):
            if title != "include":
                findings.mistake(f"{title} stands before any section; put it under [Default] or a cluster", here)
            else:
                entries.append(Entry("", title, table, here))
            continue
        if title.lower() in _RESERVED:
            findings.warn(f"[{title}] is known to replication-manager, not used by repman", here)
            continue
        if title.lower() == LINKS:
            found = _links(title, table, lines, here, findings)
            entries += found.entries
            sections += found.sections
            continue
        section = "" if title.lower() == "default" else title
        if section and not _CLUSTER.fullmatch(section):
            findings.mistake(
                f"[{title}]: a cluster's name consists of letters, digits, '_', '-' and '.' and begins with a "
                "letter or digit",
                here,
            )
            continue
        if is_reserved(section):
            findings.mistake(f"[{title}]: names that begin with 'links.' are those of links; rename the cluster", here)
            continue
        if section:
            sections.append((section, here))
        entries += [
            Entry(section, name, raw, replace(origin, line=lines.get((title, name), here.line)))
            for name, raw in table.items()
        ]
    return Document(tuple(entries), tuple(sections))


def _links(
    title: str, table: dict[str, object], lines: dict[tuple[str, str], int], here: Origin, findings: Findings
) -> Document:
    """The sections of links, each a table in the table ``links``."""
    found = Document()
    for name, options in table.items():
        written = f"{title}.{name}"
        line = lines.get((written, ""), lines.get((title, name), here.line))
        origin = replace(here, line=line)
        if not isinstance(options, dict):
            told = f"[{title}] holds a section for each link, such as [links.shop]; move {name} there"
            findings.mistake(f"{told}, or to [Default] for all links", origin)
            continue
        if not _LINK.fullmatch(name):
            findings.mistake(
                f"[{written}]: a link's name consists of at most 64 letters, digits, '_' and '-' and begins with a "
                "letter or digit",
                origin,
            )
            continue
        section = link_section(name)
        entries = tuple(
            Entry(section, option, raw, replace(origin, line=lines.get((written, option), line)))
            for option, raw in options.items()
        )
        found += Document(entries, ((section, origin),))
    return found


def line_numbers(text: str) -> dict[tuple[str, str], int]:
    """Line by (section, name), and by (section, "") for its header; lines in long strings are skipped."""
    found: dict[tuple[str, str], int] = {}
    section, fence = "", ""
    for number, line in enumerate(text.splitlines(), 1):
        if fence:
            if fence in line:
                fence = ""
            continue
        if header := _HEADER.match(line):
            section = _QUOTES.sub("", header[1])
            found.setdefault((section, ""), number)
        elif key := _KEY.match(line):
            found.setdefault((section, key[1].strip("\"'")), number)
        elif (dotted := _DOTTED.match(line)) and not section:
            found.setdefault((dotted[1], ""), number)
            found.setdefault((dotted[1], dotted[2]), number)
        marks = _FENCE.findall(line.split("#", 1)[0])
        fence = marks[-1] if len(marks) % 2 else ""
    return found
