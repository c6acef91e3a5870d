"""Order numbers: nobody gets one that somebody else has, whatever happens to the directory."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

import databases
from tiffin.cli.schemas import SCHEMAS
from tiffin.primitives.errors import Unavailable
from tiffin.sharding.order_id import SEQUENCE_MAX
from tiffin.sharding.sequence import BLOCK, Sequence
from tiffin.storage.embedded import EmbeddedServer
from tiffin.storage.migrations import migrate
from tiffin.storage.node import Node


async def test_ten_thousand_callers_of_two_processes_get_ten_thousand_numbers(node: Node):
    sequences = Sequence(node), Sequence(node)
    numbers = await asyncio.gather(*(sequences[call % 2].take() for call in range(10_000)))
    assert len(set(numbers)) == 10_000
    assert all(0 < number <= SEQUENCE_MAX for number in numbers)


async def test_numbers_of_one_process_ascend_within_a_block_and_blocks_are_used_up(node: Node):
    sequence = Sequence(node)
    numbers = [await sequence.take() for _ in range(2 * BLOCK)]
    for block in (numbers[:BLOCK], numbers[BLOCK:]):
        assert block == list(range(block[0], block[0] + BLOCK))
        assert block[0] % BLOCK == 0


async def test_the_last_block_still_fits_an_order_id(node: Node):
    row = await node.fetchrow("SELECT max_value FROM pg_sequences WHERE sequencename = 'order_blocks'")
    assert row["max_value"] * BLOCK + BLOCK - 1 <= SEQUENCE_MAX


@pytest.fixture
async def own_server(new_id: Callable[[str], str]) -> AsyncIterator[Path]:
    """The directory of a server that a test may stop; stopped in the end."""
    directory = Path(os.environ[databases.DIRECTORY]) / new_id("server")
    yield directory
    EmbeddedServer.start(directory).stop()


async def test_a_directory_that_is_away_is_unavailable_and_comes_back(own_server: Path):
    server = EmbeddedServer.start(own_server, databases.FAST_SETTINGS)
    await server.create_database("directory")
    directory = await Node.open("directory", server.url("directory"))
    try:
        await migrate(directory, SCHEMAS)
        sequence = Sequence(directory)
        taken = [await sequence.take()]
        assert server.stop()

        refused = 0
        for _ in range(BLOCK + 10):
            try:
                taken.append(await sequence.take())
            except Unavailable as error:
                assert error.code == "database_unavailable"
                refused += 1
        assert len(taken) == BLOCK, "what was leased is used up first"
        assert refused == 11

        server = EmbeddedServer.start(own_server, databases.FAST_SETTINGS)
        taken += await asyncio.gather(*(sequence.take() for _ in range(2 * BLOCK)))
        assert len(set(taken)) == 3 * BLOCK
        server.stop()
    finally:
        await directory.close()


async def test_a_caller_that_gives_up_takes_the_lease_from_nobody(node: Node):
    sequence = Sequence(node)
    impatient = asyncio.ensure_future(sequence.take())
    patient = [asyncio.ensure_future(sequence.take()) for _ in range(3)]
    await asyncio.sleep(0)
    impatient.cancel()
    assert len(set(await asyncio.gather(*patient))) == 3
