"""A TCP line between a client and a server that can be slow, deaf, cut and down."""

import asyncio
import contextlib
from collections.abc import AsyncIterator


class BadLine:
    """Connect to `host` instead. All of it works on what is connected, too."""

    def __init__(self, to: str) -> None:
        self._to = to
        self._connections: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._port = 0
        self.delay_s = 0.0  # of each chunk, either way
        self.deaf = False  # what the server answers is lost

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._port}"

    async def up(self) -> None:
        """Again is fine."""
        if self._server is not None:
            return
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        """Break what is connected; a new connection is taken."""
        for writer in self._writers:
            writer.transport.abort()

    async def down(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        self.cut()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        host, _, port = self._to.partition(":")
        writers = {writer}
        try:
            there, back = await asyncio.open_connection(host, int(port))
            writers.add(back)
            self._writers |= writers
            async with asyncio.TaskGroup() as group:
                group.create_task(self._carry(reader, back, answers=False))
                group.create_task(self._carry(there, writer, answers=True))
        except* OSError:
            pass
        finally:
            for each in writers:
                each.transport.abort()
            self._writers -= writers

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool) -> None:
        while chunk := await reader.read(1 << 16):
            if self.delay_s:
                await asyncio.sleep(self.delay_s)
            if not (answers and self.deaf):
                writer.write(chunk)
                await writer.drain()
        writer.transport.abort()


@contextlib.asynccontextmanager
async def bad_line(to: str) -> AsyncIterator[BadLine]:
    line = BadLine(to)
    await line.up()
    try:
        yield line
    finally:
        await line.down()
