"""The service `users`, put together."""

import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial

from tiffin.cli.background import Work, every, on_each_node
from tiffin.cli.clock import utc_now
from tiffin.cli.parts.part import Ground, Part, Peers
from tiffin.rpc import contracts as c
from tiffin.rpc.context import new_context
from tiffin.services.users.erasure import tell_again
from tiffin.services.users.service import UsersService
from tiffin.services.users.sign_in import CodeToSend
from tiffin.storage.node import Node

TELL_INTERVAL_S = 10.0
FORGET_INTERVAL_S = 3600.0


@asynccontextmanager
async def open_users(ground: Ground, peers: Peers) -> AsyncGenerator[Part]:
    """People. Asks notifications to send codes."""
    users = UsersService(
        ground.router, utc_now, secret=ground.secret, policy=ground.config.sign_in,
        send_code=partial(_send_code, peers), random_bytes=secrets.token_bytes,
    )  # fmt: skip

    def tell(node: Node) -> Work:
        return every(TELL_INTERVAL_S, "users.erasures", lambda: tell_again(node, utc_now()))

    async def forget() -> bool:
        await users.forget_old(ground.router.nodes)
        return False

    def work() -> list[Work]:
        return [every(FORGET_INTERVAL_S, "users.forget", forget), on_each_node(ground.router, tell)]

    yield Part(users, work)


async def _send_code(peers: Peers, context: c.CallContext, code: CodeToSend) -> None:
    """By `notifications`: it has the code when this returns, and sends it soon."""
    own = new_context("system", "users", utc_now(), request_id=context.request_id)
    own.deadline_ms = context.deadline_ms
    message = c.SendMessage(
        key=f"sign-in-{code.sign_in_id}", template="sign_in_code", role="customer", phone=code.phone,
        language=code.language, urgent=True, expires_in_s=code.good_for_s,
        variables=[
            c.MessageVariable(name="code", value=code.code, secret=True),
            c.MessageVariable(name="minutes", value=str(max(1, code.good_for_s // 60))),
        ],
    )  # fmt: skip
    await peers.notifications.send(own, message)
