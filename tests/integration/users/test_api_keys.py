"""Keys of restaurants' and partners' systems."""

import pytest

from integration.users.test_roles import Kitchen
from integration.users.town import Answer, Town
from tiffin.gateway.api_keys import FRESH_S
from tiffin.sharding.slots import shard_of

FORBIDDEN = (403, "forbidden")


async def create(town: Town, token: str, subject: str, role: str = "restaurant") -> Answer:
    body = {"role": role, "subject": subject, "label": "till"}
    return await town.ask("POST", "/v1/api-keys", body, token)


@pytest.fixture
async def kitchen(town: Town) -> Kitchen:
    return await Kitchen(town).open()


async def test_a_key_acts_for_its_restaurant_until_it_is_revoked(kitchen: Kitchen):
    town, owner = kitchen.town, kitchen.tokens["owner"]
    created = await create(town, owner, kitchen.restaurant)
    key, about = created.body["key"], created.body["about"]
    assert key.startswith(f"tk_{kitchen.restaurant}.")
    assert key.startswith(f"tk_{about['key_id']}.")
    assert await town.opens(key)
    revoked = await town.ask("DELETE", f"/v1/api-keys/{about['key_id']}", token=owner)
    assert revoked.body["keys"] == []
    town.clock.advance(FRESH_S)
    assert not await town.opens(key)


async def test_what_is_kept_and_shown_of_a_key_opens_nothing(kitchen: Kitchen):
    town, owner = kitchen.town, kitchen.tokens["owner"]
    created = await create(town, owner, kitchen.restaurant)
    secret = created.body["key"].rpartition(".")[2]
    listed = await town.ask("GET", f"/v1/api-keys?subject={kitchen.restaurant}", token=owner)
    assert secret not in str(listed.body)
    node = town.router.node("restaurant", shard_of(kitchen.restaurant))
    row = await node.fetchrow(
        "SELECT k::text AS text FROM users.api_keys k WHERE subject = $1", kitchen.restaurant
    )
    assert row is not None
    assert secret not in row["text"]


async def test_the_last_use_is_noted_to_the_minute(kitchen: Kitchen):
    town, owner = kitchen.town, kitchen.tokens["owner"]
    key = (await create(town, owner, kitchen.restaurant)).body["key"]

    async def used_at() -> str | None:
        listed = await town.ask("GET", f"/v1/api-keys?subject={kitchen.restaurant}", token=owner)
        return listed.body["keys"][0].get("used_at")

    assert await used_at() is None
    await town.opens(key)
    first = await used_at()
    assert first is not None
    town.clock.advance(30)
    await town.opens(key)
    assert await used_at() == first
    town.clock.advance(30)
    await town.opens(key)
    assert await used_at() != first


REFUSED = {
    "secret altered": lambda key: key[:-1] + ("A" if key[-1] != "A" else "B"),
    "secret cut off": lambda key: key.rpartition(".")[0] + ".",
    "no secret": lambda key: key.rpartition(".")[0],
    "another restaurant's": lambda key: "tk_roma." + key.split(".", 1)[1],
    "without its prefix": lambda key: key.removeprefix("tk_"),
    "in capitals": lambda key: key.upper(),
    "with blanks": lambda key: f" {key}",
    "with a hash for its secret": lambda key: key.rpartition(".")[0] + "." + "0" * 64,
    "without end": lambda key: key + "A" * 1000,
}


@pytest.mark.parametrize("change", REFUSED.values(), ids=REFUSED.keys())
async def test_what_is_not_the_whole_key_opens_nothing(kitchen: Kitchen, change):
    town = kitchen.town
    key = (await create(town, kitchen.tokens["owner"], kitchen.restaurant)).body["key"]
    assert not await town.opens(change(key))
    assert await town.opens(key)


@pytest.mark.parametrize("access", ["manager", "staff"])
async def test_keys_are_the_owners_business(kitchen: Kitchen, access: str):
    town, token = kitchen.town, kitchen.tokens[access]
    assert (await create(town, token, kitchen.restaurant)).problem == FORBIDDEN
    listed = await town.ask("GET", f"/v1/api-keys?subject={kitchen.restaurant}", token=token)
    assert listed.problem == FORBIDDEN


async def test_a_key_makes_no_keys_and_no_staff(kitchen: Kitchen):
    town = kitchen.town
    key = (await create(town, kitchen.tokens["owner"], kitchen.restaurant)).body["key"]
    assert (await create(town, key, kitchen.restaurant)).problem == FORBIDDEN
    body = {"phone": town.phone(), "access": "staff"}
    invited = await town.ask("POST", f"/v1/restaurants/{kitchen.restaurant}/staff", body, key)
    assert invited.problem == FORBIDDEN


async def test_another_restaurants_keys_are_not_there(kitchen: Kitchen):
    town, other = kitchen.town, await Kitchen(kitchen.town).open()
    created = await create(town, kitchen.tokens["owner"], kitchen.restaurant)
    key_id, token = created.body["about"]["key_id"], other.tokens["owner"]
    for answer in (
        await create(town, token, kitchen.restaurant),
        await town.ask("GET", f"/v1/api-keys?subject={kitchen.restaurant}", token=token),
        await town.ask("DELETE", f"/v1/api-keys/{key_id}", token=token),
        await create(town, token, other.restaurant, role="operator"),
        await create(town, token, other.restaurant, role="customer"),
    ):
        assert answer.problem == (404, "api_key_not_found")
    assert await town.opens(created.body["key"])


async def test_an_operator_gives_a_partner_a_key_for_one_role_and_subject(town: Town):
    ops, partner = town.tokens.mint("operator", "ops", 100_000), town.new_id("fleet")
    key = (await create(town, ops, partner, role="courier")).body["key"]
    assert (await town.ask("GET", "/v1/me", token=key)).problem == FORBIDDEN
    assert await town.opens(key)


async def test_so_many_keys_and_no_more(kitchen: Kitchen):
    town, owner = kitchen.town, kitchen.tokens["owner"]
    answers = [await create(town, owner, kitchen.restaurant) for _ in range(51)]
    assert [answer.status for answer in answers] == [*[201] * 50, 409]
    assert answers[-1].problem == (409, "too_many_api_keys")
