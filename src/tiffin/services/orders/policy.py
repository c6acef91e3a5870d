"""How long each wait lasts. Data that a market can change; seconds."""

from datetime import datetime, timedelta

import msgspec

from tiffin.services.orders.states import Wait


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The deadlines of the forward flow, in seconds."""

    payment_s: int = 15 * 60
    """An unpaid order is cancelled."""
    acceptance_s: int = 5 * 60
    """An order the restaurant does not answer is cancelled."""
    free_cancellation_s: int = 60
    """So long after acceptance the customer may still cancel."""
    preparation_s: int = 2 * 60 * 60
    """A kitchen later than this raises `order.overdue`."""
    pickup_s: int = 2 * 60 * 60
    """Packed food nobody comes for raises `order.overdue`."""
    delivery_s: int = 3 * 60 * 60
    """A courier on the road for longer raises `order.overdue`."""
    completion_s: int = 24 * 60 * 60
    """A delivered order completes by itself."""
    schedule_lead_s: int = 50 * 60
    """A scheduled order goes to the restaurant so long before its time."""
    schedule_ahead_max_s: int = 7 * 24 * 60 * 60
    """Nobody can order further ahead than this."""
    hold_margin_s: int = 5 * 60
    """Held portions outlive the deadline of the order that holds them by so much."""


def release_at(policy: Policy, scheduled_for: datetime) -> datetime:
    """When a scheduled order goes to its restaurant."""
    return scheduled_for - timedelta(seconds=policy.schedule_lead_s)


def deadline(policy: Policy, wait: Wait, now: datetime, scheduled_for: datetime | None) -> datetime:
    """When a wait that begins now is over."""
    if wait == "release":
        assert scheduled_for is not None
        return release_at(policy, scheduled_for)
    seconds: int = getattr(policy, f"{wait}_s")
    return now + timedelta(seconds=seconds)
