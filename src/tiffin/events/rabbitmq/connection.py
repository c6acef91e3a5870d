"""One connection to RabbitMQ with one channel: asked, written to, listened to; every wait has a deadline."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple, Self, TypeVar, cast
from urllib.parse import unquote, urlsplit

import structlog
from pamqp import commands, header
from pamqp.base import Frame as Method
from pamqp.common import FieldTable
from pamqp.frame import marshal, unmarshal

from tiffin.events.rabbitmq import wire
from tiffin.primitives.errors import Unavailable

CONNECT_TIMEOUT_S = 10.0
REPLY_TIMEOUT_S = 10.0
NO_ANSWER = -1
"""Instead of a reply code: the broker has not answered in time."""
HEARTBEAT_S = 10
"""Nothing heard for two of these: the connection is lost."""
FRAME_BYTES_MAX = 131_072
CLIENT: FieldTable = {
    "product": "tiffin",
    "capabilities": {"connection.blocked": True, "basic.nack": True, "publisher_confirms": True,
                     "consumer_cancel_notify": True, "authentication_failure_close": True},
}  # fmt: skip

Reply = TypeVar("Reply", bound=Method)
_log = structlog.get_logger()


class Lost(Unavailable):
    """The connection is gone, or never came. `reply_code` is AMQP's, `NO_ANSWER`, or 0 for other reasons."""

    def __init__(self, message: str, reply_code: int = 0) -> None:
        super().__init__("broker_unavailable", message)
        self.reply_code = reply_code


class Content(NamedTuple):
    """A message that came: delivered, or given back."""

    method: bytes
    header: bytes
    body: bytes

    @property
    def properties(self) -> commands.Basic.Properties:
        """Decoded. `ValueError` or the like if they are not what they should be."""
        content = header.ContentHeader()
        content.unmarshal(self.header)
        return content.properties


def _ignore(*_: object) -> None:
    """What nobody has asked to hear."""


class Connection(asyncio.Protocol):
    """Open until `close`, or until `lost` is set. Whoever waits for it then gets `Lost`.

    What is heard is told to `on_confirm(number, multiple, taken)`, `on_return(content)` and
    `on_delivery(content)`, which must not raise.
    """

    def __init__(self) -> None:
        self.on_confirm: Callable[[int, bool, bool], None] = _ignore
        self.on_return: Callable[[Content], None] = _ignore
        self.on_delivery: Callable[[Content], None] = _ignore
        self.lost: asyncio.Future[Lost] = asyncio.get_running_loop().create_future()
        self.frame_bytes_max = FRAME_BYTES_MAX
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None
        self._replies: asyncio.Queue[Method] = asyncio.Queue()
        self._asking = asyncio.Lock()
        self._writable, self._unblocked = asyncio.Event(), asyncio.Event()
        self._writable.set()
        self._unblocked.set()
        self._coming: tuple[bytes, bytes, int, list[bytes]] | None = None
        self._method = b""
        self._heard = True
        self._heart: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, url: str, timeout_s: float = CONNECT_TIMEOUT_S) -> Self:
        """Connect to `amqp(s)://user:password@host:port/virtual-host`. `Lost` if it fails or is too slow."""
        address = urlsplit(url)
        connection: Self | None = None
        try:
            async with asyncio.timeout(timeout_s):
                loop = asyncio.get_running_loop()
                secure = address.scheme == "amqps"
                port = address.port or (5671 if secure else 5672)
                _, connection = await loop.create_connection(
                    cls, address.hostname or "", port, ssl=secure or None
                )
                user, password = unquote(address.username or "guest"), unquote(address.password or "guest")
                await connection._shake_hands(user, password, unquote(address.path[1:]) or "/")
        except (OSError, TimeoutError, Lost) as error:
            if connection is not None:
                connection.abort("the handshake failed")
            code = error.reply_code if isinstance(error, Lost) else 0
            raise Lost(f"{address.hostname}:{address.port}: {error!r}", code) from error
        return connection

    @property
    def blocked(self) -> bool:
        """Whether the broker takes nothing now: it is short of memory or disk."""
        return not self._unblocked.is_set()

    async def ask(self, method: Method, reply: type[Reply], timeout_s: float = REPLY_TIMEOUT_S) -> Reply:
        """Send a method and wait for its answer. `Lost` also if there is none in time."""
        async with self._asking:
            self.write(marshal(method, wire.CHANNEL))
            return await self._expect(reply, timeout_s)

    def write(self, data: bytes) -> None:
        """Send at once, or as soon as what was sent before has gone. `Lost` if nobody is there."""
        if self.lost.done() or self._transport is None:
            raise self._why()
        self._transport.write(data)

    async def ready(self) -> None:
        """Wait until more may be published: the broker takes messages, and the socket takes bytes."""
        while not self.lost.done() and not (self._writable.is_set() and self._unblocked.is_set()):
            await self._writable.wait()
            await self._unblocked.wait()
        if self.lost.done():
            raise self._why()

    async def close(self) -> None:
        """Take leave. Never raises, never takes long."""
        with suppress(Lost):
            if not self.lost.done() and not self.blocked:  # who blocks does not read
                self.write(marshal(commands.Connection.Close(200, "bye", 0, 0), 0))
                async with self._asking:
                    await self._expect(commands.Connection.CloseOk, 1.0)
        self.abort("closed")

    def abort(self, reason: str, reply_code: int = 0) -> None:
        """Be gone at once."""
        if not self.lost.done():
            self.lost.set_result(Lost(reason, reply_code))
        for event in (self._writable, self._unblocked):  # let them see
            event.set()
        if self._heart is not None:
            self._heart.cancel()
        if self._transport is not None:
            self._transport.abort()

    def _why(self) -> Lost:
        known = self.lost.result() if self.lost.done() else Lost("not connected")
        return Lost(known.message, known.reply_code)

    async def _shake_hands(self, user: str, password: str, virtual_host: str) -> None:
        assert self._transport is not None
        self._transport.write(b"AMQP\x00\x00\x09\x01")
        await self._expect(commands.Connection.Start)
        self._tell(commands.Connection.StartOk(CLIENT, "PLAIN", f"\0{user}\0{password}", "en_US"))
        tune = await self._expect(commands.Connection.Tune)
        self.frame_bytes_max = min(tune.frame_max or FRAME_BYTES_MAX, FRAME_BYTES_MAX)
        heartbeat_s = min(tune.heartbeat or HEARTBEAT_S, HEARTBEAT_S)
        self._tell(commands.Connection.TuneOk(tune.channel_max, self.frame_bytes_max, heartbeat_s))
        self._tell(commands.Connection.Open(virtual_host))
        await self._expect(commands.Connection.OpenOk)
        await self.ask(commands.Channel.Open(), commands.Channel.OpenOk)
        self._heart = asyncio.create_task(self._beat(heartbeat_s), name="amqp heartbeat")

    def _tell(self, method: Method) -> None:
        self.write(marshal(method, 0))

    async def _expect(self, reply: type[Reply], timeout_s: float = REPLY_TIMEOUT_S) -> Reply:
        waiting = asyncio.ensure_future(self._replies.get())
        try:
            done, _ = await asyncio.wait(
                (waiting, self.lost), timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED
            )
            if waiting not in done:
                if not done:
                    self.abort(f"no {reply.name} within {timeout_s} s", NO_ANSWER)
                raise self._why()
            said = waiting.result()
            if not isinstance(said, reply):
                self.abort(f"{said.name} instead of {reply.name}")
                raise self._why()
            return said
        except asyncio.CancelledError:
            self.abort("whoever asked has gone")  # the answer would be taken for another's
            raise
        finally:
            waiting.cancel()

    async def _beat(self, heartbeat_s: float) -> None:
        silent = 0
        while not self.lost.done():
            await asyncio.sleep(heartbeat_s / 2)
            silent = 0 if self._heard else silent + 1
            self._heard = False
            if silent >= 4:
                self.abort("nothing heard for two heartbeats")
            elif not self.lost.done():
                self.write(wire.HEARTBEAT_FRAME)

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance

    def connection_lost(self, exc: Exception | None) -> None:
        self.abort(repr(exc) if exc else "the broker has closed the connection")

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        self._heard = True
        self._received += data
        try:
            for frame in wire.frames(self._received):
                self._hear(frame)
        except Exception as error:
            _log.exception("amqp_misunderstood")
            self.abort(f"not understood: {error!r}")

    def _hear(self, frame: wire.Frame) -> None:
        kind, channel, payload = frame
        if kind == wire.METHOD:
            method = wire.method_of(payload)
            if method in (wire.DELIVER, wire.RETURN):
                self._method = payload
            elif method in (wire.ACK, wire.NACK):
                self.on_confirm(*wire.confirmed(payload), method == wire.ACK)
            else:
                self._hear_method(unmarshal(wire.frame(*frame))[2], channel)
        elif kind == wire.HEADER:
            self._coming = (self._method, payload, wire.body_size(payload), [])
            self._hear_body(b"")
        elif kind == wire.BODY:
            self._hear_body(payload)

    def _hear_body(self, payload: bytes) -> None:
        assert self._coming is not None
        method, properties, missing, chunks = self._coming
        if payload:
            chunks.append(payload)
            missing -= len(payload)
        self._coming = (method, properties, missing, chunks) if missing else None
        if not missing:
            content = Content(method, properties, b"".join(chunks))
            tell = self.on_delivery if wire.method_of(method) == wire.DELIVER else self.on_return
            tell(content)

    def _hear_method(self, said: object, channel: int) -> None:
        if isinstance(said, commands.Connection.Blocked):
            _log.warning("broker_blocks", reason=said.reason)
            self._unblocked.clear()
        elif isinstance(said, commands.Connection.Unblocked):
            self._unblocked.set()
        elif isinstance(said, commands.Basic.Cancel):
            self.abort("the queue has gone")
        elif isinstance(said, commands.Connection.Close | commands.Channel.Close):
            self.abort(f"{said.reply_code} {said.reply_text}", said.reply_code or 0)
        elif isinstance(said, Method):
            self._replies.put_nowait(said)
