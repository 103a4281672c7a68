"""What Linux tells of a machine and its processes in ``/proc``, read from text: local or from another host."""

from __future__ import annotations

import re
from dataclasses import dataclass

from repman.model.service import Host, ServiceState, Usage


@dataclass(frozen=True, slots=True)
class Machine:
    """The texts that describe a machine."""

    hostname: str
    meminfo: str
    cpuinfo: str
    uptime: str
    kernel: str
    os_release: str
    ticks: int
    """Clock ticks a second, in which processes are charged."""
    page: int
    """Bytes of a page of memory."""


def host(machine: Machine) -> Host:
    """The machine without its services."""
    clocks = [float(found) for found in re.findall(r"^cpu MHz\s*:\s*([0-9.]+)", machine.cpuinfo, re.MULTILINE)]
    named = re.search(r'^PRETTY_NAME="?([^"\n]*)"?', machine.os_release, re.MULTILINE)
    return Host(
        name=machine.hostname.strip(),
        cpu_cores=len(re.findall(r"^processor\s*:", machine.cpuinfo, re.MULTILINE)),
        cpu_mhz=round(max(clocks, default=0.0)),
        memory_bytes=_kibibytes(machine.meminfo, "MemTotal"),
        memory_free_bytes=_kibibytes(machine.meminfo, "MemAvailable"),
        kernel=machine.kernel.strip(),
        system=named[1] if named else "",
    )


def state_and_usage(machine: Machine, stat: str) -> tuple[ServiceState, Usage | None]:
    """A process by its ``/proc/PID/stat``; a zombie, and what is no such text, counts as stopped."""
    fields = stat.rpartition(")")[2].split()
    if len(fields) < 22 or fields[0] in "ZX":
        return ServiceState.STOPPED, None
    up = float(machine.uptime.split()[0])
    age = max(0.0, up - int(fields[19]) / machine.ticks)
    cpu = (int(fields[11]) + int(fields[12])) / machine.ticks
    usage = Usage(
        memory_bytes=int(fields[21]) * machine.page,
        cpu_seconds=round(cpu, 2),
        cpu_percent=round(100 * cpu / age, 1) if age else 0.0,
        threads=int(fields[17]),
        age_seconds=round(age, 1),
    )
    return ServiceState.FROZEN if fields[0] in "Tt" else ServiceState.RUNNING, usage


def _kibibytes(meminfo: str, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB", meminfo, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0
