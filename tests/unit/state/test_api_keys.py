"""Keys of all dialects: created, found, revoked; nothing secret is kept or shown."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from repman.errors import StateError
from repman.state.keys import FILE, ApiKey, ApiKeys, Dialect, digest_of, new_bearer, new_private, new_public, roles_of

CHECKPOINTS, STREAMS = Dialect.CHECKPOINTS, Dialect.STREAMS


@pytest.fixture
def keys(tmp_path: Path) -> Iterator[ApiKeys]:
    with closing(ApiKeys.below(tmp_path)) as made:
        yield made


def test_a_key_is_known_to_every_process_until_it_is_revoked(keys: ApiKeys, tmp_path: Path) -> None:
    made = keys.add(ApiKey("abcdefgh", CHECKPOINTS, "sealed_x", frozenset({"g1", "g2"}), frozenset({"read"}), "of Ann"))
    with closing(ApiKeys.below(tmp_path)) as other:
        assert other.get(CHECKPOINTS, "abcdefgh") == made
        assert other.get(STREAMS, "abcdefgh") is None, "it opens the other API"
        revoked = other.revoke(CHECKPOINTS, "abcdefgh")
    assert keys.get(CHECKPOINTS, "abcdefgh") == revoked
    assert revoked is not None
    assert revoked.revoked is not None
    assert not revoked.may("read")
    assert keys.revoke(CHECKPOINTS, "abcdefgh") == revoked, "the first time counts"
    assert keys.revoke(STREAMS, "abcdefgh") is None
    assert keys.list() == (revoked,)
    assert keys.list(STREAMS) == ()


def test_a_key_that_is_shown_as_a_whole_is_found_by_its_digest(keys: ApiKeys, tmp_path: Path) -> None:
    secret = new_bearer()
    made = keys.add(ApiKey("s1", STREAMS, digest_of(secret), roles=frozenset({"write"})))
    assert keys.shown(STREAMS, secret) == made
    assert keys.shown(CHECKPOINTS, secret) is None
    assert keys.shown(STREAMS, digest_of(secret)) is None, "what is kept opens nothing"
    assert keys.shown(STREAMS, secret[:-1]) is None
    keys.revoke(STREAMS, "s1")
    assert keys.shown(STREAMS, secret) is None
    keys.close()
    assert secret.encode() not in b"".join(path.read_bytes() for path in tmp_path.glob(f"{FILE}*"))


def test_what_a_key_is_good_for() -> None:
    key = ApiKey("a", CHECKPOINTS, "x", frozenset({"g"}), frozenset({"restore"}))
    assert (key.may("restore"), key.may("read"), key.may("write")) == (True, True, False)
    assert (key.opens("g"), key.opens("h"), key.opens("")) == (True, False, False)
    assert ApiKey("a", CHECKPOINTS, "x").opens("anything")
    assert not ApiKey("a", CHECKPOINTS, "x").may("read"), "it has no role"
    assert "sealed" not in repr(ApiKey("a", CHECKPOINTS, "sealed_of_a_key"))


def test_roles() -> None:
    assert roles_of(CHECKPOINTS, []) == {"read", "write", "restore"}
    assert roles_of(STREAMS, ["read"]) == {"read"}
    with pytest.raises(ValueError, match="there are read, write"):
        roles_of(STREAMS, ["restore"])


def test_a_name_is_given_once(keys: ApiKeys) -> None:
    keys.add(ApiKey("a", STREAMS, "x"))
    with pytest.raises(StateError, match="another name"):
        keys.add(ApiKey("a", CHECKPOINTS, "y"))


def test_new_ones_differ_and_have_their_form() -> None:
    assert len({new_public() for _ in range(50)}) == 50
    assert new_public().isalpha()
    assert len(new_private()) == 36
    assert len({new_private() for _ in range(50)} | {new_bearer() for _ in range(50)}) == 100


def test_a_damaged_store_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no database" * 1000)
    with closing(ApiKeys.below(tmp_path)) as made, pytest.raises(StateError, match="move the file away"):
        made.list()
