"""``repman keygen``, ``repman password``, ``repman decrypt``: encrypted secrets for configuration files.

Secrets are asked for or read from standard input: whatever stands on a command line is seen by everybody on the
machine.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from repman.cli.loading import ConfigOption, SetOption
from repman.config import read
from repman.config.options import BY_NAME
from repman.config.secrets import is_encrypted, make_key, read_key, seal, unseal
from repman.errors import ConfigError

app = typer.Typer(no_args_is_help=True)

KeyPath = Annotated[
    Path | None,
    typer.Option("--keypath", help="The key file. Else monitoring-key-path of the configuration.", show_default=False),
]


@app.command()
def keygen(
    keypath: KeyPath = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a key; what it encrypted cannot be read any more.")
    ] = False,
    config: ConfigOption = None,
    values: SetOption = None,
) -> None:
    """Make the key that encrypts secrets in configuration files; mode 0600, so run it as repman's user."""
    path = _key_path(keypath, config, values)
    make_key(path, overwrite)
    typer.echo(str(path))


@app.command()
def password(
    clear: Annotated[
        str | None,
        typer.Argument(help="The secret. Better left out: it is asked for, or read from standard input."),
    ] = None,
    keypath: KeyPath = None,
    config: ConfigOption = None,
    values: SetOption = None,
) -> None:
    """Encrypt a secret: write the result where the secret, or the password of user:password, would stand."""
    key = read_key(_key_path(keypath, config, values))
    if clear is not None:
        typer.echo("warning: the secret was on the command line, where others can see it", err=True)
    secret = clear if clear is not None else _asked("Secret: ", twice=True)
    if not secret:
        raise ConfigError(["there is nothing to encrypt"])
    typer.echo(seal(secret, key))


@app.command()
def decrypt(
    encrypted: Annotated[
        str | None, typer.Argument(help="sealed_... or hash_..., also behind user: (else: standard input)")
    ] = None,
    keypath: KeyPath = None,
    config: ConfigOption = None,
    values: SetOption = None,
) -> None:
    """Show the secret behind its encrypted form."""
    text = encrypted if encrypted is not None else _asked("Encrypted secret: ", twice=False)
    user, colon, half = text.partition(":")
    secret = half if colon else user
    if not is_encrypted(secret):
        raise ConfigError(["that is no encrypted secret; it begins with sealed_ or hash_"])
    try:
        clear = unseal(secret, read_key(_key_path(keypath, config, values)))
    except ValueError as error:
        raise ConfigError([str(error)]) from error
    typer.echo(f"{user}:{clear}" if colon else clear)


def _key_path(keypath: Path | None, config: Path | None, values: list[str] | None) -> Path:
    if keypath is not None:
        return keypath
    try:
        merged, _ = read(config, values or ())
    except ConfigError:
        if config is not None:
            raise
        return Path(str(BY_NAME["monitoring-key-path"].default))
    return Path(str(merged.service["monitoring-key-path"].value))


def _asked(prompt: str, twice: bool) -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    return str(typer.prompt(prompt, prompt_suffix="", hide_input=True, confirmation_prompt=twice))
