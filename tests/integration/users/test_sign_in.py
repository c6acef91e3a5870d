"""Signing in with a code that was sent to a phone, over HTTP."""

import asyncio
from typing import Any

import pytest

from integration.users.town import Town, wrong
from tiffin.primitives.errors import Unavailable
from tiffin.services.users.accounts import NAMELESS
from tiffin.sharding.slots import shard_of

BAD = (401, "bad_code")


async def finish(town: Town, body: dict[str, Any]) -> tuple[int, str]:
    answer = await town.ask("POST", "/v1/sign-in", body)
    return answer.problem if answer.status >= 400 else (answer.status, "")


async def test_the_first_sign_in_makes_the_account_and_the_next_finds_it(town: Town):
    phone = town.phone()
    first = await town.sign_in(phone, name="Ana")
    again = await town.sign_in(phone, name="Somebody else")
    assert (first.is_new, again.is_new) == (True, False)
    assert again.person_id == first.person_id
    me = await town.ask("GET", "/v1/me", token=again.access_token)
    assert (me.body["id"], me.body["name"], me.body["phone"]) == (first.person_id, "Ana", phone)


async def test_who_gave_no_name_may_say_it_later(town: Town):
    signed_in = await town.sign_in(town.phone())
    me = await town.ask("GET", "/v1/me", token=signed_in.access_token)
    assert me.body["name"] == NAMELESS
    await town.ask("PUT", "/v1/me", {"name": "Ana"}, signed_in.access_token)
    me = await town.ask("GET", "/v1/me", token=signed_in.access_token)
    assert me.body["name"] == "Ana"


async def test_blanks_in_a_phone_make_no_second_account(town: Town):
    phone = town.phone()
    spaced = f"{phone[:3]} {phone[3:6]} {phone[6:]}"
    assert (await town.sign_in(phone)).person_id == (await town.sign_in(spaced)).person_id


async def test_a_customer_that_an_operator_registered_signs_in_with_their_phone(town: Town):
    phone, customer_id = town.phone(), town.new_id("customer")
    operator = town.tokens.mint("operator", "ops", 60)
    registration = {"id": customer_id, "name": "Eva", "phone": phone}
    await town.ask("POST", "/v1/customers", registration, operator)
    signed_in = await town.sign_in(phone)
    assert (signed_in.person_id, signed_in.is_new) == (customer_id, False)


async def test_asking_for_a_code_does_not_tell_whether_anybody_is_known(town: Town):
    known, unknown = town.phone(), town.phone()
    await town.sign_in(known)
    answers = [await town.ask("POST", "/v1/sign-in/codes", {"phone": phone}) for phone in (known, unknown)]
    told = [{**answer.body, "sign_in_id": len(answer.body["sign_in_id"])} for answer in answers]
    assert told[0] == told[1]
    again = [await town.ask("POST", "/v1/sign-in/codes", {"phone": phone}) for phone in (known, unknown)]
    assert again[0].problem == again[1].problem == (429, "too_many_codes")


async def test_a_code_is_kept_as_a_hash_only_its_owner_could_make(town: Town):
    phone = town.phone()
    body = await town.code(phone)
    node = town.router.node("customer", shard_of(phone))
    row = await node.fetchrow("SELECT s::text AS text FROM users.sign_ins s WHERE phone = $1", phone)
    assert row is not None
    assert body["code"] not in row["text"]


REFUSED = {
    "another code": lambda body: {**body, "code": wrong(body["code"])},
    "cut off": lambda body: {**body, "code": body["code"][:4]},
    "longer": lambda body: {**body, "code": body["code"] + "0"},
    "of nobody's sign-in": lambda body: {**body, "sign_in_id": "A" * 16},
    "of another phone": lambda body: {**body, "phone": "+4930123456"},
}


@pytest.mark.parametrize("change", REFUSED.values(), ids=REFUSED.keys())
async def test_what_is_not_the_code_for_this_phone_opens_nothing(town: Town, change: Any):
    body = await town.code(town.phone())
    assert await finish(town, change(body)) == BAD
    assert await finish(town, body) == (201, "")


@pytest.mark.parametrize(
    "body",
    [
        {"code": "abcdef"}, {"code": "12 456"}, {"code": "１２３４５６"}, {"code": "1' OR '1"},
        {"code": 123456}, {"code": ""}, {"phone": "0601"}, {"phone": "+0123456789"},
        {"sign_in_id": "../.."}, {"role": "system"},
        {"role": "visitor"}, {"role": "operator", "person_id": "ops"},
    ],
)  # fmt: skip
async def test_what_is_no_code_at_all_is_not_even_compared(town: Town, body: dict[str, Any]):
    good = await town.code(town.phone())
    assert await finish(town, {**good, **body}) == (422, "invalid_request")


async def test_a_code_is_good_once(town: Town):
    body = await town.code(town.phone())
    assert await finish(town, body) == (201, "")
    assert await finish(town, body) == BAD


async def test_a_code_expires(town: Town):
    body = await town.code(town.phone())
    town.clock.advance(town.policy.code_s)
    assert await finish(town, body) == BAD


async def test_a_newer_code_takes_the_place_of_the_older(town: Town):
    phone = town.phone()
    older = await town.code(phone)
    town.clock.advance(town.policy.code_again_s)
    newer = await town.code(phone)
    assert await finish(town, older) == BAD
    assert await finish(town, {**older, "sign_in_id": newer["sign_in_id"]}) in (BAD, (201, ""))


async def test_after_too_many_guesses_the_right_code_is_refused_too(town: Town):
    body = await town.code(town.phone())
    for _ in range(town.policy.guesses_max):
        assert await finish(town, {**body, "code": wrong(body["code"])}) == BAD
    assert await finish(town, body) == BAD


async def test_guesses_of_who_did_not_ask_for_the_code_do_not_count(town: Town):
    body = await town.code(town.phone())
    for _ in range(town.policy.guesses_max * 2):
        assert await finish(town, {**body, "sign_in_id": "B" * 16}) == BAD
    assert await finish(town, body) == (201, "")


async def test_two_hundred_guesses_at_once_are_no_more_than_five(town: Town):
    body = await town.code(town.phone())
    codes = [f"{number:06}" for number in range(200) if f"{number:06}" != body["code"]]
    answers = await asyncio.gather(*(finish(town, {**body, "code": code}) for code in codes))
    assert set(answers) == {BAD}
    assert await finish(town, body) == BAD


async def test_of_a_hundred_who_come_with_one_code_one_gets_a_session(town: Town):
    phone = town.phone()
    body = await town.code(phone)
    answers = await asyncio.gather(*(finish(town, body) for _ in range(100)))
    assert sorted(answers) == [(201, ""), *[BAD] * 99]
    town.clock.advance(town.policy.code_again_s)
    person_id = (await town.sign_in(phone)).person_id
    node = town.router.node("customer", shard_of(person_id))
    rows = await node.fetch("SELECT FROM users.sessions WHERE person_id = $1", person_id)
    assert len(rows) == 2, "the one of the hundred, and this one"


async def test_two_first_sign_ins_at_the_same_moment_make_one_account(town: Town):
    phone = town.phone()
    accounts = [town.process()._accounts for _ in range(10)]
    made = await asyncio.gather(*(each.person(phone, "Ana") for each in accounts))
    assert len({person_id for person_id, _ in made}) == 1
    assert sum(is_new for _, is_new in made) == 1


async def test_codes_for_a_phone_are_limited_and_the_limit_is_told(town: Town):
    phone, policy = town.phone(), town.policy
    for _ in range(policy.codes_per_phone_max):
        await town.code(phone)
        too_soon = await town.ask("POST", "/v1/sign-in/codes", {"phone": phone})
        assert too_soon.problem == (429, "too_many_codes")
        town.clock.advance(policy.code_again_s)
    answer = await town.ask("POST", "/v1/sign-in/codes", {"phone": phone})
    assert answer.problem == (429, "too_many_codes")
    wait_s = policy.codes_window_s - policy.codes_per_phone_max * policy.code_again_s
    assert (answer.body["retry_after_s"], answer.headers["Retry-After"]) == (wait_s, str(wait_s))
    assert len(town.sent[phone]) == policy.codes_per_phone_max
    town.clock.advance(wait_s)
    await town.code(phone)


async def test_a_hundred_who_want_a_code_for_one_phone_at_once_cause_one_message(town: Town):
    phone = town.phone()
    ask = [town.ask("POST", "/v1/sign-in/codes", {"phone": phone}) for _ in range(100)]
    answers = await asyncio.gather(*ask)
    assert sorted(answer.status for answer in answers) == [201, *[429] * 99]
    assert len(town.sent[phone]) == 1


async def test_a_code_that_cannot_be_sent_is_not_promised(town: Town):
    town.not_sent = Unavailable("database_unavailable", "away")
    answer = await town.ask("POST", "/v1/sign-in/codes", {"phone": town.phone()})
    assert answer.problem == (503, "code_not_sent")
    assert answer.headers["Retry-After"] == str(town.policy.code_again_s)


async def test_phones_that_once_wanted_a_code_are_not_kept_for_ever(town: Town):
    phone = town.phone()
    await town.code(phone)
    town.clock.advance(town.policy.codes_window_s + 1)
    await town.users.forget_old(town.router.nodes)
    node = town.router.node("customer", shard_of(phone))
    assert await node.fetch("SELECT FROM users.sign_ins WHERE phone = $1", phone) == []
