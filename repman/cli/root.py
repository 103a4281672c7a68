"""The root of the command line: which command lives where, loaded only when it is called."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from repman import __version__
from repman.errors import RepmanError


@dataclass(frozen=True, slots=True)
class Mount:
    """Where a command lives."""

    name: str
    module: str
    """It exports a Typer application called ``app``."""
    help: str
    """The line shown by ``repman --help``, so that nothing is loaded to show it."""
    part: str = ""
    """The command inside that application; empty: the application itself."""


MOUNTS = (
    Mount("serve", "repman.cli.serve", "Run repman: monitor, probes, worker, links and web, supervised.", "serve"),
    Mount("monitor", "repman.cli.serve", "Run the monitor alone: the process that acts.", "monitor"),
    Mount("probes", "repman.cli.serve", "Run the process that answers health checks.", "probes"),
    Mount("worker", "repman.cli.serve", "Run the process that does jobs and live reads.", "worker"),
    Mount("web", "repman.cli.serve", "Run the HTTP API and the page.", "web"),
    Mount("ctl", "repman.cli.ctl", "Ask and steer a running repman through its API."),
    Mount("config", "repman.cli.config", "Check and explain the configuration."),
    Mount("keygen", "repman.cli.secrets", "Make the key that encrypts secrets in configuration files.", "keygen"),
    Mount("password", "repman.cli.secrets", "Encrypt a secret for a configuration file.", "password"),
    Mount("decrypt", "repman.cli.secrets", "Show the secret behind its encrypted form.", "decrypt"),
    Mount("link", "repman.cli.link", "Replicate from one MongoDB cluster to another."),
    Mount("streams", "repman.cli.streams", "Move tables and changes between MySQL/MariaDB and PostgreSQL."),
    Mount(
        "checkpoints", "repman.cli.checkpoints", "Consistent points of MongoDB clusters: make, list, restore, serve."
    ),
    Mount("sandbox", "repman.cli.sandbox", "Database servers as local processes."),
)


def present(mount: Mount) -> bool:
    """Whether this installation has the command's module (it is not loaded)."""
    return importlib.util.find_spec(mount.module) is not None


def load(mount: Mount) -> Any:
    """The command behind a mount; raises RepmanError when something it needs is not installed."""
    try:
        module = importlib.import_module(mount.module)
    except ImportError as error:
        sentence = f"`repman {mount.name}` cannot run: {error}; install what is missing with pip"
        raise RepmanError(sentence) from error
    command: Any = typer.main.get_command(module.app)
    if mount.part and hasattr(command, "commands"):
        command = command.commands[mount.part]
    command.name = mount.name
    return command


class LazyGroup(TyperGroup):
    """Commands by name from `MOUNTS`; the list of them is shown without loading any."""

    listing = False

    def list_commands(self, ctx: Any) -> list[str]:
        """The commands of this installation, in the table's order."""
        return [mount.name for mount in MOUNTS if present(mount)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name, or None; while help is written only its name and its line."""
        for mount in MOUNTS:
            if mount.name == cmd_name and present(mount):
                return TyperCommand(mount.name, help=mount.help) if self.listing else load(mount)
        return None

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help page from the table."""
        self.listing = True
        try:
            super().format_help(ctx, formatter)
        finally:
            self.listing = False


app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="repman watches database clusters, keeps them writable, and tells proxies where to write.",
    epilog="Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 refused, "
    "4 monitor or API unreachable, 5 not authorised.",
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"repman {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and end.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show stack traces (also: REPMAN_DEBUG=1).", envvar="REPMAN_DEBUG")
    ] = False,
) -> None:
    """repman watches database clusters, keeps them writable, and tells proxies where to write."""


def run(words: Sequence[str]) -> int:
    """Run one command line; returns its exit code, raises whatever the command raised."""
    try:
        typer.main.get_command(app).main(args=list(words), prog_name="repman")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else (0 if ended.code is None else 1)
    return 0
