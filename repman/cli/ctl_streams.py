"""``repman ctl streams``: streams between MySQL/MariaDB and PostgreSQL, through the streams' API."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from repman.cli import streams_screens, streams_watching
from repman.cli.exits import ExitCode, UsageFailure
from repman.cli.streams_api import StreamsSession, with_streams

app = typer.Typer(
    help="Streams between MySQL/MariaDB and PostgreSQL: list, show, start, pause, resume, stop, watch.",
    no_args_is_help=True,
)
connections = typer.Typer(help="Connections to databases: list, add, test, remove.", no_args_is_help=True)
configs = typer.Typer(help="Stream configurations: list, show, add, remove.", no_args_is_help=True)
app.add_typer(connections, name="connections")
app.add_typer(configs, name="configs")

StreamId = Annotated[str, typer.Argument(metavar="ID", help="The stream's id.")]
ConfigId = Annotated[str, typer.Argument(metavar="CONFIG", help="The configuration's id, or its name.")]
ConnectionId = Annotated[str, typer.Argument(metavar="CONNECTION", help="The connection's id, or its name.")]
FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="A JSON file; - reads standard input.")]


@app.command("list")
@with_streams
def list_streams(session: StreamsSession) -> None:
    """All streams, the newest first: state, rows, lag."""
    found = session.get("streams")
    session.show_json(found) if session.as_json else session.show(streams_screens.streams(found))


@app.command()
@with_streams
def show(session: StreamsSession, stream: StreamId) -> None:
    """One stream with all that is known of it."""
    stats = session.get("streams", stream, "stats")
    session.show_json(stats) if session.as_json else session.show(streams_screens.stream(stats))


@app.command()
@with_streams
def start(
    session: StreamsSession,
    config: ConfigId,
    wait: Annotated[bool, typer.Option("--wait", help="Watch it until it is over.")] = False,
) -> int:
    """Start a stream of a configuration."""
    made = session.post("streams", _found(session, "stream-configs", config), "start")
    if not wait:
        session.show_json(made) if session.as_json else session.show(made["id"])
        return ExitCode.DONE
    return _watched(session, made["id"])


@app.command()
@with_streams
def pause(session: StreamsSession, stream: StreamId) -> None:
    """Let a stream rest; what it has begun is committed first."""
    _tell(session, session.post("streams", stream, "pause"))


@app.command()
@with_streams
def resume(session: StreamsSession, stream: StreamId) -> None:
    """Go on after a pause."""
    _tell(session, session.post("streams", stream, "resume"))


@app.command()
@with_streams
def stop(
    session: StreamsSession,
    stream: StreamId,
    force: Annotated[bool, typer.Option("--force", help="Do not wait for what it has begun.")] = False,
) -> None:
    """End a stream for good."""
    parameters = {"force": "true"} if force else {}
    _tell(session, session.post("streams", stream, "stop", **parameters))


@app.command()
@with_streams
def watch(
    session: StreamsSession,
    stream: StreamId,
    every: Annotated[float, typer.Option("--every", min=0.05, help="Seconds between two looks.")] = 0.5,
) -> int:
    """Show how a stream gets on until it is over, or until Ctrl-C: bars, rates, time left, lag."""
    return _watched(session, stream, every)


@app.command()
@with_streams
def logs(
    session: StreamsSession,
    stream: StreamId,
    level: Annotated[str, typer.Option("--level", help="debug, info, warn or error: nothing below it.")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, help="As many of the newest.")] = 100,
) -> None:
    """What a stream has told."""
    found = session.get("streams", stream, "logs", level=level, limit=str(limit))
    if session.as_json:
        session.show_json(found)
        return
    for entry in found:
        print(
            f"{entry.get('timestamp', '')} {entry.get('level', ''):5} {entry.get('type', ''):6} {entry.get('msg', '')}"
        )


@app.command()
@with_streams
def verify(
    session: StreamsSession,
    stream: StreamId,
    repair: Annotated[bool, typer.Option("--repair", help="Copy once more what differs.")] = False,
) -> int:
    """Compare source and target of a stream that does not run, row by row; exit code 1 when they differ."""
    found = streams_watching.compared(session, stream, repair)
    session.show_json(found) if session.as_json else session.show(streams_screens.comparison(found))
    return ExitCode.DONE if found["status"] in ("equal", "repaired") else ExitCode.FAILED


@app.command()
@with_streams
def remove(session: StreamsSession, stream: StreamId) -> None:
    """Forget a stream that is over."""
    session.call("DELETE", ("streams", stream))


@connections.command("list")
@with_streams
def list_connections(session: StreamsSession) -> None:
    """The connections, without their passwords."""
    found = session.get("connections")
    session.show_json(found) if session.as_json else session.show(streams_screens.connections(found))


@connections.command("add")
@with_streams
def add_connection(session: StreamsSession, file: FileArgument) -> None:
    """Keep a connection that a JSON file describes; its password is read from there, not from the command line."""
    made = session.post("connections", body=_document(file))
    session.show_json(made) if session.as_json else session.show(made["id"])


@connections.command("test")
@with_streams
def test_connection(session: StreamsSession, connection: ConnectionId) -> None:
    """Whether the database answers and lets us in."""
    told = session.post("connections", _found(session, "connections", connection), "ping")
    session.show_json(told) if session.as_json else session.show("ok")


@connections.command("remove")
@with_streams
def remove_connection(session: StreamsSession, connection: ConnectionId) -> None:
    """Forget a connection that no configuration uses."""
    session.call("DELETE", ("connections", _found(session, "connections", connection)))


@configs.command("list")
@with_streams
def list_configs(session: StreamsSession) -> None:
    """The configurations."""
    found = session.get("stream-configs")
    session.show_json(found) if session.as_json else session.show(streams_screens.configs(found))


@configs.command("show")
@with_streams
def show_config(session: StreamsSession, config: ConfigId) -> None:
    """One configuration, as JSON."""
    session.show_json(session.get("stream-configs", _found(session, "stream-configs", config)))


@configs.command("add")
@with_streams
def add_config(session: StreamsSession, file: FileArgument) -> None:
    """Keep a configuration that a JSON file describes; source and target may be names of connections."""
    document = _document(file)
    for side in ("source", "target"):
        if isinstance(document.get(side), str):
            document[side] = _found(session, "connections", document[side])
    made = session.post("stream-configs", body=document)
    session.show_json(made) if session.as_json else session.show(made["id"])


@configs.command("remove")
@with_streams
def remove_config(session: StreamsSession, config: ConfigId) -> None:
    """Forget a configuration and its streams."""
    session.call("DELETE", ("stream-configs", _found(session, "stream-configs", config)))


def _watched(session: StreamsSession, stream: str, every: float = streams_watching.EVERY) -> int:
    try:
        stats = streams_watching.watch(session, stream, every)
    except KeyboardInterrupt:
        session.tell(f"Not watched any more; it goes on. Watch it again: repman ctl streams watch {stream}")
        return ExitCode.INTERRUPTED
    if not session.as_json:
        session.show(streams_screens.stream(stats))
    return ExitCode.FAILED if stats["status"] == "FAILED" else ExitCode.DONE


def _tell(session: StreamsSession, moved: Any) -> None:
    session.show_json(moved) if session.as_json else session.show(f"{moved['id']} {moved['status']}")


def _found(session: StreamsSession, kind: str, word: str) -> str:
    """The id behind an id or a name; raises UsageFailure when several have that name."""
    ids = [each["id"] for each in session.get(kind) if word in (each["id"], each["name"])]
    if len(ids) > 1:
        raise UsageFailure(f"several are called {word}: give the id of one ({', '.join(ids)})")
    return str(ids[0]) if ids else word


def _document(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageFailure(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UsageFailure(f"{path} is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise UsageFailure(f"{path} must hold a JSON object")
    return found
