"""Where a restaurant delivers, for how much, and how long the way takes."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.services.restaurants.geography import Polygon, check_polygon, distance_m

TRAVEL_M_A_MINUTE = 250
"""15 km an hour, as the crow flies: what a bicycle courier in a city keeps up, stairs included."""


class Terms(NamedTuple):
    """A restaurant's terms of delivery, made for asking."""

    place: c.Place
    radius_m: int | None
    polygon: Polygon | None
    bands: Sequence[c.FeeBand]
    fee: int
    """Minor units: beyond the last band, or to a place nobody has named."""
    small_below: int
    small_fee: int
    """Minor units: what a basket below `small_below` pays extra."""


class Way(NamedTuple):
    """What the way to the customer costs."""

    fee: int
    """Minor units."""
    distance_m: int | None = None
    minutes: int | None = None


def make_terms(restaurant: c.Restaurant) -> Terms:
    """The terms of a checked restaurant."""
    area, small = restaurant.area, restaurant.small_order
    return Terms(
        place=restaurant.place,
        radius_m=area.radius_m if area else None,
        polygon=Polygon(area.polygon) if area and area.polygon else None,
        bands=tuple(restaurant.fee_bands or ()),
        fee=restaurant.delivery_fee,
        small_below=small.below if small else 0,
        small_fee=small.fee if small else 0,
    )


def covers(terms: Terms, drop_off: c.Place, metres: float) -> bool:
    """Whether a place, so far away, is within the delivery area."""
    if terms.radius_m is not None and metres > terms.radius_m:
        return False
    return terms.polygon is None or terms.polygon.contains(drop_off)


def fee_for(terms: Terms, metres: float) -> int:
    """Minor units for a distance."""
    for band in terms.bands:
        if metres <= band.up_to_m:
            return band.fee
    return terms.fee


def way_to(terms: Terms, drop_off: c.Place) -> Way:
    """The way to a place. Refused if it is out of the area."""
    metres = distance_m(terms.place, drop_off)
    if not covers(terms, drop_off, metres):
        details: dict[str, object] = {"distance_m": round(metres)}
        if terms.radius_m is not None:
            details["radius_m"] = terms.radius_m
        raise Refusal("out_of_area", "the restaurant does not deliver there", details)
    return Way(fee_for(terms, metres), round(metres), math.ceil(metres / TRAVEL_M_A_MINUTE))


def check_delivery(area: c.DeliveryArea | None, bands: Sequence[c.FeeBand] | None) -> None:
    """Refuse areas that are none, and bands that are not in order."""
    if area is not None:
        if area.radius_m is None and not area.polygon:
            raise Refusal("invalid_area", "an area has a radius, a polygon, or both", {"field": "area"})
        if area.polygon:
            check_polygon(area.polygon)
    reached = 0
    for band in bands or ():
        if band.up_to_m <= reached:
            raise Refusal(
                "invalid_request", "fee bands go from near to far, each farther than the one before",
                {"field": "fee_bands", "up_to_m": band.up_to_m},
            )  # fmt: skip
        reached = band.up_to_m
