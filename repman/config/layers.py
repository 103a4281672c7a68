"""Layers of values and which of them wins.

From weak to strong: defaults; settings saved by repman in its data directory (``default.toml``, then
``<cluster>/<cluster>.toml``); files of the include directory; the main file; the environment; flags.
Between files a cluster's section wins over ``[Default]``, and so in each of the other layers.
So whatever an operator wrote down is immutable: a saved setting never wins over it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from repman.config.files import Document, Entry, exists, read_file, read_main
from repman.config.findings import DEFAULT, Findings, Layer, Origin
from repman.config.names import current_name, is_known, is_used, suggestion, upstream_options
from repman.config.option import Kind, Option, Scope, Value
from repman.config.options import BY_NAME, OPTIONS
from repman.config.values import coerce

PREFIX = "REPMAN_"
_NOT_OPTIONS = frozenset(
    {"API", "CLUSTER", "CONFIG", "DEBUG", "PASSWORD", "PASSWORD_FILE", "SUPERVISOR", "TOKEN", "URL", "USER"}
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


def merge(path: Path, overrides: Sequence[str], environ: Mapping[str, str], findings: Findings) -> Merged:
    """Read all layers.  Mistakes go to `findings`; the result is as complete as they allow."""
    document = read_main(path, findings)
    sections: dict[str, Origin] = {}
    for name, origin in document.sections:
        sections.setdefault(name, origin)
    given = _Given(findings)
    given.add(document.entries)
    given.add(_environment(environ, sections, findings))
    given.add(_flags(overrides, sections, findings))
    saved = _saved(Path(str(given.setting(BY_NAME["monitoring-datadir"], "").value)), sections, findings)
    given.add(saved.entries)
    merged = Merged(
        path,
        {option.name: given.setting(option, "") for option in OPTIONS if option.scope is Scope.SERVER},
        {
            name: {option.name: given.setting(option, name) for option in OPTIONS if option.scope is Scope.CLUSTER}
            for name in sections
        },
        sections,
        document.complete and saved.complete,
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

    def setting(self, option: Option, cluster: str) -> Setting:
        """The strongest value for that cluster."""
        general = self._settings.get(("", option.name))
        special = self._settings.get((cluster, option.name)) if cluster else None
        both = [setting for setting in (general, special) if setting is not None]
        if not both:
            return Setting(option, option.default)
        # Files are one layer here: a cluster's section in an included file wins over [Default] of the main file.
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
        if option.scope is Scope.CLUSTER or not entry.section:
            return option
        upstream = upstream_options().get(option.name)
        told = f"{option.name} is one for the whole installation; move it from [{entry.section}] to [Default]"
        if upstream is not None and upstream.scope == "cluster":
            self._findings.warn(f"{told}; it is not used here", entry.origin)
        else:
            self._findings.mistake(told, entry.origin)
        return None

    def _read(self, option: Option, entry: Entry) -> Setting:
        try:
            raw = _manual(entry.raw) if entry.written == "interactive" else entry.raw
            value = coerce(option, raw)
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
        if winner is not None and winner.origin.layer > Layer.SAVED:
            findings.warn(
                f"the saved {entry.written} is not used: {winner.origin} says otherwise and wins", entry.origin
            )


def _rank(layer: Layer) -> Layer:
    return Layer.MAIN if layer is Layer.INCLUDE else layer


def _manual(raw: object) -> str:
    """``interactive``, the old switch, as a failover mode."""
    if isinstance(raw, bool):
        return "manual" if raw else "automatic"
    if isinstance(raw, str) and raw.strip().lower() in ("true", "false"):
        return "manual" if raw.strip().lower() == "true" else "automatic"
    raise ValueError(f"{raw!r} is not true or false; better use failover-mode")


def _absolute(value: str, origin: Origin) -> str:
    base = Path(origin.where).parent if origin.layer in (Layer.SAVED, Layer.INCLUDE, Layer.MAIN) else Path()
    return str((base / os.path.expanduser(value)).absolute())


def _saved(datadir: Path, sections: Mapping[str, Origin], findings: Findings) -> Document:
    """What was changed at run time; clusters that are no longer configured are left out."""
    document = Document()
    wanted = {datadir / "default.toml": ""} | {datadir / name / f"{name}.toml": name for name in sections}
    for path, name in wanted.items():
        if not exists(path):
            continue
        read = read_file(path, Layer.SAVED, findings)
        document += Document(tuple(entry for entry in read.entries if entry.section == name), complete=read.complete)
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
        owners = [(slug, cluster) for slug, cluster in slugs if rest.startswith(f"{slug}_")]
        owners = [pair for pair in owners if pair[0] == owners[0][0]]
        if not owners:
            findings.warn(f"is not the name of an option{suggestion(name)}", origin)
        elif len(owners) > 1:
            clusters = ", ".join(cluster for _, cluster in owners)
            findings.mistake(f"may mean any of the clusters {clusters}; use a file or --set", origin)
        else:
            slug, cluster = owners[0]
            entries.append(Entry(cluster, rest[len(slug) + 1 :].lower().replace("_", "-"), raw, origin))
    return entries


def _slug(cluster: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in cluster).upper()


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
            findings.mistake(f"there is no cluster {section}", origin)
            continue
        entries.append(Entry(section, name, raw, origin))
    return entries
