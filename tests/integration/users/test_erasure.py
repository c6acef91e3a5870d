"""Erasing a person: nothing that says who they are is left anywhere, and their orders are."""

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import pytest

from integration.users.town import Town
from manual_clock import ManualClock
from marketplace import _EVENT_COLUMNS, Marketplace
from tiffin.events.event import Event
from tiffin.rpc import contracts as c
from tiffin.services.orders.consumers import RestaurantCopy
from tiffin.services.users.customers import FRESH_MS
from tiffin.services.users.erasure import tell_again
from tiffin.services.users.forgetting import ROUNDS
from tiffin.sharding.router import Router
from tiffin.storage.node import Node


class Life:
    """A person who has signed in, has an address, and has ordered."""

    def __init__(self, town: Town, market: Marketplace) -> None:
        self.town, self.market = town, market
        self.mark = town.new_id("secret")
        self.phone = town.phone()
        self.me: c.SignedIn

    @property
    def marks(self) -> list[str]:
        """What must not be found any more."""
        return [self.mark, self.phone, self.phone[1:]]

    async def begin(self) -> None:
        town, market, mark = self.town, self.market, self.mark
        self.me = await town.sign_in(self.phone, name=f"Ana {mark}")
        market.customer = self.me.person_id
        address = {
            "id": "home", "label": f"Home {mark}", "street": f"Calle {mark}", "city": f"City {mark}",
            "place": {"latitude": 4.6, "longitude": -74.1}, "note": f"Bell {mark}",
        }  # fmt: skip
        saved = await town.ask("POST", "/v1/me/addresses", {"address": address}, self.me.access_token)
        assert saved.status == 201

    async def order(self, state: str) -> c.Order:
        market = self.market
        order = await market.place(note=f"Kitchen {self.mark}")
        for event, role in (
            ("accepted", "restaurant"), ("courier_assigned", "courier"), ("prepared", "restaurant"),
            ("picked_up", "courier"), ("delivered", "courier"), ("completed", "customer"),
        ):  # fmt: skip
            if order.state == state:
                break
            order = await market.say(order, event, role)
        assert order.state == state
        await market.copy(order)
        return order

    async def erase(self, token: str | None = None, **body: str) -> Any:
        path = f"/v1/people/{self.me.person_id}/erase"
        return await self.town.ask("POST", path, body, token or self.me.access_token)

    async def erase_myself(self) -> None:
        code = await self.town.code(self.phone)
        answer = await self.erase(sign_in_id=code["sign_in_id"], code=code["code"])
        assert (answer.status, answer.body["person_id"]) == (200, self.me.person_id)

    async def hear(self) -> list[Event]:
        """The readers of the log hear of every erasure of this person so far."""
        events: list[Event] = []
        for node in self.town.router.nodes:
            rows = await node.fetch(
                f"SELECT {_EVENT_COLUMNS} FROM log.events WHERE stream = 'person' AND key = $1"
                " ORDER BY version",
                self.me.person_id,
            )
            events += [Event(*row) for row in rows]
        await RestaurantCopy(self.town.router).handle(events)
        return events


@pytest.fixture(params=["one node", "four nodes"])
async def life(
    request: pytest.FixtureRequest, router: Router, four_router: Router, clock: ManualClock,
    new_id: Callable[[str], str],
) -> AsyncIterator[Life]:  # fmt: skip
    places = router if request.param == "one node" else four_router
    async with Town(places, clock, new_id).open() as town, Marketplace.open(places, clock, new_id) as market:
        market.users = town.users
        market.orders = market.process()
        life = Life(town, market)
        await life.begin()
        yield life


async def found(router: Router, marks: list[str]) -> list[str]:
    """Every table of every schema, every column, in which one of these texts is."""
    places: list[str] = []
    for node in router.nodes:
        tables = await node.fetch("""
            SELECT c.oid::regclass::text AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
               AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
        """)
        assert len(tables) > 15
        for table in tables:
            places += [table["name"]] * await _count(node, table["name"], marks)
    return places


async def _count(node: Node, table: str, marks: list[str]) -> int:
    patterns = [f"%{form}%" for mark in marks for form in (mark, mark.encode().hex())]
    row = await node.fetchrow(
        f"SELECT count(*) AS rows FROM {table} AS t WHERE t::text LIKE ANY($1::text[])", patterns
    )
    assert row is not None
    return row["rows"]


async def test_nothing_that_says_who_it_was_is_left_in_any_column_of_any_table(life: Life):
    restaurant = life.market.restaurant
    await life.town.users.grant(life.town.context("operator"), c.GrantRole(phone=life.phone, role="courier"))
    staff = c.InviteStaff(restaurant_id=restaurant, phone=life.phone, access="staff")
    await life.town.users.invite_staff(life.town.context("operator"), staff)
    orders = [await life.order(state) for state in ("completed", "delivered", "delivered")]
    before = await found(life.town.router, life.marks)
    assert {"users.customers", "users.phones", "users.sign_ins", "orders.orders",
            "orders.orders_by_restaurant"} == set(before)  # fmt: skip
    await life.erase_myself()
    await life.hear()
    assert await found(life.town.router, life.marks) == []
    kept = await life.market.page(customer_id=life.me.person_id)
    assert {order.id for order in kept.orders} == {order.id for order in orders}
    for order in orders:
        truth, copy = await life.market.row(order), await life.market.row(order, "restaurant")
        assert truth == copy
        assert (await life.market.get(order)).total == order.total


async def test_whoever_was_erased_is_signed_out_everywhere_and_may_nothing_more(life: Life):
    operator = life.town.context("operator")
    await life.town.users.grant(operator, c.GrantRole(phone=life.phone, role="courier"))
    await life.erase_myself()
    assert (await life.town.refresh(life.me)).problem == (401, "bad_refresh_token")
    await life.town.news()
    assert not await life.town.opens(life.me.access_token)
    grants = await life.town.users.list_grants(operator, c.PersonOf(person_id=life.me.person_id))
    assert grants.grants == []


async def test_the_phone_is_free_and_the_id_is_not(life: Life):
    await life.erase_myself()
    again = await life.town.sign_in(life.phone)
    assert again.is_new
    assert again.person_id != life.me.person_id
    operator = life.town.tokens.mint("operator", "ops", 3600)
    body = {"id": life.me.person_id, "name": "Somebody else"}
    taken = await life.town.ask("POST", "/v1/customers", body, operator)
    assert taken.problem == (409, "id_taken")


async def test_a_stolen_access_token_alone_erases_nobody(life: Life):
    assert (await life.erase()).problem == (401, "bad_code")
    used = await life.town.code(life.phone)
    await life.town.ask("POST", "/v1/sign-in", used)
    refused = await life.erase(sign_in_id=used["sign_in_id"], code=used["code"])
    assert refused.problem == (401, "bad_code")
    eva = await life.town.sign_in(life.town.phone())
    fresh = await life.town.code(life.town.phone())
    answer = await life.erase(eva.access_token, sign_in_id=fresh["sign_in_id"], code=fresh["code"])
    assert answer.problem == (404, "person_not_found")
    me = await life.town.ask("GET", "/v1/me", token=life.me.access_token)
    assert life.mark in me.body["name"]


async def test_an_operator_erases_without_a_code_and_may_repeat_it(life: Life):
    operator = life.town.tokens.mint("operator", "ops", 3600)
    await life.order("completed")
    for _ in range(2):
        assert (await life.erase(operator)).status == 200
    events = await life.hear()
    assert [event.version for event in events] == [1], "repeating it is no second erasure"
    await life.hear()
    assert await found(life.town.router, life.marks) == []
    nobody = await life.town.ask("POST", "/v1/people/nobody-at-all/erase", {}, operator)
    assert nobody.problem == (404, "person_not_found")


async def test_an_open_order_keeps_its_address_until_it_has_ended(life: Life):
    order = await life.order("preparing")
    await life.erase_myself()
    await life.hear()
    assert life.mark in (await life.market.get(order)).address.street
    for event, role in (
        ("courier_assigned", "courier"), ("prepared", "restaurant"), ("picked_up", "courier"),
        ("delivered", "courier"),
    ):  # fmt: skip
        await life.market.say(order, event, role)
    await life.market.copy(order)
    life.town.clock.advance(ROUNDS[1].total_seconds())
    for node in life.town.router.nodes:
        await tell_again(node, life.town.clock())
    await life.hear()
    assert await found(life.town.router, life.marks) == []


async def test_an_order_that_never_ends_loses_its_address_in_the_last_round(life: Life):
    await life.order("preparing")
    await life.erase_myself()
    erased_at = life.town.clock()
    for after in ROUNDS:
        life.town.clock.set(erased_at + after)
        for node in life.town.router.nodes:
            await tell_again(node, life.town.clock())
    events = await life.hear()
    assert [event.version for event in events] == [1, 2, 3, 4, 5]
    assert await found(life.town.router, life.marks) == []
    life.town.clock.advance(timedelta(days=30).total_seconds())
    for node in life.town.router.nodes:
        await tell_again(node, life.town.clock())
    assert len(await life.hear()) == 5, "the last round is the last"


async def test_an_order_placed_with_what_another_process_remembered_is_found_in_the_next_round(life: Life):
    """A process may remember a customer for a moment: an order placed then has the address again."""
    remembering = life.town.process()
    await remembering.get(life.town.context(), c.CustomerRef(customer_id=life.me.person_id))
    life.market.users = remembering
    orders = life.market.process()
    await life.erase_myself()
    await life.hear()
    late = await life.market.place(orders=orders)
    assert life.mark in late.address.street
    await life.market.say(late, "rejected", "restaurant")
    await life.market.copy(late)
    life.town.clock.advance(ROUNDS[0].total_seconds())
    assert ROUNDS[0].total_seconds() * 1000 > FRESH_MS * 2
    for node in life.town.router.nodes:
        await tell_again(node, life.town.clock())
    await life.hear()
    assert await found(life.town.router, life.marks) == []


async def test_a_copy_made_late_has_no_address_either(life: Life):
    """The erasure overtakes the copy: what is copied afterwards is copied from the blanked truth."""
    order = await life.market.place(note=f"Kitchen {life.mark}")
    await life.market.say(order, "rejected", "restaurant")
    await life.erase_myself()
    await life.hear()
    await life.market.copy(order)
    assert await found(life.town.router, life.marks) == []
