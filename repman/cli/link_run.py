"""``repman link run``: the process of one configured link."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Annotated

import typer

from repman.cli.loading import ConfigOption, SetOption
from repman.cli.process import PidDirOption, be
from repman.config.live import Live
from repman.config.servers import address_of
from repman.config.settings import Settings
from repman.config.settings_link import LinkSettings
from repman.errors import ConfigError

if TYPE_CHECKING:
    from repman.link.doors import Assignment
    from repman.link.options import LinkOptions

GRACE = 20.0
"""Seconds for a link to get to a point from which it goes on."""


def process_name(link: str) -> str:
    """What the process of that link is called: its pid file, its log lines."""
    return f"link-{link}"


def run(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The link's name in the configuration.")],
    config: ConfigOption = None,
    values: SetOption = None,
    pid_dir: PidDirOption = None,
) -> None:
    """Run one configured link until SIGTERM; what it has begun goes on when it is run again."""

    def work(settings: Settings) -> None:
        serve(settings, name)

    be(process_name(name), GRACE, work, config, values, pid_dir)


def serve(settings: Settings, name: str) -> None:
    """Run the link of that name until SIGTERM or SIGINT.

    Raises ConfigError when none is configured, or its address cannot be listened on.
    """
    link = settings.link(name)
    if link is None:
        known = ", ".join(each.name for each in settings.links) or "none"
        raise ConfigError([f"there is no link {name}: add a section [links.{name}]; configured: {known}"])
    # Loaded late: whoever asks for help, or supervises, needs neither Flask nor a driver.
    from repman.cli.link_process import answer_until_told
    from repman.link.process import LinkProcess

    live = Live(settings)
    live.on_change(lambda changed: logging.getLogger().setLevel(changed.service.log_level))
    work = assignment(settings, link)
    process = LinkProcess(work, each_turn=lambda: _follow(live))
    answer_until_told(process, process.application, work.listener, f"give another link-port in [links.{name}]")


def assignment(settings: Settings, link: LinkSettings) -> Assignment:
    """What the process of the link is told."""
    from repman.link.doors import Assignment
    from repman.link.percona.starting import StartRequest
    from repman.link.serving import Listener
    from repman.link.view import Face
    from repman.model.link import LinkSide

    return Assignment(
        face=Face(
            link.name,
            link.dialect,
            address_of(link.bind.strip("[]"), link.port),
            LinkSide("source", link.source_hosts),
            LinkSide("target", link.target_hosts),
        ),
        source_uri=link.source,
        target_uri=link.target,
        listener=Listener(link.bind, link.port, link.token),
        rundir=settings.service.rundir,
        socket=settings.service.link_socket(link.name),
        options=_options(link),
        namespaces=StartRequest(
            include_namespaces=list(link.include) or None, exclude_namespaces=list(link.exclude) or None
        ),
        automatic=link.automatic,
    )


def _options(link: LinkSettings) -> LinkOptions:
    from repman.link.namespaces import Everything
    from repman.link.options import LinkOptions, TargetData, WriteBlocking
    from repman.link.percona.filters import NamespaceFilter

    blocking = {"none": WriteBlocking.NONE, "target": WriteBlocking.TARGET, "both": WriteBlocking.BOTH}
    chosen = link.include or link.exclude
    return LinkOptions(
        selection=NamespaceFilter(link.include, link.exclude) if chosen else Everything(),
        target_data=TargetData.REPLACE if link.replace_target else TargetData.REFUSE,
        write_blocking=blocking[link.write_blocking],
        reversible=link.reversible,
        verify=link.verify,
        atomic_transactions=link.atomic_transactions,
    )


def _follow(live: Live) -> None:
    """Look for a changed configuration; of the link's own settings it takes a new process, which its supervisor starts."""
    _ = live.settings
