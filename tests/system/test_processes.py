"""Every service in a process of its own: what a process may do to the platform by dying, and what not."""

import asyncio
import json
import os
import random
import re
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import aiohttp
import psutil
import pytest

import databases
from process_platform import ByHand, ProcessPlatform
from system.survival import survives
from system.town import OPERATOR, WAY, Answer, Town, actor, database, eventually, order_for
from tiffin.cli.parts import PARTS
from tiffin.cli.running import find
from tiffin.cli.secret import role_password
from tiffin.storage.embedded import EmbeddedServer

PAYMENT_S = 8
SERVICES = ("users", "restaurants", "orders", "payments")


@pytest.fixture(scope="module")
def processes() -> Iterator[ProcessPlatform]:
    """A running platform of processes that the tests of this module share."""
    with databases.directory() as directory, ProcessPlatform(directory) as platform:
        yield platform


@pytest.fixture(scope="module")
async def town(processes: ProcessPlatform) -> AsyncIterator[Town]:
    async with Town.open(processes) as town:
        yield town


async def test_an_order_goes_its_way_through_all_processes(town: Town) -> None:
    restaurant, customer = await town.add_restaurant(portions=3), await town.add_customer()
    order = await town.place(customer, restaurant, payment_method="online")
    source = {"source": "tok_ok"}
    paid = await town.ask(actor(order, "customer"), "POST", f"/v1/orders/{order['id']}/payments", source)
    assert paid.status in (200, 201), paid.body
    for role, action in WAY:
        await town.say(order, role, action)

    async def is_copied() -> bool:
        return await town.is_in_restaurants_list(order)

    await eventually(is_copied, "its restaurant sees it as its customer does")
    assert [event for _, event, _ in await town.timeline(order)][:2] == ["order.placed", "order.paid"]


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_that_was_killed_costs_clear_errors_until_it_is_back(
    processes: ProcessPlatform, town: Town, service: str
) -> None:
    restaurant, customer = await town.add_restaurant(), await town.add_customer()
    order = await town.place(customer, restaurant)
    path = {
        "users": f"/v1/customers/{customer}",
        "restaurants": f"/v1/restaurants/{restaurant}/menu",
        "orders": f"/v1/orders/{order['id']}",
        "payments": f"/v1/orders/{order['id']}/payments",
    }[service]

    async def is_there() -> Answer | None:
        answer = await town.ask(OPERATOR, "GET", path)
        return answer if answer.status == 200 else None

    before = (await eventually(is_there, "nobody is away from the test before")).body
    restarts = processes.kill_service(service)
    said = set()

    async def has_failed_and_is_back() -> bool:
        answer = await town.ask(OPERATOR, "GET", path)
        said.add(answer.said)
        return len(said) > 1 and answer.status == 200

    await eventually(has_failed_and_is_back, f"{service} is back")
    assert {each if isinstance(each, int) else each[0] for each in said} == {200, 503}
    await processes.until_back(service, restarts)
    assert (await eventually(is_there, f"{service} is back")).body == before


async def test_a_gateway_that_was_started_again_gives_requests_other_names(
    processes: ProcessPlatform, town: Town
) -> None:
    async def names() -> set[str]:
        answers = [await town.ask(None, "GET", "/v1/orders") for _ in range(20)]
        return {answer.headers["X-Request-Id"] for answer in answers}

    before = await names()
    await processes.until_back("gateway", processes.kill_service("gateway"))

    async def is_up() -> bool:
        try:
            return (await town.ask(None, "GET", "/livez")).status == 200
        except aiohttp.ClientError:
            return False

    await eventually(is_up, "the gateway is back")
    assert before.isdisjoint(await names())


async def test_ps_shows_every_process_and_how_often_it_was_started_again(processes: ProcessPlatform) -> None:
    restarts = processes.kill_service("sandbox")
    await processes.until_back("sandbox", restarts)

    async def all_serve() -> str:
        shown = await asyncio.to_thread(processes.run, "ps")
        return shown.stdout if shown.returncode == 0 else ""

    shown = await eventually(all_serve, "every process serves again")
    rows = {cells[0]: cells[1:] for cells in map(_cells, shown.splitlines()) if len(cells) == 8}
    assert set(rows) == {"service", "sandbox", *SERVICES, "gateway"} | set(processes.services)
    for service in processes.services:
        pid, address, health, in_flight, uptime, restarted, _ = rows[service]
        entry = processes.entry(service)
        assert (int(pid), address, health) == (entry.pid, entry.address, "serving")
        assert in_flight == ("-" if service == "sandbox" else "0")
        assert uptime.startswith("0:0")
        assert int(restarted) == entry.restarts
    assert int(rows["sandbox"][5]) == restarts + 1


def _cells(line: str) -> list[str]:
    return re.split(r"\s{2,}", line.strip())


async def test_a_process_that_does_not_answer_is_shown_and_leaves_the_gateway_ready(
    processes: ProcessPlatform, town: Town
) -> None:
    async def missing() -> list[str]:
        answer = await town.ask(None, "GET", "/readyz")
        assert answer.status == 200
        return answer.json["missing"]

    async def is_missed() -> bool:
        return await missing() == ["users"]

    async def is_back() -> bool:
        return await missing() == []

    pid = processes.entry("users").pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        shown = await asyncio.to_thread(processes.run, "ps")
        await eventually(is_missed, "the gateway misses who does not answer")
    finally:
        os.kill(pid, signal.SIGCONT)
    await eventually(is_back, "and nobody after that")
    assert shown.returncode == 1
    assert [_cells(line)[3] for line in shown.stdout.splitlines() if "users" in line] == ["no answer"]


async def test_every_service_enters_the_database_as_its_own_role(processes: ProcessPlatform) -> None:
    async with database(processes) as node:
        rows = await node.fetch("SELECT DISTINCT usename FROM pg_stat_activity WHERE datname = 'local'")
    names = set(processes.services) - {"sandbox", "gateway"}
    assert {row["usename"] for row in rows} - {"tiffin", "local_gateway"} == {
        f"local_{name}" for name in names
    }


async def test_every_line_of_the_log_names_its_process(processes: ProcessPlatform) -> None:
    log = (processes.data_directory / "server.log").read_text().splitlines()
    lines = [json.loads(line) for line in log if line.startswith("{")]
    serving = {line["process"] for line in lines if line["event"] == "serving"}
    assert serving >= set(processes.services)
    assert not [line for line in log if "Traceback" in line and not line.startswith("{")]
    secret = (processes.data_directory / "secret").read_text()
    role = role_password(bytes.fromhex(secret), "local_orders")
    owner = (processes.data_directory / "postgresql" / "password").read_text()
    assert not [line for line in log if any(word in line for word in (secret, role, owner))]


async def test_nobody_stays_behind_a_supervisor_that_was_killed(processes: ProcessPlatform) -> None:
    running = find(processes.data_directory)
    assert running is not None
    assert running.postmaster is not None
    family = [*processes.family(), psutil.Process(running.postmaster)]
    assert {process.pid for process in family} > {processes.entry(name).pid for name in processes.services}
    await asyncio.to_thread(processes.kill)

    async def all_gone() -> bool:
        return not any(process.is_running() for process in family)

    await eventually(all_gone, "all its children have ended, and the last one has stopped PostgreSQL")
    assert find(processes.data_directory) is None
    await asyncio.to_thread(processes.start)
    assert {process.pid for process in processes.family()}.isdisjoint(process.pid for process in family)


async def _survives(data_directory: Path, orders: int, seed: int, rounds: int) -> None:
    """Every process is killed in so many rounds, after each the whole platform is stopped and started."""
    platform = ProcessPlatform(data_directory, payment_s=PAYMENT_S)
    rng = random.Random(seed)
    codes = []

    async def disturb() -> None:
        for _ in range(rounds):
            for service in rng.sample(platform.services, len(platform.services)):
                await asyncio.sleep(rng.uniform(0.1, 0.5))
                await platform.until_back(service, platform.kill_service(service))
            codes.append(await asyncio.to_thread(platform.stop))
            await asyncio.to_thread(platform.start)

    seen = await survives(platform, orders, seed, disturb, PAYMENT_S)
    assert seen["acknowledged"] > orders / 2
    assert seen["resent"] > 5, "the kills have hit nothing"
    assert codes == [0] * rounds
    log = (data_directory / "server.log").read_text()
    assert "rpc_calls_given_up" not in log
    assert "process_killed" not in log


async def test_a_day_survives_a_kill_of_every_process_and_a_stop_of_all(data_directory: Path) -> None:
    await _survives(data_directory, orders=300, seed=1, rounds=1)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(2, 5))
async def test_a_day_survives_ten_kills_of_every_process(data_directory: Path, seed: int) -> None:
    await _survives(data_directory, orders=6000, seed=seed, rounds=10)


async def test_processes_started_by_hand_are_found_by_their_configuration(
    server: EmbeddedServer, data_directory: Path, new_id: Callable[[str], str]
) -> None:
    database = new_id("hand").replace("-", "_")
    await server.create_database(database)
    by_hand = ByHand(data_directory, server.url(database))
    early = await asyncio.to_thread(by_hand.run, "serve", "users")
    assert (early.returncode, early.stderr.count("\n")) == (1, 1)
    assert "node north does not let users in" in early.stderr
    migrated = await asyncio.to_thread(by_hand.run, "migrate")
    assert migrated.stdout == "node north is up to date\n", migrated.stderr
    by_hand.serve_all()
    try:
        await by_hand.until_all_serve()
        shown = await asyncio.to_thread(by_hand.run, "ps")
        assert (shown.returncode, shown.stdout.count("serving")) == (0, len(by_hand.addresses)), shown.stdout
        async with Town.open(by_hand) as town:
            restaurant, customer = await town.add_restaurant(), await town.add_customer()
            await town.place(customer, restaurant)
            by_hand.running["orders"].kill()
            body, said = order_for(restaurant), []
            for key in range(5):
                while not said or said[-1] != 201:
                    said.append((await town.try_to_place(customer, body, f"key-{key}")).said)
                said.append(None)
            there_again = said.index(201)
            assert said[there_again:] == [201, None] * 5, "asked again until the dead one is known"
    finally:
        codes = await asyncio.to_thread(by_hand.stop_all)
    assert set(codes.values()) == {0}
    assert len(codes) == len(PARTS) + 2
