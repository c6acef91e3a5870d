"""Services that do as they are told, and clients of them."""

from collections.abc import AsyncIterator, Callable

import pytest

import scripted_rpc
from scripted_rpc import ScriptedRpc
from tiffin.rpc.client import Client
from tiffin.rpc.pool import ClientLimits

MakeClient = Callable[..., Client]


@pytest.fixture
async def peer() -> AsyncIterator[ScriptedRpc]:
    """One that speaks for `Payments`."""
    peer = ScriptedRpc()
    await peer.listen()
    yield peer
    await peer.close()


@pytest.fixture
async def other_peer() -> AsyncIterator[ScriptedRpc]:
    """A second one."""
    peer = ScriptedRpc()
    await peer.listen()
    yield peer
    await peer.close()


@pytest.fixture
async def make_client() -> AsyncIterator[MakeClient]:
    """`make_client(address, ..., limits=, chance=)`. Without a chance retries make no pause."""
    made: list[Client] = []

    def make(*addresses: str, limits: ClientLimits | None = None, chance: float = 0.0) -> Client:
        made.append(Client("Payments", addresses, scripted_rpc.now, lambda: chance, limits or ClientLimits()))
        return made[-1]

    yield make
    for client in made:
        await client.close()
