"""Layers of values and which of them wins.

From weak to strong: defaults; saved settings in the data directory (``default.toml``, then
``<cluster>/<cluster>.toml``); files of the include directory; the main file; what was changed at run time
(`repman.config.saved`); the environment; flags.
Between files the section of a cluster or a link wins over ``[Default]``, and so in each of the other layers.
A change made at run time gives way when a file has come to say something else since: the newer intention wins.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from repman.config.files import Disk, Document, Entry, Files, read_file, read_main
from repman.config.findings import DEFAULT, Findings, Layer, Origin
from repman.config.names import current_name, is_known, is_used, suggestion, upstream_options
from repman.config.option import Kind, Option, Scope, Value
from repman.config.options import BY_NAME, OPTIONS
from repman.config.saved import Override, is_of, override_in, saved_path
from repman.config.sections import in_words, link_of, misplaced, scope_of
from repman.config.values import coerce

PREFIX = "REPMAN_"
_NOT_OPTIONS = frozenset(
    {"API", "CLUSTER", "CONFIG", "DEBUG", "LINK_CLUSTER0", "LINK_CLUSTER1"}
    | {"PASSWORD", "PASSWORD_FILE", "SUPERVISOR", "TOKEN", "URL", "USER"}
)
"""Environment variables that commands read for themselves."""

Key = tuple[str, str]
"""(section, option name)."""


@dataclass(frozen=True, slots=True)
class Setting:
    """An option with its value and where that comes from."""

    option: Option
    value: Value = field(repr=False)
    origin: Origin = DEFAULT
    valid: bool = True
    """False: what was written is a mistake, and `value` is the default."""
    author: str = ""
    """Who changed it at run time."""
    changed_at: str = ""
    """When that was: UTC, ISO 8601."""

    @property
    def given_by(self) -> str:
        """Where the value comes from, in words."""
        if self.origin.layer is Layer.OVERRIDE:
            return f"changed by {self.author} at {self.changed_at} ({self.origin})"
        return str(self.origin)


@dataclass(frozen=True, slots=True)
class Merged:
    """All settings, by option name."""

    path: Path
    service: dict[str, Setting]
    clusters: dict[str, dict[str, Setting]]
    sections: dict[str, Origin]
    """Where each cluster is declared."""
    complete: bool
    """False: a file could not be read."""
    files: Mapping[Key, Setting]
    """What the operator's files alone say, by cluster (empty: the installation) and option; only what they do say."""
    outdated: tuple[Key, ...] = ()
    """Changes made at run time that have given way to a file."""
    links: Mapping[str, dict[str, Setting]] = field(default_factory=dict)
    """By name of the link."""
    link_sections: Mapping[str, Origin] = field(default_factory=dict)
    """Where each link is declared."""


def merge(
    path: Path,
    overrides: Sequence[str],
    environ: Mapping[str, str],
    findings: Findings,
    files: Files | None = None,
) -> Merged:
    """Read all layers.  Mistakes go to `findings`; the result is as complete as they allow.

    Without `files` they are read from disk.
    """
    files = files or Disk()
    document = read_main(path, findings, files)
    sections: dict[str, Origin] = {}
    for name, origin in document.sections:
        sections.setdefault(name, origin)
    given = _Given(findings)
    clusters = {name: origin for name, origin in sections.items() if not link_of(name)}
    given.add(document.entries)
    of_files = given.by_cluster(clusters)
    given.add(_environment(environ, sections, findings))
    given.add(_flags(overrides, sections, findings))
    datadir = Path(str(given.setting(BY_NAME["monitoring-datadir"], "").value))
    saved = _saved(datadir, clusters, findings, files)
    outdated = given.add_overrides(saved.entries)
    given.add([entry for entry in saved.entries if not isinstance(entry.raw, dict)])
    merged = Merged(
        path,
        given.section(""),
        {name: given.section(name) for name in clusters},
        clusters,
        document.complete and saved.complete,
        of_files,
        outdated,
        {link: given.section(name) for name in sections if (link := link_of(name))},
        {link: origin for name, origin in sections.items() if (link := link_of(name))},
    )
    _warn_of_unused(saved, merged, findings)
    return merged


class _Given:
    """The values that were given, the strongest of each section and name."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._settings: dict[Key, Setting] = {}

    def add(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            name = current_name(entry.written)
            option = self._option(entry, name)
            if option is None:
                continue
            setting = self._read(option, entry)
            known = self._settings.get((entry.section, name))
            if known is not None and known.origin.layer is entry.origin.layer is not Layer.FLAG:
                self._clash(entry, known)
            if known is None or entry.origin.layer >= known.origin.layer:
                self._settings[entry.section, name] = setting

    def by_cluster(self, sections: Mapping[str, Origin]) -> dict[Key, Setting]:
        """What was given until now, by cluster and option."""
        found = {
            (cluster, name): setting for cluster in ("", *sections) for name, setting in self.section(cluster).items()
        }
        return {key: setting for key, setting in found.items() if setting.origin.layer is not Layer.DEFAULT}

    def add_overrides(self, entries: Sequence[Entry]) -> tuple[Key, ...]:
        """Add what was changed at run time, where nothing newer says otherwise; returns what gave way."""
        outdated = []
        for entry in entries:
            override, name = override_in(entry.raw), current_name(entry.written)
            if override is None or not is_used(name):
                if isinstance(entry.raw, dict):
                    self._findings.warn(
                        f"the saved change of {entry.written} is not used: it cannot be read", entry.origin
                    )
                continue
            option = self._scoped(entry, BY_NAME[name])
            if option is None:
                continue
            told = self.setting(option, entry.section)
            if told.origin.layer in (Layer.INCLUDE, Layer.MAIN) and not self._unchanged(option, entry, override, told):
                outdated.append((entry.section, name))
                self._findings.warn(
                    f"the change of {name} by {override.by} at {override.at} is not used any more: {told.origin} says "
                    "something else than it did then; change it again if it should win",
                    entry.origin,
                )
                continue
            made = replace(entry, raw=override.value, origin=replace(entry.origin, layer=Layer.OVERRIDE))
            setting = replace(self._read(option, made), author=override.by, changed_at=override.at)
            known = self._settings.get((entry.section, name))
            if known is None or known.origin.layer < Layer.OVERRIDE:
                self._settings[entry.section, name] = setting
        return tuple(outdated)

    def _unchanged(self, option: Option, entry: Entry, override: Override, told: Setting) -> bool:
        """Whether the file says what it said when the override was made."""
        if option.secret:
            return is_of(override.over, told.value)
        then = _Given(Findings())._read(option, replace(entry, raw=override.over))
        return override.over is not None and then.valid and then.value == told.value

    def section(self, name: str) -> dict[str, Setting]:
        """The strongest value of each option that belongs in that section."""
        scope = scope_of(name)
        return {option.name: self.setting(option, name) for option in OPTIONS if option.scope is scope}

    def setting(self, option: Option, section: str) -> Setting:
        """The strongest value for that section."""
        general = self._settings.get(("", option.name))
        special = self._settings.get((section, option.name)) if section else None
        both = [setting for setting in (general, special) if setting is not None]
        if not both:
            return Setting(option, option.default)
        # Files are one layer here: a section of its own in an included file wins over [Default] of the main file.
        return max(both, key=lambda setting: (_rank(setting.origin.layer), setting is special))

    def _option(self, entry: Entry, name: str) -> Option | None:
        findings = self._findings
        if isinstance(entry.raw, dict):
            findings.mistake(f"[{entry.section}.{entry.written}]: a section holds no tables", entry.origin)
        elif name == "include" and entry.origin.layer is not Layer.MAIN:
            findings.mistake("include can only be given in the main file", entry.origin)
        elif is_used(name):
            return self._scoped(entry, BY_NAME[name])
        elif is_known(name):
            findings.warn(f"{entry.written} is known to replication-manager, not used by repman", entry.origin)
        else:
            findings.mistake(f"{entry.written} is no option{suggestion(entry.written)}", entry.origin)
        return None

    def _scoped(self, entry: Entry, option: Option) -> Option | None:
        if not entry.section or option.scope is scope_of(entry.section):
            return option
        upstream = upstream_options().get(option.name)
        told = misplaced(option.name, option.scope, entry.section)
        if option.scope is Scope.SERVER and upstream is not None and upstream.scope == "cluster":
            self._findings.warn(f"{told}; it is not used here", entry.origin)
        else:
            self._findings.mistake(told, entry.origin)
        return None

    def _read(self, option: Option, entry: Entry) -> Setting:
        try:
            value = coerce(option, today(entry.written, entry.raw))
        except ValueError as error:
            self._findings.mistake(f"{entry.written}: {error}", entry.origin)
            return Setting(option, option.default, entry.origin, valid=False)
        if option.kind is Kind.PATH and isinstance(value, str) and value:
            value = _absolute(value, entry.origin)
        return Setting(option, value, entry.origin)

    def _clash(self, entry: Entry, known: Setting) -> None:
        if entry.origin.where == known.origin.where:
            self._findings.mistake(
                f"{entry.written} gives {known.option.name} a second time, after line {known.origin.line}; keep one",
                entry.origin,
            )


def _warn_of_unused(saved: Document, merged: Merged, findings: Findings) -> None:
    for entry in saved.entries:
        settings = merged.clusters[entry.section] if entry.section else merged.service
        winner = settings.get(current_name(entry.written))
        weaker_than = Layer.OVERRIDE if isinstance(entry.raw, dict) else Layer.SAVED
        if winner is not None and winner.origin.layer > weaker_than:
            findings.warn(
                f"the saved {entry.written} is not used: {winner.origin} says otherwise and wins", entry.origin
            )


def _rank(layer: Layer) -> Layer:
    return Layer.MAIN if layer is Layer.INCLUDE else layer


def today(written: str, raw: object) -> object:
    """A value given under an old name, as it is written under today's; raises ValueError."""
    return _manual(raw) if written == "interactive" else raw


def _manual(raw: object) -> str:
    """``interactive``, the old switch, as a failover mode."""
    if isinstance(raw, bool):
        return "manual" if raw else "automatic"
    if isinstance(raw, str) and raw.strip().lower() in ("true", "false"):
        return "manual" if raw.strip().lower() == "true" else "automatic"
    raise ValueError(f"{raw!r} is not true or false; better use failover-mode")


def _absolute(value: str, origin: Origin) -> str:
    written = (Layer.SAVED, Layer.INCLUDE, Layer.MAIN, Layer.OVERRIDE)
    base = Path(origin.where).parent if origin.layer in written else Path()
    return str((base / os.path.expanduser(value)).absolute())


def _saved(datadir: Path, sections: Mapping[str, Origin], findings: Findings, files: Files) -> Document:
    """What was changed at run time; clusters that are no longer configured are left out."""
    document = Document()
    for name in ("", *sections):
        path = saved_path(datadir, name)
        if not files.has(path):
            continue
        read = read_file(path, Layer.SAVED, findings, files)
        # replication-manager keeps what it saved in sections of such names.
        titles = (name, f"saved-{name or 'default'}")
        entries = tuple(replace(entry, section=name) for entry in read.entries if entry.section in titles)
        document += Document(entries, complete=read.complete)
    return document


def _environment(environ: Mapping[str, str], sections: Mapping[str, Origin], findings: Findings) -> list[Entry]:
    slugs = sorted(((_slug(name), name) for name in sections), key=lambda pair: -len(pair[0]))
    entries = []
    for variable, raw in sorted(environ.items()):
        rest = variable.removeprefix(PREFIX)
        if rest == variable or rest in _NOT_OPTIONS:
            continue
        origin = Origin(Layer.ENVIRONMENT, variable)
        name = rest.lower().replace("_", "-")
        if is_used(name) or is_known(name):
            entries.append(Entry("", name, raw, origin))
            continue
        owners = [(slug, section) for slug, section in slugs if rest.startswith(f"{slug}_")]
        owners = [pair for pair in owners if pair[0] == owners[0][0]]
        if not owners:
            findings.warn(f"is not the name of an option{suggestion(name)}", origin)
        elif len(owners) > 1:
            places = ", ".join(in_words(section) for _, section in owners)
            findings.mistake(f"may mean any of {places}; use a file or --set", origin)
        else:
            slug, section = owners[0]
            entries.append(Entry(section, rest[len(slug) + 1 :].lower().replace("_", "-"), raw, origin))
    return entries


def _slug(section: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in section).upper()


def _flags(overrides: Sequence[str], sections: Mapping[str, Origin], findings: Findings) -> list[Entry]:
    entries = []
    for override in overrides:
        target, equals, raw = override.partition("=")
        section, _, name = target.strip().rpartition(".")
        origin = Origin(Layer.FLAG, target.strip())
        if not equals or not name:
            findings.mistake("write --set name=value or --set cluster.name=value", Origin(Layer.FLAG, "..."))
            continue
        if section.lower() == "default":
            section = ""
        if section and section not in sections:
            findings.mistake(f"there is no {in_words(section)}", origin)
            continue
        entries.append(Entry(section, name, raw, origin))
    return entries
