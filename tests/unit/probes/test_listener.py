import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable

from repman.errors import RepmanError
from repman.model.probe import ProbeTable
from repman.probes.listener import IDLE_TIMEOUT, REQUEST_TIMEOUT, Listener

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter, Listener], Awaitable[None]]
PATH = "/clusters/c/servers/db1/is-master"


class Published:
    def get(self, cluster: str) -> ProbeTable | None:
        if cluster == "broken":
            raise RepmanError("the tables cannot be read")
        if cluster != "c":
            return None
        return ProbeTable("c", time.monotonic(), (("db1", "h:1"),), ("h:1",), ())


def run(talk: Talk) -> None:
    async def together() -> None:
        listener = Listener(Published())
        server = await asyncio.get_running_loop().create_server(listener, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        await asyncio.wait_for(talk(reader, writer, listener), 5)
        writer.close()
        server.close()
        listener.close()
        await asyncio.sleep(0)

    asyncio.run(together())


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, text: str) -> str:
    writer.write(text.encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    length = int(head.partition("Content-Length: ")[2].partition("\r\n")[0])
    return head + (await reader.readexactly(length)).decode()


def test_a_probe() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, listener: Listener) -> None:
        answer = await ask(reader, writer, f"GET {PATH} HTTP/1.1\r\n\r\n")
        assert answer.startswith("HTTP/1.1 200 OK\r\n")
        assert answer.endswith("X-Repman-Age: 0.0\r\n\r\n200 -Valid Master!")

    run(talk)


def test_unreadable_tables_are_no_cluster_and_logged() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, listener: Listener) -> None:
        assert (await ask(reader, writer, f"GET {PATH.replace('/c/', '/broken/')} HTTP/1.1\r\n\r\n")).endswith(
            "\r\n\r\nNo cluster!"
        )

    run(talk)


def test_silent_connections_are_given_up() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, listener: Listener) -> None:
        await ask(reader, writer, "GET /healthz HTTP/1.1\r\n\r\n")
        listener.sweep(time.monotonic() + IDLE_TIMEOUT - 1)
        assert "ok" in await ask(reader, writer, "GET /healthz HTTP/1.1\r\n\r\nGET /heal")
        listener.sweep(time.monotonic() + REQUEST_TIMEOUT - 1)
        assert not reader.at_eof()
        listener.sweep(time.monotonic() + REQUEST_TIMEOUT + 1)
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""

    run(talk)
