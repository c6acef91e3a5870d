"""Movers that are killed (`kill -9`) behind every step they take, and at any moment; another one goes on.

They are processes, `tiffin shards ...`, one after the other: each dies behind the first step behind which
none has died yet (`mover_victim`). What steps there are is read from the source: one that nobody died behind
fails the test. Orders keep coming meanwhile, and get no errors.
"""

import ast
import asyncio
import os
import random
import re
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path

import pytest

import databases
import tiffin.sharding.moving
from integration.moving.town import Load, Town, all_is_there, copying, is_clean, nothing_is_left, settled
from manual_clock import ManualClock
from tiffin.sharding import router as routing
from tiffin.sharding.moving import switching
from tiffin.sharding.moving.move import Move, Step
from tiffin.sharding.moving.mover import Mover
from tiffin.storage.embedded import EmbeddedServer
from tiffin.storage.node import Node
from tiffin.storage.queries import load_queries

pytestmark = pytest.mark.timeout(1200)  # a dozen processes, one after the other: slow on a busy machine

NAMES = ["killorigin", "killgoal"]
DEATHS_MAX = 200
PIVOTAL = r"take_out: ALTER|last_events|_take_in: COMMIT|switch: end_switch"
"""Behind these everything hangs in the air."""
WAYS_ON: Mapping[Step, Sequence[str]] = {
    **dict.fromkeys(("planned", "copying", "copied"), ("resume", "resume", "cancel")),
    "switching": ("resume", "rollback"),
    **dict.fromkeys(("following", "going_back", "back"), ("rollback",)),
}
NOT_ON_THE_WAY = {"Mover.put_back_abandoned", "put_back", "_rows"}
"""What is done if a switch fails, and if the sums of two tables differ."""
LOOKS_ONLY = {"moves", "pauses", "switching"}
"""Asked by who looks on, and by who puts shards back, not on the way of a move."""


@pytest.fixture(scope="module")
async def nodes(server: EmbeddedServer) -> AsyncIterator[list[Node]]:
    """Two nodes that no other test moves shards of."""
    nodes = await databases.open_platform(server, NAMES)
    yield nodes
    await databases.end_moves(nodes)
    for node in nodes:
        await node.close()
    await databases.drop_platform(server, NAMES)


@pytest.fixture
async def town(nodes: list[Node], clock: ManualClock, new_id: Callable[[str], str]) -> AsyncIterator[Town]:
    async with settled(nodes, clock, new_id) as town:
        yield town


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mover's successor is there after some seconds; a busy machine takes longer."""
    monkeypatch.setattr(routing, "SWITCHED_WITHIN_S", 120.0)
    monkeypatch.setattr(switching, "ARRIVED_WITHIN_S", 30.0)


@pytest.fixture(scope="module")
def data_directory() -> Iterator[Path]:
    with databases.directory() as directory:
        yield directory


class Movers:
    """Processes that carry moves on, each until it is killed."""

    def __init__(self, nodes: Sequence[Node], directory: Path, only: str = "") -> None:
        self._nodes = nodes
        self._directory = directory
        self._environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(sys.path),
            "TIFFIN_DATA_DIRECTORY": str(directory),
            "TIFFIN_NODES": " ".join(f"{node.name}={node.url}" for node in nodes),
            "MOVER_VICTIM_ONLY": only,
        }
        self.sites: set[str] = set()
        """Behind which somebody died."""

    async def see_through(self, *commands: str) -> None:
        """The first command; once that is recorded the last one; until one comes to its end."""
        passed, command = self._directory / "passed", commands[0]
        passed.write_text("")
        for _ in range(DEATHS_MAX):
            if await self._run("-m", "mover_victim", str(passed), "shards", *command.split()):
                break
            command = commands[-1] if await Mover(self._nodes).open_moves() else commands[0]
        else:
            raise AssertionError("it comes to no end")
        self.sites.update(passed.read_text().splitlines())

    async def kill_after(self, seconds: float, command: str) -> bool:
        """Run a command for so long at most. Whether it came to its end."""
        return await self._run("-m", "tiffin", "shards", *command.split(), seconds=seconds)

    async def _run(self, *arguments: str, seconds: float | None = None) -> bool:
        process = await asyncio.create_subprocess_exec(
            sys.executable, *arguments, env=self._environment, cwd=self._directory,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        printing = asyncio.create_task(process.communicate())
        await asyncio.wait([printing], timeout=seconds)
        if not printing.done():
            process.kill()
        printed, _ = await printing
        assert process.returncode in (0, -9), printed.decode()
        return process.returncode == 0

    async def only_move(self) -> Move:
        """The newest there is."""
        return (await Mover(self._nodes).moves())[-1]


@asynccontextmanager
async def minding(nodes: Sequence[Node]) -> AsyncGenerator[None]:
    """What a platform does all the time: shards that a dead mover has left between two nodes are put back."""

    async def mind() -> None:
        while True:
            await Mover(nodes).put_back_abandoned()
            await asyncio.sleep(0.5)

    task = asyncio.create_task(mind())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def where(town: Town) -> str:
    """What is to be moved, as one types it."""
    return " ".join(
        f"{dimension}/{shard}" for dimension, shards in town.leg.shards.items() for shard in shards
    )


@asynccontextmanager
async def ordering(town: Town) -> AsyncGenerator[Load]:
    """Orders are placed while this is entered, and all are there when it is left."""
    load = Load(town)
    async with copying(town.router, town.clock), load():
        yield load
    assert load.errors == []
    await all_is_there(town, load.accepted)
    await is_clean(town)


@pytest.mark.soak
async def test_a_mover_killed_where_everything_hangs_in_the_air_is_gone_on_with(
    town: Town, nodes: list[Node], data_directory: Path
) -> None:
    movers = Movers(nodes, data_directory, PIVOTAL)
    async with ordering(town) as load:
        await movers.see_through(f"move {where(town)} --to {NAMES[1]}", "resume")
        there = len(load.accepted)
        await movers.see_through("rollback")
    assert there > 0
    move = await movers.only_move()
    assert move.step == "cancelled"
    assert len(movers.sites) == 4
    await nothing_is_left(nodes, move)


async def test_without_a_successor_a_shard_is_put_back_where_it_was(town: Town, nodes: list[Node]) -> None:
    mover, (shard, *_) = Mover(nodes), town.leg.shards["customer"]
    async with ordering(town):
        move = await mover.copy(await mover.begin(town.leg))
        await nodes[0].execute("UPDATE tiffin.moves SET step = 'switching' WHERE id = $1", move.id)
        await nodes[0].execute(switching.QUERIES["begin_switch"], "customer", shard, NAMES[0])
        async with nodes[0].transaction() as connection:
            of = await switching.tables.of_dimension(nodes[0], "customer")
            await switching.tables.take_out(connection, of, shard)
        async with mover.alone():
            assert await Mover(nodes).put_back_abandoned() == [], "a mover is at work"
        assert await Mover(nodes).put_back_abandoned() == [("customer", shard)]
        assert await Mover(nodes).put_back_abandoned() == []
        await town.place(customer=town.customers[0])
        (move,) = await mover.open_moves()
        await mover.go_back(await mover.hand_over(move))
    await nothing_is_left(nodes, move)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("is_minded", [True, False])
async def test_a_mover_killed_behind_every_step_is_gone_on_with(
    town: Town, nodes: list[Node], data_directory: Path, is_minded: bool
) -> None:
    movers = Movers(nodes, data_directory)
    forth = f"move {where(town)} --to {NAMES[1]}"
    async with ordering(town), minding(nodes) if is_minded else nullcontext():
        await movers.see_through(forth, "resume")
        await movers.see_through("rollback")
        await nothing_is_left(nodes, await movers.only_move())
        await movers.kill_after(3600, f"{forth} --copy-only")
        await movers.see_through("cancel")
        await nothing_is_left(nodes, await movers.only_move())
        await movers.see_through(forth, "resume")
        await movers.see_through("finish")
    await nothing_is_left(nodes, await movers.only_move())
    print(f"{len(movers.sites)} steps:", *sorted(movers.sites), sep="\n")
    assert not [site for site in movers.sites if "unknown" in site]
    assert {site.rpartition(": ")[2] for site in movers.sites} >= statements()
    assert {site.partition(": ")[0] for site in movers.sites} >= functions()


def statements() -> set[str]:
    """All that a mover may ask by name."""
    log = {f"log.{name}" for name in load_queries("tiffin.sharding.moving", "log.sql")}
    return log | set(load_queries("tiffin.sharding.moving")) - LOOKS_ONLY


def functions() -> set[str]:
    """All that ask a database for something."""
    asking: set[str] = set()
    for path in Path(tiffin.sharding.moving.__file__).parent.glob("*.py"):
        for scope in ast.walk(ast.parse(path.read_text())):
            prefix = f"{scope.name}." if isinstance(scope, ast.ClassDef) else ""
            if isinstance(scope, (ast.ClassDef, ast.Module)):
                for node in scope.body:
                    if isinstance(node, ast.AsyncFunctionDef) and re.search(
                        r"\.(execute|fetch|fetchrow|fetchval)\(", ast.unparse(node)
                    ):
                        asking.add(prefix + node.name)
    return asking - {"Mover.moves", "Mover.pauses", *NOT_ON_THE_WAY}


@pytest.mark.soak
@pytest.mark.timeout(3600)
async def test_a_mover_killed_at_twenty_random_moments_is_gone_on_with(
    town: Town, nodes: list[Node], data_directory: Path
) -> None:
    chance, movers = (
        random.Random(int(os.environ.get("TIFFIN_TEST_SEED", "7"))),
        Movers(nodes, data_directory),
    )
    forth, kills = f"move {where(town)} --to {NAMES[1]}", 0
    async with ordering(town), minding(nodes):
        began_s = asyncio.get_running_loop().time()
        assert await movers.kill_after(3600, forth)
        assert await movers.kill_after(3600, "rollback")
        takes_s = asyncio.get_running_loop().time() - began_s
        while kills < 20:
            kills += not await movers.kill_after(chance.uniform(0, 0.6) * takes_s, forth)
            while open_moves := await Mover(nodes).open_moves():
                command = chance.choice(WAYS_ON[open_moves[0].step])
                kills += not await movers.kill_after(chance.uniform(0, 0.8) * takes_s, command)
            await nothing_is_left(nodes, await movers.only_move())
    print(f"{kills} kills")
