"""Loopback ports: which are free, and who answers on them."""

from __future__ import annotations

import errno
import random
import socket
import time
from contextlib import ExitStack
from pathlib import Path

from repman.errors import SandboxError

LOOPBACK = "127.0.0.1"
_LOWEST = 10240
_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_ports(count: int) -> tuple[int, ...]:
    """That many free loopback ports, below those the kernel hands to outgoing connections.

    A port out of the kernel's own range could be taken by any client while its server restarts.
    Raises SandboxError when there are not enough.
    """
    candidates = list(range(_LOWEST, _end_of_stable_ports()))
    random.SystemRandom().shuffle(candidates)
    found: list[int] = []
    with ExitStack() as held:
        for port in candidates:
            if len(found) == count:
                break
            probe = held.enter_context(socket.socket())
            if _binds(probe, port):
                found.append(port)
    if len(found) < count:
        raise SandboxError(f"only {len(found)} of {count} loopback ports are free; stop other services")
    return tuple(found)


def port_is_free(port: int) -> bool:
    """Whether a server could listen on that loopback port now."""
    with socket.socket() as probe:
        return _binds(probe, port)


def _binds(probe: socket.socket, port: int) -> bool:
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        probe.bind((LOOPBACK, port))
        probe.listen(1)
    except OSError as error:
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            return False
        raise
    return True


def _end_of_stable_ports() -> int:
    try:
        first = int(_RANGE.read_text().split()[0])
    except (OSError, ValueError):
        first = 32768
    return first if first > _LOWEST + 1000 else 32768


def greets(port: int, timeout: float) -> bool:
    """Whether a database server on that port sends its greeting within `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while (left := deadline - time.monotonic()) > 0:
        try:
            with socket.create_connection((LOOPBACK, port), timeout=left) as connection:
                if connection.recv(5):
                    return True
        except TimeoutError:
            return False
        except OSError:
            pass
        time.sleep(min(0.02, max(0.0, left)))
    return False
