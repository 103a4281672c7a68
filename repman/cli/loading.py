"""The options that every process command shares, and the configuration they lead to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from repman.config.settings import Settings

ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="The configuration file (TOML).", show_default=False)
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="name=value: set an option, above the file; can be given again."),
]


def load_settings(config: Path | None, values: list[str] | None) -> tuple[Settings, tuple[str, ...]]:
    """The finished configuration and warnings for the log; raises ConfigError with every mistake."""
    from repman.config import load

    return load(config, tuple(values or ()))
