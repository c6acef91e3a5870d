"""Portions add up, and orders and what they hold agree."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from tiffin.audit.desk import QUERIES, Desk, shard_name
from tiffin.sharding.order_id import customer_shard, is_valid
from tiffin.sharding.slots import Dimension
from tiffin.storage.node import Node
from tiffin.storage.queries import load_queries

CONSUMERS = ("orders.restaurant_copy", "restaurants.stock")
_RESTAURANTS = load_queries("tiffin.services.restaurants")
_DIMENSION: Dimension = "restaurant"


class Line(msgspec.Struct):
    """Of an order's line what stock needs."""

    item_id: str
    quantity: int


class _Lines(msgspec.Struct):
    lines: list[Line]


class HeldRow(NamedTuple):
    """Portions of one dish for one order."""

    restaurant_id: str
    item_id: str
    quantity: int
    state: str
    expires_at: datetime


class LimitedOrder(NamedTuple):
    """An order that needs portions held, or has some."""

    restaurant_id: str
    state: str
    is_limited: bool
    lines: Sequence[Line] | None
    """None if its details cannot be read."""


async def check_stock(desk: Desk) -> None:
    """Received = on hand + sold, no promise beyond that; every standing order has what it needs, no other."""
    for node in desk.router.nodes:
        await _check_dishes(desk, node, desk.router.shards_on(_DIMENSION, node))
    shards = desk.shards(_DIMENSION)
    for done, (node, shard) in enumerate(shards):
        desk.tell("stock", done, len(shards))
        faults = await _hold_faults(desk, node, shard)
        if faults:
            await desk.catch_up(CONSUMERS)
            still = set(await _hold_faults(desk, node, shard))
            faults = [fault for fault in faults if fault in still]
        for order_id, what in faults:
            desk.add("stock", node, shard_name(_DIMENSION, shard), f"order {order_id}", what)
    desk.tell("stock", 1, 1)


async def _check_dishes(desk: Desk, node: Node, shards: Sequence[int]) -> None:
    async with desk.snapshot(node) as connection:
        desk.report.checked["dishes"] += await connection.fetchval(QUERIES["dishes"], shards)
        for row in await connection.fetch(_RESTAURANTS["audit_stock"], shards):
            what = (
                "has no stock, but portions are held or sold"
                if row["received"] is None
                else f"received {row['received']}, but {row['on_hand']} are there and {row['sold']} sold"
            )
            dish = f"dish {row['restaurant_id']}/{row['item_id']}"
            desk.add("stock", node, shard_name(_DIMENSION, row["shard"]), dish, what)
        for row in await connection.fetch(QUERIES["promised_too_much"], shards, desk.now):
            dish = f"dish {row['restaurant_id']}/{row['item_id']}"
            what = f"{row['held']} are held, but only {row['on_hand']} are there"
            desk.add("stock", node, shard_name(_DIMENSION, row["shard"]), dish, what)


async def _hold_faults(desk: Desk, node: Node, shard: int) -> list[tuple[int, str]]:
    async with desk.snapshot(node) as connection:
        rows = await connection.fetch(QUERIES["holds"], shard)
        limited = await connection.fetch(QUERIES["limited_orders"], shard)
    holds: dict[int, list[HeldRow]] = {}
    for row in rows:
        holds.setdefault(row["order_id"], []).append(HeldRow(*list(row.values())[1:]))
    limited += await _archived(desk, holds.keys() - {row["id"] for row in limited})
    orders = {
        row["id"]: LimitedOrder(row["restaurant_id"], row["state"], row["is_limited"], _lines(row["details"]))
        for row in limited
    }
    return [
        (order_id, what)
        for order_id in orders.keys() | holds.keys()
        for what in hold_faults(orders.get(order_id), holds.get(order_id, ()), desk.now)
    ]


async def _archived(desk: Desk, order_ids: Iterable[int]) -> list[Any]:
    by_node: defaultdict[Node, list[int]] = defaultdict(list)
    for order_id in filter(is_valid, order_ids):
        by_node[desk.router.node("customer", customer_shard(order_id))].append(order_id)
    rows: list[Any] = []
    for node, some in by_node.items():
        shards = [customer_shard(order_id) for order_id in some]
        rows += await desk.fetch(node, "archived_limited_orders", shards, some)
    return rows


def _lines(details: str) -> Sequence[Line] | None:
    try:
        return msgspec.json.decode(details, type=_Lines).lines
    except msgspec.MsgspecError:
        return None


def hold_faults(order: LimitedOrder | None, holds: Sequence[HeldRow], now: datetime) -> list[str]:
    """What is wrong between an order (None: there is none, or not yet) and its portions. No I/O."""
    sold = [hold for hold in holds if hold.state == "sold"]
    if order is None:
        return [f"{hold.quantity} {hold.item_id} sold, but there is no such order" for hold in sold]
    if order.state == "awaiting_payment":
        return [f"{hold.quantity} {hold.item_id} sold before it is paid" for hold in sold]
    if order.state == "cancelled":
        return [
            f"{hold.quantity} {hold.item_id} still {hold.state}, but the order is cancelled"
            for hold in holds
            if hold.state == "sold" or (hold.state == "held" and hold.expires_at > now)
        ]
    faults = [
        f"{hold.quantity} {hold.item_id} {hold.state}, not sold, but the order is {order.state}"
        for hold in holds
        if hold.state != "sold"
    ]
    if order.is_limited and not holds:
        faults.append("needs portions and holds none")
    return faults + _line_faults(order, sold)


def _line_faults(order: LimitedOrder, sold: Sequence[HeldRow]) -> list[str]:
    if order.lines is None:
        return ["its details cannot be read"]
    ordered: Counter[str] = Counter()
    for line in order.lines:
        ordered[line.item_id] += line.quantity
    return [
        f"{hold.quantity} {hold.item_id} of {hold.restaurant_id} sold, but {ordered[hold.item_id]} of"
        f" {order.restaurant_id} ordered"
        for hold in sold
        if (hold.quantity, hold.restaurant_id) != (ordered[hold.item_id], order.restaurant_id)
    ]
