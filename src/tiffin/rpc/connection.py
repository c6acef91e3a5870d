"""One connection to one address. Any number of calls share it; answers are told apart by their sequence ids.

Calls begun within the same turn of the loop go out in one write. A call may begin before the connection is
up: it waits unsent, so whoever loses it knows that nothing was done. After a timeout no call begins here any
more, and whatever breaks the protocol ends all calls here: no reply is ever taken for another call's.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

import msgspec

from tiffin.rpc import contracts as c
from tiffin.rpc.addresses import Address
from tiffin.rpc.codec import Unreadable
from tiffin.rpc.frames import ANSWER_BYTES_MAX, Frames, FrameTooLong
from tiffin.rpc.wire import MethodWire, read_message

CONNECT_S = 1.0
_SEQUENCE_ID_MAX = (1 << 31) - 1


class End(Enum):
    """How a call's place on a connection became free."""

    ANSWERED = "answered"
    EXPIRED = "expired"
    """Sent, and not answered before its deadline."""
    LOST = "lost"
    """The connection went, or never came."""
    UNSENT = "unsent"
    """Given up, or expired, before anything went out."""


class CallLost(Exception):
    """No answer will come. `sent`: the service may have carried the call out, or still will. `expired`: the
    caller's time was up."""

    def __init__(self, why: str, *, sent: bool, expired: bool = False) -> None:
        super().__init__(why)
        self.sent = sent
        self.expired = expired


@dataclass(slots=True, eq=False)
class _Call:
    """Has its place here until it is answered or cannot be any more; its caller may be gone before that."""

    wire: MethodWire
    answer: asyncio.Future[Any]
    ended: Callable[[End], None]
    timer: asyncio.TimerHandle


class Connection(asyncio.Protocol):
    """Opens by itself, once: when it is over, another takes its place."""

    def __init__(self, address: Address, retired: Callable[["Connection", bool], None]) -> None:
        """`retired(connection, failed)` is told once: no call may begin here any more. `failed`: the
        connection broke, or never came, while somebody needed it."""
        self._loop = asyncio.get_running_loop()
        self._retired = retired
        self._usable = True
        self._over = False
        self._transport: asyncio.WriteTransport | None = None
        self._calls: dict[int, _Call] = {}
        self._unsent: dict[int, bytes] = {}
        self._expired: set[int] = set()
        self._flushing = False
        self._writable = True
        self._sequence_id = 0
        self._frames = Frames(ANSWER_BYTES_MAX)
        self._opening = self._loop.create_task(self._open(address))

    @property
    def in_flight(self) -> int:
        """Calls with a place here, those included whose caller has gone and whose answer is still to come."""
        return len(self._calls)

    def begin(
        self, wire: MethodWire, context: c.CallContext, request: msgspec.Struct, until: float,
        ended: Callable[[End], None],
    ) -> tuple[int, asyncio.Future[Any]]:  # fmt: skip
        """Send a call; gives its sequence id. The future ends with the answer, the service's error or, at
        `until` (a moment of the loop's clock) at the latest, `CallLost`. `ended` is told once, whether or not
        anybody still waits. If encoding raises there is no call."""
        sequence_id = self._sequence_id % _SEQUENCE_ID_MAX + 1
        frame = wire.encode_call(sequence_id, context, request)
        self._sequence_id = sequence_id
        answer: asyncio.Future[Any] = self._loop.create_future()
        timer = self._loop.call_at(until, self._expire, sequence_id)
        self._calls[sequence_id] = _Call(wire, answer, ended, timer)
        self._unsent[sequence_id] = frame
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)
        return sequence_id, answer

    def give_up(self, sequence_id: int) -> None:
        """The caller has gone. What was not sent never will be; otherwise the place is kept until the reply
        comes, which nobody then sees."""
        if self._unsent.pop(sequence_id, None) is not None:
            self._end(self._calls.pop(sequence_id), End.UNSENT)

    def close(self, why: str, *, failed: bool = False) -> None:
        """Now. Calls that are not answered yet are lost."""
        if self._over:
            return
        self._over = True
        self._retire(failed=failed)
        self._opening.cancel()
        if self._transport is not None:
            self._transport.abort()
        calls, self._calls = self._calls, {}
        unsent, self._unsent = self._unsent, {}
        for sequence_id, call in calls.items():
            self._lose(call, CallLost(why, sent=sequence_id not in unsent), End.LOST)

    # what the loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # pyright: ignore[reportAttributeAccessIssue]
        if self._over:
            transport.close()
        else:
            self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self.close(str(exc) if exc else "the service closed the connection", failed=bool(self._calls))

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        self._flush()

    def data_received(self, data: bytes) -> None:
        try:
            for payload in self._frames.feed(data):
                self._take(payload)
        except (FrameTooLong, Unreadable) as error:
            self.close(f"a bad reply: {error}", failed=True)

    # what follows from it

    async def _open(self, address: Address) -> None:
        try:
            async with asyncio.timeout(CONNECT_S):
                await address.connect(self._loop, lambda: self)
        except TimeoutError:
            self.close("no connection in time", failed=True)
        except OSError as error:
            self.close(f"no connection: {error}", failed=True)

    def _flush(self) -> None:
        self._flushing = False
        if self._unsent and self._transport is not None and self._writable:
            frames = b"".join(self._unsent.values())
            self._unsent.clear()
            self._transport.write(frames)

    def _take(self, payload: bytes) -> None:
        message = read_message(payload)
        sequence_id = message.sequence_id
        if sequence_id in self._expired:
            self._expired.discard(sequence_id)
            return
        call = self._calls.get(sequence_id)
        if call is None or sequence_id in self._unsent:
            raise Unreadable(f"nothing was asked under the sequence id {sequence_id}")
        error: Exception | None = None
        result: Any = None
        try:
            result = call.wire.decode_reply(payload, message)
        except Unreadable:
            raise
        except Exception as raised:  # what the service said; whoever called shall see it
            error = raised
        del self._calls[sequence_id]
        if not call.answer.done():
            if error is None:
                call.answer.set_result(result)
            else:
                call.answer.set_exception(error)
        self._end(call, End.ANSWERED)

    def _expire(self, sequence_id: int) -> None:
        call = self._calls.pop(sequence_id)
        if self._unsent.pop(sequence_id, None) is not None:
            self._lose(call, CallLost("not sent in time", sent=False, expired=True), End.UNSENT)
            return
        self._expired.add(sequence_id)
        self._retire(failed=False)
        self._lose(call, CallLost("no answer in time", sent=True, expired=True), End.EXPIRED)

    def _lose(self, call: _Call, lost: CallLost, end: End) -> None:
        if not call.answer.done():
            call.answer.set_exception(lost)
        self._end(call, end)

    def _end(self, call: _Call, end: End) -> None:
        call.timer.cancel()
        call.ended(end)
        if not (self._usable or self._over) and all(other.answer.done() for other in self._calls.values()):
            self.close("nobody waits here any more")

    def _retire(self, *, failed: bool) -> None:
        if self._usable:
            self._usable = False
            self._retired(self, failed)
