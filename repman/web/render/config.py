"""Options as replication-manager's Config object: lowerCamel keys, fifty of them irregular."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any


def render_config(options: Mapping[str, object]) -> dict[str, Any]:
    """Every option under the key that replication-manager's clients know.  Secrets come in masked.

    Options that only replication-manager has are absent: a default that nothing obeys would be no truth.
    """
    shown = {config_key(name): _plain(options[name]) for name in sorted(options)}
    if "failover-mode" in options:
        shown["interactive"] = options["failover-mode"] == "manual"
    return shown


def config_key(option: str) -> str:
    """The JSON key of an option, such as ``failoverMaxSlaveDelay`` for ``failover-max-slave-delay``."""
    irregular = _irregular().get(option)
    if irregular is not None:
        return irregular
    first, *others = option.split("-")
    return first + "".join(word[:1].upper() + word[1:] for word in others)


@cache
def _irregular() -> dict[str, str]:
    lines = files("repman.web").joinpath("config_keys.tsv").read_text(encoding="utf-8").splitlines()
    return dict(line.split("\t") for line in lines if line and not line.startswith("#"))


def _plain(value: object) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list | set | frozenset):
        return [_plain(item) for item in value]
    return str(value)
