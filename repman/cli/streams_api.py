"""The streams' API as the command line sees it, and the options that lead to it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Concatenate, ParamSpec
from urllib.parse import quote

import requests
import typer
from rich.console import Console

from repman.cli.exits import ApiUnreachable, NotAuthorised, UsageFailure
from repman.cli.session import merged, width
from repman.errors import RepmanError, StreamRefused, UnknownStream

P = ParamSpec("P")
DEFAULT_URL = "http://127.0.0.1:8020"
SECONDS = (5.0, 60.0)
"""To connect and to answer: what is started looks into both databases first."""

_ERRORS: dict[int, type[RepmanError]] = {
    400: UsageFailure,
    401: NotAuthorised,
    403: NotAuthorised,
    404: UnknownStream,
    409: StreamRefused,
}


@dataclass(frozen=True, slots=True)
class StreamsSession:
    """One call of ``repman ctl streams``."""

    url: str
    key: str = field(repr=False)
    as_json: bool = False
    console: Console = field(default_factory=lambda: Console(highlight=False, width=width()))

    @property
    def live(self) -> bool:
        """Whether somebody looks at a terminal that can be drawn upon."""
        return self.console.is_terminal and not self.as_json

    def get(self, *path: str, **parameters: str) -> Any:
        """The document at that path; raises what `call` raises."""
        return self.call("GET", path, parameters=parameters)

    def post(self, *path: str, body: object = None, **parameters: str) -> Any:
        """The answer to an order; raises what `call` raises."""
        return self.call("POST", path, body, parameters)

    def call(
        self, method: str, path: tuple[str, ...], body: object = None, parameters: Mapping[str, str] | None = None
    ) -> Any:
        """One request; None where the answer is empty.

        Raises UsageFailure, NotAuthorised, UnknownStream and StreamRefused as the answer says, ApiUnreachable when
        there is none, and RepmanError when a database does not answer.
        """
        url = f"{self.url}/api/v1/" + "/".join(quote(part, safe="") for part in path)
        try:
            answer = requests.request(
                method, url, json=body, params=parameters, headers={"X-API-Key": self.key}, timeout=SECONDS
            )
        except requests.RequestException as error:
            told = f"no streams API at {self.url} ({type(error).__name__})"
            raise ApiUnreachable(f"{told}: is `repman streams serve` running, is --url right?") from None
        if answer.ok:
            return answer.json() if answer.content else None
        raise _ERRORS.get(answer.status_code, RepmanError)(_sentence(answer))

    def show(self, *things: Any) -> None:
        """Print for people."""
        self.console.print(*things)

    def show_json(self, document: Any) -> None:
        """Print one JSON document."""
        print(json.dumps(document, indent=2, ensure_ascii=False), flush=True)

    def tell(self, sentence: str) -> None:
        """Say something about the course of things, beside the result: on stderr."""
        print(sentence, file=sys.stderr, flush=True)


def connect(
    url: Annotated[
        str, typer.Option("--url", envvar="REPMAN_STREAMS_URL", help="Origin of the streams' API.")
    ] = DEFAULT_URL,
    key: Annotated[
        str,
        typer.Option(
            "--key",
            envvar="REPMAN_STREAMS_API_KEY",
            help="API key. Others can see it in the list of processes; better in the environment.",
            show_envvar=True,
        ),
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> StreamsSession:
    """The session that the options common to all commands describe."""
    return StreamsSession(url.rstrip("/"), key, as_json)


def with_streams(command: Callable[Concatenate[StreamsSession, P], int | None]) -> Callable[..., None]:
    """Give a command the options of `connect` beside its own; what it returns is the exit code."""
    return merged(command, connect, command)


def _sentence(answer: requests.Response) -> str:
    try:
        told = answer.json().get("error")
    except (ValueError, AttributeError):
        told = None
    return str(told or f"{answer.url} answered {answer.status_code}: is this the streams' API?")
