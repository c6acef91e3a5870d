"""Sending: claim endpoints for which something is due, call them, note what came of it. Many processes may.

A claim is a lease on an endpoint, so its deliveries keep their order and its circuit is one, whoever sends.
Who dies between calling and noting leaves the deliveries to be sent again when the lease ends, under the same
ids.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import structlog
from prometheus_client import Gauge

from tiffin.primitives.clock import Clock, to_text
from tiffin.rpc import contracts as c
from tiffin.services.webhooks.delivery import PING, DeliveryRow, Reason
from tiffin.services.webhooks.endpoint import EndedBy, EndpointRow, secrets_of
from tiffin.services.webhooks.listening import Listening
from tiffin.services.webhooks.outcomes import Tried, note
from tiffin.services.webhooks.outgoing import Answered, Outgoing
from tiffin.services.webhooks.retrying import HEALTHY, OPEN_AFTER, Health, after, held_until, is_given_up
from tiffin.services.webhooks.sealing import Secrets
from tiffin.services.webhooks.signing import signed_headers
from tiffin.services.webhooks.store import QUERIES, EndpointStore
from tiffin.storage.node import Node

AT_ONCE = 8
"""Deliveries to one endpoint at the same time, each of another key."""
ROUNDS_MAX = 5
"""Of one claim; then others get their turn."""
LEASE = timedelta(seconds=60)
"""Of a round: longer than calling (`outgoing.TIMEOUT_S`) and noting take."""
LANES_MAX = 64
"""Endpoints that a process calls at the same time, on each node."""
FAILED_AT_ONCE = 1000

TellDisabled = Callable[[EndpointRow, datetime], Awaitable[None]]
"""Tells its owner that an endpoint, failing since then, is called no more. Again is the same."""

_log = structlog.get_logger()
_waiting = Gauge("tiffin_webhooks_waiting", "Deliveries that wait to be sent.", ["node"])
_failing = Gauge("tiffin_webhooks_failing", "Endpoints that are left alone for a while: they fail.", ["node"])


class Lane(NamedTuple):
    """An endpoint that a sender has to itself while the lease lasts."""

    shard: int
    endpoint_id: str
    held_until: datetime
    health: Health


class Sender:
    """Sends what is due on a node."""

    def __init__(
        self, store: EndpointStore, listening: Listening, outgoing: Outgoing, secrets: Secrets,
        tell_disabled: TellDisabled, patience: timedelta, clock: Clock, roll: Callable[[], float],
    ) -> None:  # fmt: skip
        """`roll` draws from 0 to 1: retries spread. `patience`: for how long an endpoint may fail."""
        self._store = store
        self._listening = listening
        self._outgoing = outgoing
        self._secrets = secrets
        self._tell_disabled = tell_disabled
        self._patience = patience
        self._clock = clock
        self._roll = roll

    async def claim(self, node: Node, lanes_max: int) -> list[Lane]:
        """Endpoints for which something is due and that nobody else has, at most so many."""
        now = self._clock()
        records = await node.fetch(QUERIES["claim"], now, now + LEASE, lanes_max)
        return [
            Lane(record["shard"], record["endpoint_id"], record["held_until"],
                 Health(record["failures"], record["failing_since"]))
            for record in records
        ]  # fmt: skip

    async def serve(self, node: Node, lane: Lane) -> None:
        """Send what is due of a claimed endpoint, some rounds of it."""
        for round_ in range(1, ROUNDS_MAX + 1):
            found = await self._store.find(lane.endpoint_id)
            if found is None:
                await self._store.remove(lane.endpoint_id)  # what came while it was being removed
                return
            endpoint, _ = found
            if not endpoint.enabled:
                await self._fail_waiting(node, endpoint)
                return
            next_ = await self._round(node, lane, endpoint, is_last=round_ == ROUNDS_MAX)
            if next_ is None:
                return
            lane = next_

    async def measure(self, node: Node) -> None:
        """How much of a node waits, for the metrics."""
        record = await node.fetchrow(QUERIES["waiting"], OPEN_AFTER)
        assert record is not None
        _waiting.labels(node.name).set(record["deliveries"])
        _failing.labels(node.name).set(record["failing"])

    async def _round(self, node: Node, lane: Lane, endpoint: EndpointRow, is_last: bool) -> Lane | None:
        """Call once for each key that is due. The lane, if there is more and it is still ours."""
        place = (lane.shard, lane.endpoint_id)
        at_once = 1 if lane.health.is_open else AT_ONCE
        heads = await node.fetch(QUERIES["heads"], *place, self._clock(), at_once)
        tried = await self._try_all(
            endpoint, [(DeliveryRow(*tuple(head)[:-1]), head["tried"]) for head in heads]
        )
        now = self._clock()
        taken = sum(each.is_taken for each in tried)
        failed = sum(each.attempt is not None for each in tried) - taken
        health = after(lane.health, taken, failed, now)
        pause = held_until(health, now, self._roll())
        next_ = Lane(*place, now + LEASE, health)
        async with node.transaction() as connection:
            if not await connection.fetchval(QUERIES["hold"], *place, lane.held_until):
                return None  # it took too long: somebody else has sent them, too
            for each in tried:
                await note(connection, each, now, self._roll())
            if not heads:
                await connection.execute(QUERIES["wait_for_first"], *place)
            more = await connection.fetchval(QUERIES["release"], *place, pause, *health, now)
            if goes_on := more and pause is None and not is_last:
                await connection.execute(QUERIES["renew"], *place, next_.held_until)
        if any(each.is_gone for each in tried):
            await self._disable(node, endpoint, "gone", now)
            return None
        if failed and is_given_up(health, now, self._patience):
            await self._disable(node, endpoint, "failing", health.failing_since or now)
            return None
        return next_ if goes_on else None

    async def _try_all(self, endpoint: EndpointRow, heads: Sequence[tuple[DeliveryRow, int]]) -> list[Tried]:
        if not heads:
            return []
        if endpoint.kind == "partner":
            await self._listening.refresh()
        secrets = self._secrets.open(secrets_of(endpoint), self._clock())
        return await asyncio.gather(*(self._try(endpoint, row, tried + 1, secrets) for row, tried in heads))

    async def _try(
        self, endpoint: EndpointRow, row: DeliveryRow, tried: int, secrets: Sequence[str]
    ) -> Tried:
        if not self._may_hear(endpoint, row):
            return Tried(row, tried, None)
        began = self._clock()
        headers = signed_headers(row.id, row.body, secrets, began)
        answer = await self._outgoing.post(endpoint.url, headers, row.body)
        attempt = c.WebhookAttempt(
            at=to_text(began), latency_ms=int((self._clock() - began).total_seconds() * 1000)
        )
        if isinstance(answer, Answered):
            attempt.status, attempt.answer = answer.status, answer.text
        else:
            attempt.error = answer.error
        return Tried(row, tried, attempt)

    def _may_hear(self, endpoint: EndpointRow, row: DeliveryRow) -> bool:
        """Whether the restaurant still lets the partner whose endpoint it is."""
        if endpoint.kind == "restaurant" or row.type == PING:
            return True
        return self._listening.lets(row.restaurant_id, endpoint.owner)

    async def _disable(self, node: Node, endpoint: EndpointRow, reason: EndedBy, since: datetime) -> None:
        """Call it no more, and have its owner told: first told, so that nobody dies in between."""
        await self._tell_disabled(endpoint, since)
        if await self._store.disable(endpoint, reason):
            _log.warning("webhook_disabled", endpoint=endpoint.id, reason=reason)
        await self._fail_waiting(node, endpoint._replace(reason=reason))

    async def _fail_waiting(self, node: Node, endpoint: EndpointRow) -> None:
        """What waits for an endpoint that is called no more is over, and can be replayed."""
        place = (endpoint.shard, endpoint.id)
        reason: Reason = "endpoint_gone" if endpoint.reason == "gone" else "endpoint_disabled"
        more = True
        while more:
            now = self._clock()
            async with node.transaction() as connection:
                await connection.execute(QUERIES["lock_lane"], *place)
                failed = await connection.fetch(QUERIES["fail_waiting"], *place, FAILED_AT_ONCE, reason, now)
                await connection.execute(QUERIES["release"], *place, None, *HEALTHY, now)
            more = len(failed) == FAILED_AT_ONCE


async def send_all(sender: Sender, node: Node, pause_s: float) -> None:
    """For ever: claim and serve, many endpoints at a time; one that is slow holds back no other."""
    serving: set[asyncio.Task[None]] = set()
    try:
        while True:
            lanes: list[Lane] = []
            if len(serving) < LANES_MAX:
                lanes = await _claimed(sender, node, LANES_MAX - len(serving))
            for lane in lanes:
                task = asyncio.create_task(_served(sender, node, lane))
                serving.add(task)
                task.add_done_callback(serving.discard)
            if not lanes:
                await asyncio.sleep(pause_s)
    finally:
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)


async def _claimed(sender: Sender, node: Node, lanes_max: int) -> list[Lane]:
    try:
        return await sender.claim(node, lanes_max)
    except Exception:
        _log.exception("webhooks_not_claimed", node=node.name)
        return []


async def _served(sender: Sender, node: Node, lane: Lane) -> None:
    try:
        await sender.serve(node, lane)
    except Exception:
        _log.exception("webhooks_not_sent", endpoint=lane.endpoint_id)
