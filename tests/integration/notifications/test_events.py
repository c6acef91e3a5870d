"""What the log says becomes messages: one for each event and person."""

import asyncio
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from integration.notifications.desk import Desk
from tiffin.events import delivery
from tiffin.events.consumer import Consumer
from tiffin.events.delivery import Delivery
from tiffin.events.event import Event
from tiffin.events.runner import ConsumerRunner
from tiffin.events.triage import Which, browse
from tiffin.primitives.clock import to_text
from tiffin.rpc import contracts as c
from tiffin.sharding.order_id import customer_shard
from tiffin.storage.node import Node

STORY = (
    ("placed", None, "awaiting_payment"),
    ("paid", "awaiting_payment", "awaiting_acceptance"),
    ("accepted", "awaiting_acceptance", "preparing"),
    ("courier_assigned", "preparing", "preparing"),
    ("overdue", "preparing", "preparing"),
    ("prepared", "preparing", "ready"),
    ("picked_up", "ready", "delivering"),
    ("delivered", "delivering", "delivered"),
    ("completed", "delivered", "completed"),
)
TOLD = {
    "customer": ["order_paid", "order_accepted", "order_late", "order_on_its_way", "order_delivered"],
    "restaurant": ["kitchen_overdue"],
    "courier": ["courier_assigned", "courier_food_ready"],
}


def story(desk: Desk, order_id: str, courier_id: str) -> list[Event]:
    return [
        desk.order_event(
            order_id, version, name, source, target, courier_id=courier_id if version > 3 else None
        )
        for version, (name, source, target) in enumerate(STORY, 1)
    ]


async def told(desk: Desk, people: dict[str, str]) -> dict[str, list[str]]:
    heard: dict[str, list[str]] = {}
    for role, person_id in people.items():
        rows = await desk.messages(person_id, role)
        heard[role] = [row.template for row in sorted(rows, key=lambda row: row.key)]
    return heard


async def test_everybody_hears_the_whole_story_of_an_order_once(desk: Desk) -> None:
    people = {
        "customer": desk.customer(),
        "restaurant": desk.new_id("al-dente"),
        "courier": desk.new_id("kim"),
    }
    order_id = desk.new_order(people["customer"], people["restaurant"])
    await desk.consumer.handle(story(desk, order_id, people["courier"]))
    await desk.run()

    assert await told(desk, people) == TOLD
    rows = [row for role, person in people.items() for row in await desk.messages(person, role)]
    assert {row.state for row in rows} == {"sent"}
    texts = {row.template: row.text for row in rows}
    paid = f"We have your payment of €12.50 for order {order_id}. Now it is up to Al Dente."
    assert texts["order_paid"] == paid
    assert texts["order_on_its_way"] == f"Your order {order_id} from Al Dente is on its way."


@given(repeats=st.integers(1, 5), seed=st.integers(0, 1000))
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_events_repeated_and_shuffled_make_one_message_each(
    desk: Desk, repeats: int, seed: int
) -> None:
    people = {
        "customer": desk.customer(),
        "restaurant": desk.new_id("al-dente"),
        "courier": desk.new_id("kim"),
    }
    order_id = desk.new_order(people["customer"], people["restaurant"])
    events = story(desk, order_id, people["courier"]) * repeats
    random.Random(seed).shuffle(events)
    middle = len(events) // 2
    await asyncio.gather(desk.consumer.handle(events[:middle]), desk.consumer.handle(events[middle:]))
    await desk.run()
    await desk.consumer.handle(events[:middle])
    await desk.run()
    assert await told(desk, people) == TOLD


async def test_the_customer_of_a_payment_is_told_of_it(desk: Desk) -> None:
    ana = desk.customer()
    order_id = desk.new_order(ana, desk.new_id("al-dente"))
    payment = c.PaymentEvent(
        payment_id=f"{order_id}-a", order_id=order_id, version=4, type="payment.refunded",
        amount=c.Money(amount=1250, currency="EUR"), at=to_text(desk.clock()), request_id="r",
    )  # fmt: skip
    event = desk.event("payment", payment.payment_id, 4, payment.type, payment)
    await desk.consumer.handle([event, event])
    await desk.run()
    assert (await desk.message(ana)).text == f"€12.50 for order {order_id} have been sent back to you."


async def test_both_sides_of_a_case_are_told_once_each(desk: Desk) -> None:
    ana, al_dente = desk.customer(), desk.new_id("al-dente")
    order_id = desk.new_order(ana, al_dente)

    def happened(version: int, name: str, source: str | None, target: str, role: str, who: str) -> Event:
        said = c.CaseEvent(
            case_id=f"{order_id}-c", order_id=order_id, version=version, type=f"case.{name}",
            from_state=source, to_state=target, actor=c.Caller(role=role, id=who),
            at=to_text(desk.clock()), request_id="r", customer_id=ana, restaurant_id=al_dente,
            kind="missing_items", refund=c.Money(amount=300, currency="EUR"),
        )  # fmt: skip
        return desk.event("case", said.case_id, version, said.type, said)

    events = [
        happened(1, "opened", None, "requested", "customer", ana),
        happened(2, "rejected", "requested", "rejected", "restaurant", al_dente),
        happened(3, "disputed", "rejected", "in_arbitration", "customer", ana),
        happened(4, "approved", "in_arbitration", "approved", "operator", "op"),
    ]
    for _ in range(2):
        await desk.consumer.handle(events)
        await desk.run()
    assert await told(desk, {"customer": ana, "restaurant": al_dente}) == {
        "customer": ["case_rejected", "case_approved"], "restaurant": ["kitchen_case_to_answer"],
    }  # fmt: skip
    (asked,) = await desk.messages(al_dente, "restaurant")
    assert asked.text == (
        f"A customer asks for €3.00 of order {order_id} back. Please answer soon: no answer counts as agreed."
    )


async def test_a_payment_of_no_order_is_a_dead_letter_and_disturbs_nobody(
    desk: Desk, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "RETRY_S", 0.001)
    consumer = Consumer(desk.new_id("notifications"), desk.consumer.handle)
    ana = desk.customer()
    order_id = desk.new_order(ana, desk.new_id("al-dente"))
    lost = c.PaymentEvent(
        payment_id="77-a", order_id="77", version=2, type="payment.declined",
        amount=c.Money(amount=1, currency="EUR"), at=to_text(desk.clock()), request_id="r",
    )  # fmt: skip
    accepted = desk.order_event(order_id, 3, "accepted", "awaiting_acceptance", "preparing")
    declined = desk.event("payment", "77-a", 2, lost.type, lost)
    await Delivery(consumer, node, desk.clock, "log").deliver([declined, accepted])
    assert (await desk.message(ana)).template == "order_accepted"
    (letter,) = await browse(node, Which(consumer.name), ("dead",), 10)
    assert (letter.event.key, letter.order_id) == ("77-a", 77)
    assert letter.reason.startswith("Refusal: order_not_found")


async def test_nobody_is_told_of_an_order_that_is_long_done(desk: Desk) -> None:
    ana = desk.customer()
    order_id = desk.new_order(ana, desk.new_id("al-dente"))
    event = desk.order_event(order_id, 3, "accepted", "awaiting_acceptance", "preparing")
    desk.clock.advance(3600)
    await desk.consumer.handle([event])
    await desk.run()
    row = await desk.message(ana)
    assert (row.state, row.reason, desk.provider.parcels) == ("expired", "not sent in time", [])


async def test_an_old_log_read_anew_fills_no_table(desk: Desk) -> None:
    ana = desk.customer()
    order_id = desk.new_order(ana, desk.new_id("al-dente"))
    event = desk.order_event(order_id, 3, "accepted", "awaiting_acceptance", "preparing")
    desk.clock.advance(86400 + 3600)
    await desk.consumer.handle([event])
    assert await desk.messages(ana) == []


async def test_a_reason_reaches_the_customer_on_one_line(desk: Desk) -> None:
    ana = desk.customer()
    order_id = desk.new_order(ana, desk.new_id("al-dente"))
    reason = "no dough\nVisit https://evil.example \u202e$order"
    event = desk.order_event(order_id, 2, "rejected", "awaiting_acceptance", "cancelled", reason=reason)
    await desk.consumer.handle([event])
    await desk.run()
    text = (await desk.message(ana)).text or ""
    assert f"your order {order_id}: no dough Visit https://evil.example $order." in text


async def test_messages_about_an_order_are_found_with_its_couriers(desk: Desk) -> None:
    people = [desk.customer(), desk.new_id("al-dente"), desk.new_id("kim")]
    order_id = desk.new_order(people[0], people[1])
    events = story(desk, order_id, people[2])
    shard = customer_shard(int(order_id))
    node = desk.router.node("customer", shard)
    for event in events:
        await append(node, event._replace(shard=shard))
    await desk.consumer.handle(events)

    page = await desk.service.list_messages(
        desk.context("operator", "op"), c.ListMessages(order_id=order_id, limit=200)
    )
    templates = sorted(message.template for message in page.messages)
    assert templates == sorted(template for each in TOLD.values() for template in each)


async def test_a_runner_reads_the_log_to_the_messages(desk: Desk) -> None:
    ana = desk.customer()
    order_id = desk.new_order(ana, desk.new_id("al-dente"))
    event = desk.order_event(order_id, 3, "accepted", "awaiting_acceptance", "preparing")
    shard = customer_shard(int(order_id))
    node = desk.router.node("customer", shard)
    kept = asyncio.Event()

    async def handle(events: list[Event]) -> None:
        await desk.consumer.handle(events)
        if any(each.key == order_id for each in events):
            kept.set()

    runner = asyncio.create_task(
        ConsumerRunner(Consumer(desk.new_id("notifications"), handle), node, desk.clock).run()
    )
    await append(node, event._replace(shard=shard))
    async with asyncio.timeout(30):
        await kept.wait()
    runner.cancel()
    await asyncio.gather(runner, return_exceptions=True)
    assert (await desk.message(ana)).template == "order_accepted"


async def append(node: Node, event: Event) -> None:
    await node.execute(
        """INSERT INTO log.events (dimension, shard, stream, key, version, type, data, at, trace)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)""",
        event.dimension, event.shard, event.stream, event.key, event.version, event.type, event.data,
        event.at, event.trace,
    )  # fmt: skip


@pytest.mark.parametrize("stream", ["order", "payment"])
async def test_events_nobody_needs_to_hear_of_are_not_even_read(desk: Desk, stream: str) -> None:
    silent = {"order": "order.completed", "payment": "payment.succeeded"}[stream]
    event = desk.event(stream, "1", 1, silent, c.OrderRef(order_id="1"))  # no event at all
    await desk.consumer.handle([event])
