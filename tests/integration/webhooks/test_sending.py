"""From an event to somebody's system, or to the reason why not."""

import asyncio
import base64
import json
from datetime import timedelta

import pytest
from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

from integration.webhooks.receiver import Receiver, Request, ok, says, silent
from integration.webhooks.till import HERE, PATIENCE, Till
from tiffin.primitives.errors import Refusal, Unavailable
from tiffin.rpc import contracts as c
from tiffin.services.webhooks.outgoing import Answered, Outgoing, Unanswered, open_outgoing
from tiffin.services.webhooks.retrying import ATTEMPTS_MAX, OPEN_AFTER
from tiffin.services.webhooks.sender import LEASE
from tiffin.services.webhooks.store import QUERIES


async def test_an_event_reaches_its_restaurants_system_signed(till: Till, receiver: Receiver) -> None:
    restaurant = till.new_id("al-dente")
    created = await till.endpoint(receiver, restaurant)
    event = till.event(restaurant, till.order(restaurant), 3)
    await till.hear(event)
    await till.send()

    (request,) = receiver.requests
    told = Webhook(created.secret).verify(request.body, request.headers)
    assert told == json.loads(event.data)
    assert request.id == f"order:{event.key}:3"
    (delivery,) = await till.log(created.about.endpoint_id)
    (attempt,) = delivery.attempts
    assert (delivery.state, delivery.body) == ("delivered", event.data)
    assert (attempt.status, attempt.answer, attempt.error) == (200, "thanks", None)
    assert await till.rows(created.about.endpoint_id) == {"deliveries": 1, "queue": 0, "lanes": 1}


async def test_what_is_forged_changed_or_old_is_not_taken_for_ours(till: Till, receiver: Receiver) -> None:
    restaurant = till.new_id("al-dente")
    created = await till.endpoint(receiver, restaurant)
    await till.happen(restaurant)
    await till.send()
    (request,) = receiver.requests
    known = Webhook(created.secret)
    forged = Webhook(base64.b64encode(b"another secret, as long as ours").decode())
    with pytest.raises(WebhookVerificationError):
        forged.verify(request.body, request.headers)
    with pytest.raises(WebhookVerificationError):
        known.verify(request.body.replace(b"accepted", b"rejected"), request.headers)
    with pytest.raises(WebhookVerificationError):
        known.verify(request.body, {**request.headers, "webhook-id": "order:1:1"})
    an_hour_ago = str(int(request.headers["webhook-timestamp"]) - 3600)
    with pytest.raises(WebhookVerificationError):
        known.verify(request.body, {**request.headers, "webhook-timestamp": an_hour_ago})


async def test_while_a_secret_is_changed_both_sign_and_then_only_the_new(
    till: Till, receiver: Receiver
) -> None:
    restaurant = till.new_id("al-dente")
    old = await till.endpoint(receiver, restaurant)
    ref = c.WebhookRef(endpoint_id=old.about.endpoint_id)
    new = await till.service.rotate_secret(till.context(), ref)
    assert new.secret != old.secret
    assert (await till.about(ref.endpoint_id)).secrets == 2
    await till.happen(restaurant)
    await till.send()
    for secret in (old.secret, new.secret):
        Webhook(secret).verify(receiver.requests[0].body, receiver.requests[0].headers)

    till.clock.advance(86400)
    assert (await till.about(ref.endpoint_id)).secrets == 1
    await till.happen(restaurant)
    await till.send()
    assert " " not in receiver.requests[1].headers["webhook-signature"]


async def test_secrets_are_not_to_be_read_in_the_database(till: Till, receiver: Receiver) -> None:
    created = await till.endpoint(receiver, till.new_id("al-dente"))
    kept = [
        str(row) for node in till.router.nodes for row in await node.fetch("SELECT * FROM webhooks.endpoints")
    ]
    assert created.about.endpoint_id in str(kept)
    assert created.secret.removeprefix("whsec_")[:20] not in str(kept)


async def test_only_wanted_events_of_the_own_restaurant_come(till: Till, receiver: Receiver) -> None:
    mine, theirs = till.new_id("mine"), till.new_id("theirs")
    await till.endpoint(receiver, mine, "order.accepted", "case.*")
    orders = till.order(mine), till.order(theirs)
    await till.hear(
        till.event(mine, orders[0], 1, "placed"), till.event(mine, orders[0], 2, "accepted"),
        till.event(theirs, orders[1], 1, "accepted"),
    )  # fmt: skip
    await till.send()
    assert receiver.ids == [f"order:{orders[0]}:2"]


async def test_an_event_that_comes_again_is_sent_once(till: Till, receiver: Receiver) -> None:
    restaurant = till.new_id("al-dente")
    await till.endpoint(receiver, restaurant)
    order = till.order(restaurant)
    for _ in range(3):
        await till.happen(restaurant, 2, order)
        await till.send()
    assert receiver.ids == [f"order:{order}:1", f"order:{order}:2"]


async def test_a_failure_is_tried_again_later_and_later_under_the_same_id(
    till: Till, receiver: Receiver
) -> None:
    restaurant = till.new_id("al-dente")
    endpoint = (await till.endpoint(receiver, restaurant)).about.endpoint_id
    receiver.answer = says(500, "on fire")
    began = till.clock()
    (delivery_id,) = await till.happen(restaurant)
    attempts = 0
    while (await till.states(endpoint)) == [("waiting", None)]:
        await till.send()
        attempts += 1
        assert len(receiver.requests) == attempts
        await till.send()
        assert len(receiver.requests) == attempts, "not again at once"
        till.clock.advance(4.5 * 3600)
    assert attempts == ATTEMPTS_MAX
    assert set(receiver.ids) == {delivery_id}
    assert till.clock() - began < PATIENCE
    (delivery,) = await till.log(endpoint)
    assert (delivery.state, delivery.reason) == ("failed", "gave_up")
    assert [(each.status, each.answer) for each in delivery.attempts] == [(500, "on fire")] * ATTEMPTS_MAX
    timestamps = [request.headers["webhook-timestamp"] for request in receiver.requests]
    assert len(set(timestamps)) == ATTEMPTS_MAX, "each attempt is signed anew"


async def test_of_one_order_nothing_overtakes_and_other_orders_go_on(till: Till, receiver: Receiver) -> None:
    restaurant = till.new_id("al-dente")
    endpoint = (await till.endpoint(receiver, restaurant)).about.endpoint_id
    first, second = till.order(restaurant), till.order(restaurant)

    def no_to_the_first(request: Request) -> web.StreamResponse:
        return web.Response(status=503 if request.id == f"order:{first}:1" else 200)

    receiver.answer = no_to_the_first
    await till.happen(restaurant, 2, first)
    await till.happen(restaurant, 2, second)
    await till.send()
    assert sorted(receiver.ids) == sorted([f"order:{first}:1", f"order:{second}:1", f"order:{second}:2"])
    assert await till.due(endpoint) == 0, "what waits for the first is not looked at in vain"
    await till.hear(till.event(restaurant, first, 3))  # what comes meanwhile waits, too
    assert await till.due(endpoint) == 0
    await till.send()
    assert len(receiver.requests) == 3

    receiver.answer = ok
    till.clock.advance(10)
    await till.send()
    assert receiver.ids[3:] == [f"order:{first}:{version}" for version in (1, 2, 3)]


async def test_many_events_of_many_orders_come_in_order_of_each(till: Till, receiver: Receiver) -> None:
    restaurant = till.new_id("al-dente")
    await till.endpoint(receiver, restaurant)
    orders = [till.order(restaurant) for _ in range(30)]
    await till.hear(*(till.event(restaurant, order, version) for version in (1, 2, 3) for order in orders))
    await till.send()
    assert len(receiver.ids) == 90
    for order in orders:
        assert [id_ for id_ in receiver.ids if f":{order}:" in id_] == [
            f"order:{order}:{n}" for n in (1, 2, 3)
        ]


async def test_what_came_while_its_first_was_being_tried_waits_for_it(till: Till, receiver: Receiver) -> None:
    restaurant = till.new_id("al-dente")
    await till.endpoint(receiver, restaurant)
    order = till.order(restaurant)
    receiver.answer = says(500)
    await till.happen(restaurant, 2, order)
    await till.send()
    for node in till.router.nodes:  # as if it had not known that it would have to wait
        await node.execute(
            "UPDATE webhooks.queue SET due_at = $2 WHERE key = $1 AND version = 2",
            f"order:{order}",
            till.clock(),
        )
        await node.execute("UPDATE webhooks.lanes SET due_at = $1", till.clock())
    await till.send()
    assert receiver.ids == [f"order:{order}:1"]
    receiver.answer = ok
    till.clock.advance(10)
    await till.send()
    assert receiver.ids == [f"order:{order}:{version}" for version in (1, 1, 2)]


async def test_killed_between_sending_and_noting_the_same_id_is_sent_again(
    till: Till, receiver: Receiver
) -> None:
    restaurant = till.new_id("al-dente")
    endpoint = (await till.endpoint(receiver, restaurant)).about.endpoint_id
    (delivery_id,) = await till.happen(restaurant)
    came = asyncio.Event()
    receiver.answer = lambda request: (came.set(), web.Response())[1]

    class Killed(Outgoing):
        async def post(self, url: str, headers: dict[str, str], body: str) -> Answered | Unanswered:
            await Outgoing.post(self, url, headers, body)
            raise asyncio.CancelledError  # the process is gone

    async with open_outgoing(HERE) as outgoing:
        dying = till.sender(Killed(outgoing._session, HERE))
        lanes = [(node, lane) for node in till.router.nodes for lane in await dying.claim(node, 10)]
        for node, lane in lanes:
            with pytest.raises(asyncio.CancelledError):
                await dying.serve(node, lane)
    assert receiver.ids == [delivery_id]
    await till.send()
    assert receiver.ids == [delivery_id], "its lease holds"

    till.clock.advance(LEASE.total_seconds())
    await till.send()
    assert receiver.ids == [delivery_id, delivery_id]
    assert await till.states(endpoint) == [("delivered", None)]


async def test_several_senders_send_everything_once(till: Till, receiver: Receiver) -> None:
    restaurants = [till.new_id("r") for _ in range(6)]
    for restaurant in restaurants:
        await till.endpoint(receiver, restaurant)
    wanted = [id_ for restaurant in restaurants for _ in range(5) for id_ in await till.happen(restaurant, 3)]
    await asyncio.gather(*(till.send() for _ in range(4)))
    await till.send()
    assert sorted(receiver.ids) == sorted(wanted)


async def test_what_one_sender_is_claiming_another_passes_over(till: Till, receiver: Receiver) -> None:
    restaurant = till.new_id("al-dente")
    await till.endpoint(receiver, restaurant)
    await till.happen(restaurant)
    (node,) = till.router.nodes
    async with node.transaction() as connection:
        claim = QUERIES["claim"], till.clock(), till.clock() + LEASE, 10
        assert len(await connection.fetch(*claim)) == 1
        assert await till.sender().claim(node, 10) == []


async def test_who_took_too_long_notes_nothing(till: Till, receiver: Receiver) -> None:
    restaurant = till.new_id("al-dente")
    endpoint = (await till.endpoint(receiver, restaurant)).about.endpoint_id
    await till.happen(restaurant)
    slow, quick = till.sender(), till.sender()
    may = asyncio.Event()
    receiver.answer = silent(may)
    ((node, lane),) = [(node, lane) for node in till.router.nodes for lane in await slow.claim(node, 10)]
    late = asyncio.create_task(slow.serve(node, lane))
    while not receiver.requests:
        await asyncio.sleep(0.01)
    receiver.answer = says(200, "second")
    till.clock.advance(LEASE.total_seconds())
    await till.send(quick)
    may.set()
    await late
    (delivery,) = await till.log(endpoint)
    assert [each.answer for each in delivery.attempts] == ["second"]


async def test_an_endpoint_that_fails_is_only_probed_and_recovers(till: Till, receiver: Receiver) -> None:
    restaurant = till.new_id("al-dente")
    endpoint = (await till.endpoint(receiver, restaurant)).about.endpoint_id
    receiver.answer = says(502)
    for _ in range(40):
        await till.happen(restaurant)
    await till.send()
    assert OPEN_AFTER <= len(receiver.requests) <= 8
    asked = len(receiver.requests)
    assert (await till.about(endpoint)).failing_since is not None
    for _ in range(20):
        till.clock.advance(100)
        await till.send()
    assert len(receiver.requests) - asked <= 8, "probes get rarer"

    receiver.answer = ok
    receiver.requests.clear()
    till.clock.advance(1900 * 1.2)
    await till.send()
    till.clock.advance(5 * 3600)
    await till.send()
    assert {state for state, _ in await till.states(endpoint)} == {"delivered"}
    assert (await till.about(endpoint)).failing_since is None


async def test_who_has_repaired_it_and_says_so_is_called_at_once(till: Till, receiver: Receiver) -> None:
    restaurant = till.new_id("al-dente")
    endpoint = (await till.endpoint(receiver, restaurant)).about.endpoint_id
    receiver.answer = says(502)
    for _ in range(OPEN_AFTER):
        await till.happen(restaurant)
    await till.send()
    receiver.answer = ok
    (id_,) = await till.happen(restaurant)
    await till.send()
    assert id_ not in receiver.ids, "it is left alone"
    change = c.ChangeWebhook(endpoint_id=endpoint, url=receiver.url, types=["order.*"], enabled=True)
    assert (await till.service.change(till.context(), change)).failing_since is None
    await till.send()
    assert id_ in receiver.ids


async def fail_for_days(till: Till, restaurant: str) -> None:
    """Something happens every three hours, and nobody answers."""
    for _ in range(int(PATIENCE / timedelta(hours=3)) + 2):
        await till.happen(restaurant)
        await till.send()
        till.clock.advance(3 * 3600)


async def test_after_days_of_failure_it_is_disabled_and_the_restaurant_told(
    till: Till, receiver: Receiver
) -> None:
    restaurant = till.new_id("al-dente")
    endpoint = (await till.endpoint(receiver, restaurant)).about.endpoint_id
    receiver.answer = says(500)
    await fail_for_days(till, restaurant)
    about = await till.about(endpoint)
    assert (about.state, about.reason) == ("disabled", "failing")
    (message,) = till.outbox.sent
    assert (message.role, message.person_id, message.template) == (
        "restaurant",
        restaurant,
        "webhook_disabled",
    )
    assert ("waiting", None) not in await till.states(endpoint)

    asked = len(receiver.requests)
    await till.happen(restaurant)
    await till.send()
    assert len(receiver.requests) == asked
    assert (await till.states(endpoint))[-1] == ("failed", "endpoint_disabled")
    with pytest.raises(Refusal, match="webhook_disabled"):
        await till.service.ping(till.context(), c.WebhookRef(endpoint_id=endpoint))


async def test_nobody_is_disabled_without_being_told(till: Till, receiver: Receiver) -> None:
    restaurant = till.new_id("al-dente")
    endpoint = (await till.endpoint(receiver, restaurant)).about.endpoint_id
    receiver.answer = says(500)
    told, away = till.outbox.send, True

    async def send(context: c.CallContext, request: c.SendMessage) -> None:
        if away:
            raise Unavailable("unreachable", "notifications is away")
        await told(context, request)

    till.outbox.send = send
    with pytest.raises(Unavailable):
        await fail_for_days(till, restaurant)
    assert (await till.about(endpoint)).state == "enabled"
    away = False
    till.clock.advance(3600)
    await till.send()
    assert (await till.about(endpoint)).state == "disabled"
    assert len(till.outbox.sent) == 1


async def test_who_says_gone_is_not_called_again(till: Till, receiver: Receiver) -> None:
    restaurant = till.new_id("al-dente")
    endpoint = (await till.endpoint(receiver, restaurant)).about.endpoint_id
    receiver.answer = says(410)
    await till.happen(restaurant, 3)
    await till.send()
    assert len(receiver.requests) == 1
    about = await till.about(endpoint)
    assert (about.state, about.reason) == ("disabled", "gone")
    assert await till.states(endpoint) == [("failed", "endpoint_gone")] * 3


async def test_what_was_missed_is_replayed_by_id_and_by_time(till: Till, receiver: Receiver) -> None:
    restaurant = till.new_id("al-dente")
    endpoint = (await till.endpoint(receiver, restaurant)).about.endpoint_id
    (before,) = await till.happen(restaurant)
    await till.send()
    since = till.clock.advance(60)
    await till.service.change(
        till.context(),
        c.ChangeWebhook(endpoint_id=endpoint, url=receiver.url, types=["order.*"], enabled=False),
    )
    missed = await till.happen(restaurant, 3)
    assert (await till.rows(endpoint))["queue"] == 0
    await till.send()
    assert receiver.ids == [before]
    await till.service.change(
        till.context(),
        c.ChangeWebhook(endpoint_id=endpoint, url=receiver.url, types=["order.*"], enabled=True),
    )
    till.clock.advance(60)
    wanted = c.ReplayDeliveries(endpoint_id=endpoint, since=since.isoformat())
    replayed = await till.service.replay(till.context(), wanted)
    assert (replayed.deliveries, replayed.more) == (3, False)
    await till.send()
    assert receiver.ids == [before, *missed]
    assert (await till.service.replay(till.context(), wanted)).deliveries == 0

    ref = c.DeliveryRef(endpoint_id=endpoint, delivery_id=before)
    assert (await till.service.replay_delivery(till.context(), ref)).state == "waiting"
    await till.send()
    assert receiver.ids == [before, *missed, before]
    again = c.ReplayDeliveries(endpoint_id=endpoint, since=since.isoformat(), delivered=True)
    till.clock.advance(1)
    assert (await till.service.replay(till.context(), again)).deliveries == 3
    await till.send()
    assert receiver.ids == [before, *missed, before, *missed]


async def test_a_ping_shows_whether_anybody_answers(till: Till, receiver: Receiver) -> None:
    created = await till.endpoint(receiver, till.new_id("al-dente"))
    sent = await till.service.ping(till.context(), c.WebhookRef(endpoint_id=created.about.endpoint_id))
    await till.send()
    told = Webhook(created.secret).verify(receiver.requests[0].body, receiver.requests[0].headers)
    assert told["type"] == "webhook.ping"
    ref = c.DeliveryRef(endpoint_id=created.about.endpoint_id, delivery_id=sent.delivery_id)
    assert (await till.service.get_delivery(till.context(), ref)).state == "delivered"


async def test_nobody_is_made_to_ping_without_end(till: Till, receiver: Receiver) -> None:
    ref = c.WebhookRef(endpoint_id=(await till.endpoint(receiver, till.new_id("al-dente"))).about.endpoint_id)
    for _ in range(2):
        for _ in range(5):
            await till.service.ping(till.context(), ref)
        with pytest.raises(Refusal, match="too_many_requests"):
            await till.service.ping(till.context(), ref)
        till.clock.advance(60)
    other = await till.endpoint(receiver, till.new_id("al-dente"))
    await till.service.ping(till.context(), c.WebhookRef(endpoint_id=other.about.endpoint_id))


async def test_of_an_answer_the_first_kilobyte_is_kept(till: Till, receiver: Receiver) -> None:
    restaurant = till.new_id("al-dente")
    endpoint = (await till.endpoint(receiver, restaurant)).about.endpoint_id
    receiver.answer = lambda _: web.Response(body=b"\0\xff" + b"x" * 5_000_000)
    await till.happen(restaurant)
    await till.send()
    (delivery,) = await till.log(endpoint)
    assert delivery.state == "delivered"
    assert len(delivery.attempts[0].answer or "") == 1024


async def test_redirects_are_not_followed(till: Till, receiver: Receiver) -> None:
    restaurant = till.new_id("al-dente")
    endpoint = (await till.endpoint(receiver, restaurant)).about.endpoint_id
    receiver.answer = lambda _: web.Response(status=307, headers={"Location": receiver.url})
    await till.happen(restaurant)
    await till.send()
    assert len(receiver.requests) == 1
    (delivery,) = await till.log(endpoint)
    assert (delivery.state, delivery.attempts[0].status) == ("waiting", 307)


async def test_who_does_not_answer_is_not_waited_for(till: Till, receiver: Receiver) -> None:
    restaurant = till.new_id("al-dente")
    endpoint = (await till.endpoint(receiver, restaurant)).about.endpoint_id
    receiver.answer = silent(asyncio.Event())
    await till.happen(restaurant)
    async with open_outgoing(HERE, timeout_s=0.2) as impatient:
        await till.send(till.sender(impatient))
    (delivery,) = await till.log(endpoint)
    assert (delivery.state, delivery.attempts[0].status) == ("waiting", None)
    assert "no answer" in (delivery.attempts[0].error or "")


async def test_what_is_removed_leaves_nothing(till: Till, receiver: Receiver) -> None:
    restaurant = till.new_id("al-dente")
    endpoint = (await till.endpoint(receiver, restaurant)).about.endpoint_id
    await till.happen(restaurant, 3)
    await till.service.remove(till.context(), c.WebhookRef(endpoint_id=endpoint))
    await till.send()
    assert receiver.requests == []
    assert await till.rows(endpoint) == {"deliveries": 0, "queue": 0, "lanes": 0}
    with pytest.raises(Refusal, match="webhook_not_found"):
        await till.about(endpoint)


async def test_old_deliveries_are_dropped_and_waiting_ones_kept(till: Till, receiver: Receiver) -> None:
    restaurant = till.new_id("al-dente")
    endpoint = (await till.endpoint(receiver, restaurant)).about.endpoint_id
    await till.happen(restaurant)
    await till.send()
    receiver.answer = says(500)
    await till.happen(restaurant)
    await till.deliveries.drop_old(till.clock() + timedelta(days=31), timedelta(days=30))
    assert await till.states(endpoint) == [("waiting", None)]


async def test_an_old_log_makes_no_deliveries(till: Till, receiver: Receiver) -> None:
    restaurant = till.new_id("al-dente")
    endpoint = (await till.endpoint(receiver, restaurant)).about.endpoint_id
    event = till.event(restaurant, till.order(restaurant), 1)
    till.clock.advance(31 * 86400)
    await till.hear(event)
    assert await till.rows(endpoint) == {"deliveries": 0, "queue": 0, "lanes": 0}
