"""Where the provider's notices arrive and are kept: who is to hear of them, and when, is decided here."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from integration.payments.conftest import serving
from integration.races.scene import Scene
from tiffin.audit import StatementLine
from tiffin.services.payments.sandbox.webhooks import SIGNATURE_HEADER

WAIT_S = 60.0
TOLD = "tok_repeat"
"""A charge of which the provider sends notice, three times."""


class Post:
    """Notices by payment, and the provider's statement by order."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.url = self.sandbox_url = ""
        self._session = session
        self._arrived: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
        self._lines: list[dict[str, Any]] = []
        self._read = 0

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncGenerator["Post"]:
        async with aiohttp.ClientSession() as session:
            post = cls(session)

            async def take(request: Request) -> Response:
                body = (await request.body()).decode()
                post._arrived[msgspec.json.decode(body)["key"]].append(
                    (body, request.headers[SIGNATURE_HEADER])
                )
                return Response()

            async with serving(Starlette(routes=[Route("/notices", take, methods=["POST"])])) as url:
                post.url = f"{url}/notices"
                yield post

    async def until_told(self, scene: Scene, has_refund: bool) -> None:
        """The provider has sent notice of how things stand."""
        if scene.payment is None or scene.source != TOLD:
            return
        async with self._session.get(f"{self.sandbox_url}/charges/{scene.payment.id}") as response:
            stands = (await response.json())["state"]
        async with asyncio.timeout(WAIT_S):
            while not self._has_told(scene.payment.id, stands, has_refund):
                await asyncio.sleep(0.005)

    async def notices(self, scene: Scene) -> list[tuple[str, str]]:
        """All that has come, and once more the other way round: late, repeated, out of order."""
        some = self._arrived[scene.payment.id] if scene.payment else []
        return [*some, *reversed(some)]

    def forget(self) -> None:
        """Notices of races that are over."""
        self._arrived.clear()

    async def statement(self) -> dict[str, list[dict[str, Any]]]:
        """The provider's lines by order, all of them."""
        while True:
            async with self._session.get(f"{self.sandbox_url}/statement?after={self._read}") as response:
                page = await response.json()
            if not page["lines"]:
                break
            self._lines += page["lines"]
            self._read = page["next_after"]
        of_order: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        for line in self._lines:
            of_order[line["key"].partition("-")[0]].append(line)
        return of_order

    async def whole_statement(self) -> list[StatementLine]:
        """The same as the audit reads it."""
        await self.statement()
        return [
            StatementLine(line["kind"], line["key"], line["amount"], line["currency"]) for line in self._lines
        ]

    def _has_told(self, payment_id: str, state: str, has_refund: bool) -> bool:
        told = [msgspec.json.decode(body) for body, _ in self._arrived[payment_id]]
        return any(each["state"] == state for each in told) and (
            not has_refund or any("refund" in each for each in told)
        )
