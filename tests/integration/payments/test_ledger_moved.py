"""Shards move under the ledger: nothing is entered where it does not belong, balances can be made anew."""

from collections.abc import AsyncIterator, Callable

import pytest

import databases
from integration.payments.ledger_town import Books
from integration.payments.payments_bench import Bench
from manual_clock import ManualClock
from marketplace import move_shard
from tiffin.services.payments.ledger import accounts
from tiffin.services.payments.ledger.consumers import LedgerConsumer
from tiffin.services.payments.ledger.store import LedgerStore, remake_balances
from tiffin.sharding.order_id import customer_shard, restaurant_shard
from tiffin.sharding.router import Router
from tiffin.storage.embedded import EmbeddedServer
from tiffin.storage.node import Node

NODES = ["ledger-a", "ledger-b"]


@pytest.fixture(scope="module")
async def nodes(server: EmbeddedServer) -> AsyncIterator[list[Node]]:
    """Nodes of one's own: other tests count on where the shards of the shared ones are."""
    nodes = await databases.open_platform(server, NODES)
    yield nodes
    for node in nodes:
        await node.close()
    await databases.drop_platform(server, NODES)


@pytest.fixture
async def books(
    nodes: list[Node], clock: ManualClock, new_id: Callable[[str], str], bench: Bench
) -> AsyncIterator[Books]:
    async with Books.open(await Router.open(nodes), clock, new_id, bench.provider) as books:
        yield books


async def test_a_stale_reader_enters_where_the_shards_have_moved_to(books: Books, nodes: list[Node]) -> None:
    order = await books.order()
    events = await books.events(order)
    stale = LedgerConsumer(
        LedgerStore(await Router.open(nodes)), books.market.orders, books.policies, books.clock
    )
    home = await move_shard(nodes, "customer", customer_shard(int(order.id)))
    house = await move_shard(nodes, "restaurant", restaurant_shard(int(order.id)))
    for _ in range(2):
        await stale.handle(events)
    assert len(await home.fetch("SELECT FROM ledger.entries WHERE subject = $1", order.id)) == 2
    dues = "SELECT FROM ledger.dues WHERE party = $1"
    assert len(await house.fetch(dues, accounts.restaurant(order.restaurant_id))) == 1
    assert (await books.entries(order)).keys() == {"captured", "completed"}
    assert await books.owed(accounts.restaurant(order.restaurant_id)) > 0


async def test_balances_are_made_anew_from_entries(books: Books) -> None:
    order = await books.order(until="accepted")
    await books.keep(order)
    shard = customer_shard(int(order.id))
    node = books.router.node("customer", shard)
    query = "SELECT * FROM ledger.balances WHERE shard = $1 ORDER BY account"
    right = await node.fetch(query, shard)
    assert {row["account"] for row in right} >= {f"customer:{order.customer_id}", "provider:clearing:sandbox"}
    for spoilt in (
        "DELETE FROM ledger.balances WHERE shard = $1",
        "UPDATE ledger.balances SET amount = amount + 1 WHERE shard = $1",
        "INSERT INTO ledger.balances VALUES ($1, 'customer:nobody', 'COP', 5, 1)",
    ):
        await node.execute(spoilt, shard)
        await remake_balances(node, [shard])
        assert await node.fetch(query, shard) == right
