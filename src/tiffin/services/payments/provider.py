"""The client of the sandbox provider, over HTTP."""

from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import quote

import aiohttp
import msgspec

from tiffin.primitives.errors import Refusal
from tiffin.services.payments.notices import check_signature
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

TIMEOUT_S = 5.0
_ANSWER_BYTES_MAX = 65_536


class _Refund(msgspec.Struct):
    """A refund as the provider tells of it."""

    key: str
    reference: str
    state: Literal["pending", "succeeded", "failed"]
    amount: int
    failure: str | None = None


class _Answer(msgspec.Struct):
    """A charge as the provider tells of it, in answers and in notices."""

    key: str
    reference: str
    state: Literal["pending", "authorised", "succeeded", "declined", "voided"]
    amount: int
    currency: str
    decline_reason: str | None = None
    expires_at: float | None = None
    """Unix seconds."""
    refund: _Refund | None = None
    """The one that was asked for, or that the notice is about."""


class SandboxProvider:
    """`outcomes.Provider`. Any trouble on the way is `NoAnswer`: the request may have worked."""

    name = "sandbox"

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        notice_url: str,
        secret: bytes,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        """`notice_url` is where the provider sends its notices, signed with `secret`."""
        self._session = session
        self._url = url.rstrip("/")
        self._notice_url = notice_url
        self._secret = secret
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)

    async def prepare(self, payment: Payment) -> None:
        """The sandbox knows a payment by our id."""

    async def charge(self, payment: Payment) -> Outcome:
        """Take the whole amount at once, or authorise it."""
        asked = {
            "key": payment.id, "amount": payment.amount, "currency": payment.currency,
            "source": payment.source, "capture": payment.at_once, "webhook_url": self._notice_url,
        }  # fmt: skip
        return await self._ask("POST", "/charges", asked)

    async def capture(self, payment: Payment) -> Outcome:
        """Take what has been authorised."""
        return await self._ask("POST", f"{_path(payment)}/capture", {})

    async def void(self, payment: Payment) -> Outcome:
        """Let go of what has been authorised."""
        return await self._ask("POST", f"{_path(payment)}/void", {})

    async def find(self, payment: Payment) -> Outcome:
        """What became of a charge."""
        return await self._ask("GET", _path(payment), None)

    async def refund(self, payment: Payment, refund: Refund) -> RefundOutcome:
        """Give some of a charge back."""
        asked = {"key": refund.provider_key, "amount": refund.amount}
        answer = await self._send("POST", f"{_path(payment)}/refund", asked)
        if isinstance(answer, NoAnswer):
            return answer
        status, text = answer
        if status in (200, 201):
            try:
                return _refund_outcome(_decode(text))
            except msgspec.MsgspecError as error:
                return NoAnswer(f"not understood: {error}")
        refused = status in (404, 409, 422)
        return RefundFailed("refused_by_provider") if refused else NoAnswer(f"status {status}")

    def read_notice(self, body: str, signature: str, now: datetime) -> Notice:
        """Check and read a notice. `Refusal`: bad_signature, invalid_request."""
        check_signature(body, signature, self._secret, now)
        try:
            answer = _decode(body)
        except msgspec.MsgspecError as error:
            raise Refusal("invalid_request", f"the notice says nothing we understand: {error}") from error
        if answer.refund is not None:
            return Notice(answer.key, _refund_outcome(answer), answer.refund.key)
        return Notice(answer.key, _outcome(answer))

    async def _ask(self, method: str, path: str, body: dict[str, Any] | None) -> Outcome:
        answer = await self._send(method, path, body)
        return answer if isinstance(answer, NoAnswer) else _read_answer(*answer)

    async def _send(
        self, method: str, path: str, body: dict[str, Any] | None
    ) -> tuple[int, bytes] | NoAnswer:
        data = None if body is None else _encode(body)
        try:
            async with self._session.request(
                method, self._url + path, data=data, headers=_JSON, timeout=self._timeout
            ) as response:
                return response.status, await response.content.read(_ANSWER_BYTES_MAX)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return NoAnswer(repr(error))


def _path(payment: Payment) -> str:
    return f"/charges/{quote(payment.id, safe='')}"


def _read_answer(status: int, text: bytes) -> Outcome:
    if status in (200, 201):
        try:
            return _outcome(_decode(text))
        except (msgspec.MsgspecError, ValueError, OverflowError) as error:
            return NoAnswer(f"not understood: {error}")
    if status == 404:
        return NeverArrived()
    if status == 422:
        return Declined(None, "refused_by_provider")
    return NoAnswer(f"status {status}")


def _outcome(answer: _Answer) -> Outcome:
    match answer.state:
        case "authorised":
            until = answer.expires_at
            expires_at = None if until is None else datetime.fromtimestamp(until, UTC)
            return Authorised(answer.reference, answer.amount, answer.currency, expires_at)
        case "succeeded":
            return Charged(answer.reference, answer.amount, answer.currency)
        case "declined":
            return Declined(answer.reference, answer.decline_reason or "declined")
        case "voided":
            return Voided(answer.reference, answer.decline_reason or "voided")
        case "pending":
            return Undecided()


def _refund_outcome(answer: _Answer) -> RefundOutcome:
    refund = answer.refund
    if refund is None:
        return NoAnswer("no word of the refund")
    match refund.state:
        case "succeeded":
            return Refunded(refund.reference, refund.amount, answer.currency)
        case "failed":
            return RefundFailed(refund.failure or "failed")
        case "pending":
            return Undecided()


_JSON = {"Content-Type": "application/json"}
_decode = msgspec.json.Decoder(_Answer).decode
_encode = msgspec.json.Encoder().encode
