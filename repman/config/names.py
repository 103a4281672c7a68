"""What a written option name means: ours, an old name, replication-manager's, or a typing error."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from repman.config.options import ALIASES, BY_NAME


@dataclass(frozen=True, slots=True)
class UpstreamOption:
    """An option of replication-manager."""

    name: str
    json_key: str
    type: str
    scope: str
    default: str


@cache
def upstream_options() -> dict[str, UpstreamOption]:
    """replication-manager's options by name."""
    lines = files("repman.config").joinpath("known.tsv").read_text("utf-8").splitlines()
    return {row.name: row for row in (UpstreamOption(*line.split("\t")) for line in lines[1:])}


def current_name(written: str) -> str:
    """The name of today for a name that may be an old one."""
    return ALIASES.get(written, written)


def is_used(name: str) -> bool:
    """Whether repman has that option (under its current name)."""
    return name in BY_NAME


def is_known(name: str) -> bool:
    """Whether only replication-manager has that option."""
    return name in upstream_options() and name not in BY_NAME


def suggestion(written: str) -> str:
    """`` (did you mean ...?)`` for an unknown name, or nothing."""
    plain = written.lower().replace("_", "-")
    for names in (BY_NAME, [*ALIASES, *upstream_options()]):
        if close := difflib.get_close_matches(plain, names, n=1, cutoff=0.75):
            return f"; did you mean {close[0]}?"
    return "; `repman config show` lists the options"
