"""Orders about which somebody is not done: who is asked before an order is archived."""

from collections.abc import Sequence

from tiffin.primitives.clock import Clock
from tiffin.rpc import contracts as c
from tiffin.rpc.context import new_context
from tiffin.services.orders.archiver import Unsettled


def ask_peers(reverse: c.Reverse, payments: c.Payments, clock: Clock) -> Unsettled:
    """Cases that are not over, by `reverse`; payments and refunds on their way, by `payments`."""

    async def unsettled(order_ids: Sequence[int]) -> set[int]:
        asked = c.OrderIds(order_ids=[str(order_id) for order_id in order_ids])
        found: set[int] = set()
        for peer in (reverse, payments):
            answer = await peer.unsettled(new_context("system", "orders", clock()), asked)
            found.update(map(int, answer.order_ids))
        return found

    return unsettled
