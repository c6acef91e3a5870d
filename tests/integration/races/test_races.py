"""Every pair of calls and loops that change one order, payment or case, at the same moment."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from importlib import resources
from random import Random

import pytest
from structlog.testing import capture_logs

import databases
from integration.races.races import Race, Town
from integration.races.steps import (
    BY_OTHER_STEPS,
    NOT_OF_ONE_ORDER,
    ONLY_READ,
    STEPS,
    pairs,
    shared,
    stages_of,
)
from tiffin.rpc import contracts
from tiffin.services.orders.states import EVENTS as ORDER_EVENTS
from tiffin.services.reverse.states import EVENTS as CASE_EVENTS
from tiffin.storage.embedded import EmbeddedServer

SERVICES = ("Orders", "Payments", "Reverse", "Ledger")

SEEDS = range(1, 11)
ROUNDS = 10
"""Of each seed: of ten seeds 100 of every two that can happen at the same moment."""
FAULTS_SHOWN = 5
ONLY_TELL = ("notifications", "webhooks")
"""Parts that change nothing of an order."""
CONTRADICTIONS = ("provider_disagrees", "orders_refuse_payment")
"""What is logged where two records cannot both be true."""


@pytest.fixture
async def town(server: EmbeddedServer, request: pytest.FixtureRequest) -> AsyncIterator[Town]:
    """With the seed that a test is given."""
    (node,) = await databases.open_platform(server, ["races"])
    await node.close()
    try:
        with capture_logs() as logs:
            async with Town.open(node.url, request.param) as town:
                yield town
    finally:
        await databases.drop_platform(server, ["races"])
    assert not [entry for entry in logs if entry["event"] in CONTRADICTIONS]


def races(seed: int, turn: int) -> list[Race]:
    """One of every two who can both do something from one beginning, each turn from another; in the first
    turn of a seed also of those two of whom one comes too late or too early. In no order."""
    random = Random(seed)
    races = [
        Race(first, second, stages[(random.randrange(len(stages)) + turn) % len(stages)])
        for first, second in pairs()
        for stages in (stages_of(first, second),)
        if shared(first, second) or (seed and not turn)
    ]
    random.shuffle(races)
    return races


async def _hold(town: Town, seed: int, turns: int) -> None:
    for turn in range(turns):
        some = races(seed, turn)
        faults = await town.hold(some)
        assert not faults, f"{len(faults)} of {len(some)} races:\n" + "\n".join(faults[:FAULTS_SHOWN])
        print(f"{datetime.now(UTC):%F %T} seed {seed}, turn {turn + 1}: {dict(town.tally)}", flush=True)
    report, differences = await town.audit()
    assert not differences, f"{len(differences)} differences:\n" + "\n".join(differences[:FAULTS_SHOWN])
    assert town.tally["both"] and town.tally["the first alone"] and town.tally["the second alone"]
    assert town.tally["met before a write"] > town.tally["races"] // 10
    print(f"audited: {dict(report.checked)}", flush=True)


@pytest.mark.parametrize("town", [0], indirect=True)
async def test_every_two_at_once_lose_nothing_and_move_no_money_twice(town: Town) -> None:
    await _hold(town, 0, 1)


@pytest.mark.soak
@pytest.mark.parametrize(("town", "seed"), [(seed, seed) for seed in SEEDS], indirect=["town"])
async def test_every_two_at_once_a_hundred_times(town: Town, seed: int) -> None:
    await _hold(town, seed, ROUNDS)


def test_every_call_and_every_loop_is_in_a_race() -> None:
    methods = {f"{service}.{name}" for service in SERVICES for name in contracts.services[service]}
    loops = {
        name for name in _loops() if name.partition(".")[0] in ("orders", "payments", "reverse", "ledger")
    }
    raced = {step.of for step in STEPS}
    assert methods | loops | _consumers() == raced | ONLY_READ | NOT_OF_ONE_ORDER.keys()


def test_every_event_is_in_a_race() -> None:
    events = {f"order.{event}" for event in ORDER_EVENTS} | {f"case.{event}" for event in CASE_EVENTS}
    kinds = {"Orders.place": "order", "Orders.advance": "order", "Reverse.advance": "case"}
    said = {f"{kinds[step.of]}.{step.event}" for step in STEPS if step.event}
    assert events == said | BY_OTHER_STEPS.keys()
    assert {step.name for step in STEPS} >= set(BY_OTHER_STEPS.values())


def _loops() -> set[str]:
    """The names of the loops that the parts of a platform run."""
    return {name for text in _parts().values() for name in re.findall(r'every\([^"]*"([a-z._]+)"', text)}


def _consumers() -> set[str]:
    """The readers of the log that change something of an order: of every part but those that tell people."""
    parts = _parts()
    readers = {"orders": "RestaurantCopy", "restaurants": "StockConsumer", "payments": "PaymentsConsumer",
               "ledger": "LedgerConsumer", "reverse": "ReverseConsumer"}  # fmt: skip
    for part, text in parts.items():
        made = set(re.findall(r"= (\w+(?:Copy|Consumer))\(", text))
        assert part in ONLY_TELL or made <= {readers.get(part)}, f"{part} has another reader: {made}"
    return {f"consumer {'stock' if part == 'restaurants' else part}" for part in readers}


def _parts() -> dict[str, str]:
    folder = resources.files("tiffin.cli") / "parts"
    return {
        file.name.removesuffix(".py"): file.read_text()
        for file in folder.iterdir()
        if file.name.endswith(".py")
    }
