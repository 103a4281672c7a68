"""Who may ask: the keys of the API, and what each is good for."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from typing import Protocol

from repman.state.keys import ApiKeys, Dialect, digest_of

LONGEST_KEY = 512


class Gate(Protocol):
    """Tells keys that are good from others."""

    def admits(self, key: str, role: str) -> bool:
        """Whether that key is good for ``read`` or ``write``; raises StateError."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of the store, and one that was given in the environment."""

    store: ApiKeys
    first: str = field(default="", repr=False)
    """Good for everything; empty: there is none."""

    def admits(self, key: str, role: str) -> bool:
        """Whether that key is good for ``read`` or ``write``; raises StateError.

        Digests are compared, in constant time: how long it takes tells nothing of a key.
        """
        if not key or len(key) > LONGEST_KEY:
            return False
        if self.first and hmac.compare_digest(digest_of(key), digest_of(self.first)):
            return True
        found = self.store.shown(Dialect.STREAMS, key)
        return found is not None and found.may(role)

    @property
    def any(self) -> bool:
        """Whether there is a key at all; raises StateError."""
        return bool(self.first) or any(key.revoked is None for key in self.store.list(Dialect.STREAMS))
