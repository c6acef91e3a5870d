"""Orders whose money another system has taken: none of it is in our books, none goes back from here."""

from datetime import UTC, datetime

import pytest

from tiffin.audit.order_money import MoneyOrder, order_faults
from tiffin.events.event import Event
from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.rpc.context import new_context
from tiffin.services.payments.ledger.consumers import LedgerConsumer
from tiffin.services.payments.ledger.entry import Entry, Posting
from tiffin.services.payments.ledger.policy import Fees, Policies, Policy
from tiffin.services.reverse.facts import Facts

NOW = datetime(2026, 6, 1, tzinfo=UTC)
ID = "1048576"
POLICIES = Policies([Policy(1, NOW.replace(year=2020), Fees())])
TERMS = c.OrderTerms(
    order_id=ID, customer_id="ana", restaurant_id="roma", subtotal=1000, delivery_fee=0, total=1000,
    currency="EUR", payment_method="elsewhere", placed_at="2026-06-01T00:00:00.000Z",
)  # fmt: skip


class Orders:
    """Knows the one order."""

    async def terms(self, context: c.CallContext, request: c.OrdersNamed) -> c.OrderTermsList:
        return c.OrderTermsList(orders=[TERMS])

    async def get(self, context: c.CallContext, request: c.OrderRef) -> None:
        return None


class Ledger:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    async def get(self) -> Policies:
        return POLICIES

    async def enter(self, entries: list[Entry]) -> None:
        self.entries += entries

    async def add_dues(self, dues: object) -> None:
        pass


def event(type_: str) -> Event:
    data = (
        f'{{"order_id":"{ID}","version":5,"type":"{type_}","to_state":"completed","at":"x","request_id":"r",'
        '"actor":{"role":"system","id":"x"},"customer_id":"ana","restaurant_id":"roma","courier_id":"leo"}'
    )
    return Event(1, 1, 1, "customer", 0, "order", ID, 5, type_, data, NOW, "r")


async def test_its_delivery_and_its_completion_make_no_entries() -> None:
    ledger = Ledger()
    reader = LedgerConsumer(ledger, Orders(), ledger, lambda: NOW)  # type: ignore[arg-type]
    await reader.handle([event("order.delivered"), event("order.completed")])
    assert ledger.entries == []


@pytest.mark.parametrize("state", ["delivered", "completed", "cancelled"])
def test_the_audit_asks_for_no_entries_and_finds_one_that_is_there(state: str) -> None:
    order = MoneyOrder(TERMS, state, "leo")
    assert order_faults(order, {}, [], POLICIES) == []
    postings = (Posting("customer:ana", -1000), Posting("restaurant:roma", 1000))
    made = Entry(0, ID, "completed", "EUR", postings, NOW, "t")
    assert order_faults(order, {}, [made], POLICIES)


async def test_no_case_of_it_gives_anything_back() -> None:
    facts = Facts(Orders(), None, None)  # type: ignore[arg-type]
    with pytest.raises(Refusal) as refused:
        await facts.of(new_context("customer", "ana", NOW), ID)
    assert refused.value.code == "paid_elsewhere"
