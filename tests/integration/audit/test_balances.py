"""Orders paid out of balances: the auditor finds what is held for nothing, and nothing where all is well."""

import pytest

from integration.audit.town import CARRIED, Town
from tiffin.rpc import contracts as c
from tiffin.services.payments.ledger import accounts

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def pay_by_balance(town: Town, name: str) -> None:
    """The order's customer is owed what it costs, and pays with that."""
    order = await town.orders.get(town.as_("operator"), c.OrderRef(order_id=str(town.known[name].id)))
    credit, total = accounts.credit(order.customer_id), order.total
    postings = [
        c.Posting(account=accounts.COMPENSATION, amount=-total.amount),
        c.Posting(account=credit, amount=total.amount),
    ]
    goodwill = c.EnterEntry(order_id=order.id, fact="goodwill", currency=total.currency, postings=postings)
    await town.ledger.enter(town.as_("system"), goodwill)
    request = c.PayOrder(order_id=order.id, method="balance")
    paid = await town.payments.pay(town.as_("customer", order.customer_id), request)
    assert paid.state == "succeeded"


async def test_what_is_held_for_nothing_is_found_and_orders_paid_out_of_balances_are_clean(
    town: Town,
) -> None:
    for name in ("carried", "fallen"):
        await town.place(name, 7, 3, "online", {"stew": 1})
        await pay_by_balance(town, name)
    await town.pump()
    await town.advance("fallen", "cancelled", "customer")
    for event, role in CARRIED:
        await town.advance("carried", event, role)
    await town.pump()
    while await town.payments.settlement.settle_due(100):
        pass
    await town.pump()
    assert await town.faults(town.till.lines) == []
    row = town.known["carried"]
    await row.truth.execute(
        "SET session_replication_role = replica;"
        f"DELETE FROM ledger.entries WHERE subject = '{row.id}' AND fact LIKE 'unheld:%';"
        "RESET session_replication_role"
    )
    found = {(subject, what) for _, subject, what in await town.faults(town.till.lines)}
    assert (f"order {row.id}", "1800 COP are left with held:c7") in found
    assert (f"order {row.id}", "-1800 COP are left with provider:clearing:balance") in found
    assert {subject for subject, _ in found} == {
        f"order {row.id}", "held:c7", "provider:clearing:balance",
    }  # fmt: skip
