"""The part of the contract that is about portions of limited dishes."""

from collections.abc import Mapping

from tiffin.primitives.clock import Clock
from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.rpc.context import remaining_s
from tiffin.services.restaurants.holding import parse_hold, parse_order_id, refuse_unless_done
from tiffin.services.restaurants.menu import PriceList
from tiffin.services.restaurants.records import Records, check_caller
from tiffin.services.restaurants.stock import Command, Item, Level, Refill, Release, Sell
from tiffin.services.restaurants.stock_store import StockStore
from tiffin.services.restaurants.store import Stored


class Portions:
    """Adding, showing, holding, selling and giving back."""

    def __init__(self, records: Records, stock: StockStore, clock: Clock) -> None:
        self._records = records
        self._stock = stock
        self._clock = clock

    async def add(self, context: c.CallContext, request: c.AddStock) -> c.Stock:
        """Add portions of a limited dish, or take some off. Again with the same key changes nothing."""
        check_caller(context, request.restaurant_id)
        stored = await self._records.load(request.restaurant_id)
        dish = stored.prices.dishes.get(request.item_id)
        if dish is None:
            raise Refusal("item_not_found", "no such dish on this menu", {"item_id": request.item_id})
        if not dish.limited:
            raise Refusal("item_not_limited", "this dish needs no stock", {"item_id": request.item_id})
        item = Item(request.restaurant_id, request.item_id)
        outcome, level = await self._stock.receive(item, request.quantity, request.idempotency_key)
        if outcome == "key_reused":
            raise Refusal("idempotency_key_reused", "this key was used for other portions")
        if outcome == "impossible":
            raise Refusal(
                "out_of_stock", "there are not so many portions to take off, or too many to keep",
                {"item_id": item.item_id, "on_hand": level.on_hand, "held": level.live},
            )  # fmt: skip
        return await self._read(stored)

    async def show(self, context: c.CallContext, request: c.RestaurantRef) -> c.Stock:
        """Portions of the limited dishes on the menu, as the next order will find them."""
        check_caller(context, request.restaurant_id)
        return await self._read(await self._records.fresh(request.restaurant_id))

    async def hold(self, context: c.CallContext, request: c.HoldStock) -> c.Empty:
        """Promise portions to an order, all of them or none."""
        prices = (await self._records.fresh(request.restaurant_id)).prices
        return await self._settle(context, parse_hold(request, self._clock(), self._refills(prices)))

    async def sell(self, context: c.CallContext, request: c.HoldRef) -> c.Empty:
        """The order stands: what it holds is sold. An order that holds nothing is fine."""
        return await self._settle(context, Sell(parse_order_id(request.order_id)))

    async def release(self, context: c.CallContext, request: c.HoldRef) -> c.Empty:
        """The order fell: what it holds or has bought goes back, and it never holds again."""
        return await self._settle(context, Release(parse_order_id(request.order_id)))

    async def _settle(self, context: c.CallContext, command: Command) -> c.Empty:
        result = await self._stock.carry_out(command, remaining_s(context, self._clock))
        refuse_unless_done(command, result)
        return c.Empty()

    async def _read(self, stored: Stored) -> c.Stock:
        prices = stored.prices
        limited = [item_id for item_id, dish in prices.dishes.items() if dish.limited]
        levels = await self._stock.levels(prices.restaurant_id, limited) if limited else {}
        for item_id, refill in self._refills(prices).items():
            levels.setdefault(item_id, Level()).refill(refill)
        return c.Stock(
            restaurant_id=prices.restaurant_id,
            items=[_level(item_id, levels.get(item_id) or Level()) for item_id in limited],
        )

    def _refills(self, prices: PriceList) -> Mapping[str, Refill]:
        """What is filled up on the day that it now is at the restaurant."""
        daily = {
            item_id: dish.daily_portions for item_id, dish in prices.dishes.items() if dish.daily_portions
        }
        if not daily:
            return {}
        today = self._clock().astimezone(prices.schedule.zone).date()
        return {item_id: Refill(today, portions) for item_id, portions in daily.items()}


def _level(item_id: str, level: Level) -> c.StockLevel:
    return c.StockLevel(item_id=item_id, on_hand=level.on_hand, held=level.live)
