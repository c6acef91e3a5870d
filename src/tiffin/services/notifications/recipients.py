"""What others are asked when a message is sent: where its person is reached, and what things are called.

Asked at that moment and not kept: what others forget, this service does not know either.
"""

from collections.abc import Mapping

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
    """Asks the services that know, under a request id of the message's. Raises what they raise."""

    def __init__(self, users: c.Users, restaurants: c.Restaurants, orders: c.Orders, clock: Clock) -> None:
        self._users = users
        self._restaurants = restaurants
        self._orders = orders
        self._clock = clock

    async def phone(self, row: MessageRow, request_id: str) -> str | None:
        """The number to write to: the one given with the message, else the person's, if they have one.

        Couriers and operators need not be known as people. A restaurant's number is one person's
        alone: of its managers, else owners, else others, whoever has been there longest. The number it gives
        to customers may be one that takes no messages.
        """
        if row.phone is not None:
            return row.phone
        context = self._context(request_id)
        if row.role == "restaurant":
            return await self._staff_phone(row.person_id, context)
        try:
            return await self._phone_of(row.person_id, context)
        except PersonGone:
            if row.role == "customer":
                raise
            return None

    async def _phone_of(self, person_id: str, context: c.CallContext) -> str | None:
        try:
            person = await self._users.get(context, c.CustomerRef(customer_id=person_id))
        except Refusal as refusal:
            if refusal.code == "customer_not_found":
                raise PersonGone(person_id) from None
            raise
        return person.phone

    async def _staff_phone(self, restaurant_id: str, context: c.CallContext) -> str | None:
        found = await self._users.list_staff(context, c.StaffOf(restaurant_id=restaurant_id))
        for member in sorted(found.staff, key=lambda each: (_RANKS[each.access], each.since, each.member_id)):
            assert member.person_id is not None, "the platform's own parts are told"
            try:
                if phone := await self._phone_of(member.person_id, context):
                    return phone
            except PersonGone:
                continue
        return None

    async def show(
        self, variables: Mapping[str, str], types: Mapping[str, VariableType], language: str, request_id: str
    ) -> dict[str, str]:
        """Every variable as its reader sees it."""
        context = self._context(request_id)
        return {
            name: await self._show(types[name], value, language, context) for name, value in variables.items()
        }

    async def _show(self, kind: VariableType, value: str, language: str, context: c.CallContext) -> str:
        if kind == "restaurant":
            asked = await self._restaurants.get(context, c.RestaurantRef(restaurant_id=value))
            return show("text", asked.name, language)
        if kind == "order_total":
            order = await self._orders.get(context, c.OrderRef(order_id=value))
            return show_money(Money(order.total.amount, order.total.currency), language)
        return show(kind, value, language)

    def _context(self, request_id: str) -> c.CallContext:
        return new_context("system", "notifications", self._clock(), TIMEOUT_MS, request_id)
