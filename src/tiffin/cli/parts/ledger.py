"""The service `ledger`, put together."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import uuid4

from tiffin.cli.background import Work, every
from tiffin.cli.clock import utc_now
from tiffin.cli.parts.part import Ground, Part, Peers, consume
from tiffin.events.consumer import Consumer
from tiffin.services.payments.ledger.consumers import LedgerConsumer
from tiffin.services.payments.ledger.policies import KnownPolicies
from tiffin.services.payments.ledger.service import LedgerService
from tiffin.services.payments.ledger.settlements import Settlements
from tiffin.services.payments.ledger.store import LedgerStore

GATHER_S = 0.5
"""Nobody waits for the ledger: large batches are cheap ones."""
SETTLE_INTERVAL_S = 3600.0


@asynccontextmanager
async def open_ledger(ground: Ground, peers: Peers) -> AsyncGenerator[Part]:
    """The books, and the reader that keeps them. Asks orders."""
    store, settlements = LedgerStore(ground.router), Settlements(ground.router)
    policies = KnownPolicies(ground.router.directory, utc_now)

    async def settle() -> bool:
        await settlements.settle_due(utc_now(), uuid4().hex[:12])
        return False

    def work() -> list[Work]:
        reader = LedgerConsumer(store, peers.orders, policies, utc_now)
        return [
            *consume(Consumer(reader.name, reader.handle, GATHER_S, reader.types), ground),
            every(SETTLE_INTERVAL_S, "ledger.settle", settle),
        ]

    yield Part(LedgerService(store, settlements, policies, utc_now), work)
