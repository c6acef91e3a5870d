"""Reads a day of real orders: CSV, or CSV in gzip, one order a line, clocks in seconds from midnight."""

import csv
import gzip
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random
from typing import TextIO

from tiffin.load.catalogue import Point
from tiffin.load.day import Arrival, Timing, draw_fate, travel_s

COLUMNS = (
    "city", "day", "instance", "order_id", "poi_id", "pick_up_lat", "pick_up_lng", "drop_off_lat",
    "drop_off_lng", "distance_m", "placed_s", "prep_start_s", "ready_s", "promised_s", "wrapped",
)  # fmt: skip

DAY_S = 86_400
SCHEDULED_FROM_S = 2_700
"""An order promised at least so long ahead was meant for later; most others are promised in 30 minutes."""

HOUSEHOLDS = 3
"""Customers behind one drop-off point, which the file rounds to some hundred metres."""

ACCEPT_WITHIN_S = 240
"""No restaurant is slower than this: it would find the order cancelled by the platform."""


class BadFile(ValueError):
    """The file is not a day of orders. The text names the file and the line."""


def read_orders(path: Path) -> list[Arrival]:
    """The day's orders in order of time. `BadFile` if a column is missing, unknown, or makes no sense.

    The file has no customers, baskets or payments: they are drawn from the order's city and number.
    """
    try:
        with _open(path) as lines:
            day = list(_arrivals(lines, path.name))
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise BadFile(f"{path.name}: {error}") from error
    if not day:
        raise BadFile(f"{path.name}: no orders in it")
    day.sort(key=lambda arrival: arrival.at_s)
    return day


def _open(path: Path) -> TextIO:
    return gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8")


def _arrivals(lines: TextIO, file: str) -> Iterator[Arrival]:
    rows = csv.DictReader(lines)
    found = rows.fieldnames or ()
    missing, unknown = set(COLUMNS) - set(found), set(found) - set(COLUMNS)
    if missing or unknown:
        wrong = [f"{text} {', '.join(sorted(names))}" for text, names in
                 (("without", missing), ("with unknown", unknown)) if names]  # fmt: skip
        raise BadFile(f"{file}, line 1: columns {' and '.join(wrong)}")
    seen: set[str] = set()
    for row in rows:
        try:
            arrival = _arrival(row)
        except (ValueError, TypeError) as error:
            raise BadFile(f"{file}, line {rows.line_num}: {error}") from error
        if arrival.id in seen:
            raise BadFile(f"{file}, line {rows.line_num}: a second order {arrival.id}")
        seen.add(arrival.id)
        yield arrival


def _arrival(row: Mapping[str, str]) -> Arrival:
    if len(row) != len(COLUMNS) or None in row.values():
        raise ValueError(f"not {len(COLUMNS)} fields")
    city = _word(row, "city")
    name = f"{city}-{_word(row, 'day')}-{_word(row, 'instance')}-{_word(row, 'order_id')}"
    placed, started, ready, promised = _clocks(row)
    rng = Random(f"arrival {name}")  # noqa: S311
    drop_off = _point(row, "drop_off")
    household = f"{drop_off.latitude:.3f}:{drop_off.longitude:.3f}:{rng.randrange(HOUSEHOLDS)}"
    payment, ending, trouble = draw_fate(name)
    return Arrival(
        id=name,
        at_s=placed,
        city=city,
        restaurant_id=f"{city}-{_word(row, 'poi_id')}",
        pick_up=_point(row, "pick_up"),
        customer_id=f"{city}:{household}",
        drop_off=drop_off,
        timing=Timing(min(started - placed, ACCEPT_WITHIN_S), ready - started, travel_s(rng)),
        wanted_at_s=promised if promised - placed >= SCHEDULED_FROM_S else None,
        payment=payment,
        ending=ending,
        trouble=trouble,
    )


def _clocks(row: Mapping[str, str]) -> list[int]:
    """The four clocks, none before the one it follows: what has passed midnight counts on from there."""
    placed, started, ready, promised = (_seconds(row, name) for name in COLUMNS[10:14])
    for clock, after in (("prep_start_s", started), ("promised_s", promised)):
        if _unwrapped(after, placed) < placed:
            raise ValueError(f"{clock} is before placed_s")
    started = _unwrapped(started, placed)
    if _unwrapped(ready, started) < started:
        raise ValueError("ready_s is before prep_start_s")
    return [placed, started, _unwrapped(ready, started), _unwrapped(promised, placed)]


def _unwrapped(clock: int, after: int) -> int:
    return clock + DAY_S if clock < after - DAY_S // 2 else clock


def _seconds(row: Mapping[str, str], name: str) -> int:
    if not row[name].isdigit() or int(row[name]) >= 2 * DAY_S:
        raise ValueError(f"{name} is {row[name]!r}, not seconds of a day")
    return int(row[name])


def _word(row: Mapping[str, str], name: str) -> str:
    word = row[name]
    if not word.isascii() or not word.replace("_", "").isalnum() or len(word) > 20:
        raise ValueError(f"{name} is {word!r}, not a short word")
    return word


def _point(row: Mapping[str, str], name: str) -> Point:
    latitude, longitude = float(row[f"{name}_lat"]), float(row[f"{name}_lng"])
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        raise ValueError(f"{name} is no place on earth")
    return Point(latitude, longitude)
