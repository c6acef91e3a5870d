"""Group commit when the server, or the way to it, is lost. A proxy stands before a real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from random import Random

import pytest

from commit_bench import Bench, Write, commit_node
from tcp_proxy import Fault, TcpProxy
from tiffin.primitives.errors import Unavailable
from tiffin.storage import group_commit
from tiffin.storage import node as nodes
from tiffin.storage.embedded import EmbeddedServer
from tiffin.storage.node import Node

ROUNDS = 40
SOON_S = 0.3
HANGING_S = 20.0
"""Nothing here takes so long unless it hangs."""


@pytest.fixture(scope="module")
async def direct(server: EmbeddedServer) -> AsyncIterator[Node]:
    async with commit_node(server) as node:
        yield node


@pytest.fixture
async def proxy(direct: Node) -> AsyncIterator[TcpProxy]:
    async with TcpProxy.before(direct.url) as proxy:
        yield proxy


@pytest.fixture
async def bench(direct: Node, proxy: TcpProxy) -> AsyncIterator[Bench]:
    node = await Node.open("proxied", proxy.url, readers_max=1)
    async with Bench.open(node, direct) as bench:
        yield bench
    await node.close()


def once(writes: list[Write]) -> dict[str, int]:
    return {write.token: 1 for write in writes}


def cut_when_committed(reply: bytes) -> Fault | None:
    """The server has inserted, committed, and says so."""
    return "cut" if b"INSERT 0 " in reply and reply.endswith(b"Z\x00\x00\x00\x05I") else None


async def test_a_connection_killed_in_mid_statement_costs_nobody_their_write(
    bench: Bench, direct: Node
) -> None:
    writes = bench.writes(20, lane=0)
    async with bench.gate_closed():
        tasks = [bench.start(write) for write in writes]
        (pid,) = await bench.until_waiting(1)
        await direct.fetchrow("SELECT pg_terminate_backend($1, 5000)", pid)
        assert await bench.until_waiting(1) != [pid]
    assert await asyncio.gather(*tasks) == [await bench.number(write) for write in writes]
    assert await bench.counts(writes) == once(writes)


async def test_an_answer_lost_after_the_commit_is_found_by_reading_and_nothing_is_written_twice(
    bench: Bench, proxy: TcpProxy
) -> None:
    await bench.submit(bench.writes(1, lane=0)[0])
    for _ in range(ROUNDS):
        writes = bench.writes(8, lane=0)
        sent, settled, cuts = len(bench.sent), bench.settled, proxy.cuts
        proxy.on_reply = cut_when_committed
        tasks = [bench.start(write) for write in writes]
        while proxy.cuts == cuts:
            await asyncio.sleep(0)
        assert await asyncio.gather(*tasks) == [await bench.number(write) for write in writes]
        assert await bench.counts(writes) == once(writes)
        assert (len(bench.sent), bench.settled) == (sent + 1, settled + 1)


async def test_a_statement_that_outlives_its_connection_cannot_commit_behind_the_reader(
    bench: Bench, proxy: TcpProxy
) -> None:
    """Only the client's side is cut: the server goes on with the statement, and must be stopped first."""
    writes = bench.writes(8, lane=0)
    async with bench.gate_closed():
        tasks = [bench.start(write) for write in writes]
        (pid,) = await bench.until_waiting(1)
        proxy.cut(server_side_too=False)
        while pid in (waiting := await bench.until_waiting(1)):
            await asyncio.sleep(0)
        assert len(waiting) == 1
    assert await asyncio.gather(*tasks) == [await bench.number(write) for write in writes]
    assert await bench.counts(writes) == once(writes)


@pytest.mark.parametrize("seed", range(ROUNDS))
async def test_wherever_the_connection_is_cut_every_write_happens_once(
    bench: Bench, proxy: TcpProxy, seed: int
) -> None:
    random = Random(seed)
    writes = bench.writes(60)
    tasks: list[asyncio.Task[int]] = []
    for start in range(0, len(writes), 10):
        tasks += [bench.start(write) for write in writes[start : start + 10]]
        if random.random() < 0.5:
            proxy.cut_after(to_server=random.randrange(1, 3000))
        else:
            proxy.cut_after(to_client=random.randrange(1, 1500))
        await tasks[start]
    proxy.cut_after()
    assert await asyncio.gather(*tasks) == [await bench.number(write) for write in writes]
    assert await bench.counts(writes) == once(writes)
    assert proxy.cuts


@pytest.mark.parametrize("seed", range(5))
async def test_callers_that_give_up_during_faults_leave_a_write_whole_or_not_at_all(
    bench: Bench, proxy: TcpProxy, seed: int
) -> None:
    """And what they are told is true: `database_busy` means that nothing was changed."""
    random = Random(seed)
    writes = bench.writes(200)
    told: dict[str, str] = {}

    async def submit(write: Write) -> None:
        try:
            await bench.submit(write, within_s=random.choice((0.02, 0.05, 5)))
            told[write.token] = "written"
        except Unavailable as unavailable:
            told[write.token] = unavailable.code

    tasks: list[asyncio.Task[None]] = []
    for start in range(0, len(writes), 20):
        tasks += [asyncio.create_task(submit(write)) for write in writes[start : start + 20]]
        await asyncio.sleep(random.choice((0, 0.01)))
        proxy.cut(server_side_too=random.random() < 0.5)
    await asyncio.gather(*tasks)
    await bench.group.close()
    counts = await bench.counts(writes)
    for write in writes:
        match told[write.token]:
            case "written":
                assert counts[write.token] == 1
            case "database_busy" | "database_unavailable":
                assert write.token not in counts
            case code:
                assert code == "outcome_unknown"
                assert counts.get(write.token, 0) in (0, 1)
    assert "written" in told.values()


async def test_while_the_server_is_away_callers_hear_so_in_time_and_afterwards_all_is_well(
    bench: Bench, proxy: TcpProxy
) -> None:
    await bench.submit(bench.write())
    await proxy.close()
    away = bench.writes(20)
    async with asyncio.timeout(HANGING_S):
        results = await asyncio.gather(
            *(bench.submit(write, within_s=SOON_S) for write in away), return_exceptions=True
        )
    assert all(isinstance(result, Unavailable) for result in results), results
    await proxy.open()
    back = bench.writes(20)
    await asyncio.gather(*(bench.submit(write) for write in back))
    assert await bench.counts(back) == once(back)
    sent_before = [w.token for w, result in zip(away, results, strict=True) if "unknown" in str(result)]
    assert not set(await bench.counts(away)) - set(sent_before)


async def test_who_waits_long_enough_is_served_when_the_server_is_back(bench: Bench, proxy: TcpProxy) -> None:
    await proxy.close()
    writes = bench.writes(20)
    tasks = [bench.start(write) for write in writes]
    await asyncio.sleep(0)
    await proxy.open()
    await asyncio.gather(*tasks)
    assert await bench.counts(writes) == once(writes)


async def test_a_server_that_says_nothing_any_more_is_given_up_and_nothing_is_written_twice(
    bench: Bench, proxy: TcpProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "STATEMENT_TIMEOUT_S", SOON_S)
    await bench.submit(bench.writes(1, lane=0)[0])
    writes = bench.writes(8, lane=0)
    proxy.swallow_replies = True
    tasks = [bench.start(write) for write in writes]
    connections = proxy.accepted
    async with asyncio.timeout(HANGING_S):
        while proxy.accepted == connections:
            await asyncio.sleep(0.01)
        proxy.swallow_replies = False
        await asyncio.gather(*tasks)
    assert await bench.counts(writes) == once(writes)


@pytest.mark.parametrize("reply", [b"", b"server_version", b"started"])
async def test_a_connection_that_falls_silent_while_it_is_made_does_not_stop_its_lane_for_good(
    bench: Bench, proxy: TcpProxy, monkeypatch: pytest.MonkeyPatch, reply: bytes
) -> None:
    """At the first reply, at the welcome, and at the first question after it."""
    monkeypatch.setattr(group_commit, "CONNECT_TIMEOUT_S", SOON_S)
    monkeypatch.setattr(nodes, "CONNECT_TIMEOUT_S", SOON_S)
    proxy.on_reply = lambda data: "silence" if reply in data else None
    writes = bench.writes(5, lane=0)
    async with asyncio.timeout(HANGING_S):
        await asyncio.gather(*(bench.submit(write) for write in writes))
    assert proxy.on_reply is None
    assert await bench.counts(writes) == once(writes)
