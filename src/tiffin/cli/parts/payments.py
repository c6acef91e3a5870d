"""The service `payments`, put together."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import uuid4

import aiohttp

from tiffin.cli.background import every
from tiffin.cli.clock import utc_now
from tiffin.cli.parts.part import EFFECTS_GATHER_S, Ground, Part, Peers, Work, consume
from tiffin.events.consumer import Consumer
from tiffin.services.payments.consumers import PaymentsConsumer
from tiffin.services.payments.provider import SandboxProvider
from tiffin.services.payments.service import PaymentsService

SETTLE_INTERVAL_S = 1.0
SETTLE_MAX = 100


@asynccontextmanager
async def open_payments(ground: Ground, peers: Peers) -> AsyncGenerator[Part]:
    """Payments through the provider, which calls back over HTTP. Asks orders."""
    async with aiohttp.ClientSession() as session:
        notices = f"{ground.gateway_url}/v1/webhooks/payments"
        provider = SandboxProvider(session, ground.provider_url, notices, ground.secret)
        service = PaymentsService(ground.router, peers.orders, provider, utc_now, lambda: uuid4().hex)

        async def settle() -> bool:
            return await service.settlement.settle_due(SETTLE_MAX) >= SETTLE_MAX

        def work() -> list[Work]:
            reader = PaymentsConsumer(service.settlement)
            return [
                *consume(Consumer(reader.name, reader.handle, EFFECTS_GATHER_S, reader.types), ground),
                every(SETTLE_INTERVAL_S, "payments.settle", settle),
            ]

        try:
            yield Part(service, work)
        finally:
            await service.close()
