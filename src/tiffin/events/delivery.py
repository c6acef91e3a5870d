"""The one way in which a batch of events reaches a consumer, whatever has carried it.

A batch that fails is halved until the events are found that fail by themselves. Those are tried again, the
others go on; what keeps failing is put among the dead letters of its node. If the world is at fault nobody's
tries are counted: what failed waits, and is tried again for ever.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from typing import TypeVar, cast
from zlib import crc32

import asyncpg
import structlog

from tiffin.events.consumer import Consumer
from tiffin.events.dead_letters import (
    DeadLetters,
    EventId,
    Failure,
    Key,
    Letters,
    failed,
    id_of,
    key_of,
    parked,
)
from tiffin.events.event import Event
from tiffin.events.tally import Tally
from tiffin.events.versions import Versions
from tiffin.primitives.clock import Clock
from tiffin.primitives.errors import Unavailable
from tiffin.storage.node import CONNECTION_LOST, Node
from tiffin.storage.side_by_side import side_by_side

RETRY_S = 0.1
"""Before the second try of an event; doubled before each further one, up to `PAUSE_MAX_S`."""
PAUSE_S = 0.05
"""The same while the world is at fault."""
PAUSE_MAX_S = 5.0
TEND_INTERVAL_S = 1.0
REDRIVE_MAX = 100
"""So many dead letters are replayed between two batches."""

WORLDS_FAULT = (
    Unavailable,
    *CONNECTION_LOST,
    asyncpg.InsufficientResourcesError,
    asyncpg.PostgresSystemError,
    asyncpg.ReadOnlySQLTransactionError,
)
"""Nothing is wrong with the events: somebody is away, a disk is full, a database has a new primary."""

_UNKNOWN = Letters(open=1, discarded=True)
_log = structlog.get_logger()
_T = TypeVar("_T")


class Stopped(Exception):
    """The delivery was told to stop: what has had no effect yet is to come again, to whoever is next."""


class Delivery:
    """Delivers to one consumer the events of one node. Its transport calls it batch by batch."""

    def __init__(self, consumer: Consumer, node: Node, clock: Clock, transport: str) -> None:
        self._consumer = consumer
        self._clock = clock
        self._letters = DeadLetters(consumer.name, node)
        self._there = _UNKNOWN
        """As far as is known: until asked there may be some."""
        self._tend_at_s = self._tell_at_s = 0.0
        self._versions = Versions()
        self._stopping = asyncio.Event()
        self._log = _log.bind(consumer=consumer.name, node=node.name)
        self.tally = Tally(consumer.name, node, transport)

    async def deliver(self, events: Sequence[Event]) -> None:
        """Returns once each of these has had its effect or is a dead letter: then they may be acknowledged.

        Their order within a key is kept, so of several calls at a time no two may have events of one key.
        `Stopped` after `stop()`, if something would have to wait; nothing else.
        """
        if not events:
            return
        oldest_at = min(event.at for event in events)
        self.tally.seen(self._versions.see(events), self._consumer.types is None)
        free = await self._without_dead(events) if any(self._there) else events
        await self._carry(free)
        self.tally.handled(len(events), max(0.0, (self._clock() - oldest_at).total_seconds()))

    async def tend(self) -> None:
        """What is due beside delivering: dead letters to be replayed, figures to be told. The transport calls
        it first of all, between batches and while there are none, as often as it likes, one at a time."""
        now_s = asyncio.get_running_loop().time()
        if now_s < self._tend_at_s:
            return
        self._tend_at_s = now_s + TEND_INTERVAL_S
        self._there = await self._surely(self._letters.count)
        self.tally.dead(self._there.open)
        if self._there.open and await self._redrive() == REDRIVE_MAX:
            self._tend_at_s = now_s  # there may be more
        await self._surely(lambda: self.tally.report(self._clock()))

    def took_over(self) -> None:
        """Somebody else may have delivered to this consumer meanwhile: what is known may be out of date."""
        self._there = _UNKNOWN
        self._tend_at_s = 0.0

    def stop(self) -> None:
        """From now on nothing waits for a better moment: what fails is left to whoever is next."""
        self._stopping.set()

    async def _redrive(self) -> int:
        """Handle again what is to be replayed. Returns how many that were."""
        consumer = self._consumer
        events = await self._surely(lambda: self._letters.to_replay(consumer.ordered, REDRIVE_MAX))
        if events:
            dead = await self._carry(events)
            done = [event for event in events if id_of(event) not in dead]
            await self._surely(lambda: self._letters.settle(done, self._clock()))
            self._log.info("dead_letters_replayed", replayed=len(done), dead=len(dead))
        return len(events)

    async def _without_dead(self, events: Sequence[Event]) -> Sequence[Event]:
        """Those that are no dead letters, discarded or not. What comes after an open one of its key is parked
        if order matters."""
        keys = {key_of(event) for event in events}
        letters = await self._surely(lambda: self._letters.of_keys(keys))
        if not letters:
            return events
        events = [event for event in events if id_of(event) not in letters]
        if not self._consumer.ordered:
            return events
        blocked = {(stream, key) for (stream, key, _), is_open in letters.items() if is_open}
        await self._bury(parked(event) for event in events if key_of(event) in blocked)
        return [event for event in events if key_of(event) not in blocked]

    async def _carry(self, events: Sequence[Event]) -> set[EventId]:
        """See these through, in as many lanes as is wanted. Returns those that are among the dead now."""
        lanes = self._consumer.concurrency
        if lanes == 1 or len(events) == 1:
            return await self._carry_in_order(events)
        parts: list[list[Event]] = [[] for _ in range(lanes)]
        for event in events:
            parts[crc32(event.key.encode()) % lanes].append(event)
        dead = await side_by_side(self._carry_in_order(part) for part in parts if part)
        return {letter for letters in dead for letter in letters}

    async def _carry_in_order(self, events: Sequence[Event]) -> set[EventId]:
        dead: set[EventId] = set()
        while events:
            failures: dict[Key, Failure] = {}
            held = await self._halve(events, failures)
            given_up = await self._insist(failures.values())
            dead |= {id_of(failure.event) for failure in given_up}
            events = [event for event in held if id_of(event) not in dead]
            behind: list[Event] = []
            if self._consumer.ordered:
                blocked = {key_of(failure.event) for failure in given_up}
                behind = [event for event in events if key_of(event) in blocked]
                events = [event for event in events if key_of(event) not in blocked]
                dead |= {id_of(event) for event in behind}
            await self._bury([*given_up, *(parked(event) for event in behind)])
        return dead

    async def _halve(self, events: Sequence[Event], failures: dict[Key, Failure]) -> list[Event]:
        """Handle these but for those that fail alone, which are put to the failures, and those behind one of
        them, which are returned, in order."""
        held = [event for event in events if key_of(event) in failures] if failures else []
        free = [event for event in events if key_of(event) not in failures] if held else events
        error = await self._handle(free) if free else None
        if error is None:
            return held
        if len(free) == 1:
            failures[key_of(free[0])] = failed(free[0], error, 1)
            return held
        middle = len(free) // 2
        held += await self._halve(free[:middle], failures)
        held += await self._halve(free[middle:], failures)
        return held

    async def _insist(self, failures: Iterable[Failure]) -> list[Failure]:
        """Try each again, alone. Returns those that have used up their tries."""
        remaining, pause_s = list(failures), RETRY_S
        for number in range(2, self._consumer.tries + 1):
            if not remaining:
                break
            await self._pause(pause_s)
            pause_s = min(pause_s * 2, PAUSE_MAX_S)
            again: list[Failure] = []
            for failure in remaining:
                error = await self._handle([failure.event])
                if error is not None:
                    again.append(failed(failure.event, error, number))
            remaining = again
        return remaining

    async def _handle(self, events: Sequence[Event]) -> Exception | None:
        """What the consumer makes of these. An error is theirs, and not the world's."""
        try:
            await self._surely(lambda: self._consumer.handle(events))
        except Stopped:
            raise
        except Exception as error:
            self.tally.failed(repr(error))
            self._log.warning("consumer_failed", events=len(events), error=repr(error))
            return error
        return None

    async def _bury(self, failures: Iterable[Failure]) -> None:
        """Each event once, though it may have come twice."""
        letters = list({id_of(failure.event): failure for failure in failures}.values())
        if not letters:
            return
        await self._surely(lambda: self._letters.bury(letters, self._clock()))
        self._there = self._there._replace(open=self._there.open + len(letters))
        for letter in letters:
            self._log.error("event_dead", id=id_of(letter.event), state=letter.state, reason=letter.reason)

    async def _surely(self, do: Callable[[], Awaitable[_T]]) -> _T:
        """Do it, and as long as the world is at fault again."""
        pause_s = PAUSE_S
        while True:
            try:
                return await do()
            except Exception as error:
                if not is_worlds_fault(error):
                    raise
                self.tally.failed(repr(error))
                self._log.warning("consumer_paused", error=repr(error))
            await self._tell()
            await self._pause(pause_s)
            pause_s = min(pause_s * 2, PAUSE_MAX_S)

    async def _tell(self) -> None:
        """Why nothing gets on, while it does not."""
        now_s = asyncio.get_running_loop().time()
        if now_s >= self._tell_at_s:
            self._tell_at_s = now_s + TEND_INTERVAL_S
            with suppress(*WORLDS_FAULT):
                await self.tally.report(self._clock())

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return
        raise Stopped


def is_worlds_fault(error: Exception) -> bool:
    """Whether the same events may well succeed later, without anybody mending anything in them."""
    if isinstance(error, ExceptionGroup):
        parts = cast("ExceptionGroup[Exception]", error).exceptions
        return all(is_worlds_fault(part) for part in parts)
    return isinstance(error, WORLDS_FAULT)
