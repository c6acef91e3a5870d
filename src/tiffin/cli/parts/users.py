"""The service `users`, put together."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from tiffin.cli.clock import utc_now
from tiffin.cli.parts.part import Ground, Part, Peers
from tiffin.services.users.service import UsersService


@asynccontextmanager
async def open_users(ground: Ground, peers: Peers) -> AsyncGenerator[Part]:
    """Customers and addresses. Asks nobody."""
    yield Part(UsersService(ground.router, utc_now))
