"""Sending: claim what is due, decide, hand over to a provider, record. By any number of processes at once.

A claim is a lease. Who crashes between handing over and recording leaves the message to be handed over again
when the lease ends: at least once with the provider, under the same key.
"""

import asyncio
from collections import Counter as Tally
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import NamedTuple

import structlog
from prometheus_client import Counter, Gauge, Histogram

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
from tiffin.services.notifications.message import MessageKey, MessageRow, key_of, variables_of
from tiffin.services.notifications.providers import NotTaken, Parcel, Provider
from tiffin.services.notifications.recipients import PersonGone, Recipients
from tiffin.services.notifications.store import QUERIES
from tiffin.storage.node import Node

CLAIM_MAX = 64
LEASE = timedelta(minutes=3)
"""Longer than a whole claim takes when every provider runs into its time limit."""

_ended = Counter("tiffin_notifications", "Messages that came to an end.", ["kind", "state"])
_retried = Counter("tiffin_notifications_retried", "Attempts that will be made again.", ["kind"])
_lag = Histogram(
    "tiffin_notifications_lag_seconds", "From what a message tells to a provider's taking it.", ["kind"],
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600, 36000),
)  # fmt: skip
_late = Gauge("tiffin_notifications_late", "Messages whose time has come and that nobody has.", ["node"])
_late_s = Gauge("tiffin_notifications_late_seconds", "How long the first of them has waited.", ["node"])
_log = structlog.get_logger()


class Claimed(NamedTuple):
    """A message to be looked at."""

    row: MessageRow
    attempts: int
    """How often it has been claimed to be sent, this time included."""
    preferences: Preferences


@dataclass(frozen=True, slots=True)
class Sent:
    """A provider has taken the message."""

    language: str
    text: str
    readable: str | None


@dataclass(frozen=True, slots=True)
class Forget:
    """Whom it was for is gone: nothing about them stays."""


class Blank:
    """It has been sent; what was readable until now no longer is."""


Outcome = Over | Later | Sent | Forget | Blank


class Failed(NamedTuple):
    """It has to be tried again, and why."""

    later: Later
    reason: str


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

    async def send_due(self, node: Node, *, security: bool) -> bool:
        """Look at what is due on a node: the kind `security`, or all others. True if there is more."""
        now = self._clock()
        records = await node.fetch(QUERIES["claim"], security, now, now + LEASE, CLAIM_MAX)
        claimed = [
            Claimed(
                MessageRow(*tuple(record)[: len(MessageRow._fields)]),
                record["claimed"],
                Preferences(
                    record["preferred_language"], record["quiet_from"], record["quiet_until"],
                    record["time_zone"], record["opt_outs"] or (),
                ),
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
        asked = self._provider.needs_phone or row.role == "customer"
        phone = await self._recipients.phone(row) if asked else None
        locale = row.language or claimed.preferences.language or language
        if not locale.lower().startswith(language.split("-")[0]):
            locale = language
        shown = await self._recipients.show(open_, dict(types), locale)
        text = self._catalogue.render(row.template, language, {**shown, **secrets})
        name = sha256("\n".join((row.role, row.person_id, row.key)).encode()).hexdigest()[:32]
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
        """All in one transaction, in one order of locking."""
        now = self._clock()
        plan: dict[str, list[tuple[object, ...]]] = {}
        for claimed, outcome in sorted(results, key=lambda result: key_of(result[0].row)):
            for statement, arguments in _statements(claimed, outcome, now):
                plan.setdefault(statement, []).append(arguments)
        async with node.transaction() as connection:
            for statement, rows in plan.items():
                await connection.executemany(QUERIES[statement], rows)
        for claimed, outcome in results:
            _measure(claimed.row, outcome, now)


def _statements(
    claimed: Claimed, outcome: Outcome | Failed, now: datetime
) -> list[tuple[str, tuple[object, ...]]]:
    """Which statements record an outcome, with their arguments."""
    row, attempts, key = claimed.row, claimed.attempts, key_of(claimed.row)
    match outcome:
        case Blank():
            return [("blank", key), ("settled", key)]
        case Forget():
            return [("forget_one", key), ("settled", key), ("forget_counts", key[:3])]
        case Later(at):
            return [("look_again", (*key, at, attempts - 1))]
        case Failed(Later(at), reason):
            return [("note", (*key, reason, attempts)), ("look_again", (*key, at, attempts))]
        case Over(state, reason):
            tried = attempts if state == "failed" else attempts - 1
            return [("finish", (*key, state, reason, tried, None, None, None, now)), ("settled", key)]
        case Sent(language, text, readable):
            finish = ("finish", (*key, "sent", None, attempts, language, text, readable, now))
            then = ("look_again", (*key, row.expires_at, attempts)) if readable else ("settled", key)
            return [finish, then]


def _measure(row: MessageRow, outcome: Outcome | Failed, now: datetime) -> None:
    match outcome:
        case Sent():
            _ended.labels(row.kind, "sent").inc()
            _lag.labels(row.kind).observe((now - row.created_at).total_seconds())
        case Over(state, _):
            _ended.labels(row.kind, state).inc()
        case Failed():
            _retried.labels(row.kind).inc()
        case Forget():
            _ended.labels(row.kind, "forgotten").inc()
        case Later() | Blank():
            pass
