"""The client of the sandbox provider, over HTTP."""

from datetime import datetime
from typing import Any, Literal
from urllib.parse import quote

import aiohttp
import msgspec

from tiffin.primitives.errors import Refusal
from tiffin.services.payments.notices import check_signature
from tiffin.services.payments.outcomes import (
    Charged,
    Declined,
    NeverArrived,
    NoAnswer,
    Notice,
    Outcome,
    Refunded,
    Undecided,
)

TIMEOUT_S = 5.0
_ANSWER_BYTES_MAX = 65_536


class _Answer(msgspec.Struct):
    """A charge as the provider tells of it, in answers and in notices."""

    key: str
    reference: str
    state: Literal["pending", "succeeded", "declined", "refunded"]
    amount: int
    currency: str
    decline_reason: str | None = None


class SandboxProvider:
    """Charges, finds and refunds. Any trouble on the way is `NoAnswer`: the request may have worked."""

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

    async def charge(self, key: str, amount: int, currency: str, source: str) -> Outcome:
        """Take the whole amount at once."""
        asked = {
            "key": key, "amount": amount, "currency": currency, "source": source,
            "webhook_url": self._notice_url,
        }  # fmt: skip
        return await self._ask("POST", "/charges", asked)

    async def find(self, key: str) -> Outcome:
        """What became of a charge."""
        return await self._ask("GET", f"/charges/{quote(key, safe='')}", None)

    async def refund(self, key: str, refund_key: str) -> Outcome:
        """Give the whole charge back."""
        return await self._ask("POST", f"/charges/{quote(key, safe='')}/refund", {"key": refund_key})

    def read_notice(self, body: str, signature: str, now: datetime) -> Notice:
        """Check and read a notice. `Refusal`: bad_signature, invalid_request."""
        check_signature(body, signature, self._secret, now)
        try:
            answer = _decode(body)
        except msgspec.MsgspecError as error:
            raise Refusal("invalid_request", f"the notice says nothing we understand: {error}") from error
        return Notice(answer.key, _outcome(answer))

    async def _ask(self, method: str, path: str, body: dict[str, Any] | None) -> Outcome:
        data = None if body is None else _encode(body)
        try:
            async with self._session.request(
                method, self._url + path, data=data, headers=_JSON, timeout=self._timeout
            ) as response:
                status, text = response.status, await response.content.read(_ANSWER_BYTES_MAX)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return NoAnswer(repr(error))
        return _read_answer(status, text)


def _read_answer(status: int, text: bytes) -> Outcome:
    if status in (200, 201):
        try:
            return _outcome(_decode(text))
        except msgspec.MsgspecError as error:
            return NoAnswer(f"not understood: {error}")
    if status == 404:
        return NeverArrived()
    if status == 422:
        return Declined(None, "refused_by_provider")
    return NoAnswer(f"status {status}")


def _outcome(answer: _Answer) -> Outcome:
    match answer.state:
        case "succeeded":
            return Charged(answer.reference, answer.amount, answer.currency)
        case "refunded":
            return Refunded(answer.reference, answer.amount, answer.currency)
        case "declined":
            return Declined(answer.reference, answer.decline_reason or "declined")
        case "pending":
            return Undecided()


_JSON = {"Content-Type": "application/json"}
_decode = msgspec.json.Decoder(_Answer).decode
_encode = msgspec.json.Encoder().encode
