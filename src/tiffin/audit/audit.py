"""All checks, one after the other."""

from tiffin.audit.cases import check_cases
from tiffin.audit.deadlines import check_deadlines
from tiffin.audit.desk import Desk
from tiffin.audit.dimensions import check_dimensions
from tiffin.audit.log import check_log
from tiffin.audit.money import check_money
from tiffin.audit.payments import Statement, check_payments
from tiffin.audit.places import check_places
from tiffin.audit.report import Progress, Report
from tiffin.audit.stock import check_stock
from tiffin.primitives.clock import Clock
from tiffin.primitives.errors import Unavailable
from tiffin.sharding.router import Router

WAIT_S = 10.0


async def audit(
    router: Router,
    clock: Clock,
    progress: Progress = lambda check, done, total: None,
    wait_s: float = WAIT_S,
    statement: Statement | None = None,
) -> Report:
    """Look at every row of every node and tell what does not fit.

    `wait_s`: how long consumers may take, in all, before what they have not done yet counts as a difference.
    `statement`: what the payment provider says has moved; without it payments are held against orders and
    the ledger only.
    `Unavailable` if a node is away, or if shards moved meanwhile.
    """
    await router.changed()
    epoch = router.epoch
    async with Desk.open(router, clock(), wait_s, progress) as desk:
        await check_places(desk)
        await check_dimensions(desk)
        await check_log(desk)
        await check_deadlines(desk)
        await check_stock(desk)
        await check_payments(desk, statement)
        await check_money(desk)
        await check_cases(desk)
    if await router.changed(epoch):
        raise Unavailable("shards_moved", "shards moved during the audit; it proves nothing")
    return desk.report
