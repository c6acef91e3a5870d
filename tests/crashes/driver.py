"""Who lives on while processes of money die: orders, the provider, the database, and the test."""

import asyncio
import os
import random
import signal
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import msgspec
import uvicorn
from prometheus_client import CollectorRegistry

from crashes.clock import SharedClock
from crashes.fork_server import Job, Task
from crashes.seam import Crash, Passage, died_at
from crashes.ways import WAYS
from crashes.world import SECRET, Place
from marketplace import Marketplace
from tiffin.audit import Report, StatementLine, audit
from tiffin.events.reader import START, after, read
from tiffin.events.runner import backlog
from tiffin.rpc.server import RpcServer
from tiffin.services.orders.consumers import RestaurantCopy
from tiffin.services.payments.sandbox import KEEP_ALIVE_S, Delays, create_app
from tiffin.sharding.router import Router
from tiffin.storage.node import Node

DEADLINE_S = 120.0
"""How long a process may take on a busy machine; only one that hangs takes so long."""
LOST_REPLY_S = 0.05
"""How long the provider keeps a client waiting for a reply that is lost; then it says that it is."""
_TESTS = Path(__file__).parents[1]


@dataclass
class Told:
    """What a process has told."""

    acknowledged: list[list[str]] = field(default_factory=list)
    recovered: dict[str, Any] | None = None
    learned: list[tuple[str, list[Passage], dict[str, Any]]] = field(default_factory=list)
    """Ways, what was passed on them, and how they ended."""
    died_at: list[Passage] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    signal: int = 0
    """That ended it."""
    status: int = 0


class Victims:
    """Makes processes and hears them."""

    def __init__(self, process: asyncio.subprocess.Process, errors: Path) -> None:
        self._process, self._errors = process, errors

    @classmethod
    @asynccontextmanager
    async def open(cls, place: Place, errors: Path) -> AsyncIterator["Victims"]:
        paths = [str(_TESTS), os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
        with errors.open("wb") as file:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "crashes.fork_server", *place, env=environment,
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=file, limit=1 << 24,
            )  # fmt: skip
        try:
            yield cls(process, errors)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            await process.wait()

    async def run(self, job: Job) -> Told:
        """One process, to its end, whichever."""
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(job) + b"\n")
        told, child = Told(), 0
        try:
            while True:
                line = await asyncio.wait_for(self._line(), DEADLINE_S)
                child = line.get("started", child)
                if "acknowledged" in line:
                    told.acknowledged.append(line["acknowledged"])
                told.recovered = line.get("recovered", told.recovered)
                told.unknown = line.get("unknown", told.unknown)
                if "learned" in line:
                    passed = [(site, when) for site, when in line["passed"]]
                    told.learned.append((line["learned"], passed, line["recovered"]))
                told.died_at = [(site, when) for site, when in line.get("died_at", told.died_at)]
                if "ended" in line:
                    told.signal = os.WTERMSIG(line["ended"]) if os.WIFSIGNALED(line["ended"]) else 0
                    told.status = os.waitstatus_to_exitcode(line["ended"])
                    break
        except TimeoutError:
            os.kill(child, signal.SIGKILL)
            raise
        assert told.signal in (0, signal.SIGKILL), f"ended by signal {told.signal}"
        assert told.status <= 0, self._errors.read_text()[-6000:]
        return told

    async def _line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        assert line, "the fork server has ended: " + self._errors.read_text()[-6000:]
        return msgspec.json.decode(line)


class Stage:
    """A platform without its money services, and what the test knows of it."""

    def __init__(
        self, market: Marketplace, clock: SharedClock, sandbox: str, session: aiohttp.ClientSession,
        victims: Victims,
    ) -> None:  # fmt: skip
        self.market, self.clock, self.victims = market, clock, victims
        self._sandbox, self._session = sandbox, session
        self._lines: list[StatementLine] = []
        self.references: dict[str, dict[str, Any]] = {}
        """How orders end that went a way to its end, by way."""
        self.passages: dict[str, list[Passage]] = {}
        """What was passed on each way, in order."""
        self.hits: Counter[Passage] = Counter()
        self.killed = 0
        self.failures: list[str] = []
        self.unknown: list[str] = []

    @classmethod
    @asynccontextmanager
    async def open(cls, node: Node, directory: Path) -> AsyncIterator["Stage"]:
        clock = SharedClock.make(directory / "clock", datetime(2026, 6, 1, 12, 0, tzinfo=UTC))
        router, delays = (
            await Router.open([node]),
            Delays(slow_s=0.0, lost_reply_s=LOST_REPLY_S, webhook_retries_s=()),
        )
        app = await create_app(SECRET, lambda: clock().timestamp(), directory / "charges", delays)
        new_id = lambda prefix: f"{prefix}-{uuid4().hex[:12]}"  # noqa: E731
        async with (
            Marketplace.open(router, clock, new_id) as market,  # type: ignore[arg-type]
            RpcServer({"Orders": market.orders}, clock, None, CollectorRegistry()) as server,
            _serving(app) as sandbox,
            aiohttp.ClientSession() as session,
        ):
            await server.listen("127.0.0.1", 0)
            orders = f"127.0.0.1:{server.address[1]}"
            place = Place(node.url, orders, sandbox, str(directory / "clock"), market.customer)
            async with Victims.open(place, directory / "errors") as victims:
                yield cls(market, clock, sandbox, session, victims)

    async def learn(self) -> None:
        """Go every way once to its end, and see what is passed and how it ends."""
        told = await self.victims.run(Job(learn=[await self._task(name) for name in WAYS]))
        self.unknown = told.unknown
        for way, passed, recovered in told.learned:
            assert recovered["wrong"] == [], way
            self.passages[way], self.references[way] = passed, recovered["outcome"]

    async def crash(self, crashes: Sequence[tuple[str, Crash]]) -> None:
        """Die at each of these in turn; who dies next brings in order first what the one before has left."""
        died: tuple[Task, Crash] | None = None
        for name, crash in crashes:
            task = await self._task(name)
            if died is not None and _at_start(crash.site):
                self._judge(*died, await self.victims.run(Job(recover=died[0])))
                died = None
            told = await self.victims.run(Job(recover=died and died[0], go=task, crash=crash))
            if died is not None:
                self._judge(*died, told)
            if told.signal:
                self.hits.update(told.died_at)
                self.killed += 1
            task.acknowledged, died = told.acknowledged, (task, crash)
        if died is not None:
            self._judge(*died, await self.victims.run(Job(recover=died[0])))

    def plan(self, hits: int, seed: int) -> list[tuple[str, Crash]]:
        """What it takes that every site is hit so often before and after, beside what has been hit; over all
        the ways and passages there are, by chance."""
        chance = random.Random(seed)
        places = self._places()
        wanted = {passage: hits - self.hits[passage] for passage in sorted(places)}
        planned: list[tuple[str, Crash]] = []
        for passage in sorted(wanted, key=lambda passage: len(places[passage])):
            chance.shuffle(places[passage])
            by_use = sorted(places[passage], key=lambda place: -sum(wanted[each] > 0 for each in place[2]))
            for number in range(wanted[passage]):
                way, crash, died_at = by_use[number % len(by_use)]
                planned.append((way, crash))
                for each in died_at:
                    wanted[each] -= 1
        chance.shuffle(planned)
        return planned

    def _places(self) -> dict[Passage, list[tuple[str, Crash, Sequence[Passage]]]]:
        """By what they hit: the ways and crashes there are."""
        places: dict[Passage, list[tuple[str, Crash, Sequence[Passage]]]] = {}
        for way, passed in self.passages.items():
            times: Counter[Passage] = Counter()
            for number, (site, when) in enumerate(passed, 1):
                times[site, when] += 1
                hit = died_at(passed[:number][-2:])
                if not _at_start(site):  # who goes on from another's crash has passed its start before
                    hit = [passage for passage in hit if not _at_start(passage[0])]
                for passage in hit:
                    places.setdefault(passage, []).append((way, Crash(site, when, times[site, when]), hit))
        return places

    async def audit(self) -> Report:
        """The whole audit, once everybody has read the log."""
        node = self.market.router.nodes[0]
        connection, copy, cursor = await node.connect(), RestaurantCopy(self.market.router), START
        while await _last_position(node) > (cursor.xid, cursor.position):
            if events := await read(connection, cursor):
                await copy.handle(events)
                cursor = after(events[-1])
            else:
                await asyncio.sleep(0.005)
        await connection.close()
        for reader in ("payments", "ledger", "reverse"):
            assert await backlog(node, reader) == 0
        lines = await self._statement()
        return await audit(self.market.router, self.clock, wait_s=0, statement=lambda: lines)

    def table(self) -> str:
        """What has been hit how often, as Markdown."""
        rows = [
            f"| {site} | {self.hits[site, 'before']} | {self.hits[site, 'after']} |"
            for site in sorted({site for site, _ in self.hits})
        ]
        head = f"{self.killed} processes killed\n\n| site | before | after |\n|---|---|---|\n"
        return head + "\n".join(rows)

    def _judge(self, task: Task, crash: Crash, told: Told) -> None:
        assert told.recovered is not None
        wrong, ends = list(told.recovered["wrong"]), told.recovered["outcome"]
        reference = self.references[task.way]
        wrong += [
            f"{book}: {ends[book]} in place of {reference[book]}"
            for book in ends
            if ends[book] != reference[book]
        ]
        self.failures += [
            f"{task.way}, {crash.when} {crash.site} ({crash.nth}), order {task.order_id}: {what}"
            for what in wrong
        ]

    async def _task(self, way: str) -> Task:
        order = await self.market.place(payment_method=WAYS[way].method)
        return Task(way, order.id, len(await self._statement()), ends=self.references.get(way))

    async def _statement(self) -> list[StatementLine]:
        """All that the provider has moved so far."""
        while True:
            async with self._session.get(f"{self._sandbox}/statement?after={len(self._lines)}") as response:
                page = (await response.json())["lines"]
            if not page:
                return self._lines
            self._lines += [
                StatementLine(each["kind"], each["key"], each["amount"], each["currency"]) for each in page
            ]


def _at_start(site: str) -> bool:
    """What a process does only once, before anything else."""
    return site.startswith(("log.lead", "log.cursor", "log.forgettable"))


async def _last_position(node: Node) -> tuple[int, int]:
    (row,) = await node.fetch(
        "SELECT xid::text::bigint AS xid, position FROM log.events"
        " ORDER BY log.events.xid DESC, position DESC LIMIT 1"
    )
    return row["xid"], row["position"]


class _Server(uvicorn.Server):
    """One that leaves the process's signals alone."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def _serving(app: Any) -> AsyncIterator[str]:
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app, log_level="warning", timeout_graceful_shutdown=1, timeout_keep_alive=KEEP_ALIVE_S
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve([listener]))
    while not server.started:  # uvicorn offers nothing to wait for
        await asyncio.sleep(0)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
