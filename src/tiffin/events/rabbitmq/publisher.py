"""Publishing with confirms: pipelined, in order, and never longer than its deadline."""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple, cast

from pamqp import commands
from prometheus_client import Counter

from tiffin.events.rabbitmq import wire
from tiffin.events.rabbitmq.connection import Connection, Content, Lost

WRITE_MAX = 64
"""So many messages are written at once, before looking whether more may be."""

_published = Counter("tiffin_relay_messages", "Messages that the broker has confirmed.")
_failed = Counter("tiffin_relay_returned", "Messages that no queue took, or one could not keep.")


class Outcome(NamedTuple):
    """What was not simply published: ids of messages."""

    returned: set[str]
    """No queue took these; they were `mandatory`."""
    refused: set[str]
    """The broker could not keep these in every queue that wanted them."""


class Publisher:
    """Publishes on a connection of its own; one call at a time."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._last = 0
        """Number of the last message sent; the broker counts likewise."""
        self._open: dict[int, wire.Message] = {}
        self._outcome = Outcome(set(), set())
        self._done = asyncio.Event()
        connection.on_confirm, connection.on_return = self._confirmed, self._given_back

    @classmethod
    async def open(cls, url: str) -> "Publisher":
        """Connect, and ask for confirms. `Lost` if that fails."""
        connection = await Connection.open(url)
        await connection.ask(commands.Confirm.Select(), commands.Confirm.SelectOk)
        return cls(connection)

    @property
    def connection(self) -> Connection:
        """What it publishes on; other things may be asked there between two calls."""
        return self._connection

    async def publish(self, messages: Sequence[wire.Message], deadline_s: float) -> Outcome:
        """Publish these in order.

        All that the outcome does not name are on the broker's disk when this returns. `Lost` if the
        connection is, or the deadline passes first, be it that the broker blocks: then any of them may have
        been published, and the connection is gone.
        """
        self._open.clear()
        self._outcome = Outcome(set(), set())
        self._done.clear()
        try:
            async with asyncio.timeout(deadline_s):
                for start in range(0, len(messages), WRITE_MAX):
                    await self._connection.ready()
                    self._send(messages[start : start + WRITE_MAX])
                await self._confirms()
        except TimeoutError as error:
            blocked = " while the broker blocks" if self._connection.blocked else ""
            self._connection.abort(f"not published within {deadline_s} s{blocked}")
            raise Lost(f"not published within {deadline_s} s{blocked}") from error
        except asyncio.CancelledError:
            self._connection.abort("whoever published has gone")
            raise
        failed = len(self._outcome.returned | self._outcome.refused)
        _failed.inc(failed)
        _published.inc(len(messages) - failed)
        return self._outcome

    def _send(self, messages: Sequence[wire.Message]) -> None:
        frames = [wire.publish(message, self._connection.frame_bytes_max) for message in messages]
        for message in messages:
            self._last += 1
            self._open[self._last] = message
        self._done.clear()
        self._connection.write(b"".join(frames))

    async def _confirms(self) -> None:
        lost = self._connection.lost
        confirmed = asyncio.ensure_future(self._done.wait())
        try:
            while self._open:
                if lost.done():
                    raise Lost(lost.result().message)
                await asyncio.wait((confirmed, lost), return_when=asyncio.FIRST_COMPLETED)
        finally:
            confirmed.cancel()

    def _confirmed(self, number: int, multiple: bool, taken: bool) -> None:
        if not multiple:
            self._confirm(number, taken)
        while multiple and self._open and (first := next(iter(self._open))) <= number:
            self._confirm(first, taken)
        if not self._open:
            self._done.set()

    def _confirm(self, number: int, taken: bool) -> None:
        message = self._open.pop(number, None)
        if message is not None and not taken:
            self._outcome.refused.add(message.id)

    def _given_back(self, content: Content) -> None:
        """Comes before the message's confirm."""
        self._outcome.returned.add(cast("str", content.properties.message_id))
