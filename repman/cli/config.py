"""``repman config``: check the configuration, show every value and where it comes from.

Exit codes: 0 the configuration can be used, 2 it cannot (or the arguments are wrong).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from repman.config import read
from repman.config.findings import Findings
from repman.config.layers import Merged, Setting
from repman.config.sections import in_words, link_of, link_section
from repman.config.upgrading import Fate, Line, upgrade_report
from repman.errors import ConfigError

app = typer.Typer(
    help="Check and show the configuration. Exit codes: 0 it can be used, 2 it cannot.",
    no_args_is_help=True,
)

_UNFOLDED = 1000
"""Columns when the output is read by a program: no cell is folded."""

ConfigPath = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="Main file. Else REPMAN_CONFIG, else the usual places."),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="[CLUSTER.]NAME=VALUE", help="Give an option here; wins over everything."),
]


@app.command()
def check(config: ConfigPath = None, overrides: Overrides = None) -> None:
    """Report every mistake at once with file and line, or a summary."""
    merged, findings = _read(config, overrides)
    for warning in findings.warnings:
        typer.echo(f"warning: {warning}", err=True)
    if findings.mistakes:
        _fail(findings.mistakes)
    servers = sum(len(_items(settings["db-servers-hosts"])) for settings in merged.clusters.values())
    links = f"links: {len(merged.links)}, " if merged.links else ""
    typer.echo(
        f"{merged.path}: good; clusters: {len(merged.clusters)}, servers: {servers}, {links}"
        f"warnings: {len(findings.warnings)}"
    )


@app.command()
def show(
    config: ConfigPath = None,
    overrides: Overrides = None,
    cluster: Annotated[str, typer.Option(help="Show that cluster only.")] = "",
    link: Annotated[str, typer.Option(help="Show that link only.")] = "",
    origin: Annotated[bool, typer.Option("--origin", help="Say where each value comes from.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show every option's value, secrets masked; also when the configuration has mistakes (exit code 2)."""
    merged, findings = _read(config, overrides)
    if cluster and cluster not in merged.clusters:
        known = ", ".join(merged.clusters) or "none"
        _fail([f"there is no cluster {cluster}; configured: {known}", *findings.mistakes])
    if link and link not in merged.links:
        _fail([f"there is no link {link}; configured: {', '.join(merged.links) or 'none'}", *findings.mistakes])
    parts = _parts(merged, cluster, link)
    if as_json:
        typer.echo(json.dumps(_document(parts, origin), indent=2))
    else:
        console = Console()
        if not console.is_terminal:
            console.width = _UNFOLDED
        for name, settings in parts.items():
            console.print(_table(name, settings, origin))
    if findings.mistakes:
        _fail(findings.mistakes)


@app.command("upgrade-report")
def upgrade(
    file: Annotated[Path, typer.Argument(help="replication-manager's main file.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what repman makes of a configuration of replication-manager: used, inert, ignored, unknown, differing."""
    report = upgrade_report(file, {})
    if as_json:
        typer.echo(json.dumps(asdict(report), indent=2))
    else:
        for fate in Fate:
            _told(fate, report.of(fate))
        if report.differences:
            typer.echo("defaults that differ, of options that the files do not give:")
        for differs in report.differences:
            typer.echo(f"  {differs.option}: {differs.ours}, there {differs.theirs}; {differs.because}")
        for warning in report.warnings:
            typer.echo(f"warning: {warning}", err=True)
    if report.mistakes:
        _fail(report.mistakes)


def _told(fate: Fate, lines: tuple[Line, ...]) -> None:
    typer.echo(f"{fate}: {len(lines)}")
    for line in lines:
        place = f"{line.cluster}." if line.cluster else ""
        typer.echo(f"  {place}{line.written}" + (f": {line.remark}" if line.remark else "") + f"  ({line.where})")


def _read(config: Path | None, overrides: list[str] | None) -> tuple[Merged, Findings]:
    try:
        return read(config, overrides or ())
    except ConfigError as error:
        _fail(error.mistakes)
        raise


def _fail(mistakes: tuple[str, ...] | list[str]) -> None:
    for mistake in mistakes:
        typer.echo(f"error: {mistake}", err=True)
    raise typer.Exit(2)


def _items(setting: Setting) -> tuple[str, ...]:
    return setting.value if isinstance(setting.value, tuple) else ()


def _parts(merged: Merged, cluster: str, link: str) -> dict[str, Mapping[str, Setting]]:
    """The sections to show, by name: all, or what is wished."""
    parts: dict[str, Mapping[str, Setting]] = {} if cluster or link else {"": merged.service}
    parts |= {name: merged.clusters[name] for name in merged.clusters if cluster == name or not (cluster or link)}
    parts |= {link_section(name): merged.links[name] for name in merged.links if link == name or not (cluster or link)}
    return parts


def _document(parts: Mapping[str, Mapping[str, Setting]], origin: bool) -> dict[str, object]:
    def one(setting: Setting) -> object:
        value = setting.option.shown(setting.value)
        return {"value": value, "origin": setting.given_by} if origin else value

    shown = {part: {name: one(setting) for name, setting in settings.items()} for part, settings in parts.items()}
    clusters = {name: values for name, values in shown.items() if name and not link_of(name)}
    links = {link: values for name, values in shown.items() if (link := link_of(name))}
    service = {"service": shown[""]} if "" in shown else {}
    return {**service, "clusters": clusters, "links": links}


def _table(name: str, settings: Mapping[str, Setting], origin: bool) -> Table:
    table = Table("option", "value", title=in_words(name) if name else "installation", title_justify="left")
    if origin:
        table.add_column("origin", overflow="fold")
    for setting in settings.values():
        value = setting.option.shown(setting.value)
        text = str(value).lower() if isinstance(value, bool) else str(value)
        cells = [setting.option.name, escape(text)]
        table.add_row(*cells, *([escape(setting.given_by)] if origin else []))
    return table
