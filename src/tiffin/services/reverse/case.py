"""A case: how it is kept, how others see it, what the log says of it. No I/O."""

import re
from dataclasses import dataclass
from datetime import datetime

import msgspec

from tiffin.primitives.clock import to_text
from tiffin.rpc import contracts as c
from tiffin.services.reverse.kinds import Kind, Opener
from tiffin.services.reverse.outcome import Earlier, Outcome, shares_of
from tiffin.services.reverse.states import State
from tiffin.sharding.order_id import customer_shard, is_valid

EVIDENCE_MAX = 50
_ID = re.compile(r"([1-9][0-9]{0,18})-[A-Za-z0-9_.]{1,32}")


class Details(msgspec.Struct, frozen=True, omit_defaults=True):
    """What of a case is read with it only. Stored as JSON text."""

    outcome: Outcome
    policy: int
    lines: list[c.CaseLine] = []
    units: list[tuple[int | None, int]] = []
    """The pieces of the order that it takes, by line (None: a fee) and portion."""
    evidence: list[c.Evidence] = []


@dataclass(frozen=True, slots=True)
class Case:
    """A row of `reverse.cases`, in the order of its columns."""

    shard: int
    id: str
    """`<order id>-<suffix>`, so that it says where it lives; its refund's key."""
    order_id: int
    customer_id: str
    restaurant_id: str
    kind: Kind
    state: State
    version: int
    opener: Opener
    opener_id: str
    idempotency_key: str
    request_hash: bytes
    currency: str
    claimed: int
    """What of the paid money it keeps others from."""
    released: bool
    """It keeps others from nothing any more: it has come to nothing."""
    opened_at: datetime
    updated_at: datetime
    due_at: datetime | None
    reason: str | None
    details: str


def order_id_of(case_id: str) -> int | None:
    """The order that a case's id names; None if the text is no id of ours."""
    match = _ID.fullmatch(case_id)
    return int(match[1]) if match and is_valid(int(match[1])) else None


def shard_of_case(case_id: str) -> int:
    """The customer shard of its order. `ValueError` for no id of ours."""
    order_id = order_id_of(case_id)
    if order_id is None:
        raise ValueError(f"no case id of ours: {case_id!r}")
    return customer_shard(order_id)


def details_of(case: Case) -> Details:
    """What is read with it only."""
    return _decode(case.details)


def decode_details(text: str) -> Details:
    """From as it is stored."""
    return _decode(text)


def encode_details(details: Details) -> str:
    """As it is stored."""
    return _encode(details).decode()


def earlier_of(case: Case) -> Earlier | None:
    """What it counts for others of its order; None once it has come to nothing."""
    if case.released:
        return None
    details = details_of(case)
    return Earlier(details.outcome, frozenset(details.units))


def event_of(case: Case, event: str, source: State | None, by: c.Caller, trace: str) -> c.CaseEvent:
    """What the log says about a move."""
    return c.CaseEvent(
        case_id=case.id, order_id=str(case.order_id), version=case.version, type=f"case.{event}",
        from_state=source, to_state=case.state, actor=c.Caller(role=by.role, id=by.id), reason=case.reason,
        at=to_text(case.updated_at), request_id=trace, customer_id=case.customer_id,
        restaurant_id=case.restaurant_id, kind=case.kind,
        refund=c.Money(amount=details_of(case).outcome.refund, currency=case.currency),
    )  # fmt: skip


def outcome_to_contract(outcome: Outcome, currency: str, policy: int, to: str) -> c.CaseOutcome:
    """An outcome as somebody sees it: the accounts are for the platform's own people."""
    inside = to in ("operator", "system")
    postings = [c.Posting(account=account, amount=amount) for account, amount in outcome.postings]
    return c.CaseOutcome(
        refund=c.Money(amount=outcome.refund, currency=currency),
        back_to=outcome.back_to,
        ends_order=outcome.ends_order,
        shares=[
            c.Share(party=party, amount=c.Money(amount=amount, currency=currency))
            for party, amount in shares_of(outcome).items()
        ],
        policy=policy,
        postings=postings if inside else None,
    )


def to_contract(case: Case, to: str) -> c.Case:
    """The case as somebody sees it."""
    details = details_of(case)
    return c.Case(
        id=case.id,
        order_id=str(case.order_id),
        customer_id=case.customer_id,
        restaurant_id=case.restaurant_id,
        kind=case.kind,
        state=case.state,
        version=case.version,
        opened_by=case.opener,
        outcome=outcome_to_contract(details.outcome, case.currency, details.policy, to),
        opened_at=to_text(case.opened_at),
        updated_at=to_text(case.updated_at),
        due_at=to_text(case.due_at) if case.due_at else None,
        lines=details.lines or None,
        evidence=details.evidence or None,
        reason=case.reason,
    )


_decode = msgspec.json.Decoder(Details).decode
_encode = msgspec.json.Encoder().encode
