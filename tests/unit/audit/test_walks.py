"""The judgement of walks, against walks made from the state tables themselves."""

from random import Random

import pytest

from tiffin.audit.walks import (
    OrderStep,
    PaymentStep,
    Row,
    order_faults,
    parse_order_step,
    parse_payment_step,
    payment_faults,
)
from tiffin.services.orders.states import EDGES, TERMINAL
from tiffin.services.payments.states import EDGES as PAYMENT_EDGES

ROLES = ("customer", "restaurant", "courier", "operator", "system")
STATES = sorted({edge.target for edge in EDGES})


def walk_of(seed: int) -> list[OrderStep]:
    """A legal way from nowhere to an end, or ten steps of it."""
    random = Random(seed)
    steps: list[OrderStep] = []
    state = None
    while state not in TERMINAL and len(steps) < 10:
        edge = random.choice([edge for edge in EDGES if edge.source == state])
        role = random.choice(edge.who)
        steps.append(OrderStep(len(steps) + 1, f"order.{edge.event}", state, edge.target, role, True))
        state = edge.target
    return steps


def end_of(steps: list[OrderStep], **changes: object) -> Row:
    return Row(steps[-1].target, steps[-1].version, False, False)._replace(**changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(200))
def test_every_legal_walk_is_clean_and_no_change_of_one_thing_is(seed: int) -> None:
    steps = walk_of(seed)
    assert order_faults(steps, end_of(steps)) == []
    at = Random(seed).randrange(len(steps))
    step = steps[at]

    def with_step(**changes: object) -> list[OrderStep]:
        return [*steps[:at], step._replace(**changes), *steps[at + 1 :]]  # type: ignore[arg-type]

    assert order_faults(with_step(version=step.version + 100), end_of(steps))
    assert order_faults(with_step(type="order.vanished"), end_of(steps))
    assert order_faults(with_step(agrees=False), end_of(steps))
    assert order_faults(with_step(role="nobody"), end_of(steps))
    assert order_faults(steps, end_of(steps, version=99))
    assert order_faults(steps, end_of(steps, state="elsewhere"))
    assert order_faults([*steps[:at], *steps[at + 1 :]], end_of(steps))
    assert order_faults([*steps[:at], None, *steps[at + 1 :]], end_of(steps))
    assert order_faults(steps, None)
    for state in {*STATES} - {step.source}:
        assert order_faults(with_step(source=state), end_of(steps))
    for state in {*STATES} - {step.target}:
        assert order_faults(with_step(target=state), end_of(steps))


def test_only_those_may_say_a_thing_who_may_by_the_table() -> None:
    for edge in EDGES:
        allowed = {
            role
            for other in EDGES
            if (other.source, other.event, other.target) == (edge.source, edge.event, edge.target)
            for role in other.who
        }
        row = Row(edge.target, 7, True, False)
        for role in ROLES:
            step = OrderStep(7, f"order.{edge.event}", edge.source, edge.target, role, True)
            assert (order_faults([step], row) == []) == (role in allowed)


@pytest.mark.parametrize(
    ("began_before", "ended_before", "versions", "clean"),
    [
        (False, False, [1, 2, 3], True),
        (False, False, [2, 3], False),
        (True, False, [2, 3], True),
        (True, False, [1, 3], False),
        (True, False, [2, 2, 3], False),
        (True, False, [], False),
        (True, True, [], True),
    ],
)
def test_what_the_log_no_longer_has_is_not_asked_for(
    began_before: bool, ended_before: bool, versions: list[int], clean: bool
) -> None:
    ways = {1: (None, "placed", "awaiting_acceptance", "customer"),
            2: ("awaiting_acceptance", "accepted", "preparing", "restaurant"),
            3: ("preparing", "prepared", "ready", "restaurant")}  # fmt: skip
    steps = [
        OrderStep(version, f"order.{event}", source, target, role, True)
        for version in versions
        for source, event, target, role in [ways[version]]
    ]
    assert (order_faults(steps, Row("ready", 3, began_before, ended_before)) == []) == clean


@pytest.mark.parametrize("seed", range(50))
def test_payments_go_their_table(seed: int) -> None:
    random = Random(seed)
    steps, state = [PaymentStep(1, "payment.started", True)], "pending"
    while (edges := [edge for edge in PAYMENT_EDGES if edge.state == state]) and random.random() < 0.8:
        edge = random.choice(edges)
        steps.append(PaymentStep(len(steps) + 1, edge.event, True))
        state = edge.to
    row = Row(state, len(steps), False, False)
    assert payment_faults(steps, row) == []
    assert payment_faults(steps, row._replace(version=99))
    assert payment_faults(steps, row._replace(state="pending" if state != "pending" else "refunded"))
    assert payment_faults(steps[1:], row)
    assert payment_faults([*steps, steps[-1]], row)
    assert payment_faults([*steps[:-1], steps[-1]._replace(type="payment.refunded", agrees=False)], row)
    assert payment_faults([PaymentStep(1, "payment.succeeded", True)], Row("succeeded", 1, False, False))


def test_steps_are_read_from_their_text_and_broken_ones_are_none() -> None:
    text = "1 order.placed - awaiting_payment customer t"
    assert parse_order_step(text) == OrderStep(1, "order.placed", None, "awaiting_payment", "customer", True)
    assert parse_order_step("1 order.placed - awaiting_payment t") is None
    assert parse_payment_step("2 payment.declined f") == PaymentStep(2, "payment.declined", False)
    assert parse_payment_step("2 payment.declined") is None
