"""The way of one order as its people make it, from the quote to the door or to wherever else it ends."""

from random import Random
from typing import Any, Final

import msgspec

from tiffin.load.day import Arrival
from tiffin.load.moves import CalledOff, Moves
from tiffin.load.ordering import NotPlaced, Placed, place
from tiffin.load.platform import Backoff, GaveUp, Refused
from tiffin.load.run import WATCHED_S, Run, View
from tiffin.load.undoing import Undoing
from tiffin.rpc import contracts as c

LATE_FROM_S, LATE_BY_S = 300.0, 1.5
"""Who pays so many seconds of the day late pays so many real ones late where the day has no speed."""

COURIERS = 300
"""Of each city."""

SECOND_THOUGHTS_S, CONFIRM_S, PICK_UP_S, GIVE_UP_PAYING_S = 20.0, 120.0, 60.0, 600.0
"""Seconds of the day."""

_payments = msgspec.json.Decoder(c.PaymentList).decode
_paid = msgspec.json.Decoder(c.Payment).decode


async def carry(run: Run, arrival: Arrival, intended: float) -> None:
    """Place the order and see it to its end. Raises nothing it knows of: what went wrong is in the tally."""
    fate = _fate(arrival)
    try:
        state = (await _tell(run, arrival, intended)).state
    except NotPlaced as refused:
        run.tally.refused[refused.code] += 1
        run.tally.counts["refused"] += 1
        state = "not placed"
    except CalledOff as ended:
        run.tally.counts["cancelled"] += 1
        state = ended.order.state
    except (Refused, GaveUp, msgspec.MsgspecError) as error:
        run.tally.wrong(f"{arrival.id}: {error}")
        state = "unknown"
    run.tally.payments[arrival.payment.name] += 1
    run.tally.outcomes[fate, state] += 1


def _fate(arrival: Arrival) -> str:
    """What should become of it."""
    if arrival.payment.never:
        return "never paid"
    if arrival.trouble is not None and arrival.trouble.calls_off:
        return "asked to be called off"
    return arrival.ending.name


async def _tell(run: Run, arrival: Arrival, intended: float) -> View:
    placed = await place(run, arrival, intended)
    return await _Story(run, arrival, placed).tell()


class _Story:
    """An order that has been placed."""

    def __init__(self, run: Run, arrival: Arrival, placed: Placed) -> None:
        self._run = run
        self._arrival = arrival
        self._placed = placed
        self._moves = Moves(run, arrival, placed)
        self._undoing = Undoing(run, arrival, placed, self._moves)
        self._customer: Final = ("customer", arrival.customer_id)
        self._restaurant: Final = ("restaurant", arrival.restaurant_id)
        number = Random(f"courier {arrival.id}").randrange(COURIERS)  # noqa: S311
        self._courier: Final = ("courier", f"{arrival.city}-courier-{number}")

    async def tell(self) -> View:
        end, order = self._arrival.ending.end, self._placed.view
        if order.state == "awaiting_payment":
            if self._arrival.payment.never:
                return await self._never_pay()
            order = await self._pay()
        await self._undoing.at("paid")
        if end == "cancelled_before_acceptance":
            return await self._end("cancel", self._customer, "changed my mind")
        if order.state == "scheduled":
            await self._rest()
        asked = await self._run.pace.pause(self._arrival.timing.accept_s)
        if end == "unanswered" and self._run.deadlines.acceptance_s <= WATCHED_S:
            return await self._platform_cancels(self._run.deadlines.acceptance_s)
        if end in ("rejected", "unanswered"):
            return await self._end("reject", self._restaurant, "too busy", asked)
        await self._undoing.at("asked")
        await self._act("accept", self._restaurant, asked)
        await self._undoing.at("accepted")
        if end == "cancelled_after_acceptance" and (order := await self._have_second_thoughts()):
            return order
        return await self._bring()

    async def _bring(self) -> View:
        timing, pace = self._arrival.timing, self._run.pace
        await self._act("assign-courier", self._courier)
        await self._act("ready", self._restaurant, await pace.pause(timing.prepare_s))
        await self._undoing.at("packed")
        await self._act("pick-up", self._courier, await pace.pause(PICK_UP_S))
        await self._undoing.at("on the road")
        order = await self._act("deliver", self._courier, await pace.pause(timing.travel_s))
        self._run.tally.counts["delivered"] += 1
        await self._undoing.at("delivered")
        if self._arrival.ending.end != "left":
            order = await self._act("complete", self._customer, await pace.pause(CONFIRM_S))
            self._run.tally.counts["completed"] += 1
        await self._undoing.at("over")
        return order

    async def _pay(self) -> View:
        after_s = self._arrival.payment.after_s
        if self._run.pace.speed is None and after_s >= LATE_FROM_S:
            await self._run.pace.park(LATE_BY_S)
        intended: float | None = await self._run.pace.pause(after_s)
        parts = self._arrival.payment.parts
        for number, source in enumerate(self._arrival.payment.sources, start=1):
            part = None if number >= parts else self._placed.total.amount // parts
            if await self._charge(source, intended, part):
                if number < parts:
                    continue
                order = await self._moves.wait(lambda order: order.state != "awaiting_payment")
                if order.state == "cancelled":
                    raise CalledOff(order)
                self._run.tally.counts["paid"] += 1
                return order
            intended = None
        raise GaveUp(f"order {self._placed.view.id}: nothing the customer has pays for it")

    async def _charge(self, source: str, intended: float | None, part: int | None = None) -> bool:
        """True if it pays. Saying it again never charges twice, so it is said until there is an answer.

        `part`: so much of the total; None: all that is left of it."""
        path = f"/v1/orders/{self._placed.view.id}/payments"
        platform = self._run.platform
        body: dict[str, Any] = {"source": source}
        if part is not None:
            body |= {"key": "part", "amount": {**msgspec.structs.asdict(self._placed.total), "amount": part}}
        try:
            answer = await platform.until_known("pay", self._customer, "POST", path, body, "", intended)
        except Refused as refused:
            if refused.code == "payment_not_expected":
                return True  # the order has moved on; what it has come to, its state says
            raise
        state, backoff = _paid(answer).state, Backoff(first_s=0.1)
        while state == "pending":
            await self._run.pace.park(backoff.next_s(f"payment of {self._placed.view.id}"))
            if (await self._moves.read()).state != "awaiting_payment":
                return True
            answer = await platform.until_known("read payments", self._customer, "GET", path)
            state = _payments(answer).payments[-1].state
        return state != "declined"

    async def _never_pay(self) -> View:
        if self._run.deadlines.payment_s <= WATCHED_S:
            return await self._platform_cancels(self._run.deadlines.payment_s)
        gave_up = await self._run.pace.pause(GIVE_UP_PAYING_S)
        return await self._end("cancel", self._customer, "cannot pay", gave_up)

    async def _rest(self) -> None:
        if self._placed.scheduled_for is not None:
            await self._run.pace.park(max(0.0, self._run.rests_s(self._placed.scheduled_for)))
        await self._moves.wait(lambda order: order.state not in ("scheduled", "cancelled"), first_s=0.2)

    async def _have_second_thoughts(self) -> View | None:
        """The order cancelled after acceptance; None if the free minute was over: then it comes."""
        thought = await self._run.pace.pause(SECOND_THOUGHTS_S)
        try:
            return await self._end("cancel", self._customer, "second thoughts", thought)
        except Refused as refused:
            if refused.code != "wrong_state":
                raise
            return None

    async def _platform_cancels(self, after_s: float) -> View:
        await self._run.pace.park(after_s)
        order = await self._moves.wait(lambda order: order.state == "cancelled", first_s=0.2)
        self._run.tally.counts["cancelled"] += 1
        return order

    async def _end(
        self, action: str, actor: tuple[str, str], reason: str, intended: float | None = None
    ) -> View:
        order = await self._moves.act(action, actor, reason, intended)
        self._run.tally.counts["cancelled"] += 1
        return order

    async def _act(self, action: str, actor: tuple[str, str], intended: float | None = None) -> View:
        return await self._moves.act(action, actor, None, intended)
