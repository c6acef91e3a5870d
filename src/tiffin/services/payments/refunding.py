"""Giving back: from a caller's wish to intents on record."""

from datetime import datetime

from tiffin.primitives.clock import Clock
from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.services.payments.outcomes import begin_refund, share_out
from tiffin.services.payments.payment import Payment, order_id_of
from tiffin.services.payments.refund import Refund, refund_id
from tiffin.services.payments.store import PaymentStore


class Refunding:
    """Records refunds. Who asks the provider for them is not its business."""

    def __init__(self, store: PaymentStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def begin(
        self, request: c.RefundPayment, check_at: datetime, trace: str
    ) -> tuple[list[Refund], bool]:
        """The refund that the request's key names, and whether it has been made just now.

        Refuses: payment_not_found, refund_too_large, not_refundable (nothing captured), currency_mismatch,
        idempotency_key_reused (of another amount, out of another payment, or to elsewhere).
        """
        order_id = _order_of(request)
        while True:
            known = await self._store.refund_parts(refund_id(order_id, request.key))
            if known:
                _check_same(known, request)
                return known, False
            payments = await self._store.of_order(order_id)
            wanted = _shares(request, payments)
            changes = begin_refund(
                {payment.id: payment for payment in payments}, wanted, request.key, request.reason,
                self._clock(), check_at, trace, request.to == "balance",
            )  # fmt: skip
            if await self._store.change_all(changes):
                return [change.refund for change in changes if change.refund], True

    async def give_back(self, payment: Payment, trace: str) -> Payment:
        """Begin the refund of all that is left of a payment whose order has fallen. Once: what the provider
        has refused is for a person to look at."""
        key = f"order_cancelled:{payment.id}"
        while payment.left and not await self._store.refund_parts(refund_id(payment.order_id, key)):
            now = self._clock()
            (change,) = begin_refund(
                {payment.id: payment}, {payment.id: payment.left}, key, "order_cancelled", now, now, trace
            )
            if await self._store.change(change):
                return change.payment
            payment = await self._store.find(payment.id) or payment
        return payment


def _order_of(request: c.RefundPayment) -> int:
    named = request.payment_id or f"{request.order_id}-x"
    order_id = order_id_of(named)
    if order_id is None or request.order_id not in (None, str(order_id)):
        raise Refusal("payment_not_found", "there is no such payment")
    if request.amount.amount <= 0:
        raise Refusal("invalid_request", "a refund is of more than nothing")
    return order_id


def _check_same(known: list[Refund], request: c.RefundPayment) -> None:
    same = sum(part.amount for part in known) == request.amount.amount
    same = same and (request.to is None or all(part.to_balance for part in known))
    if not same or request.payment_id not in (None, known[0].payment_id):
        raise Refusal(
            "idempotency_key_reused", "this key was used for another refund", {"refund_id": known[0].id}
        )


def _shares(request: c.RefundPayment, payments: list[Payment]) -> dict[str, int]:
    """What to take out of which payment. What goes back by itself only if it is named."""
    if request.payment_id is None:
        payments = [payment for payment in payments if not payment.is_surplus]
    else:
        payments = [payment for payment in payments if payment.id == request.payment_id]
    if not payments:
        raise Refusal("payment_not_found", "there is no such payment")
    if request.amount.currency != payments[0].currency:
        raise Refusal("currency_mismatch", f"it was paid in {payments[0].currency}")
    if not any(payment.captured for payment in payments):
        raise Refusal("not_refundable", "nothing has been taken")
    shares = share_out(request.amount.amount, payments)
    if shares is None:
        left = {"amount": sum(payment.left for payment in payments), "currency": request.amount.currency}
        raise Refusal("refund_too_large", "there is not so much left to give back", {"left": left})
    return shares
