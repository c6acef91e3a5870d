"""Orders of an old shop that goes on working: followed, taken over, given back, taken over again."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pymysql
import pytest

from old_shop import OldShop
from old_side import Side, context, now
from tiffin.events.consumer import Consumer
from tiffin.events.runner import ConsumerRunner
from tiffin.migration.live.authority import Sides, Switched
from tiffin.migration.live.desk import Desk, LiveError
from tiffin.migration.live.follower import Follower
from tiffin.migration.live.opening import asking, open_desk
from tiffin.migration.live.reversing import row_of
from tiffin.migration.live.writing_back import TYPES, WriteBack
from tiffin.migration.stages import Authority
from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.rpc.context import new_context
from tiffin.services.orders.legacy import as_adopted
from tiffin.services.orders.policy import Policy
from tiffin.services.orders.service import OrdersService
from tiffin.sharding.sequence import Sequence
from tiffin.storage.node import Node

ROWS = 300
ONCE_MORE = "revision = revision + 1, updated_at = {moment}"
REFUSED = (asyncpg.ObjectNotInPrerequisiteStateError, pymysql.err.OperationalError)
Migrate = Callable[[int], Coroutine[Any, Any, Side]]


class Live:
    """Both sides, and whoever writes back."""

    def __init__(self, side: Side, desk: Desk, node: Node) -> None:
        self.side, self.desk = side, desk
        self.follower = Follower(desk, asking(side.source, side.mapping), side.orders, side.name, context)
        self.orders: Any = OrdersService(side.store, Sequence(node), None, None, now, Policy())  # type: ignore
        self._node = node

    async def switch(self, to: Authority) -> Switched:
        async def compare() -> tuple[int, list[str]]:
            found = await self.side.compare(lasts_s=0)
            return found.rows, found.differing

        sides = Sides(
            self.side.name, self.desk, self.follower, self.side.orders, [self._node], context, compare
        )
        return await sides.switch(to, 30)

    async def find(self, ids: Any) -> list[c.AsAdopted]:
        found = [as_adopted(row) for row in await self.side.store.get_many(ids)]
        return [each for each in found if each is not None]

    async def say(self, legacy_id: str, event: str) -> None:
        """Tiffin's people move an order."""
        refs = c.LegacyRefs(source=self.side.name, legacy_ids=[legacy_id])
        (known,) = (await self.side.orders.legacy(context(), refs)).orders
        operator = new_context("operator", "ops", now())
        await self.orders.advance(operator, c.AdvanceOrder(order_id=known.order_id, event=event))

    async def assert_the_same(self) -> None:
        found = await self.side.compare()
        assert found.is_clean and not found.kinds, found.samples[:3]


@asynccontextmanager
async def opened(side: Side, node: Node) -> AsyncGenerator[Live]:
    desk = await open_desk(side.mapping)
    live = Live(side, desk, node)
    back = WriteBack(desk, live.find, side.name, lambda order: row_of(side.mapping, order))
    consumer = Consumer(back.name, back.handle, types=TYPES, starts_at=now())
    runner = asyncio.create_task(ConsumerRunner(consumer, node, now).run())
    try:
        yield live
    finally:
        runner.cancel()
        await asyncio.gather(runner, return_exceptions=True)
        await desk.forget()
        await desk.close()


async def move(shop: OldShop, order: int, status: str) -> None:
    """The old shop's people move an order."""
    moment = "clock_timestamp()" if shop.url.startswith("postgres") else "utc_timestamp(6)"
    changed = ONCE_MORE.format(moment=moment)
    await shop.execute(f"UPDATE orders SET status = '{status}', {changed} WHERE id = {order}")


async def test_back_from_the_truth_and_forward_again_nothing_is_lost(
    new_place: Node, shop: OldShop, migrate: Migrate
) -> None:
    side = await migrate(ROWS)
    await side.backfill()
    async with opened(side, new_place) as live:
        await live.desk.prepare(side.name, "triggers")
        await move(shop, 10, "cooking")
        await shop.execute("DELETE FROM orders WHERE id = 20")
        assert await live.follower.fetch_all() == 2
        await live.assert_the_same()

        to_new = await live.switch("new")
        assert to_new.orders > ROWS / 3
        with pytest.raises(REFUSED, match="in Tiffin now"):
            await move(shop, 10, "packed")
        await live.say("10", "prepared")
        await live.say("30", "accepted")

        await live.switch("old")
        await live.assert_the_same()
        with pytest.raises(Refusal, match="held_elsewhere"):
            await live.say("30", "prepared")
        await move(shop, 10, "riding")
        await move(shop, 40, "dead")
        assert await live.follower.fetch_all() > 0
        await live.assert_the_same()

        await live.switch("new")
        await live.say("10", "delivered")
        await live.say("30", "prepared")
        await live.switch("old")
        await live.assert_the_same()


async def test_a_switch_cut_short_is_set_right_by_the_follower(
    new_place: Node, shop: OldShop, migrate: Migrate
) -> None:
    side = await migrate(20)
    await side.backfill()
    async with opened(side, new_place) as live:
        await live.desk.prepare(side.name, "triggers")
        await side.orders.release(context(), c.OpenLegacy(source=side.name))  # and then it was killed
        await move(shop, 10, "cooking")
        await live.follower.fetch_all()
        await live.assert_the_same()


async def test_sides_that_differ_do_not_change_the_truth(
    new_place: Node, shop: OldShop, migrate: Migrate
) -> None:
    side = await migrate(20)
    await side.backfill()
    async with opened(side, new_place) as live:
        await move(shop, 10, "cooking")  # before anybody listened
        await live.desk.prepare(side.name, "triggers")
        with pytest.raises(LiveError, match="such as 10"):
            await live.switch("new")
        await move(shop, 11, "riding")
