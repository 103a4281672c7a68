"""Who says that it is the primary."""

from __future__ import annotations

from repman.model.observation import ServerSeen


def claims(servers: tuple[ServerSeen, ...]) -> list[ServerSeen]:
    """Members that say they take writes, the real primary first.

    Where two say so, the one of the higher term is right: a majority elected it, and the other one has not heard of
    that yet.
    """
    return sorted((one for one in servers if one.open), key=lambda one: -term_of(one))


def term_of(one: ServerSeen) -> int:
    """The highest term it knows; -1: none."""
    return one.member.term if one.member else -1
