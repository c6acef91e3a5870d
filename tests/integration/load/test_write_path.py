"""The write-path bench counts what really happened, on both sides, and cleans up after itself."""

import os
from collections.abc import AsyncIterator

import pytest

import databases
from manual_clock import ManualClock
from tiffin.load import statements, write_path
from tiffin.load.pgbench import find_pgbench, run_pgbench
from tiffin.load.placing import Placing
from tiffin.load.statements import measure_statements
from tiffin.load.write_path import bench_write_path
from tiffin.sharding.router import Router
from tiffin.sharding.sequence import Sequence
from tiffin.storage.embedded import EmbeddedServer


@pytest.fixture(scope="module")
async def alone(server: EmbeddedServer) -> AsyncIterator[Router]:
    """A platform that no other test writes to."""
    (node,) = await databases.open_platform(server, ["bench"])
    yield await Router.open([node])
    await node.close()
    await databases.drop_platform(server, ["bench"])


async def test_both_sides_place_what_they_say_and_nothing_of_the_twin_stays(
    server: EmbeddedServer, alone: Router, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        write_path, "ORDERS_PER_S_MAX", 1000
    )  # of the warm-up and of each round; 10 ms of CPU are the least that shows
    told: list[tuple[int, int]] = []
    before = await _stored(alone)
    result = await bench_write_path(
        alone, server.pid, clock, callers=8, seconds=1, rounds=2, progress=lambda *step: told.append(step)
    )
    assert [both.ours.orders for both in result.rounds] == [1000, 1000]
    assert await _stored(alone) == (before[0] + 3000, before[1] + 3000, None)
    for both in result.rounds:
        assert both.pgbench.orders > 0
        assert both.ratio == both.ours.per_second / both.pgbench.per_second
        for side in (both.ours, both.pgbench):
            assert 0 < side.p50_s <= side.p99_s
            assert side.client_cpu_us > 0
            assert side.server_cpu_us > 0
    assert (
        min(both.ratio for both in result.rounds) <= result.ratio <= max(both.ratio for both in result.rounds)
    )
    assert result.server["fsync"] == "off"  # as the tests' server has it, and as a report would have to say
    assert told == [(0, 4), (2, 4), (4, 4)]


async def _stored(router: Router) -> tuple[int, int, str | None]:
    """Orders, events, and the twin if it is there."""
    row = await router.directory.fetchrow(
        "SELECT (SELECT count(*) FROM orders.orders), (SELECT count(*) FROM log.events),"
        " to_regclass('bench_twin.orders')::text"
    )
    assert row is not None
    return row[0], row[1], row[2]


async def test_every_statement_is_measured_at_every_size(
    alone: Router, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statements, "ROWS", 256)
    monkeypatch.setattr(statements, "WARM_UP", 8)
    table = await measure_statements(alone, clock)
    assert set(table) == {"place", "move", "read", "copy, new", "copy, changed", "read log"}
    for costs in table.values():
        assert set(costs) == set(statements.SIZES)


async def test_orders_for_the_bench_are_each_another_customers_and_of_realistic_size(
    alone: Router, clock: ManualClock
) -> None:
    placing = Placing(Sequence(alone.directory), clock)
    orders = [await placing.next() for _ in range(1000)]
    assert len({order.row.customer_id for order in orders}) == len({order.row.id for order in orders}) == 1000
    sizes = sorted(len(order.row.details) for order in orders)
    assert sizes[0] >= 500
    assert sizes[-1] <= 1000
    assert 600 <= sizes[500] <= 900
    assert len({order.row.shard for order in orders}) > 100


async def test_pgbench_is_told_of_in_its_own_words_when_it_fails(server: EmbeddedServer) -> None:
    with pytest.raises(RuntimeError, match="does not exist"):
        await run_pgbench(find_pgbench(), server.url("nowhere"), 1, 1, "{}", "{}")
    assert os.access(find_pgbench(), os.X_OK)
