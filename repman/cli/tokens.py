"""Tokens that ``repman ctl login`` keeps, one for each API, in a file only its owner can read."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path


def token_file() -> Path:
    """``repman/tokens.json`` below ``$XDG_CACHE_HOME`` or ``~/.cache``."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base else Path.home() / ".cache") / "repman" / "tokens.json"


def stored_token(url: str) -> str:
    """The token kept for that API, empty when there is none."""
    return _read().get(url, "")


def store_token(url: str, token: str) -> Path:
    """Keep a token; returns the file."""
    return _write({**_read(), url: token})


def forget_token(url: str) -> None:
    """Keep no token for that API any more."""
    kept = _read()
    if kept.pop(url, ""):
        _write(kept)


def _write(tokens: Mapping[str, str]) -> Path:
    path = token_file()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(dict(tokens), file, indent=1)
    fresh.replace(path)
    return path


def _read() -> dict[str, str]:
    with contextlib.suppress(OSError, ValueError):
        document = json.loads(token_file().read_text())
        if isinstance(document, dict):
            return {str(url): str(token) for url, token in document.items()}
    return {}
