"""The flags of ``pcsm`` and ``plm``: one table each, and values and mistakes as such programs read and tell them."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import click

from repman.errors import RepmanError
from repman.link.percona.connecting import COMPRESSORS
from repman.link.percona.flavour import PORT, Flavour
from repman.link.percona.logs import LEVELS
from repman.link.percona.quantities import parse_duration

PORT_RANGE = range(1024, 65536)


class Mistake(RepmanError):
    """The command was called in a way that it does not know; the text is all that is told."""


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag; its variable in the environment is its name in capitals, after ``PCSM_`` or ``PLM_``."""

    name: str
    kind: click.ParamType[Any]
    help: str
    default: Any = None
    hidden: bool = False
    variables: tuple[str, ...] = ()
    """Names in the environment when they are not the flag's own."""

    @property
    def field(self) -> str:
        """Its name as a parameter."""
        return self.name.replace("-", "_")

    def option(self, flavour: Flavour | None) -> click.Option:
        """For a command; with a flavour, the environment counts too."""
        names = self.variables or (self.field.upper(),)
        prefixes = flavour.environment if flavour is not None else ()
        return click.Option(
            [f"--{self.name}"],
            type=self.kind,
            help=self.help,
            default=self.default,
            show_default=self.default is not None,
            hidden=self.hidden,
            multiple=isinstance(self.kind, Names),
            envvar=[prefix + name for prefix in prefixes for name in names] or None,
        )


def _invalid(value: object, param: click.Parameter | None, why: str) -> Mistake:
    flag = param.opts[0] if param is not None else ""
    return Mistake(f'invalid argument "{value}" for "{flag}" flag: {why}')


class Integer(click.ParamType[int]):
    """A whole number of 32 bits."""

    name = "int"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Raises Mistake."""
        if isinstance(value, int):
            return value
        if not re.fullmatch(r"[+-]?[0-9]+", value):
            raise _invalid(value, param, f'strconv.ParseInt: parsing "{value}": invalid syntax')
        if not -(2**31) <= int(value) < 2**31:
            raise _invalid(value, param, f'strconv.ParseInt: parsing "{value}": value out of range')
        return int(value)


class Switch(click.ParamType[bool]):
    """On or off; a flag without a value means on, see `spelled_out`."""

    name = "bool"
    _words = {
        **dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), True),
        **dict.fromkeys(("0", "f", "F", "false", "FALSE", "False"), False),
    }

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> bool:
        """Raises Mistake."""
        if isinstance(value, bool):
            return value
        if value not in self._words:
            raise _invalid(value, param, f'strconv.ParseBool: parsing "{value}": invalid syntax')
        return self._words[value]


class Duration(click.ParamType[float]):
    """Seconds, given as ``5m`` or ``1.5s``."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Raises Mistake."""
        if isinstance(value, float):
            return value
        try:
            return parse_duration(value)
        except ValueError as error:
            raise _invalid(value, param, str(error)) from None


class Names(click.ParamType[tuple[str, ...]]):
    """Names with commas between them; the flag may be given several times.

    A name that has a comma is put in double quotes.
    """

    name = "strings"
    envvar_list_splitter = "\n"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """One occurrence of the flag."""
        if isinstance(value, tuple):
            return value
        return tuple(next(csv.reader([value]), []))


class OneOf(click.ParamType[str]):
    """One of some words."""

    name = "string"

    def __init__(self, words: Iterable[str]) -> None:
        self._words = tuple(words)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Raises Mistake."""
        if value not in self._words:
            raise _invalid(value, param, f"must be one of {', '.join(self._words)}")
        return str(value)


class Compressors(click.ParamType[tuple[str, ...]]):
    """Names of compressors with commas between them."""

    name = "strings"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """Raises Mistake."""
        if isinstance(value, tuple):
            return value
        names = tuple(name for name in value.replace(" ", "").split(",") if name)
        if unknown := [name for name in names if name not in COMPRESSORS]:
            raise _invalid(value, param, f"{unknown[0]} is none of {', '.join(COMPRESSORS)}")
        return names


_STRING = click.STRING
PORT_FLAG = Flag("port", Integer(), f"Port of the HTTP API (default {PORT}).")
HOST_FLAG = Flag("host", _STRING, "Address of the HTTP API; any other than this machine's own needs a token.")
TOKEN_FLAG = Flag("token", _STRING, "Asked of every request. Better given in the environment than here.")
TARGET_FLAG = Flag("target", _STRING, "Connection string of the target cluster.", variables=("TARGET_URI",))
LOGGING = (
    Flag("log-level", OneOf(LEVELS), f"One of {', '.join(LEVELS)}.", "info"),
    Flag("log-json", Switch(), "Write the log as JSON.", False),
    Flag("log-no-color", Switch(), "Write the log without colours.", False),
    Flag("no-color", Switch(), "Deprecated: use --log-no-color.", False, hidden=True),
)
PAUSE_FLAG = Flag("pause-on-initial-sync", Switch(), "Pause when the initial sync is complete.", hidden=True)
FAILURE_FLAG = Flag("from-failure", Switch(), "Go on although it failed.", False)
HISTORY_FLAG = Flag("ignore-history-lost", Switch(), "Accepted; has no effect.", hidden=True)
TUNING = (
    Flag("clone-num-parallel-collections", Integer(), "Collections that are cloned at once (0: automatic)."),
    Flag("clone-num-read-workers", Integer(), "Segments that are read at once (0: automatic)."),
    Flag("clone-num-insert-workers", Integer(), "Batches that are inserted at once (0: automatic)."),
    Flag("clone-segment-size", _STRING, "Size of a segment, such as 500MB or 1GiB (458 MiB to 64 GiB)."),
    Flag("clone-read-batch-size", _STRING, "Size of a batch that is read, such as 32MiB.", hidden=True),
    Flag("repl-num-workers", Integer(), "Changes that are applied at once (0: automatic)."),
    Flag("repl-change-stream-batch-size", Integer(), "Events that the source sends at most at once."),
    Flag("repl-event-queue-size", Integer(), "Accepted; has no effect."),
    Flag("repl-worker-queue-size", Integer(), "Accepted; has no effect."),
    Flag("repl-bulk-ops-size", Integer(), "Operations that go to the target at most in one command."),
    Flag("repl-worker-flush-interval", _STRING, "Accepted; has no effect."),
    Flag("repl-worker-bulk-queue-size", Integer(), "Accepted; has no effect."),
    Flag("use-collection-bulk-write", Switch(), "Write collection by collection."),
)
SELECTION = (
    Flag("include-namespaces", Names(), "Namespaces to replicate, such as db.*,other.collection."),
    Flag("exclude-namespaces", Names(), "Namespaces to leave out."),
)
SERVER = (
    Flag("source", _STRING, "Connection string of the source cluster.", variables=("SOURCE_URI",)),
    TARGET_FLAG,
    PORT_FLAG,
    HOST_FLAG,
    TOKEN_FLAG,
    Flag("api-flavor", OneOf(each.value for each in Flavour), "Whose answers to give: plm or pcsm."),
    *LOGGING,
    Flag(
        "mongodb-operation-timeout",
        Duration(),
        "How long one operation may take, such as 5m.",
        variables=("MONGODB_OPERATION_TIMEOUT", "MONGODB_CLI_OPERATION_TIMEOUT"),
    ),
    Flag("source-client-compressors", Compressors(), f"Some of {','.join(COMPRESSORS)}."),
    Flag("target-client-compressors", Compressors(), f"Some of {','.join(COMPRESSORS)}."),
    Flag("start", Switch(), "Start at once when nothing was started yet.", False, hidden=True),
    Flag("reset-state", Switch(), "Forget first what was known of earlier runs.", False, hidden=True),
    PAUSE_FLAG,
    *(Flag(each.name, each.kind, each.help, hidden=True) for each in TUNING),
)

_SWITCHES = frozenset(
    f"--{flag.name}" for flag in (*SERVER, FAILURE_FLAG, HISTORY_FLAG) if isinstance(flag.kind, Switch)
)


def spelled_out(words: Sequence[str]) -> list[str]:
    """The command line with a value for every switch, so that ``--start`` and ``--start=false`` are one kind."""
    end = words.index("--") if "--" in words else len(words)
    return [f"{word}=true" if word in _SWITCHES and at < end else word for at, word in enumerate(words)]


def wording(error: click.ClickException) -> str:
    """A mistake in the words that callers know."""
    match error:
        case click.NoSuchOption():
            name = error.option_name
            if name.startswith("--"):
                return f"unknown flag: {name}"
            return f"unknown shorthand flag: '{name[1:2]}' in {name}"
        case click.BadOptionUsage():
            return f"flag needs an argument: {error.option_name}"
        case click.exceptions.NoSuchCommand():
            path = error.ctx.command_path if error.ctx is not None else ""
            return f'unknown command "{error.command_name}" for "{path}"'
        case _:
            return error.format_message()
