"""Our side of the RPC bench: the real server and client; `Restaurants.set_menu` says the menu again."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import cast

from tiffin.load.rpc_bench import DISHES, Call, Mode
from tiffin.primitives.clock import Clock
from tiffin.rpc import contracts as c
from tiffin.rpc import wire
from tiffin.rpc.client import Client
from tiffin.rpc.context import new_context
from tiffin.rpc.garbage import settle
from tiffin.rpc.pool import ClientLimits
from tiffin.rpc.server import RpcServer


class _Echo:
    """`Restaurants`, as far as the bench goes: the other methods are there and nobody calls them."""

    def __getattr__(self, name: str) -> object:
        if name not in wire.services["Restaurants"]:
            raise AttributeError(name)
        return None

    async def set_menu(self, context: c.CallContext, request: c.SetMenu) -> c.Menu:
        return c.Menu(restaurant_id=request.restaurant_id, currency="EUR", version=1, items=request.items)


def menu() -> c.SetMenu:
    """A thousand bytes and some."""
    large = [c.OptionChoice(id="large", name="Large portion", price=300)]
    items = [
        c.MenuItem(
            id=f"dish-{number:03}", name=f"Dish number {number} of the house", price=1250 + number,
            category="Mains", description="With rice, salad and the sauce", options=large,
        )
        for number in range(DISHES)
    ]  # fmt: skip
    return c.SetMenu(restaurant_id="bench", items=items)


def caller_context(clock: Clock) -> c.CallContext:
    """Of the restaurant whose menu it is."""
    return new_context("restaurant", "bench", clock())


async def serve(clock: Clock, ready: Callable[[int], None]) -> None:
    """As `Side.serve`."""
    async with RpcServer({"Restaurants": _Echo()}, clock) as server:
        await server.listen("127.0.0.1", 0)
        settle()
        ready(server.address[1])
        await asyncio.get_running_loop().create_future()


@asynccontextmanager
async def connect(clock: Clock, port: int, mode: Mode) -> AsyncGenerator[Sequence[Call]]:
    """As `Side.connect`: callers share the connections of one client."""
    limits = ClientLimits(mode.connections, mode.calls_per_connection)
    chance = Random(1).random  # noqa: S311
    client = Client("Restaurants", [f"127.0.0.1:{port}"], clock, chance, limits)
    restaurants = cast(c.Restaurants, client.service)
    wanted = menu()

    async def call() -> int:
        answer = await restaurants.set_menu(caller_context(clock), wanted)
        return len(answer.items)

    try:
        yield [call] * (mode.connections * mode.calls_per_connection)
    finally:
        await client.close()
