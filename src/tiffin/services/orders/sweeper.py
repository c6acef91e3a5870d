"""Deadlines: what the platform does by itself. A column, a table and a claim; no timer in memory."""

from prometheus_client import Histogram

from tiffin.primitives.clock import Clock
from tiffin.rpc.contracts import Caller
from tiffin.services.orders import statements, transition
from tiffin.services.orders.order import OrderRow
from tiffin.services.orders.policy import Policy
from tiffin.services.orders.statements import QUERIES
from tiffin.services.orders.states import ON_DEADLINE
from tiffin.services.orders.transition import Command
from tiffin.storage.node import Node

CLAIM_MAX = 200

_lateness = Histogram(
    "tiffin_deadline_lateness_seconds", "From a deadline to the platform's acting on it.",
    buckets=(0.1, 0.5, 1, 2, 5, 10, 30, 60, 300, 3600),
)  # fmt: skip
_SWEEPER = Caller(role="system", id="deadlines")


async def sweep(node: Node, clock: Clock, policy: Policy) -> int:
    """Act on orders of this node whose deadline has passed, `CLAIM_MAX` at most. Returns how many.

    Claim and move are one transaction. Rows that somebody else has locked are passed over: whoever holds
    them is moving them, and a later sweep looks again. So any number of sweepers may run.
    """
    now = clock()
    if await node.fetchrow(QUERIES["is_due"], now) is None:
        return 0
    async with node.transaction() as connection:
        rows = [OrderRow(*record) for record in await connection.fetch(QUERIES["claim_due"], now, CLAIM_MAX)]
        if not rows:
            return 0
        moves = [
            transition.advance(
                row,
                Command(ON_DEADLINE[row.state], _SWEEPER, f"deadline-{row.id}-{row.version}"),
                policy,
                now,
            )
            for row in rows
        ]
        moved = await statements.move(connection, sorted(moves, key=statements.key_of))
    for row in rows:
        assert row.due_at is not None
        _lateness.observe((now - row.due_at).total_seconds())
    return sum(moved)
