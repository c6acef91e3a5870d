"""A service process that is killed in mid-call and comes back."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from scripted_rpc import context, payment_list
from tiffin.primitives.errors import Unavailable
from tiffin.rpc import contracts as c

WHICH = c.PaymentsOf(order_id="1")
PAY = c.PayOrder(order_id="1", source="card")

SERVER = """
import asyncio, sys
from types import SimpleNamespace
from tiffin.cli.clock import utc_now
from tiffin.rpc import contracts as c
from tiffin.rpc import wire
from tiffin.rpc.server import RpcServer

async def list_payments(context, request):
    return c.PaymentList(payments=[])

async def pay(context, request):
    print("paying", flush=True)
    await asyncio.Event().wait()

async def main():
    methods = dict.fromkeys(wire.services["Payments"])
    payments = SimpleNamespace(**{**methods, "list_payments": list_payments, "pay": pay})
    async with RpcServer({"Payments": payments}, utc_now) as server:
        await server.listen("127.0.0.1", int(sys.argv[1]))
        print(server.address[1], flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@asynccontextmanager
async def service(port: int) -> AsyncGenerator[tuple[Process, int]]:
    """The process and the port it listens on."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", SERVER, str(port), stdout=PIPE)
    try:
        assert process.stdout is not None
        yield process, int(await process.stdout.readline())
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_killed_in_mid_call_costs_a_clear_error_and_after_its_return_all_is_well(make_client):
    async with service(0) as (process, port):
        client = make_client(f"127.0.0.1:{port}")
        payments: c.Payments = client.service
        assert await payments.list_payments(context(), WHICH) == payment_list()
        under_way = [asyncio.create_task(payments.pay(context(), PAY)) for _ in range(3)]
        assert process.stdout is not None
        for _ in under_way:
            assert await process.stdout.readline() == b"paying\n"
        process.kill()
        for call in under_way:
            with pytest.raises(Unavailable, match="outcome_unknown"):
                await call
        await process.wait()
        with pytest.raises(Unavailable, match="unreachable"):
            await payments.pay(context(), PAY)
    await client.check_health()
    async with service(port):
        await client.check_health()
        assert await payments.list_payments(context(), WHICH) == payment_list()
