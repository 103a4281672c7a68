"""Settings of links between MongoDB clusters."""

from __future__ import annotations

from dataclasses import dataclass, field

from repman.config.mongo_uri import without_secrets


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """One link's configuration."""

    name: str
    source: str = field(repr=False)
    """A MongoDB URI, with its password."""
    target: str = field(repr=False)
    dialect: str = "percona"
    """``percona`` or ``mongosync``."""
    bind: str = "127.0.0.1"
    port: int = 2242
    token: str = field(default="", repr=False)
    """Asked for by the link's own HTTP API; empty: nobody is asked."""
    enabled: bool = True
    """Whether ``repman serve`` runs its process."""
    automatic: bool = False
    """Whether it begins by itself when it was never started."""
    include: tuple[str, ...] = ()
    """``database.*`` or ``database.collection``; empty: everything."""
    exclude: tuple[str, ...] = ()
    replace_target: bool = False
    """Whether collections that the target holds already are dropped and copied anew; otherwise a start is refused."""
    write_blocking: str = "none"
    """``none``, ``target`` or ``both``."""
    reversible: bool = False
    verify: bool = False
    """Whether source and target are compared before the link is finalized."""
    atomic_transactions: bool = False
    """Whether readers of the target never see a part of a transaction."""
    options: dict[str, object] = field(default_factory=dict)
    """Every option's value by name, secrets masked, of the URIs only the hosts."""

    @property
    def source_hosts(self) -> str:
        """Hosts and ports of the source, comma separated."""
        return _hosts(self.source)

    @property
    def target_hosts(self) -> str:
        """Hosts and ports of the target, comma separated."""
        return _hosts(self.target)


def _hosts(uri: str) -> str:
    return (without_secrets(uri) or "").partition("://")[2]
