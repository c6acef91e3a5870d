"""The orders service as a few dictionaries: what people expect of it, without a database."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from order_rules import DUE_S, EVENTS, FINAL, ON_TIME, PLACED, RELEASE_BEFORE_S, RULES, Rule


class Said(NamedTuple):
    """An event of an order, as its history tells it."""

    version: int
    source: str | None
    event: str
    target: str
    role: str
    caller_id: str
    reason: str | None


@dataclass
class ModelOrder:
    """An order and all that has happened to it."""

    customer: str
    restaurant: str
    payment_method: str
    scheduled_for: datetime | None
    state: str
    due_at: datetime | None
    updated_at: datetime
    accepted_at: datetime | None = None
    courier: str | None = None
    reason: str | None = None
    history: list[Said] = field(default_factory=list[Said])

    @property
    def version(self) -> int:
        return len(self.history)

    def is_for_later(self, now: datetime) -> bool:
        return (
            self.scheduled_for is not None and self.scheduled_for - timedelta(seconds=RELEASE_BEFORE_S) > now
        )

    def due(self, kind: str, now: datetime) -> datetime | None:
        """The deadline of a kind that begins now."""
        if kind == "unchanged":
            return self.due_at
        if kind == "release":
            assert self.scheduled_for is not None
            return self.scheduled_for - timedelta(seconds=RELEASE_BEFORE_S)
        return None if kind == "none" else now + timedelta(seconds=DUE_S[kind])

    def is_visible_to(self, role: str, caller_id: str) -> bool:
        if role == "customer":
            return caller_id == self.customer
        if role == "restaurant":
            return caller_id == self.restaurant
        if role == "courier":
            return self.courier == caller_id or (
                self.courier is None and self.state in ("preparing", "ready")
            )
        return True

    def meets(self, condition: str, caller_id: str, now: datetime) -> bool:
        return {
            "": True,
            "later": self.is_for_later(now),
            "now": not self.is_for_later(now),
            "nobody else's": self.courier in (None, caller_id),
            "theirs": self.courier == caller_id,
            "somebody's": self.courier is not None,
            "in the first minute": self.accepted_at is not None
            and now - self.accepted_at <= timedelta(seconds=60),
        }[condition]

    def rule_for(self, event: str, role: str, caller_id: str, now: datetime) -> Rule | str:
        """The rule by which this may be said now, or the code with which it is refused."""
        if event not in EVENTS:
            return "unknown_event"
        in_state = [rule for rule in RULES if (rule.state, rule.event) == (self.state, event)]
        if not in_state:
            return "wrong_state"
        of_role = [rule for rule in in_state if rule.role == role]
        if not of_role:
            ever = any((rule.event, rule.role) == (event, role) for rule in RULES)
            return "wrong_state" if ever else "forbidden"
        for rule in of_role:
            if self.meets(rule.only_if, caller_id, now):
                return rule
        return "not_your_delivery" if of_role[0].only_if in ("theirs", "nobody else's") else "wrong_state"

    def say(
        self,
        event: str,
        role: str,
        caller_id: str,
        now: datetime,
        *,
        courier_id: str | None = None,
        reason: str | None = None,
        expected_version: int | None = None,
    ) -> str | None:
        """Somebody says that something has happened: it has, or the code of the refusal."""
        if not self.is_visible_to(role, caller_id):
            return "order_not_found"
        if expected_version not in (None, self.version):
            return "version_conflict"
        rule = self.rule_for(event, role, caller_id, now)
        if isinstance(rule, str):
            return rule
        if event == "courier_assigned":
            if role == "courier":
                if courier_id not in (None, caller_id):
                    return "forbidden"
                courier_id = caller_id
            if courier_id is None:
                return "invalid_request"
            self.courier = courier_id
        self.history.append(Said(self.version + 1, self.state, event, rule.target, role, caller_id, reason))
        self.due_at = self.due(rule.due, now)
        self.state, self.updated_at = rule.target, now
        if event == "accepted":
            self.accepted_at = now
        if self.state == "cancelled":
            self.reason = reason or event
        return None

    def pass_deadline(self, now: datetime) -> bool:
        """What the platform says by itself, if it is time."""
        if self.state in FINAL or self.due_at is None or self.due_at > now:
            return False
        assert self.say(ON_TIME[self.state], "system", "deadlines", now) is None
        return True


def place(
    customer: str, restaurant: str, payment_method: str, scheduled_for: datetime | None, now: datetime
) -> ModelOrder:
    """A new order."""
    order = ModelOrder(customer, restaurant, payment_method, scheduled_for, "", None, now)
    when = "later" if order.is_for_later(now) else "now"
    (state, due) = next((state, due) for how, at, state, due in PLACED if (how, at) == (payment_method, when))
    order.state, order.due_at = state, order.due(due, now)
    order.history.append(Said(1, None, "placed", state, "customer", customer, None))
    return order
