"""A customer's balance as a means of payment: what the platform owes them, kept by the ledger.

The ledger says how much there is, and its database that it is never less than nothing: a payment holds its
amount there before it counts. A hold ends once, by the fact `unheld:<payment>`: taken or let go, whichever is
entered first.
"""

from collections.abc import Sequence

from tiffin.primitives.clock import Clock
from tiffin.primitives.errors import Refusal, Unavailable
from tiffin.rpc import contracts as c
from tiffin.rpc.context import new_context
from tiffin.services.payments.ledger import accounts
from tiffin.services.payments.outcomes import (
    Authorised,
    Charged,
    Declined,
    NeverArrived,
    NoAnswer,
    Outcome,
    Refunded,
    RefundOutcome,
    Voided,
)
from tiffin.services.payments.payment import BALANCE, Payment
from tiffin.services.payments.refund import Refund

Postings = Sequence[tuple[str, int]]


class BalanceMover:
    """`outcomes.Mover`. What is held twice, taken twice or given back twice is so once: each is a fact of the
    order's under a name of its own."""

    name = BALANCE

    def __init__(self, ledger: c.Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock

    async def prepare(self, payment: Payment) -> None:
        """The ledger knows a payment by our id."""

    async def charge(self, payment: Payment) -> Outcome:
        """Hold the amount, and take it if that is to be at once."""
        credit, held = accounts.credit(payment.customer_id), accounts.held(payment.customer_id)
        try:
            await self._enter(
                payment, f"held:{payment.id}", [(credit, -payment.amount), (held, payment.amount)]
            )
        except Refusal as refusal:
            return Declined(None, refusal.code)
        except Unavailable as error:
            return NoAnswer(repr(error))
        return await self.capture(payment) if payment.at_once else _authorised(payment)

    async def capture(self, payment: Payment) -> Outcome:
        """Take what is held; what has been let go cannot be taken."""
        return await self._end(payment, _taken(payment), _released(payment))

    async def void(self, payment: Payment) -> Outcome:
        """Let go of what is held; what has been taken stays so."""
        return await self._end(payment, _released(payment), _taken(payment))

    async def find(self, payment: Payment) -> Outcome:
        """What became of a charge, by the order's entries."""
        try:
            told = await self._ledger.entries(
                self._context(payment), c.EntriesOf(order_id=str(payment.order_id))
            )
        except Unavailable as error:
            return NoAnswer(repr(error))
        found = {entry.fact: entry for entry in told.entries}
        if f"held:{payment.id}" not in found:
            return NeverArrived()
        ended = found.get(f"unheld:{payment.id}")
        if ended is None:
            return _authorised(payment)
        was_taken = any(posting.account == accounts.clearing(BALANCE) for posting in ended.postings)
        return _taken(payment) if was_taken else _released(payment)

    async def refund(self, payment: Payment, refund: Refund) -> RefundOutcome:
        """Owe it to the customer, however it was paid."""
        fact = f"credited:{refund.id}.{refund.part}"
        credit, clearing = accounts.credit(payment.customer_id), accounts.clearing(BALANCE)
        try:
            await self._enter(payment, fact, [(clearing, -refund.amount), (credit, refund.amount)])
        except Unavailable as error:
            return NoAnswer(repr(error))
        return Refunded(fact, refund.amount, payment.currency)

    async def _end(self, payment: Payment, wanted: Charged | Voided, other: Charged | Voided) -> Outcome:
        to = (
            accounts.clearing(BALANCE)
            if isinstance(wanted, Charged)
            else accounts.credit(payment.customer_id)
        )
        held = accounts.held(payment.customer_id)
        try:
            await self._enter(
                payment, f"unheld:{payment.id}", [(held, -payment.amount), (to, payment.amount)]
            )
        except Refusal as refusal:
            if refusal.code != "entry_differs":
                raise
            return other
        except Unavailable as error:
            return NoAnswer(repr(error))
        return wanted

    async def _enter(self, payment: Payment, fact: str, postings: Postings) -> None:
        if not any(amount for _, amount in postings):
            return  # an order that costs nothing
        await self._ledger.enter(
            self._context(payment),
            c.EnterEntry(
                order_id=str(payment.order_id),
                fact=fact,
                currency=payment.currency,
                postings=[c.Posting(account=account, amount=amount) for account, amount in postings],
            ),
        )

    def _context(self, payment: Payment) -> c.CallContext:
        return new_context("system", "payments", self._clock(), request_id=f"pay:{payment.id}"[:64])


def _authorised(payment: Payment) -> Authorised:
    return Authorised(payment.id, payment.amount, payment.currency, None)


def _taken(payment: Payment) -> Charged:
    return Charged(payment.id, payment.amount, payment.currency)


def _released(payment: Payment) -> Voided:
    return Voided(payment.id, "released")
