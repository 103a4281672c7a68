"""Changing settings at run time: everything is checked first, then one file is replaced whole.

A change is kept as an override in the data directory (`repman.config.saved`), with its author and its time.  What
the environment or a flag gives is not changed: the next start would undo it.  What names programs, files or
directories is not changed either, whoever asks; only forgetting what was once changed is allowed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from repman.config import read
from repman.config.files import Disk
from repman.config.findings import Layer
from repman.config.layers import Merged, Setting, today
from repman.config.names import current_name, is_known, suggestion
from repman.config.option import Option, Scope, Value
from repman.config.options import BY_NAME
from repman.config.saved import (
    Override,
    Tables,
    changing,
    fingerprint,
    read_tables,
    saved_path,
    section_of,
    text_of,
    with_override,
    write_whole,
)
from repman.config.secrets import read_key, seal
from repman.config.settings import Source
from repman.config.values import coerce
from repman.errors import ConfigError, SettingFixed, UnknownSetting

LOG = logging.getLogger(__name__)

Section = Mapping[str, Setting]
"""The settings of one cluster, or of the installation, as they are before the change."""
Maker = Callable[[Section], object]
"""The wished value; raises ValueError with a sentence."""

_FIXED = (Layer.ENVIRONMENT, Layer.FLAG)


@dataclass(frozen=True, slots=True)
class Wish:
    """One option to be changed."""

    cluster: str
    """Empty: an option of the installation."""
    name: str
    """As the user wrote it; old names are understood."""
    value: Maker | None
    """None: forget what was changed, so that files and defaults count again."""


@dataclass(frozen=True, slots=True)
class Changed:
    """What a change has led to."""

    settings: tuple[tuple[str, Setting], ...]
    """(cluster, setting) of each wish, after it."""
    warnings: tuple[str, ...]
    """What the new configuration is warned of and the old one was not."""


def given(raw: object) -> Maker:
    """That value."""
    return lambda section: raw


def wished_option(name: str, scope: Scope) -> Option:
    """The option of that name in that scope; raises UnknownSetting, which says why there is none."""
    option = BY_NAME.get(current_name(name))
    if option is None:
        told = f"{name} is known to replication-manager, not used by repman" if is_known(current_name(name)) else ""
        raise UnknownSetting([told or f"{name} is no option{suggestion(name)}"])
    if option.scope is not scope:
        where = {
            Scope.SERVER: "one for the whole installation; change it with /api/clusters/settings/actions/...",
            Scope.CLUSTER: "one of a cluster; change it with /api/clusters/<cluster>/settings/actions/...",
            Scope.LINK: "one of a link; change it in the configuration file, in [links.<name>], and reload",
        }[option.scope]
        raise UnknownSetting([f"{option.name} is {where}"])
    return option


def change(source: Source, wishes: Sequence[Wish], author: str, now: str) -> Changed:
    """Carry out all wishes or none; `now` is UTC in ISO 8601.

    Raises UnknownSetting, SettingFixed, or ConfigError with every mistake that the new configuration would have;
    nothing was changed then.
    """
    datadir = _datadir(source)
    with changing(datadir):
        before, told = read(source.path, source.flags, source.environ)
        drafts = _drafts(datadir, before, wishes, author, now)
        texts = {path: text_of(tables) for path, tables in drafts.items()}
        after, found = read(source.path, source.flags, source.environ, Disk(texts))
        if found.mistakes:
            raise ConfigError(found.mistakes)
        for path, text in texts.items():
            write_whole(path, text)
    settings = tuple((wish.cluster, _section(after, wish.cluster)[current_name(wish.name)]) for wish in wishes)
    for cluster, setting in settings:
        if setting.value == _section(before, cluster)[setting.option.name].value:
            continue
        shown = setting.option.shown(setting.value)
        LOG.info("cluster=%s %s is %r, changed by %s", cluster or "-", setting.option.name, shown, author)
    return Changed(settings, tuple(warning for warning in found.warnings if warning not in told.warnings))


def forget_outdated(source: Source) -> None:
    """Remove the changes that have given way to a file, so that they cannot come back; raises ConfigError."""
    datadir = _datadir(source)
    with changing(datadir):
        merged, _ = read(source.path, source.flags, source.environ)
        drafts: dict[Path, Tables] = {}
        for cluster, name in merged.outdated:
            path = saved_path(datadir, cluster)
            tables = drafts[path] if path in drafts else read_tables(path)
            drafts[path] = with_override(tables, section_of(cluster), name, None)
        for path, tables in drafts.items():
            write_whole(path, text_of(tables))


def _datadir(source: Source) -> Path:
    merged, _ = read(source.path, source.flags, source.environ)
    return Path(str(merged.service["monitoring-datadir"].value))


def _section(merged: Merged, cluster: str) -> Section:
    return merged.clusters[cluster] if cluster else merged.service


def _drafts(datadir: Path, before: Merged, wishes: Sequence[Wish], author: str, now: str) -> dict[Path, Tables]:
    drafts: dict[Path, Tables] = {}
    mistakes: list[str] = []
    for wish in wishes:
        option = wished_option(wish.name, Scope.CLUSTER if wish.cluster else Scope.SERVER)
        if wish.cluster not in ("", *before.clusters):
            raise ConfigError([f"no cluster {wish.cluster} is configured any more, so nothing was changed"])
        if option.only_in_file and wish.value is not None:
            raise SettingFixed(
                [
                    f"{option.name} can be set only in the configuration file: it says what is run, read or written "
                    "with repman's rights"
                ]
            )
        current = _section(before, wish.cluster)[option.name]
        if current.origin.layer in _FIXED:
            raise SettingFixed([f"{option.name} is given by {current.origin}, which always wins; change it there"])
        path = saved_path(datadir, wish.cluster)
        tables, section = drafts[path] if path in drafts else read_tables(path), section_of(wish.cluster)
        clean = with_override(tables, section, option.name, None)
        try:
            override = _override(before, wish, option, author, now)
        except ValueError as error:
            mistakes.append(f"{option.name}: {error}")
            continue
        drafts[path] = with_override(clean, section, option.name, override)
    if mistakes:
        raise ConfigError(mistakes)
    return drafts


def _override(before: Merged, wish: Wish, option: Option, author: str, now: str) -> Override | None:
    """What is to be kept for a wish, None when nothing; raises ValueError with a sentence."""
    if wish.value is None:
        return None
    value = coerce(option, today(wish.name, wish.value(_section(before, wish.cluster))))
    told = before.files.get((wish.cluster, option.name))
    if value == (option.default if told is None else told.value):
        return None
    if option.secret:
        key = read_key(Path(str(before.service["monitoring-key-path"].value)))
        return Override(_sealed(value, key), author, now, None if told is None else fingerprint(told.value))
    return Override(_plain(value), author, now, None if told is None else _plain(told.value))


def _sealed(value: Value, key: bytes) -> object:
    """A secret as it may stand in a file: of ``user:password`` the password is encrypted, else all of it."""

    def one(text: str) -> str:
        user, colon, password = text.partition(":")
        return f"{user}:{seal(password, key)}" if colon else seal(text, key)

    return [one(text) for text in value] if isinstance(value, tuple) else one(str(value))


def _plain(value: Value) -> object:
    return list(value) if isinstance(value, tuple) else value
