"""Processes of payments, ledger and reverse that are killed at every step they take outside themselves.

Each is a process of its own (`tests/crashes`), on a real database, beside an orders service and a provider
that live on. It is killed before or after its n-th passage through a site; a new process then brings in order
what it left, everybody asks again by the same keys, and the order has to stand in every book as one stands
that went the same way without a crash: nobody charged twice, nothing given back twice, nothing acknowledged
lost, nothing unaccounted for. The audit looks at all of them in the end.
"""

import os
from collections.abc import AsyncIterator

import pytest

import databases
from crashes.driver import Stage
from crashes.sites import all_sites
from crashes.ways import WAYS
from crashes.world import NODE
from tiffin.storage.embedded import EmbeddedServer

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(1200)]

HITS = int(os.environ.get("TIFFIN_CRASH_HITS", "20"))
"""Of every site, before and after, in the soak."""
SEED = int(os.environ.get("TIFFIN_CRASH_SEED", "2026"))
TRIES_MAX = 3
"""A passage that is not reached this time, because something else came first, is tried elsewhere."""


@pytest.fixture(scope="module")
async def stage(server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """Every way has been gone once without a crash."""
    nodes = await databases.open_platform(server, [NODE])
    try:
        async with Stage.open(nodes[0], tmp_path_factory.mktemp("crashes")) as stage:
            await stage.learn()
            yield stage
    finally:
        await nodes[0].close()
        await databases.drop_platform(server, [NODE])


async def test_every_site_is_on_some_way(stage: Stage) -> None:
    passed = {site for passages in stage.passages.values() for site, _ in passages}
    assert passed == all_sites()
    assert stage.unknown == [], "statements that are in no queries.sql"


@pytest.mark.parametrize("way", WAYS)
async def test_without_a_crash_the_provider_moves_what_it_should(stage: Stage, way: str) -> None:
    assert [tuple(line) for line in stage.references[way]["statement"]] == sorted(WAYS[way].moved)


async def test_a_process_killed_at_any_site_leaves_nothing_that_is_not_brought_in_order(stage: Stage) -> None:
    await die(stage, hits=1, seed=1)


@pytest.mark.soak
@pytest.mark.timeout(7200)
async def test_a_process_killed_at_every_site_twenty_times(stage: Stage) -> None:
    await die(stage, HITS, SEED)


async def die(stage: Stage, hits: int, seed: int) -> None:
    wanted = {(site, when) for site in all_sites() for when in ("before", "after")}
    stage.hits.clear()
    for again in range(TRIES_MAX):
        planned = stage.plan(hits, seed + again)
        if not planned:
            break
        await stage.crash(planned)
    print(stage.table())
    assert stage.failures == []
    report = await stage.audit()
    assert report.differences == []
    assert {passage: stage.hits[passage] for passage in wanted if stage.hits[passage] < hits} == {}
