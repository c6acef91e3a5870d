"""The same on four nodes, each payment beside its order."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

import databases
from integration.payments.payments_bench import Bench, Inbox
from integration.payments.test_refunds import order_event, payment_events
from manual_clock import ManualClock
from tiffin.sharding.order_id import customer_shard
from tiffin.sharding.partitions import create_partitions, drop_partitions
from tiffin.sharding.router import Router
from tiffin.sharding.topology import move_shards
from tiffin.storage.embedded import EmbeddedServer
from tiffin.storage.node import Node

NODES = ["first", "second", "third", "fourth"]


@pytest.fixture(scope="module")
async def nodes(server: EmbeddedServer) -> AsyncIterator[list[Node]]:
    """Nodes of one's own: a shard is moved, and other tests count on where those of the shared nodes are."""
    nodes = await databases.open_platform(server, NODES)
    yield nodes
    for node in nodes:
        await node.close()
    await databases.drop_platform(server, NODES)


@pytest.fixture
async def wide(
    nodes: list[Node],
    bench_clock: ManualClock,
    inbox: Inbox,
    session: aiohttp.ClientSession,
    sandbox_url: str,
) -> AsyncIterator[Bench]:
    bench = Bench(await Router.open(nodes), bench_clock, inbox, session, sandbox_url)
    yield bench
    await bench.close()


async def test_payments_of_every_node_are_paid_told_refunded_and_settled(wide: Bench) -> None:
    orders = [wide.order() for _ in range(24)]
    homes = {wide.router.node("customer", customer_shard(int(order.id))).name for order in orders}
    assert len(homes) == 4
    payments = await asyncio.gather(*(wide.pay(order) for order in orders))
    assert {payment.state for payment in payments} == {"succeeded"}
    events = [event for payment in payments for event in await payment_events(wide, payment)]
    await wide.consumer_of(wide.service(wide.provider)).handle(events)
    assert all(wide.desk.told.count(order.id) == 2 for order in orders)
    await wide.consumer.handle([order_event(wide, wide.cancel(order)) for order in orders])
    await wide.settle()
    assert {await wide.state(payment) for payment in payments} == {"refunded"}
    for order in orders:
        assert await wide.statement(order) == [("charge", 1250), ("refund", -1250)]


async def test_a_refund_is_not_missed_because_the_payment_has_moved(wide: Bench, nodes: list[Node]) -> None:
    """The old node, asked by who does not know of the move, has nothing; that must not be believed."""
    order = wide.order()
    shard = customer_shard(int(order.id))
    payment = await wide.pay(order)
    there = wide.router.node("customer", shard)
    here = next(node for node in nodes if node is not there)
    row = await there.fetchrow(
        "SELECT to_jsonb(p)::text AS row FROM payments.payments p WHERE shard = $1 AND id = $2",
        shard,
        payment.id,
    )
    assert row is not None
    await create_partitions(here, "customer", [shard])
    await here.execute(
        "INSERT INTO payments.payments SELECT * FROM jsonb_populate_record(null::payments.payments, $1)",
        row["row"],
    )
    await drop_partitions(there, "customer", [shard])
    await move_shards(nodes[0], "customer", [shard], here.name)

    await wide.consumer.handle([order_event(wide, wide.cancel(order))])
    await wide.settle()
    assert await wide.state(payment) == "refunded"
    assert await wide.statement(order) == [("charge", 1250), ("refund", -1250)]
