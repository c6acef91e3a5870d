"""Every state, every event, every role, in every situation that a rule asks about."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import NamedTuple

import msgspec
import pytest

from order_rules import DUE_S, EVENTS, FINAL, ON_TIME, PLACED, RELEASE_BEFORE_S, ROLES, RULES, STATES, Rule
from tiffin.primitives.errors import CODES, Refusal
from tiffin.rpc import contracts as c
from tiffin.services.orders import states, transition
from tiffin.services.orders.order import OrderRow
from tiffin.services.orders.policy import Policy
from tiffin.services.orders.transition import Command

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
DUE = NOW + timedelta(seconds=17)
LATER = NOW + timedelta(hours=3)
SOON = NOW + timedelta(minutes=50)
NO_EVENTS = ("", "exploded", "order.accepted", "ACCEPTED", "accepted ", "awaiting_payment", "refunded")
POLICY = Policy()


class Situation(NamedTuple):
    """What a rule may ask about, beside state, event and role."""

    scheduled_for: datetime | None
    accepted_s_ago: float | None
    courier: str | None
    named: str | None


SITUATIONS = [
    Situation(*parts)
    for parts in product(
        (None, LATER, SOON), (None, 0, 60, 60.001), (None, "me", "another"), (None, "me", "another")
    )
]


def order(state: str, situation: Situation = SITUATIONS[0], payment_method: str = "cash") -> OrderRow:
    accepted_s = situation.accepted_s_ago
    return OrderRow(
        shard=3, id=1 << 20, customer_id="me", restaurant_id="me", state=state, version=7,
        placed_at=NOW - timedelta(hours=1), updated_at=NOW - timedelta(minutes=1), due_at=DUE,
        scheduled_for=situation.scheduled_for,
        accepted_at=None if accepted_s is None else NOW - timedelta(seconds=accepted_s),
        payment_method=payment_method, total=100, currency="COP", courier_id=situation.courier,
        reason=None, details="{}", idempotency_key="key", request_hash=b"hash",
    )  # fmt: skip


def command(event: str, role: str, named: str | None = None, reason: str | None = None) -> Command:
    return Command(event, c.Caller(role=role, id="me"), "request-1", reason, named)


def holds(rule: Rule, situation: Situation) -> bool:
    """Whether a rule's condition is met."""
    later = situation.scheduled_for == LATER
    return {
        "": True,
        "later": later,
        "now": not later,
        "nobody else's": situation.courier != "another",
        "theirs": situation.courier == "me",
        "somebody's": situation.courier is not None,
        "in the first minute": situation.accepted_s_ago is not None and situation.accepted_s_ago <= 60,
    }[rule.only_if]


def expected(state: str, event: str, role: str, situation: Situation) -> Rule | str:
    """The rule that applies, or the code of the refusal."""
    if event not in EVENTS:
        return "unknown_event"
    in_state = [rule for rule in RULES if (rule.state, rule.event) == (state, event)]
    if not in_state:
        return "wrong_state"
    of_role = [rule for rule in in_state if rule.role == role]
    if not of_role:
        ever = any((rule.event, rule.role) == (event, role) for rule in RULES)
        return "wrong_state" if ever else "forbidden"
    for rule in of_role:
        if holds(rule, situation):
            if event == "courier_assigned" and role == "courier" and situation.named == "another":
                return "forbidden"
            if event == "courier_assigned" and role != "courier" and situation.named is None:
                return "invalid_request"
            return rule
    return "not_your_delivery" if of_role[0].only_if in ("theirs", "nobody else's") else "wrong_state"


def due_after(rule: Rule, situation: Situation) -> datetime | None:
    if rule.due == "none":
        return None
    if rule.due == "unchanged":
        return DUE
    if rule.due == "release":
        assert situation.scheduled_for is not None
        return situation.scheduled_for - timedelta(seconds=RELEASE_BEFORE_S)
    return NOW + timedelta(seconds=DUE_S[rule.due])


def every_case() -> Iterator[tuple[str, str, str, Situation]]:
    return product(STATES, (*EVENTS, *NO_EVENTS), ROLES, SITUATIONS)


def test_an_order_moves_exactly_as_the_rules_say() -> None:
    moved_count = 0
    for state, event, role, situation in every_case():
        row, rule = order(state, situation), expected(state, event, role, situation)
        if isinstance(rule, str):
            continue
        moved = transition.advance(row, command(event, role, situation.named), POLICY, NOW)
        case = (state, event, role, situation)
        assert moved.row.state == rule.target, case
        assert moved.row.version == 8, case
        assert moved.row.due_at == due_after(rule, situation), case
        assert moved.row.updated_at == NOW, case
        changed = {"state", "version", "due_at", "updated_at"}
        if event == "accepted":
            assert moved.row.accepted_at == NOW, case
            changed.add("accepted_at")
        if event == "courier_assigned":
            assert moved.row.courier_id == ("me" if role == "courier" else situation.named), case
            changed.add("courier_id")
        if rule.target == "cancelled":
            assert moved.row.reason == event, case
            changed.add("reason")
        for field in set(OrderRow._fields) - changed:
            assert getattr(moved.row, field) == getattr(row, field), (case, field)
        moved_count += 1
    assert moved_count > 1_000


def test_what_no_rule_allows_is_refused_with_its_code_and_changes_nothing() -> None:
    codes: set[str] = set()
    for state, event, role, situation in every_case():
        row, code = order(state, situation), expected(state, event, role, situation)
        if not isinstance(code, str):
            continue
        before = order(state, situation)
        with pytest.raises(Refusal) as refused:
            transition.advance(row, command(event, role, situation.named), POLICY, NOW)
        assert refused.value.code == code, (state, event, role, situation)
        assert row == before
        if code == "wrong_state":
            assert refused.value.details == {"state": state, "version": 7}
        codes.add(code)
    assert codes == {
        "unknown_event", "wrong_state", "forbidden", "not_your_delivery", "invalid_request",
    }  # fmt: skip
    assert codes <= set(CODES)


@pytest.mark.parametrize(("paid", "when", "state", "due"), PLACED)
def test_a_new_order_begins_where_its_payment_and_its_time_say(
    paid: str, when: str, state: str, due: str
) -> None:
    for scheduled_for in (LATER,) if when == "later" else (None, SOON):
        situation = Situation(scheduled_for, None, None, None)
        row = order("cancelled", situation, payment_method=paid)._replace(placed_at=NOW, version=99)
        moved = transition.place(row, command("placed", "customer"), POLICY)
        assert (moved.row.state, moved.row.version) == (state, 1)
        if due == "release":
            assert moved.row.due_at == LATER - timedelta(seconds=RELEASE_BEFORE_S)
        else:
            assert moved.row.due_at == NOW + timedelta(seconds=DUE_S[due])
        event = msgspec.json.decode(moved.data, type=c.OrderEvent)
        assert (event.from_state, event.to_state, event.version) == (None, state, 1)
        assert moved.type == "order.placed"


def test_the_event_says_who_did_what_from_where_to_where_and_why() -> None:
    row = order("awaiting_acceptance")
    moved = transition.advance(row, command("rejected", "restaurant", reason="no gas"), POLICY, NOW)
    assert moved.trace == "request-1"
    assert msgspec.json.decode(moved.data) == {
        "order_id": str(1 << 20), "version": 8, "type": "order.rejected",
        "from_state": "awaiting_acceptance", "to_state": "cancelled",
        "actor": {"role": "restaurant", "id": "me"}, "reason": "no gas",
        "at": "2026-06-01T12:00:00.000Z", "request_id": "request-1",
        "customer_id": "me", "restaurant_id": "me",
    }  # fmt: skip
    assert moved.row.reason == "no gas"


def test_the_table_holds_the_rules_and_nothing_else() -> None:
    table = {
        (edge.source, edge.event, role, edge.target)
        for edge in states.EDGES
        for role in edge.who
        if edge.source is not None
    }
    assert table == {(rule.state, rule.event, rule.role, rule.target) for rule in RULES}
    assert set(EVENTS) == states.EVENTS
    assert set(FINAL) == states.TERMINAL


def test_every_edge_says_why() -> None:
    assert all(edge.why.endswith(".") and len(edge.why) > 10 for edge in states.EDGES)


def test_every_state_that_waits_has_a_deadline_the_platform_can_act_on() -> None:
    assert states.ON_DEADLINE == ON_TIME
    assert set(ON_TIME) == set(STATES) - set(FINAL)
    for state, event in states.ON_DEADLINE.items():
        for situation in SITUATIONS:
            rule = expected(state, event, "system", situation)
            assert isinstance(rule, Rule), (state, event)
            moved = transition.advance(order(state, situation), command(event, "system"), POLICY, NOW)
            assert moved.row.due_at != DUE, f"{state}: a deadline that has passed would pass again"


def test_only_an_overdue_order_waits_without_a_deadline() -> None:
    for state, event, role, situation in every_case():
        rule = expected(state, event, role, situation)
        if isinstance(rule, Rule) and rule.target not in FINAL:
            moved = transition.advance(
                order(state, situation), command(event, role, situation.named), POLICY, NOW
            )
            assert (moved.row.due_at is None) == (event == "overdue"), (state, event, role)


def test_every_state_can_come_to_an_end_and_people_alone_can_bring_it_there() -> None:
    """After `overdue` nothing happens by itself, so there must be a way that needs no deadline."""
    for roles in ({"system"}, {"operator", "restaurant", "courier", "customer", "system"}):
        ends = set(FINAL)
        while True:
            more = {rule.state for rule in RULES if rule.target in ends and rule.role in roles} - ends
            if not more:
                break
            ends |= more
        assert ends == set(STATES), roles


def test_every_state_can_be_reached() -> None:
    reached = {target for _, _, target, _ in PLACED}
    for _ in STATES:
        reached |= {rule.target for rule in RULES if rule.state in reached}
    assert reached == set(STATES)


@pytest.mark.parametrize("state", FINAL)
def test_nothing_leaves_a_final_state(state: str) -> None:
    for event, role, situation in product(EVENTS, ROLES, SITUATIONS):
        with pytest.raises(Refusal) as refused:
            transition.advance(order(state, situation), command(event, role, "me"), POLICY, NOW)
        assert refused.value.code == "wrong_state"


def test_a_market_can_change_how_long_each_wait_lasts() -> None:
    policy = Policy(acceptance_s=7, free_cancellation_s=5)
    moved = transition.advance(order("scheduled"), command("released", "system"), policy, NOW)
    assert moved.row.due_at == NOW + timedelta(seconds=7)
    late = order("preparing", Situation(None, 6, None, None))
    with pytest.raises(Refusal, match="wrong_state"):
        transition.advance(late, command("cancelled", "customer"), policy, NOW)
