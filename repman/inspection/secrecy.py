"""Our own passwords are taken out of whatever a server shows of its statements."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

HIDDEN = "*****"
_LONG = 8
"""Characters from which on a password is hidden wherever it stands; a shorter one only between quotation marks,
because it may be any word."""


class Secrecy:
    """Hides some passwords."""

    def __init__(self, passwords: Iterable[str]) -> None:
        wanted = sorted({password for password in passwords if password}, key=len, reverse=True)
        forms = [form for password in wanted for form in _forms(password)]
        self._pattern = re.compile("|".join(forms)) if forms else None

    def text(self, text: str) -> str:
        """Without the passwords."""
        return text if self._pattern is None else self._pattern.sub(_hide, text)

    def document(self, document: Any) -> Any:
        """The same document without the passwords in any of its texts."""
        if isinstance(document, str):
            return self.text(document)
        if isinstance(document, dict):
            return {key: self.document(value) for key, value in document.items()}
        if isinstance(document, list | tuple):
            return [self.document(value) for value in document]
        return document


def _forms(password: str) -> list[str]:
    """How it may be written: as it is, and with backslashes or doubled quotation marks before what is special."""
    escaped = json.dumps(password, ensure_ascii=False)[1:-1]
    spelled = {password, escaped, password.replace("'", "''"), password.replace("\\", "\\\\").replace("'", "\\'")}
    if len(password) >= _LONG:
        return [re.escape(form) for form in sorted(spelled, key=len, reverse=True)]
    return [f"'{re.escape(form)}'|\"{re.escape(form)}\"" for form in sorted(spelled, key=len, reverse=True)]


def _hide(found: re.Match[str]) -> str:
    mark = found[0][0]
    return f"{mark}{HIDDEN}{mark}" if mark in "'\"" and found[0][-1] == mark else HIDDEN
