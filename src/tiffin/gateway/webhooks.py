"""What others tell us: notices of the payment provider, which have a signature instead of a token."""

import msgspec

from tiffin.gateway.endpoint import JSON, Load
from tiffin.gateway.exchange import Exchange
from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.rpc.checks import misshapen, refuse_escaped_nul

SIGNATURE_HEADER = "Payment-Signature"
STRIPE_HEADER = "Stripe-Signature"
NOTICE_BYTES_MAX = 64 * 1024


class PaymentNotices:
    """`POST /v1/webhooks/payments`. The notice goes on exactly as it came; payments checks its signature."""

    def __init__(self, payments: c.Payments, load: Load) -> None:
        self._payments = payments
        self._load = load

    async def __call__(self, exchange: Exchange) -> None:
        """Answer, or raise a `Refusal` or `Unavailable`."""
        headers = exchange.headers
        signature = headers.get(SIGNATURE_HEADER.lower().encode()) or headers.get(
            STRIPE_HEADER.lower().encode()
        )
        if signature is None:
            raise Refusal("bad_signature", f"the header {SIGNATURE_HEADER} is missing")
        body = await exchange.body(NOTICE_BYTES_MAX)
        refuse_escaped_nul(body)
        try:
            values = {"body": body.decode(), "signature": signature.decode("latin-1")}
            notice = msgspec.convert(values, c.ProviderNotice)
        except UnicodeDecodeError:
            raise Refusal("invalid_encoding", "the notice is not UTF-8") from None
        except msgspec.ValidationError as error:
            raise misshapen(error) from None
        with self._load:
            context = exchange.context(c.Caller(role="system", id="provider"))
            taken = await self._payments.take_notice(context, notice)
        await exchange.answer(200, msgspec.json.encode(taken), JSON)
