"""The reverse service: the methods of `idl/reverse.thrift`."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import blake2b

import msgspec

from tiffin.primitives.clock import Clock
from tiffin.primitives.errors import Refusal, Unavailable
from tiffin.rpc import contracts as c
from tiffin.rpc.context import remaining_s
from tiffin.services.reverse import transition
from tiffin.services.reverse.carrying import Carrier
from tiffin.services.reverse.case import (
    Case,
    Details,
    details_of,
    earlier_of,
    encode_details,
    outcome_to_contract,
    to_contract,
)
from tiffin.services.reverse.deciding import Asked, Decided, asked_of, decide
from tiffin.services.reverse.deciding import Facts as Known
from tiffin.services.reverse.facts import Background, Facts
from tiffin.services.reverse.kinds import Opener, answerer_of
from tiffin.services.reverse.policies import KnownPolicies
from tiffin.services.reverse.store import CaseStore, Held
from tiffin.services.reverse.transition import Command, Moved
from tiffin.sharding.order_id import customer_shard

MOVE_TRIES_MAX = 5
_UNDECIDED = ("requested", "rejected", "in_arbitration")
_encode = msgspec.json.Encoder().encode


class ReverseService:
    """`c.Reverse`. One instance a process."""

    def __init__(
        self, store: CaseStore, facts: Facts, policies: KnownPolicies, carrier: Carrier, clock: Clock,
        new_id: Callable[[], str],
    ) -> None:  # fmt: skip
        """`new_id` gives suffixes that never repeat: at most 32 of `A-Za-z0-9_.`"""
        self._store = store
        self._facts = facts
        self._policies = policies
        self._carrier = carrier
        self._clock = clock
        self._new_id = new_id

    async def quote(self, context: c.CallContext, request: c.QuoteCase) -> c.CaseQuote:
        """What a case would do now."""
        remaining_s(context, self._clock)
        background = await self._facts.of(context, request.order_id)
        cases = await self._store.of_order(int(request.order_id))
        paid = background.sold.paid
        role = _opener(context.caller)
        decided = self._decide(asked_of(request), role, background, Held(paid, cases))
        return _quote(decided, background, role, context.caller.role)

    async def open(self, context: c.CallContext, request: c.OpenCase) -> c.Case:
        """Open a case, once for every idempotency key of a caller, and carry it out if nobody is to agree."""
        remaining_s(context, self._clock)
        role = _opener(context.caller)
        request_hash = blake2b(_encode(request), digest_size=16).digest()
        background = await self._facts.of(context, request.order_id)

        def decide_now(held: Held) -> Moved:
            _check_key(held, role, context.caller.id, request.idempotency_key)
            decided = self._decide(asked_of(request), role, background, held)
            self._check_expected(request, decided, background, role, context.caller.role)
            return self._new(context, request, request_hash, background, decided)

        try:
            moved = await self._store.open(background.sold.order_id, background.sold.paid, decide_now)
        except _KeyUsed as used:
            if used.case.request_hash != request_hash:
                raise Refusal(
                    "idempotency_key_reused", "this key was used for another case", {"case_id": used.case.id}
                ) from None
            return to_contract(used.case, context.caller.role)
        case = await self._carrier.try_to_carry(moved.case)
        return to_contract(case, context.caller.role)

    async def unsettled(self, context: c.CallContext, request: c.OrderIds) -> c.OrderIds:
        """Those of these orders that have a case that is not over; for the platform's own parts."""
        remaining_s(context, self._clock)
        if context.caller.role not in ("operator", "system"):
            raise Refusal("forbidden", "only for the platform's own parts")
        numbers = [int(text) for text in request.order_ids if text.isdecimal() and len(text) < 20]
        found = await self._store.unsettled(numbers)
        return c.OrderIds(order_ids=[str(number) for number in sorted(found)])

    async def get(self, context: c.CallContext, request: c.CaseRef) -> c.Case:
        """A case, for those who have to do with it."""
        return to_contract(await self._visible(context, request.case_id), context.caller.role)

    async def advance(self, context: c.CallContext, request: c.AdvanceCase) -> c.Case:
        """Move a case along an edge of the state table, by compare and set, and carry it on."""
        command = Command(
            request.event, context.caller, context.request_id, request.note, request.pictures or ()
        )
        for _ in range(MOVE_TRIES_MAX):
            case = await self._visible(context, request.case_id)
            if request.event == "evidence_added" and not (request.note or request.pictures):
                raise Refusal("invalid_request", "evidence is a note, or pictures")
            terms = (await self._policies.get()).version(details_of(case).policy).terms
            try:
                moved = transition.advance(case, command, terms, self._clock())
            except Refusal as refusal:
                if refusal.code != "wrong_state" or not await self._has_happened(case, command):
                    raise
                return to_contract(case, context.caller.role)
            if request.event == "credited" and await self._carrier.credit(case) is not None:
                continue
            if await self._store.move(moved):
                carried = await self._carrier.try_to_carry(moved.case)
                return to_contract(carried, context.caller.role)
        raise Unavailable("contended", "the case keeps changing under this request")

    async def list_cases(self, context: c.CallContext, request: c.ListCases) -> c.CasePage:
        """Cases of one customer, restaurant or order; of operators also all that wait in a state."""
        remaining_s(context, self._clock)
        caller, role = context.caller, context.caller.role
        named = [request.customer_id, request.restaurant_id, request.order_id]
        if len([name for name in named if name is not None]) > 1:
            raise Refusal("invalid_request", "cases of one customer, one restaurant or one order")
        if request.order_id is not None:
            background = await self._facts.of(context, request.order_id)
            cases = await self._store.of_order(background.sold.order_id)
            found = [case for case in cases if request.state in (None, case.state)]
            return c.CasePage(cases=[to_contract(case, role) for case in reversed(found)])
        limit = request.limit or 20
        if request.customer_id is not None:
            _check_own(caller, "customer", request.customer_id)
            cases = await self._store.of_customer(
                request.customer_id, request.state, _place(request.cursor, _NEWEST), limit + 1
            )
        elif request.restaurant_id is not None:
            _check_own(caller, "restaurant", request.restaurant_id)
            cases = await self._store.of_restaurant(
                request.restaurant_id, request.state, _place(request.cursor, _NEWEST), limit + 1
            )
        else:
            return await self._waiting(caller, request, limit)
        page = cases[:limit]
        more = len(cases) > limit
        return c.CasePage(
            cases=[to_contract(case, role) for case in page],
            next_cursor=_cursor(page[-1].opened_at, page[-1].id) if more else None,
        )

    async def _waiting(self, caller: c.Caller, request: c.ListCases, limit: int) -> c.CasePage:
        if caller.role not in ("operator", "system"):
            raise Refusal("forbidden", "only operators see everybody's cases")
        if request.state is None:
            raise Refusal("invalid_request", "everybody's cases that wait in which state?")
        found = await self._store.waiting(request.state, _place(request.cursor, _FIRST), limit + 1)
        cases = [case for _, case_id in found[:limit] if (case := await self._store.get(case_id))]
        return c.CasePage(
            cases=[to_contract(case, caller.role) for case in cases],
            next_cursor=_cursor(*found[limit - 1]) if len(found) > limit else None,
        )

    def _decide(self, asked: Asked, role: Opener, background: Background, held: Held) -> Decided:
        earlier = [found for case in held.cases if (found := earlier_of(case)) is not None]
        undecided = sum(case.state in _UNDECIDED for case in held.cases)
        known = Known(*background, tuple(earlier), undecided)
        return decide(asked, role, known, self._clock())

    def _new(
        self, context: c.CallContext, request: c.OpenCase, request_hash: bytes, background: Background,
        decided: Decided,
    ) -> Moved:  # fmt: skip
        now, sold = self._clock(), background.sold
        details = Details(
            outcome=decided.outcome, policy=background.policy.version, lines=request.lines or [],
            units=decided.units,
        )  # fmt: skip
        case = Case(
            shard=customer_shard(sold.order_id), id=f"{sold.order_id}-{self._new_id()}",
            order_id=sold.order_id, customer_id=sold.customer_id, restaurant_id=sold.restaurant_id,
            kind=decided.kind, state="requested", version=0, opener=_opener(context.caller),
            opener_id=context.caller.id, idempotency_key=request.idempotency_key, request_hash=request_hash,
            currency=sold.currency, claimed=decided.outcome.claims, released=False, opened_at=now,
            updated_at=now, due_at=None, reason=None, details=encode_details(details),
        )  # fmt: skip
        command = Command("opened", context.caller, context.request_id, request.note, request.pictures or ())
        return transition.open_case(case, command, background.policy.terms)

    def _check_expected(
        self, request: c.OpenCase, decided: Decided, background: Background, role: Opener, to: str
    ) -> None:
        expected, currency = request.expected_refund, background.sold.currency
        if expected not in (None, c.Money(amount=decided.outcome.refund, currency=currency)):
            raise Refusal(
                "outcome_changed", "the outcome is another one now; here is the new quote",
                {"quote": msgspec.to_builtins(_quote(decided, background, role, to))},
            )  # fmt: skip

    async def _visible(self, context: c.CallContext, case_id: str) -> Case:
        remaining_s(context, self._clock)
        case = await self._store.get(case_id)
        if case is None or not _may_see(context.caller, case):
            raise Refusal("case_not_found", f"there is no case {case_id}")
        return case

    async def _has_happened(self, case: Case, command: Command) -> bool:
        """Whether this very request has moved the case before."""
        said = (f"case.{command.event}", command.request_id, command.caller.role, command.caller.id)
        return said in (
            (event.type, event.request_id, event.actor.role, event.actor.id)
            for event in await self._store.history(case.id)
        )


class _KeyUsed(Exception):
    """There is a case of this order that its opener has opened under this key."""

    def __init__(self, case: Case) -> None:
        super().__init__(case.id)
        self.case = case


def _check_key(held: Held, role: Opener, opener_id: str, key: str) -> None:
    """Nobody opens another case of the order meanwhile: what is held is all there is."""
    for case in held.cases:
        if (case.opener, case.opener_id, case.idempotency_key) == (role, opener_id, key):
            raise _KeyUsed(case)


def _may_see(caller: c.Caller, case: Case) -> bool:
    """Its customer, its restaurant, operators. To everybody else it does not exist."""
    match caller.role:
        case "customer":
            return case.customer_id == caller.id
        case "restaurant":
            return case.restaurant_id == caller.id
        case "operator" | "system":
            return True
        case _:
            return False


def _opener(caller: c.Caller) -> Opener:
    if caller.role not in ("customer", "restaurant", "operator"):
        raise Refusal("forbidden", f"a {caller.role} opens no cases")
    return caller.role


def _check_own(caller: c.Caller, role: str, key: str) -> None:
    if caller.role not in ("operator", "system") and (caller.role, caller.id) != (role, key):
        raise Refusal(f"{role}_not_found", f"no such {role}")


def _quote(decided: Decided, background: Background, opener: Opener, to: str) -> c.CaseQuote:
    sold, version = background.sold, background.policy.version
    return c.CaseQuote(
        order_id=str(sold.order_id),
        kind=decided.kind,
        outcome=outcome_to_contract(decided.outcome, sold.currency, version, to),
        answered_by=answerer_of(decided.kind, opener),
    )


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NEWEST = (datetime(9999, 1, 1, tzinfo=UTC), "")
_FIRST = (_EPOCH, "")


def _cursor(moment: datetime, case_id: str) -> str:
    return f"{round(moment.timestamp() * 1_000_000)}-{case_id}"


def _place(cursor: str | None, without: tuple[datetime, str]) -> tuple[datetime, str]:
    if cursor is None:
        return without
    try:
        microseconds, _, case_id = cursor.partition("-")
        return _EPOCH + timedelta(microseconds=int(microseconds)), case_id
    except (ValueError, OverflowError):
        raise Refusal("invalid_cursor", "not a cursor that a page of cases has given") from None
