"""Stock and holds in the database. A transaction locks shards, reads a `Book`, decides, writes it back."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Literal, NamedTuple

import asyncpg

from tiffin.primitives.clock import Clock
from tiffin.services.restaurants.stock import (
    Book,
    Command,
    Holding,
    Item,
    Level,
    Result,
    Verdict,
    items_of,
    shard_of_command,
)
from tiffin.sharding.order_id import restaurant_shard
from tiffin.sharding.read_many import SHARDS_MAX, batches_of_shards, find_many
from tiffin.sharding.router import Router
from tiffin.sharding.slots import shard_of
from tiffin.storage.group_commit import GroupCommit, Key
from tiffin.storage.node import Connection, Node
from tiffin.storage.per_node import PerNode
from tiffin.storage.queries import load_queries

_QUERIES = load_queries("tiffin.services.restaurants")
_LOCK = 0x74696668


class Received(NamedTuple):
    """What came of portions that were to be added or taken off."""

    outcome: Literal["done", "impossible", "key_reused"]
    """`done` now, or already; there are too few to take off, or the key was for something else."""
    level: Level


class StockStore:
    """Reads and writes `restaurants.stock`, `restaurants.receipts` and `restaurants.holds`."""

    def __init__(self, router: Router, clock: Clock) -> None:
        self._router = router
        self._clock = clock
        self._groups = PerNode(lambda node: GroupCommit(node, self._run, _again, _order))

    async def carry_out(self, command: Command, within_s: float) -> Result:
        """One command, in a transaction with whatever else is waiting. Again is the same."""

        shard = shard_of_command(command)

        async def do() -> Result:
            return await self._groups[self._router.node("restaurant", shard)].submit(command, within_s)

        return await self._router.until_settled(do, _has_found, ("restaurant", shard))

    async def carry_out_all(self, commands: Sequence[Command]) -> list[Result]:
        """Many commands, at most one an order, a transaction a node. Again is the same."""
        results: dict[int, Result] = {}
        waiting = list(commands)

        async def do() -> bool:
            results.update(await self._on_each_node(waiting))
            waiting[:] = [command for command in waiting if not _has_found(results[command.order_id])]
            return not waiting

        if waiting:
            await self._router.until_settled(do, bool)
        return [results[command.order_id] for command in commands]

    async def held_orders(self, order_ids: Sequence[int]) -> set[int]:
        """Which of these orders hold portions that are not settled yet. One statement a node."""
        return set(await find_many(self._router, order_ids, self._ask_held))

    async def receive(self, item: Item, quantity: int, key: str) -> Received:
        """Add portions, or take some off; once, however often it is said under this key."""
        shard = shard_of(item.restaurant_id)

        async def do() -> Received:
            async with self._router.node("restaurant", shard).transaction() as connection:
                await connection.execute(_QUERIES["lock_stock"], _LOCK, [shard])
                now = self._clock()
                book = Book(now, await _read_levels(connection, {item}, now))
                receipt = await connection.fetchrow(_QUERIES["receipt"], shard, item.restaurant_id, key)
                if receipt is not None:
                    same = (receipt["item_id"], receipt["quantity"]) == (item.item_id, quantity)
                    return Received("done" if same else "key_reused", book.levels.get(item, Level()))
                if not book.receive(item, quantity):
                    return Received("impossible", book.levels[item])
                await _write_levels(connection, book)
                await connection.execute(
                    _QUERIES["add_receipt"], shard, item.restaurant_id, key, item.item_id, quantity, now
                )
                return Received("done", book.levels[item])

        def is_sure(received: Received) -> bool:
            return received.outcome != "impossible"

        return await self._router.until_settled(do, is_sure, ("restaurant", shard))

    async def levels(self, restaurant_id: str, item_ids: Sequence[str]) -> dict[str, Level]:
        """Portions of a restaurant's dishes; dishes that never had any are left out."""
        shard = shard_of(restaurant_id)
        now = self._clock()

        async def ask(node: Node) -> list[asyncpg.Record]:
            return await node.fetch(_QUERIES["levels"], *[shard] * SHARDS_MAX, [restaurant_id], item_ids, now)

        rows = await self._router.read("restaurant", shard, ask)
        return {item.item_id: level for item, level in _levels_of(rows).items()}

    async def forget_before(self, moment: datetime) -> None:
        """Housekeeping: drop what was released or ran out, and receipts, from before a moment.

        It has to be longer ago than an order can wait for its payment, or than a call can be late.
        """
        for node in self._router.nodes:
            shards = self._router.shards_on("restaurant", node)
            await node.execute(_QUERIES["forget_holdings"], shards, moment)
            await node.execute(_QUERIES["forget_receipts"], shards, moment)

    async def close(self) -> None:
        """Finish what is in flight; refuse the rest."""
        await self._groups.close()

    async def _run(self, connection: Connection, commands: Sequence[Command]) -> list[Result]:
        async with connection.transaction():
            shards = sorted({shard_of_command(command) for command in commands})
            await connection.execute(_QUERIES["lock_stock"], _LOCK, shards)
            now = self._clock()
            holdings = await _read_holdings(connection, commands)
            levels = await _read_levels(connection, items_of(commands, holdings), now)
            book = Book(now, levels, holdings)
            results = [book.carry_out(command) for command in commands]
            await _write_levels(connection, book)
            await _write_holdings(connection, book)
            return results

    async def _on_each_node(self, commands: Iterable[Command]) -> dict[int, Result]:
        by_node: defaultdict[Node, list[Command]] = defaultdict(list)
        for command in commands:
            by_node[self._router.node("restaurant", shard_of_command(command))].append(command)
        answers = await asyncio.gather(*(self._on_node(node, held) for node, held in by_node.items()))
        return {order_id: result for answer in answers for order_id, result in answer.items()}

    async def _on_node(self, node: Node, commands: Sequence[Command]) -> dict[int, Result]:
        async with node.connection() as connection:
            results = await self._run(connection, commands)
        return {command.order_id: result for command, result in zip(commands, results, strict=True)}

    async def _ask_held(self, order_ids: Sequence[int]) -> dict[int, bool]:
        by_node: defaultdict[Node, list[int]] = defaultdict(list)
        for order_id in order_ids:
            by_node[self._router.node("restaurant", restaurant_shard(order_id))].append(order_id)
        answers = await asyncio.gather(
            *(
                node.fetch(_QUERIES["held_orders"], [restaurant_shard(id_) for id_ in ids], ids)
                for node, ids in by_node.items()
            )
        )
        return {row["order_id"]: True for rows in answers for row in rows}


def _order(command: Command) -> Key:
    return shard_of_command(command), command.order_id


def _has_found(result: Result) -> bool:
    """Or else the answer may be that of a node which no longer holds the shard."""
    return result.verdict not in (Verdict.NOTHING_HELD, Verdict.SHORT)


async def _again(_: Connection, commands: Sequence[Command]) -> list[Result | None]:
    """After a lost connection: carry them out again, which changes nothing if they had been."""
    return [None] * len(commands)


async def _read_holdings(connection: Connection, commands: Sequence[Command]) -> dict[int, Holding]:
    rows: list[asyncpg.Record] = []
    for shards, some in batches_of_shards((command.order_id for command in commands), restaurant_shard):
        rows += await connection.fetch(_QUERIES["holdings"], *shards, some)
    holdings: dict[int, Holding] = {}
    for row in rows:
        holding = holdings.get(row["order_id"])
        if holding is None:
            holding = Holding(row["restaurant_id"], {}, row["state"], row["expires_at"])
            holdings[row["order_id"]] = holding
        if row["item_id"]:
            holding.quantities[row["item_id"]] = row["quantity"]
    return holdings


async def _read_levels(connection: Connection, items: set[Item], now: datetime) -> dict[Item, Level]:
    rows: list[asyncpg.Record] = []
    for shards, some in batches_of_shards(items, _shard_of_item):
        restaurant_ids = list({item.restaurant_id for item in some})
        item_ids = list({item.item_id for item in some})
        rows += await connection.fetch(_QUERIES["levels"], *shards, restaurant_ids, item_ids, now)
    return _levels_of(rows)


def _shard_of_item(item: Item) -> int:
    return shard_of(item.restaurant_id)


def _levels_of(rows: Iterable[asyncpg.Record]) -> dict[Item, Level]:
    return {
        Item(row["restaurant_id"], row["item_id"]): Level(
            row["on_hand"], row["received"], row["live"], row["refilled_on"]
        )
        for row in rows
    }


async def _write_levels(connection: Connection, book: Book) -> None:
    if not book.changed_items:
        return
    items = sorted(book.changed_items)
    levels = [book.levels[item] for item in items]
    await connection.execute(
        _QUERIES["put_levels"],
        [_shard_of_item(item) for item in items],
        [item.restaurant_id for item in items],
        [item.item_id for item in items],
        [level.on_hand for level in levels],
        [level.received for level in levels],
        [level.refilled_on for level in levels],
    )


async def _write_holdings(connection: Connection, book: Book) -> None:
    if not book.changed_orders:
        return
    rows = [
        (restaurant_shard(order_id), order_id, item_id, holding.restaurant_id, quantity, holding.state,
         holding.expires_at)
        for order_id in sorted(book.changed_orders)
        for holding in [book.holdings[order_id]]
        for item_id, quantity in sorted(_lines(holding.quantities).items())
    ]  # fmt: skip
    await connection.execute(_QUERIES["put_holdings"], *zip(*rows, strict=True))


def _lines(quantities: Mapping[str, int]) -> Mapping[str, int]:
    """What to write of an order; one that never held anything is written too, as fallen."""
    return quantities or {"": 0}
