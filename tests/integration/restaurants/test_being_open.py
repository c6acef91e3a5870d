"""From a draft to a live restaurant, its switches and terms, as customers and others see them."""

from datetime import timedelta

import pytest

from integration.restaurants.kitchen import Kitchen, said
from tiffin.primitives.clock import to_text
from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from unit.restaurants.samples import item, line, place

CONTACT = {"street": "Calle 1", "phone": "+57 601 555 0100", "area": c.DeliveryArea(radius_m=3000)}
BOW_TIE = [place(0, 0), place(1, 1), place(0, 1), place(1, 0)]
NEAR = c.DeliveryArea(polygon=[place(4.5, -74.2), place(4.5, -74.0), place(4.7, -74.1)])


def ref(restaurant_id: str) -> c.RestaurantRef:
    return c.RestaurantRef(restaurant_id=restaurant_id)


async def change_status(kitchen: Kitchen, restaurant_id: str, event: str) -> str:
    request = c.ChangeStatus(restaurant_id=restaurant_id, event=event, reason="rats")  # pyright: ignore
    return await said(kitchen.service.change_status(kitchen.context(), request))


async def test_a_draft_is_nobody_elses_until_nothing_is_missing_and_it_goes_live(kitchen: Kitchen):
    draft = await kitchen.open(draft=True)
    service, own = kitchen.service, kitchen.context("restaurant", draft)
    customer = kitchen.context("customer", "ana")
    hidden = [
        service.get(customer, ref(draft)),
        service.get_menu(customer, ref(draft)),
        service.readiness(customer, ref(draft)),
        kitchen.price(draft, line("soup")),
        service.get(kitchen.context("restaurant", "another"), ref(draft)),
    ]
    assert [await said(call) for call in hidden] == ["restaurant_not_found"] * len(hidden)
    with pytest.raises(Refusal) as refused:
        await service.change_status(kitchen.context(), c.ChangeStatus(restaurant_id=draft, event="go_live"))
    assert refused.value.code == "not_ready"
    missing = (await service.readiness(own, ref(draft))).missing
    assert [each["field"] for each in refused.value.details["missing"]] == [each.field for each in missing]  # pyright: ignore
    assert [each.field for each in missing] == ["menu", "street", "phone", "area"]
    await service.set_menu(own, c.SetMenu(restaurant_id=draft, items=[item("soup")]))
    await service.set_profile(
        own,
        c.SetProfile(
            restaurant_id=draft, name="La Olla", place=place(4.6, -74.1), preparation_minutes=15,
            street="Calle 1", phone="601 555 0100",
        ),
    )  # fmt: skip
    terms = c.SetDelivery(restaurant_id=draft, delivery_fee=1, minimum_subtotal=0, area=NEAR)
    await service.set_delivery(own, terms)
    assert (await service.readiness(own, ref(draft))).missing == []
    assert await said(service.change_status(own, c.ChangeStatus(restaurant_id=draft, event="go_live"))) == (
        "forbidden"
    )
    assert await change_status(kitchen, draft, "go_live") == "ok"
    assert await change_status(kitchen, draft, "go_live") == "ok"
    assert (await service.get(customer, ref(draft))).status == "live"
    assert (await kitchen.price(draft, line("soup"))).total == 1001


async def test_a_suspended_restaurant_takes_no_orders_until_it_is_reinstated(kitchen: Kitchen):
    restaurant = await kitchen.open([item("soup")], **CONTACT)
    assert await change_status(kitchen, restaurant, "suspend") == "ok"
    assert await said(kitchen.price(restaurant, line("soup"))) == "restaurant_closed"
    told = await kitchen.service.get(kitchen.context("restaurant", restaurant), ref(restaurant))
    assert (told.status, told.suspended_because) == ("suspended", "rats")
    assert await change_status(kitchen, restaurant, "go_live") == "wrong_state"
    assert await change_status(kitchen, restaurant, "reinstate") == "ok"
    assert await said(kitchen.price(restaurant, line("soup"))) == "ok"


async def test_only_operators_list_what_is_not_live(kitchen: Kitchen):
    prefix = kitchen.new_id("list")
    for name in ("a", "b", "c"):
        await kitchen.open(id=f"{prefix}-{name}", draft=name == "b")

    async def listed(context: c.CallContext) -> list[str]:
        page = await kitchen.service.list_all(context, c.ListRestaurants(cursor=prefix, limit=3))
        return [each.id[-1] for each in page.restaurants if each.id.startswith(prefix)]

    assert await listed(kitchen.context()) == ["a", "b", "c"]
    assert await listed(kitchen.context("customer", "ana")) == ["a", "c"]
    assert await listed(kitchen.context("restaurant", f"{prefix}-b")) == ["a", "c"]


async def test_busy_and_paused_end_by_themselves(kitchen: Kitchen):
    restaurant = await kitchen.open([item("soup")])
    service, own = kitchen.service, kitchen.context("restaurant", restaurant)
    await service.set_busy(own, c.SetBusy(restaurant_id=restaurant, added_minutes=25, for_minutes=10))
    assert (await kitchen.price(restaurant, line("soup"))).preparation_minutes == 45
    kitchen.clock.advance(600)
    assert (await kitchen.price(restaurant, line("soup"))).preparation_minutes == 20
    await service.set_busy(own, c.SetBusy(restaurant_id=restaurant, added_minutes=25))
    cleared = await service.set_busy(own, c.SetBusy(restaurant_id=restaurant, added_minutes=0))
    assert cleared.busy is None
    await service.pause(own, c.PauseOrders(restaurant_id=restaurant, for_minutes=10))
    assert await said(kitchen.price(restaurant, line("soup"))) == "restaurant_closed"
    kitchen.clock.advance(599)
    assert await said(kitchen.price(restaurant, line("soup"))) == "restaurant_closed"
    kitchen.clock.advance(1)
    assert await said(kitchen.price(restaurant, line("soup"))) == "ok"
    await service.pause(own, c.PauseOrders(restaurant_id=restaurant, for_minutes=10))
    await service.pause(own, c.PauseOrders(restaurant_id=restaurant, for_minutes=0))
    assert await said(kitchen.price(restaurant, line("soup"))) == "ok"


async def test_special_days_are_kept_in_order_and_counted(kitchen: Kitchen):
    restaurant = await kitchen.open([item("soup")])
    today = str((kitchen.clock() - timedelta(hours=5)).date())
    days = [c.SpecialDay(date="2026-12-25", hours=[], reason="Christmas"), c.SpecialDay(date=today, hours=[])]
    request = c.SetSpecialDays(restaurant_id=restaurant, special_days=days)
    changed = await kitchen.service.set_special_days(kitchen.context("restaurant", restaurant), request)
    assert changed.special_days == [days[1], days[0]]
    with pytest.raises(Refusal) as refused:
        await kitchen.price(restaurant, line("soup"))
    assert refused.value.details["opens_at"] == to_text(kitchen.clock().replace(hour=5) + timedelta(days=1))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"area": c.DeliveryArea()}, "invalid_area"),
        ({"area": c.DeliveryArea(polygon=BOW_TIE)}, "invalid_area"),
        ({"area": c.DeliveryArea(polygon=[place(float("nan"), 0), *BOW_TIE[:2]])}, "invalid_request"),
        ({"fee_bands": [c.FeeBand(up_to_m=2000, fee=1), c.FeeBand(up_to_m=1000, fee=2)]}, "invalid_request"),
        ({"fee_bands": [c.FeeBand(up_to_m=2000, fee=1), c.FeeBand(up_to_m=2000, fee=2)]}, "invalid_request"),
    ],
)  # fmt: skip
async def test_terms_that_make_no_sense_change_nothing(
    kitchen: Kitchen, changes: dict[str, object], code: str
):
    restaurant = await kitchen.open(**CONTACT)
    terms = {"restaurant_id": restaurant, "delivery_fee": 1, "minimum_subtotal": 0, **changes}
    own = kitchen.context("restaurant", restaurant)
    before = await kitchen.service.get(own, ref(restaurant))
    assert await said(kitchen.service.set_delivery(own, c.SetDelivery(**terms))) == code  # pyright: ignore
    assert await said(kitchen.service.create(kitchen.context(), kitchen.registration(**changes))) == code
    assert await kitchen.service.get(own, ref(restaurant)) == before


async def test_anothers_restaurant_cannot_be_switched_described_or_copied(kitchen: Kitchen):
    mine = await kitchen.open([item("soup")])
    theirs, service = kitchen.context("restaurant", kitchen.new_id("restaurant")), kitchen.service
    before = await service.get(kitchen.context(), ref(mine))
    profile = c.SetProfile(restaurant_id=mine, name="x", place=place(0, 0), preparation_minutes=0)
    calls = [
        service.set_profile(theirs, profile),
        service.set_delivery(theirs, c.SetDelivery(restaurant_id=mine, delivery_fee=0, minimum_subtotal=0)),
        service.set_special_days(theirs, c.SetSpecialDays(restaurant_id=mine, special_days=[])),
        service.set_busy(theirs, c.SetBusy(restaurant_id=mine, added_minutes=10)),
        service.pause(theirs, c.PauseOrders(restaurant_id=mine, for_minutes=10)),
        service.readiness(theirs, ref(mine)),
        service.export_menu(theirs, c.ExportMenu(restaurant_id=mine)),
        service.import_menu(
            theirs, c.ImportMenu(restaurant_id=mine, format="csv", mode="all", text="kind\n")
        ),
    ]
    assert [await said(call) for call in calls] == ["restaurant_not_found"] * len(calls)
    assert await service.get(kitchen.context(), ref(mine)) == before


async def test_a_menu_goes_out_and_comes_in_whole_or_not_at_all(kitchen: Kitchen, other_kitchen: Kitchen):
    here = await kitchen.open([item("soup", 800), item("stew", 900)])
    there = await kitchen.open()
    service, operator = kitchen.service, kitchen.context()

    async def take_in(text: str, mode: str, file_format: str = "csv") -> tuple[bool, int, int, int]:
        report = await service.import_menu(
            operator,
            c.ImportMenu(restaurant_id=there, format=file_format, mode=mode, text=text),  # pyright: ignore
        )
        return report.applied, report.version, report.taken, report.refused_total

    text = (await service.export_menu(operator, c.ExportMenu(restaurant_id=here))).text
    assert await take_in(text, "all") == (True, 1, 2, 0)
    menu = await service.get_menu(operator, ref(there))
    assert menu.items == (await service.get_menu(operator, ref(here))).items
    assert await take_in(text, "all") == (True, 1, 2, 0)
    broken = text + "item,,cake,Cake,sweet,,,,,,,,,,,\r\nitem,,pie,Pie,5,,,,,,,,,,,\r\n"
    assert await take_in(broken, "all") == (False, 1, 3, 1)
    assert (await service.get_menu(operator, ref(there))) == menu
    assert await take_in(broken, "valid") == (True, 2, 3, 1)
    assert [each.id for each in (await service.get_menu(operator, ref(there))).items] == [
        "soup",
        "stew",
        "pie",
    ]
    document = (await service.export_menu(operator, c.ExportMenu(restaurant_id=here, format="json"))).text
    assert await take_in(document, "all", "json") == (True, 3, 2, 0)
    assert await take_in("kind\n" + text, "valid") == (False, 3, 0, 1)
    big = ("x" * 900 for _ in range(1200))
    rows = "".join(f"item,,d{n},D,1,,,{words},,,,,,,,\n" for n, words in enumerate(big))
    with pytest.raises(Refusal) as refused:
        await take_in(text.splitlines()[0] + "\n" + rows, "valid")
    assert refused.value.code == "request_too_large"
    assert len((await other_kitchen.service.get_menu(operator, ref(there))).items) == 2
