"""Who is known: the users of the configuration and those of the store, and which tokens are void.

Each process of the web keeps what it read, and looks at one file's time before it believes it: whoever changes
the store sets that time to the number of the change.  So a request costs one ``stat``, and a change made by one
process is known to all before its maker gets an answer.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from repman.errors import StateError
from repman.state.accounts import Account, AccountStore, Known
from repman.web.acl import User, user_of

LOG = logging.getLogger(__name__)

_SHARED_AGE = 5.0
"""Seconds for which a store that other hosts may write to is believed unseen."""
_PATIENCE = 1.0
"""Seconds before a store that could not be read is tried again."""


@dataclass(frozen=True, slots=True)
class _Read:
    """What was read, and when."""

    mark: int
    """The file's time, before the reading."""
    at: float
    users: Mapping[str, User]
    known: Known
    failed: bool = False
    """True: the store could not be read at that time, and this is what was known before."""


class Directory:
    """Users by name, and void tokens; usable from several threads.

    Methods raise StateError when the store cannot be read and never could be.  Later failures are logged, and
    what was known last goes on being true.
    """

    def __init__(self, configured: Mapping[str, User], store: AccountStore, mark: Path) -> None:
        """`mark` is the file whose time tells of changes; all processes of the web use the same."""
        self.store = store
        self._configured = dict(configured)
        self._mark = mark
        self._lock = threading.Lock()
        self._read: _Read | None = None

    @property
    def configured(self) -> Mapping[str, User]:
        """The users of the configuration."""
        return self._configured

    def configure(self, users: Mapping[str, User]) -> None:
        """Take other users of the configuration from now on."""
        with self._lock:
            self._configured = dict(users)
            self._doubt()

    def users(self) -> Mapping[str, User]:
        """All users by name; of two with one name the configured one."""
        return self._now().users

    def accounts(self) -> Mapping[str, Account]:
        """The accounts of the store."""
        return self._now().known.accounts

    def round(self, user: str) -> int:
        """How often all tokens of that user were revoked."""
        return self._now().known.rounds.get(user, 0)

    def is_revoked(self, token: str) -> bool:
        """Whether that single token is void."""
        return token in self._now().known.revoked

    def change(self, name: str, by: str, decide: Callable[[Account | None], Account | None]) -> None:
        """`AccountStore.change`, known to all processes when this returns."""
        self._tell(self.store.change(name, by, decide))

    def revoke(self, token: str, name: str, until: float) -> None:
        """`AccountStore.revoke`, known to all processes when this returns."""
        self._tell(self.store.revoke(token, name, until))

    def revoke_all(self, name: str) -> None:
        """`AccountStore.revoke_all`, known to all processes when this returns."""
        self._tell(self.store.revoke_all(name))

    def _tell(self, changes: int) -> None:
        with self._lock:
            self._doubt()
        try:
            self._mark.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(self._mark, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
            # Whole seconds, for file systems that keep no fractions; no number comes twice.
            os.utime(self._mark, (changes, changes))
        except OSError as error:
            LOG.error("other web processes are not told of changed accounts: %s; restart repman web", error)

    def _doubt(self) -> None:
        if self._read is not None:
            self._read = replace(self._read, mark=-1)

    def _now(self) -> _Read:
        mark = self._time_of_mark()
        read = self._read
        if read is not None and self._is_fresh(read, mark):
            return read
        with self._lock:
            if self._read is None or not self._is_fresh(self._read, mark):
                self._read = self._look(mark, self._read)
            return self._read

    def _is_fresh(self, read: _Read, mark: int) -> bool:
        age = time.monotonic() - read.at
        if read.mark != mark:
            return False
        if read.failed:
            return age < _PATIENCE
        return not self.store.shared or age < _SHARED_AGE

    def _look(self, mark: int, last: _Read | None) -> _Read:
        at, failed = time.monotonic(), False
        try:
            known = self.store.read()
        except StateError as error:
            if last is None:
                raise
            LOG.error("%s; users and tokens are taken as they were known last", error)
            known, failed = last.known, True
        shadowed = sorted(self._configured.keys() & known.accounts.keys())
        if shadowed and last is None:
            LOG.warning("these stored accounts are in the configuration, too, which wins: %s", ", ".join(shadowed))
        stored = {name: user_of(account) for name, account in known.accounts.items()}
        return _Read(mark, at, stored | self._configured, known, failed)

    def _time_of_mark(self) -> int:
        try:
            return os.stat(self._mark).st_mtime_ns
        except OSError:
            return 0
