"""What Linux tells of machines and processes, as text."""

from __future__ import annotations

from repman.model.service import ServiceState
from repman.orchestrators.procfs import Machine, host, state_and_usage

MACHINE = Machine(
    hostname="db-host\n",
    meminfo="MemTotal:       1000 kB\nMemFree:         100 kB\nMemAvailable:    400 kB\n",
    cpuinfo="processor\t: 0\ncpu MHz\t\t: 1999.6\nprocessor\t: 1\ncpu MHz\t\t: 2400.1\n",
    uptime="1000.50 1800.00\n",
    kernel="6.1.0\n",
    os_release='NAME="X"\nPRETTY_NAME="Some Linux 12"\n',
    ticks=100,
    page=4096,
)
STAT = "42 (maria) db) {state} 1 42 42 0 -1 4194560 9 0 0 0 300 200 0 0 20 0 13 0 {born} 1000000 500 18446744073709551615\n"


def test_a_machine_is_read() -> None:
    found = host(MACHINE)
    assert (found.name, found.kernel, found.system) == ("db-host", "6.1.0", "Some Linux 12")
    assert (found.cpu_cores, found.cpu_mhz) == (2, 2400)
    assert (found.memory_bytes, found.memory_free_bytes) == (1000 * 1024, 400 * 1024)


def test_a_process_is_read_whatever_it_is_called() -> None:
    state, usage = state_and_usage(MACHINE, STAT.format(state="S", born=90050))
    assert state is ServiceState.RUNNING
    assert usage is not None
    assert (usage.memory_bytes, usage.cpu_seconds, usage.threads) == (500 * 4096, 5.0, 13)
    assert (usage.age_seconds, usage.cpu_percent) == (100.0, 5.0)


def test_frozen_and_dead_processes_are_told_apart() -> None:
    assert state_and_usage(MACHINE, STAT.format(state="T", born=1))[0] is ServiceState.FROZEN
    assert state_and_usage(MACHINE, STAT.format(state="Z", born=1)) == (ServiceState.STOPPED, None)
    assert state_and_usage(MACHINE, "") == (ServiceState.STOPPED, None)


def test_a_process_born_this_moment_has_used_nothing_yet() -> None:
    _, usage = state_and_usage(MACHINE, STAT.format(state="R", born=100050))
    assert usage is not None
    assert (usage.age_seconds, usage.cpu_percent) == (0.0, 0.0)
