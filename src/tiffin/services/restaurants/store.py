"""Restaurants and menus in the database: a row a restaurant, changed by compare and set."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import asyncpg
import msgspec

from tiffin.rpc import contracts as c
from tiffin.services.restaurants.menu import Card, PriceList, make_price_list
from tiffin.sharding.read_many import read_many
from tiffin.sharding.router import Router, never
from tiffin.sharding.slots import shard_of
from tiffin.storage.node import Node
from tiffin.storage.queries import load_queries

_QUERIES = load_queries("tiffin.services.restaurants")
_decode_restaurant = msgspec.json.Decoder(c.Restaurant).decode
_decode_card = msgspec.json.Decoder(Card).decode


class Stored(NamedTuple):
    """A restaurant as the row says, parsed and ready to price by."""

    restaurant: c.Restaurant
    card: Card
    prices: PriceList
    version: int
    created_from: bytes
    """Hash of the request that created the restaurant."""


class RestaurantStore:
    """Reads and writes `restaurants.restaurants`."""

    def __init__(self, router: Router) -> None:
        self._router = router

    async def load(self, known: Mapping[str, Stored | None]) -> dict[str, Stored]:
        """Restaurants by id; those that do not exist are left out, the unchanged given back as known."""
        versions = [f"{id_} {stored.version}" for id_, stored in known.items() if stored is not None]

        async def ask(node: Node, shards: Sequence[int], ids: Sequence[str]) -> list[asyncpg.Record]:
            return await node.fetch(_QUERIES["restaurants"], *shards, ids, versions)

        rows = await read_many(self._router, "restaurant", list(known), ask)
        return {id_: _stored(row, known[id_]) for id_, row in rows.items()}

    async def add(self, restaurant: c.Restaurant, created_from: bytes) -> bool:
        """Write a new restaurant, its menu empty. False if the id is taken."""
        shard = shard_of(restaurant.id)
        text = msgspec.json.encode(restaurant).decode()

        async def do(node: Node) -> asyncpg.Record | None:
            return await node.fetchrow(
                _QUERIES["add_restaurant"], shard, restaurant.id, text, created_from, restaurant.status
            )

        return await self._router.write("restaurant", shard, do) is not None

    async def change(self, restaurant: c.Restaurant, card: Card | None, expected_version: int) -> bool:
        """Write a changed restaurant, and its menu if given. False if the row's version is another."""
        shard = shard_of(restaurant.id)
        text = msgspec.json.encode(restaurant).decode()
        menu = None if card is None else msgspec.json.encode(card).decode()

        async def do(node: Node) -> asyncpg.Record | None:
            return await node.fetchrow(
                _QUERIES["change_restaurant"],
                shard,
                restaurant.id,
                expected_version,
                text,
                menu,
                restaurant.status,
            )

        return await self._router.write("restaurant", shard, do) is not None

    async def page(self, after: str, limit: int, whatever_status: bool) -> list[c.Restaurant]:
        """Restaurants by id, from all nodes, at most `limit`: those that are live, or all."""
        rows = await self._router.until_settled(lambda: self._page_rows(after, limit, whatever_status), never)
        return [_decode_restaurant(text) for _, text in sorted(rows.items())[:limit]]

    async def _page_rows(self, after: str, limit: int, whatever_status: bool) -> dict[str, str]:
        answers = await asyncio.gather(
            *(
                node.fetch(
                    _QUERIES["restaurants_after"],
                    self._router.shards_on("restaurant", node),
                    after,
                    limit,
                    whatever_status,
                )
                for node in self._router.nodes
            )
        )
        return {row["id"]: row["restaurant"] for rows in answers for row in rows}


def _stored(row: asyncpg.Record, known: Stored | None) -> Stored:
    if row["restaurant"] is None:
        assert known is not None
        return known
    restaurant, card = _decode_restaurant(row["restaurant"]), _decode_card(row["menu"])
    prices = make_price_list(restaurant, card)
    return Stored(restaurant, card, prices, row["version"], row["created_from"])
