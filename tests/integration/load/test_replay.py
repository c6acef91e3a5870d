import asyncio
import io
import os
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from rich.console import Console

from manual_clock import ManualClock
from one_order_town import Town
from scripted_server import Reply
from tiffin.load.bench import BASKETS, bench_http
from tiffin.load.day import demo_day
from tiffin.load.fates import ENDINGS, PAYMENTS
from tiffin.load.journal import read_journal
from tiffin.load.replay import Drive, replay
from tiffin.load.report import Display, bench_table, summary_tables

DAY = [replace(demo_day(1)[0], wanted_at_s=None, payment=PAYMENTS[0], ending=ENDINGS[0])]
CLOCK = ManualClock(datetime(2026, 6, 1, 12, tzinfo=UTC))


def mint(role, subject):
    return f"{role}:{subject}"


def make_console():
    return Console(width=200, record=True, file=io.StringIO())


def text_of(*parts):
    console = make_console()
    for part in parts:
        console.print(part)
    return console.export_text()


@pytest.mark.parametrize("speed", [None, 1e6])
async def test_a_replay_registers_places_carries_and_says_what_came_of_it(scripted, tmp_path, speed):
    town, seen = Town(), []
    scripted.answer = town
    drive = Drive("run-1", speed, journal=tmp_path / "journal")
    summary = await replay(scripted.url, mint, DAY, drive, CLOCK, seen.append)
    assert (summary.orders, summary.placed, summary.unexpected_count) == (1, 1, 0)
    assert summary.outcomes == {("delivered and confirmed", "completed"): 1}
    assert summary.payments == {"cash": 1}
    assert summary.busiest_of_day == (DAY[0].city, int(DAY[0].at_s), 1)
    assert summary.latencies["place"].count == 1
    assert read_journal(tmp_path / "journal")["17"].state == "completed"
    last = seen[-1]
    assert (last.phase, last.done, last.total, last.in_flight) == ("orders", 1, 1, 0)
    assert town.keys == [f"run-1:{DAY[0].id}:1"]


async def test_a_run_and_its_summary_can_be_read_on_a_terminal(scripted):
    town = Town()
    town.faults["accept"] = [Reply(500, {"code": "internal_error"})]
    scripted.answer = town
    console = make_console()
    with Display(console) as display:
        summary = await replay(scripted.url, mint, DAY, Drive("run-1"), CLOCK, display)
    assert "orders" in console.export_text()
    text = text_of(*summary_tables(summary))
    assert "1 of 1 orders placed" in text
    assert "1 unexpected" in text
    assert "internal_error" in text
    assert "delivered and confirmed" in text


async def test_a_bug_of_an_actors_ends_the_run_instead_of_being_counted(scripted):
    def answer(request):
        raise AssertionError("not asked")

    def broken(role, subject):
        raise LookupError("no such key")

    scripted.answer = answer
    with pytest.raises(ExceptionGroup):
        await replay(scripted.url, broken, DAY, Drive("run-1"), CLOCK)


async def test_the_bench_counts_what_it_placed_after_the_warm_up_and_waits_for_the_rest(scripted):
    town, log = Town(), []

    def answer(request):
        if request.path == "/v1/orders":
            log.append(request.headers["idempotency-key"].split(":")[1])
        return town(request)

    async def settled():
        log.append("settled")

    scripted.answer = answer
    bench = await bench_http(
        scripted.url, mint, {"all": os.getpid()}, settled, "b", callers=4, measure_s=0.3, warm_up_s=0.05
    )
    assert log.count("settled") == 2
    assert log[-1] == "settled"
    warm, run = log[: log.index("settled")], log[log.index("settled") + 1 : -1]
    assert set(warm) == {"warm"}
    assert set(run) == {"run"}
    assert bench.orders == len(run) == bench.latency.count
    assert bench.orders_per_s > 0
    assert len({request.body for request in scripted.asked if request.path == "/v1/quotes"}) > BASKETS / 2
    assert f"{bench.orders:,}" in text_of(bench_table([bench]))


async def test_the_bench_tells_what_was_not_placed(scripted):
    town = Town()

    def answer(request):
        if request.path == "/v1/orders" and ":run:" in request.headers["idempotency-key"]:
            return Reply(409, {"code": "out_of_stock"})
        return town(request)

    async def settled():
        await asyncio.sleep(0)

    scripted.answer = answer
    bench = await bench_http(scripted.url, mint, {}, settled, "b", callers=2, measure_s=0.05, warm_up_s=0.05)
    assert bench.orders == 0
    assert set(bench.not_placed) == {"out_of_stock"}
