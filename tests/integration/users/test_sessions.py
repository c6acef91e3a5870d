"""Refresh tokens, access tokens, and how they end."""

import asyncio
from datetime import timedelta

import jwt
import pytest

from integration.users.town import Town
from tiffin.rpc import contracts as c
from tiffin.services.users.credentials import hash_of_secret
from tiffin.sharding.slots import shard_of

BAD = (401, "bad_refresh_token")


async def test_an_access_token_is_short_lived_and_a_refresh_token_brings_the_next(town: Town):
    signed_in = await town.sign_in(town.phone())
    town.clock.advance(town.policy.access_token_s)
    assert not await town.opens(signed_in.access_token)
    again = await town.refresh(signed_in)
    assert again.status == 200
    assert again.body["expires_in_s"] == town.policy.access_token_s
    assert await town.opens(again.body["access_token"])


async def test_a_refresh_token_used_again_ends_the_session_for_both_who_have_it(town: Town):
    signed_in = await town.sign_in(town.phone())
    thief = await town.refresh(signed_in)
    assert (await town.refresh(signed_in)).problem == BAD
    following = c.SignedIn(**{**thief.body})
    assert (await town.refresh(following)).problem == BAD
    await town.news()
    assert not await town.opens(thief.body["access_token"])
    assert not await town.opens(signed_in.access_token)


async def test_of_many_who_refresh_at_once_no_two_go_on(town: Town):
    signed_in = await town.sign_in(town.phone())
    answers = await asyncio.gather(*(town.refresh(signed_in) for _ in range(20)))
    assert sum(answer.status == 200 for answer in answers) <= 1
    for answer in answers:
        if answer.status == 200:
            assert (await town.refresh(c.SignedIn(**answer.body))).problem == BAD


@pytest.mark.parametrize(
    "change",
    [
        lambda token: token[:-1] + ("A" if token[-1] != "A" else "B"),
        lambda token: token.replace("tr_", "tk_"),
        lambda token: token.rpartition(".")[0],
        lambda token: "",
        lambda token: "tr_...",
        lambda token: "tr_a.b.\u00e9",
        lambda token: token.replace(".", "\\", 1),
    ],
)
async def test_what_is_no_refresh_token_brings_nothing(town: Town, change):
    signed_in = await town.sign_in(town.phone())
    answer = await town.ask("POST", "/v1/sign-in/refresh", {"refresh_token": change(signed_in.refresh_token)})
    assert answer.problem == BAD


async def test_an_access_token_is_no_refresh_token_nor_the_other_way_round(town: Town):
    signed_in = await town.sign_in(town.phone())
    body = {"refresh_token": signed_in.access_token[:300]}
    assert (await town.ask("POST", "/v1/sign-in/refresh", body)).problem == BAD
    assert not await town.opens(signed_in.refresh_token)


async def test_a_session_that_is_not_used_ends(town: Town):
    signed_in = await town.sign_in(town.phone())
    town.clock.advance(town.policy.session_s - town.policy.code_again_s)
    assert (await town.refresh(signed_in)).problem == BAD
    await town.users.forget_old(town.router.nodes)
    node = town.router.node("customer", shard_of(signed_in.person_id))
    rows = await node.fetch("SELECT FROM users.sessions WHERE person_id = $1", signed_in.person_id)
    assert rows == []


async def test_signing_out_ends_this_session_and_no_other(town: Town):
    phone = town.phone()
    here, there = await town.sign_in(phone), await town.sign_in(phone)
    body = {"refresh_token": here.refresh_token}
    assert (await town.ask("POST", "/v1/sign-out", body)).body == {"sessions": 1}
    assert (await town.ask("POST", "/v1/sign-out", body)).body == {"sessions": 0}
    assert (await town.refresh(here)).problem == BAD
    await town.news()
    assert not await town.opens(here.access_token)
    assert await town.opens(there.access_token)
    assert (await town.refresh(there)).status == 200


async def test_signing_out_everywhere_ends_all_and_the_next_sign_in_holds(town: Town):
    phone = town.phone()
    sessions = [await town.sign_in(phone) for _ in range(3)]
    person_id = sessions[0].person_id
    path = f"/v1/people/{person_id}/sign-out"
    assert (await town.ask("POST", path, token=sessions[0].access_token)).body == {"sessions": 3}
    await town.news()
    for session in sessions:
        assert (await town.refresh(session)).problem == BAD
        assert not await town.opens(session.access_token)
    town.clock.advance(0.001)
    assert await town.opens((await town.sign_in(phone)).access_token)


async def test_nobody_signs_another_out(town: Town):
    ana, eva = await town.sign_in(town.phone()), await town.sign_in(town.phone())
    answer = await town.ask("POST", f"/v1/people/{ana.person_id}/sign-out", token=eva.access_token)
    assert answer.problem == (404, "person_not_found")
    assert (await town.refresh(ana)).status == 200


async def test_a_person_has_so_many_sessions_and_the_least_used_goes_first(town: Town):
    phone = town.phone()
    sessions = [await town.sign_in(phone)]
    while len(sessions) <= town.policy.sessions_max:
        if len(town.sent[phone]) % town.policy.codes_per_phone_max == 0:
            town.clock.advance(town.policy.codes_window_s)
        sessions.append(await town.sign_in(phone))
    assert (await town.refresh(sessions[0])).problem == BAD
    assert (await town.refresh(sessions[1])).status == 200


async def test_refresh_tokens_are_kept_as_hashes(town: Town):
    signed_in = await town.sign_in(town.phone())
    secret = signed_in.refresh_token.rpartition(".")[2]
    node = town.router.node("customer", shard_of(signed_in.person_id))
    row = await node.fetchrow(
        "SELECT s::text AS text, refresh_hash FROM users.sessions s WHERE person_id = $1", signed_in.person_id
    )
    assert row is not None
    assert row["refresh_hash"] == hash_of_secret(secret)
    assert secret not in row["text"]


async def test_what_has_ended_is_told_no_longer_than_a_token_could_hold(town: Town):
    signed_in = await town.sign_in(town.phone())
    await town.users.sign_out(town.context(), c.SignOut(refresh_token=signed_in.refresh_token))
    session_id = jwt.decode(signed_in.access_token, options={"verify_signature": False})["sid"]

    async def told() -> bool:
        found = await town.users.verification(town.context(), c.VerificationQuery())
        return session_id in {ended.id for ended in found.ended}

    assert await told()
    town.clock.now += timedelta(hours=1)
    assert not await told()
    await town.users.forget_old(town.router.nodes)
    rows = await town.router.directory.fetch("SELECT FROM users.ended WHERE id = $1", session_id)
    assert rows == []


async def test_the_token_says_no_more_than_it_must(town: Town):
    signed_in = await town.sign_in(town.phone(), name="Ana")
    claims = jwt.decode(signed_in.access_token, options={"verify_signature": False})
    assert claims.keys() == {"iss", "aud", "sub", "role", "iat", "exp", "sid"}
    assert claims["exp"] - int(claims["iat"]) == town.policy.access_token_s
