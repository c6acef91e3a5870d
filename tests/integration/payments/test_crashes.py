"""A process that dies before or after any step it takes outside itself: what is open is settled by others."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

import pytest

from integration.payments.payments_bench import Bench
from tiffin.rpc import contracts as c
from tiffin.services.payments.payment import Change, Payment
from tiffin.services.payments.service import PaymentsService

PROVIDER = ("charge", "capture", "void", "find", "refund")
STORE = ("start", "change", "change_all")
SITES = {"taken": 12, "taken and given back": 20, "let go": 12}
"""How many moments each way has at which a process can die: proved below, so that none is left out."""


class _Died(BaseException):
    """The process is gone: nothing in it catches this."""


class _Fuse:
    """Counts the moments before and after each call about an order, and ends the process at one of them.

    Other tests' orders, which are settled beside it, are not counted. A dead process makes no call at all.
    """

    def __init__(self, order: c.Order, at: int | None = None) -> None:
        self._order_id = int(order.id)
        self._at = at
        self.passed = 0
        self.burnt = False

    def wrap(self, owner: Any, names: tuple[str, ...]) -> None:
        for name in names:
            setattr(owner, name, self._around(getattr(owner, name)))

    def _around(self, call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def around(*arguments: Any) -> Any:
            self._tick(arguments[0])
            result = await call(*arguments)
            self._tick(arguments[0])
            return result

        return around

    def _tick(self, subject: Payment | Change | Sequence[Change]) -> None:
        if not self.burnt and _order_of(subject) == self._order_id:
            self.passed += 1
            self.burnt = self.passed == self._at
        if self.burnt:
            raise _Died


def _order_of(subject: Payment | Change | Sequence[Change]) -> int:
    if isinstance(subject, Payment):
        return subject.order_id
    return (subject if isinstance(subject, Change) else subject[0]).payment.order_id


def _mortal(bench: Bench, fuse: _Fuse) -> PaymentsService:
    """A process that the fuse ends."""
    provider = bench.quiet_provider()
    service = bench.service(provider, at_once=False)
    fuse.wrap(provider, PROVIDER)
    fuse.wrap(service.settlement.store, STORE)
    return service


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


@pytest.mark.parametrize(("way", "at"), [(way, at) for way in SITES for at in range(1, SITES[way] + 1)])
async def test_a_crash_at_any_step_is_settled_and_takes_and_gives_back_once(
    bench: Bench, way: str, at: int
) -> None:
    order = bench.order()
    fuse = _Fuse(order, at)
    with suppress(_Died):  # settling swallows it, and goes no further
        await _go(bench, _mortal(bench, fuse), order, way)
    assert fuse.burnt, "the moment was never reached"
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


@pytest.mark.parametrize("way", SITES)
async def test_every_moment_of_every_way_is_tried(bench: Bench, way: str) -> None:
    order = bench.order()
    fuse = _Fuse(order)
    await _go(bench, _mortal(bench, fuse), order, way)
    assert fuse.passed == SITES[way]
