"""``repman ctl api-keys``: the keys of services with an API of another product.

It works on the store itself and needs nothing that runs: a service sees every change with the next request.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from repman.cli.exits import UsageFailure
from repman.cli.keyfile import DataDirOption, KeyPathOption, places, sealing_key
from repman.cli.loading import ConfigOption
from repman.cli.records import table
from repman.config.secrets import seal
from repman.state.keys import ROLES, ApiKey, ApiKeys, Dialect, digest_of, new_bearer, new_private, new_public, roles_of

_UNFOLDED = 1000
"""Columns where nobody looks, so that a program finds a key on one line."""

app = typer.Typer(help="Keys of the checkpoints' and the streams' API: create, list, revoke.", no_args_is_help=True)

ForOption = Annotated[Dialect, typer.Option("--for", help="Whose API the key opens.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def create(
    dialect: ForOption,
    scope: Annotated[
        list[str] | None,
        typer.Option("--scope", metavar="GROUP", help="The only group that the key opens; repeatable. Else all."),
    ] = None,
    role: Annotated[
        list[str] | None,
        typer.Option("--role", metavar="ROLE", help="read, write, restore (streams: read, write). Else all."),
    ] = None,
    note: Annotated[str, typer.Option("--note", help="Whose key it is, or what for.")] = "",
    data_dir: DataDirOption = None,
    keypath: KeyPathOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key and show it, this once."""
    try:
        roles = roles_of(dialect, role or ())
    except ValueError as error:
        raise UsageFailure(str(error)) from error
    if any(not each or any(letter.isspace() for letter in each) for each in scope or ()):
        raise UsageFailure("--scope takes the id of a group, without spaces; give it again for another one")
    here = places(config)
    datadir = data_dir or here.datadir
    public = new_public()
    if dialect is Dialect.CHECKPOINTS:
        from repman.checkpoints.resource.digest import password_equivalent

        private = new_private()
        proof = seal(password_equivalent(public, private), sealing_key(datadir, keypath, here.key))
    else:
        private = new_bearer()
        proof = digest_of(private)
    with _keys(datadir) as keys:
        made = keys.add(ApiKey(public, dialect, proof, frozenset(scope or ()), roles, note))
    if as_json:
        typer.echo(json.dumps({**_document(made), "privateKey": private}, indent=2))
        return
    typer.echo(f"public key:  {public}")
    typer.echo(f"private key: {private}")
    typer.echo("The private key is shown this once and kept nowhere.", err=True)


@app.command("list")
def list_keys(
    dialect: Annotated[Dialect | None, typer.Option("--for", help="Only keys of that API.")] = None,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """The keys, without their private halves."""
    with _keys(data_dir or places(config).datadir) as keys:
        found = [_document(key) for key in keys.list(dialect)]
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    columns = ("publicKey", "for", "scope", "roles", "created", "revoked", "note")
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _UNFOLDED
    console.print(table(found, [(name.upper(), name) for name in columns]))


@app.command()
def revoke(
    public: Annotated[str, typer.Argument(metavar="PUBLIC-KEY", help="The key's public half.")],
    dialect: ForOption,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let a key open nothing any more, from the next request on."""
    with _keys(data_dir or places(config).datadir) as keys:
        key = keys.revoke(dialect, public)
        if key is None:
            known = ", ".join(each.public for each in keys.list(dialect) if each.revoked is None)
            raise UsageFailure(f"there is no key {public} for {dialect}; there are: {known or 'none'}")
    typer.echo(json.dumps(_document(key), indent=2) if as_json else f"{public} is revoked")


@contextmanager
def _keys(datadir: Path) -> Iterator[ApiKeys]:
    keys = ApiKeys.below(datadir)
    try:
        yield keys
    finally:
        keys.close()


def _document(key: ApiKey) -> dict[str, object]:
    return {
        "publicKey": key.public,
        "for": str(key.dialect),
        "scope": sorted(key.scope),
        "roles": [role for role in ROLES[key.dialect] if role in key.roles],
        "note": key.note,
        "created": _time(key.created),
        "revoked": None if key.revoked is None else _time(key.revoked),
    }


def _time(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
