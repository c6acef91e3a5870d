"""Signing keys that follow one another by themselves, shared by every process, sealed at rest."""

import asyncio
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Callable
from secrets import token_bytes

import jwt
import pytest

from integration.users.town import SECRET, Town
from manual_clock import ManualClock
from tiffin.rpc import contracts as c
from tiffin.rpc.access_token import LIFETIME_MAX_S
from tiffin.services.users.key_store import KeyStore
from tiffin.services.users.rotation import AHEAD, SKEW
from tiffin.sharding.router import Router
from tiffin.storage.node import Node

AGE_S = 7 * 24 * 3600


@pytest.fixture
async def directory(node: Node) -> Node:
    """The one table of this kind, as a platform begins with it."""
    await node.execute("DELETE FROM users.signing_keys")
    return node


@pytest.fixture
async def young(
    directory: Node, router: Router, clock: ManualClock, new_id: Callable[[str], str]
) -> AsyncIterator[Town]:
    async with Town(router, clock, new_id).open() as town:
        yield town


def store(directory: Node, secret: bytes = SECRET) -> KeyStore:
    return KeyStore(directory, secret, AGE_S, token_bytes)


def kid_of(signed_in: c.SignedIn) -> str:
    return jwt.get_unverified_header(signed_in.access_token)["kid"]


async def test_processes_that_start_at_once_make_one_key_between_them(directory: Node, clock: ManualClock):
    keys = await asyncio.gather(*(store(directory).signing_key(clock()) for _ in range(10)))
    assert len({key.kid for key in keys}) == 1
    assert len(await store(directory).public_keys(clock())) == 2, "with the platform's own"


async def test_the_private_half_is_sealed(clock: ManualClock, directory: Node):
    seeds: list[bytes] = []

    def remembered(count: int) -> bytes:
        seeds.append(token_bytes(count))
        return seeds[-1]

    await KeyStore(directory, SECRET, AGE_S, remembered).signing_key(clock())
    row = await directory.fetchrow("SELECT k::text AS text, sealed FROM users.signing_keys k")
    assert row is not None
    (seed,) = seeds
    assert seed not in row["sealed"]
    assert seed.hex() not in row["text"]
    assert urlsafe_b64encode(seed).rstrip(b"=").decode() not in row["text"]


async def test_keys_take_over_from_one_another_and_what_an_old_one_signed_holds_until_it_expires(young: Town):
    town, clock = young, young.clock
    first = await town.sign_in(town.phone())
    clock.advance(AGE_S - AHEAD.total_seconds())
    last_of_old = await town.sign_in(town.phone())
    assert kid_of(last_of_old) == kid_of(first), "the next one is known, and does not sign yet"
    await town.news()
    published = {key["kid"] for key in (await town.ask("GET", "/.well-known/jwks.json")).body["keys"]}
    assert len(published) == 3
    clock.advance(AHEAD.total_seconds())
    of_new = await town.sign_in(town.phone())
    assert kid_of(of_new) != kid_of(first)
    assert kid_of(of_new) in published
    assert await town.opens(of_new.access_token)
    assert await town.opens(last_of_old.access_token)


async def test_a_key_is_dropped_when_nothing_it_signed_can_hold(young: Town):
    town, clock = young, young.clock
    old = kid_of(await town.sign_in(town.phone()))
    clock.advance(AGE_S)
    await town.sign_in(town.phone())
    clock.advance(AHEAD.total_seconds())

    async def known() -> set[str]:
        found = await town.process().verification(town.context(), c.VerificationQuery())
        return {key.kid for key in found.keys}

    clock.advance(LIFETIME_MAX_S + SKEW.total_seconds() - 60)
    assert old in await known()
    clock.advance(60)
    assert old not in await known()


async def test_a_gateway_learns_of_a_key_by_the_first_token_it_signed(young: Town):
    town = young
    await town.news()
    signed_in = await town.sign_in(town.phone())
    assert await town.opens(signed_in.access_token)


async def test_another_secret_opens_no_keys_and_makes_its_own(directory: Node, clock: ManualClock):
    ours = await store(directory).signing_key(clock())
    other = store(directory, b"another secret, as long as a secret has to be")
    theirs = await other.signing_key(clock())
    assert theirs.kid != ours.kid
    assert (await store(directory).signing_key(clock())).kid == ours.kid


async def test_rotation_goes_on_without_anybody_signing_in(directory: Node, clock: ManualClock):
    keys = store(directory)
    await keys.public_keys(clock())
    for _ in range(5):
        clock.advance(AGE_S + LIFETIME_MAX_S)
        await keys.public_keys(clock())
    assert 2 <= len(await keys.public_keys(clock())) <= 3
