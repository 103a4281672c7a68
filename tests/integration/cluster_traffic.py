"""Client writes through HAProxy, counted: what was acknowledged must be found on the final writer."""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
import time
from collections.abc import Callable

import pymysql

DATABASE = "counted"
_tables = itertools.count(1)


class Traffic:
    """Writers that insert numbered rows, one transaction each, and note every acknowledgement with its time."""

    def __init__(self, connect: Callable[[], pymysql.Connection], threads: int, shown: Callable[[], str] = str) -> None:
        """`shown` tells more when no write comes through."""
        self.table = f"{DATABASE}.t{next(_tables)}"
        self.errors: list[str] = []
        self._connect = connect
        self._shown = shown
        self._acknowledged: list[list[tuple[int, float]]] = [[] for _ in range(threads)]
        self._open: list[pymysql.Connection | None] = [None] * threads
        self._ending = threading.Event()
        self._threads = [threading.Thread(target=self._write, args=(number,)) for number in range(threads)]

    def __enter__(self) -> Traffic:
        with contextlib.closing(self._connect()) as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE IF NOT EXISTS {DATABASE}")
            cursor.execute(f"CREATE TABLE {self.table} (writer INT, number INT, PRIMARY KEY (writer, number))")
        for thread in self._threads:
            thread.start()
        self.flows()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End the writers, also those that wait for an acknowledgement."""
        self._ending.set()
        for connection in self._open:
            if connection is not None:
                with contextlib.suppress(OSError, AttributeError):
                    connection._sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(10)
                assert not thread.is_alive()

    @property
    def count(self) -> int:
        return sum(len(each) for each in self._acknowledged)

    def flows(self, more: int = 20, seconds: float = 20.0) -> None:
        """Wait until that many more writes were acknowledged."""
        aim, deadline = self.count + more, time.monotonic() + seconds
        while self.count < aim:
            told = f"{self.count} of {aim} writes after {seconds} s; last errors: {self.errors[-3:]}; {self._shown()}"
            assert time.monotonic() < deadline, told
            time.sleep(0.002)

    def first_after(self, moment: float, seconds: float = 20.0) -> float:
        """Seconds from that moment (monotonic) to the first write acknowledged after it."""
        deadline = time.monotonic() + seconds
        while True:
            later = [at for each in self._acknowledged for _, at in each[-200:] if at > moment]
            if later:
                times = [at for each in self._acknowledged for _, at in each if at > moment]
                return min(times) - moment
            told = f"no write after {seconds} s; last errors: {self.errors[-3:]}"
            assert time.monotonic() < deadline, f"{told}; {self._shown()}"
            time.sleep(0.002)

    def longest_gap(self) -> float:
        """Longest time between two acknowledgements, in seconds."""
        times = sorted(at for each in self._acknowledged for _, at in each)
        return max((later - earlier for earlier, later in itertools.pairwise(times)), default=0.0)

    def lost(self, server) -> list[tuple[int, int]]:
        """Acknowledged rows that this server does not have."""
        assert self.count > 0
        found = set(server.run(f"SELECT writer, number FROM {self.table}"))
        told = {(writer, number) for writer, each in enumerate(self._acknowledged) for number, _ in tuple(each)}
        return sorted(told - found)

    def _write(self, writer: int) -> None:
        for number in itertools.count():
            if self._ending.is_set():
                break
            try:
                connection = self._open[writer]
                if connection is None:
                    connection = self._open[writer] = self._connect()
                with connection.cursor() as cursor:
                    cursor.execute(f"INSERT INTO {self.table} VALUES ({writer}, {number})")
                self._acknowledged[writer].append((number, time.monotonic()))
            except (pymysql.Error, OSError) as error:
                self.errors.append(str(error))
                self._drop(writer)
                self._ending.wait(0.005)
        self._drop(writer)

    def _drop(self, writer: int) -> None:
        connection, self._open[writer] = self._open[writer], None
        if connection is not None:
            with contextlib.suppress(pymysql.Error, OSError):
                connection._force_close()
