"""``repman ctl api-keys`` works on the store alone, and shows a private key once."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from repman.checkpoints.resource.digest import password_equivalent
from repman.cli import main
from repman.config.secrets import make_key, read_key, unseal
from repman.state.keys import FILE, ApiKeys, Dialect


def keys(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> Any:
    assert main(["ctl", "api-keys", *words]) == code
    said = capsys.readouterr()
    return said.out if not code else said.err


def test_a_key_for_checkpoints_is_kept_encrypted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = ("--data-dir", str(tmp_path))
    made = json.loads(
        keys(
            capsys, "create", "--for", "checkpoints", "--scope", "a", "--scope", "b", "--role", "read", *place, "--json"
        )
    )
    assert (made["scope"], made["roles"], made["revoked"]) == (["a", "b"], ["read"], None)
    store = ApiKeys.below(tmp_path)
    kept = store.get(Dialect.CHECKPOINTS, made["publicKey"])
    store.close()
    assert kept is not None
    wanted = password_equivalent(made["publicKey"], made["privateKey"])
    assert unseal(kept.proof, read_key(tmp_path / "repman.key")) == wanted
    assert stat.S_IMODE((tmp_path / "repman.key").stat().st_mode) == 0o600
    written = b"".join(path.read_bytes() for path in tmp_path.glob(f"{FILE}*"))
    assert wanted.encode() not in written
    assert made["privateKey"].encode() not in written
    listed = keys(capsys, "list", *place)
    assert made["publicKey"] in listed
    assert made["privateKey"] not in listed


def test_a_key_for_streams_needs_no_sealing_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = ("--data-dir", str(tmp_path))
    said = keys(capsys, "create", "--for", "streams", "--note", "Ann's", *place)
    private = said.split("private key: ")[1].strip()
    store = ApiKeys.below(tmp_path)
    found = store.shown(Dialect.STREAMS, private)
    assert found is not None
    assert found.note == "Ann's"
    keys(capsys, "revoke", found.public, "--for", "streams", *place)
    assert store.shown(Dialect.STREAMS, private) is None
    store.close()
    assert not (tmp_path / "repman.key").exists()


def test_the_key_that_is_named_seals(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_key(tmp_path / "other")
    words = ("create", "--for", "checkpoints", "--data-dir", str(tmp_path), "--keypath", str(tmp_path / "other"))
    made = json.loads(keys(capsys, *words, "--json"))
    store = ApiKeys.below(tmp_path)
    kept = store.get(Dialect.CHECKPOINTS, made["publicKey"])
    store.close()
    assert kept is not None
    assert unseal(kept.proof, read_key(tmp_path / "other"))
    assert not (tmp_path / "repman.key").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("create", "--for", "checkpoints", "--role", "owner"), "there are read, write, restore"),
        (("create", "--for", "streams", "--role", "restore"), "there are read, write"),
        (("create", "--for", "checkpoints", "--scope", "a b"), "without spaces"),
        (("create", "--for", "checkpoints", "--scope", ""), "without spaces"),
        (("revoke", "nobody", "--for", "checkpoints"), "there are: none"),
        (("create", "--for", "checkpoints", "--keypath", "/nonexistent/key"), "repman keygen"),
    ],
)
def test_what_cannot_be(tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], told: str) -> None:
    assert told in keys(capsys, *words, "--data-dir", str(tmp_path), code=2)
