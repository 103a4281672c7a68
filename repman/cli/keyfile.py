"""Where a stand-alone service keeps its data, and the key that encrypts what it must be able to read back."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from repman.config import read
from repman.config.options import BY_NAME
from repman.config.secrets import make_key, read_key
from repman.errors import ConfigError

DataDirOption = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        metavar="DIR",
        help="Where the service keeps its data. Else monitoring-datadir.",
        show_default=False,
    ),
]
KeyPathOption = Annotated[
    Path | None,
    typer.Option(
        "--keypath",
        metavar="FILE",
        help="The key of encrypted secrets. Else DIR/repman.key, or monitoring-key-path.",
        show_default=False,
    ),
]

OWN = "repman.key"


@dataclass(frozen=True, slots=True)
class Places:
    """What the installation's configuration says of directories."""

    datadir: Path
    key: Path


def places(config: Path | None = None) -> Places:
    """The installation's, with or without a configuration; raises ConfigError for a file that cannot be used."""
    try:
        merged, _ = read(config, ())
    except ConfigError:
        if config is not None:
            raise
        return Places(
            Path(str(BY_NAME["monitoring-datadir"].default)), Path(str(BY_NAME["monitoring-key-path"].default))
        )
    service = merged.service
    return Places(Path(str(service["monitoring-datadir"].value)), Path(str(service["monitoring-key-path"].value)))


def sealing_key(datadir: Path, keypath: Path | None, installation: Path) -> bytes:
    """The key by which secrets in that data directory are encrypted; raises ConfigError.

    It is the one that was named, or that of the data directory, or the installation's; where there is none of them,
    one is made in the data directory, for its owner's eyes only.
    """
    own = datadir / OWN
    if keypath is not None:
        return read_key(keypath)
    if not own.exists() and installation.exists():
        return read_key(installation)
    if not own.exists():
        with contextlib.suppress(ConfigError):  # another process was first; what else was wrong is told by reading it
            make_key(own)
    return read_key(own)
