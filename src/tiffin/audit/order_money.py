"""Whether an order's entries are those that its facts make. No I/O."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from tiffin.primitives.clock import from_text
from tiffin.rpc import contracts as c
from tiffin.services.payments.ledger import accounts, facts
from tiffin.services.payments.ledger.entry import REVERSAL, Entry, Unbalanced
from tiffin.services.payments.ledger.facts import Moment
from tiffin.services.payments.ledger.policy import Policies
from tiffin.services.payments.ledger.reconciliation import WHAT_TO_DO, Entered, Ours, match

_WHENEVER = Moment(datetime(1970, 1, 1, tzinfo=UTC), "")
_AT_REST = frozenset(("succeeded", "declined", "refunded", "voided"))
_OF_EVENTS = frozenset(("captured", "refunded", "cash_collected", "completed", "held", "unheld", "credited"))
"""Facts that leave an order even which has ended."""
_OF_CASE = "case:"


class MoneyOrder(NamedTuple):
    """What the audit needs of an order."""

    terms: c.OrderTerms
    state: str
    courier_id: str | None
    cases: frozenset[str] = frozenset()
    """Every case of it, by id. Whether they have moved what they said is proved elsewhere (`audit.cases`)."""


def order_faults(
    order: MoneyOrder | None,
    payments: Mapping[str, Ours],
    entries: Sequence[Entry],
    policies: Policies,
) -> list[str]:
    """What is wrong between an order (None: there is none), its payments by id, and all of its entries.

    What the provider says is held against payments elsewhere (`audit.payments`).
    """
    if order is None:
        return [f"has the entry {entry.fact}, but there is no such order" for entry in entries]
    faults = [
        f"{entry.fact} sums to {left} {entry.currency}"
        for entry in entries
        if (left := sum(amount for _, amount in entry.postings))
    ]
    faults += _payment_faults(payments, entries)
    faults += _on_its_way(order, payments, entries)
    by_fact = {entry.fact: entry for entry in entries}
    for fact, wanted in _wanted(order, policies).items():
        faults += _entry_faults(fact, wanted, by_fact.get(fact))
    faults += [
        f"has the entry {entry.fact}, but there is no such case"
        for entry in entries
        if (case := _case_of(entry)) is not None and case not in order.cases
    ]
    if not faults:
        faults += _left_over(order, payments, entries)
    return faults


def is_by_call(entry: Entry) -> bool:
    """Whether somebody has told the ledger of it: neither an event has made it, nor a case."""
    return entry.fact.removeprefix(REVERSAL).partition(":")[0] not in (*_OF_EVENTS, "case")


def entered_of(entries: Sequence[Entry]) -> dict[str, Entered]:
    """What the ledger has of each payment; an undone entry counts as none."""
    sums: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
    undone = {entry.fact.removeprefix(REVERSAL) for entry in entries if entry.fact.startswith(REVERSAL)}
    for entry in entries:
        kind, _, rest = entry.fact.partition(":")
        payment_id = rest.partition(":")[0]
        if kind in ("captured", "refunded") and entry.fact not in undone:
            amount = sum(
                amount for account, amount in entry.postings if account.startswith(accounts.clearing(""))
            )
            sums[payment_id][kind == "refunded"] += -amount if kind == "captured" else amount
    return {payment_id: Entered(*both) for payment_id, both in sums.items()}


def _payment_faults(payments: Mapping[str, Ours], entries: Sequence[Entry]) -> list[str]:
    entered = entered_of(entries)
    faults: list[str] = []
    for payment_id in sorted(payments.keys() | entered.keys()):
        ours, booked = payments.get(payment_id), entered.get(payment_id, Entered())
        taken = ours.amount if ours is not None and ours.method == "cash" else booked.captured
        if booked.refunded > taken:
            faults.append(f"payment {payment_id}: {booked.refunded} refunded of {taken} captured")
        if ours is not None and booked.captured > ours.amount:
            faults.append(f"payment {payment_id}: {booked.captured} captured of {ours.amount} authorised")
        faults += [
            f"payment {payment_id} {found.what}: {WHAT_TO_DO[found.fix]}"
            for found in match(payment_id, ours, booked, None)
        ]
    return faults


def _wanted(order: MoneyOrder, policies: Policies) -> dict[str, Entry | None]:
    """What delivery and completion of the order make; None where it is not so far, or nothing moves."""
    terms, state = order.terms, order.state
    wanted: dict[str, Entry | None] = {"cash_collected": None, "completed": None}
    if terms.payment_method == "elsewhere":  # another system's books have it
        return wanted
    try:
        if state == "completed":
            policy = policies.at(from_text(terms.placed_at))
            wanted["completed"] = facts.completed(terms, policy, order.courier_id, _WHENEVER)
        if state in ("delivered", "completed") and terms.payment_method == "cash":
            wanted["cash_collected"] = facts.cash_collected(terms, order.courier_id, _WHENEVER)
    except Unbalanced:
        pass  # the order's own sums do not add up: that it has no entry says so below
    return wanted


def _entry_faults(fact: str, wanted: Entry | None, entry: Entry | None) -> list[str]:
    if wanted is None:
        return [f"has the entry {fact}, which nothing has made"] if entry else []
    if entry is None:
        return [f"lacks the entry {fact}"]
    faults: list[str] = []
    if entry.policy != wanted.policy:
        faults.append(f"{fact} is by version {entry.policy} of the fees, not by {wanted.policy}")
    has, should = dict(entry.postings), dict(wanted.postings)
    faults += [
        f"{fact} has {has.get(account, 0)} to {account}, not {should.get(account, 0)}"
        for account in sorted(has.keys() | should.keys())
        if has.get(account) != should.get(account)
    ]
    if entry.currency != wanted.currency:
        faults.append(f"{fact} is in {entry.currency}, not in {wanted.currency}")
    return faults


def _on_its_way(order: MoneyOrder, payments: Mapping[str, Ours], entries: Sequence[Entry]) -> list[str]:
    """Of payments at rest nothing is held of a balance, nor between a balance and the order."""
    if any(payment.state not in _AT_REST for payment in payments.values()):
        return []
    currency = order.terms.currency
    return [
        f"{left} {currency} are left with {account}"
        for account in (accounts.held(order.terms.customer_id), accounts.clearing("balance"))
        if (left := sum(amount for entry in entries for name, amount in entry.postings if name == account))
    ]


def _left_over(order: MoneyOrder, payments: Mapping[str, Ours], entries: Sequence[Entry]) -> list[str]:
    """An order that has ended, at rest, leaves its customer even, but for what was entered by hand."""
    if order.state not in ("completed", "cancelled") or order.cases:
        return []
    if any(payment.state not in _AT_REST for payment in payments.values()):
        return []
    left = left_with(order.terms.customer_id, entries)
    return [f"is {order.state}, and {left} {order.terms.currency} are left with its customer"] if left else []


def left_with(customer_id: str, entries: Iterable[Entry]) -> int:
    """What entries that events and cases have made leave with an order's customer."""
    customer = accounts.customer(customer_id)
    made = (entry for entry in entries if not is_by_call(entry))
    return sum(amount for entry in made for account, amount in entry.postings if account == customer)


def _case_of(entry: Entry) -> str | None:
    fact = entry.fact.removeprefix(REVERSAL)
    return fact.removeprefix(_OF_CASE) if fact.startswith(_OF_CASE) else None
