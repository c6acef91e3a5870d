"""The contract `Restaurants`."""

from collections.abc import Callable, Sequence
from hashlib import sha256

import msgspec

from tiffin.cache.entities import Entities
from tiffin.primitives.clock import Clock
from tiffin.primitives.errors import Refusal, Unavailable
from tiffin.primitives.money import EXPONENTS
from tiffin.rpc import contracts as c
from tiffin.rpc.context import remaining_s
from tiffin.services.restaurants.holding import parse_hold, parse_order_id, refuse_unless_done
from tiffin.services.restaurants.hours import check_hours, check_time_zone
from tiffin.services.restaurants.menu import check_menu
from tiffin.services.restaurants.pricing import parse_moment, price_basket
from tiffin.services.restaurants.stock import Command, Item, Level, Release, Sell
from tiffin.services.restaurants.stock_store import StockStore
from tiffin.services.restaurants.store import RestaurantStore, Stored
from tiffin.sharding.router import Router

CHANGES = "tiffin_restaurants"
"""The channel on which every node says whose row has changed; `forget` is for whoever listens."""
FRESH_MS = 10_000
"""Prices, hours and menus may be this old if another process made the change and its notification was lost.
Every use after that asks for the row's version, and reads the row only if that has moved on."""
CACHED_MAX = 10_000
ATTEMPTS_MAX = 10
PAGE_DEFAULT = 20
PAGE_MAX = 200


class RestaurantsService:
    """Everybody may look; a restaurant changes itself only, operators and the platform every one.

    `price`, `hold`, `sell` and `release` are for the platform's other services and have no endpoint.
    """

    def __init__(self, router: Router, stock: StockStore, clock: Clock) -> None:
        self._store = RestaurantStore(router)
        self._stock = stock
        self._clock = clock
        self._restaurants: Entities[Stored] = Entities(self._store.load, clock, FRESH_MS, CACHED_MAX)

    def forget(self, restaurant_id: str) -> None:
        """A restaurant has changed, here or elsewhere: the next use reads it again."""
        self._restaurants.forget(restaurant_id)

    async def create(self, context: c.CallContext, request: c.CreateRestaurant) -> c.Restaurant:
        """Register a restaurant. The same request again is answered with the restaurant as it is now."""
        if context.caller.role not in ("operator", "system"):
            raise Refusal("forbidden", "operators register restaurants")
        if request.currency not in EXPONENTS:
            raise Refusal("invalid_currency", "not a currency of ISO 4217", {"currency": request.currency})
        check_time_zone(request.time_zone)
        check_hours(request.hours)
        fields = msgspec.structs.asdict(request)
        restaurant = c.Restaurant(**fields, accepting_orders=True, menu_version=0)
        created_from = sha256(msgspec.json.encode(request)).digest()
        if await self._store.add(restaurant, created_from):
            return restaurant
        stored = await self._load(request.id)
        if stored.created_from != created_from:
            raise Refusal("id_taken", "this id is another restaurant's", {"id": request.id})
        return stored.restaurant

    async def get(self, context: c.CallContext, request: c.RestaurantRef) -> c.Restaurant:
        """A restaurant, at most `FRESH_MS` old. The object is shared: do not change it."""
        return (await self._fresh(request.restaurant_id)).restaurant

    async def list_all(self, context: c.CallContext, request: c.ListRestaurants) -> c.RestaurantPage:
        """Restaurants by id. The cursor is the last id of the page before."""
        cursor = request.cursor or ""
        if not all(character.isalnum() or character in "_.:-" for character in cursor):
            raise Refusal("invalid_cursor", "not a cursor of this list")
        limit = min(request.limit or PAGE_DEFAULT, PAGE_MAX)
        found = await self._store.page(cursor, limit + 1)
        page = found[:limit]
        return c.RestaurantPage(restaurants=page, next_cursor=page[-1].id if len(found) > limit else None)

    async def set_hours(self, context: c.CallContext, request: c.SetHours) -> c.Restaurant:
        """Replace the opening hours."""
        _check_caller(context, request.restaurant_id)
        check_hours(request.hours)
        return await self._change(
            request.restaurant_id, lambda kept: msgspec.structs.replace(kept, hours=request.hours)
        )

    async def set_accepting(self, context: c.CallContext, request: c.SetAccepting) -> c.Restaurant:
        """Stop or resume taking orders."""
        _check_caller(context, request.restaurant_id)
        return await self._change(
            request.restaurant_id,
            lambda kept: msgspec.structs.replace(kept, accepting_orders=request.accepting_orders),
        )

    async def set_menu(self, context: c.CallContext, request: c.SetMenu) -> c.Menu:
        """Replace the menu. The same menu again changes nothing, its version included."""
        _check_caller(context, request.restaurant_id)
        check_menu(request.items)
        restaurant = await self._change(
            request.restaurant_id,
            lambda kept: msgspec.structs.replace(kept, menu_version=kept.menu_version + 1),
            request.items,
        )
        return _menu(restaurant, request.items)

    async def get_menu(self, context: c.CallContext, request: c.RestaurantRef) -> c.Menu:
        """The menu, at most `FRESH_MS` old."""
        stored = await self._fresh(request.restaurant_id)
        return _menu(stored.restaurant, stored.menu)

    async def add_stock(self, context: c.CallContext, request: c.AddStock) -> c.Stock:
        """Add portions of a limited dish, or take some off. Not idempotent: twice adds twice."""
        _check_caller(context, request.restaurant_id)
        stored = await self._load(request.restaurant_id)
        dish = stored.prices.dishes.get(request.item_id)
        if dish is None:
            raise Refusal("item_not_found", "no such dish on this menu", {"item_id": request.item_id})
        if not dish.limited:
            raise Refusal("item_not_limited", "this dish needs no stock", {"item_id": request.item_id})
        item = Item(request.restaurant_id, request.item_id)
        received, level = await self._stock.receive(item, request.quantity)
        if not received:
            raise Refusal(
                "out_of_stock", "there are not so many portions to take off, or too many to keep",
                {"item_id": item.item_id, "on_hand": level.on_hand, "held": level.live},
            )  # fmt: skip
        return await self._read_stock(stored)

    async def get_stock(self, context: c.CallContext, request: c.RestaurantRef) -> c.Stock:
        """Portions of the limited dishes on the menu."""
        _check_caller(context, request.restaurant_id)
        return await self._read_stock(await self._fresh(request.restaurant_id))

    async def price(self, context: c.CallContext, request: c.PriceBasket) -> c.PricedBasket:
        """What a basket costs, by a menu at most `FRESH_MS` old. Does not look at stock: `hold` does."""
        stored = await self._fresh(request.restaurant_id)
        return price_basket(stored.prices, request.lines, parse_moment(request.at))

    async def hold(self, context: c.CallContext, request: c.HoldStock) -> c.Empty:
        """Promise portions to an order, all of them or none."""
        return await self._settle(context, parse_hold(request, self._clock()))

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

    async def _read_stock(self, stored: Stored) -> c.Stock:
        limited = [item_id for item_id, dish in stored.prices.dishes.items() if dish.limited]
        levels = await self._stock.levels(stored.restaurant.id, limited) if limited else {}
        return c.Stock(
            restaurant_id=stored.restaurant.id,
            items=[_level(item_id, levels.get(item_id) or Level()) for item_id in limited],
        )

    async def _change(
        self,
        restaurant_id: str,
        change: Callable[[c.Restaurant], c.Restaurant],
        menu: Sequence[c.MenuItem] | None = None,
    ) -> c.Restaurant:
        """Compare and set, again if somebody else was faster, so that no change undoes another."""
        for _ in range(ATTEMPTS_MAX):
            stored = await self._load(restaurant_id)
            if menu is not None and list(menu) == stored.menu:
                return stored.restaurant
            changed = change(stored.restaurant)
            if changed == stored.restaurant:
                return changed
            try:
                if await self._store.change(changed, menu, stored.version):
                    return changed
            finally:
                self._restaurants.forget(restaurant_id)
        raise Unavailable("busy", "this restaurant is being changed by many at once; nothing was changed")

    async def _fresh(self, restaurant_id: str) -> Stored:
        stored = await self._restaurants.get(restaurant_id)
        if stored is None:
            raise _not_found(restaurant_id)
        return stored

    async def _load(self, restaurant_id: str) -> Stored:
        found = await self._store.load({restaurant_id: None})
        if restaurant_id not in found:
            raise _not_found(restaurant_id)
        return found[restaurant_id]


def _check_caller(context: c.CallContext, restaurant_id: str) -> None:
    caller = context.caller
    if caller.role in ("operator", "system") or (caller.role == "restaurant" and caller.id == restaurant_id):
        return
    raise _not_found(restaurant_id)


def _not_found(restaurant_id: str) -> Refusal:
    return Refusal("restaurant_not_found", "no such restaurant", {"restaurant_id": restaurant_id})


def _menu(restaurant: c.Restaurant, items: Sequence[c.MenuItem]) -> c.Menu:
    return c.Menu(
        restaurant_id=restaurant.id,
        currency=restaurant.currency,
        version=restaurant.menu_version,
        items=list(items),
    )


def _level(item_id: str, level: Level) -> c.StockLevel:
    return c.StockLevel(item_id=item_id, on_hand=level.on_hand, held=level.live)
