"""Carrying out: the order, then the money, then the ledger. Every step may be repeated by anybody.

A case says with its state how far it is. Whoever moves one carries it on at once; a worker takes up what was
left lying, and acts on deadlines. An outcome that is not known is asked for again under the same key.
"""

import asyncio
from collections.abc import Sequence
from typing import Literal

import structlog

from tiffin.primitives.clock import Clock
from tiffin.primitives.errors import Refusal, Unavailable
from tiffin.rpc import contracts as c
from tiffin.rpc.context import new_context
from tiffin.services.reverse.case import Case, details_of
from tiffin.services.reverse.policies import KnownPolicies
from tiffin.services.reverse.store import CaseStore
from tiffin.services.reverse.transition import Command, advance, on_deadline
from tiffin.storage.node import Node

DELAYS_S: Sequence[float] = (2, 4, 8, 15, 30, 60)
"""From one look at a case to the next, while it does not get on; the last one repeats."""
AT_ONCE_MAX = 20
"""So many cases a worker takes at a time, and looks after side by side: those of a worker that is killed wait
for the next look, as if they had been tried."""

_NEVER_TAKEN = ("not_refundable", "payment_not_found")
"""What payments refuse with when they have taken nothing: an authorisation was lost before."""

_ITSELF = c.Caller(role="system", id="reverse")
_log = structlog.get_logger()


class Carrier:
    """Moves cases along what is nobody's decision."""

    def __init__(
        self, store: CaseStore, orders: c.Orders, payments: c.Payments, ledger: c.Ledger,
        policies: KnownPolicies, clock: Clock,
    ) -> None:  # fmt: skip
        self._store = store
        self._orders = orders
        self._payments = payments
        self._ledger = ledger
        self._policies = policies
        self._clock = clock

    async def carry(self, case: Case) -> Case:
        """As far as it goes now. Raises what those it asks raise: it stands where it got to."""
        while True:
            after = await self._step(case)
            if after is None:
                return case
            case = after

    async def try_to_carry(self, case: Case) -> Case:
        """The same where the answer does not depend on it: a worker will look after it."""
        try:
            return await self.carry(case)
        except Exception as error:
            _log.warning("case_not_carried_on", case=case.id, error=repr(error))
            return await self._store.get(case.id) or case

    async def work(self, node: Node) -> bool:
        """Look after the cases of a node that are due. Whether there may be more."""
        taken = await self._store.lease(node, self._clock(), AT_ONCE_MAX, DELAYS_S)
        await asyncio.gather(*(self._look_after(case_id) for case_id in taken))
        return len(taken) == AT_ONCE_MAX

    async def credit(self, case: Case) -> Case | None:
        """Owe the customer what the provider gives back to nobody: payments put it on their balance, the
        ledger gets the case's entry. The case as it stands if there is nothing to owe any more."""
        if await self._is_overtaken(case):
            return await self._say(case, "overtaken")
        await self._put_on_balance(case)
        await self._enter(case)
        return None

    async def undo_entry(self, case: Case) -> None:
        """The order was called off otherwise, so that nothing of it is anybody's: nor what the case moved."""
        request = c.ReverseEntry(order_id=str(case.order_id), fact=_fact(case))
        try:
            await self._ledger.reverse(self._context(case), request)
        except Refusal as refusal:
            if refusal.code != "entry_not_found":
                raise

    async def _look_after(self, case_id: str) -> None:
        try:
            case = await self._store.get(case_id)
            if case is None:
                return
            event = on_deadline(case)
            if event == "credited" and await self.credit(case) is not None:
                return
            if event is not None:
                case = await self._say(case, event)
            await self.carry(case)
        except Exception:
            _log.exception("case_not_carried_on", case=case_id)

    async def _step(self, case: Case) -> Case | None:
        if case.state == "approved":
            if not await self._prepare_order(case):
                return await self._say(case, "overtaken")
            return await self._say(case, "refund_started")
        if case.state == "refunding":
            return await self._give_money(case)
        return None

    async def _prepare_order(self, case: Case) -> bool:
        """Bring the order where the case needs it. False: it has ended otherwise."""
        outcome = details_of(case).outcome
        if not outcome.ends_order:
            return not await self._is_overtaken(case)
        event = "called_off" if outcome.claims else "cancelled"
        request = c.AdvanceOrder(order_id=str(case.order_id), event=event, reason=case.kind)
        try:
            await self._orders.advance(self._context(case), request)
        except Refusal as refusal:
            if refusal.code != "wrong_state":
                raise
            return False
        return True

    async def _give_money(self, case: Case) -> Case | None:
        outcome = details_of(case).outcome
        if outcome.refund:
            state, why = await self._refund(case, outcome.refund)
            if state == "pending":
                return None
            if state == "failed":
                overtaken = await self._is_overtaken(case)
                return await self._say(case, "overtaken" if overtaken else "refund_failed", why)
            if state == "never_taken":  # the customer must not be owed what they have not paid
                return await self._say(case, "overtaken", why)
        await self._enter(case)
        if await self._is_overtaken(case):
            await self.undo_entry(case)
        return await self._say(case, "refunded")

    async def _refund(self, case: Case, amount: int) -> tuple[str, str | None]:
        try:
            refund = await self._payments.refund(self._context(case), _asked(case, amount, case.id))
        except Refusal as refusal:
            return "never_taken" if refusal.code in _NEVER_TAKEN else "failed", refusal.message
        why = next((part.failure for part in refund.parts if part.failure), None)
        return refund.state, why

    async def _put_on_balance(self, case: Case) -> None:
        """What has failed of the case's refund; all of it if it was refused."""
        left = details_of(case).outcome.refund
        try:
            refund = await self._payments.refund(self._context(case), _asked(case, left, case.id))
        except Refusal:
            pass
        else:
            left = sum(part.amount.amount for part in refund.parts if part.state == "failed")
        if left:
            wanted = _asked(case, left, f"{case.id}:balance", "balance")
            owed = await self._payments.refund(self._context(case), wanted)
            if owed.state != "succeeded":
                raise Unavailable("refund_pending", f"the balance of case {case.id} is not certain yet")

    async def _enter(self, case: Case) -> None:
        postings = details_of(case).outcome.postings
        if not postings:
            return
        await self._ledger.enter(
            self._context(case),
            c.EnterEntry(
                order_id=str(case.order_id),
                fact=_fact(case),
                currency=case.currency,
                postings=[c.Posting(account=account, amount=amount) for account, amount in postings],
            ),
        )

    async def _is_overtaken(self, case: Case) -> bool:
        """Whether the order was called off by others, who give everything back themselves."""
        if details_of(case).outcome.ends_order:
            return False
        order = await self._orders.get(self._context(case), c.OrderRef(order_id=str(case.order_id)))
        return order.state == "cancelled" and not await self._called_off_by_case(case)

    async def _called_off_by_case(self, case: Case) -> bool:
        """Whether another case has ended the order; what this one moves is in that one's sums already."""
        return any(
            details_of(other).outcome.ends_order and not other.released
            for other in await self._store.of_order(case.order_id)
        )

    async def _say(self, case: Case, event: str, why: str | None = None) -> Case:
        """Move it; whoever else has moved it meanwhile is right."""
        terms = (await self._policies.get()).version(details_of(case).policy).terms
        command = Command(event, _ITSELF, f"case-{case.id}-{case.version}"[:64], why and why[:300])
        moved = advance(case, command, terms, self._clock())
        if await self._store.move(moved):
            return moved.case
        found = await self._store.get(case.id)
        if found is None:
            raise Unavailable("shard_away", f"case {case.id} is not where it was")
        return found

    def _context(self, case: Case) -> c.CallContext:
        """The same request every time: whoever is asked knows it again."""
        return new_context("system", "reverse", self._clock(), request_id=f"case-{case.id}")


def _asked(case: Case, amount: int, key: str, to: Literal["balance"] | None = None) -> c.RefundPayment:
    return c.RefundPayment(
        order_id=str(case.order_id),
        amount=c.Money(amount=amount, currency=case.currency),
        key=key,
        reason=case.kind,
        to=to,
    )


def _fact(case: Case) -> str:
    return f"case:{case.id}"
