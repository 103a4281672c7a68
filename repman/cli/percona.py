"""``pcsm`` and ``plm``: the server of a MongoDB link with Percona's API, and the commands that talk to it.

Names, output and exit codes are those programs': success is JSON on stdout and 0, a refusal is ``Error: ...`` on
stderr and 1.
"""

from __future__ import annotations

import json
import logging
import platform
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import click
import msgspec
import requests

from repman import __version__
from repman.cli import percona_flags as flags
from repman.cli.percona_flags import Flag, Mistake
from repman.errors import RepmanError
from repman.link.percona.connecting import with_options
from repman.link.percona.flavour import PLACE, PORT, Flavour
from repman.link.percona.logs import start_logging
from repman.link.percona.starting import BadOption, StartRequest, options_of

_log = logging.getLogger(__name__)
_CONNECT_SECONDS, _ANSWER_SECONDS = 5.0, 600.0
"""A finalize answers when all that was read is applied."""
_CLIENT = (flags.PORT_FLAG, flags.HOST_FLAG, flags.TOKEN_FLAG)
_INHERITED = frozenset(flag.field for flag in (*_CLIENT, flags.TARGET_FLAG))
"""Flags that may also stand before a command; the others have a meaning for the server there."""


def pcsm() -> int:
    """The console script ``pcsm``."""
    return main(Flavour.PCSM)


def plm() -> int:
    """The console script ``plm``."""
    return main(Flavour.PLM)


def main(flavour: Flavour, arguments: Sequence[str] | None = None) -> int:
    """Run one command line (`sys.argv` unless given) and return its exit code."""
    words = flags.spelled_out(sys.argv[1:] if arguments is None else arguments)
    try:
        answer = program(flavour).main(words, flavour.value, standalone_mode=False)
        return answer if isinstance(answer, int) else 0
    except click.ClickException as error:
        click.echo(f"Error: {flags.wording(error)}", err=True)
    except click.exceptions.Abort:
        return 130
    except RepmanError as error:
        click.echo(f"Error: {error}", err=True)
    return 1


def program(flavour: Flavour) -> click.Group:
    """The commands under one of the two names."""
    root = click.Group(
        flavour.value,
        params=_options(flags.SERVER, flavour),
        invoke_without_command=True,
        context_settings={"help_option_names": ["-h", "--help"]},
        callback=click.pass_context(lambda ctx, **given: _root(ctx, flavour, given)),
        help="Replicate one MongoDB cluster to another: without a command, run the server.",
    )
    client = _options(_CLIENT, flavour)

    def add(name: str, text: str, act: Callable[[dict[str, Any]], int], own: Iterable[Flag] = ()) -> None:
        params = [*client, *_options(own, None), *_hidden(flags.LOGGING)]
        callback = click.pass_context(lambda ctx, **given: act(_inherited(ctx, given)))
        root.add_command(click.Command(name, params=params, callback=callback, help=text))

    add("status", "Show the status.", _status)
    add("start", "Start a replication.", _start, (*flags.SELECTION, *flags.TUNING, flags.PAUSE_FLAG))
    add("pause", "Pause the replication.", lambda given: _post(given, "pause"))
    add("resume", "Resume a paused replication.", _resume, (flags.FAILURE_FLAG,))
    add("finalize", "End the replication and give indexes their final form.", _finalize, (flags.HISTORY_FLAG,))
    root.add_command(click.Command("version", callback=_version, help="Show the version."))
    root.add_command(_reset_commands(flavour))
    return root


def _options(table: Iterable[Flag], flavour: Flavour | None) -> list[click.Parameter]:
    return [flag.option(flavour) for flag in table]


def _hidden(table: Iterable[Flag]) -> list[click.Parameter]:
    options = [flag.option(None) for flag in table]
    for option in options:
        option.hidden = True
    return list(options)


def _inherited(ctx: click.Context, given: dict[str, Any]) -> dict[str, Any]:
    """What was given to the command, or else before it."""
    above = ctx.parent.params if ctx.parent is not None else {}
    return {name: above.get(name) if value is None and name in _INHERITED else value for name, value in given.items()}


# The server


def _root(ctx: click.Context, flavour: Flavour, given: dict[str, Any]) -> int:
    if ctx.invoked_subcommand is not None:
        return 0
    try:
        # Before anything else is loaded, so that a signal ends us in order from the beginning.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler)
        _serve(flavour, given)
    except KeyboardInterrupt:
        pass
    return 0


def _serve(flavour: Flavour, given: dict[str, Any]) -> None:
    _require_uris(given["source"], given["target"])
    port = PORT if given["port"] is None else given["port"]
    if port not in flags.PORT_RANGE:
        lowest, highest = flags.PORT_RANGE[0], flags.PORT_RANGE[-1]
        raise Mistake(f"port value is outside the supported range [{lowest} - {highest}]")
    defaults = _request(given, (*flags.TUNING, flags.PAUSE_FLAG))
    _start_logging(given, sys.stdout)

    from repman.link.percona import process
    from repman.link.serving import Listener

    timeout = given["mongodb_operation_timeout"]
    process.run(
        process.Server(
            source_uri=with_options(given["source"], given["source_client_compressors"] or (), timeout),
            target_uri=with_options(given["target"], given["target_client_compressors"] or (), timeout),
            listener=Listener(given["host"] or "127.0.0.1", port, given["token"] or ""),
            flavour=Flavour(given["api_flavor"]) if given["api_flavor"] else flavour,
            defaults=defaults,
            start=given["start"],
            reset=given["reset_state"],
        )
    )


def _require_uris(source: str | None, target: str | None) -> None:
    if not source and not target:
        raise Mistake("source URI and target URI are empty")
    if not source or not target:
        raise Mistake(f"{'target' if source else 'source'} URI is empty")
    if source == target:
        raise Mistake("source URI and target URI are identical")


def _start_logging(given: dict[str, Any], stream: Any) -> None:
    if given["no_color"]:
        click.echo("Flag --no-color has been deprecated, use --log-no-color instead", err=True)
    colour = stream.isatty() and not (given["log_no_color"] or given["no_color"])
    start_logging(given["log_level"], given["log_json"], colour, stream)


def _request(given: dict[str, Any], table: Iterable[Flag]) -> StartRequest:
    """What was given, as a start's request; raises Mistake where a start would be refused for it."""
    said = {flag.field: given[flag.field] for flag in table}
    for name in ("include_namespaces", "exclude_namespaces"):
        if name in said:
            said[name] = [entry for part in said[name] for entry in part] or None
    request = StartRequest(**said)
    try:
        options_of(request)
    except BadOption as error:
        raise Mistake(str(error)) from error
    return request


# The commands that talk to it


def _start(given: dict[str, Any]) -> int:
    request = _request(given, (*flags.SELECTION, *flags.TUNING, flags.PAUSE_FLAG))
    return _post(given, "start", msgspec.to_builtins(request))


def _resume(given: dict[str, Any]) -> int:
    return _post(given, "resume", {"fromFailure": True} if given["from_failure"] else {})


def _finalize(given: dict[str, Any]) -> int:
    return _post(given, "finalize")


def _status(given: dict[str, Any]) -> int:
    answer = _asked(given, "GET", "status")
    click.echo(json.dumps(answer, indent=2))
    if not answer.get("ok"):
        raise Mistake(str(answer.get("error", "the status is not ok")))
    return 0


def _post(given: dict[str, Any], path: str, body: dict[str, Any] | None = None) -> int:
    answer = _asked(given, "POST", path, body or None)
    if not answer.get("ok"):
        raise Mistake(str(answer.get("error", f"{path} was refused without a reason")))
    click.echo(json.dumps(answer, indent=2))
    return 0


def _asked(given: dict[str, Any], method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """The server's answer; raises Mistake when there is none."""
    host = given["host"] or "localhost"
    base = f"http://{f'[{host}]' if ':' in host.strip('[]') else host}:{given['port'] or PORT}"
    headers = {"Authorization": f"Bearer {given['token']}"} if given["token"] else {}
    with requests.Session() as session:
        # A proxy of the environment is not meant for a server on this machine.
        session.trust_env = False
        try:
            answer = session.request(
                method, f"{base}/{path}", json=body, headers=headers, timeout=(_CONNECT_SECONDS, _ANSWER_SECONDS)
            )
            found = answer.json()
        except requests.ConnectionError as error:
            raise Mistake(f"no server answers at {base}: start it, or give its --port") from error
        except requests.RequestException as error:
            raise Mistake(f"{method} {base}/{path}: {error}") from error
    if not isinstance(found, dict):
        raise Mistake(f"what answers at {base} is another program: give the --port of the server")
    return found


# Commands that need no server


def _reset_commands(flavour: Flavour) -> click.Group:
    table = (flags.TARGET_FLAG, *flags.LOGGING)

    def command(what: str) -> Callable[..., int]:
        return click.pass_context(lambda ctx, **given: _reset(ctx, what, _inherited(ctx, given)))

    group = click.Group(
        "reset",
        params=_options(table, flavour),
        invoke_without_command=True,
        callback=command("all"),
        help="Forget what is known of earlier runs.",
    )
    for what in ("recovery", "heartbeat"):
        one = click.Command(
            what, params=_options(table, flavour), callback=command(what), help=f"Forget the {what} data.", hidden=True
        )
        group.add_command(one)
    return group


def _reset(ctx: click.Context, what: str, given: dict[str, Any]) -> int:
    if ctx.invoked_subcommand is not None:
        return 0
    if not given["target"]:
        raise Mistake("required flag --target not set")
    _start_logging(given, sys.stderr)

    from repman.link.reset import reset

    reset(given["target"], PLACE, what)
    _log.info("OK: reset %s", what, extra={"s": "reset"})
    return 0


def _version() -> int:
    for name, value in (
        ("Version", __version__),
        ("Platform", f"{platform.system().lower()}/{platform.machine()}"),
        ("GitCommit", "-"),
        ("GitBranch", "-"),
        ("BuildTime", "-"),
        ("GoVersion", f"- (Python {platform.python_version()})"),
    ):
        click.echo(f"{name + ':':<11}{value}", err=True)
    return 0


if __name__ == "__main__":
    sys.exit(pcsm())
