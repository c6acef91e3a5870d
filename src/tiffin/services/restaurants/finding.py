"""Finding restaurants: an index in memory, and searches in it whose work is bounded."""

import heapq
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from tiffin.primitives.clock import from_text
from tiffin.rpc import contracts as c
from tiffin.services.restaurants.delivery import Terms, covers, fee_for, make_terms
from tiffin.services.restaurants.geography import distance_between
from tiffin.services.restaurants.grid import Grid, inside_of
from tiffin.services.restaurants.hours import Schedule
from tiffin.services.restaurants.names import FIRST, Key, Names, fold

EXAMINED_MAX = 3_000
"""Restaurants looked at for one page; then it is given as it is, with a cursor to go on from. A circle that
has been begun is finished."""
FOLDED_MAX = 200
"""Characters: some letters fold into many, and a cursor carries a name."""
FIRST_REACH_M = 500.0
REACH_GROWS = 1.4
BEYOND = "~"
"""Sorts behind every id."""


class Entry(NamedTuple):
    """What a search needs to know of a live restaurant."""

    id: str
    name: str
    folded: str
    version: int
    currency: str
    minimum_subtotal: int
    preparation_minutes: int
    accepting_orders: bool
    paused_until: datetime | None
    schedule: Schedule
    terms: Terms

    @property
    def key(self) -> Key:
        """Its place among the names."""
        return self.folded, self.id


class Mark(NamedTuple):
    """Where a page ended: the last one given, or the last one looked at."""

    rank: float
    """Metres; by name, 0 among the names that begin with what was asked for, 1 among the rest."""
    id: str
    name: str = ""


class Query(NamedTuple):
    """A search, checked. `needle` is folded; a `point` (latitude, longitude) comes with a radius."""

    now: datetime
    limit: int
    point: c.Place | None = None
    radius_m: float = 0.0
    needle: str = ""
    open_now: bool = False
    delivers: bool = False
    by_distance: bool = False
    after: Mark | None = None


class Found(NamedTuple):
    """A restaurant, and how far it is, if there is a point."""

    entry: Entry
    metres: float | None
    open: bool


class Page(NamedTuple):
    """What was found, in order; `next` if there may be more."""

    found: list[Found]
    next: Mark | None


class _Match(NamedTuple):
    mark: Mark
    found: Found


def make_entry(restaurant: c.Restaurant, version: int) -> Entry:
    """The entry of a checked restaurant."""
    return Entry(
        restaurant.id, restaurant.name, fold(restaurant.name)[:FOLDED_MAX], version, restaurant.currency,
        restaurant.minimum_subtotal, restaurant.preparation_minutes, restaurant.accepting_orders,
        from_text(restaurant.paused_until) if restaurant.paused_until else None,
        Schedule(restaurant.hours, restaurant.time_zone, restaurant.special_days or ()),
        make_terms(restaurant),
    )  # fmt: skip


def to_contract(found: Found) -> c.FoundRestaurant:
    """As the caller sees it."""
    entry, metres = found.entry, found.metres
    return c.FoundRestaurant(
        id=entry.id, name=entry.name, place=entry.terms.place, open=found.open, currency=entry.currency,
        delivery_fee=entry.terms.fee if metres is None else fee_for(entry.terms, metres),
        minimum_subtotal=entry.minimum_subtotal, preparation_minutes=entry.preparation_minutes,
        distance_m=None if metres is None else round(metres),
    )  # fmt: skip


class Index:
    """Live restaurants by place and by name."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._grid = Grid()
        self._names = Names()

    def __len__(self) -> int:
        return len(self._entries)

    def versions(self) -> dict[str, int]:
        """What it knows, and in which version."""
        return {id_: entry.version for id_, entry in self._entries.items()}

    def put(self, entry: Entry) -> None:
        """Take in a restaurant, or its change."""
        self.remove(entry.id)
        self._entries[entry.id] = entry
        self._grid.add(entry.id, entry.terms.place.latitude, entry.terms.place.longitude)
        self._names.add(entry.key)

    def remove(self, id_: str) -> None:
        """Forget a restaurant, if it is known."""
        entry = self._entries.pop(id_, None)
        if entry is not None:
            self._grid.remove(id_, entry.terms.place.latitude, entry.terms.place.longitude)
            self._names.remove(entry.key)

    def search(self, query: Query) -> Page:
        """A page. It looks at `EXAMINED_MAX` restaurants or a few more, whatever there is."""
        if query.by_distance:
            return self._by_distance(query)
        near = self._few_near(query)
        return self._by_name(query) if near is None else self._few_by_name(query, near)

    def _by_distance(self, query: Query) -> Page:
        """Circle by circle, each half as wide again, until a page is full."""
        assert query.point is not None
        sieve, latitude, longitude = _Sieve(query), query.point.latitude, query.point.longitude
        waiting: list[_Match] = []
        examined, reached, reach = 0, 0.0, FIRST_REACH_M
        if query.after is not None:
            reached = inside_of(latitude, query.after.rank)
            reach = max(reach, query.after.rank * (REACH_GROWS if query.after.id == BEYOND else 1.0))
        reach = min(reach, query.radius_m)
        while True:
            for ids in self._grid.around(latitude, longitude, reach, reached):
                examined += len(ids)
                waiting += sieve.matches(self._entries[id_] for id_ in ids)
            ready = [match for match in waiting if match.mark.rank <= reach]
            if len(ready) > query.limit or reach >= query.radius_m:
                return _page(ready, query.limit, None)
            if examined >= EXAMINED_MAX:
                return _page(ready, query.limit, Mark(reach, BEYOND))
            reached, reach = reach, min(reach * REACH_GROWS, query.radius_m)

    def _by_name(self, query: Query) -> Page:
        """Along the names: those that begin with it, then those that have it within."""
        sieve, matches = _Sieve(query), list[_Match]()
        for examined, key in enumerate(self._keys(query), 1):
            matches += sieve.matches([self._entries[key[1]]])
            if len(matches) > query.limit:
                break
            if examined >= EXAMINED_MAX:
                return Page([match.found for match in matches], sieve.mark_of(key))
        return _page(matches, query.limit, None)

    def _keys(self, query: Query) -> Iterator[Key]:
        needle, after = query.needle, query.after
        key = (after.name, after.id) if after else FIRST
        if after is None or after.rank == 0:
            yield from self._names.beginning_with(needle, key)
            key = FIRST
        if needle:
            yield from self._names.having_within(needle, key)

    def _few_near(self, query: Query) -> list[Entry] | None:
        """Everything in the circle's cells, if that is little enough to be sorted."""
        if query.point is None:
            return None
        near: list[Entry] = []
        for ids in self._grid.around(query.point.latitude, query.point.longitude, query.radius_m):
            near += [self._entries[id_] for id_ in ids]
            if len(near) > EXAMINED_MAX:
                return None
        return near

    def _few_by_name(self, query: Query, near: Iterable[Entry]) -> Page:
        return _page(_Sieve(query).matches(near), query.limit, None)


class _Sieve:
    """Lets through what a query asks for, behind its mark. Asks each time zone once for the time there."""

    def __init__(self, query: Query) -> None:
        self._query = query
        self._walls: dict[ZoneInfo, datetime] = {}

    def matches(self, entries: Iterable[Entry]) -> list[_Match]:
        """Those that pass."""
        query, point, passed = self._query, self._query.point, list[_Match]()
        for entry in entries:
            if query.needle and query.needle not in entry.folded:
                continue
            metres = None
            if point is not None:
                place = entry.terms.place
                metres = distance_between(point.latitude, point.longitude, place.latitude, place.longitude)
                if metres > query.radius_m or (query.delivers and not covers(entry.terms, point, metres)):
                    continue
            mark = self._mark(entry, metres)
            if query.after is not None and _order(mark) <= _order(query.after):
                continue
            is_open = self._is_open(entry)
            if is_open or not query.open_now:
                passed.append(_Match(mark, Found(entry, metres, is_open)))
        return passed

    def mark_of(self, key: Key) -> Mark:
        """The mark of a name."""
        return Mark(0 if key[0].startswith(self._query.needle) else 1, key[1], key[0])

    def _mark(self, entry: Entry, metres: float | None) -> Mark:
        if self._query.by_distance:
            assert metres is not None
            return Mark(metres, entry.id)
        return self.mark_of(entry.key)

    def _is_open(self, entry: Entry) -> bool:
        now, zone = self._query.now, entry.schedule.zone
        if not entry.accepting_orders or (entry.paused_until is not None and now < entry.paused_until):
            return False
        wall = self._walls.get(zone)
        if wall is None:
            wall = self._walls[zone] = now.astimezone(zone)
        return entry.schedule.is_open_on(wall)


def _page(matches: Iterable[_Match], limit: int, unless_full: Mark | None) -> Page:
    """The first of them in order, and where to go on: behind the last if there are more."""
    first = heapq.nsmallest(limit + 1, matches, key=lambda match: _order(match.mark))
    if len(first) > limit:
        return Page([match.found for match in first[:limit]], first[limit - 1].mark)
    return Page([match.found for match in first], unless_full)


def _order(mark: Mark) -> tuple[float, str, str]:
    return mark.rank, mark.name, mark.id
