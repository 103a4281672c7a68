"""``repman-mongosync``: the flags and the configuration file of mongosync, for a link of repman's."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import yaml

from repman import __version__
from repman.cli.exits import ExitCode, exit_code
from repman.cli.link_process import answer_until_told
from repman.cli.mongosync_log import LEVELS, start_logging
from repman.errors import ConfigError, RepmanError
from repman.link.mongosync.app import application
from repman.link.mongosync.names import DEFAULT_ID, PORT
from repman.link.mongosync.pair import Pair
from repman.link.options import LinkOptions
from repman.link.serving import Listener

DEFAULT_LEVEL = 3
_UNSUPPORTED = {
    "hotDocIDs": "changes of one document are always applied together",
    "enableCappedCollectionHandling": "capped collections are always carried",
    "metricsLoggingFilepath": "no metrics are written to files",
    "disableMetricsLogging": "no metrics are written to files",
    "oplogRolloverResilienceIntervalSeconds": "an oplog that is too short must be made larger on the source",
    "migrationName": "give the process a name with --id",
}
"""Flags of mongosync that are refused, and why they are not needed or what to do instead."""
_SWITCHES = ("disableTelemetry", "disableVerification", "acceptDisclaimer")
_VALUES = ("cluster0", "cluster1", "id", "port", "loadLevel", "logPath", "verbosity")


@dataclass(frozen=True, slots=True)
class Instance:
    """How one process works, whatever is started later."""

    identity: str = DEFAULT_ID
    load_level: int = DEFAULT_LEVEL
    """1 (gentle) to 4."""
    verify: bool = True
    """Off: no start verifies."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program and return its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        refuse_unsupported([word[2:].partition("=")[0] for word in words if word.startswith("--")], "--")
        answer = cli.main(words, standalone_mode=False)
        return answer if isinstance(answer, int) else 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.exceptions.Abort, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    except RepmanError as error:
        for line in str(error).splitlines():
            click.echo(f"repman-mongosync: {line}", err=True)
        return exit_code(error)


def serve(cluster0: str, cluster1: str, listener: Listener, instance: Instance) -> None:
    """Answer mongosync's API for two clusters until SIGTERM or SIGINT.

    Raises LinkFailed when a cluster cannot be used, and ConfigError when the address cannot be listened on.
    """
    if cluster0 == cluster1:
        raise ConfigError(["cluster0 and cluster1 are the same cluster: give two"])
    base = tuned(instance.load_level, os.cpu_count() or 1, instance.verify)
    pair = Pair(cluster0, cluster1)
    answer_until_told(pair, lambda: application(pair, listener, instance.identity, base), listener)


def tuned(level: int, processors: int, verify: bool) -> LinkOptions:
    """How much of this machine and of the clusters a load level takes."""
    if level == DEFAULT_LEVEL:
        return LinkOptions(verify=verify)
    workers = {1: 1, 2: 2, 4: max(4, 2 * processors)}[level]
    return LinkOptions(
        verify=verify,
        parallel_collections=min(workers, 4),
        read_workers=max(1, workers // 2),
        insert_workers=workers,
        apply_workers=workers,
    )


def refuse_unsupported(names: Sequence[str], mark: str = "") -> None:
    """Raises ConfigError when one of mongosync's flags is given that repman does not have."""
    refused = [f"{mark}{name} is not supported: {_UNSUPPORTED[name]}" for name in names if name in _UNSUPPORTED]
    if refused:
        raise ConfigError(refused)


def configuration(path: Path) -> dict[str, object]:
    """What a configuration file sets, by flag; raises ConfigError with every mistake in it."""
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError([f"{path} cannot be read: {error.strerror}; change --config"]) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path} is not YAML: {_in_one_line(error)}"]) from error
    if not isinstance(found, dict):
        raise ConfigError([f"{path} must have lines like `cluster0: mongodb://...`"])
    refuse_unsupported([name for name in found if isinstance(name, str)])
    mistakes = [f"{path}: {name} is not known" for name in found if name not in _VALUES + _SWITCHES]
    mistakes += [
        f"{path}: {name} must be true or false" for name in _SWITCHES if not isinstance(found.get(name, True), bool)
    ]
    mistakes += [
        f"{path}: {name} must be one value" for name in _VALUES if not isinstance(found.get(name, ""), str | int)
    ]
    if mistakes:
        raise ConfigError(mistakes)
    return found


def _from_file(context: click.Context, parameter: click.Parameter, path: Path | None) -> None:
    """Let the file give what the command line does not."""
    if path is not None:
        context.default_map = {name.lower(): value for name, value in configuration(path).items()}


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("--config", type=click.Path(path_type=Path), is_eager=True, expose_value=False, callback=_from_file,
              help="YAML file with these flags; what is given here comes first.")  # fmt: skip
@click.option("--cluster0", required=True, metavar="URI", help="One of the clusters.")
@click.option("--cluster1", required=True, metavar="URI", help="The other one; a start says which is the source.")
@click.option("--id", "identity", default=DEFAULT_ID, show_default=True, help="What this process is called.")
@click.option("--port", default=PORT, show_default=True, type=click.IntRange(1, 65535), help="Port of the API.")
@click.option("--loadLevel", "loadlevel", default=DEFAULT_LEVEL, show_default=True, type=click.IntRange(1, 4),
              help="How much load to put on machine and clusters.")  # fmt: skip
@click.option("--logPath", "logpath", type=click.Path(path_type=Path), help="Directory for mongosync.log.")
@click.option("--verbosity", default="DEBUG", show_default=True, type=click.Choice(list(LEVELS), case_sensitive=False))
@click.option("--disableTelemetry", is_flag=True, expose_value=False, help="Taken: nothing is sent to anybody.")
@click.option("--disableVerification", "disableverification", is_flag=True, help="Never compare the clusters.")
@click.option("--acceptDisclaimer", is_flag=True, expose_value=False, help="Taken: there is nothing to accept.")
@click.version_option(__version__, "-v", "--version", prog_name="repman-mongosync")
def cli(
    cluster0: str,
    cluster1: str,
    identity: str,
    port: int,
    loadlevel: int,
    logpath: Path | None,
    verbosity: str,
    disableverification: bool,
) -> None:
    """Replicate between two MongoDB clusters, steered over the HTTP API of mongosync."""
    start_logging(identity, verbosity.upper(), logpath)
    serve(cluster0, cluster1, Listener(port=port), Instance(identity, loadlevel, not disableverification))


def _in_one_line(error: Exception) -> str:
    return re.sub(r"\s+", " ", str(error))


if __name__ == "__main__":
    sys.exit(main())
