"""Every order and its copy by restaurant are equal, column by column, on whatever nodes the two live."""

from collections.abc import Iterable
from typing import Any

from tiffin.audit.desk import QUERIES, Desk, shard_name
from tiffin.audit.places import check_order_places
from tiffin.sharding.order_id import customer_shard, is_valid, restaurant_shard
from tiffin.sharding.slots import Dimension
from tiffin.storage.node import Node

COPIER = "orders.restaurant_copy"
BEFORE_ALL = -(1 << 63)
PAGE = 5000
LOOKS_MAX = 20
"""An order that has moved on every time it is looked at is let go after so many times."""
SHOWN_MAX = 60


async def check_dimensions(desk: Desk) -> None:
    """The truth against its copies, then the copies against the truth."""
    truths, copies = desk.shards("customer"), desk.shards("restaurant")
    for done, (node, shard) in enumerate(truths):
        desk.tell("dimensions", done, len(truths) + len(copies))
        await _check_shard(desk, node, shard)
    for done, (node, shard) in enumerate(copies):
        desk.tell("dimensions", len(truths) + done, len(truths) + len(copies))
        await _check_copies(desk, node, shard)
    desk.tell("dimensions", 1, 1)


async def _check_shard(desk: Desk, node: Node, shard: int) -> None:
    last = BEFORE_ALL
    while page := await desk.fetch(node, "orders_after", shard, last, PAGE):
        last = page[-1]["id"]
        desk.report.checked["orders"] += len(page)
        check_order_places(desk, node, "customer", shard, page)
        truth = {row["id"]: row for row in page if is_valid(row["id"])}
        copies = await _fetch_copies(desk, truth)
        unequal = {of: row for of, row in truth.items() if not _are_equal(row, copies.get(of))}
        if unequal:
            await _look_again(desk, unequal)


async def _look_again(desk: Desk, truth: dict[int, Any]) -> None:
    """Give the copies time to be made. The truth may move on meanwhile: then that order is read anew."""
    for _ in range(LOOKS_MAX):
        caught_up = await desk.catch_up([COPIER])
        copies = await _fetch_copies(desk, truth)
        moved_on = {
            of: row
            for of, row in truth.items()
            if (copy := copies.get(of)) is not None and copy["version"] > row["version"]
        }
        for of, row in truth.items():
            if of not in moved_on and not _are_equal(row, copies.get(of)):
                await _tell(desk, of, of in copies, caught_up)
        if not moved_on:
            return
        found = await _fetch_many(desk, "orders_of", "customer", moved_on)
        truth = {of: row for of, row in found.items() if row["version"] > moved_on[of]["version"]}
        for of in moved_on.keys() - truth.keys():  # the copy is ahead of a truth that has not moved
            await _tell(desk, of, True, caught_up)


async def _check_copies(desk: Desk, node: Node, shard: int) -> None:
    """Copies of orders that there are not. The truth comes first, so no lag can explain one."""
    last = BEFORE_ALL
    while page := await desk.fetch(node, "copies_after", shard, last, PAGE):
        last = page[-1]["id"]
        desk.report.checked["copies"] += len(page)
        check_order_places(desk, node, "restaurant", shard, page)
        truth = await _fetch_many(desk, "orders_of", "customer", [row["id"] for row in page])
        for row in page:
            if row["id"] not in truth:
                where = shard_name("restaurant", shard)
                desk.add("dimensions", node, where, f"order {row['id']}", "is a copy of no order")


async def _fetch_copies(desk: Desk, order_ids: Iterable[int]) -> dict[int, Any]:
    return await _fetch_many(desk, "copies_of", "restaurant", order_ids)


async def _fetch_many(
    desk: Desk, query: str, dimension: Dimension, order_ids: Iterable[int]
) -> dict[int, Any]:
    """Version and fingerprint by id, from all the nodes that hold them."""
    by_node: dict[Node, list[tuple[int, int]]] = {}
    for order_id in filter(is_valid, order_ids):
        shard = customer_shard(order_id) if dimension == "customer" else restaurant_shard(order_id)
        by_node.setdefault(desk.router.node(dimension, shard), []).append((shard, order_id))
    found: dict[int, Any] = {}
    for node, places in by_node.items():
        rows = await desk.fetch(node, query, [shard for shard, _ in places], [of for _, of in places])
        found |= {row["id"]: row for row in rows}
    return found


def _are_equal(row: Any, copy: Any) -> bool:
    return copy is not None and row["fingerprint"] == copy["fingerprint"]


async def _tell(desk: Desk, order_id: int, is_copied: bool, caught_up: bool) -> None:
    """Say what differs, column by column."""
    shard = restaurant_shard(order_id)
    node = desk.router.node("restaurant", shard)
    what = "has no copy" if not is_copied else await _describe(desk, order_id)
    if not what:  # has become equal while we looked
        return
    if not caught_up:
        what += f", {desk.wait_s:g} s after it was due"
    desk.add("dimensions", node, shard_name("restaurant", shard), f"order {order_id}", what)


async def _describe(desk: Desk, order_id: int) -> str:
    truth = await _row(desk, "order_row", "customer", customer_shard(order_id), order_id)
    copy = await _row(desk, "copy_row", "restaurant", restaurant_shard(order_id), order_id)
    if truth is None:
        return "has a copy and is gone"
    if copy is None:  # in the archive, if it is anywhere
        copies = await _fetch_copies(desk, [order_id])
        if order_id not in copies:
            return "has no copy"
        truths = await _fetch_many(desk, "orders_of", "customer", [order_id])
        return "" if _are_equal(truths[order_id], copies[order_id]) else "is not as it was archived"
    return "; ".join(
        f"{column}: {_show(value)}, in the copy {_show(copy[column])}"
        for column, value in truth.items()
        if column != "shard" and value != copy[column]
    )


async def _row(desk: Desk, query: str, dimension: Dimension, shard: int, order_id: int) -> Any:
    connection = desk.connections[desk.router.node(dimension, shard).name]
    return await connection.fetchrow(QUERIES[query], shard, order_id)


def _show(value: object) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= SHOWN_MAX else text[:SHOWN_MAX] + "..."
