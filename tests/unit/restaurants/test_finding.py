"""Searches in the index against the plainest way to answer them: look at everybody."""

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.services.restaurants import finding
from tiffin.services.restaurants.finding import Entry, Found, Index, Query, make_entry
from tiffin.services.restaurants.geography import distance_m
from tiffin.services.restaurants.names import fold
from tiffin.services.restaurants.searching import parse_search, to_page
from unit.restaurants.samples import hours, place, restaurant

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
WORDS = ["Casa", "La Olla", "Peña", "Café Ñandú", "Straße", "O'Hara", "Łódź Grill", "zzz", "Öl", "ﷺ", "a"]
CENTRES = [(4.6, -74.1), (0.0, 180.0), (-17.5, -179.999), (89.99, 10.0), (-90.0, 0.0), (51.5, 0.0)]

centres = st.sampled_from(CENTRES)
steps = st.floats(-0.5, 0.5) | st.floats(-0.005, 0.005)


@st.composite
def places(draw: st.DrawFn) -> c.Place:
    latitude, longitude = draw(centres)
    longitude += draw(steps)
    longitude -= 360 * math.floor((longitude + 180) / 360)
    return place(min(max(latitude + draw(steps), -90), 90), longitude)


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    paused = (
        (NOON + timedelta(minutes=draw(st.integers(-30, 30)))).isoformat() if draw(st.booleans()) else None
    )
    made = restaurant(
        id=f"r{draw(st.integers(0, 60))}",
        name=" ".join(draw(st.lists(st.sampled_from(WORDS), min_size=1, max_size=3))),
        place=draw(places()),
        hours=hours(range(7), "06:00", "12:00") if draw(st.booleans()) else [],
        time_zone=draw(st.sampled_from(["America/Bogota", "Asia/Kathmandu"])),
        accepting_orders=draw(st.booleans()),
        paused_until=paused,
        area=draw(st.none() | st.builds(c.DeliveryArea, radius_m=st.integers(1, 30_000))),
    )
    return make_entry(made, 1)


@st.composite
def queries(draw: st.DrawFn) -> Query:
    point = draw(st.none() | places())
    needles = st.sampled_from(["", "a", "la o", "nandu", "ss", "o", "zz", "casa casa", "nobody"])
    return Query(
        now=NOON, limit=draw(st.integers(1, 8)), point=point,
        radius_m=float(draw(st.integers(1, 50_000))) if point else 0.0,
        needle=draw(needles), open_now=draw(st.booleans()),
        delivers=point is not None and draw(st.booleans()),
        by_distance=point is not None and draw(st.booleans()),
    )  # fmt: skip


def looked_at_everybody(known: dict[str, Entry], query: Query) -> list[str]:
    """The oracle."""
    passed: list[tuple[object, str]] = []
    for entry in known.values():
        metres = distance_m(query.point, entry.terms.place) if query.point else 0.0
        area = entry.terms.radius_m
        is_open = (
            entry.accepting_orders
            and not (entry.paused_until and entry.paused_until > NOON)
            and entry.schedule.is_open(NOON)
        )
        if (
            query.needle in fold(entry.name)
            and (query.point is None or metres <= query.radius_m)
            and (is_open or not query.open_now)
            and (not query.delivers or area is None or metres <= area)
        ):
            name = fold(entry.name)
            order = metres if query.by_distance else (not name.startswith(query.needle), name)
            passed.append(((order, entry.id), entry.id))
    return [id_ for _, id_ in sorted(passed)]


def all_pages(index: Index, query: Query) -> list[Found]:
    found: list[Found] = []
    for _ in range(500):
        page = index.search(query)
        assert len(page.found) <= query.limit
        found += page.found
        if page.next is None:
            return found
        # a cursor survives its way to the caller and back
        request = c.SearchRestaurants(
            cursor=to_page(page).next_cursor, sort="distance" if query.by_distance else "name",
            **({"latitude": query.point.latitude, "longitude": query.point.longitude} if query.point else {}),
        )  # fmt: skip
        assert parse_search(request, NOON).after == page.next
        query = query._replace(after=page.next)
    raise AssertionError("the pages have no end")


@pytest.mark.parametrize("examined_max", [3, 10_000])
@settings(deadline=None)
@given(known=st.lists(entries(), max_size=40), query=queries(), gone=st.sets(st.integers(0, 60), max_size=10))
def test_pages_together_are_what_looking_at_everybody_finds(
    examined_max: int, known: list[Entry], query: Query, gone: set[int]
):
    """Also where restaurants change and go, and where a page ends because enough has been looked at."""
    index, present = Index(), dict[str, Entry]()
    for entry in known:
        index.put(entry)
        present[entry.id] = entry
    for number in gone:
        index.remove(f"r{number}")
        present.pop(f"r{number}", None)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(finding, "EXAMINED_MAX", examined_max)
        assert [found.entry.id for found in all_pages(index, query)] == looked_at_everybody(present, query)
    assert len(index) == len(present)
    assert index.versions() == dict.fromkeys(present, 1)


def test_names_in_many_blocks_stay_in_order():
    index = Index()
    names = [f"{letter}{number:04}" for number in range(1000) for letter in "xa"]
    for place_, name in enumerate(names):
        index.put(make_entry(restaurant(id=f"r{place_}", name=name), 1))
    for place_ in range(0, len(names), 3):
        index.remove(f"r{place_}")
    left = sorted(name for place_, name in enumerate(names) if place_ % 3)
    found = all_pages(index, Query(now=NOON, limit=50))
    assert [each.entry.name for each in found] == left
    for come in ("a0077", "b0077", "b0770"):  # what has been looked through before is looked through again
        within = all_pages(index, Query(now=NOON, limit=50, needle="77"))
        assert [each.entry.name for each in within] == [name for name in left if "77" in name]
        index.put(make_entry(restaurant(id=f"new-{come}", name=come), 1))
        left = sorted([*left, come])


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Café Ñandú", "cafe nandu"),
        ("STRASSE straße", "strasse strasse"),
        ("Łódź  Øl\t", "lodz ol"),
        ("Æbleskiver", "aebleskiver"),
        ("İstanbul ığ", "istanbul ig"),
        ("𝐏𝐢𝐳𝐳𝐚", "pizza"),
        ("餃子 ギョウザ", "餃子 キョウサ"),
        ("\u0301", ""),
    ],
)
def test_case_and_accents_do_not_matter(text: str, folded: str):
    assert fold(text) == folded
    assert fold(folded) == folded


@pytest.mark.parametrize(
    "fields",
    [
        {"latitude": 1.0},
        {"longitude": 1.0},
        {"latitude": math.nan, "longitude": 0.0},
        {"latitude": 0.0, "longitude": math.nan},
        {"latitude": math.inf, "longitude": 0.0},
        {"sort": "distance"},
        {"delivers": True},
        {"name": " \u0301"},
    ],
)
def test_a_search_that_makes_no_sense_is_refused(fields: dict[str, object]):
    with pytest.raises(Refusal) as refused:
        parse_search(c.SearchRestaurants(**fields), NOON)  # pyright: ignore
    assert refused.value.code == "invalid_request"


@pytest.mark.parametrize("sort", ["name", "distance"])
@pytest.mark.parametrize(
    "cursor",
    ["", "x", "1", "nan r1 a", "inf r1", "-1 r1", "2 r1 a", "0.5 r1 name", "0", "0 ", "1e309 r", "1 r1 a\0"],
)
def test_a_cursor_nobody_gave_out_is_refused_or_harmless(sort: str, cursor: str):
    request = c.SearchRestaurants(cursor=cursor, sort=sort, latitude=1.0, longitude=1.0)  # pyright: ignore
    index = Index()
    index.put(make_entry(restaurant(), 1))
    try:
        index.search(parse_search(request, NOON))
    except Refusal as refused:
        assert refused.code == "invalid_cursor"
