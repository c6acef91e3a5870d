"""The restaurants service and what a test wants of it."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any
from uuid import uuid4

from manual_clock import ManualClock
from tiffin.primitives.clock import to_text
from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.rpc.context import Role, new_context
from tiffin.services.restaurants.service import RestaurantsService
from tiffin.services.restaurants.stock_store import StockStore
from tiffin.sharding import order_id as ids
from tiffin.sharding.router import Router
from tiffin.sharding.slots import shard_of, slot_of
from tiffin.storage.queries import load_queries
from unit.restaurants.samples import ALWAYS, item

QUERIES = load_queries("tiffin.services.restaurants")
HOLD_S = 900


class Kitchen:
    """A process's restaurants service. Two of them on one router are two processes."""

    def __init__(self, router: Router, clock: ManualClock, new_id: Callable[[str], str]) -> None:
        self.router = router
        self.clock = clock
        self.new_id = new_id
        self.stock = StockStore(router, clock)
        self.service = RestaurantsService(router, self.stock, clock)

    def context(self, role: Role = "operator", caller_id: str = "op") -> c.CallContext:
        return new_context(role, caller_id, self.clock())

    def registration(self, **changes: Any) -> c.CreateRestaurant:
        fields: dict[str, Any] = {
            "id": self.new_id("restaurant"), "name": "La Olla", "currency": "COP",
            "time_zone": "America/Bogota", "place": c.Place(latitude=4.6, longitude=-74.1),
            "delivery_fee": 300, "minimum_subtotal": 0, "hours": ALWAYS,
        }  # fmt: skip
        return c.CreateRestaurant(**{**fields, **changes})

    async def open(self, menu: Sequence[c.MenuItem] = (), **changes: Any) -> str:
        """A new restaurant with a menu. Returns its id."""
        restaurant = await self.service.create(self.context(), self.registration(**changes))
        if menu:
            await self.set_menu(restaurant.id, menu)
        return restaurant.id

    async def open_with_stock(self, **portions: int) -> str:
        """A new restaurant with limited dishes and portions of them. Returns its id."""
        restaurant_id = await self.open([item(item_id, limited=True) for item_id in portions])
        for item_id, quantity in portions.items():
            await self.add_stock(restaurant_id, item_id, quantity)
        return restaurant_id

    async def set_menu(self, restaurant_id: str, menu: Sequence[c.MenuItem]) -> c.Menu:
        return await self.service.set_menu(
            self.context(), c.SetMenu(restaurant_id=restaurant_id, items=list(menu))
        )

    async def price(self, restaurant_id: str, *lines: c.BasketLine) -> c.PricedBasket:
        request = c.PriceBasket(restaurant_id=restaurant_id, lines=list(lines), at=to_text(self.clock()))
        return await self.service.price(self.context("customer", "ana"), request)

    async def add_stock(
        self, restaurant_id: str, item_id: str, quantity: int, key: str | None = None
    ) -> c.Stock:
        request = c.AddStock(
            restaurant_id=restaurant_id, item_id=item_id, quantity=quantity,
            idempotency_key=key or self.new_id("delivery"),
        )  # fmt: skip
        return await self.service.add_stock(self.context(), request)

    async def levels(self, restaurant_id: str) -> dict[str, tuple[int, int]]:
        """Portions on hand and held, by dish."""
        stock = await self.service.get_stock(self.context(), c.RestaurantRef(restaurant_id=restaurant_id))
        return {level.item_id: (level.on_hand, level.held) for level in stock.items}

    def order_for(self, restaurant_id: str) -> str:
        """The id of a new order."""
        sequence = uuid4().int % ids.SEQUENCE_MAX + 1
        return str(ids.make(sequence, slot_of("ana"), slot_of(restaurant_id)))

    async def hold(
        self, restaurant_id: str, order_id: str, *lines: tuple[str, int], for_s: float = HOLD_S
    ) -> str:
        request = c.HoldStock(
            restaurant_id=restaurant_id,
            order_id=order_id,
            lines=[c.HoldLine(item_id=item_id, quantity=quantity) for item_id, quantity in lines],
            expires_in_ms=HOLD_S * 1000,
        )
        return await said(self.service.hold(self.context("customer", "ana"), request))

    async def sell(self, order_id: str) -> str:
        return await said(self.service.sell(self.context("system", "test"), c.HoldRef(order_id=order_id)))

    async def release(self, order_id: str) -> str:
        return await said(self.service.release(self.context("system", "test"), c.HoldRef(order_id=order_id)))

    async def audit(self, restaurant_id: str) -> list[tuple[str, str]]:
        """What `audit_stock` finds about a restaurant."""
        shard = shard_of(restaurant_id)
        rows = await self.router.node("restaurant", shard).fetch(QUERIES["audit_stock"], [shard])
        return [
            (row["restaurant_id"], row["item_id"]) for row in rows if row["restaurant_id"] == restaurant_id
        ]

    async def pass_hold(self) -> None:
        """Let so much time go by that every hold has run out."""
        self.clock.now += timedelta(seconds=HOLD_S)


async def said(call: Any) -> str:
    """ "ok", or the code of the refusal."""
    try:
        await call
    except Refusal as refusal:
        return refusal.code
    return "ok"
