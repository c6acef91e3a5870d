"""What the restaurants do about events of orders."""

import asyncio
from collections.abc import Sequence

import msgspec

from tiffin.events.event import Event
from tiffin.primitives.clock import Clock
from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.rpc.context import new_context
from tiffin.services.restaurants.stock import Command, Release, Sell, Verdict
from tiffin.services.restaurants.stock_store import StockStore


class _Move(msgspec.Struct):
    """The part of an `OrderEvent` that says where the order has got to."""

    to_state: str


_decode = msgspec.json.Decoder(_Move).decode


class StockConsumer:
    """Sells what an order holds when it stands, gives it back when it falls.

    Takes a batch of events in at most three statements a node; orders that hold nothing cost their share of
    one read. An order whose hold ran out and whose portions are gone is cancelled. Events may come again and
    late: an order that fell stays fallen.
    """

    name = "restaurants.stock"
    types = frozenset((
        "order.placed", "order.paid",
        "order.payment_expired", "order.rejected", "order.acceptance_expired", "order.cancelled",
        "order.called_off",
    ))  # fmt: skip
    """Where an order comes to stand, and to fall."""

    def __init__(self, stock: StockStore, orders: c.Orders, clock: Clock) -> None:
        self._stock = stock
        self._orders = orders
        self._clock = clock

    async def handle(self, events: Sequence[Event]) -> None:
        """Take in a batch. Raises if it could not be taken in whole; then it may come again."""
        stand, fall = _sort(events)
        held = await self._stock.held_orders(stand) if stand else set[int]()
        commands: list[Command] = [Sell(order_id) for order_id in stand if order_id in held]
        commands += [Release(order_id) for order_id in fall]
        if not commands:
            return
        results = await self._stock.carry_out_all(commands)
        gone = [
            command.order_id
            for command, result in zip(commands, results, strict=True)
            if isinstance(command, Sell) and result.verdict is Verdict.SHORT
        ]
        await asyncio.gather(*(self._cancel(order_id) for order_id in gone))

    async def _cancel(self, order_id: int) -> None:
        context = new_context("system", "restaurants", self._clock())
        request = c.AdvanceOrder(order_id=str(order_id), event="cancelled", reason="out_of_stock")
        try:
            await self._orders.advance(context, request)
        except Refusal as refusal:
            if refusal.code != "wrong_state":  # cancelled already, or too far on its way to be
                raise


def _sort(events: Sequence[Event]) -> tuple[list[int], list[int]]:
    """The orders that stand by these events, and those that fell."""
    stand: dict[int, None] = {}
    fall: dict[int, None] = {}
    for event in events:
        if event.stream != "order":
            continue
        to_state = _decode(event.data).to_state
        if to_state == "cancelled":
            fall[int(event.key)] = None
        elif event.type == "order.paid" or (
            event.type == "order.placed" and to_state in ("scheduled", "awaiting_acceptance")
        ):
            stand[int(event.key)] = None
    return [order_id for order_id in stand if order_id not in fall], list(fall)
