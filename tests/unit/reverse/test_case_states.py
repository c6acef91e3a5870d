"""Every state, every event, every role of a case, held against rules written down a second time."""

from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any, get_args

import pytest

from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.services.reverse.case import Case, Details, details_of, encode_details
from tiffin.services.reverse.outcome import Outcome
from tiffin.services.reverse.policy import Terms
from tiffin.services.reverse.state_page import PAGE, page
from tiffin.services.reverse.states import EVENTS, ON_DEADLINE, TERMINAL, State
from tiffin.services.reverse.transition import Command, advance

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
TERMS = Terms()
MINUTE, DAY = 60, 24 * 3600
STATES: tuple[State, ...] = get_args(State)
ROLES = ("customer", "restaurant", "courier", "operator", "system", "visitor")

EXPECTED: dict[tuple[str, str], tuple[str, str, int | None]] = {
    ("requested", "approved"): ("approved", "restaurant operator system", 5),
    ("requested", "rejected"): ("rejected", "restaurant operator", 3 * DAY),
    ("requested", "withdrawn"): ("withdrawn", "customer", None),
    ("requested", "evidence_added"): ("requested", "customer restaurant operator", -1),
    ("rejected", "disputed"): ("in_arbitration", "customer", DAY),
    ("rejected", "lapsed"): ("closed", "system", None),
    ("in_arbitration", "approved"): ("approved", "operator system", 5),
    ("in_arbitration", "dismissed"): ("closed", "operator", None),
    ("in_arbitration", "withdrawn"): ("withdrawn", "customer", None),
    ("in_arbitration", "evidence_added"): ("in_arbitration", "customer restaurant operator", -1),
    ("approved", "refund_started"): ("refunding", "system", 5),
    ("approved", "overtaken"): ("closed", "system", None),
    ("refunding", "refunded"): ("refunded", "system", 7 * DAY),
    ("refunding", "refund_failed"): ("refund_failed", "system", DAY),
    ("refunding", "overtaken"): ("closed", "system", None),
    ("refund_failed", "overtaken"): ("closed", "system", None),
    ("refund_failed", "credited"): ("refunded", "operator system", 7 * DAY),
    ("refunded", "filed"): ("closed", "system", None),
}
"""From people's expectations: state and event to the next state, who may, and seconds until the platform acts
by itself (-1: as before)."""
FREED = {"withdrawn", "lapsed", "dismissed", "overtaken"}
"""After these the order's money is free for other cases."""


def case(state: State, **changes: Any) -> Case:
    details = Details(outcome=Outcome(100, "payment", False, 100, ()), policy=1)
    fields: dict[str, Any] = {
        "shard": 0, "id": "1048576-a", "order_id": 1 << 20, "customer_id": "me", "restaurant_id": "me",
        "kind": "quality", "state": state, "version": 3, "opener": "customer", "opener_id": "me",
        "idempotency_key": "k", "request_hash": b"", "currency": "EUR", "claimed": 100, "released": False,
        "opened_at": NOW, "updated_at": NOW, "due_at": NOW + timedelta(seconds=99), "reason": None,
        "details": encode_details(details),
    }  # fmt: skip
    return Case(**{**fields, **changes})


def say(event: str, role: Any, of: Case, note: str | None = None) -> Any:
    return advance(of, Command(event, c.Caller(role=role, id="me"), "request", note), TERMS, NOW)


@pytest.mark.parametrize(("state", "event", "role"), list(product(STATES, (*sorted(EVENTS), "eaten"), ROLES)))
def test_a_case_moves_by_the_rules_and_by_nothing_else(state: State, event: str, role: str) -> None:
    rule = EXPECTED.get((state, event))
    if rule is None or role not in rule[1].split():
        with pytest.raises(Refusal) as refused:
            say(event, role, case(state))
        assert refused.value.code in ("wrong_state", "forbidden", "unknown_event")
        return
    moved = say(event, role, case(state))
    target, _, due_s = rule
    due_at = case(state).due_at if due_s == -1 else due_s and NOW + timedelta(seconds=due_s)
    assert (moved.case.state, moved.case.version, moved.case.due_at) == (target, 4, due_at)
    assert moved.case.released == moved.releases == (event in FREED)
    assert moved.type == f"case.{event}"


def test_every_wait_has_a_deadline_and_a_default() -> None:
    assert ON_DEADLINE.keys() == set(STATES) - TERMINAL
    for state, event in ON_DEADLINE.items():
        if event is not None:
            assert (state, event) in EXPECTED
            assert "system" in EXPECTED[state, event][1].split()


def test_a_restaurant_answers_only_what_is_its_own_to_answer() -> None:
    with pytest.raises(Refusal):
        say("approved", "restaurant", case("requested", kind="late"))
    assert say("approved", "operator", case("requested", kind="late")).case.state == "approved"


def test_only_who_opened_a_case_withdraws_or_disputes_it() -> None:
    for state, event in (("requested", "withdrawn"), ("rejected", "disputed")):
        with pytest.raises(Refusal):
            say(event, "customer", case(state, opener_id="another"))


def test_what_people_say_is_kept_with_who_said_it_and_when() -> None:
    moved = say("rejected", "restaurant", case("requested"), "it was hot")
    (said,) = details_of(moved.case).evidence
    assert (said.role, said.note, said.at) == ("restaurant", "it was hot", "2026-06-01T12:00:00.000Z")
    assert moved.case.reason == "rejected"


def test_the_page_of_case_states_is_what_the_table_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "python -m tiffin.services.reverse.state_page"
