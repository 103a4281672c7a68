"""Secrets in files: the encrypted forms of a value, and the key that opens them.

Two forms are read: ``sealed_`` with base64url, which we write (AES-256-GCM: what was changed does not open), and
``hash_`` with hex, replication-manager's (AES-128-CFB: a wrong key or a changed letter gives another text, which
is noticed only when it is no text).  One key file of 16 random bytes serves both.
"""

from __future__ import annotations

import base64
import binascii
import os
import secrets
import stat
from pathlib import Path

from repman.errors import ConfigError

SEALED = "sealed_"
FORMER = "hash_"
KEY_BYTES = 16
_NONCE_BYTES = 12
_BLOCK_BYTES = 16


def is_encrypted(text: str) -> bool:
    """Whether that is the encrypted form of something, or claims to be."""
    return text.startswith((SEALED, FORMER))


def make_key(path: Path, overwrite: bool = False) -> None:
    """Write a new key, for its owner's eyes only; raises ConfigError, also when there is one and it may not go."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_bytes(KEY_BYTES))
                file.flush()
                os.fsync(file.fileno())
            if overwrite:
                os.replace(draft, path)
            else:
                _claim(draft, path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError([f"the key {path} cannot be written: {error.strerror}"]) from error


def _claim(draft: Path, path: Path) -> None:
    try:
        os.link(draft, path)
    except FileExistsError:
        raise ConfigError(
            [f"there is a key at {path}; with another one, what was encrypted with it cannot be read (--overwrite)"]
        ) from None


def read_key(path: Path) -> bytes:
    """The key; raises ConfigError with what to do."""
    try:
        key = path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(
            [
                f"there is no key at {path}; make one with `repman keygen`, or let monitoring-key-path name the one "
                "that the secrets were encrypted with"
            ]
        ) from None
    except OSError as error:
        raise ConfigError([f"the key {path} cannot be read: {error.strerror}; repman must own it"]) from error
    if len(key) != KEY_BYTES:
        raise ConfigError([f"{path} is no key: it has {len(key)} bytes, not {KEY_BYTES}"])
    return key


def is_private(path: Path) -> bool:
    """Whether only the key's owner can read it."""
    return not stat.S_IMODE(path.stat().st_mode) & 0o077


def seal(clear: str, key: bytes) -> str:
    """The form to be written into a file; each time another text."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = os.urandom(_NONCE_BYTES)
    box = nonce + AESGCM(_derived(key)).encrypt(nonce, clear.encode(), SEALED.encode())
    return SEALED + base64.urlsafe_b64encode(box).decode().rstrip("=")


def unseal(text: str, key: bytes) -> str:
    """The secret behind either form; raises ValueError with a sentence that does not show it."""
    if text.startswith(SEALED):
        return _unsealed(text.removeprefix(SEALED), key)
    return _former(text.removeprefix(FORMER), key)


def _unsealed(text: str, key: bytes) -> str:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        box = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        clear = AESGCM(_derived(key)).decrypt(box[:_NONCE_BYTES], box[_NONCE_BYTES:], SEALED.encode())
    except (binascii.Error, ValueError, InvalidTag):
        raise ValueError(
            f"the encrypted secret ({SEALED}...) cannot be opened: it was encrypted with another key, or changed"
        ) from None
    return clear.decode()


def _former(text: str, key: bytes) -> str:
    from cryptography.hazmat.decrepit.ciphers.modes import CFB
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.algorithms import AES

    try:
        box = bytes.fromhex(text)
        if len(box) < _BLOCK_BYTES:
            raise ValueError
        opener = Cipher(AES(key), CFB(box[:_BLOCK_BYTES])).decryptor()
        clear = (opener.update(box[_BLOCK_BYTES:]) + opener.finalize()).decode()
        if not clear.isprintable():
            raise ValueError
    except ValueError:
        raise ValueError(
            f"the encrypted secret ({FORMER}...) cannot be opened: it is not hex, or was encrypted with another key"
        ) from None
    return clear


def _derived(key: bytes) -> bytes:
    """A key of its own for our form, so that nothing learnt about the former one helps."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(SHA256(), 32, salt=None, info=b"repman secrets in files").derive(key)
