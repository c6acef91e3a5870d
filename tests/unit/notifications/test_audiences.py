"""Who is told what, against a table written independently of the one shipped."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path

import pytest

from tiffin.rpc import contracts as c
from tiffin.services.notifications.audiences import (
    Audiences,
    Tell,
    after_case_event,
    after_order_event,
    after_payment_event,
)
from tiffin.services.notifications.loading import load_catalogue
from tiffin.services.orders.states import EDGES, EVENTS
from tiffin.services.payments.states import EventType
from tiffin.services.reverse.kinds import RULES, Kind
from tiffin.services.reverse.states import EDGES as CASE_EDGES
from tiffin.services.reverse.states import EVENTS as CASE_EVENTS

_, AUDIENCES = load_catalogue("en")
AT = datetime(2026, 6, 1, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Told:
    """What each audience hears, by template; None: nothing."""

    customer: str | None = None
    restaurant: str | None = None
    courier: str | None = None


NOBODY = Told()
EXPECTED: dict[tuple[str | None, str, str], Told] = {
    (None, "placed", "awaiting_payment"): NOBODY,
    (None, "placed", "scheduled"): NOBODY,
    (None, "placed", "awaiting_acceptance"): NOBODY,
    ("awaiting_payment", "paid", "scheduled"): Told(customer="order_paid"),
    ("awaiting_payment", "paid", "awaiting_acceptance"): Told(customer="order_paid"),
    ("awaiting_payment", "payment_expired", "cancelled"): Told(customer="order_payment_expired"),
    ("awaiting_payment", "cancelled", "cancelled"): Told(customer="order_cancelled"),
    ("scheduled", "released", "awaiting_acceptance"): NOBODY,
    ("scheduled", "rejected", "cancelled"): Told(customer="order_rejected"),
    ("scheduled", "cancelled", "cancelled"): Told(customer="order_cancelled"),
    ("awaiting_acceptance", "accepted", "preparing"): Told(customer="order_accepted"),
    ("awaiting_acceptance", "rejected", "cancelled"): Told(
        customer="order_rejected", courier="courier_called_off"
    ),
    ("awaiting_acceptance", "acceptance_expired", "cancelled"): Told(
        "order_unanswered", "kitchen_missed_order", "courier_called_off"
    ),
    ("awaiting_acceptance", "courier_assigned", "awaiting_acceptance"): Told(courier="courier_assigned"),
    ("awaiting_acceptance", "cancelled", "cancelled"): Told(
        "order_cancelled", "kitchen_called_off", "courier_called_off"
    ),
    ("preparing", "prepared", "ready"): Told(courier="courier_food_ready"),
    ("preparing", "courier_assigned", "preparing"): Told(courier="courier_assigned"),
    ("preparing", "overdue", "preparing"): Told(customer="order_late", restaurant="kitchen_overdue"),
    ("preparing", "cancelled", "cancelled"): Told(
        "order_cancelled", "kitchen_called_off", "courier_called_off"
    ),
    ("ready", "courier_assigned", "ready"): Told(courier="courier_assigned"),
    ("ready", "picked_up", "delivering"): Told(customer="order_on_its_way"),
    ("ready", "overdue", "ready"): Told(customer="order_late"),
    ("ready", "cancelled", "cancelled"): Told("order_cancelled", "kitchen_called_off", "courier_called_off"),
    ("delivering", "delivered", "delivered"): Told(customer="order_delivered"),
    ("delivering", "courier_assigned", "delivering"): Told(courier="courier_assigned"),
    ("delivering", "overdue", "delivering"): Told(customer="order_late"),
    ("delivering", "cancelled", "cancelled"): Told(
        "order_cancelled", "kitchen_called_off", "courier_called_off"
    ),
    ("delivered", "completed", "completed"): NOBODY,
    ("scheduled", "called_off", "cancelled"): Told(customer="order_called_off"),
    **{
        (state, "called_off", "cancelled"): Told(
            "order_called_off", "kitchen_called_off", "courier_called_off"
        )
        for state in ("awaiting_acceptance", "preparing", "ready", "delivering")
    },
}
BECAUSE = {"order_rejected": "order_rejected_because", "order_cancelled": "order_cancelled_because"}
IDS = {"customer": "ana", "restaurant": "al-dente", "courier": "kim"}


def happened(
    source: str | None, event: str, target: str, actor: str = "system", reason: str | None = None
) -> c.OrderEvent:
    return c.OrderEvent(
        order_id="1074125991", version=3, type=f"order.{event}", from_state=source, to_state=target,
        actor=c.Caller(role=actor, id=IDS.get(actor, "x")), reason=reason, at="2026-06-01T12:00:00.000Z",
        request_id="r", customer_id=IDS["customer"], restaurant_id=IDS["restaurant"],
        courier_id=IDS["courier"],
    )  # fmt: skip


def told(event: c.OrderEvent) -> Told:
    notices = after_order_event(AUDIENCES, event)
    assert all(notice.person_id == IDS[notice.role] for notice in notices)
    heard = {notice.role: notice.template for notice in notices}
    assert len(heard) == len(notices)
    return Told(**heard)


@pytest.mark.parametrize("edge", sorted({(e.source, e.event, e.target) for e in EDGES}, key=str), ids=str)
@pytest.mark.parametrize("reason", [None, "closing early"])
def test_each_audience_is_told_of_each_transition(
    edge: tuple[str | None, str, str], reason: str | None
) -> None:
    expected = EXPECTED[edge]
    if reason and edge[1] != "called_off":  # a case's reason is no words for people
        expected = Told(
            BECAUSE.get(expected.customer or "", expected.customer), expected.restaurant, expected.courier
        )
    assert told(happened(*edge, reason=reason)) == expected


@pytest.mark.parametrize("actor", ["customer", "restaurant", "courier"])
@pytest.mark.parametrize("edge", sorted(EXPECTED, key=str), ids=str)
def test_nobody_is_told_of_what_they_did_themselves(edge: tuple[str | None, str, str], actor: str) -> None:
    expected = {**EXPECTED[edge].__dict__, actor: None}
    assert told(happened(*edge, actor=actor)) == Told(**expected)


def test_of_two_rows_that_fit_the_first_counts() -> None:
    rows = (
        Tell(on="order.accepted", who="customer", template="first", expires_in_s=1, to=("ready",)),
        Tell(on="order.accepted", who="customer", template="second", expires_in_s=1),
        Tell(on="order.accepted", who="customer", template="third", expires_in_s=1),
    )
    event = happened("awaiting_acceptance", "accepted", "preparing")
    assert [each.template for each in after_order_event(Audiences(tell=rows), event)] == ["second"]


def test_without_a_courier_none_is_told() -> None:
    event = happened("preparing", "cancelled", "cancelled")
    event.courier_id = None
    assert told(event) == Told("order_cancelled", "kitchen_called_off")


def test_the_table_knows_every_event_there_is() -> None:
    events = {f"order.{event}" for event in EVENTS} | set(EventType.__args__)
    events |= {f"case.{event}" for event in CASE_EVENTS}
    known = {row.on for row in AUDIENCES.tell} | AUDIENCES.silent
    assert known == events


NEW_TO_A_RESTAURANT = (
    (None, "placed", "awaiting_acceptance"),
    ("awaiting_payment", "paid", "awaiting_acceptance"),
    ("scheduled", "released", "awaiting_acceptance"),
)


def test_the_rows_for_restaurants_without_a_screen_tell_them_of_every_new_order(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "notifications.md").read_text("utf-8")
    (rows,) = re.findall(r"```toml\n(\[\[tell\]\].*?)```", page, re.DOTALL)
    shipped = files("tiffin.services.notifications").joinpath("words", "audiences.toml").read_text("utf-8")
    (tmp_path / "audiences.toml").write_text(f"{shipped}\n{rows}", "utf-8")
    _, audiences = load_catalogue("en", tmp_path)
    for edge, usually in EXPECTED.items():
        heard = {each.role: each.template for each in after_order_event(audiences, happened(*edge))}
        expected = "kitchen_new_order" if edge in NEW_TO_A_RESTAURANT else usually.restaurant
        assert heard.get("restaurant") == expected


def test_a_reason_is_told_word_for_word_and_only_where_there_is_one() -> None:
    (notice,) = [
        each
        for each in after_order_event(
            AUDIENCES, happened("scheduled", "rejected", "cancelled", reason="out of dough")
        )
        if each.role == "customer"
    ]
    assert notice.variables["reason"] == "out of dough"


def test_a_message_expires_counted_from_its_event() -> None:
    (notice,) = after_order_event(AUDIENCES, happened("ready", "picked_up", "delivering"))
    assert (notice.created_at, notice.expires_at) == (AT, AT + timedelta(minutes=30))
    assert notice.urgent


@pytest.mark.parametrize(
    ("type_", "template"),
    [
        ("payment.started", None), ("payment.succeeded", None), ("payment.declined", "payment_declined"),
        ("payment.refund_started", None), ("payment.refunded", "payment_refunded"),
        ("payment.authorised", None), ("payment.capture_started", None), ("payment.void_started", None),
        ("payment.voided", None), ("payment.collected", None), ("payment.refund_failed", None),
    ],
)  # fmt: skip
def test_the_customer_is_told_of_payments_that_need_it(type_: str, template: str | None) -> None:
    event = c.PaymentEvent(
        payment_id="7-a", order_id="7", version=2, type=type_, amount=c.Money(amount=1250, currency="EUR"),
        at="2026-06-01T12:00:00.000Z", request_id="r",
    )  # fmt: skip
    notices = after_payment_event(AUDIENCES, event, "ana")
    assert [notice.template for notice in notices] == ([template] if template else [])
    assert all((each.role, each.person_id) == ("customer", "ana") for each in notices)
    assert all(each.variables == {"order": "7", "amount": "1250 EUR"} for each in notices)


def test_of_a_refund_in_part_the_customer_is_told_what_came_back() -> None:
    event = c.PaymentEvent(
        payment_id="7-a", order_id="7", version=5, type="payment.refunded",
        amount=c.Money(amount=1250, currency="EUR"), at="2026-06-01T12:00:00.000Z", request_id="r",
        refund_id="7-a-r", refund_amount=c.Money(amount=300, currency="EUR"),
    )  # fmt: skip
    (notice,) = after_payment_event(AUDIENCES, event, "ana")
    assert notice.variables == {"order": "7", "amount": "300 EUR"}


@pytest.mark.parametrize(
    ("provider", "refund_provider", "template"),
    [
        ("sandbox", None, "payment_refunded"), ("cash", "balance", "payment_credited"),
        ("sandbox", "balance", "payment_credited"), ("balance", None, "payment_credited"),
    ],
)  # fmt: skip
def test_of_a_refund_the_customer_is_told_where_it_went(
    provider: str, refund_provider: str | None, template: str
) -> None:
    event = c.PaymentEvent(
        payment_id="7-a", order_id="7", version=5, type="payment.refunded",
        amount=c.Money(amount=1250, currency="EUR"), at="2026-06-01T12:00:00.000Z", request_id="r",
        refund_id="7-a-r", refund_amount=c.Money(amount=300, currency="EUR"), provider=provider,
        refund_provider=refund_provider,
    )  # fmt: skip
    (notice,) = after_payment_event(AUDIENCES, event, "ana")
    assert (notice.template, notice.variables["amount"]) == (template, "300 EUR")


OF_CASES = {
    "opened": Told(customer="case_opened_for_you"), "approved": Told(customer="case_approved"),
    "rejected": Told(customer="case_rejected"), "dismissed": Told(customer="case_dismissed"),
}  # fmt: skip
"""But for restaurants that have to answer, and for those who have done it themselves."""


@pytest.mark.parametrize("actor", ["customer", "restaurant", "operator", "system"])
@pytest.mark.parametrize("kind", sorted(RULES))
@pytest.mark.parametrize(
    "edge", sorted({(e.source, e.event, e.target) for e in CASE_EDGES}, key=str), ids=str
)
def test_of_cases_the_other_side_is_told_and_a_restaurant_that_has_to_answer(
    edge: tuple[str | None, str, str], kind: Kind, actor: str
) -> None:
    source, name, target = edge
    event = c.CaseEvent(
        case_id="7-c", order_id="7", version=2, type=f"case.{name}", from_state=source, to_state=target,
        actor=c.Caller(role=actor, id=IDS.get(actor, "x")), at="2026-06-01T12:00:00.000Z", request_id="r",
        customer_id=IDS["customer"], restaurant_id=IDS["restaurant"], kind=kind,
        refund=c.Money(amount=300, currency="EUR"),
    )  # fmt: skip
    has_to_answer = (name, target) == ("opened", "requested") and RULES[kind].answerer == "restaurant"
    expected = {
        "customer": OF_CASES.get(name, NOBODY).customer,
        "restaurant": "kitchen_case_to_answer" if has_to_answer else None,
        actor: None,
    }
    notices = after_case_event(AUDIENCES, event)
    assert {notice.role: notice.template for notice in notices} == {
        role: template for role, template in expected.items() if template
    }
    assert all(notice.person_id == IDS[notice.role] for notice in notices)
    assert all(notice.variables["amount"] == "300 EUR" for notice in notices)
