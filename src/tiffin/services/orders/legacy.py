"""Orders of another system: as rows here, as they came, and what news of one changes. Pure."""

from datetime import UTC, datetime
from typing import Literal, NamedTuple

import msgspec

from tiffin.primitives.clock import from_text, to_text
from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.services.orders.order import ELSEWHERE, Details, OrderRow, Origin, details_of
from tiffin.services.orders.policy import Policy, deadline
from tiffin.services.orders.states import TERMINAL, WAIT_IN, State
from tiffin.services.orders.transition import Command, Moved
from tiffin.sharding.order_id import customer_shard

Outcome = Literal["made", "changed", "same", "stale"]

_NO_ADDRESS, _FREE_TEXT, _ERASED = "none", "legacy", "erased"
"""Ids of addresses: the old system has told none; it has told one; the customer was forgotten."""
_UNKNOWN = "-"
_NO_PLACE = c.Place(latitude=0, longitude=0)
_encode = msgspec.json.Encoder().encode


class Adoption(NamedTuple):
    """The next version of an adopted order, its event, and in whose hand it is then."""

    moved: Moved
    source: str
    is_held: bool
    is_open: bool
    at: datetime


def key_of(source: str, legacy_id: str) -> str:
    """What an old id is sharded by."""
    return f"{source}:{legacy_id}"


def idempotency_key(source: str, legacy_id: str) -> str:
    """The last guard against a second order. With blanks: no customer can name a key like it."""
    return f"legacy {source} {legacy_id}"


def check_ours(row: OrderRow) -> None:
    """Refuse to move an order about which another system decides."""
    if row.payment_method == ELSEWHERE and (origin := details_of(row).origin) and origin.held:
        raise Refusal(
            "held_elsewhere", f"the order is still in the hands of {origin.source}",
            {"source": origin.source, "legacy_id": origin.legacy_id},
        )  # fmt: skip


def adopt(
    row: OrderRow | None, order_id: int, source: str, told: c.LegacyOrder, repair: bool, command: Command,
    now: datetime,
) -> tuple[Outcome, Adoption | None]:  # fmt: skip
    """What the old system's word makes of an order: `row` as it is here, if it is. None: nothing to write.

    `Refusal`: `invalid_legacy_order`, `parties_changed`, `taken_over`. With `repair` the word counts whatever
    its revision.
    """
    if row is None:
        made = _row(None, order_id, source, told, told.revision)
        return "made", _adoption(None, made, "adopted", command, now)
    details = details_of(row)
    origin = details.origin
    if origin is None or (row.customer_id, row.restaurant_id) != (told.customer_id, told.restaurant_id):
        raise Refusal("parties_changed", "an order keeps its customer and its restaurant")
    if not origin.held:
        raise Refusal("taken_over", "the platform decides about this order now")
    if told.revision < origin.revision and not repair:
        return "stale", None
    revision = max(told.revision, origin.revision)
    as_before = _row(row, order_id, source, told, origin.revision)
    is_same = as_before._replace(version=row.version) == row
    if is_same and revision == origin.revision:
        return "same", None
    after = _row(row, order_id, source, told, revision)
    return "same" if is_same else "changed", _adoption(row, after, "adopted", command, now)


def take_over(row: OrderRow, policy: Policy, command: Command, now: datetime) -> Adoption | None:
    """The platform decides from now on; the deadline of the state begins. None: it does already."""
    return _hand(row, "taken_over", False, policy, command, now)


def hand_back(row: OrderRow, policy: Policy, command: Command, now: datetime) -> Adoption | None:
    """The old system decides again. None: it does already."""
    return _hand(row, "handed_back", True, policy, command, now)


def disown(row: OrderRow, command: Command, now: datetime) -> Adoption:
    """The end of an adopted order here. `Refusal`: `taken_over`."""
    origin = details_of(row).origin
    if origin is None or not origin.held:
        raise Refusal("taken_over", "the platform decides about this order now")
    return _adoption(row, row._replace(version=row.version + 1), "disowned", command, now)


def as_adopted(row: OrderRow) -> c.AsAdopted | None:
    """An adopted order in the terms in which it came; None of any other. Times to the microsecond."""
    details = details_of(row)
    origin = details.origin
    if origin is None:
        return None
    return c.AsAdopted(
        order_id=str(row.id),
        held=origin.held,
        erased=details.address.id == _ERASED,
        order=c.LegacyOrder(
            legacy_id=origin.legacy_id, revision=origin.revision, customer_id=row.customer_id,
            restaurant_id=row.restaurant_id, state=row.state, placed_at=row.placed_at.isoformat(),
            updated_at=row.updated_at.isoformat(), subtotal=details.subtotal,
            delivery_fee=details.delivery_fee, total=row.total, currency=row.currency,
            payment_method=origin.paid_by,
            lines=[
                c.LegacyLine(name=line.name, quantity=line.quantity, unit_price=line.unit_price)
                for line in details.lines
            ],
            address=_told_address(details.address), courier_id=row.courier_id, reason=row.reason,
            note=details.note, scheduled_for=row.scheduled_for.isoformat() if row.scheduled_for else None,
        ),
    )  # fmt: skip


def _row(row: OrderRow | None, order_id: int, source: str, told: c.LegacyOrder, revision: int) -> OrderRow:
    """The order as the old system tells it, at the version after `row`'s."""
    placed_at, updated_at = _moment(told.placed_at, "placed_at"), _moment(told.updated_at, "updated_at")
    scheduled_for = _moment(told.scheduled_for, "scheduled_for") if told.scheduled_for else None
    if told.state == "scheduled" and scheduled_for is None:
        raise Refusal("invalid_legacy_order", "a scheduled order needs scheduled_for")
    return OrderRow(
        shard=customer_shard(order_id), id=order_id, customer_id=told.customer_id,
        restaurant_id=told.restaurant_id, state=told.state, version=row.version + 1 if row else 1,
        placed_at=placed_at, updated_at=updated_at, due_at=None, scheduled_for=scheduled_for,
        accepted_at=row.accepted_at if row else None, payment_method=ELSEWHERE, total=told.total,
        currency=told.currency, courier_id=told.courier_id, reason=told.reason,
        details=_encode(_details(row, source, told, revision)).decode(),
        idempotency_key=row.idempotency_key if row else idempotency_key(source, told.legacy_id),
        request_hash=row.request_hash if row else b"",
    )  # fmt: skip


def _details(row: OrderRow | None, source: str, told: c.LegacyOrder, revision: int) -> Details:
    address, note = _address(told.address), told.note
    if row is not None and (was := details_of(row)).address.id == _ERASED:
        address, note = was.address, was.note
    return Details(
        lines=[
            c.PricedLine(
                item_id="legacy", name=line.name, quantity=line.quantity, unit_price=line.unit_price,
                total=line.quantity * line.unit_price,
            )
            for line in told.lines or ()
        ],
        subtotal=told.subtotal, delivery_fee=told.delivery_fee, address=address, note=note,
        origin=Origin(
            source=source, legacy_id=told.legacy_id, revision=revision, paid_by=told.payment_method
        ),
    )  # fmt: skip


def _hand(
    row: OrderRow, event: str, is_held: bool, policy: Policy, command: Command, now: datetime
) -> Adoption | None:
    details = details_of(row)
    if details.origin is None or details.origin.held == is_held:
        return None
    origin = msgspec.structs.replace(details.origin, held=is_held)
    due_at = None
    if not is_held and row.state in WAIT_IN:
        due_at = deadline(policy, WAIT_IN[row.state], now, row.scheduled_for)
    after = row._replace(
        version=row.version + 1,
        due_at=due_at,
        details=_encode(msgspec.structs.replace(details, origin=origin)).decode(),
    )
    return _adoption(row, after, event, command, now)


def _adoption(row: OrderRow | None, after: OrderRow, event: str, command: Command, now: datetime) -> Adoption:
    origin = details_of(after).origin
    assert origin is not None
    happened = c.OrderEvent(
        order_id=str(after.id), version=after.version, type=f"order.{event}",
        from_state=row.state if row else None, to_state=after.state,
        actor=c.Caller(role=command.caller.role, id=command.caller.id), reason=after.reason, at=to_text(now),
        request_id=command.request_id, customer_id=after.customer_id, restaurant_id=after.restaurant_id,
        courier_id=after.courier_id,
    )  # fmt: skip
    moved = Moved(
        after, row.due_at if row else None, happened.type, _encode(happened).decode(), command.request_id
    )
    is_open = event != "disowned" and _is_open(after.state)
    return Adoption(moved, origin.source, origin.held, is_open, now)


def _is_open(state: State) -> bool:
    return state not in TERMINAL


def _moment(text: str, field: str) -> datetime:
    try:
        return from_text(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Refusal(
            "invalid_legacy_order", f"{field} is not an RFC 3339 time with a zone: {text!r}"
        ) from None


def _address(told: c.LegacyAddress | None) -> c.Address:
    if told is None:
        return c.Address(id=_NO_ADDRESS, label=_NO_ADDRESS, street=_UNKNOWN, city=_UNKNOWN, place=_NO_PLACE)
    return c.Address(
        id=_FREE_TEXT, label=_FREE_TEXT, street=told.street, city=told.city or _UNKNOWN,
        place=told.place or _NO_PLACE,
    )  # fmt: skip


def _told_address(address: c.Address) -> c.LegacyAddress | None:
    if address.id != _FREE_TEXT:
        return None
    return c.LegacyAddress(
        street=address.street,
        city=None if address.city == _UNKNOWN else address.city,
        place=None if address.place == _NO_PLACE else address.place,
    )
