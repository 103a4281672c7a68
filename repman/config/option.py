"""What one option is.  The rows themselves are in `repman.config.options`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from repman.config.mongo_uri import without_secrets

MASK = "*:*"
"""What stands for a secret wherever options are shown."""

Value = bool | int | float | str | tuple[str, ...]
"""A checked value."""


class Kind(StrEnum):
    """The type of an option's value."""

    BOOL = "bool"
    INT = "int"
    PORT = "port"
    SECONDS = "seconds"
    """A float; fractions are allowed where replication-manager takes whole seconds only."""
    TEXT = "string"
    PATH = "path"
    LIST = "list"
    """Written as one string with commas, or as a TOML array of strings."""
    CHOICE = "choice"
    CREDENTIAL = "user:password"
    URI = "MongoDB URI"


class Scope(StrEnum):
    """Where an option may be given."""

    SERVER = "server"
    """Once for the whole installation, in ``[Default]``."""
    CLUSTER = "cluster"
    """In a cluster's section; in ``[Default]`` for all clusters."""
    LINK = "link"
    """In a link's section, ``[links.<name>]``; in ``[Default]`` for all links."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One row of the table."""

    name: str
    kind: Kind
    default: Value
    help: str
    group: str = ""
    scope: Scope = Scope.CLUSTER
    secret: bool = False
    live: bool = False
    """May change while repman runs."""
    key: str = ""
    """JSON key where it is not the name in lowerCamel."""
    choices: tuple[str, ...] = ()
    at_least: float | None = None
    at_most: float | None = None
    upstream: str | None = None
    """replication-manager's default where ours differs."""
    because: str = ""
    """Why ours differs."""
    inert: str = ""
    """Why the option has no effect in this release, when it has none."""
    names_files: bool = False
    """Whether a value of another kind than `Kind.PATH` names a program, a file or a directory."""

    @property
    def only_in_file(self) -> bool:
        """Whether whoever may change settings over HTTP may not change this one.

        Who chooses what is run, read or written does so as repman: that is for those who write its files.  So is what
        links connect: a URI brings its account with it.
        """
        return self.kind is Kind.PATH or self.names_files or self.scope is Scope.LINK

    @property
    def json_key(self) -> str:
        """The name in JSON documents."""
        return self.key or re.sub("-(.)", lambda found: found[1].upper(), self.name)

    @property
    def range(self) -> str:
        """The allowed values in words, empty when the type says it all."""
        if self.choices:
            return " | ".join(self.choices)
        if self.kind is Kind.PORT:
            return "1..65535"
        low = "" if self.at_least is None else f"{self.at_least:g}"
        high = "" if self.at_most is None else f"{self.at_most:g}"
        if low and high:
            return f"{low}..{high}"
        return f"at least {low}" if low else f"at most {high}" if high else ""

    def shown(self, value: Value) -> bool | int | float | str:
        """The value for people and JSON: secrets masked, lists joined, whole numbers without a fraction.

        Of a URI, which holds a password, the hosts are shown.
        """
        if self.kind is Kind.URI and isinstance(value, str):
            return (without_secrets(value) or MASK) if value else ""
        if self.secret:
            return MASK if value else ""
        if isinstance(value, tuple):
            return ",".join(value)
        if isinstance(value, float) and value.is_integer():
            return int(value)
        return value
