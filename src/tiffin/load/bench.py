"""What a placed order costs over HTTP: closed loop, cash orders of real baskets, CPU by process."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from itertools import count
from random import Random

import msgspec

from tiffin.load import catalogue
from tiffin.load.basket import draw_basket, without_limited
from tiffin.load.catalogue import Menu
from tiffin.load.cpu import CpuMeter
from tiffin.load.day import Arrival, demo_day
from tiffin.load.http import Http
from tiffin.load.latency import Percentiles
from tiffin.load.ordering import read_total
from tiffin.load.platform import Mint, Platform, Refused
from tiffin.load.registration import register
from tiffin.load.tally import Tally

BASKETS = 1000
"""So many different ones, of as many customers as a demo day of that size has, taken in turn."""


@dataclass(frozen=True)
class HttpBench:
    """What placing cost. CPU counts what goes on behind an order too, until all of it is done."""

    callers: int
    orders: int
    """Answered 201 in the measured time."""
    not_placed: Counter[str]
    """Refusals by code; there should be none."""
    orders_per_s: float
    latency: Percentiles
    cpu_us: dict[str, float]
    """CPU microseconds an order, by the names the processes were given under."""
    settling_s: float
    """From the last answer until nothing was left to do."""


@dataclass(frozen=True)
class _Basket:
    customer: tuple[str, str]
    body: msgspec.Raw


async def bench_http(
    base_url: str,
    mint: Mint,
    pids: Mapping[str, int],
    settled: Callable[[], Awaitable[None]],
    name: str,
    callers: int = 64,
    measure_s: float = 10.0,
    warm_up_s: float = 3.0,
) -> HttpBench:
    """Place orders with `callers` at once and measure. `settled` returns once the background work is done;
    `name` begins every idempotency key and must be new; `pids` are the processes whose CPU counts."""
    http = Http(base_url, connections_max=callers)
    try:
        platform = Platform(http, mint, Tally())
        day = demo_day(BASKETS, seed=0)
        menus = await register(platform, day, lambda what, done, of: None)
        baskets = [await _basket(platform, arrival, menus[arrival.restaurant_id]) for arrival in day]
        await _place(http, mint, baskets, f"{name}:warm", callers, warm_up_s)
        await settled()
        return await _measure(http, mint, baskets, f"{name}:run", callers, measure_s, pids, settled)
    finally:
        await http.close()


async def _measure(
    http: Http, mint: Mint, baskets: list[_Basket], name: str, callers: int, measure_s: float,
    pids: Mapping[str, int], settled: Callable[[], Awaitable[None]],
) -> HttpBench:  # fmt: skip
    loop = asyncio.get_running_loop()
    meter, began = CpuMeter(pids), loop.time()
    tally = await _place(http, mint, baskets, name, callers, measure_s)
    ended = loop.time()
    await settled()
    settling_s, cpu = loop.time() - ended, meter.seconds()
    orders = tally.counts["placed"]
    return HttpBench(
        callers=callers,
        orders=orders,
        not_placed=tally.refused,
        orders_per_s=orders / (ended - began),
        latency=tally.placing.percentiles(),
        cpu_us={process: seconds * 1e6 / max(orders, 1) for process, seconds in cpu.items()},
        settling_s=settling_s,
    )


async def _place(
    http: Http, mint: Mint, baskets: list[_Basket], name: str, callers: int, for_s: float
) -> Tally:
    tally = Tally()
    platform = Platform(http, mint, tally)
    for basket in baskets:
        platform.token(*basket.customer)
    loop = asyncio.get_running_loop()
    until, numbers = loop.time() + for_s, count()

    async def caller() -> None:
        while (started := loop.time()) < until:
            number = next(numbers)
            basket = baskets[number % len(baskets)]
            try:
                await platform.until_known(
                    "place", basket.customer, "POST", "/v1/orders", basket.body, f"{name}:{number}"
                )
                tally.placed(loop.time(), started)
            except Refused as refused:
                tally.refused[refused.code] += 1

    async with asyncio.TaskGroup() as tasks:
        for _ in range(callers):
            tasks.create_task(caller())
    return tally


async def _basket(platform: Platform, arrival: Arrival, menu: Menu) -> _Basket:
    rng = Random(f"basket {arrival.id}")  # noqa: S311
    minimum = catalogue.restaurant(arrival.restaurant_id, arrival.city, arrival.pick_up).minimum_subtotal
    lines = without_limited(draw_basket(menu, minimum, rng), menu)
    customer = ("customer", arrival.customer_id)
    wanted = {"restaurant_id": arrival.restaurant_id, "lines": lines}
    quoted = await platform.until_known("quote", customer, "POST", "/v1/quotes", wanted)
    order = {**wanted, "address_id": "home", "payment_method": "cash", "expected_total": read_total(quoted)}
    return _Basket(customer, msgspec.Raw(msgspec.json.encode(order)))
