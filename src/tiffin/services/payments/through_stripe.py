"""Stripe as a provider, through its official library.

A charge is a payment intent, made without asking for money (`prepare`) and confirmed once its id is on
record: whatever reply is lost, the intent can be asked what became of it, however long ago that was.
"""

import json
from collections.abc import Awaitable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import stripe

from tiffin.primitives.errors import Refusal
from tiffin.services.payments.notices import AGE_MAX_S
from tiffin.services.payments.outcomes import (
    Authorised,
    Charged,
    Declined,
    NeverArrived,
    NoAnswer,
    Notice,
    Outcome,
    Refunded,
    RefundFailed,
    RefundOutcome,
    Undecided,
    Voided,
)
from tiffin.services.payments.payment import Payment
from tiffin.services.payments.refund import Refund

TIMEOUT_S = 8.0
AUTHORISATION = timedelta(days=7)
"""How long Stripe keeps a card's money for us; some cards' issuers do so longer."""
REFUNDS_MAX = 100
"""Of one payment that are looked through: Stripe's largest page."""


def stripe_client(
    session: aiohttp.ClientSession, key: str, url: str = "", timeout_s: float = TIMEOUT_S
) -> stripe.StripeClient:
    """The library's client. It repeats nothing by itself: what is open is asked about, not sent again."""
    return stripe.StripeClient(
        key,
        base_addresses={"api": url} if url else None,
        http_client=stripe.AIOHTTPClient(session=session, timeout=aiohttp.ClientTimeout(total=timeout_s)),
        max_network_retries=0,
    )


class StripeProvider:
    """`outcomes.Provider`. A payment's `source` is the id of a Stripe payment method, `pm_...`."""

    name = "stripe"

    def __init__(self, client: stripe.StripeClient, webhook_secret: str) -> None:
        self._intents = client.v1.payment_intents
        self._refunds = client.v1.refunds
        self._secret = webhook_secret

    async def prepare(self, payment: Payment) -> str | Declined | NoAnswer:
        """A payment intent that asks for no money yet."""
        params: Any = {
            "amount": payment.amount, "currency": payment.currency.lower(), "payment_method": payment.source,
            "payment_method_types": ["card"], "metadata": {"key": payment.id},
            "capture_method": "automatic" if payment.at_once else "manual",
        }  # fmt: skip
        try:
            made = await self._intents.create_async(params, {"idempotency_key": f"{payment.id}:create"})
        except (stripe.InvalidRequestError, stripe.CardError) as error:
            return Declined(None, error.code or "refused_by_provider")
        except stripe.StripeError as error:
            return NoAnswer(repr(error))
        return made.id

    async def charge(self, payment: Payment) -> Outcome:
        """Confirm the intent. What its customer would have to prove first, nobody can: it is let go."""
        of = payment.provider_reference or ""
        key = {"idempotency_key": f"{payment.id}:confirm"}
        outcome = await self._moved(payment, self._intents.confirm_async(of, {}, key))  # type: ignore[arg-type]
        if outcome == _NEEDS_PROOF:
            await self.void(payment)
        return outcome

    async def capture(self, payment: Payment) -> Outcome:
        """Take what has been authorised."""
        return await self._moved(payment, self._intents.capture_async(payment.provider_reference or ""))

    async def void(self, payment: Payment) -> Outcome:
        """Let go of what has been authorised."""
        return await self._moved(payment, self._intents.cancel_async(payment.provider_reference or ""))

    async def find(self, payment: Payment) -> Outcome:
        """What became of a charge. Without an intent's id it was never asked for."""
        if payment.provider_reference is None:
            return NeverArrived()
        try:
            return _outcome((await self._intents.retrieve_async(payment.provider_reference)).to_dict())
        except stripe.StripeError as error:
            return NoAnswer(repr(error))

    async def refund(self, payment: Payment, refund: Refund) -> RefundOutcome:
        """Give some of a charge back. Looked for first: Stripe forgets idempotency keys after a day."""
        of, key = payment.provider_reference or "", refund.provider_key
        asked: Any = {
            "payment_intent": of, "amount": refund.amount,
            "metadata": {"key": key, "payment": payment.id},
        }  # fmt: skip
        try:
            known_ones = await self._refunds.list_async({"payment_intent": of, "limit": REFUNDS_MAX})
            for known in known_ones.data:
                told = known.to_dict()
                if told["metadata"].get("key") == key:
                    return _refund_outcome(told)
            made = await self._refunds.create_async(asked, {"idempotency_key": key})
            return _refund_outcome(made.to_dict())
        except stripe.InvalidRequestError as error:
            return RefundFailed(error.code or "refused_by_provider")
        except stripe.StripeError as error:
            return NoAnswer(repr(error))

    def read_notice(self, body: str, signature: str, now: datetime) -> Notice | None:
        """A webhook event; None if it is about no payment intent or refund of ours."""
        try:
            stripe.WebhookSignature.verify_header(body, signature, self._secret)  # pyright: ignore
            parts = [part.strip().partition("=") for part in signature.split(",")]
            sent_at = next(int(value) for name, _, value in parts if name == "t")
        except (stripe.SignatureVerificationError, StopIteration, ValueError) as error:
            raise Refusal("bad_signature", "the signature does not match the body") from error
        if abs(now.timestamp() - sent_at) > AGE_MAX_S:
            raise Refusal("bad_signature", "the notice is too old")
        try:
            told = json.loads(body)["data"]["object"]
            of, kind = dict(told["metadata"]), told["object"]
            if kind == "payment_intent" and "key" in of:
                return Notice(of["key"], _outcome(told))
            if kind == "refund" and {"key", "payment"} <= of.keys():
                return Notice(of["payment"], _refund_outcome(told), of["key"])
        except (KeyError, TypeError, ValueError) as error:
            raise Refusal("invalid_request", f"the notice says nothing we understand: {error!r}") from error
        return None

    async def _moved(self, payment: Payment, step: Awaitable[stripe.PaymentIntent]) -> Outcome:
        """A step that Stripe refuses may have been made already: the intent says."""
        try:
            return _outcome((await step).to_dict())
        except stripe.CardError as error:
            return Declined(payment.provider_reference, error.code or "declined")
        except stripe.InvalidRequestError:
            return await self.find(payment)
        except stripe.StripeError as error:
            return NoAnswer(repr(error))


_NEEDS_PROOF = Declined(None, "authentication_required")


def _outcome(intent: Mapping[str, Any]) -> Outcome:  # noqa: PLR0911 - a line a state
    reference, money = intent["id"], (intent["amount"], intent["currency"].upper())
    match intent["status"]:
        case "requires_capture":
            made_at = datetime.fromtimestamp(intent["created"], UTC)
            return Authorised(reference, *money, made_at + AUTHORISATION)
        case "succeeded":
            return Charged(reference, intent.get("amount_received", money[0]), money[1])
        case "canceled":
            return Voided(reference, intent.get("cancellation_reason") or "canceled")
        case "requires_payment_method":
            error: Mapping[str, Any] = intent.get("last_payment_error") or {}
            return Declined(reference, error.get("decline_code") or error.get("code") or "declined")
        case "requires_action":
            return _NEEDS_PROOF
        case "requires_confirmation":
            return NeverArrived()
        case _:
            return Undecided()


def _refund_outcome(refund: Mapping[str, Any]) -> RefundOutcome:
    match refund["status"]:
        case "succeeded":
            return Refunded(refund["id"], refund["amount"], refund["currency"].upper())
        case "failed" | "canceled":
            return RefundFailed(refund.get("failure_reason") or refund["status"])
        case _:
            return Undecided()
