"""The shell around sessions: `GET /v1/visits/{visit}/signal?seat={seat}`, one WebSocket, and its bounds.

Whatever a client sends or fails to read, the worst that comes of it is a close code for that socket. Two tasks serve
it: one reads, one writes; both end with it. A close is bounded too: a client that never answers the close frame, or
never reads up to it, is cut.
"""

import asyncio
from collections.abc import Callable, Collection

from aiohttp import WSMessage, WSMsgType, web

from medinova_rt.ids import SeatId, VisitId
from medinova_rt.logs import Fields, Log
from signaling.flood import MAX_BYTES, Flood
from signaling.hub import Hub, Knock
from signaling.messages import HEARTBEAT_S, Close, Ping, ServerMessage, decode, encode
from signaling.outbox import Outbox
from signaling.participant import Participant
from signaling.wheel import Timer

log = Log(__name__)

PATH = "/v1/visits/{visit}/signal"
HELLO_S = 10.0  # from the upgrade to a `hello` understood
CLOSE_S = 5.0  # from a decision to close to the end of the connection
UNANSWERED = 2  # pings


def mount(
    app: web.Application,
    hub: Hub,
    *,
    origins: Collection[str],
    cookie_name: Callable[[SeatId], str],
    address: Callable[[web.Request], str | None] = lambda request: request.remote,
) -> None:
    """Serve the socket in `app`, and stop `hub` on shutdown, before aiohttp waits for handlers.

    `origins`: those of the public URL, e.g. `https://clinic.example`. `address`: whom the audit names.
    """

    async def signal(request: web.Request) -> web.StreamResponse:
        origin = request.headers.get("Origin")
        if origin is not None and origin not in origins:
            hub.counters.add("signaling.cross-origin")
            raise web.HTTPForbidden(text="this page may not connect here\n")
        if hub.is_full(address(request)):
            hub.counters.add("signaling.full")
            raise web.HTTPServiceUnavailable(headers={"Retry-After": "5"}, text="try again in a moment\n")
        seat = SeatId(request.query.get("seat", ""))
        # browsers always send Origin; without one the cookie proves nothing about the page, and a ticket is needed
        cookie = request.cookies.get(cookie_name(seat)) if origin is not None else None
        knock = Knock(VisitId(request.match_info["visit"]), seat, cookie, address(request))
        socket = web.WebSocketResponse(timeout=CLOSE_S, autoping=False, compress=False, max_msg_size=MAX_BYTES)
        await socket.prepare(request)
        await Connection(request, socket, hub, knock).serve()
        return socket

    async def stop(app: web.Application) -> None:
        await hub.stop()

    app.router.add_get(PATH, signal, allow_head=False)
    app.on_shutdown.append(stop)


class Connection:
    def __init__(self, request: web.Request, socket: web.WebSocketResponse, hub: Hub, knock: Knock) -> None:
        self._request = request
        self._socket = socket
        self._hub = hub
        self._knock = knock
        self._outbox = Outbox()
        self._flood = Flood(asyncio.get_running_loop().time())
        self._closing: tuple[int, str] | None = None
        self._unanswered = 0
        self._by_page = False  # the client said goodbye, rather than being cut off or closed by us
        self._participant: Participant | None = None
        self._timer: Timer = hub.wheel.after(HELLO_S, self._hello_is_late)
        self._cutter: Timer | None = None

    async def serve(self) -> None:
        """Until the connection is over."""
        self._hub.opened(self, self._knock.address)
        try:
            async with asyncio.TaskGroup() as tasks:
                reader = tasks.create_task(self._read())
                tasks.create_task(self._write(reader))
        finally:
            self._timer.cancel()
            if self._cutter:
                self._cutter.cancel()
            if self._participant:
                self._participant.detach(self, by_page=self._by_page)
            self._hub.closed(self)

    # --- what participants and the hub use ---

    def send(self, message: ServerMessage) -> None:
        """In order, or, at the bound, the end of this socket."""
        if not self._outbox.put(encode(message)):
            self._count("slow-reader")
            self._outbox.shut(drop=True)
            self.close(Close.SLOW_READER, "too slow to read")

    def close(self, code: int, reason: str) -> None:
        """After what is queued; the first call counts."""
        if self._closing is None:
            self._closing = (code, reason)
            self._timer.cancel()
            self._outbox.shut()
            self._cutter = self._hub.wheel.after(CLOSE_S, self.cut)

    def cut(self) -> None:
        if self._request.transport:
            self._request.transport.abort()

    # --- reading ---

    async def _read(self) -> None:
        try:
            while self._closing is None:
                frame = await self._socket.receive()
                if frame.type in (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED):
                    self._by_page = frame.type is WSMsgType.CLOSE
                    break
                await self._received(frame)
        except Exception:
            self._count("failed")
            log.exception("a socket failed", **self._about())
            self.close(Close.INTERNAL, "internal error")
        self.close(1000, "")

    async def _received(self, frame: WSMessage) -> None:
        now = asyncio.get_running_loop().time()
        match frame.type:
            case WSMsgType.ERROR:  # not WebSocket, or beyond MAX_BYTES; aiohttp has sent the close frame
                self._count("protocol")
                self.close(self._socket.close_code or 1002, "")
                return
            case WSMsgType.TEXT:
                size = len(frame.data)
            case _:
                size = 0
        if not self._flood.frame(size, now):
            self._count("flood")
            self.close(Close.TOO_FAST, "too fast")
        elif frame.type is WSMsgType.PING:
            await self._socket.pong(frame.data)
        elif frame.type is WSMsgType.BINARY:
            self._malformed()
        elif frame.type is WSMsgType.TEXT:
            self._unanswered = 0
            await self._heard(frame.data, now)

    async def _heard(self, text: str, now: float) -> None:
        try:
            message = decode(text)
        except ValueError:
            self._malformed()
            return
        if not self._flood.message(message, now):
            self._count("flood")
            self.close(Close.TOO_FAST, "too fast")
        elif self._participant:
            await self._participant.hear(self, message)
        else:
            self._participant = await self._hub.greet(self, self._knock, message)
            if self._participant and self._closing is None:
                self._timer.cancel()
                self._timer = self._hub.wheel.after(HEARTBEAT_S, self._beat)

    def _malformed(self) -> None:
        self._count("malformed")
        self.close(Close.BAD_MESSAGE, "message is malformed")

    # --- writing ---

    async def _write(self, reader: asyncio.Task[None]) -> None:
        try:
            while (data := await self._outbox.get()) is not None:
                await self._socket.send_frame(data, WSMsgType.TEXT)
            # aiohttp reads on to the client's own close frame only if nobody else is reading; a connection dropped
            # before that may take our close frame along
            reader.cancel()
            await asyncio.wait([reader])
            code, reason = self._closing or (1000, "")
            await self._socket.close(code=code, message=reason.encode())
        except (ConnectionError, RuntimeError):  # the connection went first
            self.close(1006, "")
        finally:
            reader.cancel()

    # --- timers ---

    def _beat(self) -> None:
        if self._unanswered >= UNANSWERED:
            self._count("silent")
            self.close(Close.SILENT, "no answer to ping")
            return
        self._timer = self._hub.wheel.after(HEARTBEAT_S, self._beat)
        self._unanswered += 1
        self.send(Ping())

    def _hello_is_late(self) -> None:
        self._count("hello-late")
        self.close(Close.SILENT, "hello is late")

    def _about(self) -> Fields:
        """For the log; before the greeting nothing, since the address of the request is whatever somebody typed."""
        holder = self._participant.holder if self._participant else None
        return {"visit": holder.visit, "seat": holder.seat} if holder else {}

    def _count(self, what: str) -> None:
        self._hub.counters.add(f"signaling.{what}")
