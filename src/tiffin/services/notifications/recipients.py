"""What others are asked when a message is sent: where its person is reached, and what things are called.

Asked at that moment and not kept: what others forget, this service does not know either.
"""

import asyncio

from tiffin.primitives.clock import Clock
from tiffin.primitives.errors import Refusal
from tiffin.primitives.money import Money
from tiffin.rpc import contracts as c
from tiffin.rpc.context import new_context
from tiffin.services.notifications.catalogue import VariableType, show
from tiffin.services.notifications.languages import show_money
from tiffin.services.notifications.message import MessageRow

TIMEOUT_MS = 5_000


class PersonGone(Exception):
    """There is no such person, or no longer."""


class Recipients:
    """Asks the services that know. Raises what they raise, `PersonGone` excepted."""

    def __init__(self, users: c.Users, restaurants: c.Restaurants, orders: c.Orders, clock: Clock) -> None:
        self._users = users
        self._restaurants = restaurants
        self._orders = orders
        self._clock = clock

    async def phone(self, row: MessageRow) -> str | None:
        """The number to write to: the one given with the message, else the person's, if they have one."""
        if row.phone is not None or row.role != "customer":
            return row.phone
        try:
            customer = await self._users.get(self._context(), c.CustomerRef(customer_id=row.person_id))
        except Refusal as refusal:
            if refusal.code == "customer_not_found":
                raise PersonGone(row.person_id) from None
            raise
        return customer.phone

    async def show(
        self, variables: dict[str, str], types: dict[str, VariableType], language: str
    ) -> dict[str, str]:
        """Every variable as its reader sees it."""
        shown = await asyncio.gather(
            *(self._show(types[name], value, language) for name, value in variables.items())
        )
        return dict(zip(variables, shown, strict=True))

    async def _show(self, kind: VariableType, value: str, language: str) -> str:
        if kind == "restaurant":
            asked = await self._restaurants.get(self._context(), c.RestaurantRef(restaurant_id=value))
            return show("text", asked.name, language)
        if kind == "order_total":
            order = await self._orders.get(self._context(), c.OrderRef(order_id=value))
            return show_money(Money(order.total.amount, order.total.currency), language)
        return show(kind, value, language)

    def _context(self) -> c.CallContext:
        return new_context("system", "notifications", self._clock(), TIMEOUT_MS)
