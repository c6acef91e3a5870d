"""Portions of limited dishes: what may be held, sold and given back. Decides; reads and writes nothing.

Available is what is on hand less what is held by orders whose time is not up. Every operation may come again,
late, or after the one that undoes it; the rules for each meeting are the methods of `Book`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import Enum
from typing import Literal, NamedTuple

from tiffin.sharding.order_id import restaurant_shard

PORTIONS_MAX = 1_000_000_000
"""Of one dish, on hand."""


class Refill(NamedTuple):
    """A dish that is filled up once a day."""

    day: date
    """The restaurant's local date."""
    portions: int
    """So many can be promised when the day begins."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Promise portions to an order, all or none."""

    order_id: int
    restaurant_id: str
    quantities: Mapping[str, int]
    """Portions by item, each at least 1."""
    expires_at: datetime
    refills: Mapping[str, Refill] = field(default_factory=dict[str, Refill])
    """By item, for those that are filled up daily."""


@dataclass(frozen=True, slots=True)
class Sell:
    """The order stands."""

    order_id: int


@dataclass(frozen=True, slots=True)
class Release:
    """The order fell."""

    order_id: int


Command = Hold | Sell | Release


def shard_of_command(command: Command) -> int:
    """The restaurant shard that holds everything a command touches."""
    return restaurant_shard(command.order_id)


class Verdict(Enum):
    """What a command came to. Only `DONE` changes anything."""

    DONE = "done"
    """Now, or already."""
    NOTHING_HELD = "nothing held"
    """To be sold: the order holds nothing, as most do."""
    SHORT = "short"
    """Not enough portions left: to be held, or to be sold after the hold's time was up."""
    FALLEN = "fallen"
    """The order fell before; it holds nothing any more and never will."""
    OTHER_PORTIONS = "other portions"
    """The order holds already, and not what is asked for now."""


class Result(NamedTuple):
    """A verdict, and where portions are short how many of each dish are left."""

    verdict: Verdict
    left: Mapping[str, int] = {}


class Item(NamedTuple):
    """A dish of a restaurant."""

    restaurant_id: str
    item_id: str


@dataclass(slots=True)
class Level:
    """Portions of a dish."""

    on_hand: int = 0
    received: int = 0
    live: int = 0
    """Held by orders whose time is not up."""
    refilled_on: date | None = None

    def refill(self, refill: Refill) -> bool:
        """Fill up, if that has not been done on this day or a later one. What is left over counts."""
        if self.refilled_on is not None and self.refilled_on >= refill.day:
            return False
        missing = max(refill.portions - self.left, 0)
        self.on_hand += missing
        self.received += missing
        self.refilled_on = refill.day
        return True

    @property
    def left(self) -> int:
        """Portions that can still be promised."""
        return self.on_hand - self.live


@dataclass(slots=True)
class Holding:
    """What an order holds, held, or (quantities empty, released) shall never hold."""

    restaurant_id: str
    quantities: dict[str, int]
    state: Literal["held", "sold", "released"]
    expires_at: datetime

    def items(self) -> list[tuple[Item, int]]:
        """The dishes and how many portions of each."""
        return [(Item(self.restaurant_id, item_id), count) for item_id, count in self.quantities.items()]


@dataclass(slots=True)
class Book:
    """What a transaction has read of stock and holdings; commands change it, one after the other."""

    now: datetime
    levels: dict[Item, Level] = field(default_factory=dict[Item, Level])
    holdings: dict[int, Holding] = field(default_factory=dict[int, Holding])
    changed_items: set[Item] = field(default_factory=set[Item])
    changed_orders: set[int] = field(default_factory=set[int])

    def carry_out(self, command: Command) -> Result:
        """One command, as things stand after those before it."""
        match command:
            case Hold():
                return self._hold(command)
            case Sell():
                return self._sell(command.order_id)
            case Release():
                return self._release(command.order_id)

    def receive(self, item: Item, quantity: int) -> bool:
        """Portions come, or go if negative. False if too few would be left, or too many."""
        level = self.levels.setdefault(item, Level())
        if not level.live <= level.on_hand + quantity <= PORTIONS_MAX:
            return False
        level.on_hand += quantity
        level.received += quantity
        self.changed_items.add(item)
        return True

    def _hold(self, hold: Hold) -> Result:
        holding = self.holdings.get(hold.order_id)
        if holding is not None:
            if holding.state == "released":
                return Result(Verdict.FALLEN)
            if (holding.restaurant_id, holding.quantities) != (hold.restaurant_id, hold.quantities):
                return Result(Verdict.OTHER_PORTIONS)
            if holding.state == "sold" or self._is_live(holding):
                return Result(Verdict.DONE)
        for item_id, refill in hold.refills.items():
            item = Item(hold.restaurant_id, item_id)
            if self.levels.setdefault(item, Level()).refill(refill):
                self.changed_items.add(item)
        wanted = Holding(hold.restaurant_id, dict(hold.quantities), "held", hold.expires_at)
        if short := self._short(wanted):
            return short
        self._add_live(wanted, 1)
        self._put(hold.order_id, wanted)
        return Result(Verdict.DONE)

    def _sell(self, order_id: int) -> Result:
        holding = self.holdings.get(order_id)
        if holding is None:
            return Result(Verdict.NOTHING_HELD)
        if holding.state != "held":
            return Result(Verdict.DONE if holding.state == "sold" else Verdict.FALLEN)
        live = self._is_live(holding)
        if live:
            self._add_live(holding, -1)
        if short := self._short(holding):
            # To a live hold this happens only where processes' clocks disagree about another one's end.
            if live:
                self._add_live(holding, 1)
            return short
        self._move_on_hand(holding, -1)
        holding.state = "sold"
        self._put(order_id, holding)
        return Result(Verdict.DONE)

    def _release(self, order_id: int) -> Result:
        holding = self.holdings.get(order_id)
        if holding is None:
            holding = Holding("", {}, "released", self.now)
        elif holding.state == "released":
            return Result(Verdict.DONE)
        elif holding.state == "sold":
            self._move_on_hand(holding, 1)
        elif self._is_live(holding):
            self._add_live(holding, -1)
        holding.state = "released"
        self._put(order_id, holding)
        return Result(Verdict.DONE)

    def _is_live(self, holding: Holding) -> bool:
        return holding.state == "held" and holding.expires_at > self.now

    def _short(self, holding: Holding) -> Result | None:
        left = {item.item_id: self._left(item) for item, count in holding.items() if count > self._left(item)}
        return Result(Verdict.SHORT, left) if left else None

    def _left(self, item: Item) -> int:
        level = self.levels.get(item)
        return max(level.left, 0) if level else 0

    def _add_live(self, holding: Holding, sign: int) -> None:
        for item, count in holding.items():
            self.levels[item].live += sign * count

    def _move_on_hand(self, holding: Holding, sign: int) -> None:
        for item, count in holding.items():
            self.levels[item].on_hand += sign * count
            self.changed_items.add(item)

    def _put(self, order_id: int, holding: Holding) -> None:
        self.holdings[order_id] = holding
        self.changed_orders.add(order_id)


def items_of(commands: Sequence[Command], holdings: Mapping[int, Holding]) -> set[Item]:
    """The dishes whose levels have to be known before the commands can be carried out."""
    wanted = {
        Item(command.restaurant_id, item_id)
        for command in commands
        if isinstance(command, Hold)
        for item_id in command.quantities
    }
    held = {item for holding in holdings.values() for item, _ in holding.items()}
    return wanted | held
