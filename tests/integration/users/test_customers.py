import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from manual_clock import ManualClock
from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.rpc.context import Role, new_context
from tiffin.services.users.customers import FRESH_MS, Customers
from tiffin.services.users.store import CustomerStore
from tiffin.sharding.router import Router
from tiffin.sharding.slots import shard_of


class Desk:
    """A process's users service, with a customer's own words."""

    def __init__(self, router: Router, clock: ManualClock, new_id: Callable[[str], str]) -> None:
        self.clock = clock
        self.new_id = new_id
        self.service = Customers(CustomerStore(router), clock)

    def context(self, role: Role = "operator", caller_id: str = "op") -> c.CallContext:
        return new_context(role, caller_id, self.clock())

    def registration(self, **changes: Any) -> c.CreateCustomer:
        return c.CreateCustomer(**{"id": self.new_id("customer"), "name": "Ana", **changes})

    async def register(self, **changes: Any) -> str:
        return (await self.service.create(self.context(), self.registration(**changes))).id

    async def get(self, customer_id: str) -> c.Customer:
        return await self.service.get(self.context(), c.CustomerRef(customer_id=customer_id))

    async def save(self, customer_id: str, address: c.Address) -> c.Customer:
        own = self.context("customer", customer_id)
        return await self.service.save_address(own, c.SaveAddress(customer_id=customer_id, address=address))

    async def remove(self, customer_id: str, address_id: str) -> c.Customer:
        own = self.context("customer", customer_id)
        return await self.service.remove_address(
            own, c.AddressRef(customer_id=customer_id, address_id=address_id)
        )


def address(id_: str, **changes: Any) -> c.Address:
    place = c.Place(latitude=4.6, longitude=-74.1)
    return c.Address(
        **{"id": id_, "label": "Home", "street": "Calle 1", "city": "Cali", "place": place, **changes}
    )


@pytest.fixture
def desk(router: Router, clock: ManualClock, new_id: Callable[[str], str]) -> Desk:
    return Desk(router, clock, new_id)


@pytest.fixture
def other_desk(router: Router, clock: ManualClock, new_id: Callable[[str], str]) -> Desk:
    """A second process on the same databases."""
    return Desk(router, clock, new_id)


async def test_the_same_registration_again_is_the_same_customer_as_they_now_are(desk: Desk):
    request = desk.registration(phone="+57 300 1234567", addresses=[address("home")])
    created = await desk.service.create(desk.context(), request)
    assert await desk.get(request.id) == created
    assert await desk.service.create(desk.context(), request) == created
    changed = await desk.save(request.id, address("work"))
    assert await desk.service.create(desk.context(), request) == changed


async def test_an_id_belongs_to_the_first_who_registers_it(desk: Desk):
    request = desk.registration()
    rival = desk.registration(id=request.id, name="Eva")
    answers = await asyncio.gather(
        *(desk.service.create(desk.context(), each) for each in (request, rival)), return_exceptions=True
    )
    refusals = [answer for answer in answers if isinstance(answer, Refusal)]
    (winner,) = [answer for answer in answers if isinstance(answer, c.Customer)]
    assert [refusal.code for refusal in refusals] == ["id_taken"]
    assert await desk.get(request.id) == winner


async def test_two_addresses_of_one_id_are_refused_and_leave_nothing(desk: Desk):
    request = desk.registration(addresses=[address("home"), address("home", city="Bogota")])
    with pytest.raises(Refusal) as refused:
        await desk.service.create(desk.context(), request)
    assert refused.value.code == "invalid_request"
    with pytest.raises(Refusal) as refused:
        await desk.get(request.id)
    assert refused.value.code == "customer_not_found"


@pytest.mark.parametrize(
    ("role", "own"), [("customer", False), ("restaurant", True), ("courier", True), ("courier", False)]
)
async def test_another_customer_is_not_there(desk: Desk, role: Role, own: bool):
    customer_id = await desk.register(addresses=[address("home")])
    stranger = desk.context(role, customer_id if own else desk.new_id("customer"))
    calls = [
        desk.service.create(stranger, desk.registration(id=customer_id)),
        desk.service.get(stranger, c.CustomerRef(customer_id=customer_id)),
        desk.service.save_address(stranger, c.SaveAddress(customer_id=customer_id, address=address("x"))),
        desk.service.remove_address(stranger, c.AddressRef(customer_id=customer_id, address_id="home")),
    ]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert [getattr(answer, "code", answer) for answer in answers] == ["customer_not_found"] * 4
    assert (await desk.get(customer_id)).addresses == [address("home")]


async def test_a_customer_nobody_registered_has_no_addresses_to_change(desk: Desk):
    nobody = desk.new_id("customer")
    for call in (desk.get(nobody), desk.save(nobody, address("home")), desk.remove(nobody, "home")):
        with pytest.raises(Refusal) as refused:
            await call
        assert refused.value.code == "customer_not_found"


async def test_addresses_are_added_replaced_and_forgotten(desk: Desk):
    customer_id = await desk.register()
    await desk.save(customer_id, address("home"))
    await desk.save(customer_id, address("work", note="3rd floor"))
    moved = address("home", street="Calle 2")
    assert (await desk.save(customer_id, moved)).addresses == [moved, address("work", note="3rd floor")]
    assert (await desk.remove(customer_id, "work")).addresses == [moved]
    assert (await desk.get(customer_id)).addresses == [moved]
    with pytest.raises(Refusal) as refused:
        await desk.remove(customer_id, "work")
    assert refused.value.code == "address_not_found"


async def test_addresses_saved_at_the_same_time_are_all_kept(desk: Desk, other_desk: Desk):
    customer_id = await desk.register()
    await asyncio.gather(
        *((desk, other_desk)[number % 2].save(customer_id, address(f"a{number}")) for number in range(8))
    )
    assert {kept.id for kept in (await desk.get(customer_id)).addresses} == {
        f"a{number}" for number in range(8)
    }


async def test_any_text_comes_back_as_it_was(desk: Desk):
    text = 'Ñandú 🍲 \0 "quoted" \u202e'
    customer_id = await desk.register(name=text, addresses=[address("home", street=text)])
    customer = await desk.get(customer_id)
    assert (customer.name, customer.addresses[0].street) == (text, text)


async def test_a_change_counts_at_once_here_and_within_its_bound_elsewhere(desk: Desk, other_desk: Desk):
    customer_id = await desk.register()
    assert (await desk.get(customer_id)).addresses == (await other_desk.get(customer_id)).addresses == []
    await desk.save(customer_id, address("home"))
    assert (await desk.get(customer_id)).addresses == [address("home")]
    desk.clock.advance(FRESH_MS / 1000)
    assert (await other_desk.get(customer_id)).addresses == [address("home")]


async def test_customers_of_all_nodes_are_found(
    four_router: Router, clock: ManualClock, new_id: Callable[[str], str]
):
    desk = Desk(four_router, clock, new_id)
    registered = [await desk.register(name=f"Ana {number}") for number in range(20)]
    assert len({four_router.node("customer", shard_of(customer_id)).name for customer_id in registered}) > 1
    fresh = Desk(four_router, clock, new_id)
    found = await asyncio.gather(*(fresh.get(customer_id) for customer_id in registered))
    assert [customer.name for customer in found] == [f"Ana {number}" for number in range(20)]
