"""A process that dies before or after any step it takes outside itself: what is open is settled by others."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from integration.payments.payments_bench import Bench
from tiffin.rpc import contracts as c
from tiffin.services.payments.service import PaymentsService

PROVIDER = ("charge", "capture", "void", "find", "refund")
STORE = ("start", "change", "change_all")
WAYS = ("taken", "taken and given back", "let go")
SITES = tuple(range(1, 25))
"""More than any way has: the last ones find nothing left to interrupt."""


class _Died(BaseException):
    """The process is gone: nothing in it catches this."""


class _Fuse:
    """Counts the moments before and after each call, and ends the process at one of them."""

    def __init__(self, at: int) -> None:
        self._left = at
        self.burnt = False

    def wrap(self, owner: Any, names: tuple[str, ...]) -> None:
        for name in names:
            setattr(owner, name, self._around(getattr(owner, name)))

    def _around(self, call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def around(*arguments: Any) -> Any:
            self._tick()
            result = await call(*arguments)
            self._tick()
            return result

        return around

    def _tick(self) -> None:
        self._left -= 1
        if self._left <= 0:
            self.burnt = True
            raise _Died


async def _go(bench: Bench, service: PaymentsService, order: c.Order, way: str) -> None:
    """What happens to an order's money, as often as it is asked for."""
    await bench.pay(order, service=service, key="pay")
    if way == "let go":
        if bench.desk.orders[order.id].state != "cancelled":
            bench.cancel(order)
        fell = bench.order_event(bench.desk.orders[order.id], "order.cancelled")
        await bench.consumer_of(service).handle([fell])
        await service.settlement.settle_due(1000)
        return
    if bench.desk.orders[order.id].state == "awaiting_acceptance":
        bench.desk.put(bench.desk.orders[order.id], "preparing")
    accepted = bench.order_event(bench.desk.orders[order.id], "order.accepted")
    await bench.consumer_of(service).handle([accepted])
    await service.settlement.settle_due(1000)
    if way == "taken and given back":
        await bench.refund(order, 700, service=service)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("at", SITES)
async def test_a_crash_at_any_step_is_settled_and_takes_and_gives_back_once(
    bench: Bench, at: int, way: str
) -> None:
    order = bench.order()
    provider = bench.provider_at(bench._sandbox_url)
    dying, fuse = bench.service(provider, at_once=False), _Fuse(at)
    fuse.wrap(provider, PROVIDER)
    fuse.wrap(dying.settlement.store, STORE)
    try:
        await _go(bench, dying, order, way)
    except _Died:
        assert fuse.burnt
    await bench.settle(bench.later)
    await bench.consumer_of(bench.later).handle(await bench.events(order))
    await _go(bench, bench.later, order, way)  # whoever asked asks again, by the same keys
    await bench.settle(bench.later)
    (payment,) = await bench.all_payments(order)
    row, moved = await bench.row(payment), await bench.statement(order)
    assert (row.state, moved) == {
        "taken": ("succeeded", [("charge", 1250)]),
        "taken and given back": ("succeeded", [("charge", 1250), ("refund", -700)]),
        "let go": ("voided", []),
    }[way]
    assert (row.refunding, row.refunded) == (0, 700 if way == "taken and given back" else 0)
    assert len(await bench.history(payment)) == row.version


async def test_every_way_has_sites_before_the_last(bench: Bench) -> None:
    for way in WAYS:
        provider = bench.provider_at(bench._sandbox_url)
        service, fuse = bench.service(provider, at_once=False), _Fuse(max(SITES))
        fuse.wrap(provider, PROVIDER)
        fuse.wrap(service.settlement.store, STORE)
        await asyncio.wait_for(_go(bench, service, bench.order(), way), 30)
        assert not fuse.burnt
