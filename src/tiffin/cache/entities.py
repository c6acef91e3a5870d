"""Entities by id, kept in this process for a bounded time, loaded once however many ask."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Generic, NamedTuple, TypeVar

from tiffin.primitives.clock import Clock

Entity = TypeVar("Entity")

Load = Callable[[Mapping[str, Entity | None]], Awaitable[Mapping[str, Entity]]]
"""Reads entities by id. Is given what the cache last knew of each, so that an unchanged one need not be read
again; leaves out those that do not exist."""

BATCH_MAX = 8
"""Ids in one load: as many as one statement reads at the least (`tiffin.sharding.read_many`)."""
LANES = 4
"""Loads in flight at once."""


class _Entry(NamedTuple, Generic[Entity]):
    entity: Entity
    known_at: datetime


class Entities(Generic[Entity]):
    """A cache of entities that were true within the last `fresh_ms`.

    An entity's age counts from the moment its load began, so it is never staler than `fresh_ms`, whoever
    changed it. `forget` makes this process's own changes visible at once. Concurrent callers share one load;
    ids wanted while the lanes are busy are loaded together. What does not exist is not remembered. Entities
    are shared: who is given one must not change it.
    """

    def __init__(self, load: "Load[Entity]", clock: Clock, fresh_ms: int, entries_max: int) -> None:
        self._load = load
        self._clock = clock
        self._fresh = timedelta(milliseconds=fresh_ms)
        self._entries_max = entries_max
        self._entries: dict[str, _Entry[Entity]] = {}
        self._loading: dict[str, asyncio.Future[Entity | None]] = {}
        self._waiting: dict[str, asyncio.Future[Entity | None]] = {}
        self._lanes: set[asyncio.Task[None]] = set()

    async def get(self, key: str) -> Entity | None:
        """The entity, or None if there is none. Raises what the load raised."""
        entry = self._entries.get(key)
        if entry is not None and timedelta() <= self._clock() - entry.known_at < self._fresh:
            return entry.entity
        future = self._loading.get(key) or self._waiting.get(key)
        if future is None:
            future = self._waiting[key] = asyncio.get_running_loop().create_future()
            if len(self._lanes) < LANES:
                lane = asyncio.create_task(self._work(), name="entities")
                self._lanes.add(lane)
                lane.add_done_callback(self._lanes.discard)
        return await asyncio.shield(future)

    def forget(self, key: str) -> None:
        """The entity has changed: whoever asks from now on is not answered from before."""
        self._entries.pop(key, None)
        self._loading.pop(key, None)

    async def _work(self) -> None:
        while self._waiting:
            batch = {key: self._waiting.pop(key) for key in list(self._waiting)[:BATCH_MAX]}
            self._loading.update(batch)
            began = self._clock()
            try:
                found = await self._load({key: self._known(key) for key in batch})
            except Exception as error:
                for key, future in batch.items():
                    self._leave(key, future)
                    future.set_exception(error)
                    future.exception()  # whoever waits still gets it; nobody may be left to
                continue
            for key, future in batch.items():
                entity = found.get(key)
                if self._leave(key, future):
                    self._keep(key, entity, began)
                future.set_result(entity)

    def _known(self, key: str) -> Entity | None:
        entry = self._entries.get(key)
        return entry and entry.entity

    def _leave(self, key: str, future: "asyncio.Future[Entity | None]") -> bool:
        """End a load. False if the entity was forgotten meanwhile: the answer may be from before."""
        if self._loading.get(key) is not future:
            return False
        del self._loading[key]
        return True

    def _keep(self, key: str, entity: Entity | None, began: datetime) -> None:
        self._entries.pop(key, None)
        if entity is None:
            return
        while len(self._entries) >= self._entries_max:
            del self._entries[next(iter(self._entries))]  # the one whose load is longest ago
        self._entries[key] = _Entry(entity, began)
