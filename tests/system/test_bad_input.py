"""Whatever is asked of a real platform: the right no with the right code, and nothing half-written."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from system import town as towns
from system.town import ALWAYS, CURRENCY, FEE, HOME, MENU, OPERATOR, PRICE, Town, database, eventually
from tiffin.services.users.signing import PlatformTokens
from tiffin.storage.node import Node
from tiffin_process import TiffinProcess

Expected = tuple[int, str]
INVALID: Expected = (422, "invalid_request")
TOMORROW = datetime.now(UTC).replace(hour=10, minute=0) + timedelta(days=1)
"""Five in the morning in Bogota."""


@dataclass
class Scene:
    """A platform with a few restaurants, two customers and two orders, and what it should have stored."""

    town: Town
    node: Node
    customer: str
    stranger: str
    restaurant: str
    other: str
    closed: str
    paused: str
    dear: str
    order: dict[str, Any] = field(default_factory=dict[str, Any])
    written: Counter[str] = field(default_factory=Counter[str])

    def placed(self, orders: int = 1, holds: int = 0) -> None:
        """Note what valid calls have made."""
        self.written.update(orders=orders, copies=orders, events=orders, holds=holds)

    async def stored(self) -> bool:
        """Whether the database holds exactly what the valid calls have made."""
        return Counter(await towns.rows_written(self.node)) == self.written


@pytest.fixture(scope="module")
async def scene(platform: TiffinProcess) -> AsyncIterator[Scene]:
    async with Town.open(platform) as town, database(platform) as node:
        scene = Scene(
            town, node,
            customer=await town.add_customer(),
            stranger=await town.add_customer(),
            restaurant=await town.add_restaurant(portions=1),
            other=await town.add_restaurant(menu=[{"id": "arepa", "name": "Arepa", "price": PRICE}]),
            closed=await town.add_restaurant(
                hours=[{"weekday": day, "opens": "10:00", "closes": "22:00"} for day in range(7)]
            ),
            paused=await town.add_restaurant(),
            dear=await town.add_restaurant(minimum_subtotal=PRICE + 1),
        )  # fmt: skip
        await town.ask(
            OPERATOR, "PUT", f"/v1/restaurants/{scene.paused}/accepting", {"accepting_orders": False}
        )
        await town.place(scene.customer, scene.restaurant, dish="cake")
        scene.placed(holds=1)
        scene.order = await town.place(scene.customer, scene.restaurant)
        scene.placed()
        await eventually(scene.stored, "both orders are copied")
        yield scene


@pytest.fixture(autouse=True)
async def nothing_else_is_written(scene: Scene) -> AsyncIterator[None]:
    """Holds for every test here."""
    yield
    expected = scene.written
    try:
        await eventually(scene.stored, f"exactly {dict(expected)}")
    finally:  # one test's fault is not the next one's
        scene.written = Counter(await towns.rows_written(scene.node))


def order_for(scene: Scene, **changes: Any) -> dict[str, Any]:
    return towns.order_for(**{"restaurant": scene.restaurant, **changes})


async def wrong_answers(scene: Scene, cases: Mapping[str, tuple[Any, Expected]]) -> dict[str, Any]:
    """Which of these orders are not refused as they should be."""
    wrong: dict[str, Any] = {}
    for name, (body, expected) in cases.items():
        answer = await scene.town.try_to_place(scene.customer, body)
        if answer.problem != expected:
            wrong[name] = answer.body[:300]
    return wrong


async def test_what_is_not_there_is_not_found(scene: Scene) -> None:
    option = [{"item_id": "soup", "quantity": 1, "options": ["gold"]}]
    cases = {
        "restaurant": (order_for(scene, restaurant="nowhere"), (404, "restaurant_not_found")),
        "dish": (order_for(scene, dish="ambrosia"), (404, "item_not_found")),
        "dish of another restaurant": (order_for(scene, dish="arepa"), (404, "item_not_found")),
        "option": (order_for(scene, lines=option), (404, "option_not_found")),
        "address": (order_for(scene, address_id="moon"), (404, "address_not_found")),
    }
    assert await wrong_answers(scene, cases) == {}
    for path in ("", "/timeline", "/payments", "/events"):
        for order_id in ("1", str(1 << 40), str(2**63 - 1), str(10**19 - 1)):
            answer = await scene.town.ask(OPERATOR, "GET", f"/v1/orders/{order_id}{path}")
            assert answer.problem == (404, "order_not_found"), (order_id, path)


async def test_the_address_of_another_customer_is_not_found(scene: Scene) -> None:
    office = {"address": {**HOME, "id": "office"}}
    added = await scene.town.ask(("customer", scene.stranger), "POST", "/v1/me/addresses", office)
    assert added.status == 201
    answer = await scene.town.try_to_place(scene.customer, order_for(scene, address_id="office"))
    assert answer.problem == (404, "address_not_found")


def line(**changes: Any) -> list[dict[str, Any]]:
    return [{"item_id": "soup", "quantity": 1, **changes}]


async def test_a_body_that_makes_no_sense_is_refused(scene: Scene) -> None:
    def lines(**changes: Any) -> dict[str, Any]:
        return order_for(scene, lines=line(**changes))

    cases = {
        "text for a number": (lines(quantity="1"), INVALID),
        "a fraction": (lines(quantity=1.5), INVALID),
        "true": (lines(quantity=True), INVALID),
        "null": (lines(quantity=None), INVALID),
        "a number for text": (order_for(scene, address_id=7), INVALID),
        "text for a list": (order_for(scene, lines="soup"), INVALID),
        "no portions": (lines(quantity=0), INVALID),
        "a negative quantity": (lines(quantity=-1), INVALID),
        "100 portions": (lines(quantity=100), INVALID),
        "2^31 portions": (lines(quantity=2**31), INVALID),
        "2^64 portions": (lines(quantity=2**64), INVALID),
        "10^400 portions": (lines(quantity=10**400), INVALID),
        "the client's own price": (lines(price=1), INVALID),
        "the client's own total": (order_for(scene, total={"amount": 1, "currency": CURRENCY}), INVALID),
        "another customer": (order_for(scene, customer_id=scene.stranger), INVALID),
        "no lines": (order_for(scene, lines=[]), INVALID),
        "101 lines": (order_for(scene, lines=line() * 101), INVALID),
        "an option twice": (lines(options=["corn", "corn"]), (422, "invalid_choice")),
        "a missing field": (order_for(scene, expected_total=...), INVALID),
        "a negative total beyond all money": (
            order_for(scene, expected_total={"amount": -(10**13), "currency": CURRENCY}), INVALID,
        ),
        "an unknown way to pay": (order_for(scene, payment_method="barter"), INVALID),
        "NUL in a note": (order_for(scene, note="a\0b"), INVALID),
        "NUL in an id": (order_for(scene, dish="so\0up"), INVALID),
        "an id with a quote": (order_for(scene, dish="soup'--"), INVALID),
        "a long note": (order_for(scene, note="n" * 501), INVALID),
        "a megabyte of note": (order_for(scene, note="n" * 1_000_000), (413, "request_too_large")),
        "a million lines": (
            b'{"lines":[' + b",".join([b'{"item_id":"soup","quantity":1}'] * 1_000_000) + b"]}",
            (413, "request_too_large"),
        ),
        "arrays 100,000 deep": (b'{"note":' + b"[" * 100_000, INVALID),
        "objects 40,000 deep": (b'{"note":' + b'{"a":' * 40_000, INVALID),
        "no JSON": (b"soup, please", (400, "invalid_json")),
        "no UTF-8": (b'{"note":"\xff\xfe"}', (400, "invalid_json")),
        "nothing": (b"", (400, "invalid_json")),
    }  # fmt: skip
    assert await wrong_answers(scene, cases) == {}


async def test_what_cannot_be_had_there_and_then_is_refused(scene: Scene) -> None:
    closed = {"scheduled_for": TOMORROW.isoformat()}
    euros = {"expected_total": {"amount": PRICE + FEE, "currency": "EUR"}}
    two = {"lines": [*line(), {"item_id": "cake", "quantity": 1}]}
    total = {"expected_total": {"amount": 2 * PRICE + FEE, "currency": CURRENCY}}
    cases = {
        "closed at that hour": (
            order_for(scene, restaurant=scene.closed, **closed), (409, "restaurant_closed"),
        ),
        "not taking orders": (order_for(scene, restaurant=scene.paused), (409, "restaurant_closed")),
        "below the minimum": (order_for(scene, restaurant=scene.dear), (409, "below_minimum")),
        "off sale": (order_for(scene, dish="mole"), (409, "item_unavailable")),
        "sold out": (order_for(scene, dish="cake"), (409, "out_of_stock")),
        "one of two sold out": (order_for(scene, **two, **total), (409, "out_of_stock")),
        "sold out, online": (order_for(scene, dish="cake", payment_method="online"), (409, "out_of_stock")),
        "in euros": (order_for(scene, **euros), (422, "currency_mismatch")),
    }  # fmt: skip
    assert await wrong_answers(scene, cases) == {}
    answer = await scene.town.try_to_place(
        scene.customer, order_for(scene, restaurant=scene.closed, **closed)
    )
    opens = TOMORROW.replace(hour=15, minute=0, second=0, microsecond=0)
    assert datetime.fromisoformat(answer.json["opens_at"]) == opens


async def test_a_time_that_is_none_or_out_of_reach_is_refused(scene: Scene) -> None:
    now = datetime.now(UTC)
    times = {
        "past": (now - timedelta(minutes=1)).isoformat(),
        "too far": (now + timedelta(days=8)).isoformat(),
        "without a zone": (now + timedelta(hours=2)).replace(tzinfo=None).isoformat(),
        "a day": "2030-01-01",
        "no month": "2030-13-01T00:00:00Z",
        "words": "tomorrow",
        "nothing": "",
        "the end of time": "9999-12-31T23:59:59-12:00",
        "the beginning of time": "0001-01-01T00:00:00+12:00",
    }
    cases = {
        name: (order_for(scene, scheduled_for=time), (422, "invalid_time")) for name, time in times.items()
    }
    assert await wrong_answers(scene, cases) == {}
    for time in times.values():
        asked = {"restaurant_id": scene.restaurant, "lines": line(), "scheduled_for": time}
        answer = await scene.town.ask(("customer", scene.customer), "POST", "/v1/quotes", asked)
        assert answer.problem == (422, "invalid_time"), time


async def test_a_changed_price_comes_with_a_quote_that_places_the_order(scene: Scene) -> None:
    town, restaurant = scene.town, await scene.town.add_restaurant()
    dearer = [{**MENU[0], "price": PRICE + 70}, *MENU[1:]]
    changed = await town.ask(OPERATOR, "PUT", f"/v1/restaurants/{restaurant}/menu", {"items": dearer})
    assert changed.status == 200
    body, key = order_for(scene, restaurant=restaurant), uuid4().hex
    refused = await town.try_to_place(scene.customer, body, key)
    assert refused.problem == (409, "price_changed")
    quote = refused.json["quote"]
    assert quote["total"] == {"amount": PRICE + 70 + FEE, "currency": CURRENCY}
    placed = await town.try_to_place(scene.customer, {**body, "expected_total": quote["total"]}, key)
    assert (placed.status, placed.json["total"]) == (201, quote["total"])
    scene.placed()


async def test_a_price_below_the_real_one_is_refused_and_not_charged(scene: Scene) -> None:
    for amount in (1, 0, -1, PRICE + FEE - 1, PRICE + FEE + 1):
        body = order_for(scene, expected_total={"amount": amount, "currency": CURRENCY})
        answer = await scene.town.try_to_place(scene.customer, body)
        assert answer.problem == (409, "price_changed")
        assert answer.json["quote"]["total"]["amount"] == PRICE + FEE


async def test_a_used_key_makes_no_other_order(scene: Scene) -> None:
    town, body, key = scene.town, order_for(scene), uuid4().hex
    first = await town.try_to_place(scene.customer, body, key)
    assert first.status == 201
    scene.placed()
    reused = await town.try_to_place(scene.customer, {**body, "note": "more salt"}, key)
    assert reused.problem == (422, "idempotency_key_reused")
    assert reused.json["order_id"] == first.json["id"]
    unplaceable = await town.try_to_place(scene.customer, {**body, "restaurant_id": scene.paused}, key)
    assert unplaceable.problem == (422, "idempotency_key_reused")
    again = await town.try_to_place(scene.customer, body, key)
    assert (again.status, again.body) == (201, first.body)
    others = await town.try_to_place(scene.stranger, body, key)
    assert others.status == 201, "keys are each customer's own"
    scene.placed()


async def test_a_bad_key_is_refused(scene: Scene) -> None:
    for key in ("", "a b", "k" * 101, "clé"):
        headers = {"Idempotency-Key": key}
        answer = await scene.town.ask(
            ("customer", scene.customer), "POST", "/v1/orders", order_for(scene), headers
        )
        assert answer.problem == INVALID, key
    answer = await scene.town.ask(("customer", scene.customer), "POST", "/v1/orders", order_for(scene))
    assert answer.problem == INVALID, "no key at all"


async def test_without_a_good_token_nothing_is_answered(scene: Scene) -> None:
    forger = PlatformTokens(b"f" * 32, lambda: datetime.now(UTC))
    ours = scene.town.process
    yesterday = PlatformTokens(
        bytes.fromhex((ours.data_directory / "secret").read_text()),
        lambda: datetime.now(UTC) - timedelta(days=1),
    )
    token = ours.mint("customer", scene.customer)
    tokens = {
        "none": None,
        "nonsense": "Bearer x",
        "another scheme": f"Basic {token}",
        "cut off": f"Bearer {token[:-1]}",
        "forged": f"Bearer {forger.mint('customer', scene.customer, 60)}",
        "expired": f"Bearer {yesterday.mint('customer', scene.customer, 60)}",
    }
    for name, header in tokens.items():
        headers = {"Authorization": header} if header else {}
        for method, path in (("GET", "/v1/orders"), ("POST", "/v1/orders"), ("GET", "/v1/restaurants")):
            answer = await scene.town.ask(None, method, path, headers=headers)
            assert answer.problem == (401, "bad_token"), (name, path)


async def test_a_role_may_only_do_what_is_its_own(scene: Scene) -> None:
    customer, courier = ("customer", scene.customer), ("courier", "carlos")
    kitchen = ("restaurant", scene.restaurant)
    order = f"/v1/orders/{scene.order['id']}"
    menu = f"/v1/restaurants/{scene.restaurant}/menu"
    forbidden = [
        (kitchen, "POST", "/v1/orders"), (courier, "POST", "/v1/orders"), (OPERATOR, "POST", "/v1/orders"),
        (customer, "POST", f"{order}/accept"), (customer, "POST", f"{order}/deliver"),
        (kitchen, "POST", f"{order}/cancel"), (kitchen, "POST", f"{order}/pick-up"),
        (courier, "POST", f"{order}/accept"), (courier, "POST", f"{order}/complete"),
        (customer, "PUT", menu), (courier, "PUT", menu), (kitchen, "POST", "/v1/restaurants"),
        (customer, "POST", "/v1/customers"), (customer, "GET", f"/v1/customers/{scene.customer}"),
        (kitchen, "POST", f"{order}/payments"), (courier, "GET", f"{order}/payments"),
        (customer, "GET", f"/v1/restaurants/{scene.restaurant}/orders"),
        (customer, "GET", f"/v1/restaurants/{scene.restaurant}/events"),
    ]  # fmt: skip
    for who, method, path in forbidden:
        answer = await scene.town.ask(who, method, path, None if method == "GET" else {})
        assert answer.problem == (403, "forbidden"), (who, path)


async def test_anothers_order_is_not_there_for_any_role(scene: Scene) -> None:
    stranger, other, courier = ("customer", scene.stranger), ("restaurant", scene.other), ("courier", "eve")
    order = f"/v1/orders/{scene.order['id']}"
    for who in (stranger, other, courier):
        for path in ("", "/timeline", "/events"):
            answer = await scene.town.ask(who, "GET", f"{order}{path}")
            assert answer.problem == (404, "order_not_found"), (who, path)
    acts = [
        (stranger, "cancel"), (stranger, "complete"), (stranger, "payments"), (other, "accept"),
        (other, "reject"), (other, "ready"), (courier, "assign-courier"), (courier, "pick-up"),
        (courier, "deliver"),
    ]  # fmt: skip
    for who, action in acts:
        body = {"source": "tok_ok"} if action == "payments" else {}
        answer = await scene.town.try_to_say(who, scene.order, action, body)
        assert answer.problem == (404, "order_not_found"), (who, action)
    answer = await scene.town.ask(stranger, "GET", f"{order}/payments")
    assert answer.problem == (404, "order_not_found")
    assert (await scene.town.order(scene.order))["version"] == 1


async def test_another_restaurant_cannot_be_changed_or_looked_into(scene: Scene) -> None:
    other, path = ("restaurant", scene.other), f"/v1/restaurants/{scene.restaurant}"
    asked = [
        ("PUT", "/menu", {"items": []}), ("PUT", "/hours", {"hours": []}),
        ("PUT", "/accepting", {"accepting_orders": False}), ("GET", "/stock", None),
        ("POST", "/stock", {"item_id": "cake", "quantity": 1}), ("GET", "/orders", None),
        ("GET", "/events", None),
    ]  # fmt: skip
    for method, what, body in asked:
        answer = await scene.town.ask(other, method, path + what, body, {"Idempotency-Key": uuid4().hex})
        assert answer.problem == (404, "restaurant_not_found"), what
    assert await scene.town.cakes(scene.restaurant) == (0, 0)


async def test_what_does_not_fit_the_state_of_an_order_is_refused(scene: Scene) -> None:
    town, order = scene.town, scene.order
    kitchen, customer = ("restaurant", scene.restaurant), ("customer", scene.customer)
    cases = [
        (kitchen, "ready", {}, (409, "wrong_state")),
        (customer, "complete", {}, (409, "wrong_state")),
        (OPERATOR, "deliver", {}, (409, "wrong_state")),
        (kitchen, "accept", {"expected_version": 2}, (409, "version_conflict")),
        (kitchen, "accept", {"expected_version": 0}, INVALID),
        (kitchen, "accept", {"expected_version": 2**31}, INVALID),
        (kitchen, "accept", {"courier_id": "carlos"}, INVALID),
        (kitchen, "reject", {"reason": "r" * 301}, INVALID),
        (kitchen, "reject", {"reason": "\0"}, INVALID),
        (OPERATOR, "assign-courier", {}, INVALID),
        (OPERATOR, "assign-courier", {"courier_id": "c c"}, INVALID),
        (customer, "payments", {"source": "tok_ok"}, (409, "payment_not_expected")),
        (customer, "payments", {}, INVALID),
        (customer, "explode", {}, (404, "no_such_endpoint")),
    ]
    for who, action, body, expected in cases:
        answer = await town.try_to_say(who, order, action, body)
        assert answer.problem == expected, (action, body)


async def test_bad_cursors_limits_and_filters_are_refused(scene: Scene) -> None:
    customer = ("customer", scene.customer)
    lists = ("/v1/orders", f"/v1/restaurants/{scene.restaurant}/orders", "/v1/restaurants")
    for path in lists:
        who = OPERATOR if path.startswith("/v1/restaurants") else customer
        for limit in ("0", "201", "-1", "ten", "1.5", "", "9" * 50):
            answer = await scene.town.ask(who, "GET", f"{path}?limit={limit}")
            assert answer.problem == INVALID, (path, limit)
        for query in ("page=2", "limit=1&limit=2", "cursor=%00", "cursor=" + "c" * 201):
            answer = await scene.town.ask(who, "GET", f"{path}?{query}")
            assert answer.problem == INVALID, (path, query)
        for cursor in ("x/y", "%27%20OR%201", "%C3%A9%20"):
            answer = await scene.town.ask(who, "GET", f"{path}?cursor={cursor}")
            assert answer.problem == (422, "invalid_cursor"), (path, cursor)
    for cursor in ("", "x", "1", "-", "1-", "-1", "1-2-3", "1e3-1", f"{'9' * 30}-1", f"0-{'9' * 30}"):
        answer = await scene.town.ask(customer, "GET", f"/v1/orders?cursor={cursor}")
        assert answer.problem == (422, "invalid_cursor"), cursor
    answer = await scene.town.ask(customer, "GET", "/v1/orders?state=lost")
    assert answer.problem == INVALID


async def test_what_operators_and_kitchens_get_wrong_is_refused(scene: Scene) -> None:
    town = scene.town
    restaurant = {
        "id": "new", "name": "Nueva", "currency": CURRENCY, "time_zone": "America/Bogota",
        "place": HOME["place"], "delivery_fee": 0, "minimum_subtotal": 0, "hours": ALWAYS,
    }  # fmt: skip
    never = [{"weekday": 0, "opens": "10:00", "closes": "10:00"}]
    kitchen, path = ("restaurant", scene.restaurant), f"/v1/restaurants/{scene.restaurant}"
    restaurants = [
        ({"currency": "QQQ"}, (422, "invalid_currency")),
        ({"time_zone": "../etc"}, (422, "invalid_time_zone")),
        ({"delivery_fee": -1}, INVALID),
        ({"hours": never}, INVALID),
        ({"place": {"latitude": 91, "longitude": 0}}, INVALID),
        ({"id": scene.restaurant}, (409, "id_taken")),
    ]
    for changes, expected in restaurants:
        answer = await town.ask(OPERATOR, "POST", "/v1/restaurants", {**restaurant, **changes})
        assert answer.problem == expected, changes
    cases = [
        (OPERATOR, "POST", "/v1/customers", {"id": scene.customer, "name": "Eve"}, (409, "id_taken")),
        (OPERATOR, "GET", "/v1/customers/nobody", None, (404, "customer_not_found")),
        (OPERATOR, "GET", "/v1/restaurants/nowhere", None, (404, "restaurant_not_found")),
        (kitchen, "PUT", f"{path}/menu", {"items": [MENU[0], MENU[0]]}, (422, "invalid_menu")),
        (kitchen, "PUT", f"{path}/menu", {"items": [{**MENU[0], "price": -1}]}, INVALID),
        (kitchen, "POST", f"{path}/stock", {"item_id": "soup", "quantity": 1}, (409, "item_not_limited")),
        (kitchen, "POST", f"{path}/stock", {"item_id": "nectar", "quantity": 1}, (404, "item_not_found")),
        (kitchen, "POST", f"{path}/stock", {"item_id": "cake", "quantity": -1}, (409, "out_of_stock")),
        (kitchen, "POST", f"{path}/stock", {"item_id": "cake", "quantity": 10**7}, INVALID),
    ]  # fmt: skip
    for who, method, where, body, expected in cases:
        answer = await town.ask(who, method, where, body, {"Idempotency-Key": uuid4().hex})
        assert answer.problem == expected, (where, body)
    assert (await town.ask(OPERATOR, "GET", "/v1/restaurants/new")).status == 404


async def test_after_all_of_it_the_audit_is_clean_and_the_server_saw_no_fault_of_its_own(
    scene: Scene,
) -> None:
    audited = scene.town.process.run("audit")
    assert audited.returncode == 0, audited.stdout
    log = (scene.town.process.data_directory / "server.log").read_text()
    assert "request_failed" not in log
    assert "Traceback" not in log
