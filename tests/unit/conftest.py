"""Unit tests see none of the variables that whoever runs them has set for repman or for the test run."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(autouse=True)
def _no_variables_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("REPMAN_") and name != "REPMAN_REWRITE_CASES":
            monkeypatch.delenv(name)
