"""Stripe's balance transactions through its own library, from a server that pages as Stripe does.

localstripe's charges name no payment; its refunds do (test_stripe).
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from integration.payments.conftest import serving
from tiffin.primitives.errors import Unavailable
from tiffin.services.payments.stripe_statement import Moved, stripe_statement
from tiffin.services.payments.through_stripe import stripe_client

OURS = {"key": "1048577-a"}
BACK = {"key": "1048577-r/1", "payment": "1048577-a"}


def transaction(type_: str, source: Mapping[str, Any] | str | None, amount: int = 0) -> dict[str, Any]:
    return {
        "object": "balance_transaction",
        "type": type_,
        "amount": amount,
        "currency": "usd",
        "source": source,
    }


def charge(amount: int, metadata: Mapping[str, str], **more: Any) -> dict[str, Any]:
    return {
        "object": "charge",
        "id": "ch_1",
        "amount": amount,
        "currency": "eur",
        "metadata": metadata,
        **more,
    }


def refund(amount: int) -> dict[str, Any]:
    return {"object": "refund", "id": "re_1", "amount": amount, "currency": "eur", "metadata": BACK}


BOOK = [
    transaction("payout", "po_1", -900),
    transaction("refund_failure", refund(200), 220),
    transaction("refund", refund(300), -330),
    transaction("refund", refund(200), -220),
    transaction("charge", charge(700, {}), 770),  # somebody else's on the same account
    transaction("stripe_fee", None, -30),
    transaction("charge", charge(1250, OURS, amount_captured=1250), 1375),
]


@pytest.fixture(scope="module")
async def stripe_url() -> AsyncIterator[str]:
    """Two transactions a page, whatever is asked for."""

    async def listed(request: Request) -> Response:
        if request.headers["Authorization"] != "Bearer sk_test_1":
            return JSONResponse({"error": {"message": "who are you?"}}, 401)
        assert request.query_params.getlist("expand[0]") == ["data.source"]
        after = request.query_params.get("starting_after")
        start = 0 if after is None else int(after.removeprefix("txn_")) + 1
        page = [{**each, "id": f"txn_{start + n}"} for n, each in enumerate(BOOK[start : start + 2])]
        more = start + 2 < len(BOOK)
        return JSONResponse({"object": "list", "url": request.url.path, "has_more": more, "data": page})

    async with serving(Starlette(routes=[Route("/v1/balance_transactions", listed)])) as url:
        yield url


async def test_every_page_is_read_and_only_our_payments_movements_are_told(
    session: aiohttp.ClientSession, stripe_url: str
) -> None:
    moved = await stripe_statement(stripe_client(session, "sk_test_1", stripe_url))
    assert moved == [
        Moved("refund", "1048577-a", 200, "EUR"),
        Moved("refund", "1048577-a", -300, "EUR"),
        Moved("refund", "1048577-a", -200, "EUR"),
        Moved("charge", "1048577-a", 1250, "EUR"),
    ]


async def test_a_provider_that_cannot_be_asked_is_away(
    session: aiohttp.ClientSession, stripe_url: str
) -> None:
    for key, url in (("sk_test_wrong", stripe_url), ("sk_test_1", "http://127.0.0.1:9")):
        with pytest.raises(Unavailable, match="stripe"):
            await stripe_statement(stripe_client(session, key, url))
