"""Codes on their way to phones and back.

An update or a deletion that finds nothing has done nothing, so it is asked like a question (`Router.read`):
where the shard has moved away, it is asked again there.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg
import structlog

from tiffin.primitives.clock import Clock, to_text
from tiffin.primitives.errors import Unavailable
from tiffin.rpc import contracts as c
from tiffin.services.users.codes import hash_of, is_right, new_code, normal_phone, too_many, wrong_code
from tiffin.services.users.credentials import Credentials
from tiffin.services.users.policy import SignInPolicy
from tiffin.services.users.queries import QUERIES
from tiffin.sharding.router import Router
from tiffin.sharding.slots import shard_of
from tiffin.storage.node import Node

_log = structlog.get_logger()


@dataclass(frozen=True)
class CodeToSend:
    """What has to reach a phone."""

    sign_in_id: str
    phone: str
    code: str
    language: str | None
    good_for_s: int


SendCode = Callable[[c.CallContext, CodeToSend], Awaitable[None]]
"""Takes a code on. When it returns the code is on its way, however long that takes."""


@dataclass(frozen=True)
class RightCode:
    """A code that was right. It is used up by `SignIns.use`, which one of all who have it manages."""

    phone: str
    sign_in_id: str
    code_hash: bytes


class SignIns:
    """Asks for codes and takes them back. Does the same for a phone somebody is known by and any other."""

    def __init__(
        self, router: Router, clock: Clock, policy: SignInPolicy, credentials: Credentials, send: SendCode
    ) -> None:
        self._router = router
        self._clock = clock
        self._policy = policy
        self._credentials = credentials
        self._send = send

    async def start(self, context: c.CallContext, request: c.StartSignIn) -> c.SignInStarted:
        """Send a code, or `Refusal("too_many_codes")`."""
        phone, now = normal_phone(request.phone), self._clock()
        sign_in_id, code = self._credentials.new_id(), new_code(self._credentials.random_below)
        expires_at = now + timedelta(seconds=self._policy.code_s)
        await self._ask(phone, sign_in_id, code, now, expires_at)
        to_send = CodeToSend(sign_in_id, phone, code, request.language, self._policy.code_s)
        try:
            await self._send(context, to_send)
        except Unavailable as error:
            raise Unavailable(
                "code_not_sent", "the code could not be sent", self._policy.code_again_s * 1000
            ) from error
        return c.SignInStarted(
            sign_in_id=sign_in_id, expires_at=to_text(expires_at), again_after_s=self._policy.code_again_s
        )

    async def _ask(self, phone: str, sign_in_id: str, code: str, now: datetime, expires_at: datetime) -> None:
        shard, policy = shard_of(phone), self._policy
        window = timedelta(seconds=policy.codes_window_s)

        async def do(node: Node) -> asyncpg.Record | None:
            return await node.fetchrow(
                QUERIES["ask_code"], shard, phone, sign_in_id,
                hash_of(self._credentials.code_key, phone, sign_in_id, code), expires_at, policy.guesses_max,
                now, now - timedelta(seconds=policy.code_again_s), now - window, policy.codes_per_phone_max,
            )  # fmt: skip

        if await self._router.write("customer", shard, do):
            return
        asked = await self._router.read(
            "customer", shard, lambda node: node.fetchrow(QUERIES["asked"], shard, phone)
        )
        if asked is None:
            raise Unavailable("busy", "somebody else was faster; no code was sent")
        raise too_many(policy, now, asked["asked_at"], asked["window_began_at"], asked["asked"])

    async def guess(self, phone: str, sign_in_id: str, code: str) -> RightCode:
        """Spend a guess. `Refusal("bad_code")` unless it is right."""
        phone, shard = normal_phone(phone), shard_of(normal_phone(phone))

        async def do(node: Node) -> asyncpg.Record | None:
            return await node.fetchrow(QUERIES["spend_guess"], shard, phone, sign_in_id, self._clock())

        row = await self._router.read("customer", shard, do)
        if row is None or not is_right(row["code_hash"], self._credentials.code_key, phone, sign_in_id, code):
            raise wrong_code()
        return RightCode(phone, sign_in_id, row["code_hash"])

    async def use(self, right: RightCode) -> None:
        """Use the code up. `Refusal("bad_code")` for everybody but the first."""
        shard = shard_of(right.phone)

        async def do(node: Node) -> asyncpg.Record | None:
            return await node.fetchrow(
                QUERIES["use_code"], shard, right.phone, right.sign_in_id, right.code_hash
            )

        if await self._router.read("customer", shard, do) is None:
            raise wrong_code()

    async def forget(self, phone: str) -> None:
        """Nothing is known any more of codes sent to this phone."""
        shard = shard_of(normal_phone(phone))

        async def do(node: Node) -> asyncpg.Record | None:
            return await node.fetchrow(QUERIES["forget_sign_in"], shard, normal_phone(phone))

        await self._router.read("customer", shard, do)
