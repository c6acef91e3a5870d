"""Settling: what a restaurant or courier has earned, once it is due, is put on a statement, and paid once."""

from datetime import UTC, datetime, timedelta

import asyncpg

from tiffin.primitives.clock import to_text
from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.services.payments.ledger import accounts
from tiffin.services.payments.ledger.statements import Line
from tiffin.services.payments.ledger.store import QUERIES
from tiffin.sharding.router import Router
from tiffin.sharding.slots import SHARDS, shard_of

LISTED_MAX = 200
_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


class Settlements:
    """Statements and payouts, each in its party's shard. All may raise `Unavailable`."""

    def __init__(self, router: Router) -> None:
        self._router = router

    async def settle_due(self, now: datetime, run: str) -> list[c.Settlement]:
        """Settle everything that is due by `now`, shard by shard, each in one statement of the database.

        `run` names this run and is never used twice. Two runs at once, or one again after a crash, settle
        nothing twice: a line is in one settlement at the most. Who owes more than they are owed gets no
        statement; their lines stay for the next one.
        """
        made: list[c.Settlement] = []
        for shard in range(SHARDS):
            rows = await self._router.write(
                "restaurant",
                shard,
                lambda node, shard=shard: node.fetch(
                    QUERIES["settle"], shard, now, run, now, to_text(now), f"settle:{run}"[:64]
                ),
            )
            made += [_settlement(row) for row in rows]
        return made

    async def pay_out(self, settlement_id: str, reference: str, now: datetime, trace: str) -> bool:
        """Note the bank's payout. False: it has been noted before, or there is no such settlement."""
        shard = _shard(settlement_id)
        rows = await self._router.write(
            "restaurant",
            shard,
            lambda node: node.fetch(
                QUERIES["pay_out"], shard, settlement_id, now, reference, to_text(now), trace
            ),
        )
        return bool(rows)

    async def get(self, settlement_id: str) -> c.Settlement | None:
        """A settlement by its id."""
        shard = _shard(settlement_id)
        row = await self._router.read(
            "restaurant", shard, lambda node: node.fetchrow(QUERIES["settlement"], shard, settlement_id)
        )
        return _settlement(row) if row else None

    async def of_party(self, party: str) -> list[c.Settlement]:
        """A party's settlements, newest first, `LISTED_MAX` at the most."""
        shard = shard_of(accounts.holder(party))
        rows = await self._router.read(
            "restaurant", shard, lambda node: node.fetch(QUERIES["settlements"], shard, party, LISTED_MAX)
        )
        return [_settlement(row) for row in rows]

    async def waiting(self, cursor: str | None, limit: int) -> c.SettlementPage:
        """Everybody's that the bank has not paid, the oldest first. `Refusal("invalid_cursor")`."""
        after = _place(cursor)
        found: list[asyncpg.Record] = []
        for node in self._router.nodes:
            found += await node.fetch(QUERIES["waiting"], *after, limit + 1)
        found.sort(key=lambda row: (row["made_at"], row["id"]))
        page = found[:limit]
        return c.SettlementPage(
            settlements=[_settlement(row) for row in page],
            next_cursor=_cursor(page[-1]) if len(found) > limit else None,
        )

    async def lines(self, settlement: c.Settlement) -> list[Line]:
        """What a settlement sums up, by time."""
        shard = _shard(settlement.id)
        rows = await self._router.read(
            "restaurant",
            shard,
            lambda node: node.fetch(QUERIES["lines"], shard, settlement.party, settlement.id),
        )
        return [Line(*row) for row in rows]


def party_of(settlement_id: str) -> str:
    """`<party>:<currency>:<run>`. The party of an id of ours; of any other text something, which has none."""
    return settlement_id.rsplit(":", 2)[0]


def _cursor(row: asyncpg.Record) -> str:
    return f"{round((row['made_at'] - _EPOCH) / _MICROSECOND)}-{row['id']}"


def _place(cursor: str | None) -> tuple[datetime, str]:
    if cursor is None:
        return _EPOCH, ""
    try:
        microseconds, _, settlement_id = cursor.partition("-")
        return _EPOCH + int(microseconds) * _MICROSECOND, settlement_id
    except (ValueError, OverflowError):
        raise Refusal("invalid_cursor", "not a cursor that a page of settlements has given") from None


def _shard(settlement_id: str) -> int:
    return shard_of(accounts.holder(party_of(settlement_id)))


def _settlement(row: asyncpg.Record) -> c.Settlement:
    return c.Settlement(
        id=row["id"],
        party=row["party"],
        amount=c.Money(amount=row["amount"], currency=row["currency"]),
        lines=row["lines"],
        cutoff=to_text(row["cutoff"]),
        made_at=to_text(row["made_at"]),
        paid_at=to_text(row["paid_at"]) if row["paid_at"] else None,
        reference=row["reference"],
    )
