"""Who sees to which endpoints, and whom restaurants let hear of them."""

from typing import Any

import pytest

from integration.webhooks.receiver import Receiver
from integration.webhooks.till import Till
from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.services.webhooks.store import ENDPOINTS_MAX

URL = "https://till.example.com/hook"


def calls(till: Till, endpoint_id: str, delivery_id: str) -> dict[str, Any]:
    """Every method about one endpoint, with a request."""
    ref = c.WebhookRef(endpoint_id=endpoint_id)
    delivery = c.DeliveryRef(endpoint_id=endpoint_id, delivery_id=delivery_id)
    return {
        "get": ref,
        "change": c.ChangeWebhook(endpoint_id=endpoint_id, url=URL, types=["order.*"], enabled=True),
        "rotate_secret": ref,
        "ping": ref,
        "list_deliveries": c.ListDeliveries(endpoint_id=endpoint_id),
        "get_delivery": delivery,
        "replay_delivery": delivery,
        "replay": c.ReplayDeliveries(endpoint_id=endpoint_id, since="2026-01-01T00:00:00Z"),
        "remove": ref,
    }


async def test_an_endpoint_is_its_restaurants_and_exists_for_nobody_else(
    till: Till, receiver: Receiver
) -> None:
    restaurant, other = till.new_id("mine"), till.new_id("theirs")
    endpoint = (await till.endpoint(receiver, restaurant)).about.endpoint_id
    (delivery,) = await till.happen(restaurant)
    for method, request in calls(till, endpoint, delivery).items():
        for stranger in (till.context("restaurant", other), till.context("customer", restaurant)):
            with pytest.raises(Refusal, match="webhook_not_found"):
                await getattr(till.service, method)(stranger, request)
    for access in (None, "owner", "manager", "system", "staff"):
        context = till.context("restaurant", restaurant, access)
        if access == "staff":
            with pytest.raises(Refusal, match="forbidden"):
                await till.service.get(context, c.WebhookRef(endpoint_id=endpoint))
        else:
            assert (
                await till.service.get(context, c.WebhookRef(endpoint_id=endpoint))
            ).restaurant_id == restaurant
    mine = till.context("restaurant", restaurant, "manager")
    for method, request in calls(till, endpoint, delivery).items():
        await getattr(till.service, method)(mine, request)


async def test_a_restaurant_registers_for_itself_only(till: Till) -> None:
    restaurant = till.new_id("mine")
    mine = till.context("restaurant", restaurant, "owner")
    request = c.CreateWebhook(restaurant_id=restaurant, url=URL, types=["order.placed"])
    created = await till.service.create(mine, request)
    listed = await till.service.list_endpoints(mine, c.WebhooksOf(restaurant_id=restaurant))
    assert [each.endpoint_id for each in listed.endpoints] == [created.about.endpoint_id]
    assert created.secret not in str(listed)
    for whose in ({"restaurant_id": till.new_id("theirs")}, {"partner_id": restaurant}):
        with pytest.raises(Refusal, match="restaurant_not_found"):
            await till.service.create(mine, c.CreateWebhook(url=URL, types=["order.placed"], **whose))
        with pytest.raises(Refusal, match="restaurant_not_found"):
            await till.service.list_endpoints(mine, c.WebhooksOf(**whose))
    for whose in ({}, {"restaurant_id": restaurant, "partner_id": "p"}):
        with pytest.raises(Refusal, match="invalid_request"):
            await till.service.create(mine, c.CreateWebhook(url=URL, types=["order.placed"], **whose))


async def test_there_is_an_end_to_how_many(till: Till) -> None:
    restaurant = till.new_id("mine")
    request = c.CreateWebhook(restaurant_id=restaurant, url=URL, types=["order.placed"])
    for _ in range(ENDPOINTS_MAX):
        await till.service.create(till.context(), request)
    with pytest.raises(Refusal, match="too_many_webhooks"):
        await till.service.create(till.context(), request)


async def test_a_partner_hears_of_the_restaurants_that_let_it_and_of_no_others(
    wide_till: Till, receiver: Receiver
) -> None:
    till = wide_till
    partner, lets, lets_not = (f"partner-{till.new_id('p')}", *(till.new_id("r") for _ in range(2)))
    await till.endpoint(receiver, partner, partner=True)
    owner = till.context("restaurant", lets, "owner")
    ref = c.PartnerRef(restaurant_id=lets, partner_id=partner)
    told = await till.service.let_partner(owner, ref)
    assert told.partners == [partner]

    (heard,) = await till.happen(lets)
    await till.happen(lets_not)
    await till.send()
    assert receiver.ids == [heard]

    await till.happen(lets)
    assert (await till.service.stop_partner(owner, ref)).partners == []
    await till.send()
    await till.happen(lets)
    await till.send()
    assert receiver.ids == [heard], "what waited is not sent either"
    endpoints = await till.service.list_endpoints(till.context(), c.WebhooksOf(partner_id=partner))
    states = await till.states(endpoints.endpoints[0].endpoint_id)
    assert sorted(states) == [("delivered", None), ("failed", "not_let")]


async def test_only_owners_and_managers_let_partners_in(till: Till, receiver: Receiver) -> None:
    partner, restaurant = f"partner-{till.new_id('p')}", till.new_id("r")
    await till.endpoint(receiver, partner, partner=True)
    ref = c.PartnerRef(restaurant_id=restaurant, partner_id=partner)
    for access in ("staff", "system"):
        with pytest.raises(Refusal, match="forbidden"):
            await till.service.let_partner(till.context("restaurant", restaurant, access), ref)
    with pytest.raises(Refusal, match="restaurant_not_found"):
        await till.service.let_partner(till.context("restaurant", till.new_id("theirs")), ref)
    unknown = c.PartnerRef(restaurant_id=restaurant, partner_id="nobody")
    with pytest.raises(Refusal, match="partner_not_found"):
        await till.service.let_partner(till.context("restaurant", restaurant, "owner"), unknown)


async def test_a_new_endpoint_hears_at_once_in_every_process(wide_till: Till, receiver: Receiver) -> None:
    """The consumer of another process has read all endpoints before."""
    till = wide_till
    restaurant = till.new_id("r")
    await till.happen(restaurant)
    await till.endpoint(receiver, restaurant)
    (heard,) = await till.happen(restaurant)
    await till.send()
    assert receiver.ids == [heard]


async def test_the_log_is_read_page_by_page(till: Till, receiver: Receiver) -> None:
    restaurant = till.new_id("r")
    endpoint = (await till.endpoint(receiver, restaurant)).about.endpoint_id
    wanted: list[str] = []
    for _ in range(7):
        wanted += await till.happen(restaurant)
        till.clock.advance(1)
    await till.send()
    found: list[str] = []
    cursor = None
    while True:
        request = c.ListDeliveries(endpoint_id=endpoint, limit=3, cursor=cursor)
        page = await till.service.list_deliveries(till.context(), request)
        found += [each.delivery_id for each in page.deliveries]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert found == wanted[::-1]
    for wrong in ("nonsense", "YWJj", "MjAyNi0wMS0wMVQwMDowMDowMCBh"):
        with pytest.raises(Refusal, match="invalid_cursor"):
            await till.service.list_deliveries(
                till.context(), c.ListDeliveries(endpoint_id=endpoint, cursor=wrong)
            )


async def test_a_delivery_of_another_endpoint_is_not_found(till: Till, receiver: Receiver) -> None:
    mine, theirs = till.new_id("mine"), till.new_id("theirs")
    endpoint = (await till.endpoint(receiver, mine)).about.endpoint_id
    await till.endpoint(receiver, theirs)
    (delivery,) = await till.happen(theirs)
    ref = c.DeliveryRef(endpoint_id=endpoint, delivery_id=delivery)
    for method in (till.service.get_delivery, till.service.replay_delivery):
        with pytest.raises(Refusal, match="webhook_delivery_not_found"):
            await method(till.context("restaurant", mine), ref)
