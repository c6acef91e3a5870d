"""The ledger service: the methods of `idl/ledger.thrift`."""

import msgspec

from tiffin.primitives.clock import Clock, from_text
from tiffin.primitives.errors import Refusal
from tiffin.primitives.money import EXPONENTS, Money
from tiffin.rpc import contracts as c
from tiffin.rpc.context import remaining_s
from tiffin.services.payments.ledger import accounts, facts
from tiffin.services.payments.ledger.access import check_access
from tiffin.services.payments.ledger.entry import (
    REVERSAL,
    Entry,
    Posting,
    Unbalanced,
    reversed_entry,
    to_contract,
)
from tiffin.services.payments.ledger.facts import Moment
from tiffin.services.payments.ledger.policies import KnownPolicies
from tiffin.services.payments.ledger.policy import commission_bp
from tiffin.services.payments.ledger.settlements import Settlements, party_of
from tiffin.services.payments.ledger.statements import settlements_csv, statement_csv
from tiffin.services.payments.ledger.store import LedgerStore
from tiffin.sharding import order_id as ids
from tiffin.sharding.slots import shard_of

TOLD_BY_EVENTS = ("completed", "cash_collected", "captured", "refunded", "reversal")
"""Facts that only the log enters, or `reverse`: nobody enters them by calling `enter`."""

_encode = msgspec.json.Encoder().encode


class LedgerService:
    """`c.Ledger`. For operators and the platform's own parts; a party sees its own settlements."""

    def __init__(
        self, store: LedgerStore, settlements: Settlements, policies: KnownPolicies, clock: Clock
    ) -> None:
        self._store = store
        self._settlements = settlements
        self._policies = policies
        self._clock = clock

    async def entries(self, context: c.CallContext, request: c.EntriesOf) -> c.EntryList:
        """Every entry of an order."""
        self._for_staff(context)
        order_id = _order_id(request.order_id)
        entries = await self._store.entries(ids.customer_shard(order_id), str(order_id))
        return c.EntryList(entries=[to_contract(entry) for entry in entries])

    async def balance(self, context: c.CallContext, request: c.BalanceOf) -> c.AccountBalance:
        """What an account holds. For its holder, too."""
        caller = context.caller
        if f"{caller.role}:{caller.id}" != request.account:
            self._for_staff(context)
        check_access(caller)
        remaining_s(context, self._clock)
        return await self._balance(request.account)

    async def holdings(self, context: c.CallContext, request: c.HoldingsOf) -> c.Holdings:
        """What is owed to somebody and by them; for themselves, too."""
        if f"{context.caller.role}:{context.caller.id}" != request.party:
            self._for_staff(context)
        check_access(context.caller)
        remaining_s(context, self._clock)
        found = [await self._balance(account) for account in accounts.of_party(request.party)]
        return c.Holdings(party=request.party, accounts=found)

    async def enter(self, context: c.CallContext, request: c.EnterEntry) -> c.Entry:
        """Enter a fact that no event tells of, once. `Refusal`: invalid_request, entry_differs,
        insufficient_balance."""
        self._for_staff(context)
        if request.fact.partition(":")[0] in TOLD_BY_EVENTS:
            raise Refusal("invalid_request", f"{request.fact} is entered by the ledger itself")
        postings = [Posting(posting.account, posting.amount) for posting in request.postings]
        when = Moment(self._clock(), context.request_id)
        try:
            entry = facts.entered(_order_id(request.order_id), request.fact, request.currency, postings, when)
        except Unbalanced as error:
            raise Refusal("invalid_request", str(error)) from error
        if entry is None:
            raise Refusal("invalid_request", "nothing moves")
        return await self._enter(entry)

    async def reverse(self, context: c.CallContext, request: c.ReverseEntry) -> c.Entry:
        """Undo an entry by its opposite, once. `Refusal`: entry_not_found, invalid_request,
        insufficient_balance."""
        self._for_staff(context)
        order_id = _order_id(request.order_id)
        return await self._undo(context, ids.customer_shard(order_id), str(order_id), request.fact)

    async def record_cash(self, context: c.CallContext, request: c.RecordCash) -> c.Entry:
        """Note cash that a courier has handed in. `Refusal`: invalid_request, entry_differs."""
        self._for_staff(context)
        when = Moment(self._clock(), context.request_id)
        entry = facts.cash_handed_in(request.courier_id, request.reference, _received(request.amount), when)
        assert entry is not None
        return await self._note(entry)

    async def undo_cash(self, context: c.CallContext, request: c.UndoCash) -> c.Entry:
        """Undo what was noted by mistake. `Refusal`: entry_not_found."""
        self._for_staff(context)
        subject, fact = facts.handed_in(request.courier_id, request.reference)
        return await self._undo(context, shard_of(request.courier_id), subject, fact)

    async def record_provider_payout(
        self, context: c.CallContext, request: c.RecordProviderPayout
    ) -> c.Entry:
        """Note what a provider has paid on. `Refusal`: invalid_request, entry_differs."""
        self._for_staff(context)
        when, received = Moment(self._clock(), context.request_id), _received(request.amount)
        entry = facts.provider_paid(request.provider, request.reference, received, request.fees or 0, when)
        assert entry is not None
        return await self._note(entry)

    async def undo_provider_payout(self, context: c.CallContext, request: c.UndoProviderPayout) -> c.Entry:
        """Undo what was noted by mistake. `Refusal`: entry_not_found."""
        self._for_staff(context)
        subject, fact = facts.paid_on(request.provider, request.reference)
        return await self._undo(context, shard_of(request.provider), subject, fact)

    async def fees(self, context: c.CallContext, request: c.FeesOf) -> c.OrderFees:
        """The fees of an order by when it was placed. `Refusal`: invalid_time."""
        self._for_staff(context)
        try:
            policy = (await self._policies.get()).at(from_text(request.placed_at))
        except (ValueError, LookupError):
            raise Refusal("invalid_time", "no fees held then") from None
        terms = policy.terms(request.currency)
        return c.OrderFees(
            policy=policy.version,
            commission_bp=commission_bp(policy, request.restaurant_id, request.currency),
            courier_share_bp=terms.courier_share_bp,
            courier_minimum=terms.courier_minimum,
        )

    async def list_settlements(self, context: c.CallContext, request: c.SettlementsOf) -> c.SettlementList:
        """What a party has been settled; for the party itself, too."""
        self._for_party(context, request.party)
        return c.SettlementList(settlements=await self._settlements.of_party(request.party))

    async def settlements_csv(self, context: c.CallContext, request: c.SettlementsOf) -> c.SettlementsCsv:
        """The same as CSV."""
        listed = await self.list_settlements(context, request)
        return c.SettlementsCsv(party=request.party, csv=settlements_csv(listed.settlements))

    async def waiting_settlements(
        self, context: c.CallContext, request: c.WaitingSettlements
    ) -> c.SettlementPage:
        """What the bank has to pay. `Refusal`: invalid_cursor."""
        self._for_staff(context)
        return await self._settlements.waiting(request.cursor, request.limit or 20)

    async def settlement_statement(
        self, context: c.CallContext, request: c.SettlementRef
    ) -> c.SettlementStatement:
        """A settlement line by line; for its party, too."""
        self._for_party(context, party_of(request.settlement_id))
        settlement = await self._settlement(request.settlement_id)
        lines = await self._settlements.lines(settlement)
        return c.SettlementStatement(settlement=settlement, csv=statement_csv(settlement, lines))

    async def record_payout(self, context: c.CallContext, request: c.RecordPayout) -> c.Settlement:
        """Note the bank's payout. `Refusal`: settlement_not_found, already_paid (by another reference)."""
        self._for_staff(context)
        await self._settlements.pay_out(
            request.settlement_id, request.reference, self._clock(), context.request_id
        )
        settlement = await self._settlement(request.settlement_id)
        if settlement.reference != request.reference:
            raise Refusal(
                "already_paid", "the bank has paid it under another name",
                {"reference": settlement.reference, "paid_at": settlement.paid_at},
            )  # fmt: skip
        return settlement

    async def _balance(self, account: str) -> c.AccountBalance:
        balances = await self._store.balance(account)
        return c.AccountBalance(
            account=account,
            balances=[c.Money(amount=held.amount, currency=held.currency) for held in balances],
        )

    async def _enter(self, entry: Entry) -> c.Entry:
        if await self._store.enter_and_tell(entry, _encode(to_contract(entry)).decode()):
            return to_contract(entry)
        stands = await self._store.entry(entry.shard, entry.subject, entry.fact)
        assert stands is not None
        if (stands.currency, sorted(stands.postings)) != (entry.currency, sorted(entry.postings)):
            raise Refusal(
                "entry_differs", f"{entry.fact} has been entered otherwise: undo it, and use another name"
            )
        return to_contract(stands)

    async def _note(self, entry: Entry) -> c.Entry:
        """Enter what somebody says has come in. What was undone is not there: nobody is told that it is."""
        noted = await self._enter(entry)
        if await self._store.entry(entry.shard, entry.subject, REVERSAL + entry.fact) is not None:
            raise Refusal("entry_differs", f"{entry.fact} has been undone: use another name")
        return noted

    async def _undo(self, context: c.CallContext, shard: int, subject: str, fact: str) -> c.Entry:
        entry = await self._store.entry(shard, subject, fact)
        if entry is None:
            raise Refusal("entry_not_found", f"{subject} has no entry {fact}")
        if entry.fact.startswith(REVERSAL):
            raise Refusal("invalid_request", "an undoing is not undone")
        return await self._enter(reversed_entry(entry, self._clock(), context.request_id))

    async def _settlement(self, settlement_id: str) -> c.Settlement:
        settlement = await self._settlements.get(settlement_id)
        if settlement is None:
            raise Refusal("settlement_not_found", f"no settlement {settlement_id}")
        return settlement

    def _for_party(self, context: c.CallContext, party: str) -> None:
        """Another's settlements do not exist, to whoever has some of their own."""
        remaining_s(context, self._clock)
        caller = context.caller
        if caller.role in ("restaurant", "courier"):
            if f"{caller.role}:{caller.id}" != party:
                raise Refusal("settlement_not_found", "no such settlement")
            check_access(caller)
        else:
            self._for_staff(context)

    def _for_staff(self, context: c.CallContext) -> None:
        remaining_s(context, self._clock)
        if context.caller.role not in ("operator", "system"):
            raise Refusal("forbidden", "the books are not shown to everybody")


def _received(money: c.Money) -> Money:
    if money.amount <= 0 or money.currency not in EXPONENTS:
        raise Refusal("invalid_request", "an amount above nothing, in a currency that there is")
    return Money(money.amount, money.currency)


def _order_id(text: str) -> int:
    if not ids.is_valid(int(text)):
        raise Refusal("order_not_found", f"there is no order {text}")
    return int(text)
