"""Distances and areas, against other ways to reckon them."""

import math
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.services.restaurants.geography import Polygon, check_place, check_polygon, distance_m
from unit.restaurants.samples import place


def corners(*points: tuple[float, float]) -> list[c.Place]:
    """Latitude and longitude."""
    return [place(latitude, longitude) for latitude, longitude in points]


SQUARE = corners((0, 0), (0, 10), (10, 10), (10, 0))
ACROSS = corners((-5, 175), (-5, -175), (5, -175), (5, 175))
"""Ten degrees wide, over the antimeridian."""
COMB = corners((0, 0), (0, 6), (4, 6), (4, 5), (1, 5), (1, 4), (4, 4), (4, 3), (1, 3), (1, 2), (4, 2), (4, 0))


@pytest.mark.parametrize(
    ("a", "b", "metres"),
    [
        ((4.6, -74.1), (4.6, -74.1), 0),
        ((0, 0), (0, 1), 111_195),
        ((0, 179.5), (0, -179.5), 111_195),
        ((90, 0), (90, 120), 0),
        ((0, 0), (0, 180), 20_015_115),
        ((-90, 0), (90, 0), 20_015_115),
        ((51.5074, -0.1278), (48.8566, 2.3522), 343_556),
    ],
)
def test_a_distance_is_along_the_great_circle(a: tuple[float, float], b: tuple[float, float], metres: int):
    assert round(distance_m(place(*a), place(*b))) == pytest.approx(metres, abs=2)


@pytest.mark.parametrize(
    ("area", "at", "inside"),
    [
        (SQUARE, (5, 5), True),
        (SQUARE, (5, 10.001), False),
        (SQUARE, (-0.001, 5), False),
        (SQUARE, (5, -175), False),
        (list(reversed(SQUARE)), (5, 5), True),
        ([*SQUARE, SQUARE[0]], (5, 5), True),
        (ACROSS, (0, 179.9), True),
        (ACROSS, (0, -179.9), True),
        (ACROSS, (0, 180), True),
        (ACROSS, (0, -180), True),
        (ACROSS, (0, 174.9), False),
        (ACROSS, (0, -174.9), False),
        (ACROSS, (0, 0), False),
        (ACROSS[2:] + ACROSS[:2], (0, 179.9), True),
        (COMB, (3, 0.5), True),
        (COMB, (3, 2.5), False),
        (COMB, (3, 3.5), True),
        (COMB, (3, 4.5), False),
        (COMB, (0.5, 4.5), True),
    ],
)
def test_a_place_is_in_an_area_or_not(area: list[c.Place], at: tuple[float, float], inside: bool):
    check_polygon(area)
    assert Polygon(area).contains(place(*at)) is inside


@pytest.mark.parametrize(
    ("area", "why"),
    [
        (SQUARE[:2], "three corners"),
        ([*SQUARE[:2], SQUARE[0]], "three corners"),
        (corners((0, 0), (10, 10), (0, 10), (10, 0)), "cross"),
        (corners((0, 0), (0, 10), (0, 5)), "runs back"),
        (corners((0, 0), (0, 0), (0, 10), (10, 10)), "the same"),
        (corners((0, 0), (0, 10), (5, 0), (10, 10), (10, -10), (5, 0)), "touch"),
        (corners((0, 0), (0, 4), (4, 4), (4, 8), (0, 8), (0, 2), (-2, 2)), "touch"),
        (corners((80, 0), (80, 120), (80, -120)), "round the globe"),
        (corners((math.nan, 0), (0, 10), (10, 10)), "globe"),
        (corners((0, math.inf), (0, 10), (10, 10)), "globe"),
        (corners((0, 0), (0, 10), (91, 10)), "globe"),
    ],
)
def test_what_encloses_no_area_of_its_own_is_refused(area: list[c.Place], why: str):
    with pytest.raises(Refusal) as refused:
        check_polygon(area)
    assert why in refused.value.message


@pytest.mark.parametrize(
    "at", [(math.nan, 0), (0, math.nan), (math.inf, 0), (0, -math.inf), (90.1, 0), (0, 181)]
)
def test_what_is_no_place_is_refused(at: tuple[float, float]):
    with pytest.raises(Refusal):
        check_place(place(*at))


Exact = tuple[Fraction, Fraction]


def side(a: Exact, b: Exact, p: Exact) -> Fraction:
    return (b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0])


def on_edge(a: Exact, b: Exact, p: Exact) -> bool:
    return side(a, b, p) == 0 and all(min(a[i], b[i]) <= p[i] <= max(a[i], b[i]) for i in (0, 1))


def winding(points: list[Exact], p: Exact) -> int:
    """How often the way round goes about p: exact, and by another rule than the one that is tried."""
    turns = 0
    for a, b in pairwise([*points, points[0]]):
        if a[1] <= p[1] < b[1] and side(a, b, p) > 0:
            turns += 1
        elif b[1] <= p[1] < a[1] and side(a, b, p) < 0:
            turns -= 1
    return turns


def is_simple(points: list[Exact]) -> bool:
    """Exactly, edge by edge: neighbours share their corner only, the others nothing."""
    edges = list(pairwise([*points, points[0]]))
    for i, (a, b) in enumerate(edges):
        for j, (p, q) in enumerate(edges):
            if i == j:
                continue
            apart = (j - i) % len(edges)
            if apart == 1 and on_edge(p, q, a) | on_edge(a, b, q):
                return False
            if apart in (1, len(edges) - 1):
                continue
            ends = on_edge(a, b, p) or on_edge(a, b, q) or on_edge(p, q, a) or on_edge(p, q, b)
            if ends or (
                (side(a, b, p) > 0) != (side(a, b, q) > 0) and (side(p, q, a) > 0) != (side(p, q, b) > 0)
            ):
                return False
    return True


steps = st.integers(-6, 6)
"""Of an eighth of a degree: floats that are exact, so that touching is touching."""
outlines = st.lists(st.tuples(steps, steps), min_size=3, max_size=7, unique=True)


def exact(points: list[tuple[int, int]]) -> list[Exact]:
    return [(Fraction(x), Fraction(y)) for x, y in points]


def around(centre: float, points: list[tuple[int, int]]) -> list[c.Place]:
    """The outline on the globe, about a longitude; x is east."""
    return [place(y / 8, (centre + x / 8 + 180) % 360 - 180) for x, y in points]


@given(outlines, st.sampled_from([0.0, 180.0, -179.5, 90.0]))
def test_exactly_the_outlines_that_do_not_meet_themselves_are_taken(
    points: list[tuple[int, int]], centre: float
):
    try:
        check_polygon(around(centre, points))
    except Refusal as refusal:
        assert refusal.code == "invalid_area"
        assert not is_simple(exact(points))
    else:
        assert is_simple(exact(points))


@given(outlines, st.tuples(steps, steps), st.sampled_from([0.0, 180.0, -179.5, 90.0]))
def test_inside_is_what_the_way_round_goes_about(
    points: list[tuple[int, int]], at: tuple[int, int], centre: float
):
    outline, (p,) = exact(points), exact([at])
    assume(is_simple(outline))
    assume(not any(on_edge(a, b, p) for a, b in pairwise([*outline, outline[0]])))
    (somewhere,) = around(centre, [at])
    assert Polygon(around(centre, points)).contains(somewhere) is (winding(outline, p) != 0)
