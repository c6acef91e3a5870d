"""Sending: claim what is due, decide, hand over to a provider, record. By any number of processes at once.

A claim is a lease. Who crashes between handing over and recording leaves the message to be handed over again
when the lease ends: at least once with the provider, under the same key.
"""

import asyncio
from collections import Counter as Tally
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import structlog
from prometheus_client import Gauge

from tiffin.primitives.clock import Clock
from tiffin.primitives.errors import Refusal, Unavailable
from tiffin.services.notifications.catalogue import MASK, Catalogue
from tiffin.services.notifications.decision import (
    Later,
    Over,
    Preferences,
    after_failure,
    before_sending,
    over_limit,
)
from tiffin.services.notifications.languages import spelling_for
from tiffin.services.notifications.message import MessageKey, MessageRow, key_of, variables_of
from tiffin.services.notifications.outcomes import (
    ON_DUE,
    Blank,
    Claimed,
    Failed,
    Forget,
    Outcome,
    Sent,
    measure,
    statements_of,
)
from tiffin.services.notifications.providers import NotTaken, Parcel, Provider
from tiffin.services.notifications.recipients import PersonGone, Recipients
from tiffin.services.notifications.store import QUERIES
from tiffin.storage.node import Node

CLAIM_MAX = 64
AT_ONCE = 16
"""Messages of a lane (codes, everything else) on their way to the provider; the others of a claim wait."""
LEASE = timedelta(minutes=2)
PROVIDER_MAX = timedelta(seconds=30)
"""Longer than a provider takes for one message. Nothing is handed over that may outlast its lease."""

_late = Gauge("tiffin_notifications_late", "Messages whose time has come and that nobody has.", ["node"])
_late_s = Gauge("tiffin_notifications_late_seconds", "How long the first of them has waited.", ["node"])
_log = structlog.get_logger()


class Sender:
    """Sends what is due on a node."""

    def __init__(
        self,
        catalogue: Catalogue,
        recipients: Recipients,
        provider: Provider,
        clock: Clock,
        roll: Callable[[], float],
    ) -> None:
        """`roll` draws from 0 to 1: retries spread."""
        self._catalogue = catalogue
        self._recipients = recipients
        self._provider = provider
        self._clock = clock
        self._roll = roll
        self._lanes = {True: asyncio.Semaphore(AT_ONCE), False: asyncio.Semaphore(AT_ONCE)}

    async def send_due(self, node: Node, *, security: bool) -> bool:
        """Look at what is due on a node: the kind `security`, or all others. True if there is more."""
        now = self._clock()
        if await node.fetchrow(QUERIES["is_due"], security, now) is None:
            return False
        records = await node.fetch(QUERIES["claim"], security, now, now + LEASE, CLAIM_MAX)
        claimed = [
            Claimed(
                MessageRow(*tuple(record)[: len(MessageRow._fields)]),
                record["claimed"],
                Preferences(
                    record["preferred_language"], record["quiet_from"], record["quiet_until"],
                    record["time_zone"], (record["opt_outs"] or "").split(),
                ),
                now + LEASE,
            )
            for record in records
        ]  # fmt: skip
        if claimed:
            limited = await self._count(node, claimed, now)
            outcomes = await asyncio.gather(*(self._look_at(each, limited) for each in claimed))
            await self._record(node, list(zip(claimed, outcomes, strict=True)))
        return len(claimed) == CLAIM_MAX

    async def measure(self, node: Node) -> None:
        """How much of a node is late, for the metrics."""
        record = await node.fetchrow(QUERIES["late"], self._clock())
        assert record is not None
        _late.labels(node.name).set(record["messages"])
        _late_s.labels(node.name).set(record["seconds"])

    async def _count(self, node: Node, claimed: Sequence[Claimed], now: datetime) -> dict[MessageKey, Over]:
        """Count messages that would go out for the first time; says which are too many for a person."""
        first = [
            each.row
            for each in claimed
            if each.attempts == 1
            and each.row.person_id
            and each.row.state == "waiting"
            and before_sending(each.row, each.preferences, now) is None
        ]
        if not first:
            return {}
        more = Tally((row.shard, row.role, row.person_id, row.kind) for row in first)
        hour = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        columns = [list(column) for column in zip(*sorted(more), strict=True)]
        counts = [more[each] for each in sorted(more)]
        records = await node.fetch(QUERIES["count"], *columns, counts, hour, hour.replace(hour=0))
        after = {(record["role"], record["person_id"], record["kind"]): record for record in records}
        limited: dict[MessageKey, Over] = {}
        left = dict(more)
        for row in first:
            left[row.shard, row.role, row.person_id, row.kind] -= 1
            behind = left[row.shard, row.role, row.person_id, row.kind]
            record = after[row.role, row.person_id, row.kind]
            limit = self._catalogue.limits[row.kind][row.role]
            if over := over_limit(row.kind, limit, record["in_hour"] - behind, record["in_day"] - behind):
                limited[key_of(row)] = over
        return limited

    async def _look_at(self, claimed: Claimed, limited: dict[MessageKey, Over]) -> Outcome | Failed:
        row = claimed.row
        if row.state != "waiting":
            return Blank()
        decision = limited.get(key_of(row)) or before_sending(row, claimed.preferences, self._clock())
        if decision is not None:
            return decision
        try:
            return await self._send(claimed)
        except PersonGone:
            return Forget()
        except Refusal as refusal:  # it would be refused again
            return Over("failed", refusal.code)
        except Exception as error:
            if not isinstance(error, Unavailable):
                _log.exception("message_not_sent", template=row.template)
            return self._failed(claimed, error.code if isinstance(error, Unavailable) else "bug")

    async def _send(self, claimed: Claimed) -> Sent | Over | Failed:
        row = claimed.row
        language = self._catalogue.language_for(row.template, row.language or claimed.preferences.language)
        types = self._catalogue.template(row.template).variables
        open_, secrets = variables_of(row)
        name = sha256("\n".join((row.role, row.person_id, row.key)).encode()).hexdigest()[:32]
        asked = self._provider.needs_phone or row.role == "customer"
        phone = await self._recipients.phone(row, name) if asked else None
        spelling = spelling_for(row.language or claimed.preferences.language, language)
        shown = await self._recipients.show({**open_, **secrets}, types, spelling, name)
        text = self._catalogue.render(row.template, language, shown)
        async with self._lanes[row.kind == "security"]:
            if self._clock() + PROVIDER_MAX > claimed.lease_ends:
                return Failed(Later(self._clock()), "provider_too_slow")
            answer = await self._provider.deliver(Parcel(name, phone, text))
        if isinstance(answer, NotTaken):
            return self._failed(claimed, answer.reason) if answer.again else Over("failed", answer.reason)
        if not secrets:
            return Sent(language, text, None)
        masked = self._catalogue.render(row.template, language, {**shown, **dict.fromkeys(secrets, MASK)})
        return Sent(language, masked, text if answer.readable_here else None)

    def _failed(self, claimed: Claimed, reason: str) -> Over | Failed:
        decision = after_failure(claimed.row, claimed.attempts, reason, self._clock(), self._roll())
        return decision if isinstance(decision, Over) else Failed(decision, reason)

    async def _record(self, node: Node, results: Sequence[tuple[Claimed, Outcome | Failed]]) -> None:
        """All in one transaction, in one order of locking, what is due first: whoever has lost the lease to
        somebody who is done, or whose person was forgotten, finishes nothing."""
        now = self._clock()
        plan: dict[str, list[tuple[object, ...]]] = {}
        for claimed, outcome in sorted(results, key=lambda result: key_of(result[0].row)):
            for statement, arguments in statements_of(claimed, outcome, now):
                plan.setdefault(statement, []).append(arguments)
        async with node.transaction() as connection:
            held: set[MessageKey] = set()
            for statement in ON_DUE:
                if rows := plan.pop(statement, None):
                    records = await connection.fetch(QUERIES[statement], *zip(*rows, strict=True))
                    held.update(MessageKey(*record) for record in records)
            if rows := [row for row in plan.pop("finish", ()) if row[:4] in held]:
                await connection.execute(QUERIES["finish"], *zip(*rows, strict=True))
            for statement, rows in plan.items():
                await connection.executemany(QUERIES[statement], rows)
        for claimed, outcome in results:
            measure(claimed.row, outcome, now)
