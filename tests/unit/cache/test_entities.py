import asyncio
from collections.abc import Mapping
from datetime import timedelta

import pytest

from manual_clock import ManualClock
from tiffin.cache.entities import BATCH_MAX, LANES, Entities


class Source:
    """Entities that a test changes; loads wait until it lets them go."""

    def __init__(self) -> None:
        self.entities: dict[str, str] = {}
        self.loads: list[dict[str, str | None]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: Exception | None = None

    async def load(self, known: Mapping[str, str | None]) -> dict[str, str]:
        self.loads.append(dict(known))
        found = {key: self.entities[key] for key in known if key in self.entities}
        await self.gate.wait()
        if self.error:
            raise self.error
        return found


@pytest.fixture
async def source() -> Source:
    return Source()


@pytest.fixture
def cache(source: Source, clock: ManualClock) -> Entities[str]:
    return Entities(source.load, clock, fresh_ms=1000, entries_max=3)


async def until_loads(source: Source, count: int) -> None:
    while len(source.loads) < count:
        await asyncio.sleep(0)


async def test_a_thousand_callers_of_one_entity_cost_one_load(source: Source, cache: Entities[str]):
    source.entities["a"] = "A"
    source.gate.clear()
    callers = [asyncio.create_task(cache.get("a")) for _ in range(1000)]
    await until_loads(source, 1)
    source.gate.set()
    assert await asyncio.gather(*callers) == ["A"] * 1000
    assert await cache.get("a") == "A"
    assert source.loads == [{"a": None}]


async def test_an_entity_is_never_staler_than_promised(
    source: Source, cache: Entities[str], clock: ManualClock
):
    source.entities["a"] = "old"
    source.gate.clear()
    first = asyncio.create_task(cache.get("a"))
    await until_loads(source, 1)
    clock.advance(0.9)  # the load itself takes 0.9 s: that counts
    source.gate.set()
    assert await first == "old"
    source.entities["a"] = "new"
    assert await cache.get("a") == "old"
    clock.advance(0.1)
    assert await cache.get("a") == "new"


async def test_a_load_is_told_what_was_known(source: Source, cache: Entities[str], clock: ManualClock):
    source.entities["a"] = "A"
    await cache.get("a")
    clock.advance(2)
    await cache.get("a")
    assert source.loads == [{"a": None}, {"a": "A"}]


async def test_a_clock_set_back_does_not_keep_an_entity_alive(
    source: Source, cache: Entities[str], clock: ManualClock
):
    source.entities["a"] = "old"
    await cache.get("a")
    source.entities["a"] = "new"
    clock.set(clock() - timedelta(hours=1))
    assert await cache.get("a") == "new"


async def test_a_change_shows_at_once_even_while_a_load_from_before_is_in_flight(
    source: Source, cache: Entities[str]
):
    source.entities["a"] = "old"
    source.gate.clear()
    before = asyncio.create_task(cache.get("a"))
    await until_loads(source, 1)
    source.entities["a"] = "new"
    cache.forget("a")
    after = asyncio.create_task(cache.get("a"))
    await until_loads(source, 2)
    source.gate.set()
    assert (await before, await after) == ("old", "new")
    assert await cache.get("a") == "new"


async def test_what_does_not_exist_is_asked_for_again(source: Source, cache: Entities[str]):
    assert await cache.get("a") is None
    source.entities["a"] = "A"
    assert await cache.get("a") == "A"


async def test_an_entity_that_has_gone_is_gone(source: Source, cache: Entities[str], clock: ManualClock):
    source.entities["a"] = "A"
    await cache.get("a")
    del source.entities["a"]
    clock.advance(1)
    assert await cache.get("a") is None


async def test_a_failed_load_is_told_to_everybody_who_waits_and_kept_from_nobody_after(
    source: Source, cache: Entities[str]
):
    source.entities["a"] = "A"
    source.error = ConnectionError("gone")
    failed = await asyncio.gather(*(cache.get("a") for _ in range(3)), return_exceptions=True)
    assert [str(error) for error in failed] == ["gone"] * 3
    source.error = None
    assert await cache.get("a") == "A"


async def test_a_caller_that_gives_up_takes_nothing_from_the_others(source: Source, cache: Entities[str]):
    source.entities["a"] = "A"
    source.gate.clear()
    hasty, patient = asyncio.create_task(cache.get("a")), asyncio.create_task(cache.get("a"))
    await until_loads(source, 1)
    hasty.cancel()
    await asyncio.gather(hasty, return_exceptions=True)
    source.gate.set()
    assert await patient == "A"


async def test_entities_wanted_while_all_lanes_are_busy_are_loaded_together(
    source: Source, clock: ManualClock
):
    cache = Entities(source.load, clock, fresh_ms=1000, entries_max=100)
    source.entities = {str(number): str(number) for number in range(100)}
    source.gate.clear()
    callers = [asyncio.create_task(cache.get(key)) for key in source.entities]
    await until_loads(source, LANES)
    source.gate.set()
    assert await asyncio.gather(*callers) == list(source.entities.values())
    sizes = [len(load) for load in source.loads]
    assert sum(sizes) == 100
    assert max(sizes) == BATCH_MAX


async def test_the_cache_stays_within_its_bound_and_keeps_the_newest(source: Source, cache: Entities[str]):
    source.entities = {key: key for key in "abcde"}
    for key in "abcde":
        await cache.get(key)
    source.loads.clear()
    for key in "edc":
        await cache.get(key)
    assert source.loads == []
    await cache.get("a")
    assert source.loads == [{"a": None}]
