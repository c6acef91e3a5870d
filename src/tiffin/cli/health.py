"""How a process of the platform is, asked from outside."""

import asyncio
import re
from dataclasses import dataclass

import aiohttp

from tiffin.cli.addresses import split_address
from tiffin.cli.clock import utc_now
from tiffin.cli.peers import chance, contract_of
from tiffin.primitives.errors import Refusal, Unavailable
from tiffin.rpc import contracts as c
from tiffin.rpc.client import Client
from tiffin.rpc.context import new_context
from tiffin.rpc.wire import RpcBug

ASK_S = 2.0
_IN_FLIGHT = re.compile(r"^tiffin_http_requests_in_flight (\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Health:
    """`state`: serving, draining, not ready or no answer."""

    state: str
    in_flight: int | None = None


async def ask(service: str, address: str) -> Health:
    """Ask a service's process over RPC, the gateway and the provider over HTTP."""
    try:
        async with asyncio.timeout(ASK_S):
            return await (_ask_http if service in ("gateway", "sandbox") else _ask_rpc)(service, address)
    except (OSError, TimeoutError, aiohttp.ClientError, Refusal, Unavailable, RpcBug):
        return Health("no answer")


async def _ask_rpc(service: str, address: str) -> Health:
    host, port = split_address(address)
    _, writer = await asyncio.open_connection(host, port)  # a client would log that nobody is there
    writer.close()
    client = Client(contract_of(service), [address], utc_now, chance)
    try:
        context = new_context("system", "ps", utc_now(), int(ASK_S * 1000))
        report: c.HealthReport = await client.service.health(context, c.HealthQuery())
        return Health(report.state, report.in_flight)
    finally:
        await client.close()


async def _ask_http(service: str, address: str) -> Health:
    async with aiohttp.ClientSession() as session:
        if service == "sandbox":
            async with session.get(f"http://{address}/"):
                return Health("serving")
        async with session.get(f"http://{address}/readyz") as answer:
            state = "serving" if answer.status == 200 else "not ready"
        async with session.get(f"http://{address}/metrics") as answer:
            found = _IN_FLIGHT.search(await answer.text())
        return Health(state, int(float(found[1])) if found else None)
