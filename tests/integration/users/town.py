"""People, their phones, and a gateway in front of the real service `users`."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from secrets import token_bytes
from typing import Any
from uuid import uuid4

import aiohttp
import msgspec
from prometheus_client import CollectorRegistry

from gateway_platform import FeedStub, OrdersStub, RestaurantsStub
from manual_clock import ManualClock
from tiffin.gateway.app import Gateway, Limits
from tiffin.gateway.server import serve
from tiffin.rpc import contracts as c
from tiffin.rpc.context import new_context
from tiffin.services.users.policy import SignInPolicy
from tiffin.services.users.service import UsersService
from tiffin.services.users.sign_in import CodeToSend
from tiffin.services.users.signing import PlatformTokens
from tiffin.sharding.router import Router

SECRET = b"the secret of the people in these tests"
LIMITS = Limits(visits_per_minute=10_000)


@dataclass
class Answer:
    """What the gateway said."""

    status: int
    body: Any
    headers: Any

    @property
    def problem(self) -> tuple[int, str]:
        return self.status, self.body["code"]


@dataclass
class Town:
    """One platform: processes of `users`, phones that receive codes, and a gateway."""

    router: Router
    clock: ManualClock
    new_id: Callable[[str], str]
    policy: SignInPolicy = field(default_factory=SignInPolicy)
    sent: dict[str, list[CodeToSend]] = field(default_factory=dict[str, list[CodeToSend]])
    not_sent: Exception | None = None
    orders: OrdersStub = field(default_factory=OrdersStub)
    http: Any = None
    gateway: Any = None

    def __post_init__(self) -> None:
        self.users = self.process()
        self.tokens = PlatformTokens(SECRET, self.clock)

    def process(self) -> UsersService:
        """Another process of `users` on the same databases."""
        return UsersService(
            self.router, self.clock, secret=SECRET, policy=self.policy, send_code=self._deliver,
            random_bytes=token_bytes,
        )  # fmt: skip

    async def _deliver(self, context: c.CallContext, code: CodeToSend) -> None:
        if self.not_sent:
            raise self.not_sent
        self.sent.setdefault(code.phone, []).append(code)

    def phone(self) -> str:
        """A phone of nobody's."""
        return f"+57{uuid4().int % 10**10:010}"

    def context(self, role: Any = "system", caller_id: str = "test") -> c.CallContext:
        return new_context(role, caller_id, self.clock())

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Town"]:
        """With a gateway on a socket."""
        stubs = {name: RestaurantsStub() for name in c.services}
        services = {**stubs, "Users": self.users, "Orders": self.orders}

        async def needs() -> dict[str, bool]:
            return {}

        self.gateway = Gateway(
            services, self.clock, feed=FeedStub(), needs=needs, registry=CollectorRegistry(), limits=LIMITS
        )
        server = await serve(self.gateway, "127.0.0.1", 0)
        try:
            async with aiohttp.ClientSession(server.url, timeout=aiohttp.ClientTimeout(60)) as self.http:
                yield self
        finally:
            await server.stop()

    async def ask(
        self, method: str, path: str, body: Any = None, token: str | None = None, **headers: str
    ) -> Answer:
        """One request over HTTP."""
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        async with self.http.request(method, path, json=body, headers=headers) as response:
            return Answer(response.status, await response.json(content_type=None), response.headers)

    async def news(self) -> None:
        """The gateway hears what has ended: what it does by itself every few seconds."""
        await self.gateway.callers.tokens.refresh()

    async def code(self, phone: str) -> dict[str, str]:
        """Ask for a code, and what to send back to sign in with it."""
        started = await self.ask("POST", "/v1/sign-in/codes", {"phone": phone})
        assert started.status == 201, started.body
        return {
            "phone": phone,
            "sign_in_id": started.body["sign_in_id"],
            "code": self.sent[phone.replace(" ", "")][-1].code,
        }

    async def sign_in(self, phone: str, **more: str) -> c.SignedIn:
        """Sign in with a code."""
        answer = await self.ask("POST", "/v1/sign-in", {**await self.code(phone), **more})
        assert answer.status == 201, answer.body
        self.clock.advance(self.policy.code_again_s)
        return msgspec.convert(answer.body, c.SignedIn)

    async def refresh(self, signed_in: c.SignedIn, **more: str) -> Answer:
        return await self.ask(
            "POST", "/v1/sign-in/refresh", {"refresh_token": signed_in.refresh_token, **more}
        )

    async def opens(self, token: str) -> bool:
        """Whether the gateway lets somebody in with it."""
        status = (await self.ask("GET", "/v1/restaurants", token=token)).status
        assert status in (200, 401)
        return status == 200


def wrong(code: str) -> str:
    """Another code."""
    return f"{(int(code) + 1) % 10**6:06}"
