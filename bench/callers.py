"""Fake callers of the REST API: each with a token, a loopback address and a connection of their own, kept open."""

import asyncio
import itertools
from collections.abc import Sequence

LARGEST = 65_536  # bytes of an answer's head


class Caller:
    """One connection to each port that is asked; reads the whole answer before it asks again."""

    def __init__(self, address: str, token: str) -> None:
        self._address, self._token = address, token
        self._streams: dict[int, tuple[asyncio.StreamReader, asyncio.StreamWriter]] = {}

    async def get(self, port: int, path: str) -> int:
        """Return the status."""
        if port not in self._streams:
            self._streams[port] = await asyncio.open_connection(
                "127.0.0.1", port, local_addr=(self._address, 0), limit=LARGEST
            )
        reader, writer = self._streams[port]
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: application/json\r\n"
            f"Authorization: Bearer {self._token}\r\n\r\n".encode()
        )
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
        await reader.readexactly(int(length or b"0"))
        return int(head.split(b" ", 2)[1])

    def close(self) -> None:
        for _, writer in self._streams.values():
            writer.close()
        self._streams.clear()


class Callers:
    """One for each token, at 127.2.0.1 and on; `close` when done."""

    def __init__(self, tokens: Sequence[str]) -> None:
        self._callers = [
            Caller(f"127.2.{number // 250}.{number % 250 + 1}", token) for number, token in enumerate(tokens)
        ]

    async def ask(self, port: int, paths: Sequence[str], count: int, at_once: int) -> int:
        """Ask `count` times in the callers' turn, each for the path of its number, `at_once` being under way.

        Returns how many answers were not 200.
        """
        turns = iter(range(count))
        failed = 0

        async def work() -> None:
            nonlocal failed
            for turn in turns:
                number = turn % len(self._callers)
                status = await self._callers[number].get(port, paths[number % len(paths)])
                failed += status != 200

        async with asyncio.TaskGroup() as group:
            for _ in itertools.repeat(None, at_once):
                group.create_task(work())
        return failed

    def close(self) -> None:
        for caller in self._callers:
            caller.close()
