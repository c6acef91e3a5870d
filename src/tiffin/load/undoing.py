"""The cases of one order: somebody opens them, others answer, and whoever was promised money looks for it."""

from collections.abc import Callable
from random import Random
from typing import Any, Final, TypeVar

import msgspec

from tiffin.load.day import Arrival
from tiffin.load.fates import draw
from tiffin.load.moves import CalledOff, Moves
from tiffin.load.ordering import Placed
from tiffin.load.platform import Backoff, Refused
from tiffin.load.registration import OPERATOR
from tiffin.load.run import WATCHED_S, Run
from tiffin.load.troubles import ANSWERS, Answer, Ask, Moment, Step
from tiffin.primitives.clock import from_text
from tiffin.rpc import contracts as c

TRIES_MAX = 3
PICTURED = 0.3
"""Of the cases, those opened with pictures."""
RESULTS = ("given back", "owed", "nothing to give", "refused", "withdrawn", "overtaken")
"""What comes of a case. "owed": put on the customer's balance; "overtaken": the order had ended otherwise."""
_ANSWERABLE = frozenset(("requested", "in_arbitration"))
_STANDS: dict[Step, frozenset[str]] = {
    "approve": _ANSWERABLE, "withdraw": _ANSWERABLE, "evidence": _ANSWERABLE, "wait": _ANSWERABLE,
    "reject": frozenset(("requested",)), "dispute": frozenset(("rejected",)),
    "dismiss": frozenset(("in_arbitration",)),
}  # fmt: skip
"""States of a case in which a step makes sense; if it has left them, a deadline was quicker."""


class _Order(msgspec.Struct):
    total: c.Money
    lines: list[c.PricedLine]


_order = msgspec.json.Decoder(_Order).decode
_quote = msgspec.json.Decoder(c.CaseQuote).decode
_case = msgspec.json.Decoder(c.Case).decode
_payments = msgspec.json.Decoder(c.PaymentList).decode
_Answer = TypeVar("_Answer")


class Undoing:
    """What goes wrong with one order."""

    def __init__(self, run: Run, arrival: Arrival, placed: Placed, moves: Moves) -> None:
        self._run = run
        self._placed = placed
        self._moves = moves
        self._trouble = arrival.trouble
        self._rng = Random(f"trouble of {arrival.id}")  # noqa: S311
        self._path: Final = f"/v1/orders/{placed.view.id}"
        self._people: Final = {
            "customer": ("customer", arrival.customer_id),
            "restaurant": ("restaurant", arrival.restaurant_id),
            "operator": OPERATOR,
        }
        self._taken: dict[int, int] = {}
        """Portions that cases have been about, by line."""
        self._is_given = False

    async def at(self, moment: Moment) -> None:
        """The cases that are opened now, each to its end. `CalledOff` if one of them has ended the order."""
        if self._trouble is None:
            return
        for number, ask in enumerate(self._trouble.asks):
            if ask.moment == moment:
                refused = await self._try(f"{self._placed.key}:case-{number}", ask)
                order = await self._moves.read()
                if order.state == "cancelled":
                    raise CalledOff(order)
                if refused is not None:
                    raise refused

    async def _try(self, key: str, ask: Ask) -> Refused | None:
        """Of an order that somebody else has called off meanwhile there is no case."""
        try:
            await self._undo(key, ask)
        except Refused as refused:
            if refused.code != "case_not_possible":
                raise
            return refused
        return None

    async def _undo(self, key: str, ask: Ask) -> None:
        asked = await self._asked(ask)
        if asked.get("lines") == []:
            return  # earlier cases were about all there was
        quote, case = await self._open(key, self._people[ask.by], asked)
        answer = draw(ANSWERS, self._rng)
        if quote.answered_by == "nobody":
            decided = "nobody was to agree"
        else:
            case, decided = await self._decided(case, answer, quote.answered_by)
        case = await self._carried(case)
        result = await self._result(case)
        if case.outcome.refund != quote.outcome.refund:
            self._run.tally.wrong(f"case {case.id}: {case.outcome.refund}, not {quote.outcome.refund}")
        self._run.tally.counts["cases"] += 1
        self._run.tally.answers[decided] += 1
        self._run.tally.cases[quote.kind, result] += 1

    async def _open(
        self, key: str, person: tuple[str, str], asked: dict[str, Any]
    ) -> tuple[c.CaseQuote, c.Case]:
        """What it would do, and a case that does exactly that. The order may move on in between."""
        said: dict[str, Any] = {"note": self._trouble.name if self._trouble else None}
        if self._rng.random() < PICTURED:
            said["pictures"] = [f"pictures/{self._placed.view.id}-{self._rng.randrange(10**6)}.jpg"]
        for attempt in range(1, TRIES_MAX + 1):
            quote = await self._ask("quote case", person, f"{self._path}/cases/quote", asked, _quote)
            body = {**asked, **said, "expected_refund": quote.outcome.refund}
            try:
                case = await self._ask(
                    "open case", person, f"{self._path}/cases", body, _case, f"{key}-{attempt}"
                )
            except Refused as refused:
                if refused.code != "outcome_changed" or attempt == TRIES_MAX:
                    raise
                continue
            return quote, self._run.case_acknowledged(self._placed.key, case)
        raise AssertionError("unreachable")

    async def _asked(self, ask: Ask) -> dict[str, Any]:
        asked: dict[str, Any] = {"kind": ask.kind}
        if ask.kind == "operator_decision":
            asked["liable"] = self._rng.choice((None, "restaurant", "courier", "platform"))
        if ask.about in ("lines", "amount"):
            order = _order(
                await self._run.platform.until_known("read", self._people["customer"], "GET", self._path)
            )
            if ask.about == "amount":
                part = max(1, order.total.amount * self._rng.randint(10, 30) // 100)
                asked["amount"] = {"amount": part, "currency": order.total.currency}
            else:
                asked["lines"] = self._portions(order.lines)
        return asked

    def _portions(self, lines: list[c.PricedLine]) -> list[dict[str, int]]:
        """Of one line or two, such portions as no other case is about."""
        left = {n: line.quantity - self._taken.get(n, 0) for n, line in enumerate(lines)}
        there = [n for n, quantity in left.items() if quantity]
        chosen = self._rng.sample(there, min(len(there), self._rng.choice((1, 1, 2))))
        portions = {n: self._rng.randint(1, left[n]) for n in sorted(chosen)}
        for n, quantity in portions.items():
            self._taken[n] = self._taken.get(n, 0) + quantity
        return [{"line": n, "quantity": quantity} for n, quantity in portions.items()]

    async def _decided(self, case: c.Case, answer: Answer, answered_by: str) -> tuple[c.Case, str]:
        """The case after people have said what they have to say, and how it was decided.

        A deadline that is too far off is not waited for: an operator agrees instead."""
        for step in answer.steps:
            if case.state not in _STANDS[step]:
                return case, "not answered in time"
            if step == "wait" and self._left_s(case) > WATCHED_S:
                stepped_in = await self._say("approve", "operator", case, {"note": "nobody has answered"})
                return stepped_in, f"{answer.name}: an operator steps in"
            case = await self._step(step, case, answered_by)
        return case, answer.name

    async def _step(self, step: Step, case: c.Case, answered_by: str) -> c.Case:
        answerer = "operator" if case.state == "in_arbitration" else answered_by
        match step:
            case "wait":
                await self._run.pace.park(max(0.0, self._left_s(case)))
                return await self._until(case, lambda seen: seen.state not in _ANSWERABLE)
            case "approve" | "reject":
                return await self._say(step, answerer, case)
            case "dismiss":
                return await self._say(step, "operator", case)
            case "withdraw" | "dispute":
                return await self._say(step, "customer", case)
            case "evidence":
                shown = {"note": "look", "pictures": ["pictures/1.jpg"]}
                return await self._say(step, "customer", case, shown)

    def _left_s(self, case: c.Case) -> float:
        """Until the platform acts by itself."""
        return (from_text(case.due_at) - self._run.clock()).total_seconds() if case.due_at else 0.0

    async def _carried(self, case: c.Case) -> c.Case:
        """Once the platform has done what was decided. What a provider gives back to nobody, is owed."""
        case = await self._until(case, lambda seen: seen.state not in ("approved", "refunding"))
        if case.state == "refund_failed":
            return await self._say("credit", "operator", case)
        return case

    async def _result(self, case: c.Case) -> str:
        """What came of it. Who was promised money looks whether the payments have given it."""
        if case.state != "refunded":
            return {"rejected": "refused", "withdrawn": "withdrawn"}.get(
                case.state, "refused" if case.reason == "dismissed" else "overtaken"
            )
        refund = case.outcome.refund
        if not refund.amount:
            return "nothing to give"
        if (given := await self._given(case)) == refund.amount:
            self._run.tally.counts["read back"] += 1
        else:
            self._run.tally.wrong(f"case {case.id} has given {refund}, by the payments {given}")
        if not self._is_given:
            self._is_given = True
            self._run.tally.counts["given back"] += 1
        return "given back" if case.outcome.back_to == "payment" else "owed"

    async def _given(self, case: c.Case) -> int:
        """What has gone back by the order's payments, to where it came from or to the customer's balance."""
        paid = await self._run.platform.until_known(
            "read payments", self._people["customer"], "GET", f"{self._path}/payments"
        )
        names = (case.id, f"{case.id}:balance")
        refunds = [each for each in _payments(paid).refunds or () if each.key in names]
        return sum(part.amount.amount for each in refunds for part in each.parts if part.state == "succeeded")

    async def _say(self, step: str, who: str, case: c.Case, body: dict[str, Any] | None = None) -> c.Case:
        """Say it once; what was not answered is looked up. A deadline that was quicker is right, too."""
        backoff: Backoff | None = None
        while True:
            try:
                answer = await self._run.platform.once(
                    f"{step} case", self._people[who], "POST", f"/v1/cases/{case.id}/{step}", body or {}
                )
            except Refused as refused:
                if refused.code != "wrong_state":
                    raise
                return await self._look(case)
            if answer is not None:
                return self._run.case_acknowledged(self._placed.key, _case(answer))
            backoff = backoff or Backoff()
            await self._run.pace.park(backoff.next_s(step))
            seen = await self._look(case)
            if seen.version > case.version:
                return seen

    async def _until(self, case: c.Case, over: Callable[[c.Case], bool]) -> c.Case:
        backoff = Backoff(first_s=0.1)
        while not over(case):
            await self._run.pace.park(backoff.next_s(f"case {case.id}, {case.state}"))
            case = await self._look(case)
        return case

    async def _look(self, case: c.Case) -> c.Case:
        path = f"/v1/cases/{case.id}"
        return _case(await self._run.platform.until_known("read case", self._people["customer"], "GET", path))

    async def _ask(
        self, operation: str, person: tuple[str, str], path: str, body: dict[str, Any],
        decode: Callable[[bytes], _Answer], key: str = "",
    ) -> _Answer:  # fmt: skip
        return decode(await self._run.platform.until_known(operation, person, "POST", path, body, key))
