"""The options that every ``repman ctl`` command takes, and what they lead to."""

from __future__ import annotations

import functools
import inspect
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Concatenate, ParamSpec, TypeVar, get_type_hints

import typer
from rich.console import Console

from repman.cli import screens
from repman.cli.api import Api, cluster_path
from repman.cli.exits import ExitCode, UsageFailure
from repman.cli.target import find_target
from repman.errors import Refused
from repman.model.problem import Refusal

P = ParamSpec("P")
S = TypeVar("S")


@dataclass(slots=True)
class Session:
    """One call of ``repman ctl``: the API, the cluster meant, and how to show things."""

    api: Api
    as_json: bool
    wanted_cluster: str = ""
    console: Console = field(default_factory=lambda: Console(highlight=False))
    _cluster: str = ""

    @property
    def cluster(self) -> str:
        """The cluster given, or the only one; raises UsageFailure when there are several."""
        if not self._cluster:
            self._cluster = self.wanted_cluster or self.api.target.cluster or self._only_one()
        return self._cluster

    def path(self, *rest: str) -> str:
        """The API's path of something in the cluster."""
        return cluster_path(self.cluster, *rest)

    @property
    def live(self) -> bool:
        """Whether somebody looks at a terminal that can be drawn upon."""
        return self.console.is_terminal and not self.as_json

    def show(self, *things: Any) -> None:
        """Print for people."""
        self.console.print(*things)

    def show_json(self, document: Any) -> None:
        """Print one JSON document, indented for people and the same for programs."""
        print(json.dumps(document, indent=2, ensure_ascii=False), flush=True)

    def tell(self, sentence: str) -> None:
        """Say something about the course of things, beside the result: on stderr."""
        print(sentence, file=sys.stderr, flush=True)

    def refuse(self, refusals: Sequence[Refusal]) -> int:
        """Show why nothing was changed; returns the exit code."""
        if self.as_json:
            reasons = [{"code": each.code, "sentence": each.sentence, "server": each.server} for each in refusals]
            self.show_json({"status": "refused", "reasons": reasons})
        else:
            self.show(screens.refusal_list("Refused; nothing was changed:", refusals))
        return ExitCode.REFUSED

    def _only_one(self) -> str:
        names = self.api.clusters()
        if len(names) != 1:
            told = "there are several clusters" if names else "this repman watches no cluster"
            raise UsageFailure(f"{told}: give one with --cluster" + (f" ({', '.join(names)})" if names else ""))
        return names[0]


def connect(
    url: Annotated[str, typer.Option("--url", help="Origin of the API. (or REPMAN_URL)")] = "",
    user: Annotated[str, typer.Option("--user", help="API user. (or REPMAN_USER)")] = "",
    password: Annotated[
        str,
        typer.Option(
            "--password",
            help="Others can see it in the list of processes; better REPMAN_PASSWORD or REPMAN_PASSWORD_FILE.",
        ),
    ] = "",
    demo: Annotated[
        Path | None, typer.Option("--demo", help="Directory of a demo (found by itself here and above).")
    ] = None,
    cluster: Annotated[str, typer.Option("--cluster", help="Which cluster; needed when there are several.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    cacert: Annotated[
        str, typer.Option("--cacert", help="File with the certificate to trust for https. (or REPMAN_CACERT)")
    ] = "",
) -> Session:
    """The session that the options common to all commands describe."""
    target = find_target(url, user, password, demo, cacert)
    return Session(Api(target), as_json, cluster, Console(highlight=False, width=width()))


def with_session(command: Callable[Concatenate[Session, P], int | None]) -> Callable[..., None]:
    """Give a command the options of `connect` beside its own; what it returns is the exit code.

    What is refused is shown with all reasons, the same for every command.
    """

    def called(session: Session, **values: Any) -> int | None:
        try:
            return command(session, **values)  # type: ignore[call-arg]
        except Refused as refused:
            return session.refuse(refused.refusals)

    return merged(command, connect, called)


def merged(
    command: Callable[..., int | None], connect: Callable[..., S], call: Callable[..., int | None]
) -> Callable[..., None]:
    """A command with the options of `connect` beside its own.

    `call` gets what `connect` made and the values of the command's own options; what it returns is the exit code.
    """
    common = inspect.signature(connect, eval_str=True)
    own = inspect.signature(command, eval_str=True)
    taken = list(common.parameters)

    @functools.wraps(command)
    def called(**values: Any) -> None:
        session = connect(**{name: values.pop(name) for name in taken})
        if code := call(session, **values):
            raise typer.Exit(code)

    parameters = [*list(own.parameters.values())[1:], *common.parameters.values()]
    hints = get_type_hints(command, include_extras=True) | get_type_hints(connect, include_extras=True)
    called.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in parameters]
    )
    called.__annotations__ = {each.name: hints[each.name] for each in parameters}
    del called.__wrapped__
    return called


def width() -> int | None:
    """Room enough for a table when the output is no terminal and nobody said how wide it is."""
    return None if os.isatty(1) or os.environ.get("COLUMNS") else 160
