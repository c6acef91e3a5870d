"""Places on the globe: distances as the crow flies, and areas."""

import math
from collections.abc import Sequence
from itertools import pairwise

from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c

_RADIUS_M = 6_371_008.8
_TURN = 360.0

Point = tuple[float, float]
"""Longitude and latitude, degrees: x and y. A longitude may lie beyond 180, for an area in one piece."""


def distance_m(a: c.Place, b: c.Place) -> float:
    """Metres along the great circle (haversine, a sphere: right to half a percent)."""
    return distance_between(a.latitude, a.longitude, b.latitude, b.longitude)


def distance_between(latitude: float, longitude: float, to_latitude: float, to_longitude: float) -> float:
    """The same, by degrees."""
    phi, to_phi = math.radians(latitude), math.radians(to_latitude)
    north = math.sin((to_phi - phi) / 2)
    east = math.sin(math.radians(to_longitude - longitude) / 2)
    return (
        2 * _RADIUS_M * math.asin(math.sqrt(min(1.0, north**2 + math.cos(phi) * math.cos(to_phi) * east**2)))
    )


def check_place(place: c.Place) -> None:
    """Refuse what is no place on the globe, NaN included."""
    if not (-90 <= place.latitude <= 90 and -180 <= place.longitude <= 180):
        raise Refusal("invalid_request", "not a place on the globe", {"field": "place"})


class Polygon:
    """An area between corners. Its edges are straight in longitude and latitude, as on a plane chart."""

    __slots__ = ("_corners", "_east", "_west")

    def __init__(self, corners: Sequence[c.Place]) -> None:
        self._corners = unrolled(corners)
        self._west = min(x for x, _ in self._corners)
        self._east = max(x for x, _ in self._corners)

    def contains(self, place: c.Place) -> bool:
        """Whether a place is inside. On an edge it may be either."""
        x, y = place.longitude, place.latitude
        x -= math.floor((x - self._west) / _TURN) * _TURN  # into the turn that begins in the west
        if x > self._east:
            return False
        inside = False
        x1, y1 = self._corners[-1]
        for x2, y2 in self._corners:
            if (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1:
                inside = not inside
            x1, y1 = x2, y2
        return inside


def unrolled(corners: Sequence[c.Place]) -> list[Point]:
    """Corners as points of one chart: each at most half a turn from the one before. A closing corner that
    repeats the first is left out."""
    if len(corners) > 1 and corners[0] == corners[-1]:
        corners = corners[:-1]
    points: list[Point] = []
    for corner in corners:
        x = corner.longitude
        if points:
            x -= round((x - points[-1][0]) / _TURN) * _TURN
        points.append((x, corner.latitude))
    return points


def check_polygon(corners: Sequence[c.Place]) -> None:
    """Refuse what encloses no area of its own: too few corners, or edges that meet where they should not."""
    for corner in corners:
        check_place(corner)
    points = unrolled(corners)
    if len(points) < 3:
        raise _crooked("an area has three corners at least")
    if abs(points[0][0] - points[-1][0]) > _TURN / 2:
        raise _crooked("an area cannot go round the globe")
    edges = list(pairwise([*points, points[0]]))
    for i, (a, b) in enumerate(edges):
        if a == b:
            raise _crooked("two corners in a row are the same", corner=i + 1)
        if _runs_back(a, b, edges[(i + 1) % len(edges)][1]):
            raise _crooked("an edge runs back along itself", corner=i + 1)
        for j in range(i + 2, len(edges) - (i == 0)):
            if _meet(a, b, *edges[j]):
                raise _crooked("edges cross or touch each other", corner=i, other_corner=j)


def _crooked(message: str, **details: object) -> Refusal:
    return Refusal("invalid_area", message, {"field": "polygon", **details})


def _turn(a: Point, b: Point, p: Point) -> float:
    """Positive if the way from a by b to p turns left, 0 if it goes straight."""
    return (b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0])


def _runs_back(a: Point, b: Point, following: Point) -> bool:
    """Whether the edge after b leads back over the one from a."""
    along = (following[0] - b[0]) * (a[0] - b[0]) + (following[1] - b[1]) * (a[1] - b[1])
    return along > 0 and _turn(a, b, following) == 0


def _meet(a: Point, b: Point, p: Point, q: Point) -> bool:
    """Whether two edges have a point in common."""
    if (
        max(a[0], b[0]) < min(p[0], q[0])
        or max(p[0], q[0]) < min(a[0], b[0])
        or max(a[1], b[1]) < min(p[1], q[1])
        or max(p[1], q[1]) < min(a[1], b[1])
    ):
        return False
    sides = _turn(a, b, p), _turn(a, b, q), _turn(p, q, a), _turn(p, q, b)
    return (sides[0] * sides[1] <= 0) and (sides[2] * sides[3] <= 0)
