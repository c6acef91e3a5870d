"""What was said in the cases of a customer who has themselves erased, in both dimensions."""

from datetime import datetime

import msgspec
import pytest

from integration.reverse.town import Town
from tiffin.events.event import Event
from tiffin.primitives.clock import to_text
from tiffin.rpc import contracts as c
from tiffin.sharding.order_id import customer_shard
from tiffin.sharding.slots import shard_of

SAID = "I live next to the station, at Via Appia 1"


async def hears_of_cases(town: Town, *cases: c.Case) -> None:
    for case in cases:
        node = town.router.node("customer", customer_shard(int(case.order_id)))
        await town.consumer.handle(await town.case_events(node, case))


async def hears_of_erasure(town: Town, person_id: str, last: bool = False) -> None:
    now: datetime = town.clock()
    told = c.PersonEvent(person_id=person_id, type="customer.erased", version=1, last=last, at=to_text(now))
    data = msgspec.json.encode(told).decode()
    shard = shard_of(person_id)
    event = Event(1, 1, 0, "customer", shard, "person", person_id, 1, told.type, data, now, "r")
    await town.consumer.handle([event])


async def said_in(town: Town, case: c.Case) -> list[tuple[str | None, list[str] | None]]:
    """The words and pictures of a case, the same as its customer and as its restaurant see them."""
    truth = (await town.get(case)).evidence
    page = await town.reverse.list_cases(
        town.as_("restaurant"), c.ListCases(restaurant_id=case.restaurant_id, limit=200)
    )
    (copy,) = (each for each in page.cases if each.id == case.id)
    assert copy.evidence == truth
    return [(each.note, each.pictures) for each in truth or ()]


async def test_what_was_said_in_an_ended_case_goes_at_once_and_in_an_open_one_at_the_last(town: Town) -> None:
    order = await town.order("completed")
    some = c.Money(amount=300, currency=order.total.currency)
    ended = await town.open_case(order, "quality", amount=some, note=SAID, pictures=["https://x/door.jpg"])
    ended = await town.say(ended, "rejected", "restaurant", note="Mr. Verdi of Via Appia never complained")
    waiting = await town.open_case(order, "missing_items", amount=some, note=SAID)
    town.clock.advance(3 * 86_400 + 1)
    waiting = await town.say(waiting, "rejected", "restaurant")
    await town.work()
    assert ((await town.get(ended)).state, (await town.get(waiting)).state) == ("closed", "rejected")
    await hears_of_cases(town, ended, waiting)
    assert (await said_in(town, ended))[0] == (SAID, ["https://x/door.jpg"])

    await hears_of_erasure(town, "somebody-else", last=True)
    assert (await said_in(town, ended))[0] == (SAID, ["https://x/door.jpg"])
    for _ in range(2):
        await hears_of_erasure(town, order.customer_id)
        assert await said_in(town, ended) == [(None, None)] * 2
        assert await said_in(town, waiting) == [(SAID, None)]
    await hears_of_erasure(town, order.customer_id, last=True)
    assert await said_in(town, waiting) == [(None, None)]
    kept = await town.get(ended)
    assert [each.role for each in kept.evidence or ()] == ["customer", "restaurant"]
    assert (kept.outcome.shares, kept.customer_id) == (ended.outcome.shares, order.customer_id)


async def test_more_cases_than_a_page_has_are_all_erased(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tiffin.services.reverse.erasure.PAGE_MAX", 2)
    cases: list[c.Case] = []
    for _ in range(5):  # at one moment of the clock: ids decide
        order = await town.order("awaiting_acceptance")
        cases.append(await town.open_case(order, "cancel", note=SAID))
    await hears_of_cases(town, *cases)
    await hears_of_erasure(town, cases[0].customer_id, last=True)
    for case in cases:
        assert await said_in(town, case) == [(None, None)]
