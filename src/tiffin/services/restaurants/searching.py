"""Between the contract's words for a search and the index's own."""

import math
from datetime import datetime

from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.services.restaurants.finding import Mark, Page, Query, to_contract
from tiffin.services.restaurants.geography import check_place
from tiffin.services.restaurants.names import fold

LIMIT_DEFAULT, LIMIT_MAX = 20, 50
RADIUS_M_DEFAULT = 5000


def parse_search(request: c.SearchRestaurants, now: datetime) -> Query:
    """What is to be found. Refused if it makes no sense."""
    if (request.latitude is None) != (request.longitude is None):
        raise Refusal("invalid_request", "a point has a latitude and a longitude")
    point = None
    if request.latitude is not None and request.longitude is not None:
        point = c.Place(latitude=request.latitude, longitude=request.longitude)
        check_place(point)
    by_distance = request.sort == "distance" if request.sort else point is not None
    if point is None and (by_distance or request.delivers):
        raise Refusal("invalid_request", "that takes a point: latitude and longitude")
    needle = fold(request.name) if request.name is not None else ""
    if request.name is not None and not needle:
        raise Refusal("invalid_request", "there is nothing to look for in that name")
    return Query(
        now=now,
        limit=min(request.limit or LIMIT_DEFAULT, LIMIT_MAX),
        point=point,
        radius_m=float(request.radius_m or RADIUS_M_DEFAULT),
        needle=needle,
        open_now=request.open_now is True,
        delivers=request.delivers is True,
        by_distance=by_distance,
        after=None if request.cursor is None else _parse_mark(request.cursor, by_distance),
    )


def to_page(page: Page) -> c.SearchPage:
    """As the caller sees it."""
    return c.SearchPage(
        restaurants=[to_contract(found) for found in page.found],
        next_cursor=None if page.next is None else f"{page.next.rank!r} {page.next.id} {page.next.name}",
    )


def _parse_mark(cursor: str, by_distance: bool) -> Mark:
    rank, _, rest = cursor.partition(" ")
    id_, _, name = rest.partition(" ")
    try:
        mark = Mark(float(rank), id_, name)
    except ValueError:
        mark = None
    fits = mark is not None and id_ and (math.isfinite(mark.rank) and mark.rank >= 0)
    if mark is None or not fits or (by_distance and name) or (not by_distance and mark.rank not in (0, 1)):
        raise Refusal("invalid_cursor", "not a cursor of this search")
    return mark
