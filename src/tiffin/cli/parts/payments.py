"""The service `payments`, put together."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import uuid4

import aiohttp

from tiffin.cli.background import Work, every
from tiffin.cli.clock import utc_now
from tiffin.cli.config import ConfigError
from tiffin.cli.parts.part import EFFECTS_GATHER_S, Ground, Part, Peers, consume
from tiffin.events.consumer import Consumer
from tiffin.services.payments.consumers import PaymentsConsumer
from tiffin.services.payments.outcomes import Provider
from tiffin.services.payments.provider import SandboxProvider
from tiffin.services.payments.service import PaymentsService
from tiffin.services.payments.through_stripe import StripeProvider, stripe_client

SETTLE_INTERVAL_S = 1.0
SETTLE_MAX = 100


@asynccontextmanager
async def _open_provider(ground: Ground) -> AsyncGenerator[Provider]:
    """Whom the configuration names. `ConfigError` if it needs more to be told."""
    payments = ground.config.payments
    if payments.provider == "stripe":
        if not payments.stripe_key or not payments.stripe_webhook_secret:
            raise ConfigError("[payments] provider is stripe: it needs stripe_key and stripe_webhook_secret")
        async with aiohttp.ClientSession() as session:
            client = stripe_client(session, payments.stripe_key, payments.stripe_url)
            yield StripeProvider(client, payments.stripe_webhook_secret)
        return
    async with aiohttp.ClientSession() as session:
        notices = f"{ground.gateway_url}/v1/webhooks/payments"
        yield SandboxProvider(session, ground.provider_url, notices, ground.secret)


@asynccontextmanager
async def open_payments(ground: Ground, peers: Peers) -> AsyncGenerator[Part]:
    """Payments through the provider, which calls back over HTTP, and out of balances. Asks
    orders and the ledger."""
    async with _open_provider(ground) as provider:
        service = PaymentsService(
            ground.router, peers.orders, provider, utc_now, lambda: uuid4().hex,
            at_once=ground.config.payments.capture == "at_once", ledger=peers.ledger,
        )  # fmt: skip

        async def settle() -> bool:
            return await service.settlement.settle_due(SETTLE_MAX) >= SETTLE_MAX

        def work() -> list[Work]:
            reader = PaymentsConsumer(service.settlement, peers.orders, utc_now)
            return [
                *consume(Consumer(reader.name, reader.handle, EFFECTS_GATHER_S, reader.types), ground),
                every(SETTLE_INTERVAL_S, "payments.settle", settle),
            ]

        try:
            yield Part(service, work)
        finally:
            await service.close()
