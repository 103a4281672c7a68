"""Encrypted secrets among the settings become what they stand for.

Encrypted may be a whole value, the password half of ``user:password`` or the password in a URI, and the first two in
each element of a list.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from urllib.parse import quote_plus

from repman.config.findings import Findings
from repman.config.layers import Merged, Setting
from repman.config.mongo_uri import password_of, with_password
from repman.config.option import Kind
from repman.config.secrets import is_encrypted, is_private, read_key, unseal
from repman.config.values import credential, mongo_uri
from repman.errors import ConfigError


def unsealed(merged: Merged, findings: Findings) -> Merged:
    """The same settings with secrets in clear; those that cannot be opened are mistakes."""
    path = Path(str(merged.service["monitoring-key-path"].value))

    @cache
    def key() -> bytes | None:
        try:
            found = read_key(path)
        except ConfigError as error:
            for mistake in error.mistakes:
                findings.mistake(mistake, merged.service["monitoring-key-path"].origin)
            return None
        if not is_private(path):
            findings.warn(f"the key {path} can be read by others than its owner; chmod 600 it")
        return found

    def opened(settings: Mapping[str, Setting]) -> dict[str, Setting]:
        return {name: open_one(setting) for name, setting in settings.items()}

    def open_one(setting: Setting) -> Setting:
        if not setting.option.secret or not _holds_encrypted(setting):
            return setting
        found = key()
        try:
            if found is not None:
                return replace(setting, value=_clear(setting, found))
        except ValueError as error:
            findings.mistake(f"{setting.option.name}: {error}", setting.origin)
        return replace(setting, value=setting.option.default, valid=False)

    return replace(
        merged,
        service=opened(merged.service),
        clusters={name: opened(settings) for name, settings in merged.clusters.items()},
        links={name: opened(settings) for name, settings in merged.links.items()},
    )


def _holds_encrypted(setting: Setting) -> bool:
    return any(is_encrypted(half) for part in _parts(setting) for half in (part, _half(setting, part)))


def _half(setting: Setting, part: str) -> str:
    """The password in a part that is not a password as a whole."""
    return password_of(part) if setting.option.kind is Kind.URI else part.partition(":")[2]


def _parts(setting: Setting) -> tuple[str, ...]:
    return setting.value if isinstance(setting.value, tuple) else (str(setting.value),)


def _clear(setting: Setting, key: bytes) -> str | tuple[str, ...]:
    if setting.option.kind is Kind.URI:
        return _clear_uri(str(setting.value), key)
    parts = tuple(_part(part, key) for part in _parts(setting))
    if setting.option.kind is Kind.LIST:
        return parts
    if setting.option.kind is Kind.CREDENTIAL:
        credential(parts[0])
    return parts[0]


def _clear_uri(text: str, key: bytes) -> str:
    if is_encrypted(text):
        return mongo_uri(unseal(text, key))
    return with_password(text, quote_plus(unseal(password_of(text), key)))


def _part(text: str, key: bytes) -> str:
    user, colon, password = text.partition(":")
    if not colon:
        return unseal(text, key) if is_encrypted(text) else text
    return f"{user}:{unseal(password, key)}" if is_encrypted(password) else text
