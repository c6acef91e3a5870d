"""What people say about being written to, and what operators read."""

import asyncio
from typing import Any

import pytest

from integration.notifications.desk import Desk
from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c

NIGHT = {"quiet_from": "22:00", "quiet_until": "07:00"}
CURSORS = (
    "nonsense",
    "AAAA",
    "MjAyNi0wMS0wMSBr",  # without a time zone
    "MjAyNi0wMS0wMVQwMDowMDowMCswMDowMCAA",  # with a NUL
)


async def test_who_has_said_nothing_has_no_wishes(desk: Desk) -> None:
    ana = desk.customer()
    found = await desk.service.get_preferences(desk.context("customer", ana), c.PersonRef(person_id=ana))
    assert found == c.Preferences(role="customer", person_id=ana, opt_outs=[])


async def test_what_is_said_replaces_what_was_said(desk: Desk) -> None:
    ana = desk.customer()
    context = desk.context("customer", ana)
    first = c.SetPreferences(
        person_id=ana, language="es", quiet_from="22:00", quiet_until="07:00", time_zone="America/Bogota",
        opt_outs=["payment", "order", "order"],
    )  # fmt: skip
    said = await desk.service.set_preferences(context, first)
    assert (said.quiet_from, said.quiet_until, said.opt_outs) == ("22:00", "07:00", ["order", "payment"])
    assert await desk.service.get_preferences(context, c.PersonRef(person_id=ana)) == said

    await desk.service.set_preferences(context, c.SetPreferences(person_id=ana, language="zh"))
    found = await desk.service.get_preferences(context, c.PersonRef(person_id=ana))
    assert found == c.Preferences(role="customer", person_id=ana, language="zh", opt_outs=[])


async def test_midnight_is_a_time_like_any_other(desk: Desk) -> None:
    ana = desk.customer()
    request = c.SetPreferences(person_id=ana, quiet_from="00:00", quiet_until="06:00", time_zone="UTC")
    said = await desk.service.set_preferences(desk.context("customer", ana), request)
    assert (said.quiet_from, said.quiet_until) == ("00:00", "06:00")


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"quiet_from": "22:00"}, "invalid_request"),
        ({"quiet_from": "22:00", "quiet_until": "07:00"}, "invalid_request"),
        ({"time_zone": "UTC"}, "invalid_request"),
        ({**NIGHT, "time_zone": "Mars/Base"}, "invalid_time_zone"),
        ({**NIGHT, "time_zone": "../../etc/passwd"}, "invalid_time_zone"),
        ({**NIGHT, "time_zone": ""}, "invalid_time_zone"),
        ({**NIGHT, "time_zone": "Europe"}, "invalid_time_zone"),
        ({"opt_outs": ["security"]}, "invalid_request"),
        ({"opt_outs": ["weather"]}, "invalid_request"),
    ],
)  # fmt: skip
async def test_wishes_that_make_no_sense_are_refused(desk: Desk, values: dict[str, Any], code: str) -> None:
    ana = desk.customer()
    with pytest.raises(Refusal) as refused:
        await desk.service.set_preferences(
            desk.context("customer", ana), c.SetPreferences(person_id=ana, **values)
        )
    assert refused.value.code == code
    assert await desk.rows_about(ana) == 0


@pytest.mark.parametrize(
    ("role", "own_id", "asked_role"),
    [
        ("customer", False, None), ("customer", True, "courier"), ("restaurant", True, "customer"),
        ("courier", False, "courier"),
    ],
)  # fmt: skip
async def test_wishes_are_ones_own(desk: Desk, role: Any, own_id: bool, asked_role: Any) -> None:
    ana = desk.customer()
    context = desk.context(role, ana if own_id else desk.new_id("eve"))
    for ask in (
        desk.service.get_preferences(context, c.PersonRef(role=asked_role, person_id=ana)),
        desk.service.set_preferences(context, c.SetPreferences(role=asked_role, person_id=ana)),
    ):
        with pytest.raises(Refusal, match="person_not_found"):
            await ask


async def test_operators_change_everybodys_and_have_to_say_as_what(desk: Desk) -> None:
    ana = desk.customer()
    context = desk.context("operator", "op")
    said = await desk.service.set_preferences(
        context, c.SetPreferences(role="courier", person_id=ana, language="es")
    )
    assert said.role == "courier"
    with pytest.raises(Refusal, match="invalid_request"):
        await desk.service.get_preferences(context, c.PersonRef(person_id=ana))


async def test_a_person_is_another_in_another_role(desk: Desk) -> None:
    ana = desk.customer()
    await desk.service.set_preferences(
        desk.context("courier", ana), c.SetPreferences(person_id=ana, opt_outs=["order"])
    )
    await desk.send_order_message(ana)
    await desk.run()
    assert (await desk.message(ana)).state == "sent"


async def test_pages_of_a_persons_messages_miss_none_and_repeat_none(desk: Desk) -> None:
    ana = desk.customer()
    for number in range(7):
        await desk.send_order_message(ana, f"k{number}")
        if number % 3 == 2:
            desk.clock.advance(1)
    context = desk.context("operator", "op")
    keys: list[str] = []
    cursor: str | None = None
    while True:
        page = await desk.service.list_messages(
            context, c.ListMessages(role="customer", person_id=ana, limit=2, cursor=cursor)
        )
        keys += [message.key for message in page.messages]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert keys == [f"k{number}" for number in reversed(range(7))]


async def test_lists_show_no_secret_and_no_phone(desk: Desk) -> None:
    ana = desk.customer()
    await asyncio.gather(desk.send(ana, "a", phone="+573001112233"), desk.send(ana, "b"))
    await desk.run()
    page = await desk.service.list_messages(
        desk.context("operator", "op"), c.ListMessages(role="customer", person_id=ana)
    )
    assert len(page.messages) == 2
    assert "123456" not in str(page)
    assert "573001112233" not in str(page)


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({}, "invalid_request"),
        ({"person_id": "ana"}, "invalid_request"),
        ({"role": "customer"}, "invalid_request"),
        ({"order_id": "1", "person_id": "ana", "role": "customer"}, "invalid_request"),
        ({"order_id": "1", "cursor": "x"}, "invalid_request"),
        *(({"role": "customer", "person_id": "a", "cursor": each}, "invalid_cursor") for each in CURSORS),
    ],
)  # fmt: skip
async def test_lists_that_make_no_sense_are_refused(desk: Desk, values: dict[str, Any], code: str) -> None:
    with pytest.raises(Refusal) as refused:
        await desk.service.list_messages(desk.context("operator", "op"), c.ListMessages(**values))
    assert refused.value.code == code


async def test_a_number_that_can_be_no_order_has_no_messages(desk: Desk) -> None:
    context = desk.context("operator", "op")
    for order_id in ("1", "9223372036854775807", "9999999999999999999", "1048575"):
        page = await desk.service.list_messages(context, c.ListMessages(order_id=order_id))
        assert page.messages == []


@pytest.mark.parametrize("role", ["customer", "restaurant", "courier"])
async def test_only_operators_read_messages(desk: Desk, role: Any) -> None:
    request = c.ListMessages(role=role, person_id="ana")
    with pytest.raises(Refusal, match="forbidden"):
        await desk.service.list_messages(desk.context(role, "ana"), request)
