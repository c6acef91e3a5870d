"""In which roles people may act, and who decides it."""

import asyncio
from typing import Any

import jwt
import pytest

from integration.users.town import Answer, Town
from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.services.users.service import UsersService

FORBIDDEN = (403, "forbidden")


async def invite(town: Town, token: str, restaurant: str, phone: str, access: str) -> Answer:
    body = {"phone": phone, "access": access}
    return await town.ask("POST", f"/v1/restaurants/{restaurant}/staff", body, token)


async def act(town: Town, phone: str, restaurant: str) -> str:
    """Sign in as the restaurant's staff."""
    signed_in = await town.sign_in(phone, role="restaurant", restaurant_id=restaurant)
    return signed_in.access_token


class Kitchen:
    """A restaurant with an owner, a manager and a member of staff."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.restaurant = town.new_id("restaurant")
        self.phones = {access: town.phone() for access in ("owner", "manager", "staff")}
        self.tokens: dict[str, str] = {}

    async def open(self) -> "Kitchen":
        token = self.town.tokens.mint("operator", "ops", 100_000)
        for access, phone in self.phones.items():
            answer = await invite(self.town, token, self.restaurant, phone, access)
            assert answer.status == 201, answer.body
        self.tokens = {
            access: await act(self.town, phone, self.restaurant) for access, phone in self.phones.items()
        }
        return self

    async def id_of(self, access: str) -> str:
        """In the restaurant: what it is told."""
        staff = await self.staff(self.tokens["owner"])
        return next(each["member_id"] for each in staff if each["access"] == access)

    async def person(self, access: str) -> str:
        """Whom operators know them as."""
        staff = await self.staff(self.town.tokens.mint("operator", "ops", 100_000))
        return next(each["person_id"] for each in staff if each["access"] == access)

    async def staff(self, token: str) -> list[dict[str, Any]]:
        listed = await self.town.ask("GET", f"/v1/restaurants/{self.restaurant}/staff", token=token)
        assert listed.status == 200, listed.body
        return listed.body["staff"]

    async def dismiss(self, by: str, access: str) -> Answer:
        path = f"/v1/restaurants/{self.restaurant}/staff/{await self.id_of(access)}"
        return await self.town.ask("DELETE", path, token=self.tokens[by])


@pytest.fixture
async def kitchen(town: Town) -> Kitchen:
    return await Kitchen(town).open()


async def test_staff_act_as_their_restaurant_and_it_is_known_who(kitchen: Kitchen):
    claims = jwt.decode(kitchen.tokens["manager"], options={"verify_signature": False})
    assert (claims["role"], claims["sub"], claims["access"]) == ("restaurant", kitchen.restaurant, "manager")
    assert claims["person"] == await kitchen.person("manager")
    town = kitchen.town
    answer = await town.ask(
        "GET", f"/v1/restaurants/{kitchen.restaurant}/orders", token=kitchen.tokens["staff"],
        **{"X-Request-Id": f"of-{kitchen.restaurant}"},
    )  # fmt: skip
    assert answer.status == 200
    context, _ = town.orders.asked[f"of-{kitchen.restaurant}"]
    assert context.caller == c.Caller(
        role="restaurant", id=kitchen.restaurant, person=await kitchen.person("staff"), access="staff"
    )


@pytest.mark.parametrize(
    ("by", "access", "may"),
    [
        ("owner", "owner", True), ("owner", "manager", True), ("owner", "staff", True),
        ("manager", "owner", False), ("manager", "manager", False), ("manager", "staff", True),
        ("staff", "owner", False), ("staff", "manager", False), ("staff", "staff", False),
    ],
)  # fmt: skip
async def test_who_may_take_on_whom(kitchen: Kitchen, by: str, access: str, may: bool):
    town = kitchen.town
    answer = await invite(town, kitchen.tokens[by], kitchen.restaurant, town.phone(), access)
    assert answer.status == 201 if may else answer.problem == FORBIDDEN


@pytest.mark.parametrize("by", ["manager", "staff"])
@pytest.mark.parametrize("access", ["owner", "manager"])
async def test_nobody_brings_down_who_stands_above_them(kitchen: Kitchen, by: str, access: str):
    town = kitchen.town
    if by != access:
        dismissed = await kitchen.dismiss(by, access)
        assert dismissed.problem == FORBIDDEN
    lowered = await invite(town, kitchen.tokens[by], kitchen.restaurant, kitchen.phones[access], "staff")
    assert lowered.problem == FORBIDDEN
    assert await kitchen.id_of(access)


async def test_whoever_is_dismissed_may_nothing_more_within_seconds(kitchen: Kitchen):
    town = kitchen.town
    assert (await kitchen.dismiss("owner", "staff")).status == 200
    await town.news()
    assert not await town.opens(kitchen.tokens["staff"])
    assert await town.opens(kitchen.tokens["manager"])
    body = {**await town.code(kitchen.phones["staff"]), "role": "restaurant"}
    refused = await town.ask("POST", "/v1/sign-in", {**body, "restaurant_id": kitchen.restaurant})
    assert refused.problem == (403, "role_not_granted")
    as_customer = await town.ask("POST", "/v1/sign-in", {**body, "role": "customer"})
    assert as_customer.status == 201, "the code was not used up by asking for too much"


async def test_whoever_was_promoted_signs_in_anew_and_may_more(kitchen: Kitchen):
    town = kitchen.town
    answer = await invite(
        town, kitchen.tokens["owner"], kitchen.restaurant, kitchen.phones["staff"], "manager"
    )
    assert (answer.status, answer.body["access"]) == (201, "manager")
    await town.news()
    assert not await town.opens(kitchen.tokens["staff"]), "it says what they were"
    town.clock.advance(0.001)
    token = await act(town, kitchen.phones["staff"], kitchen.restaurant)
    assert (await invite(town, token, kitchen.restaurant, town.phone(), "staff")).status == 201


async def test_anybody_may_leave(kitchen: Kitchen):
    assert (await kitchen.dismiss("staff", "staff")).status == 200
    listed = await kitchen.town.ask(
        "GET", f"/v1/restaurants/{kitchen.restaurant}/staff", token=kitchen.tokens["owner"]
    )
    assert sorted(each["access"] for each in listed.body["staff"]) == ["manager", "owner"]


async def test_one_person_works_for_several_restaurants_and_changes_between_them(kitchen: Kitchen):
    town = kitchen.town
    other = await Kitchen(town).open()
    phone = kitchen.phones["manager"]
    await invite(town, other.tokens["owner"], other.restaurant, phone, "staff")
    signed_in = await town.sign_in(phone)
    listed = await town.ask("GET", f"/v1/people/{signed_in.person_id}/roles", token=signed_in.access_token)
    held = {grant["subject"]: grant["access"] for grant in listed.body["grants"]}
    assert held == {kitchen.restaurant: "manager", other.restaurant: "staff"}
    for restaurant, access in held.items():
        answer = await town.refresh(signed_in, role="restaurant", restaurant_id=restaurant)
        signed_in = c.SignedIn(**{**answer.body})
        claims = jwt.decode(signed_in.access_token, options={"verify_signature": False})
        assert (claims["sub"], claims["access"]) == (restaurant, access)
    nowhere = await town.refresh(signed_in, role="restaurant", restaurant_id=town.new_id("restaurant"))
    assert nowhere.problem == (403, "role_not_granted")
    assert (await town.refresh(signed_in)).status == 200, "the refresh token was not used up by it"


async def test_another_restaurants_staff_is_not_there(kitchen: Kitchen):
    town = kitchen.town
    other = await Kitchen(town).open()
    path = f"/v1/restaurants/{kitchen.restaurant}/staff"
    token = other.tokens["owner"]
    for answer in (
        await town.ask("GET", path, token=token),
        await invite(town, token, kitchen.restaurant, town.phone(), "owner"),
        await town.ask("DELETE", f"{path}/{await kitchen.id_of('staff')}", token=token),
    ):
        assert answer.problem == (404, "restaurant_not_found")


async def test_an_invitation_does_not_tell_whether_the_phone_is_known(kitchen: Kitchen):
    town = kitchen.town
    known, unknown = town.phone(), town.phone()
    await town.sign_in(known, name="Eva")
    told = [
        (await invite(town, kitchen.tokens["owner"], kitchen.restaurant, phone, "staff")).body
        for phone in (known, unknown)
    ]
    assert [each.keys() for each in told] == [{"member_id", "access", "since"}] * 2
    assert len({len(each["member_id"]) for each in told}) == 1


async def test_a_restaurant_does_not_learn_which_of_its_customers_works_there(kitchen: Kitchen):
    town, phone = kitchen.town, kitchen.town.phone()
    ana = (await town.sign_in(phone, name="Ana")).person_id
    other = await Kitchen(town).open()
    told: list[Answer] = []
    for of in (kitchen, other):
        path = f"/v1/restaurants/{of.restaurant}"
        token = of.tokens["owner"]
        told.append(await invite(town, token, of.restaurant, phone, "owner"))
        anas = await act(town, phone, of.restaurant)
        key = {"role": "restaurant", "subject": of.restaurant, "label": "till"}
        told += [
            await town.ask("POST", "/v1/api-keys", key, anas),
            await town.ask("GET", f"/v1/api-keys?subject={of.restaurant}", token=token),
            await town.ask("GET", f"{path}/staff", token=token),
            await town.ask("DELETE", f"{path}/staff/{told[-1].body['member_id']}", token=token),
        ]
        assert told[-4].body["about"]["created_by"] == told[-5].body["member_id"]
        town.clock.advance(town.policy.code_again_s)
    assert [answer.status for answer in told] == [201, 201, 200, 200, 200] * 2
    assert not any(ana in str(answer.body) for answer in told)
    assert told[0].body["member_id"] != told[5].body["member_id"], "nor two restaurants that they share one"


async def test_whoever_asks_for_the_staff_finds_themselves(kitchen: Kitchen):
    for access in ("owner", "manager", "staff"):
        staff = await kitchen.staff(kitchen.tokens[access])
        assert [each["access"] for each in staff if each.get("is_caller")] == [access]


async def test_the_last_owner_stays_until_there_is_another(kitchen: Kitchen):
    town = kitchen.town
    token, restaurant = kitchen.tokens["owner"], kitchen.restaurant
    last = (409, "last_owner")
    assert (await kitchen.dismiss("owner", "owner")).problem == last
    assert (await invite(town, token, restaurant, kitchen.phones["owner"], "manager")).problem == last
    await town.news()
    assert await town.opens(token)
    await invite(town, token, restaurant, town.phone(), "owner")
    assert (await invite(town, token, restaurant, kitchen.phones["owner"], "manager")).status == 201
    staff = await kitchen.staff(town.tokens.mint("operator", "ops", 100_000))
    assert sorted(each["access"] for each in staff) == ["manager", "manager", "owner", "staff"]


async def test_of_owners_who_all_leave_at_once_one_stays(kitchen: Kitchen):
    """Each by another process."""
    town, restaurant = kitchen.town, kitchen.restaurant
    for _ in range(4):
        await invite(town, kitchen.tokens["owner"], restaurant, town.phone(), "owner")
    staff = await kitchen.staff(town.tokens.mint("operator", "ops", 100_000))
    owners = [each for each in staff if each["access"] == "owner"]
    processes = [town.process() for _ in owners]

    async def leave(users: UsersService, owner: dict[str, Any]) -> str:
        context = town.context("restaurant", restaurant)
        context.caller = c.Caller(role="restaurant", id=restaurant, person=owner["person_id"], access="owner")
        request = c.StaffRef(restaurant_id=restaurant, member_id=owner["member_id"])
        try:
            await users.remove_staff(context, request)
        except Refusal as refusal:
            return refusal.code
        return "left"

    asked = c.StaffOf(restaurant_id=restaurant)
    await asyncio.gather(*(users.list_staff(town.context(), asked) for users in processes))  # all connect
    outcomes = await asyncio.gather(*map(leave, processes, owners))
    assert sorted(outcomes) == ["last_owner", *["left"] * 4]
    assert [each["access"] for each in await kitchen.staff(kitchen.tokens["manager"])].count("owner") == 1


async def test_an_operator_takes_the_last_owner_away(kitchen: Kitchen):
    path = f"/v1/restaurants/{kitchen.restaurant}/staff/{await kitchen.id_of('owner')}"
    token = kitchen.town.tokens.mint("operator", "ops", 100_000)
    assert (await kitchen.town.ask("DELETE", path, token=token)).status == 200


@pytest.mark.parametrize("role", ["courier", "operator"])
async def test_an_operator_makes_couriers_and_operators_and_takes_it_away_again(town: Town, role: str):
    ops, phone = town.tokens.mint("operator", "ops", 100_000), town.phone()
    refused = await town.ask("POST", "/v1/sign-in", {**await town.code(phone), "role": role})
    assert refused.problem == (403, "role_not_granted")
    town.clock.advance(town.policy.code_again_s)
    granted = await town.ask("POST", "/v1/people/roles", {"phone": phone, "role": role}, ops)
    assert granted.status == 201
    person_id = granted.body["person_id"]
    signed_in = await town.sign_in(phone, role=role)
    claims = jwt.decode(signed_in.access_token, options={"verify_signature": False})
    assert (claims["role"], claims["sub"]) == (role, person_id)
    taken = await town.ask("DELETE", f"/v1/people/{person_id}/roles/{role}", token=ops)
    assert taken.body["grants"] == []
    await town.news()
    assert not await town.opens(signed_in.access_token)
    assert (await town.refresh(signed_in, role=role)).problem == (403, "role_not_granted")


@pytest.mark.parametrize("role", ["customer", "restaurant", "courier"])
async def test_nobody_else_makes_operators(town: Town, role: str):
    token = town.tokens.mint(role, "somebody", 3600)
    body = {"phone": town.phone(), "role": "operator"}
    assert (await town.ask("POST", "/v1/people/roles", body, token)).problem == FORBIDDEN


async def test_the_same_invitation_many_times_at_once_is_one(kitchen: Kitchen):
    town, phone = kitchen.town, kitchen.town.phone()
    token = kitchen.tokens["owner"]
    await asyncio.gather(*(invite(town, token, kitchen.restaurant, phone, "staff") for _ in range(20)))
    listed = await town.ask("GET", f"/v1/restaurants/{kitchen.restaurant}/staff", token=token)
    assert len(listed.body["staff"]) == 4
