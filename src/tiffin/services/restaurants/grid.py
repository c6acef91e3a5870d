"""Places on the globe in cells, to look for what is near."""

import math
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

CELLS_A_DEGREE = 100
"""A cell is 1.1 km from south to north."""
_AROUND = 360 * CELLS_A_DEGREE
_METRES_A_DEGREE = 111_195.0
_MARGIN_DEGREES = 1e-6
_INSCRIBED = 0.65
_CELL_M = 1_700.0
_FAR_NORTH = 80.0


class _Box(NamedTuple):
    south: int
    north: int
    west: int
    width: int
    """Cells beyond the westernmost; at most all around."""

    def has(self, row: int, column: int) -> bool:
        return self.south <= row <= self.north and (column - self.west) % _AROUND <= self.width


class Grid:
    """Ids by the cell of their place. Knows the antimeridian and the poles."""

    def __init__(self) -> None:
        self._rows: defaultdict[int, dict[int, set[str]]] = defaultdict(dict)

    def add(self, id_: str, latitude: float, longitude: float) -> None:
        """Put an id at its place."""
        row, column = _cell(latitude, longitude)
        self._rows[row].setdefault(column, set()).add(id_)

    def remove(self, id_: str, latitude: float, longitude: float) -> None:
        """Take an id from its place. It must be there."""
        row, column = _cell(latitude, longitude)
        cell = self._rows[row][column]
        cell.remove(id_)
        if not cell:
            del self._rows[row][column]

    def around(
        self, latitude: float, longitude: float, radius_m: float, without_m: float = 0.0
    ) -> Iterator[set[str]]:
        """Cells that may have something within a radius, but for those that `without_m` has given already."""
        box = _box(latitude, longitude, radius_m)
        inner = _box(latitude, longitude, without_m) if without_m else None
        for row in range(box.south, box.north + 1):
            cells = self._rows.get(row)
            if not cells:
                continue
            if box.width < len(cells):
                columns = [(box.west + step) % _AROUND for step in range(box.width + 1)]
            else:
                columns = [column for column in cells if box.has(row, column)]
            for column in columns:
                if column in cells and not (inner and inner.has(row, column)):
                    yield cells[column]


def inside_of(latitude: float, radius_m: float) -> float:
    """How wide `without_m` may be for everything it leaves out to be within a radius.

    Cells go by a square, which has to lie within the circle, whole cells included. Near the poles no square
    is one.
    """
    return 0.0 if abs(latitude) > _FAR_NORTH else max(radius_m * _INSCRIBED - _CELL_M, 0.0)


def _cell(latitude: float, longitude: float) -> tuple[int, int]:
    return math.floor(latitude * CELLS_A_DEGREE), math.floor(longitude * CELLS_A_DEGREE) % _AROUND


def _box(latitude: float, longitude: float, radius_m: float) -> _Box:
    """The cells that a circle can touch."""
    up = radius_m / _METRES_A_DEGREE + _MARGIN_DEGREES
    south, north = latitude - up, latitude + up
    if south <= -90 or north >= 90:
        return _Box(_row(max(south, -90)), _row(min(north, 90)), 0, _AROUND - 1)
    sine = math.sin(math.radians(up)) / math.cos(math.radians(latitude))
    side = math.degrees(math.asin(min(sine, 1.0))) + _MARGIN_DEGREES
    west, east = (math.floor((longitude + way) * CELLS_A_DEGREE) for way in (-side, side))
    return _Box(_row(south), _row(north), west % _AROUND, min(east - west, _AROUND - 1))


def _row(latitude: float) -> int:
    return math.floor(latitude * CELLS_A_DEGREE)
