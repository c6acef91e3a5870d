import asyncio

import pytest

from gateway_platform import SECRET, UsersStub
from manual_clock import ManualClock
from tiffin.gateway.tokens import UNKNOWN_EVERY_S, Tokens
from tiffin.primitives.errors import Refusal, Unavailable
from tiffin.rpc import contracts as c
from tiffin.services.users.signing import PlatformTokens, SigningKey, person_claims, platform_key

OTHER = SigningKey.of(b"o" * 32)


@pytest.fixture
def users() -> UsersStub:
    return UsersStub()


def of_session(clock: ManualClock, key: SigningKey = OTHER, **caller: str) -> str:
    holder = c.Caller(**({"role": "customer", "id": "ana"} | caller))
    return key.sign(person_claims(holder, "session-1", clock(), 600))


@pytest.mark.parametrize("role", ["customer", "restaurant", "courier", "operator"])
async def test_a_minted_token_names_its_holder_until_it_expires(
    clock: ManualClock, users: UsersStub, role: str
) -> None:
    tokens, token = Tokens(users, clock), PlatformTokens(SECRET, clock).mint(role, "someone-1", 60)
    now_s = clock().timestamp()
    for at_s in (now_s, now_s + 59.9):
        caller = await tokens.verify(token, at_s)
        assert (caller.role, caller.id) == (role, "someone-1")
    with pytest.raises(Refusal, match="bad_token"):
        await tokens.verify(token, now_s + 60)


async def test_another_secret_opens_nothing(clock: ManualClock, users: UsersStub) -> None:
    token = PlatformTokens(b"t" * 32, clock).mint("customer", "someone", 60)
    with pytest.raises(Refusal, match="bad_token"):
        await Tokens(users, clock).verify(token, clock().timestamp())


async def test_no_other_text_than_the_token_itself_opens(clock: ManualClock, users: UsersStub) -> None:
    """Every character of it replaced, left out, doubled: also where base64 has bits to spare."""
    tokens, token = Tokens(users, clock), PlatformTokens(SECRET, clock).mint("customer", "ana", 60)
    now_s = clock().timestamp()
    others = {token[:at] + other + token[at + 1 :] for at in range(len(token)) for other in "Ab1_.!=\n"}
    others |= {token[:at] + token[at + 1 :] for at in range(len(token))}
    others |= {token[:at] + token[at] + token[at:] for at in range(len(token))}
    others |= {
        token[:-1] + other for other in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    }
    others |= {token + other for other in ("=", ".", "\n", "A", "\0")}
    others.discard(token)
    assert len(others) > 2000
    for other in others:
        with pytest.raises(Refusal):
            await tokens.verify(other, now_s)
    assert (await tokens.verify(token, now_s)).id == "ana"


async def test_who_acts_for_a_restaurant_comes_along(clock: ManualClock, users: UsersStub) -> None:
    users.keys.append(OTHER.public_key())
    token = of_session(clock, role="restaurant", id="roma", person="p-1", access="manager")
    caller = await Tokens(users, clock).verify(token, clock().timestamp())
    assert caller == c.Caller(role="restaurant", id="roma", person="p-1", access="manager")


async def test_a_key_nobody_knew_is_asked_for_once_whoever_comes_with_it(
    clock: ManualClock, users: UsersStub
) -> None:
    tokens, now_s = Tokens(users, clock), clock().timestamp()
    await tokens.refresh()
    now_s = clock.advance(UNKNOWN_EVERY_S).timestamp()
    users.keys.append(OTHER.public_key())
    callers = await asyncio.gather(*(tokens.verify(of_session(clock), now_s) for _ in range(100)))
    assert {caller.id for caller in callers} == {"ana"}
    assert users.verifications == 2


async def test_made_up_keys_make_no_more_than_one_question_a_second(
    clock: ManualClock, users: UsersStub
) -> None:
    tokens = Tokens(users, clock)
    for number in range(100):
        forged = of_session(clock, SigningKey.of(number.to_bytes(32, "big")))
        with pytest.raises(Refusal, match="bad_token"):
            await tokens.verify(forged, clock().timestamp())
    assert users.verifications == 1


async def test_what_a_key_signed_holds_no_more_when_the_key_is_gone(
    clock: ManualClock, users: UsersStub
) -> None:
    users.keys.append(OTHER.public_key())
    tokens, token = Tokens(users, clock), of_session(clock)
    await tokens.verify(token, clock().timestamp())
    users.keys.pop()
    await tokens.refresh()
    with pytest.raises(Refusal, match="bad_token"):
        await tokens.verify(token, clock().timestamp())


@pytest.mark.parametrize("ended", ["session-1", "ana"])
async def test_a_token_ends_with_its_session_or_its_person_and_the_next_one_holds(
    clock: ManualClock, users: UsersStub, ended: str
) -> None:
    users.keys.append(OTHER.public_key())
    tokens, token = Tokens(users, clock), of_session(clock)
    await tokens.verify(token, clock().timestamp())
    users.ended.append(c.Ended(id=ended, before_s=clock().timestamp()))
    await tokens.refresh()
    with pytest.raises(Refusal, match="ended"):
        await tokens.verify(token, clock().timestamp())
    clock.advance(0.001)
    assert (await tokens.verify(of_session(clock), clock().timestamp())).id == "ana"


async def test_who_acts_for_a_restaurant_ends_and_the_restaurant_does_not(
    clock: ManualClock, users: UsersStub
) -> None:
    users.keys.append(OTHER.public_key())
    users.ended += [c.Ended(id=gone, before_s=clock().timestamp()) for gone in ("p-1", "roma")]
    tokens, now_s = Tokens(users, clock), clock().timestamp()
    with pytest.raises(Refusal, match="ended"):
        await tokens.verify(of_session(clock, role="restaurant", id="roma", person="p-1"), now_s)
    await tokens.verify(of_session(clock, role="restaurant", id="roma", person="p-2"), now_s)


async def test_while_users_is_away_known_keys_go_on_and_others_are_not_called_forged(
    clock: ManualClock, users: UsersStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens, token = Tokens(users, clock), PlatformTokens(SECRET, clock).mint("customer", "ana", 3600)
    await tokens.verify(token, clock().timestamp())

    async def away(*_: object) -> c.Verification:
        raise Unavailable("connection_lost", "users is away")

    monkeypatch.setattr(users, "verification", away)
    now_s = clock.advance(60).timestamp()
    assert (await tokens.verify(token, now_s)).id == "ana"
    with pytest.raises(Unavailable):
        await tokens.verify(of_session(clock), now_s)


async def test_the_key_set_is_as_other_libraries_read_it(clock: ManualClock, users: UsersStub) -> None:
    (key,) = (await Tokens(users, clock).jwks())["keys"]
    own = platform_key(SECRET)
    assert key == {
        "kty": "OKP",
        "crv": "Ed25519",
        "use": "sig",
        "alg": "EdDSA",
        "kid": own.kid,
        "x": own.public,
    }
