"""A demonstration's rules: in haste, on a new platform only, and not for long."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

import databases
from tiffin.cli.demonstration import hurry
from tiffin.services.reverse.policies import read_policies
from tiffin.services.reverse.policy import Terms
from tiffin.sharding.topology import lay_out
from tiffin.storage.embedded import EmbeddedServer
from tiffin.storage.node import Node

USUAL = Terms()


@pytest.fixture
async def laid_out(server: EmbeddedServer) -> AsyncIterator[Node]:
    (node,) = await databases.open_platform(server, ["hasty"])
    yield node
    await node.close()
    await databases.drop_platform(server, ["hasty"])


async def test_a_new_platform_is_in_haste_for_an_hour(laid_out: Node) -> None:
    now = datetime.now(UTC)
    await laid_out.execute("DELETE FROM tiffin.topology")
    await hurry(laid_out, 5, now)
    await lay_out(laid_out, [laid_out])
    policies = await read_policies(laid_out)
    hasty = policies.at(now + timedelta(minutes=59)).terms
    assert (hasty.answer_s, hasty.arbitration_s, hasty.dispute_s) == (5, 5, USUAL.dispute_s)
    assert policies.at(now + timedelta(minutes=61)).terms == USUAL


async def test_a_platform_that_has_shards_keeps_its_rules(laid_out: Node) -> None:
    await hurry(laid_out, 5, datetime.now(UTC))
    assert (await read_policies(laid_out)).at(datetime.now(UTC) + timedelta(days=1)).version == 1
