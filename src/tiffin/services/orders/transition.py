"""What an event does to an order: pure, by the state table alone."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from tiffin.primitives.clock import to_text
from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.services.orders.order import OrderRow
from tiffin.services.orders.policy import Policy, deadline, release_at
from tiffin.services.orders.states import EVENTS, WHO, Edge, Guard, edges_from


class Command(NamedTuple):
    """Somebody says that something has happened to an order."""

    event: str
    caller: c.Caller
    request_id: str
    reason: str | None = None
    courier_id: str | None = None


class Moved(NamedTuple):
    """The order after an event, and the event as the log gets it."""

    row: OrderRow
    was_due_at: datetime | None
    """The deadline the order had before, which is over now unless it is the row's."""
    type: str
    data: str
    trace: str


def _for_later(row: OrderRow, _: Command, policy: Policy, now: datetime) -> bool:
    return row.scheduled_for is not None and release_at(policy, row.scheduled_for) > now


GUARDS: Mapping[Guard, Callable[[OrderRow, Command, Policy, datetime], bool]] = {
    "prepaid": lambda row, command, policy, now: row.payment_method == "online",
    "for_later": _for_later,
    "for_now": lambda row, command, policy, now: not _for_later(row, command, policy, now),
    "in_free_time": lambda row, command, policy, now: (
        row.accepted_at is not None and now <= row.accepted_at + timedelta(seconds=policy.free_cancellation_s)
    ),
    "unclaimed": lambda row, command, policy, now: row.courier_id in (None, command.caller.id),
    "has_courier": lambda row, command, policy, now: row.courier_id is not None,
    "own_delivery": lambda row, command, policy, now: row.courier_id == command.caller.id,
}
"""What a guard asks of the order, of the command, of the policy, and of the moment."""

_encoder = msgspec.json.Encoder()


def place(row: OrderRow, command: Command, policy: Policy) -> Moved:
    """A new order in its first state. `row` carries everything but state and deadline."""
    edge = next(
        edge for edge in edges_from(None, "placed") if _holds(edge, row, command, policy, row.placed_at)
    )
    return _move(row._replace(version=0), None, edge, command, policy, row.placed_at)


def advance(row: OrderRow, command: Command, policy: Policy, now: datetime) -> Moved:
    """The order after an event. Refuses what the table does not allow, and says what it would."""
    edge = choose(row, command, policy, now)
    return _move(row, row.state, edge, command, policy, now)


def choose(row: OrderRow, command: Command, policy: Policy, now: datetime) -> Edge:
    """The edge that an event takes. `Refusal` if there is none for this caller now."""
    if command.event not in EVENTS:
        raise Refusal("unknown_event", f"{command.event!r} is no event of an order")
    edges = edges_from(row.state, command.event)
    if not edges:
        raise Refusal(
            "wrong_state", f"an order that is {row.state} cannot be {command.event}", _as_it_is(row)
        )
    mine = [edge for edge in edges if command.caller.role in edge.who]
    if not mine and command.caller.role not in WHO[command.event]:
        raise Refusal("forbidden", f"a {command.caller.role} cannot say that an order is {command.event}")
    for edge in mine:
        if _holds(edge, row, command, policy, now):
            return edge
    if any(guard in ("own_delivery", "unclaimed") for edge in mine for guard in edge.guards):
        raise Refusal("not_your_delivery", "the delivery is another courier's")
    raise Refusal("wrong_state", f"the order can no longer be {command.event}", _as_it_is(row))


def _holds(edge: Edge, row: OrderRow, command: Command, policy: Policy, now: datetime) -> bool:
    return all(GUARDS[guard](row, command, policy, now) for guard in edge.guards)


def _as_it_is(row: OrderRow) -> dict[str, object]:
    return {"state": row.state, "version": row.version}


def _assigned(command: Command) -> str:
    """The courier that `courier_assigned` names. A courier takes deliveries for themselves alone."""
    caller = command.caller
    if caller.role == "courier":
        if command.courier_id not in (None, caller.id):
            raise Refusal("forbidden", "a courier cannot take a delivery for another one")
        return caller.id
    if command.courier_id is None:
        raise Refusal("invalid_request", "which courier? courier_id is missing")
    return command.courier_id


def _move(
    row: OrderRow, source: str | None, edge: Edge, command: Command, policy: Policy, now: datetime
) -> Moved:
    due_at = row.due_at
    if edge.starts != "same":
        due_at = deadline(policy, edge.starts, now, row.scheduled_for) if edge.starts else None
    courier_id = _assigned(command) if edge.event == "courier_assigned" else row.courier_id
    moved = row._replace(
        state=edge.target,
        version=row.version + 1,
        updated_at=now,
        due_at=due_at,
        accepted_at=now if edge.event == "accepted" else row.accepted_at,
        courier_id=courier_id,
        reason=(command.reason or edge.event) if edge.target == "cancelled" else row.reason,
    )
    event = c.OrderEvent(
        order_id=str(row.id),
        version=moved.version,
        type=f"order.{edge.event}",
        from_state=source,
        to_state=edge.target,
        # who of a restaurant's staff it was is nobody else's business, and the log forgets no person
        actor=c.Caller(role=command.caller.role, id=command.caller.id),
        reason=command.reason,
        at=to_text(now),
        request_id=command.request_id,
        customer_id=row.customer_id,
        restaurant_id=row.restaurant_id,
        courier_id=courier_id,
    )
    return Moved(moved, row.due_at, event.type, _encoder.encode(event).decode(), command.request_id)
