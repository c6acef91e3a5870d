"""Restaurants as this process knows them, and changing them by compare and set."""

from collections.abc import Callable

from tiffin.cache.entities import Entities
from tiffin.primitives.clock import Clock
from tiffin.primitives.errors import Refusal, Unavailable
from tiffin.rpc import contracts as c
from tiffin.services.restaurants.menu import Card
from tiffin.services.restaurants.store import RestaurantStore, Stored

FRESH_MS = 10_000
"""Prices, hours and menus may be this old if another process made the change and its notification was lost.
Every use after that asks for the row's version, and reads the row only if that has moved on."""
CACHED_MAX = 10_000
ATTEMPTS_MAX = 10


class Records:
    """Reads restaurants from memory while they are fresh; changes them in the database."""

    def __init__(self, store: RestaurantStore, clock: Clock) -> None:
        self._store = store
        self._cached: Entities[Stored] = Entities(store.load, clock, FRESH_MS, CACHED_MAX)

    def forget(self, restaurant_id: str) -> None:
        """The next use reads it again."""
        self._cached.forget(restaurant_id)

    async def fresh(self, restaurant_id: str) -> Stored:
        """A restaurant, at most `FRESH_MS` old. Shared: do not change it. Refused if there is none."""
        stored = await self._cached.get(restaurant_id)
        if stored is None:
            raise not_found(restaurant_id)
        return stored

    async def load(self, restaurant_id: str) -> Stored:
        """A restaurant as it is now. Refused if there is none."""
        found = await self._store.load({restaurant_id: None})
        if restaurant_id not in found:
            raise not_found(restaurant_id)
        return found[restaurant_id]

    async def change(
        self, restaurant_id: str, change: Callable[[Stored], c.Restaurant], card: Card | None = None
    ) -> c.Restaurant:
        """Compare and set, again if somebody else was faster, so that no change undoes another.

        `card` replaces the menu; the same menu again changes nothing.
        """
        for _ in range(ATTEMPTS_MAX):
            stored = await self.load(restaurant_id)
            if card is not None and card == stored.card:
                return stored.restaurant
            changed = change(stored)
            if changed == stored.restaurant:
                return changed
            try:
                if await self._store.change(changed, card, stored.version):
                    return changed
            finally:
                self._cached.forget(restaurant_id)
        raise Unavailable("busy", "this restaurant is being changed by many at once; nothing was changed")


def check_caller(context: c.CallContext, restaurant_id: str) -> None:
    """Refuse, as not found, what is not the caller's own to see and change."""
    if not is_own(context, restaurant_id):
        raise not_found(restaurant_id)


def is_own(context: c.CallContext, restaurant_id: str) -> bool:
    """Whether the caller is this restaurant, or the platform."""
    caller = context.caller
    return caller.role in ("operator", "system") or (
        caller.role == "restaurant" and caller.id == restaurant_id
    )


def not_found(restaurant_id: str) -> Refusal:
    """There is none, or none that the caller may know of."""
    return Refusal("restaurant_not_found", "no such restaurant", {"restaurant_id": restaurant_id})
