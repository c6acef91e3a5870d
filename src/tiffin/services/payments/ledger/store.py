"""The ledger in PostgreSQL: entries and balances with the customer's orders, dues where their party lives."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from typing import Protocol, TypeVar

import asyncpg

from tiffin.primitives.errors import Refusal
from tiffin.primitives.money import Money
from tiffin.services.payments.ledger import accounts
from tiffin.services.payments.ledger.dues import Due
from tiffin.services.payments.ledger.entry import Entry, Posting
from tiffin.sharding.router import Router, always, never
from tiffin.sharding.slots import Dimension, shard_of
from tiffin.storage.node import Node
from tiffin.storage.queries import load_queries

QUERIES = load_queries("tiffin.services.payments.ledger")


class _InShard(Protocol):
    @property
    def shard(self) -> int: ...


Row = TypeVar("Row", bound=_InShard)


class LedgerStore:
    """Entries, balances, dues. All may raise `Unavailable`."""

    def __init__(self, router: Router) -> None:
        self._router = router

    async def enter(self, entries: Iterable[Entry]) -> set[tuple[str, str]]:
        """Enter facts that events have told, one statement a node. Returns (subject, fact) of those that
        were not there; the others are left as they stand."""
        done: set[tuple[str, str]] = set()

        async def run(node: Node, some: Sequence[Entry]) -> None:
            rows = await node.fetch(QUERIES["enter"], [_entering(entry) for entry in some], None, None)
            done.update((row["subject"], row["fact"]) for row in rows)

        await self._on_nodes("customer", sorted(entries, key=_in_order), run)
        return done

    async def enter_and_tell(self, entry: Entry, data: str) -> bool:
        """Enter a fact that no event has told, with the event that tells of it. False: it stands already.

        `Refusal("insufficient_balance")` if it takes more of a customer's balance than there is.
        """
        try:
            rows = await self._router.write(
                "customer",
                entry.shard,
                lambda node: node.fetch(QUERIES["enter"], [_entering(entry)], "entry.made", data),
            )
        except asyncpg.CheckViolationError as error:
            if error.constraint_name != "balances_no_overdraft":
                raise
            raise Refusal("insufficient_balance", "the customer is not owed so much") from error
        return bool(rows)

    async def entry(self, shard: int, subject: str, fact: str) -> Entry | None:
        """The entry of a name."""
        row = await self._router.read(
            "customer", shard, lambda node: node.fetchrow(QUERIES["entry"], shard, subject, fact)
        )
        return entry_of(row) if row else None

    async def entries(self, shard: int, subject: str) -> list[Entry]:
        """Everything about a subject, by time."""
        rows = await self._router.read(
            "customer", shard, lambda node: node.fetch(QUERIES["entries"], shard, subject)
        )
        return [entry_of(row) for row in rows]

    async def add_dues(self, dues: Iterable[Due]) -> None:
        """Note lines of parties, one statement a node; those that are there are left alone."""

        async def run(node: Node, some: Sequence[Due]) -> None:
            await node.execute(QUERIES["add_dues"], *(list(column) for column in zip(*some, strict=True)))

        await self._on_nodes("restaurant", sorted(dues), run)

    async def balance(self, account: str) -> list[Money]:
        """What an account holds, by currency.

        A party's from its dues, a customer's from its own shard; any other is summed up over all shards,
        one statement a node and a row a shard.
        """
        if accounts.is_settled(account):
            shard = shard_of(accounts.holder(account))
            rows = await self._router.read(
                "restaurant", shard, lambda node: node.fetch(QUERIES["open_dues"], shard, account)
            )
        elif account.startswith("customer:"):
            shard = shard_of(accounts.holder(account))
            rows = await self._router.read(
                "customer", shard, lambda node: node.fetch(QUERIES["balance"], [shard], account)
            )
        else:
            rows = await self._everywhere(account)
        sums: defaultdict[str, int] = defaultdict(int)
        for row in rows:
            sums[row["currency"]] += row["amount"]
        return [Money(sums[currency], currency) for currency in sorted(sums)]

    async def _everywhere(self, account: str) -> list[asyncpg.Record]:
        """From every shard. Read anew if the topology has changed meanwhile: none is to count twice."""

        async def ask() -> list[asyncpg.Record]:
            rows: list[asyncpg.Record] = []
            for node in self._router.nodes:
                shards = self._router.shards_on("customer", node)
                rows += await node.fetch(QUERIES["balance"], shards, account)
            return rows

        return await self._router.until_settled(ask, never)

    async def _on_nodes(
        self,
        dimension: Dimension,
        rows: Sequence[Row],
        run: Callable[[Node, Sequence[Row]], Awaitable[None]],
    ) -> None:
        """Each node's rows, in their order. If a shard has moved, all once more: they are idempotent."""
        if not rows:
            return
        await self._router.until_settled(lambda: self._by_node(dimension, rows, run), always)

    async def _by_node(
        self,
        dimension: Dimension,
        rows: Sequence[Row],
        run: Callable[[Node, Sequence[Row]], Awaitable[None]],
    ) -> None:
        held: defaultdict[Node, list[Row]] = defaultdict(list)
        for row in rows:
            held[self._router.node(dimension, row.shard)].append(row)
        for node, some in held.items():
            await run(node, some)


async def remake_balances(node: Node, shards: Sequence[int]) -> None:
    """All balances of some shards anew, from their entries: when shards have come to a node, or to repair
    them. `node` is its owner's, and nobody enters anything there meanwhile."""
    await node.execute(QUERIES["remake_balances"], list(shards))


def entry_of(row: asyncpg.Record) -> Entry:
    """An entry from its row."""
    postings = tuple(Posting(*posting) for posting in zip(row["accounts"], row["amounts"], strict=True))
    return Entry(
        row["shard"], row["subject"], row["fact"], row["currency"], postings, row["at"], row["trace"],
        row["policy"],
    )  # fmt: skip


def _entering(entry: Entry) -> tuple[object, ...]:
    """`ledger.entering`, in the order of its fields."""
    names, amounts = zip(*entry.postings, strict=True)
    at: datetime = entry.at
    return (
        entry.shard, entry.subject, entry.fact, entry.currency, names, amounts, at, entry.trace, entry.policy,
    )  # fmt: skip


def _in_order(entry: Entry) -> tuple[int, str, str]:
    """One order for everybody who enters several at once: nobody waits for one another in a circle."""
    return entry.shard, entry.subject, entry.fact
