"""The methods of `idl/orders.thrift`."""

from datetime import UTC, datetime, timedelta
from hashlib import blake2b

import msgspec

from tiffin.primitives.clock import Clock, from_text, to_text
from tiffin.primitives.errors import Refusal, Unavailable
from tiffin.rpc import contracts as c
from tiffin.rpc.context import remaining_s
from tiffin.services.orders import transition
from tiffin.services.orders.access import may_see
from tiffin.services.orders.adoption import AdoptionDesk
from tiffin.services.orders.legacy import check_ours
from tiffin.services.orders.order import Details, OrderRow, details_of, optional_money, terms_of, to_contract
from tiffin.services.orders.policy import Policy
from tiffin.services.orders.store import OrderStore
from tiffin.services.orders.transition import Command
from tiffin.sharding import order_id as ids
from tiffin.sharding.sequence import Sequence
from tiffin.sharding.slots import SLOTS_PER_SHARD, slot_of

MOVE_TRIES_MAX = 5
_MOVED_ON = ("wrong_state", "version_conflict")
"""Refusals that a request gets when it comes again."""

_encoder = msgspec.json.Encoder()


class OrdersService:
    """The forward flow. One instance a process."""

    def __init__(
        self,
        store: OrderStore,
        sequence: Sequence,
        restaurants: c.Restaurants,
        users: c.Users,
        clock: Clock,
        policy: Policy,
    ) -> None:
        self._store = store
        self._sequence = sequence
        self._restaurants = restaurants
        self._users = users
        self._clock = clock
        self._policy = policy
        self._in_progress: set[tuple[str, str]] = set()
        desk = AdoptionDesk(store, sequence, clock, policy)
        self.adopt, self.legacy, self.adopted = desk.adopt, desk.legacy, desk.adopted
        self.list_legacy, self.release, self.hold = desk.list_legacy, desk.release, desk.hold
        self.disown = desk.disown

    async def quote(self, context: c.CallContext, request: c.QuoteRequest) -> c.Quote:
        """What an order would cost now."""
        remaining_s(context, self._clock)
        now = self._clock()
        scheduled_for = self._schedule(request.scheduled_for, now)
        place = None
        if request.address_id is not None:
            place = (await self._address(context, context.caller.id, request.address_id)).place
        basket = await self._price(context, request.restaurant_id, request.lines, scheduled_for or now, place)
        return _quote(basket, scheduled_for)

    async def place(self, context: c.CallContext, request: c.PlaceOrder) -> c.Order:
        """Place an order, once for every idempotency key of a customer."""
        customer_id = context.caller.id
        in_progress = (customer_id, request.idempotency_key)
        if in_progress in self._in_progress:
            raise Refusal(
                "request_in_progress", "a request with this idempotency key is still being worked on"
            )
        self._in_progress.add(in_progress)
        try:
            return await self._place(context, customer_id, request)
        finally:
            self._in_progress.discard(in_progress)

    async def get(self, context: c.CallContext, request: c.OrderRef) -> c.Order:
        """An order, for those who have to do with it."""
        row = await self._visible(context, request.order_id)
        return to_contract(row, details_of(row))

    async def advance(self, context: c.CallContext, request: c.AdvanceOrder) -> c.Order:
        """Move an order along an edge of the state table, by compare and set.

        A request that comes again, because its answer was lost, is answered with the order as it is.
        """
        command = Command(
            request.event, context.caller, context.request_id, request.reason, request.courier_id
        )
        for _ in range(MOVE_TRIES_MAX):
            row = await self._visible(context, request.order_id)
            try:
                _check_version(row, request.expected_version)
                check_ours(row)
                moved = transition.advance(row, command, self._policy, self._clock())
            except Refusal as refusal:
                if refusal.code not in _MOVED_ON or not await self._has_happened(row, command):
                    raise
                return to_contract(row, details_of(row))
            if await self._store.move(moved, remaining_s(context, self._clock)):
                return to_contract(moved.row, details_of(moved.row))
        raise Unavailable("contended", "the order keeps changing under this request")

    async def list_orders(self, context: c.CallContext, request: c.ListOrders) -> c.OrderPage:
        """Orders of one customer, from the truth, or of one restaurant, from its copy."""
        remaining_s(context, self._clock)
        if (request.customer_id is None) == (request.restaurant_id is None):
            raise Refusal("invalid_request", "orders of one customer or of one restaurant: name exactly one")
        caller, dimension, key = context.caller, "customer", request.customer_id
        if request.restaurant_id is not None:
            dimension, key = "restaurant", request.restaurant_id
        assert key is not None
        if caller.role not in ("operator", "system") and (caller.role, caller.id) != (dimension, key):
            raise Refusal(f"{dimension}_not_found", f"no such {dimension}")
        before = _before(request.cursor)
        rows = await self._store.page(dimension, key, request.state, before, request.limit + 1, self._clock())
        page = rows[: request.limit]
        more = len(rows) > request.limit
        return c.OrderPage(
            orders=[to_contract(row, details_of(row)) for row in page],
            next_cursor=_cursor(page[-1]) if more else None,
        )

    async def timeline(self, context: c.CallContext, request: c.OrderRef) -> c.Timeline:
        """Everything that has happened to an order."""
        row = await self._visible(context, request.order_id)
        return c.Timeline(order_id=request.order_id, events=await self._store.history(row.id))

    async def terms(self, context: c.CallContext, request: c.OrdersNamed) -> c.OrderTermsList:
        """What was agreed about the money of many orders; for the platform's own parts."""
        remaining_s(context, self._clock)
        if context.caller.role not in ("operator", "system"):
            raise Refusal("forbidden", "only for the platform's own parts")
        numbers = [int(text) for text in request.order_ids if text.isdecimal() and len(text) < 20]
        rows = await self._store.get_many([number for number in numbers if ids.is_valid(number)])
        return c.OrderTermsList(orders=[terms_of(row) for row in rows])

    async def close(self) -> None:
        """Finish what is in flight."""
        await self._store.close()

    async def _place(self, context: c.CallContext, customer_id: str, request: c.PlaceOrder) -> c.Order:
        request_hash = blake2b(_encoder.encode(request), digest_size=16).digest()
        try:
            row, details, basket = await self._prepare(context, customer_id, request, request_hash)
            if basket.limited_items:
                # A retry must not hold portions again, not for a moment: they may be the last for somebody.
                placed = await self._store.by_key(customer_id, request.idempotency_key)
                if placed is not None:
                    return self._answer_again(placed, request_hash)
                await self._hold(context, row.id, basket)
        except Refusal:
            # A price, a menu or the stock may have changed since the first try; its answer has not.
            placed = await self._store.by_key(customer_id, request.idempotency_key)
            if placed is None:
                raise
            return self._answer_again(placed, request_hash)
        command = Command("placed", context.caller, context.request_id)
        moved = transition.place(row, command, self._policy)
        if await self._store.place(moved, remaining_s(context, self._clock)):
            return to_contract(moved.row, details)
        placed = await self._store.by_key(customer_id, request.idempotency_key)
        if placed is None:
            raise Unavailable(
                "outcome_unknown", "the order is being placed elsewhere; ask again with the same key"
            )
        if details.holds_stock and placed.id != row.id:
            await self._restaurants.release(context, c.HoldRef(order_id=str(row.id)))
        return self._answer_again(placed, request_hash)

    async def _prepare(
        self, context: c.CallContext, customer_id: str, request: c.PlaceOrder, request_hash: bytes
    ) -> tuple[OrderRow, Details, c.PricedBasket]:
        """Everything an order needs before portions are held for it: price, address, id."""
        now = self._clock()
        scheduled_for = self._schedule(request.scheduled_for, now)
        address = await self._address(context, customer_id, request.address_id)
        basket = await self._price(
            context, request.restaurant_id, request.lines, scheduled_for or now, address.place
        )
        _check_price(basket, request.expected_total, scheduled_for)
        customer_slot, restaurant_slot = slot_of(customer_id), slot_of(request.restaurant_id)
        order_id = ids.make(await self._sequence.take(), customer_slot, restaurant_slot)
        details = Details(
            lines=basket.lines, subtotal=basket.subtotal, delivery_fee=basket.delivery_fee,
            address=address, note=request.note, holds_stock=bool(basket.limited_items),
            small_order_fee=basket.small_order_fee or 0,
        )  # fmt: skip
        row = OrderRow(
            shard=customer_slot // SLOTS_PER_SHARD, id=order_id, customer_id=customer_id,
            restaurant_id=request.restaurant_id, state="awaiting_acceptance", version=0, placed_at=now,
            updated_at=now, due_at=None, scheduled_for=scheduled_for, accepted_at=None,
            payment_method=request.payment_method, total=basket.total, currency=basket.currency,
            courier_id=None, reason=None, details=_encoder.encode(details).decode(),
            idempotency_key=request.idempotency_key, request_hash=request_hash,
        )  # fmt: skip
        return row, details, basket

    async def _price(
        self, context: c.CallContext, restaurant_id: str, lines: list[c.BasketLine], at: datetime,
        drop_off: c.Place | None,
    ) -> c.PricedBasket:  # fmt: skip
        request = c.PriceBasket(restaurant_id=restaurant_id, lines=lines, at=to_text(at), drop_off=drop_off)
        return await self._restaurants.price(context, request)

    async def _address(self, context: c.CallContext, customer_id: str, address_id: str) -> c.Address:
        customer = await self._users.get(context, c.CustomerRef(customer_id=customer_id))
        for address in customer.addresses:
            if address.id == address_id:
                return address
        raise Refusal("address_not_found", f"you have no address {address_id!r}")

    async def _hold(self, context: c.CallContext, order_id: int, basket: c.PricedBasket) -> None:
        limited = set(basket.limited_items)
        seconds = self._policy.payment_s + self._policy.hold_margin_s
        await self._restaurants.hold(
            context,
            c.HoldStock(
                restaurant_id=basket.restaurant_id,
                order_id=str(order_id),
                lines=[
                    c.HoldLine(item_id=line.item_id, quantity=line.quantity)
                    for line in basket.lines
                    if line.item_id in limited
                ],
                expires_in_ms=seconds * 1000,
            ),
        )

    async def _visible(self, context: c.CallContext, order_id: str) -> OrderRow:
        number = int(order_id)
        within_s = remaining_s(context, self._clock)
        row = await self._store.get(number, within_s) if ids.is_valid(number) else None
        if row is None or not may_see(context.caller, row):
            raise Refusal("order_not_found", f"there is no order {order_id}")
        return row

    async def _has_happened(self, row: OrderRow, command: Command) -> bool:
        """Whether this very request has moved the order before."""
        said = (f"order.{command.event}", command.request_id, command.caller.role, command.caller.id)
        return said in (
            (event.type, event.request_id, event.actor.role, event.actor.id)
            for event in await self._store.history(row.id)
        )

    def _answer_again(self, placed: OrderRow, request_hash: bytes) -> c.Order:
        """What the first request with this key was answered: the order as it was then."""
        if placed.request_hash != request_hash:
            raise Refusal(
                "idempotency_key_reused", "this key was used for another order", {"order_id": str(placed.id)}
            )
        customer = c.Caller(role="customer", id=placed.customer_id)
        as_placed = placed._replace(accepted_at=None, courier_id=None, reason=None)
        moved = transition.place(as_placed, Command("placed", customer, ""), self._policy)
        return to_contract(moved.row, details_of(placed))

    def _schedule(self, text: str | None, now: datetime) -> datetime | None:
        if text is None:
            return None
        try:
            scheduled_for = from_text(text)
        except (ValueError, OverflowError):
            raise Refusal("invalid_time", "scheduled_for is not an RFC 3339 time with a zone") from None
        if scheduled_for <= now:
            raise Refusal("invalid_time", "scheduled_for is in the past")
        if scheduled_for > now + timedelta(seconds=self._policy.schedule_ahead_max_s):
            raise Refusal("invalid_time", "scheduled_for is too far ahead")
        return scheduled_for


def _check_version(row: OrderRow, expected: int | None) -> None:
    if expected not in (None, row.version):
        raise Refusal(
            "version_conflict", f"the order is at version {row.version}",
            {"state": row.state, "version": row.version},
        )  # fmt: skip


def _check_price(basket: c.PricedBasket, expected: c.Money, scheduled_for: datetime | None) -> None:
    if expected.currency != basket.currency:
        raise Refusal("currency_mismatch", f"this restaurant charges in {basket.currency}")
    if expected.amount != basket.total:
        raise Refusal(
            "price_changed", "the price has changed; here is the new quote",
            {"quote": msgspec.to_builtins(_quote(basket, scheduled_for))},
        )  # fmt: skip


def _quote(basket: c.PricedBasket, scheduled_for: datetime | None) -> c.Quote:
    return c.Quote(
        restaurant_id=basket.restaurant_id,
        lines=basket.lines,
        subtotal=c.Money(amount=basket.subtotal, currency=basket.currency),
        delivery_fee=c.Money(amount=basket.delivery_fee, currency=basket.currency),
        total=c.Money(amount=basket.total, currency=basket.currency),
        scheduled_for=to_text(scheduled_for) if scheduled_for else None,
        small_order_fee=optional_money(basket.small_order_fee or 0, basket.currency),
        preparation_minutes=basket.preparation_minutes,
        distance_m=basket.distance_m,
        travel_minutes=basket.travel_minutes,
    )


def _cursor(row: OrderRow) -> str:
    return f"{round(row.placed_at.timestamp() * 1_000_000)}-{row.id}"


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NEWEST = (datetime(9999, 1, 1, tzinfo=UTC), 0)


def _before(cursor: str | None) -> tuple[datetime, int]:
    if cursor is None:
        return _NEWEST
    try:
        microseconds, _, order_id = cursor.partition("-")
        moment, number = _EPOCH + timedelta(microseconds=int(microseconds)), int(order_id)
    except (ValueError, OverflowError):
        raise Refusal("invalid_cursor", "not a cursor that a page of orders has given") from None
    if not 0 <= number < 1 << 63:
        raise Refusal("invalid_cursor", "not a cursor that a page of orders has given")
    return moment, number
