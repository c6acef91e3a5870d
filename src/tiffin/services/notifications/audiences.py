"""Who is told what when something has happened: by a table, purely."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Annotated, Literal, NamedTuple

import msgspec

from tiffin.primitives.clock import from_text
from tiffin.rpc import contracts as c
from tiffin.services.notifications.catalogue import Catalogue, CatalogueError

Audience = Literal["customer", "restaurant", "courier"]

OFFERED: Mapping[str, frozenset[str]] = {
    "order": frozenset(("order", "restaurant", "total", "reason")),
    "payment": frozenset(("order", "amount")),
    "case": frozenset(("order", "restaurant", "amount")),
}
"""The variables that an event of a stream has for a template."""


class Tell(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """A row: what one audience is told of one event."""

    on: str
    who: Audience
    template: str
    expires_in_s: Annotated[int, msgspec.Meta(ge=1)]
    to: tuple[str, ...] | None = None
    from_: tuple[str, ...] | None = None
    kinds: tuple[str, ...] | None = None
    because: str | None = None
    to_balance: str | None = None
    urgent: bool = False


class Audiences(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table, and the events nobody needs to hear of."""

    tell: tuple[Tell, ...]
    silent: frozenset[str] = frozenset()


class Notice(NamedTuple):
    """Somebody is to be told something."""

    role: Audience
    person_id: str
    order_id: int
    template: str
    urgent: bool
    variables: dict[str, str]
    created_at: datetime
    """When it happened."""
    expires_at: datetime


def check(audiences: Audiences, catalogue: Catalogue) -> None:
    """`CatalogueError` for templates nobody knows, and for those that need more than the event has."""
    for row in audiences.tell:
        offered = OFFERED.get(row.on.partition(".")[0])
        if offered is None:
            raise CatalogueError(f"audiences.toml: {row.on}: no event of an order, a payment or a case")
        without = offered - {"reason"}
        for name, has in ((row.template, without), (row.because, offered), (row.to_balance, without)):
            if name is None:
                continue
            if name not in catalogue.templates:
                raise CatalogueError(f"audiences.toml: {row.on}: there is no template {name!r}")
            if lacking := set(catalogue.templates[name].variables) - has:
                raise CatalogueError(
                    f"audiences.toml: {row.on}: nothing to put for {', '.join(sorted(lacking))} of {name}"
                )


def after_order_event(audiences: Audiences, event: c.OrderEvent) -> list[Notice]:
    """Who is to be told of what has happened to an order."""
    people: dict[Audience, str | None] = {
        "customer": event.customer_id,
        "restaurant": event.restaurant_id,
        "courier": event.courier_id,
    }
    notices: list[Notice] = []
    for row, person_id in _told(audiences, event, people):
        because = row.because if event.reason else None
        variables = {"order": event.order_id, "restaurant": event.restaurant_id, "total": event.order_id}
        if because and event.reason:
            variables["reason"] = event.reason
        notices.append(_notice(row, person_id, because or row.template, variables, event.order_id, event.at))
    return notices


def after_case_event(audiences: Audiences, event: c.CaseEvent) -> list[Notice]:
    """Who is to be told of what has happened to a case. Its amount is what the customer gets by it."""
    people: dict[Audience, str | None] = {"customer": event.customer_id, "restaurant": event.restaurant_id}
    variables = {
        "order": event.order_id, "restaurant": event.restaurant_id,
        "amount": f"{event.refund.amount} {event.refund.currency}",
    }  # fmt: skip
    return [
        _notice(row, person_id, row.template, variables, event.order_id, event.at)
        for row, person_id in _told(audiences, event, people)
    ]


def after_payment_event(audiences: Audiences, event: c.PaymentEvent, customer_id: str) -> list[Notice]:
    """Who is to be told of what has happened to a payment of this customer's. Of a refund: its own amount."""
    money = event.refund_amount or event.amount
    by_balance = "balance" in (event.refund_provider, event.provider)
    variables = {"order": event.order_id, "amount": f"{money.amount} {money.currency}"}
    return [
        _notice(
            row,
            customer_id,
            (by_balance and row.to_balance) or row.template,
            variables,
            event.order_id,
            event.at,
        )
        for row in audiences.tell
        if row.on == event.type and row.who == "customer"
    ][:1]


def _told(
    audiences: Audiences, event: c.OrderEvent | c.CaseEvent, people: dict[Audience, str | None]
) -> Iterator[tuple[Tell, str]]:
    """For each of these people the first row that fits, unless it is about what they did themselves."""
    for row in audiences.tell:
        person_id = people.get(row.who)
        if person_id is None or not _fits(row, event):
            continue
        people[row.who] = None
        if (event.actor.role, event.actor.id) != (row.who, person_id):
            yield row, person_id


def _fits(row: Tell, event: c.OrderEvent | c.CaseEvent) -> bool:
    return (
        row.on == event.type
        and (row.to is None or event.to_state in row.to)
        and (row.from_ is None or event.from_state in row.from_)
        and (row.kinds is None or getattr(event, "kind", None) in row.kinds)
    )


def _notice(
    row: Tell, person_id: str, template: str, variables: dict[str, str], order_id: str, at: str
) -> Notice:
    happened = from_text(at)
    expires_at = happened + timedelta(seconds=row.expires_in_s)
    return Notice(row.who, person_id, int(order_id), template, row.urgent, variables, happened, expires_at)
