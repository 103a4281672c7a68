"""docs/ctl.md names every command of ``repman ctl``, and no other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from repman.cli.ctl import app

TEXT = (Path(__file__).parents[3] / "docs" / "ctl.md").read_text()


def commands(group: Any, before: tuple[str, ...] = ()) -> Iterator[str]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*before, name))
        else:
            yield " ".join((*before, name))


def test_every_command_is_documented_and_no_other() -> None:
    known = set(commands(typer.main.get_command(app)))
    assert len(known) > 70
    in_tables = "\n".join(line.split("|")[1] for line in TEXT.splitlines() if line.startswith("| `repman ctl"))
    assert sorted(re.findall(r"`repman ctl ([a-z -]+)`", in_tables)) == sorted(known)


def test_every_command_says_what_it_does() -> None:
    def bare(group: Any) -> Iterator[str]:
        for name, command in group.commands.items():
            if not command.help:
                yield name
            yield from bare(command) if hasattr(command, "commands") else ()

    assert list(bare(typer.main.get_command(app))) == []
