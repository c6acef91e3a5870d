"""Whatever comes over a connection, it is answered or closed, and everybody else is served."""

import asyncio
import random
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from subprocess import PIPE

import psutil
import pytest

import rpc_peers
from hostile_bytes import CALLS, LIST, MAP, SERVICES, STRUCT, mutated, nested
from rpc_peers import Held, Peers, RawClient, serving
from rpc_values import example
from tiffin.rpc import contracts as c
from tiffin.rpc import wire
from tiffin.rpc.context import new_context

REF = c.OrderRef(order_id="1")


def framed(payload: bytes) -> bytes:
    return len(payload).to_bytes(4, "big") + payload


@pytest.fixture
async def peers() -> AsyncIterator[Peers]:
    async with serving(*SERVICES) as peers:
        yield peers


async def is_serving(peers: Peers) -> bool:
    client = await peers.client()
    client.call(1, "Orders.get", REF, peers.context())
    return await client.answer() == (1, example(c.Order))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\xff\xff\xff\xff", id="a frame of -1 bytes"),
        pytest.param(b"\x80\x00\x00\x00", id="a frame of -2 GB"),
        pytest.param(b"\x7f\xff\xff\xff", id="a frame of 2 GB"),
        pytest.param(b"\x00\x20\x00\x01", id="a frame of a byte too many"),
        pytest.param(b"\x00\x00\x00\x00", id="an empty frame"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: example\r\n\r\n", id="HTTP"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", id="TLS"),
        pytest.param(framed(b"\x00\x00\x00\x03get\x01" + b"\x00" * 5), id="an old header"),
        pytest.param(framed(CALLS["get"][:20]), id="a header cut off"),
        pytest.param(CALLS["get"], id="a call without a frame"),
    ],
)
async def test_what_has_no_readable_header_ends_its_connection_and_no_other(peers: Peers, data: bytes):
    held = peers.orders.doing["held"] = Held(example(c.Order))
    bystander, client = await peers.client(), await peers.client()
    bystander.call(1, "Orders.get", REF, peers.context("held"))
    await held.begun.wait()
    client.send(data)
    assert await client.payload() is None
    held.let_go()
    assert await bystander.answer() == (1, example(c.Order))
    assert peers.measured("tiffin_rpc_server_connections_broken_total") == 1


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(CALLS["get"][:-1], id="cut off before the end"),
        pytest.param(CALLS["get"][:30], id="cut off in the context"),
        pytest.param(CALLS["get"] + b"\x00", id="a byte after the end"),
        *(
            pytest.param(nested(kind, depth), id=f"{name} {depth} deep")
            for name, kind in (("structs", STRUCT), ("lists", LIST), ("maps", MAP))
            for depth in (100, 10_000, 50_000)
        ),
    ],
)
async def test_what_has_one_gets_a_typed_error_and_the_calls_beside_it_their_answers(
    peers: Peers, payload: bytes
):
    held = peers.orders.doing["held"] = Held(example(c.Order))
    client = await peers.client()
    client.call(1, "Orders.get", REF, peers.context("held"))
    client.send(framed(payload))
    client.call(2, "Orders.get", REF, peers.context())
    answers = await client.answers(2)
    assert isinstance(answers[7], wire.RpcBug)
    assert answers[7].kind == wire.PROTOCOL_ERROR
    assert answers[2] == example(c.Order)
    held.let_go()
    assert await client.answer() == (1, example(c.Order))


@pytest.mark.parametrize("kind", [wire.REPLY, wire.EXCEPTION, 4, 0, 255])
async def test_a_message_that_is_no_call_gets_a_typed_error(peers: Peers, kind: int):
    client = await peers.client()
    client.send(framed(CALLS["get"][:3] + bytes([kind]) + CALLS["get"][4:]))
    _, error = await client.answer()
    assert isinstance(error, wire.RpcBug)
    assert error.kind == wire.INVALID_MESSAGE_TYPE


async def test_a_connection_cut_off_at_any_byte_leaves_nothing_behind(peers: Peers):
    frame = framed(CALLS["get"])
    for length in range(len(frame)):
        client = await RawClient.connect(*peers.server.address)
        client.send(frame[:length])
        await client.close()
    assert await is_serving(peers)
    assert peers.server.in_flight == 0
    assert peers.orders.asked.keys() == {"request-1"}


async def attack(address: tuple[str, int], chance: random.Random, count: int) -> dict[str, int]:
    """Send mutated calls, and now and then a mutated frame. Returns how the server took them."""
    took = {"answered": 0, "closed": 0}
    client = await RawClient.connect(*address)
    for number in range(count):
        call = CALLS[chance.choice([*CALLS])]
        breaks_frame = number % 10 == 9
        client.send(mutated(framed(call), chance) if breaks_frame else framed(mutated(call, chance)))
        if breaks_frame:
            client.end()
            while await client.payload() is not None:
                pass
        elif await client.payload() is not None:
            took["answered"] += 1
            continue
        else:
            took["closed"] += 1
        await client.close()
        client = await RawClient.connect(*address)
    await client.close()
    return took


async def test_mutations_are_answered_or_end_their_connection_and_everybody_else_is_served(peers: Peers):
    took = await attack(peers.server.address, random.Random(1), 3000)
    assert min(took.values()) > 100, took
    assert await is_serving(peers)


@pytest.mark.soak
async def test_a_hundred_thousand_mutations_leave_the_process_alive_and_its_memory_flat():
    process = await asyncio.create_subprocess_exec(sys.executable, rpc_peers.__file__, *SERVICES, stdout=PIPE)
    try:
        assert process.stdout is not None
        address = ("127.0.0.1", int(await process.stdout.readline()))
        server, chance = psutil.Process(process.pid), random.Random(2)
        await attack(address, chance, 10_000)
        before = server.memory_info().rss
        for _ in range(9):
            await attack(address, chance, 10_000)
        grown = server.memory_info().rss - before
        print(f"{before / 2**20:.1f} MiB after 10,000 mutations, {grown / 2**20:+.2f} MiB after 90,000 more")
        assert grown < 2 << 20
        client = await RawClient.connect(*address)
        client.call(1, "Orders.get", REF, new_context("customer", "ann", datetime.now(UTC)))
        assert await client.answer() == (1, example(c.Order))
        await client.close()
    finally:
        process.terminate()
        await process.wait()
