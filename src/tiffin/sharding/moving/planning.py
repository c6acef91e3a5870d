"""Which shards go where: by name, off a node, or evenly. No I/O."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tiffin.sharding.moving.move import MoveError
from tiffin.sharding.slots import DIMENSIONS, SHARDS, Dimension

Place = tuple[Dimension, int]

_RANGE = re.compile(r"(customer|restaurant)/(\d{1,3})(?:-(\d{1,3}))?")


class Leg(NamedTuple):
    """Shards that go together from one node to another."""

    source: str
    target: str
    shards: Mapping[Dimension, Sequence[int]]


def parse(texts: Sequence[str]) -> list[Place]:
    """Shards of `customer/7` and `restaurant/3-9`. `MoveError` for what is none."""
    places: set[Place] = set()
    for text in texts:
        match = _RANGE.fullmatch(text)
        first, last = (int(match[2]), int(match[3] or match[2])) if match else (1, 0)
        if match is None or not first <= last < SHARDS:
            raise MoveError(f"{text} names no shards: customer/7, restaurant/3-9, 0 to 119")
        for dimension in DIMENSIONS:
            if dimension == match[1]:
                places.update((dimension, shard) for shard in range(first, last + 1))
    return sorted(places)


def to_node(holders: Mapping[Place, str], places: Sequence[Place], target: str) -> list[Leg]:
    """These shards to one node, a leg for each node that has some of them."""
    return _legs([(place, target) for place in places if holders[place] != target], holders)


def drain(holders: Mapping[Place, str], node: str, others: Sequence[str]) -> list[Leg]:
    """All shards of a node, evenly over the others: to whichever of them has fewest of the dimension."""
    if not others:
        raise MoveError(f"there is no other node than {node}")
    left = dict(holders)
    going: list[tuple[Place, str]] = []
    for place in sorted(place for place, holder in holders.items() if holder == node):
        target = min(others, key=lambda name: (_count(left, place[0], name), name))
        left[place] = target
        going.append((place, target))
    return _legs(going, holders)


def balance(holders: Mapping[Place, str], nodes: Sequence[str]) -> list[Leg]:
    """As few shards as make every node have as many of each dimension as any other, but for one."""
    left = dict(holders)
    going: list[tuple[Place, str]] = []
    for dimension in DIMENSIONS:
        while True:
            counts = {name: _count(left, dimension, name) for name in nodes}
            most = max(nodes, key=lambda name: (counts[name], name))
            least = min(nodes, key=lambda name: (counts[name], name))
            if counts[most] - counts[least] <= 1:
                break
            place = max(place for place, holder in left.items() if holder == most and place[0] == dimension)
            left[place] = least
            going.append((place, least))
    return _legs(going, holders)


def _count(holders: Mapping[Place, str], dimension: Dimension, node: str) -> int:
    return sum(holder == node and place[0] == dimension for place, holder in holders.items())


def _legs(going: Sequence[tuple[Place, str]], holders: Mapping[Place, str]) -> list[Leg]:
    by_leg: defaultdict[tuple[str, str], list[Place]] = defaultdict(list)
    for place, target in going:
        by_leg[holders[place], target].append(place)
    return [
        Leg(source, target, {of: sorted(s for d, s in places if d == of) for of in DIMENSIONS})
        for (source, target), places in sorted(by_leg.items())
    ]
