"""From a message to somebody's phone, or to the reason why not."""

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest
from prometheus_client import REGISTRY

from integration.notifications.desk import Desk, run_together
from tiffin.primitives.errors import Refusal, Unavailable
from tiffin.rpc import contracts as c
from tiffin.services.notifications.decision import ATTEMPTS_MAX
from tiffin.services.notifications.message import MessageKey
from tiffin.services.notifications.providers import LocalOutbox, NotTaken, Parcel, Taken
from tiffin.services.notifications.sender import AT_ONCE, LEASE
from tiffin.sharding.slots import shard_of

CODE = "123456"


async def test_a_code_reaches_its_phone_and_is_then_known_to_nobody(desk: Desk) -> None:
    ana = desk.customer()
    sent = await desk.send(ana)
    assert (sent.state, sent.text) == ("waiting", None)

    await desk.run()

    assert [(parcel.phone, CODE in parcel.text) for parcel in desk.provider.parcels] == [
        ("+49 151 1234567", True)
    ]
    row = await desk.message(ana)
    assert (row.state, row.language, row.attempts, row.done_at) == ("sent", "en", 1, desk.clock())
    assert CODE not in str(row)
    assert row.text == "•••• is your sign-in code. It is good for 10 min. Never give it to anybody."


async def test_a_code_goes_to_a_phone_nobody_is_known_by(desk: Desk) -> None:
    key = desk.new_id("sign-in")
    await desk.send(None, key, phone="+573001112233")
    await desk.run()
    assert [parcel.phone for parcel in desk.provider.parcels] == ["+573001112233"]
    row = await desk.store.find(MessageKey(shard_of(key), "customer", "", key))
    assert row is not None
    assert row.state == "sent"
    assert "57300" not in str(row)
    assert CODE not in str(row)


async def test_the_local_outbox_shows_a_code_until_it_expires(desk: Desk) -> None:
    ana = desk.customer()
    await desk.send(ana)
    await desk.run(desk.sender(LocalOutbox()))

    row = await desk.message(ana)
    assert row.readable is not None
    assert CODE in row.readable
    assert CODE not in (row.text or "") + row.variables + str(row.secrets)

    desk.clock.advance(600)
    await desk.run(desk.sender(LocalOutbox()))
    assert CODE not in str(await desk.message(ana))
    assert (await desk.message(ana)).state == "sent"


async def test_the_same_key_makes_one_message_however_often_and_whenever(desk: Desk) -> None:
    ana = desk.customer()
    await asyncio.gather(*(desk.send(ana) for _ in range(5)))
    await desk.run()
    again = await desk.send(ana)
    await desk.run()
    assert again.state == "sent"
    assert len(desk.provider.parcels) == 1


async def test_one_key_is_each_persons_own(desk: Desk) -> None:
    people = [desk.customer() for _ in range(3)]
    for person in people:
        await desk.send(person)
    await desk.run()
    assert [len(await desk.messages(person)) for person in people] == [1, 1, 1]


@pytest.mark.parametrize("failures", range(ATTEMPTS_MAX))
async def test_a_provider_that_fails_is_asked_again_until_it_takes_the_message(
    desk: Desk, failures: int
) -> None:
    ana = desk.customer()
    await desk.send_order_message(ana)
    desk.provider.answer = lambda parcel: (
        NotTaken("error=503", again=True) if len(desk.provider.parcels) <= failures else Taken()
    )
    await desk.run()
    for asked in range(1, failures + 1):
        waiting = await desk.message(ana)
        assert (waiting.state, waiting.reason, waiting.attempts) == ("waiting", "error=503", asked)
        pause_s = min(5 * 2 ** (asked - 1), 600)
        desk.clock.advance(pause_s - 1)
        await desk.run()
        assert len(desk.provider.parcels) == asked
        desk.clock.advance(1)
        await desk.run()

    row = await desk.message(ana)
    assert (row.state, row.attempts, row.reason) == ("sent", failures + 1, None)
    assert len({parcel.key for parcel in desk.provider.parcels}) == 1


async def test_attempts_end_and_the_reason_stays(desk: Desk) -> None:
    ana = desk.customer()
    await desk.send_order_message(ana)
    desk.provider.answer = lambda parcel: NotTaken("error=503", again=True)
    for _ in range(ATTEMPTS_MAX + 2):
        await desk.run()
        desk.clock.advance(600)
    row = await desk.message(ana)
    assert (row.state, row.reason, row.attempts) == ("failed", "error=503", ATTEMPTS_MAX)
    assert len(desk.provider.parcels) == ATTEMPTS_MAX


async def test_what_will_never_be_taken_is_not_tried_again(desk: Desk) -> None:
    ana = desk.customer(phone=None)
    await desk.send(ana)
    desk.provider.answer = lambda parcel: NotTaken("no_phone_number", again=False)
    await desk.run()
    row = await desk.message(ana)
    assert (row.state, row.reason, row.attempts, row.secrets) == ("failed", "no_phone_number", 1, None)


async def test_a_message_that_expires_while_it_is_retried_is_not_sent_and_forgets_its_secret(
    desk: Desk,
) -> None:
    ana = desk.customer()
    await desk.send(ana, expires_in_s=7)
    desk.provider.answer = lambda parcel: NotTaken("error=503", again=True)
    await desk.run()
    desk.clock.advance(5)
    await desk.run()
    desk.clock.advance(2)
    await desk.run()
    row = await desk.message(ana)
    assert (row.state, row.reason, row.secrets) == ("expired", "error=503", None)
    assert len(desk.provider.parcels) == 2


async def test_a_process_that_dies_between_claim_and_record_leaves_the_message_to_others(desk: Desk) -> None:
    ana = desk.customer()
    await desk.send(ana)
    desk.provider.answer = lambda parcel: asyncio.get_running_loop().create_future()
    dying = asyncio.create_task(desk.run())
    while not desk.provider.parcels:
        await asyncio.sleep(0)
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)

    desk.provider.answer = lambda parcel: Taken()
    await desk.run()
    assert len(desk.provider.parcels) == 1  # the dead one's lease still holds
    desk.clock.advance(LEASE.total_seconds())
    await desk.run()

    row = await desk.message(ana)
    assert (row.state, row.attempts) == ("sent", 2)
    first, second = desk.provider.parcels
    assert first == second  # at least once with the provider, under one key


async def test_processes_that_send_at_once_hand_each_message_over_once(desk: Desk) -> None:
    people = [desk.customer() for _ in range(40)]
    for person in people:
        await desk.send_order_message(person)
    await run_together([desk.sender() for _ in range(4)], desk.router.nodes)
    assert len(desk.provider.parcels) == len(people)
    assert {(await desk.message(person)).state for person in people} == {"sent"}


@pytest.mark.parametrize("late", [Taken(), NotTaken("late", again=False), NotTaken("late", again=True)])
async def test_whoever_comes_back_after_its_lease_changes_nothing(desk: Desk, late: Taken | NotTaken) -> None:
    ana = desk.customer()
    await desk.send_order_message(ana)
    answer = asyncio.get_running_loop().create_future()
    desk.provider.answer = lambda parcel: answer
    slow = asyncio.create_task(desk.run())
    while not desk.provider.parcels:
        await asyncio.sleep(0)
    desk.clock.advance(LEASE.total_seconds())
    desk.provider.answer = lambda parcel: Taken()
    await desk.run()
    sent = await desk.message(ana)

    desk.clock.advance(1)
    answer.set_result(late)
    await slow
    await desk.run()
    assert await desk.message(ana) == sent
    assert sent.state == "sent"
    assert len(desk.provider.parcels) == 2


async def test_what_another_process_is_claiming_holds_nobody_up(desk: Desk) -> None:
    people = [desk.customer() for _ in range(8)]
    for person in people:
        await desk.send_order_message(person)
    claimed = people[0]
    query = "SELECT 1 FROM notifications.due WHERE person_id = $1 FOR UPDATE"
    async with AsyncExitStack() as stack:
        for node in desk.router.nodes:
            connection = await stack.enter_async_context(node.transaction())
            await connection.fetch(query, claimed)
        async with asyncio.timeout(5):
            await desk.run()
        states = [(await desk.message(person)).state for person in people]
        assert states == ["waiting"] + ["sent"] * 7


async def test_a_message_that_waited_for_its_turn_beyond_its_lease_is_left_to_the_next_claim(
    desk: Desk,
) -> None:
    people = [desk.customer() for _ in range(4 * AT_ONCE)]
    for person in people:
        await desk.send_order_message(person)
    slow = asyncio.get_running_loop().create_future()
    desk.provider.answer = lambda parcel: slow
    sending = asyncio.create_task(desk.run())
    while len(desk.provider.parcels) < AT_ONCE:
        await asyncio.sleep(0)
    desk.clock.advance(LEASE.total_seconds() - 1)
    slow.set_result(Taken())
    await sending
    assert len(desk.provider.parcels) < len(people)
    await desk.run()
    assert sorted(parcel.key for parcel in desk.provider.parcels) == sorted(
        {parcel.key for parcel in desk.provider.parcels}
    )
    assert {(await desk.message(person)).state for person in people} == {"sent"}


async def test_codes_do_not_queue_behind_orders(desk: Desk) -> None:
    for _ in range(70):
        await desk.send_order_message(desk.customer())
    ana = desk.customer()
    await desk.send(ana)
    for node in desk.router.nodes:
        await desk.sender().send_due(node, security=True)
    assert [CODE in parcel.text for parcel in desk.provider.parcels] == [True]


async def test_a_peer_that_is_away_is_asked_again(desk: Desk) -> None:
    ana = desk.customer()
    await desk.send_order_message(ana)
    desk.known.error = Unavailable("users_away", "nobody answers")
    await desk.run()
    assert (await desk.message(ana)).reason == "users_away"
    desk.known.error = None
    desk.clock.advance(5)
    await desk.run()
    assert (await desk.message(ana)).state == "sent"


async def test_what_a_provider_breaks_on_is_a_failure_like_another(desk: Desk) -> None:
    ana, bob = desk.customer(), desk.customer()
    await desk.send(ana)
    await desk.send(bob)

    def answer(parcel: Parcel) -> Taken:
        if parcel.phone == "broken":
            raise RuntimeError("plugin")
        return Taken()

    desk.known.phones[ana] = "broken"
    desk.provider.answer = answer
    await desk.run()
    assert ((await desk.message(ana)).state, (await desk.message(bob)).state) == ("waiting", "sent")


async def test_a_restaurant_is_reached_by_the_manager_who_has_been_there_longest(desk: Desk) -> None:
    kitchen = desk.new_id("al-dente")
    phones = {"owner": "+1", "new": "+2", "old": "+3", "oldest": None, "helper": "+5"}
    people = {name: desk.customer(phone) for name, phone in phones.items()}
    access = {"owner": "owner", "new": "manager", "old": "manager", "oldest": "manager", "helper": "staff"}
    since = {"owner": "2020", "new": "2025", "old": "2022", "oldest": "2021", "helper": "2019"}
    desk.known.staff[kitchen] = [
        c.StaffMember(person_id=people[name], access=access[name], since=since[name], member_id=f"m-{name}")
        for name in phones
    ]
    gone = c.StaffMember(person_id="gone", access="manager", since="2001", member_id="m-gone")
    desk.known.staff[kitchen].append(gone)
    await desk.send_order_message(kitchen, role="restaurant")
    await desk.run()
    assert [parcel.phone for parcel in desk.provider.parcels] == ["+3"]


@pytest.mark.parametrize("role", ["courier", "operator", "restaurant"])
async def test_who_is_not_known_as_a_person_is_written_to_without_a_number(desk: Desk, role: str) -> None:
    kim = desk.new_id("kim")
    await desk.send_order_message(kim, role=role)
    await desk.run()
    assert [parcel.phone for parcel in desk.provider.parcels] == [None]
    assert (await desk.message(kim, role)).state == "sent"


# limits, opt-outs, quiet hours


async def test_more_than_the_limit_is_suppressed_and_says_so(desk: Desk) -> None:
    ana = desk.customer()
    for number in range(14):
        await desk.send(ana, f"k{number:02}")
    await asyncio.gather(desk.run(), desk.run())
    states = [(row.state, row.reason) for row in await desk.messages(ana)]
    assert states.count(("sent", None)) == 12
    assert states.count(("suppressed", "limit_security_hour")) == 2

    desk.clock.advance(3600)
    await desk.send(ana, "later")
    await desk.run()
    assert len(desk.provider.parcels) == 13


async def test_a_limit_of_the_day_holds_over_hours(desk: Desk) -> None:
    ana = desk.customer()
    for hour in range(4):
        for number in range(10):
            await desk.send(ana, f"k{hour}-{number}")
        await desk.run()
        desk.clock.advance(3600)
    assert len(desk.provider.parcels) == 30
    reasons = [row.reason for row in await desk.messages(ana) if row.state == "suppressed"]
    assert reasons == ["limit_security_day"] * 10


async def test_limits_are_each_persons_and_each_kinds_own(desk: Desk) -> None:
    ana, bob = desk.customer(), desk.customer()
    for number in range(13):
        await desk.send(ana, f"k{number}")
    await desk.send(bob)
    await desk.send_order_message(ana, "late")
    await desk.run()
    assert (await desk.message(bob)).state == "sent"
    assert {row.state for row in await desk.messages(ana) if row.kind == "order"} == {"sent"}


async def test_retries_do_not_count_against_the_limit(desk: Desk) -> None:
    ana = desk.customer()
    for number in range(12):
        await desk.send(ana, f"k{number}")
    desk.provider.answer = lambda parcel: NotTaken("error=503", again=True)
    await desk.run()
    desk.provider.answer = lambda parcel: Taken()
    desk.clock.advance(5)
    await desk.run()
    assert {row.state for row in await desk.messages(ana)} == {"sent"}


async def prefer(desk: Desk, person_id: str, **values: object) -> None:
    context = desk.context("customer", person_id)
    await desk.service.set_preferences(context, c.SetPreferences(person_id=person_id, **values))


NIGHT = {"quiet_from": "22:00", "quiet_until": "07:00", "time_zone": "Asia/Shanghai"}


async def test_quiet_hours_hold_a_message_back_until_they_end(desk: Desk) -> None:
    ana = desk.customer()
    await prefer(desk, ana, **NIGHT)
    desk.clock.advance(3 * 3600)  # eleven at night in Shanghai
    await desk.send_order_message(ana)
    await desk.run()
    desk.clock.advance(8 * 3600 - 1)
    await desk.run()
    assert desk.provider.parcels == []
    desk.clock.advance(1)
    await desk.run()
    row = await desk.message(ana)
    assert (row.state, row.attempts) == ("sent", 1)


async def test_urgent_messages_and_codes_go_out_in_quiet_hours(desk: Desk) -> None:
    ana = desk.customer()
    await prefer(desk, ana, **NIGHT)
    desk.clock.advance(3 * 3600)
    await desk.send_order_message(ana, "late", urgent=True)
    await desk.send(ana, "code")
    await desk.run()
    assert len(desk.provider.parcels) == 2


async def test_quiet_hours_set_while_a_message_waits_hold_for_it(desk: Desk) -> None:
    ana = desk.customer()
    await desk.send_order_message(ana)
    await prefer(desk, ana, quiet_from="11:00", quiet_until="13:00", time_zone="UTC")
    await desk.run()
    assert (await desk.message(ana)).state == "waiting"


async def test_who_opts_out_is_not_written_to(desk: Desk) -> None:
    ana = desk.customer()
    await prefer(desk, ana, opt_outs=["order"])
    await desk.send_order_message(ana, "late")
    await desk.send(ana, "code")
    await desk.run()
    states = {row.key: (row.state, row.reason) for row in await desk.messages(ana)}
    assert states == {"late": ("suppressed", "opted_out"), "code": ("sent", None)}


async def test_people_are_written_to_in_their_language_and_a_message_may_name_another(desk: Desk) -> None:
    ana = desk.customer()
    await prefer(desk, ana, language="es-CO")
    await desk.send(ana, "spanish")
    await desk.send(ana, "chinese", language="zh-Hans-CN")
    await desk.send(ana, "unknown", language="tlh")
    await desk.run()
    said = {row.key: (row.language, row.text) for row in await desk.messages(ana)}
    assert said["spanish"] == ("es", "•••• es tu código de acceso. Vale 10 min. No se lo des a nadie.")
    assert said["chinese"][0] == "zh"
    assert said["unknown"][0] == "en"


# forgetting


async def test_nothing_stays_of_an_erased_person_even_if_they_are_being_written_to(desk: Desk) -> None:
    ana = desk.customer()
    await prefer(desk, ana, **NIGHT)
    await desk.send(ana, "sent")
    await desk.run()
    await desk.send(ana, "waiting")
    await desk.send(ana, "flying")
    taken = asyncio.get_running_loop().create_future()
    desk.provider.answer = lambda parcel: taken
    sending = asyncio.create_task(desk.run())
    while len(desk.provider.parcels) < 3:
        await asyncio.sleep(0)

    erased = c.PersonEvent(
        person_id=ana, type="customer.erased", version=1, last=False, at="2026-06-01T12:00:00Z"
    )
    event = desk.event("person", ana, 1, "customer.erased", erased)
    await desk.consumer.handle([event])
    taken.set_result(Taken())
    await sending

    assert await desk.rows_about(ana) == 0
    await desk.consumer.handle([event, event])
    assert await desk.rows_about(ana) == 0


async def test_a_message_to_somebody_who_is_gone_is_not_kept(desk: Desk) -> None:
    ana = desk.customer()
    await desk.send_order_message(ana)
    del desk.known.phones[ana]
    await desk.run()
    assert desk.provider.parcels == []
    assert await desk.rows_about(ana) == 0


async def test_old_messages_go_and_those_that_wait_stay(desk: Desk) -> None:
    ana = desk.customer()
    await desk.send(ana, "old")
    await desk.send_order_message(ana, "sent-for-long", urgent=True, expires_in_s=86400 * 8)
    await desk.run()
    await prefer(desk, ana, quiet_from="12:00", quiet_until="11:59", time_zone="UTC")
    await desk.send_order_message(ana, "waiting", expires_in_s=86400 * 30)
    await desk.run()
    now = desk.clock.advance(86400 * 8)
    await desk.send(ana, "new")
    await desk.run()
    await desk.store.drop_old(now, timedelta(days=7))
    assert [row.key for row in await desk.messages(ana)] == ["sent-for-long", "waiting", "new"]


# who may, and bad input


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"template": "nonsense"}, "unknown_template"),
        ({"variables": []}, "invalid_variables"),
        ({"order_id": "9999999999999999999"}, "invalid_request"),
        ({"order_id": "1"}, "invalid_request"),
        ({"person_id": None}, "invalid_request"),
    ],
)
async def test_what_cannot_be_sent_is_refused_and_leaves_nothing(
    desk: Desk, more: dict[str, object], code: str
) -> None:
    ana = desk.customer()
    with pytest.raises(Refusal) as refused:
        await desk.send(ana, **more) if "person_id" not in more else await desk.send(None)
    assert refused.value.code == code
    assert await desk.rows_about(ana) == 0


@pytest.mark.parametrize("role", ["customer", "restaurant", "courier", "operator"])
async def test_only_the_platform_itself_sends(desk: Desk, role: str) -> None:
    ana = desk.customer()
    request = c.SendMessage(key="k", template="order_late", role="customer", person_id=ana, variables=[])
    with pytest.raises(Refusal, match="forbidden"):
        await desk.service.send(desk.context(role, ana), request)  # type: ignore[arg-type]


async def test_metrics_tell_what_is_late(desk: Desk) -> None:
    await desk.send(desk.customer())
    (node,) = [node for node in desk.router.nodes if await node.fetch("SELECT 1 FROM notifications.due")]
    desk.clock.advance(7)
    await desk.sender().measure(node)
    late = {name: REGISTRY.get_sample_value(name, {"node": node.name}) for name in LATE}
    assert late == dict(zip(LATE, (1, 7), strict=True))
    await desk.run()
    await desk.sender().measure(node)
    assert REGISTRY.get_sample_value(LATE[0], {"node": node.name}) == 0


LATE = ("tiffin_notifications_late", "tiffin_notifications_late_seconds")
