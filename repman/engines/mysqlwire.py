"""A connection of the MySQL protocol that never makes its owner wait.

PyMySQL logs in (it knows the authentication plugins) and writes nothing else: after the login the socket is
non-blocking, a query is sent with `Wire.ask` and its answer is collected with `Wire.receive` whenever the
socket is readable.  One thread can so watch many servers, and a hung one delays no other.

Reading is cheap where it repeats itself: the description of a result's columns, most of the bytes of a
``SHOW ALL SLAVES STATUS``, is compared with the previous one instead of being parsed again.

Source: MariaDB Knowledge Base, "Clientserver protocol": packets, result sets, OK, ERR and EOF packets.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

from pymysql.connections import Connection
from pymysql.constants import CLIENT, COMMAND

from repman.errors import RepmanError

Row = tuple[bytes | None, ...]

MORE_RESULTS = 0x0008
CHUNK = 1 << 16
UNACKED_AFTER = 5.0
"""Seconds after which the kernel gives up a connection whose bytes the other host does not acknowledge.
A frozen process does not matter here (its kernel acknowledges), a lost network does."""


class WireClosed(RepmanError):
    """The connection ended while it was needed."""


class ServerSaid(RepmanError):
    """The server answered a statement with an error."""

    def __init__(self, number: int, text: str) -> None:
        self.number = number
        self.text = text
        super().__init__(f"{text} ({number})")


@dataclass(frozen=True, slots=True)
class Result:
    """The answer to one statement; no columns for a statement that returns none."""

    columns: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()

    def records(self) -> list[dict[str, str]]:
        """The rows by column name, NULL as the empty string."""
        return [
            {
                name: "" if field is None else field.decode("utf-8", "replace")
                for name, field in zip(self.columns, row, strict=True)
            }
            for row in self.rows
        ]


@dataclass(frozen=True, slots=True)
class Heading:
    """The bytes that announce a result and describe its columns, with what they mean."""

    raw: bytes
    columns: tuple[str, ...]


class Answer:
    """Collects the bytes that answer one query (of one or more statements) until it is complete."""

    def __init__(self, headings: dict[int, Heading]) -> None:
        self.results: list[Result] = []
        self.error: ServerSaid | None = None
        self._headings = headings
        self._data = b""
        self._at = 0
        self._columns: tuple[str, ...] | None = None
        self._rows: list[Row] = []

    def feed(self, data: bytes) -> bool:
        """Take in more bytes; True when the answer is complete.  Raises WireClosed for what is no answer."""
        self._data = self._data + data if self._data else data
        while True:
            more = self._read_start() if self._columns is None else self._read_rows()
            if more is not None:
                return not more

    def _read_start(self) -> bool | None:
        """None: go on reading; True: more bytes are needed; False: this was the end."""
        data, at = self._data, self._at
        known = self._headings.get(len(self.results))
        if known is not None and data.startswith(known.raw, at):
            self._at, self._columns = at + len(known.raw), known.columns
            return None
        end = _packet_end(data, at)
        if end is None:
            return True
        kind = data[at + 4]
        if kind == 0xFF:
            self.error = _error(data[at + 5 : end])
            return False
        if kind == 0x00:
            _, position = _length(data, at + 5)
            _, position = _length(data, position)
            self._at = end
            return self._end_of_result(Result(), int.from_bytes(data[position : position + 2], "little"))
        return self._read_heading(end)

    def _read_heading(self, end: int) -> bool | None:
        data, at = self._data, self._at
        count, _ = _length(data, at + 4)
        names = []
        for _ in range(count):
            start, after = end + 4, _packet_end(data, end)
            if after is None:
                return True
            names.append(_column_name(data, start))
            end = after
        after = _packet_end(data, end)
        if after is None:
            return True
        self._at, self._columns = after, tuple(names)
        self._headings[len(self.results)] = Heading(data[at:after], self._columns)
        return None

    def _read_rows(self) -> bool | None:
        data, at, size = self._data, self._at, len(self._data)
        while at + 4 < size:
            length = data[at] | data[at + 1] << 8 | data[at + 2] << 16
            start = at + 4
            at = start + length
            if at > size:
                self._at = start - 4
                return True
            kind = data[start]
            if kind == 0xFE and length < 9:
                self._at = at
                columns, rows = self._columns or (), tuple(self._rows)
                self._columns, self._rows = None, []
                return self._end_of_result(Result(columns, rows), data[start + 3] | data[start + 4] << 8)
            if kind == 0xFF:
                self.error = _error(data[start + 1 : at])
                return False
            self._rows.append(_row(data, start, at))
        self._at = at
        return True

    def _end_of_result(self, result: Result, status: int) -> bool | None:
        self.results.append(result)
        return None if status & MORE_RESULTS else False


class Wire(Connection):
    """One logged-in connection; not thread-safe, handed over whole by the thread that logged it in."""

    _sock: socket.socket | None
    _read_timeout: float | None

    def __init__(self, host: str, port: int, account: tuple[str, str], timeout: float) -> None:
        super().__init__(
            host=host,
            port=port,
            user=account[0],
            password=account[1],
            connect_timeout=timeout,
            read_timeout=timeout,
            write_timeout=timeout,
            client_flag=CLIENT.MULTI_STATEMENTS,
            autocommit=None,
            ssl_disabled=True,
            program_name="repman",
            defer_connect=True,
        )
        self.session = 0
        """The server's number of this connection; 0 before the login."""
        self.facts: Row = ()
        """The one row that the opening query gave."""
        self._answer: Answer | None = None
        self._headings: dict[int, Heading] = {}

    def login(self, sock: socket.socket, opening: str) -> None:
        """Log in over a connected socket and run the `opening` statements, the last of which gives one row.

        Blocks up to the timeout for each answer.  Raises PyMySQL's errors, or those of `run_opening`.
        """
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(UNACKED_AFTER * 1000))
        self.connect(sock)  # type: ignore[no-untyped-call,unused-ignore]
        self.session = int(self.thread_id())  # type: ignore[no-untyped-call,unused-ignore]
        self._opening(sock, opening)
        sock.setblocking(False)

    def _opening(self, sock: socket.socket, opening: str) -> None:
        sock.settimeout(self._read_timeout)
        self.ask(opening.encode())
        answer = None
        while answer is None:
            answer = self.receive()
        if answer.error is not None:
            raise answer.error
        self.facts = answer.results[-1].rows[0]
        self._headings.clear()

    def fileno(self) -> int:
        """The socket's descriptor, for poll(); -1 when closed."""
        return -1 if self._sock is None else self._sock.fileno()

    @property
    def asked(self) -> bool:
        """Whether a query is still without its answer."""
        return self._answer is not None

    def ask(self, query: bytes) -> None:
        """Send a query.  Only one at a time.  Raises WireClosed."""
        if self._answer is not None:
            raise WireClosed("the previous query on this connection has no answer yet")
        if self._sock is None:
            raise WireClosed("the connection is closed")
        packet = struct.pack("<iB", len(query) + 1, COMMAND.COM_QUERY) + query
        try:
            sent = self._sock.send(packet)
        except OSError as error:
            raise WireClosed(f"the server closed the connection ({error})") from error
        if sent != len(packet):
            raise WireClosed("the server takes no more bytes")
        self._answer = Answer(self._headings)

    def receive(self) -> Answer | None:
        """Read what has come; the answer when it is complete, None when more must be waited for.

        Raises WireClosed at the end of the connection, and when bytes come that nobody asked for (a server
        says so that it shuts down, or that this connection was killed).
        """
        if self._sock is None:
            raise WireClosed("the connection is closed")
        try:
            data = self._sock.recv(CHUNK)
        except BlockingIOError:
            return None
        except OSError as error:
            raise WireClosed(f"the connection broke ({error})") from error
        if not data:
            raise WireClosed("the server closed the connection")
        if self._answer is None:
            raise WireClosed(_farewell(data))
        answer = self._answer
        if not answer.feed(data):
            return None
        self._answer = None
        if answer.error is not None and answer.error.number in (1927, 1053):
            raise WireClosed(str(answer.error))
        return answer

    def drop(self) -> None:
        """Close at once, without a word to the server."""
        self._answer = None
        self._force_close()  # type: ignore[attr-defined,unused-ignore]


def _packet_end(data: bytes, at: int) -> int | None:
    """Where the packet at `at` ends, None when it has not come whole (an empty packet never comes here)."""
    if at + 5 > len(data):
        return None
    length = data[at] | data[at + 1] << 8 | data[at + 2] << 16
    if length == 0xFFFFFF:
        raise WireClosed("the server sent a packet of 16 MiB, which no query of repman asks for")
    end = at + 4 + length
    return end if end <= len(data) else None


def _length(data: bytes, at: int) -> tuple[int, int]:
    """A length-encoded number and where it ends."""
    first = data[at]
    if first < 251:
        return first, at + 1
    size = {0xFC: 2, 0xFD: 3, 0xFE: 8}[first]
    return int.from_bytes(data[at + 1 : at + 1 + size], "little"), at + 1 + size


def _row(data: bytes, at: int, end: int) -> Row:
    fields: list[bytes | None] = []
    while at < end:
        size = data[at]
        at += 1
        if size == 251:
            fields.append(None)
            continue
        if size > 251:
            size, at = _length(data, at - 1)
        fields.append(data[at : at + size])
        at += size
    return tuple(fields)


def _column_name(data: bytes, at: int) -> str:
    """The fifth of a column's texts: catalog, schema, table alias, table, name."""
    for _ in range(4):
        size, at = _length(data, at)
        at += size
    size, at = _length(data, at)
    return data[at : at + size].decode("utf-8", "replace")


def _error(body: bytes) -> ServerSaid:
    text = body[8:] if body[2:3] == b"#" else body[2:]
    return ServerSaid(int.from_bytes(body[:2], "little"), text.decode("utf-8", "replace"))


def _farewell(data: bytes) -> str:
    if len(data) > 7 and data[4] == 0xFF:
        return f"the server ended the connection: {_error(data[5:])}"
    return "the server sent what nobody asked for"


def quoted(text: str) -> str:
    """`text` as an SQL string literal; raises ValueError for what has no place in one."""
    if "\x00" in text:
        raise ValueError("a zero byte in a value for the server")
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def named(channel: str) -> str:
    """A replication channel's name as it stands behind a statement's verb; empty for the one without a name."""
    return f" {quoted(channel)}" if channel else ""


def texts(row: Row) -> tuple[str, ...]:
    """A row as texts, NULL as the empty string."""
    return tuple("" if field is None else field.decode("utf-8", "replace") for field in row)
