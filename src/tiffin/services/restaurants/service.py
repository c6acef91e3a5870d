"""The contract `Restaurants`."""

from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256

import msgspec
from msgspec.structs import asdict, replace

from tiffin.primitives.clock import Clock, to_text
from tiffin.primitives.errors import Refusal
from tiffin.primitives.money import EXPONENTS
from tiffin.rpc import contracts as c
from tiffin.rpc.context import remaining_s
from tiffin.services.restaurants import onboarding
from tiffin.services.restaurants.delivery import check_delivery
from tiffin.services.restaurants.directory import Directory
from tiffin.services.restaurants.geography import check_place
from tiffin.services.restaurants.hours import check_hours, check_special_days, check_time_zone
from tiffin.services.restaurants.menu import Card, check_menu, tidied
from tiffin.services.restaurants.menu_file import make_report, read_menu, write_menu
from tiffin.services.restaurants.portions import Portions
from tiffin.services.restaurants.pricing import parse_moment, price_basket
from tiffin.services.restaurants.records import Records, check_caller, is_own, not_found
from tiffin.services.restaurants.searching import parse_search, to_page
from tiffin.services.restaurants.stock_store import StockStore
from tiffin.services.restaurants.store import RestaurantStore, Stored
from tiffin.sharding.router import Router

CHANGES = "tiffin_restaurants"
"""The channel on which every node says whose row is new or has changed; `forget` is for whoever listens."""
PAGE_DEFAULT = 20
PAGE_MAX = 200


class RestaurantsService:
    """Everybody may look; a restaurant changes itself only, operators and the platform every one.

    `price`, `hold`, `sell` and `release` are for the platform's other services and have no endpoint.
    """

    def __init__(self, router: Router, stock: StockStore, clock: Clock) -> None:
        self._store = RestaurantStore(router)
        self._clock = clock
        self._records = Records(self._store, clock)
        self.directory = Directory(router)
        portions = Portions(self._records, stock, clock)
        self.add_stock, self.get_stock = portions.add, portions.show
        self.hold, self.sell, self.release = portions.hold, portions.sell, portions.release

    def forget(self, restaurant_id: str) -> None:
        """A restaurant has changed, here or elsewhere: the next use reads it again."""
        self._records.forget(restaurant_id)
        self.directory.heard(restaurant_id)

    async def create(self, context: c.CallContext, request: c.CreateRestaurant) -> c.Restaurant:
        """Register a restaurant. The same request again is answered with the restaurant as it is now.

        It is live at once, on the operator's word, unless it is to be a draft.
        """
        if context.caller.role not in ("operator", "system"):
            raise Refusal("forbidden", "operators register restaurants")
        if request.currency not in EXPONENTS:
            raise Refusal("invalid_currency", "not a currency of ISO 4217", {"currency": request.currency})
        check_time_zone(request.time_zone)
        check_hours(request.hours)
        check_special_days(request.special_days or ())
        check_place(request.place)
        check_delivery(request.area, request.fee_bands)
        fields = asdict(request)
        status = "draft" if fields.pop("draft") else "live"
        restaurant = c.Restaurant(**fields, accepting_orders=True, menu_version=0, status=status)
        created_from = sha256(msgspec.json.encode(request)).digest()
        if await self._store.add(restaurant, created_from):
            return restaurant
        stored = await self._records.load(request.id)
        if stored.created_from != created_from:
            raise Refusal("id_taken", "this id is another restaurant's", {"id": request.id})
        return stored.restaurant

    async def get(self, context: c.CallContext, request: c.RestaurantRef) -> c.Restaurant:
        """A restaurant, at most `FRESH_MS` old. The object is shared: do not change it."""
        return (await self._visible(context, request.restaurant_id)).restaurant

    async def list_all(self, context: c.CallContext, request: c.ListRestaurants) -> c.RestaurantPage:
        """Restaurants by id; only operators see those that are not live. The cursor is the last id before."""
        cursor = request.cursor or ""
        if not all(character.isalnum() or character in "_.:-" for character in cursor):
            raise Refusal("invalid_cursor", "not a cursor of this list")
        limit = min(request.limit or PAGE_DEFAULT, PAGE_MAX)
        found = await self._store.page(cursor, limit + 1, context.caller.role in ("operator", "system"))
        page = found[:limit]
        return c.RestaurantPage(restaurants=page, next_cursor=page[-1].id if len(found) > limit else None)

    async def set_hours(self, context: c.CallContext, request: c.SetHours) -> c.Restaurant:
        """Replace the opening hours."""
        check_hours(request.hours)
        return await self._change(
            context, request.restaurant_id, lambda kept: replace(kept, hours=request.hours)
        )

    async def set_special_days(self, context: c.CallContext, request: c.SetSpecialDays) -> c.Restaurant:
        """Replace the exceptions to the opening hours."""
        check_special_days(request.special_days)
        days = sorted(request.special_days, key=lambda day: day.date) or None
        return await self._change(
            context, request.restaurant_id, lambda kept: replace(kept, special_days=days)
        )

    async def set_accepting(self, context: c.CallContext, request: c.SetAccepting) -> c.Restaurant:
        """Stop or resume taking orders."""
        accepting = request.accepting_orders
        return await self._change(
            context, request.restaurant_id, lambda kept: replace(kept, accepting_orders=accepting)
        )

    async def set_profile(self, context: c.CallContext, request: c.SetProfile) -> c.Restaurant:
        """Replace name, place, contact and preparation time."""
        check_place(request.place)
        return await self._put(context, request)

    async def set_delivery(self, context: c.CallContext, request: c.SetDelivery) -> c.Restaurant:
        """Replace the terms of delivery."""
        check_delivery(request.area, request.fee_bands)
        return await self._put(context, request)

    async def set_busy(self, context: c.CallContext, request: c.SetBusy) -> c.Restaurant:
        """Preparation takes longer for a while; it ends by itself."""
        busy = None
        if request.added_minutes:
            ends_at = self._clock() + timedelta(minutes=request.for_minutes)
            busy = c.Busy(added_minutes=request.added_minutes, ends_at=to_text(ends_at))
        return await self._change(context, request.restaurant_id, lambda kept: replace(kept, busy=busy))

    async def pause(self, context: c.CallContext, request: c.PauseOrders) -> c.Restaurant:
        """Take no orders for a while; it ends by itself."""
        minutes = request.for_minutes
        until = to_text(self._clock() + timedelta(minutes=minutes)) if minutes else None
        return await self._change(
            context, request.restaurant_id, lambda kept: replace(kept, paused_until=until)
        )

    async def change_status(self, context: c.CallContext, request: c.ChangeStatus) -> c.Restaurant:
        """Operators' word on whether a restaurant is live. To become live nothing may be missing."""
        if context.caller.role not in ("operator", "system"):
            raise Refusal("forbidden", "operators decide this")

        def change(stored: Stored) -> c.Restaurant:
            kept = stored.restaurant
            status = onboarding.move(kept.status, request.event)
            if status == kept.status:
                return kept
            if status == "live" and (missing := onboarding.missing(kept, stored.card)):
                raise Refusal(
                    "not_ready", "something is missing",
                    {"missing": [msgspec.to_builtins(each) for each in missing]},
                )  # fmt: skip
            return replace(
                kept, status=status, suspended_because=request.reason if status != "live" else None
            )

        return await self._records.change(request.restaurant_id, change)

    async def readiness(self, context: c.CallContext, request: c.RestaurantRef) -> c.Readiness:
        """What a restaurant still needs to be live."""
        check_caller(context, request.restaurant_id)
        stored = await self._records.load(request.restaurant_id)
        return c.Readiness(
            restaurant_id=request.restaurant_id,
            status=stored.restaurant.status,
            missing=onboarding.missing(stored.restaurant, stored.card),
        )

    async def set_menu(self, context: c.CallContext, request: c.SetMenu) -> c.Menu:
        """Replace the menu. The same menu again changes nothing, its version included."""
        check_caller(context, request.restaurant_id)
        card = tidied(request.items, request.categories)
        check_menu(card)
        return _menu(await self._replace_menu(request.restaurant_id, card), card)

    async def get_menu(self, context: c.CallContext, request: c.RestaurantRef) -> c.Menu:
        """The menu, at most `FRESH_MS` old."""
        stored = await self._visible(context, request.restaurant_id)
        return _menu(stored.restaurant, stored.card)

    async def import_menu(self, context: c.CallContext, request: c.ImportMenu) -> c.ImportReport:
        """Replace the menu by a file's, whole or not at all, and say what of the file was refused."""
        check_caller(context, request.restaurant_id)
        reading = read_menu(request.text, request.format)
        if not reading.may_apply(request.mode):
            kept = (await self._records.load(request.restaurant_id)).restaurant
            return make_report(reading, applied=False, version=kept.menu_version)
        check_menu(reading.card)
        restaurant = await self._replace_menu(request.restaurant_id, reading.card)
        return make_report(reading, applied=True, version=restaurant.menu_version)

    async def export_menu(self, context: c.CallContext, request: c.ExportMenu) -> c.MenuFile:
        """The menu as a file that, imported again, makes the same menu."""
        check_caller(context, request.restaurant_id)
        stored = await self._records.load(request.restaurant_id)
        return c.MenuFile(
            restaurant_id=request.restaurant_id,
            version=stored.restaurant.menu_version,
            text=write_menu(stored.card, request.format or "csv"),
        )

    async def search(self, context: c.CallContext, request: c.SearchRestaurants) -> c.SearchPage:
        """Live restaurants, from memory: changes are seen as soon as they are heard of."""
        query = parse_search(request, self._clock())
        return to_page(await self.directory.search(query, remaining_s(context, self._clock)))

    async def price(self, context: c.CallContext, request: c.PriceBasket) -> c.PricedBasket:
        """What a basket costs, by a menu at most `FRESH_MS` old. Does not look at stock: `hold` does."""
        stored = await self._visible(context, request.restaurant_id)
        if request.drop_off is not None:
            check_place(request.drop_off)
        return price_basket(stored.prices, request.lines, parse_moment(request.at), request.drop_off)

    async def _replace_menu(self, restaurant_id: str, card: Card) -> c.Restaurant:
        def change(stored: Stored) -> c.Restaurant:
            return replace(stored.restaurant, menu_version=stored.restaurant.menu_version + 1)

        return await self._records.change(restaurant_id, change, card)

    async def _put(self, context: c.CallContext, request: c.SetProfile | c.SetDelivery) -> c.Restaurant:
        """Everything the request has a field for, as it says."""
        fields = asdict(request)
        del fields["restaurant_id"]
        return await self._change(context, request.restaurant_id, lambda kept: replace(kept, **fields))

    async def _change(
        self, context: c.CallContext, restaurant_id: str, change: Callable[[c.Restaurant], c.Restaurant]
    ) -> c.Restaurant:
        check_caller(context, restaurant_id)
        return await self._records.change(restaurant_id, lambda stored: change(stored.restaurant))

    async def _visible(self, context: c.CallContext, restaurant_id: str) -> Stored:
        """A draft is only its own restaurant's and the operators' to see."""
        stored = await self._records.fresh(restaurant_id)
        if stored.restaurant.status == "draft" and not is_own(context, restaurant_id):
            raise not_found(restaurant_id)
        return stored


def _menu(restaurant: c.Restaurant, card: Card) -> c.Menu:
    return c.Menu(
        restaurant_id=restaurant.id,
        currency=restaurant.currency,
        version=restaurant.menu_version,
        items=card.items,
        categories=card.categories or None,
    )
