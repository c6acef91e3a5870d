"""The service `reverse`, put together."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from uuid import uuid4

from tiffin.cli.background import Work, every, on_each_node
from tiffin.cli.clock import utc_now
from tiffin.cli.parts.part import Ground, Part, Peers, consume
from tiffin.events.consumer import Consumer
from tiffin.services.reverse.carrying import Carrier
from tiffin.services.reverse.consumers import ReverseConsumer
from tiffin.services.reverse.erasure import Erasure
from tiffin.services.reverse.facts import Facts
from tiffin.services.reverse.policies import KnownPolicies
from tiffin.services.reverse.service import ReverseService
from tiffin.services.reverse.store import CaseStore

GATHER_S = 0.5
"""So late restaurants see their cases: large batches are cheap ones."""
WORK_INTERVAL_S = 0.5


@asynccontextmanager
async def open_reverse(ground: Ground, peers: Peers) -> AsyncGenerator[Part]:
    """Cases, and who carries them out. Asks orders, payments and the ledger."""
    store, policies = CaseStore(ground.router), KnownPolicies(ground.router.directory, utc_now)
    carrier = Carrier(store, peers.orders, peers.payments, peers.ledger, policies, utc_now)
    facts = Facts(peers.orders, peers.ledger, policies)
    service = ReverseService(store, facts, policies, carrier, utc_now, lambda: uuid4().hex[:12])

    def work() -> list[Work]:
        reader = ReverseConsumer(store, carrier, Erasure(ground.router))
        return [
            *consume(Consumer(reader.name, reader.handle, GATHER_S, reader.types), ground),
            on_each_node(
                ground.router,
                lambda node: every(WORK_INTERVAL_S, "reverse.work", partial(carrier.work, node)),
            ),
        ]

    yield Part(service, work)
