"""Consumers of a running platform, as an operator sees and handles them."""

import asyncio

import msgspec

from system.town import Town, database, eventually
from tiffin.rpc import contracts as c
from tiffin.storage.node import Node
from tiffin_process import TiffinProcess

APPEND = """
INSERT INTO log.events (dimension, shard, stream, key, version, type, data, at, trace)
VALUES ('customer', 0, 'payment', '77-a', 2, 'payment.declined', $1, now(), 'r')
"""
MESSAGES = "SELECT key FROM notifications.messages ORDER BY 1"


DEPTH = """
SELECT generation,
       (SELECT count(*) FROM log.events e WHERE (e.xid, e.position) > (c.xid, c.position)) AS depth
  FROM log.cursors c WHERE consumer = 'notifications'
"""


async def state_of_letter(node: Node) -> tuple[str, int] | None:
    row = await node.fetchrow("SELECT state, tries FROM log.dead_letters WHERE key = '77-a'")
    return (row["state"], row["tries"]) if row else None


async def test_what_notifications_cannot_take_is_listed_shown_replayed_and_given_up(
    platform: TiffinProcess,
) -> None:
    event = c.PaymentEvent(
        payment_id="77-a", order_id="77", version=2, type="payment.declined",
        amount=c.Money(amount=1, currency="EUR"), at="2026-06-01T12:00:00.000Z", request_id="r",
    )  # fmt: skip

    async def tiffin(*arguments: str) -> str:
        return (await asyncio.to_thread(platform.run, *arguments)).stdout

    async with database(platform) as node:
        await node.execute(APPEND, msgspec.json.encode(event).decode())

        async def is_dead(tries: int) -> bool:
            return await state_of_letter(node) == ("dead", tries)

        await eventually(lambda: is_dead(5), "a dead letter")
        listed = await tiffin("dead-letters", "list", "--consumer", "notifications")
        assert "payment:77-a:2" in listed
        assert "Refusal: order_not_found" in listed
        shown = await tiffin("dead-letters", "show", "payment:77-a:2")
        assert '"payment_id":"77-a"' in shown
        assert "Traceback" in shown
        assert "1 are to be handled again" in await tiffin("dead-letters", "replay", "--order", "77")
        await eventually(lambda: is_dead(10), "dead again")
        assert "1 are given up" in await tiffin("dead-letters", "discard", "payment:77-a:2")
        assert "No dead letters." in await tiffin("dead-letters", "list")


async def test_consumers_are_shown_and_one_that_is_set_back_does_nothing_twice(
    platform: TiffinProcess,
) -> None:
    async with Town.open(platform) as town, database(platform) as node:
        order = await town.place(await town.add_customer(), await town.add_restaurant())
        await town.say(order, "restaurant", "accept")

        async def is_told() -> bool:
            return any(order["id"] in row["key"] for row in await node.fetch(MESSAGES))

        await eventually(is_told, "a message")
        before = await node.fetch(MESSAGES)
        done = await asyncio.to_thread(platform.run, "consumers", "replay", "notifications", "--since", "1h")
        assert (done.returncode, "notifications goes on from there" in done.stdout) == (0, True)

        async def is_at_the_end_again() -> bool:
            row = await node.fetchrow(DEPTH)
            return row is not None and (row["generation"], row["depth"]) == (1, 0)

        await eventually(is_at_the_end_again, "everything again")
        assert await node.fetch(MESSAGES) == before
        shown = await asyncio.to_thread(platform.run, "consumers")
        for name in ("orders.restaurant_copy", "restaurants.stock", "payments", "notifications", "ledger"):
            assert f"\n{name} " in shown.stdout
        unknown = await asyncio.to_thread(platform.run, "consumers", "reset", "nobody", "--to", "end")
        assert unknown.returncode == 1
        assert "There is no consumer nobody" in unknown.stdout
