"""The forward flow's rules, written down a second time: from what people expect, not from the state table.

Tests hold the state table, the stored history and the model against this list.
"""

from typing import NamedTuple

STATES = (
    "awaiting_payment", "scheduled", "awaiting_acceptance", "preparing", "ready", "delivering", "delivered",
    "completed", "cancelled",
)  # fmt: skip
ROLES = ("customer", "restaurant", "courier", "operator", "system")
EVENTS = (
    "placed", "paid", "payment_expired", "released", "accepted", "rejected", "acceptance_expired", "prepared",
    "courier_assigned", "picked_up", "delivered", "overdue", "completed", "cancelled", "called_off",
)  # fmt: skip
FINAL = ("completed", "cancelled")


class Rule(NamedTuple):
    """Who may say that what has happened in which state; `only_if` names a condition, `due` a deadline."""

    state: str
    event: str
    role: str
    target: str
    due: str = "none"
    only_if: str = ""


PLACED = (
    ("online", "now", "awaiting_payment", "pay"),
    ("online", "later", "awaiting_payment", "pay"),
    ("cash", "later", "scheduled", "release"),
    ("cash", "now", "awaiting_acceptance", "accept"),
)
"""How an order is paid, for when it is, where it begins, what is due first."""

RULES = tuple(
    Rule(*line)
    for line in (
        ("awaiting_payment", "paid", "system", "scheduled", "release", "later"),
        ("awaiting_payment", "paid", "system", "awaiting_acceptance", "accept", "now"),
        ("awaiting_payment", "payment_expired", "system", "cancelled"),
        ("awaiting_payment", "cancelled", "customer", "cancelled"),
        ("awaiting_payment", "cancelled", "operator", "cancelled"),
        ("awaiting_payment", "cancelled", "system", "cancelled"),
        #
        ("scheduled", "released", "system", "awaiting_acceptance", "accept"),
        ("scheduled", "released", "operator", "awaiting_acceptance", "accept"),
        ("scheduled", "rejected", "restaurant", "cancelled"),
        ("scheduled", "rejected", "operator", "cancelled"),
        ("scheduled", "cancelled", "customer", "cancelled"),
        ("scheduled", "cancelled", "operator", "cancelled"),
        ("scheduled", "cancelled", "system", "cancelled"),
        ("scheduled", "called_off", "system", "cancelled"),
        #
        ("awaiting_acceptance", "accepted", "restaurant", "preparing", "prepare"),
        ("awaiting_acceptance", "accepted", "operator", "preparing", "prepare"),
        ("awaiting_acceptance", "rejected", "restaurant", "cancelled"),
        ("awaiting_acceptance", "rejected", "operator", "cancelled"),
        ("awaiting_acceptance", "acceptance_expired", "system", "cancelled"),
        ("awaiting_acceptance", "courier_assigned", "operator", "awaiting_acceptance", "unchanged"),
        ("awaiting_acceptance", "cancelled", "customer", "cancelled"),
        ("awaiting_acceptance", "cancelled", "operator", "cancelled"),
        ("awaiting_acceptance", "cancelled", "system", "cancelled"),
        ("awaiting_acceptance", "called_off", "system", "cancelled"),
        #
        ("preparing", "prepared", "restaurant", "ready", "pick up"),
        ("preparing", "prepared", "operator", "ready", "pick up"),
        ("preparing", "courier_assigned", "courier", "preparing", "unchanged", "nobody else's"),
        ("preparing", "courier_assigned", "operator", "preparing", "unchanged"),
        ("preparing", "overdue", "system", "preparing"),
        ("preparing", "cancelled", "customer", "cancelled", "none", "in the first minute"),
        ("preparing", "cancelled", "operator", "cancelled"),
        ("preparing", "cancelled", "system", "cancelled"),
        ("preparing", "called_off", "system", "cancelled"),
        #
        ("ready", "courier_assigned", "courier", "ready", "unchanged", "nobody else's"),
        ("ready", "courier_assigned", "operator", "ready", "unchanged"),
        ("ready", "picked_up", "courier", "delivering", "deliver", "theirs"),
        ("ready", "picked_up", "operator", "delivering", "deliver", "somebody's"),
        ("ready", "overdue", "system", "ready"),
        ("ready", "cancelled", "operator", "cancelled"),
        ("ready", "cancelled", "system", "cancelled"),
        ("ready", "called_off", "system", "cancelled"),
        #
        ("delivering", "delivered", "courier", "delivered", "complete", "theirs"),
        ("delivering", "delivered", "operator", "delivered", "complete"),
        ("delivering", "courier_assigned", "operator", "delivering", "unchanged"),
        ("delivering", "overdue", "system", "delivering"),
        ("delivering", "cancelled", "operator", "cancelled"),
        ("delivering", "cancelled", "system", "cancelled"),
        ("delivering", "called_off", "system", "cancelled"),
        #
        ("delivered", "completed", "customer", "completed"),
        ("delivered", "completed", "operator", "completed"),
        ("delivered", "completed", "system", "completed"),
    )
)

STEPS = {(rule.state, rule.event, rule.target) for rule in RULES} | {
    (None, "placed", target) for _, _, target, _ in PLACED
}
"""Every step that a history may contain: from, event, to."""

ON_TIME = {
    "awaiting_payment": "payment_expired", "scheduled": "released",
    "awaiting_acceptance": "acceptance_expired", "preparing": "overdue", "ready": "overdue",
    "delivering": "overdue", "delivered": "completed",
}  # fmt: skip
"""What the platform says when a state has lasted too long."""

DUE_S = {
    "pay": 15 * 60, "accept": 5 * 60, "prepare": 2 * 3600, "pick up": 2 * 3600, "deliver": 3 * 3600,
    "complete": 24 * 3600,
}  # fmt: skip
"""Seconds until the platform acts by itself. "release" is so long before the scheduled time:"""
RELEASE_BEFORE_S = 50 * 60
