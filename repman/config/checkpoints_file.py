"""The configuration of a service of checkpoints: one TOML file with groups and clusters.

    public-url = "https://backup.example.com"

    [groups]
    5c8100bcf2a30b12ff88258f = "Production"

    [clusters.orders]
    group = "5c8100bcf2a30b12ff88258f"
    id = "5db9c8b1ff7a25dfad1ea7d1"
    uri = "mongodb://repman:secret@config1,config2/?replicaSet=config"

Every mistake is found before any is told, each with file and line; what is secret is never shown.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus, urlsplit

from repman.config.files import line_numbers
from repman.config.findings import Findings, Layer, Origin
from repman.config.mongo_uri import hosts, password_of, with_password
from repman.config.secrets import is_encrypted, unseal
from repman.config.values import mongo_uri
from repman.errors import ConfigError
from repman.model.checkpoint import CheckpointSite, ManagedCluster

_ID = re.compile(r"[0-9a-f]{24}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_S3 = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^?#]*)?")
_TOP = ("public-url", "groups", "clusters")
_CLUSTER = ("group", "id", "uri", "repository", "s3-endpoint", "s3-region", "quota-gb", "parts")
_GIGABYTE = 1_000_000_000
_MOST_GIGABYTES = 10**9


@dataclass(frozen=True, slots=True)
class CheckpointFile:
    """What the file says."""

    site: CheckpointSite
    public_url: str = ""
    """What addresses in answers begin with; empty: with what the request was addressed to."""


def read_checkpoints(path: Path, key: Callable[[], bytes]) -> CheckpointFile:
    """Read the file; `key` gives the key of encrypted secrets and is asked only when there are any.

    Raises ConfigError with every mistake.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ConfigError([f"{path} cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path} is not UTF-8 text"]) from error
    return parse_checkpoints(text, str(path), key)


def parse_checkpoints(text: str, where: str, key: Callable[[], bytes]) -> CheckpointFile:
    """The same from the file's text; raises ConfigError with every mistake."""
    try:
        tables = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError([f"{where} is not valid TOML: {error or 'it is nested too deeply'}"]) from error
    reading = _Reading(where, line_numbers(text), key)
    made = reading.file(tables)
    if reading.findings.mistakes:
        raise ConfigError(reading.findings.mistakes)
    return made


@dataclass(slots=True)
class _Reading:
    """One reading of one file."""

    where: str
    lines: dict[tuple[str, str], int]
    key: Callable[[], bytes]
    findings: Findings = field(default_factory=Findings)

    def file(self, tables: dict[str, Any]) -> CheckpointFile:
        self._known(tables, _TOP, "")
        public = self._text(tables, "", "public-url")
        if public and (urlsplit(public).scheme not in ("http", "https") or not urlsplit(public).netloc):
            self._wrong("", "public-url", "public-url begins with https:// or http://, then the host")
        groups = self._groups(self._table(tables, "groups"))
        clusters = self._table(tables, "clusters")
        if not clusters:
            self._wrong("", "", "there is no cluster; add a section [clusters.NAME] with group, id and uri")
        made = [self._cluster(name, table, groups) for name, table in clusters.items()]
        self._different(made)
        return CheckpointFile(CheckpointSite(groups, tuple(made)), public.rstrip("/"))

    def _groups(self, given: dict[str, Any]) -> dict[str, str]:
        for identifier, name in given.items():
            if not _ID.fullmatch(identifier):
                self._wrong("groups", identifier, f"{identifier!r} is no id of a group: write 24 lower-case hex digits")
            if not isinstance(name, str) or not name:
                self._wrong("groups", identifier, f"the group {identifier} has no name; write it in quotes")
        return {identifier: str(name) for identifier, name in given.items()}

    def _cluster(self, name: str, given: Any, groups: dict[str, str]) -> ManagedCluster:
        section = f"clusters.{name}"
        if not isinstance(given, dict):
            self._wrong(
                "clusters", name, f"[clusters] holds a section for each cluster, such as [clusters.orders]; move {name}"
            )
            return ManagedCluster("", "", name, "")
        if not _NAME.fullmatch(name):
            told = "consists of at most 64 letters, digits, '_', '-' and '.' and begins with a letter or digit"
            self._wrong(section, "", f"[{section}]: a cluster's name {told}")
        self._known(given, _CLUSTER, section)
        group = self._text(given, section, "group", needed=True)
        if group and group not in groups:
            self._wrong(section, "group", f"cluster {name}: there is no group {group!r}; add it to [groups]")
        identifier = self._text(given, section, "id", needed=True)
        if identifier and not _ID.fullmatch(identifier):
            self._wrong(section, "id", f"cluster {name}: an id is 24 lower-case hex digits, such as {'5' * 24}")
        parts = given.get("parts", {})
        if not isinstance(parts, dict):
            self._wrong(section, "parts", f"cluster {name}: parts is a table of URIs by the names of shards")
            parts = {}
        return ManagedCluster(
            group=group,
            id=identifier,
            name=name,
            uri=self._uri(given, section, "uri", needed=True),
            repository=self._repository(given, section),
            endpoint=self._endpoint(given, section),
            region=self._text(given, section, "s3-region"),
            quota_bytes=self._gigabytes(given, section) * _GIGABYTE,
            parts={part: self._uri(parts, f"{section}.parts", part) for part in parts},
        )

    def _different(self, made: list[ManagedCluster]) -> None:
        """No two clusters of one id or one address."""
        for number, later in enumerate(made):
            for earlier in made[:number]:
                section = f"clusters.{later.name}"
                if later.id and later.id == earlier.id:
                    self._wrong(section, "id", f"cluster {later.name} has the id of {earlier.name}; give it another")
                if hosts(later.uri) & hosts(earlier.uri):
                    told = f"cluster {later.name} has a host in common with {earlier.name}; one cluster is named once"
                    self._wrong(section, "uri", told)

    def _uri(self, given: dict[str, Any], section: str, name: str, needed: bool = False) -> str:
        text = self._text(given, section, name, needed)
        try:
            if is_encrypted(text):
                return mongo_uri(unseal(text, self.key()))
            checked = mongo_uri(text)
            if is_encrypted(password_of(checked)):
                return with_password(checked, quote_plus(unseal(password_of(checked), self.key())))
            return checked
        except ConfigError as error:
            for mistake in error.mistakes:
                self._wrong(section, name, mistake)
        except ValueError as error:
            self._wrong(section, name, f"{name}: {error}")
        return ""

    def _repository(self, given: dict[str, Any], section: str) -> str:
        text = self._text(given, section, "repository")
        if text.startswith("s3:") and not _S3.fullmatch(text):
            self._wrong(section, "repository", "a store is written s3://bucket/prefix")
        elif text and not text.startswith("s3:") and not Path(text).is_absolute():
            self._wrong(section, "repository", f"repository {text!r} is no absolute path, and no s3://bucket/prefix")
        return text.rstrip("/")

    def _endpoint(self, given: dict[str, Any], section: str) -> str:
        text = self._text(given, section, "s3-endpoint")
        if text and urlsplit(text).scheme not in ("http", "https"):
            self._wrong(section, "s3-endpoint", "s3-endpoint is the store's URL, such as https://s3.example.com")
        return text

    def _gigabytes(self, given: dict[str, Any], section: str) -> int:
        value = given.get("quota-gb", 0)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MOST_GIGABYTES:
            self._wrong(section, "quota-gb", "quota-gb is a whole number of gigabytes; 0: no bound")
            return 0
        return value

    def _text(self, given: dict[str, Any], section: str, name: str, needed: bool = False) -> str:
        value = given.get(name, "")
        if not isinstance(value, str):
            self._wrong(section, name, f"{name} is a text; write it in quotes")
            return ""
        if needed and not value and not isinstance(given.get(name), str):
            self._wrong(section, "", f"[{section}] has no {name}")
        elif needed and not value:
            self._wrong(section, name, f"[{section}]: {name} is empty")
        return str(value).strip()

    def _table(self, tables: dict[str, Any], name: str) -> dict[str, Any]:
        found = tables.get(name, {})
        if isinstance(found, dict):
            return found
        self._wrong("", name, f"{name} is a section: write [{name}]")
        return {}

    def _known(self, given: dict[str, Any], names: tuple[str, ...], section: str) -> None:
        for name in given:
            if name not in names:
                near = difflib.get_close_matches(name, names, n=1)
                hint = f"; did you mean {near[0]}?" if near else f"; known: {', '.join(names)}"
                self._wrong(section, name, f"there is no option {name} here{hint}")

    def _wrong(self, section: str, name: str, sentence: str) -> None:
        line = self.lines.get((section, name)) or self.lines.get((name, "")) or self.lines.get((section, "")) or 0
        self.findings.mistake(sentence, Origin(Layer.MAIN, self.where, line))
