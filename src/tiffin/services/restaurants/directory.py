"""The index of this process, kept like the databases: loaded at start, changed by notifications, compared."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable

import msgspec
import structlog

from tiffin.primitives.errors import Unavailable
from tiffin.rpc import contracts as c
from tiffin.services.restaurants.finding import Index, Page, Query, make_entry
from tiffin.sharding.router import Router, never
from tiffin.sharding.slots import shard_of
from tiffin.storage.node import Node
from tiffin.storage.queries import load_queries

COMPARE_S = 60.0
"""Changes whose notification was lost are found by then."""
PAUSE_S = 1.0
PAGE = 5_000
LOAD_MAX = 250
"""Restaurants read and parsed at once: a few milliseconds of this process."""

_QUERIES = load_queries("tiffin.services.restaurants")
_decode = msgspec.json.Decoder(c.Restaurant).decode
_log = structlog.get_logger()


class Directory:
    """Answers searches from memory. Nobody asks a database for one."""

    def __init__(self, router: Router) -> None:
        self._router = router
        self._index = Index()
        self._heard: set[str] = set()
        self._wake = asyncio.Event()
        self._loaded = asyncio.Event()

    def heard(self, restaurant_id: str) -> None:
        """A restaurant has changed, or is new."""
        self._heard.add(restaurant_id)
        self._wake.set()

    async def search(self, query: Query, within_s: float) -> Page:
        """A page. Waits for the index if it is still being loaded; `Unavailable` if that takes too long."""
        if not self._loaded.is_set():
            try:
                await asyncio.wait_for(self._loaded.wait(), within_s)
            except TimeoutError:
                raise Unavailable("starting", "the restaurants are still being read") from None
        return self._index.search(query)

    async def run(self) -> None:
        """For ever: keep the index. Ends by cancellation."""
        loop = asyncio.get_running_loop()
        compare_at = 0.0
        while True:
            try:
                if loop.time() >= compare_at:
                    self._heard |= await self._differences()
                    compare_at = loop.time() + COMPARE_S
                await self.catch_up()
                self._loaded.set()
                await asyncio.wait_for(self._wake.wait(), max(compare_at - loop.time(), 0.0))
            except TimeoutError:
                continue
            except Unavailable as error:
                _log.warning("directory_paused", error=repr(error))
                await asyncio.sleep(PAUSE_S)
            except Exception:
                _log.exception("directory_failed")
                await asyncio.sleep(PAUSE_S)

    async def catch_up(self) -> None:
        """Read every restaurant that has been heard of."""
        self._wake.clear()
        while self._heard:
            some = [self._heard.pop() for _ in range(min(LOAD_MAX, len(self._heard)))]
            try:
                await self._load(some)
            except BaseException:
                self._heard.update(some)
                raise

    async def _load(self, ids: Iterable[str]) -> None:
        epoch, by_node = self._router.epoch, defaultdict[Node, list[str]](list)
        for id_ in ids:
            by_node[self._router.node("restaurant", shard_of(id_))].append(id_)
        live: set[str] = set()
        for node, some in by_node.items():
            rows = await node.fetch(_QUERIES["live_restaurants"], [shard_of(id_) for id_ in some], some)
            for row in rows:
                self._index.put(make_entry(_decode(row["restaurant"]), row["version"]))
                live.add(row["id"])
        gone = set(ids) - live
        if gone and await self._router.changed(epoch):
            self._heard |= gone
            return
        for id_ in gone:
            self._index.remove(id_)

    async def _differences(self) -> set[str]:
        """Ids whose live version is not what the index has."""
        stored = await self._router.until_settled(self._versions, never)
        known = self._index.versions()
        return {id_ for id_, version in stored.items() if known.get(id_) != version} | (known.keys() - stored)

    async def _versions(self) -> dict[str, int]:
        stored: dict[str, int] = {}
        for node in self._router.nodes:
            await self._read_versions(node, stored)
        return stored

    async def _read_versions(self, node: Node, stored: dict[str, int]) -> None:
        shards, after = self._router.shards_on("restaurant", node), ""
        while True:
            rows = await node.fetch(_QUERIES["live_versions"], shards, after, PAGE)
            stored.update((row["id"], row["version"]) for row in rows)
            if len(rows) < PAGE:
                return
            after = rows[-1]["id"]
