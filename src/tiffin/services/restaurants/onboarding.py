"""From a draft to a live restaurant: the legal moves, and what has to be there first."""

from collections.abc import Iterator, Mapping
from typing import Literal

from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.services.restaurants.menu import Card

Status = Literal["draft", "live", "suspended"]

MOVES: Mapping[tuple[str, str], Status] = {
    # an operator has looked at everything, and nothing is missing
    ("draft", "go_live"): "live",
    # an operator has a reason that the restaurant is told; orders under way go on
    ("live", "suspend"): "suspended",
    # the reason is gone, and still nothing is missing
    ("suspended", "reinstate"): "live",
}
"""(from, event) -> to. Saying again what has happened already changes nothing."""


def move(status: str, event: str) -> Status:
    """The status after an event. Refused if it cannot happen now."""
    to = MOVES.get((status, event))
    if to is None and status in {to for (_, of), to in MOVES.items() if of == event}:
        to = status
    if to is None:
        raise Refusal("wrong_state", f"a {status} restaurant cannot {event}", {"status": status})
    return to  # pyright: ignore[reportReturnType]


def missing(restaurant: c.Restaurant, card: Card) -> list[c.Missing]:
    """What a restaurant still needs before customers may see it."""
    return [c.Missing(field=field, reason=reason) for field, reason in _missing(restaurant, card)]


def _missing(restaurant: c.Restaurant, card: Card) -> Iterator[tuple[str, str]]:
    if not any(item.available is not False for item in card.items):
        yield "menu", "there is no dish on sale"
    if not restaurant.hours and not any(day.hours for day in restaurant.special_days or ()):
        yield "hours", "it is never open"
    if (restaurant.place.latitude, restaurant.place.longitude) == (0, 0):
        yield "place", "nobody has said where it is"
    if restaurant.street is None:
        yield "street", "couriers have to find it"
    if restaurant.phone is None:
        yield "phone", "customers have to reach it"
    if restaurant.area is None:
        yield "area", "nobody has said where it delivers"
