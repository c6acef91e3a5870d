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
_RANKS = {"manager": 0, "owner": 1, "staff": 2}


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
        """The number to write to: the one given with the message, else the person's, if they have one.

        Couriers and operators need not be known as people. A restaurant's number is one person's
        alone: of its managers, else owners, else others, whoever has been there longest. The number it gives
        to customers may be one that takes no messages.
        """
        if row.phone is not None:
            return row.phone
        if row.role == "restaurant":
            return await self._staff_phone(row.person_id)
        try:
            return await self._phone_of(row.person_id)
        except PersonGone:
            if row.role == "customer":
                raise
            return None

    async def _phone_of(self, person_id: str) -> str | None:
        try:
            person = await self._users.get(self._context(), c.CustomerRef(customer_id=person_id))
        except Refusal as refusal:
            if refusal.code == "customer_not_found":
                raise PersonGone(person_id) from None
            raise
        return person.phone

    async def _staff_phone(self, restaurant_id: str) -> str | None:
        found = await self._users.list_staff(self._context(), c.StaffOf(restaurant_id=restaurant_id))
        for member in sorted(found.staff, key=lambda each: (_RANKS[each.access], each.since, each.person_id)):
            try:
                if phone := await self._phone_of(member.person_id):
                    return phone
            except PersonGone:
                continue
        return None

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
