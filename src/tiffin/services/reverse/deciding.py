"""From what somebody asks of an order to a kind, what it takes, and what that does. Pure."""

from datetime import datetime, timedelta
from typing import NamedTuple

from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.services.reverse.kinds import BEFORE_ACCEPTANCE, RULES, UNDERWAY, Kind, Opener, Scope
from tiffin.services.reverse.outcome import Earlier, Outcome, call_off, give_back_amount, give_back_pieces
from tiffin.services.reverse.pieces import Piece, Sold, pieces_of
from tiffin.services.reverse.policy import Bears, Policy


class Asked(NamedTuple):
    """What somebody asks for."""

    kind: str
    lines: tuple[tuple[int, int], ...]
    """Line and quantity."""
    amount: c.Money | None
    liable: str | None


class Decided(NamedTuple):
    """What it comes to."""

    kind: Kind
    outcome: Outcome
    units: list[tuple[int | None, int]]


class Facts(NamedTuple):
    """All that a decision depends on beside the request."""

    sold: Sold
    accepted_at: datetime | None
    updated_at: datetime
    policy: Policy
    earlier: tuple[Earlier, ...]
    open_cases: int
    """Of the earlier ones, those nobody has decided yet."""


def asked_of(request: c.QuoteCase | c.OpenCase) -> Asked:
    """What a request asks for."""
    lines = tuple((line.line, line.quantity) for line in request.lines or ())
    return Asked(request.kind, lines, request.amount, request.liable)


def decide(asked: Asked, opener: Opener, facts: Facts, now: datetime) -> Decided:
    """What a case would do. `Refusal`: forbidden, case_not_possible, window_over, nothing_left, case_open,
    invalid_request, currency_mismatch."""
    sold = facts.sold
    kind = _kind(asked.kind, facts, now)
    rule = RULES[kind]
    if opener != "operator" and opener not in rule.openers:
        raise Refusal("forbidden", f"a {opener} cannot open a case of {kind}")
    if sold.state not in rule.states:
        raise Refusal(
            "case_not_possible", f"an order that is {sold.state} has no {kind}", {"state": sold.state}
        )
    window = timedelta(seconds=facts.policy.terms.window_s)
    if sold.state not in UNDERWAY and now > facts.updated_at + window and opener != "operator":
        raise Refusal("window_over", "it is too long ago")
    if any(case.outcome.ends_order for case in facts.earlier):
        raise Refusal("case_open", "the order is being called off")
    scope = _scope(asked, rule.scopes)
    bears = _bears(asked, kind, opener, facts)
    if scope == "whole" and sold.state in UNDERWAY:
        if facts.open_cases:
            raise Refusal("case_open", "the order has a case that nobody has decided yet")
        return Decided(kind, call_off(sold, bears, facts.policy.terms, facts.earlier), [])
    if not sold.paid:
        raise Refusal("case_not_possible", "nothing has been paid yet", {"state": sold.state})
    if scope == "amount":
        assert asked.amount is not None
        if asked.amount.currency != sold.currency:
            raise Refusal("currency_mismatch", f"the order is in {sold.currency}")
        if asked.amount.amount <= 0:
            raise Refusal("invalid_request", "an amount above zero")
        return Decided(kind, give_back_amount(sold, asked.amount.amount, bears, facts.earlier), [])
    taken = _take(asked, scope, sold, facts.earlier)
    units: list[tuple[int | None, int]] = [(piece.line, piece.unit) for piece in taken]
    return Decided(kind, give_back_pieces(sold, taken, bears, facts.earlier), units)


def _kind(kind: str, facts: Facts, now: datetime) -> Kind:
    if kind != "cancel":
        return kind  # type: ignore[return-value]
    if facts.sold.state in BEFORE_ACCEPTANCE:
        return "cancel_before_acceptance"
    free = timedelta(seconds=facts.policy.terms.free_cancel_s)
    if facts.accepted_at is not None and now <= facts.accepted_at + free:
        return "free_cancel"
    return "cancel_later"


def _scope(asked: Asked, scopes: tuple[Scope, ...]) -> Scope:
    if asked.lines and asked.amount is not None:
        raise Refusal("invalid_request", "lines or an amount, not both")
    scope = "lines" if asked.lines else "amount" if asked.amount is not None else scopes[0]
    if scope not in scopes or (scope == "lines" and not asked.lines):
        raise Refusal("invalid_request", f"this kind of case is about {' or '.join(scopes)}: name them")
    return scope


def _bears(asked: Asked, kind: Kind, opener: Opener, facts: Facts) -> Bears:
    if asked.liable is None:
        return facts.policy.terms.bearing(kind)
    if opener != "operator" or kind != "operator_decision":
        raise Refusal("invalid_request", "only an operator's decision names who bears it")
    return {
        "restaurant": Bears(restaurant=10_000), "courier": Bears(courier=10_000),
        "platform": Bears(platform=10_000),
    }[asked.liable]  # fmt: skip


def _take(asked: Asked, scope: Scope, sold: Sold, earlier: tuple[Earlier, ...]) -> list[Piece]:
    """The pieces it takes, of those that no other case has."""
    gone = {unit for case in earlier for unit in case.units}
    free = [piece for piece in pieces_of(sold) if (piece.line, piece.unit) not in gone]
    if scope == "whole":
        return free
    if scope == "fees":
        return [piece for piece in free if piece.line is None]
    wanted: dict[int, int] = {}
    for line, quantity in asked.lines:
        wanted[line] = wanted.get(line, 0) + quantity
    taken: list[Piece] = []
    for line, quantity in wanted.items():
        if line >= len(sold.lines):
            raise Refusal("invalid_request", f"the order has no line {line}")
        of_line = [piece for piece in free if piece.line == line]
        if len(of_line) < quantity:
            raise Refusal(
                "nothing_left", f"of line {line} there are {len(of_line)} left", {"left": len(of_line)}
            )
        taken += of_line[:quantity]
    return taken
