"""The sandbox's HTTP API.

`POST /charges` {key, amount, currency, source, webhook_url, capture}: 201 and the charge; 200 when the key is
known. `GET /charges/{key}`. `POST /charges/{key}/capture`, `/void`: what was authorised.
`POST /charges/{key}/refund` {key, amount}: some of what was taken. `GET /statement?after=&limit=`.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tiffin.services.payments.sandbox.book import Book, Charge, Refund
from tiffin.services.payments.sandbox.scripts import SCRIPTS, UNKNOWN_SOURCE, Script
from tiffin.services.payments.sandbox.webhooks import Webhooks

STATEMENT_LINES_MAX = 1000
BODY_BYTES_MAX = 65_536
KEEP_ALIVE_S = 75
"""For whoever serves it: longer than clients keep an idle connection (aiohttp: 15 s), or one of them will
write a charge to a connection that is being closed, and not know what became of it."""


@dataclass(frozen=True)
class Delays:
    """How long the sandbox takes over things, in seconds."""

    slow_s: float = 2.0
    """Until a slow charge is decided."""
    lost_reply_s: float = 30.0
    """How long a lost answer keeps a client waiting that does not leave by itself."""
    authorisation_s: float = 7 * 24 * 3600.0
    """How long an authorisation lasts."""
    webhook_retries_s: tuple[float, ...] = (1.0, 5.0, 30.0, 120.0)


class _ChargeRequest(msgspec.Struct):
    key: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    amount: Annotated[int, msgspec.Meta(ge=0, le=10**12)]
    currency: Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")]
    source: Annotated[str, msgspec.Meta(max_length=200)]
    webhook_url: Annotated[str, msgspec.Meta(max_length=1000)]
    capture: bool = True


class _RefundRequest(msgspec.Struct):
    key: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    amount: Annotated[int, msgspec.Meta(ge=0, le=10**12)]


class _Sandbox:
    def __init__(self, book: Book, webhooks: Webhooks, delays: Delays, now: Callable[[], float]) -> None:
        self._book = book
        self._webhooks = webhooks
        self._delays = delays
        self._now = now
        self._failed: set[str] = set()
        self._timers: set[asyncio.TimerHandle] = set()

    async def charge(self, request: Request) -> Response:
        asked = await _read(request, _ChargeRequest)
        if isinstance(asked, Response):
            return asked
        known = self._book.charges.get(asked.key)
        if known is not None:
            return _answer(200, known) if _is_same(known, asked) else _error(409, "key_reused")
        script = SCRIPTS.get(asked.source, UNKNOWN_SOURCE)
        if script.fails_first and asked.key not in self._failed:
            self._failed.add(asked.key)
            return _error(500, "internal")
        charge = self._open(asked, script)
        if script.loses_charge_reply:
            return await self._lose_reply(request)
        return _answer(201, charge)

    async def find(self, request: Request) -> Response:
        charge = self._known(request)
        return _error(404, "no_such_charge") if charge is None else _answer(200, charge)

    async def capture(self, request: Request) -> Response:
        charge = self._known(request)
        if charge is None:
            return _error(404, "no_such_charge")
        if charge.state != "authorised":
            return (
                _answer(200, charge) if charge.state in ("succeeded", "voided") else _error(409, charge.state)
            )
        script = _script(charge)
        if script.capture_declined:
            charge = self._move(charge, state="voided", decline_reason="capture_declined")
        else:
            charge = self._move(charge, state="succeeded")
        return await self._lose_reply(request) if script.loses_capture_reply else _answer(201, charge)

    async def void(self, request: Request) -> Response:
        charge = self._known(request)
        if charge is None:
            return _error(404, "no_such_charge")
        if charge.state != "authorised":
            is_over = charge.state in ("succeeded", "voided", "declined")
            return _answer(200, charge) if is_over else _error(409, charge.state)
        charge = self._move(charge, state="voided", decline_reason="requested")
        return await self._lose_reply(request) if _script(charge).loses_void_reply else _answer(201, charge)

    async def refund(self, request: Request) -> Response:
        asked = await _read(request, _RefundRequest)
        if isinstance(asked, Response):
            return asked
        charge = self._known(request)
        if charge is None:
            return _error(404, "no_such_charge")
        known = charge.refund(asked.key)
        if known is not None:
            return _answer(200, charge, known) if known.amount == asked.amount else _error(409, "key_reused")
        if charge.state != "succeeded":
            return _error(409, "not_charged")
        if charge.refunded + asked.amount > charge.amount:
            return _error(409, "more_than_charged")
        script, reference = _script(charge), f"{charge.reference}_{len(charge.refunds) + 1}"
        refund = Refund(asked.key, reference, asked.amount, "pending")
        if script.slow_refund:
            refund = msgspec.structs.replace(refund, decide_at=self._now() + self._delays.slow_s)
            charge = msgspec.structs.replace(charge, refunds=(*charge.refunds, refund))
            self._book.record(charge)
            self._decide_refund_later(charge, refund)
        else:
            charge, refund = self._decide_refund(charge, refund)
        return await self._lose_reply(request) if script.loses_refund_reply else _answer(201, charge, refund)

    async def statement(self, request: Request) -> Response:
        try:
            after = max(0, int(request.query_params.get("after", "0")))
            limit = min(STATEMENT_LINES_MAX, int(request.query_params.get("limit", STATEMENT_LINES_MAX)))
        except ValueError:
            return _error(422, "invalid_request")
        lines = self._book.lines[after : after + max(0, limit)]
        return _json(200, {"lines": lines, "next_after": after + len(lines)})

    def resume(self) -> None:
        """Go on with the charges and refunds that were pending when the last process ended."""
        for charge in self._book.charges.values():
            if charge.state == "pending":
                self._decide_later(charge)
            for refund in charge.refunds:
                if refund.state == "pending":
                    self._decide_refund_later(charge, refund)

    async def close(self) -> None:
        for timer in self._timers:
            timer.cancel()
        await self._webhooks.close()
        self._book.close()

    def _open(self, asked: _ChargeRequest, script: Script) -> Charge:
        now = self._now()
        charge = Charge(
            key=asked.key,
            reference=self._book.next_reference(),
            amount=asked.amount,
            currency=asked.currency,
            source=asked.source,
            webhook_url=asked.webhook_url,
            state="pending",
            capture=asked.capture,
            created_at=now,
            decide_at=now + self._delays.slow_s if script.slow else None,
        )
        if not script.slow:
            return self._decide(charge, script)
        self._book.record(charge)
        self._decide_later(charge)
        return charge

    def _decide_later(self, charge: Charge) -> None:
        self._at(charge.decide_at, lambda: self._decide(charge, _script(charge)))

    def _decide_refund_later(self, charge: Charge, refund: Refund) -> None:
        self._at(refund.decide_at, lambda: self._decide_refund(self._book.charges[charge.key], refund))

    def _at(self, when: float | None, do: Callable[[], object]) -> None:
        def act() -> None:
            self._timers.discard(timer)
            do()

        timer = asyncio.get_running_loop().call_later(max(0.0, (when or 0.0) - self._now()), act)
        self._timers.add(timer)

    def _decide(self, charge: Charge, script: Script) -> Charge:
        if script.declined is not None:
            return self._move(charge, state="declined", decline_reason=script.declined)
        if charge.capture:
            return self._move(charge, state="succeeded")
        return self._move(charge, state="authorised", expires_at=self._now() + self._delays.authorisation_s)

    def _decide_refund(self, charge: Charge, refund: Refund) -> tuple[Charge, Refund]:
        script = _script(charge)
        state = "succeeded" if script.refund_failed is None else "failed"
        refund = msgspec.structs.replace(refund, state=state, failure=script.refund_failed)
        others = [known for known in charge.refunds if known.key != refund.key]
        charge = msgspec.structs.replace(charge, refunds=(*others, refund))
        self._book.record(charge)
        self._notify(charge, refund)
        return charge, refund

    def _known(self, request: Request) -> Charge | None:
        """The charge that a path names; an authorisation whose time is over is let go first."""
        charge = self._book.charges.get(request.path_params["key"])
        if charge and charge.state == "authorised" and self._now() >= (charge.expires_at or 0.0):
            return self._move(charge, state="voided", decline_reason="expired")
        return charge

    def _move(self, charge: Charge, **changes: Any) -> Charge:
        charge = msgspec.structs.replace(charge, **changes)
        self._book.record(charge)
        self._notify(charge, None)
        return charge

    def _notify(self, charge: Charge, refund: Refund | None) -> None:
        if times := _script(charge).webhooks:
            self._webhooks.send(charge.webhook_url, _tell(charge, refund).decode(), times)

    async def _lose_reply(self, request: Request) -> Response:
        """Answer nothing until the client leaves."""
        try:
            async with asyncio.timeout(self._delays.lost_reply_s):
                while (await request.receive())["type"] != "http.disconnect":
                    pass
        except TimeoutError:
            pass
        return _error(504, "reply_lost")


async def create_app(
    secret: bytes, now: Callable[[], float], journal: Path | None = None, delays: Delays | None = None
) -> Starlette:
    """The sandbox as an ASGI application; webhooks are signed with `secret`, `now` gives Unix seconds.

    With a journal it remembers its charges from run to run, through `kill -9`. Its lifespan must be run.
    """
    delays = delays or Delays()
    sandbox = _Sandbox(Book(journal), Webhooks(secret, delays.webhook_retries_s, now), delays, now)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        sandbox.resume()
        yield
        await sandbox.close()

    return Starlette(
        routes=[
            Route("/charges", sandbox.charge, methods=["POST"]),
            Route("/charges/{key}", sandbox.find, methods=["GET"]),
            Route("/charges/{key}/capture", sandbox.capture, methods=["POST"]),
            Route("/charges/{key}/void", sandbox.void, methods=["POST"]),
            Route("/charges/{key}/refund", sandbox.refund, methods=["POST"]),
            Route("/statement", sandbox.statement, methods=["GET"]),
        ],
        lifespan=lifespan,
    )


def _script(charge: Charge) -> Script:
    return SCRIPTS.get(charge.source, UNKNOWN_SOURCE)


def _is_same(known: Charge, asked: _ChargeRequest) -> bool:
    return (known.amount, known.currency, known.source, known.capture) == (
        asked.amount, asked.currency, asked.source, asked.capture,
    )  # fmt: skip


def _tell(charge: Charge, refund: Refund | None) -> bytes:
    told = {
        "key": charge.key, "reference": charge.reference, "state": charge.state, "amount": charge.amount,
        "currency": charge.currency, "decline_reason": charge.decline_reason, "expires_at": charge.expires_at,
    }  # fmt: skip
    return _encode(told if refund is None else {**told, "refund": refund})


def _answer(status: int, charge: Charge, refund: Refund | None = None) -> Response:
    return Response(_tell(charge, refund), status, media_type="application/json")


def _json(status: int, content: Any) -> Response:
    return Response(_encode(content), status, media_type="application/json")


def _error(status: int, code: str) -> Response:
    return _json(status, {"error": code})


async def _read(request: Request, wanted: type[msgspec.Struct]) -> Any:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            return _error(413, "too_large")
    try:
        return msgspec.json.decode(body, type=wanted)
    except msgspec.MsgspecError as error:
        return _json(422, {"error": "invalid_request", "message": str(error)})


_encode = msgspec.json.Encoder().encode
