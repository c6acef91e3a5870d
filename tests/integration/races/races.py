"""A town in which races are held, many at a time, each about an order of its own."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from random import Random
from typing import Any, NamedTuple
from uuid import uuid4

import aiohttp

from integration.payments.conftest import serving
from integration.races import checks
from integration.races.calls import Step, World
from integration.races.drain import Drain
from integration.races.post import TOLD, Post
from integration.races.process import Process
from integration.races.scene import FEE, PRICE, Hands, Scene
from integration.races.slow import (
    Meeting,
    PatientNode,
    Pauses,
    RaceClock,
    SlowNode,
    SlowProvider,
    ahead_s,
    only_order,
    party,
)
from integration.races.stages import STAGES
from tiffin.audit import Report, audit
from tiffin.primitives.errors import Refusal, Unavailable
from tiffin.rpc import contracts as c
from tiffin.services.payments.outcomes import NoAnswer
from tiffin.services.payments.provider import SandboxProvider
from tiffin.services.payments.sandbox import Delays, create_app
from tiffin.sharding.router import Router
from tiffin.storage.node import Node
from unit.restaurants.samples import ALWAYS, item

SECRET = b"between town and provider"
CUSTOMERS, RESTAURANTS = 16, 4
AT_ONCE_MAX = 50
REST_AFTER = 600
TIMEOUT_S = 60.0
RETRIES_S = (0.1, 0.5, 1.0, 5.0, 5.0, 5.0)
"""Of the sandbox's notices: a race waits for those it is to hear."""
OVERTAKEN_S = 300
"""So far is the clock of a second worker ahead: what the first has leased is due again."""
HARMLESS = ("contended", "payment_in_progress", "refund_pending")
"""Why somebody is asked to come again because of the other."""


class Race(NamedTuple):
    """Two steps in a scene."""

    first: Step
    second: Step
    stage: str

    def __str__(self) -> str:
        return f"{self.first.name} x {self.second.name}, {self.stage}"


@dataclass
class Held:
    """A race that was held: what both were answered, and whether they met before a write."""

    race: Race
    scene: Scene
    answers: tuple[str, str]
    """`ok`, or the code of the refusal."""
    has_met: bool


class Unheard(SandboxProvider):
    """Every answer to what moves money is lost after the deed."""

    async def _send(self, method: str, path: str, body: dict[str, Any] | None) -> Any:
        answer = await super()._send(method, path, body)
        return NoAnswer("lost") if method == "POST" else answer


class Town:
    """Two processes that race, three that prepare, and everything they work with."""

    def __init__(self, seed: int, clock: RaceClock, nodes: Sequence[Node], racing: Sequence[Process],
                 hands: Hands, post: Post) -> None:  # fmt: skip
        self.random = Random(seed)
        self.clock = clock
        self.racing = racing
        self.hands = hands
        self.post = post
        self.drain = Drain(nodes, hands.well)
        self.world = World(post.notices, self.drain.events_of)
        self.tally: Counter[str] = Counter()
        self._held: dict[str, Held] = {}

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, seed: int) -> AsyncGenerator["Town"]:
        """On a database of its own, with a sandbox of its own, over HTTP."""
        clock, pauses = RaceClock(), Pauses(seed)
        app = await create_app(SECRET, clock.timestamp, delays=Delays(webhook_retries_s=RETRIES_S))
        nodes: list[PatientNode] = [await PatientNode.at(url)]
        for _ in range(2):
            node = await SlowNode.at(url)
            node.pauses = pauses
            nodes.append(node)
        async with Post.open() as post, serving(app) as sandbox, _session() as session:
            post.sandbox_url = sandbox

            def provider(kind: type[SandboxProvider]) -> Any:
                return kind(session, sandbox, post.url, SECRET, TIMEOUT_S)

            slow = provider(SlowProvider)
            slow.pauses = pauses
            quick = await Router.open([nodes[0]])
            hands = Hands(
                Process(quick, clock, provider(SandboxProvider)),
                Process(quick, clock, provider(Unheard)),
                Process(quick, clock, provider(SandboxProvider), tells_orders=False),
            )
            racing = [Process(await Router.open([node]), clock, slow) for node in nodes[1:]]
            town = cls(seed, clock, nodes[:1], racing, hands, post)
            await town._found()
            try:
                yield town
            finally:
                await town.drain.close()
                for process in (*racing, hands.well, hands.unheard, hands.deaf):
                    await process.close()
                for node in nodes:
                    await node.close()

    async def hold(self, races: Sequence[Race]) -> list[str]:
        """Hold races, some at a time, let everything come to rest, and say what is wrong then."""
        faults: list[str] = []
        for start in range(0, len(races), REST_AFTER):
            held: list[Held] = []
            for some in _batches(races[start : start + REST_AFTER]):
                scenes = await asyncio.gather(*(self._prepare(race) for race in some))
                async with self.drain.going_on() if self.random.random() < 0.5 else nullcontext():
                    held += await asyncio.gather(
                        *(self._hold(race, scene) for race, scene in zip(some, scenes, strict=True))
                    )
            await self._come_to_rest(held)
            faults += await checks.faults(held, self.hands.well.router, await self.post.statement())
            self._count(held)
        return faults

    def _count(self, held: Sequence[Held]) -> None:
        self.post.forget()
        self._held |= {each.scene.id: each for each in held}
        for each in held:
            first, second = (answer == "ok" for answer in each.answers)
            self.tally["races"] += 1
            self.tally["met before a write"] += each.has_met
            self.tally[_WON[first, second]] += 1

    async def audit(self) -> tuple[Report, list[str]]:
        """The platform's own, with the provider's whole statement; and its differences, with their races."""
        lines = await self.post.whole_statement()
        self.clock.base = self.drain.later(60)
        report = await audit(self.hands.well.router, self.clock, statement=lambda: lines)
        told = [f"{each.subject}: {each.what} ({self._race_of(each.subject)})" for each in report.differences]
        return report, told

    def _race_of(self, subject: str) -> str:
        numbers = re.findall(r"\d{6,}", subject)
        held = self._held.get(numbers[0]) if numbers else None
        return f"{held.race} {held.answers}" if held else "no race"

    async def _found(self) -> None:
        well = self.hands.well
        for number in range(RESTAURANTS):
            request = c.CreateRestaurant(
                id=f"r{number}", name="La Olla", currency="COP", time_zone="America/Bogota", place=_HERE,
                delivery_fee=FEE, minimum_subtotal=0, hours=ALWAYS,
            )  # fmt: skip
            await well.restaurants.create(well.as_("operator", "op"), request)
            menu = c.SetMenu(restaurant_id=f"r{number}", items=[item("soup", PRICE)])
            await well.restaurants.set_menu(well.as_("operator", "op"), menu)
        home = c.Address(id="home", label="Home", street="Calle 1", city="Cali", place=_HERE)
        for number in range(CUSTOMERS):
            request = c.CreateCustomer(id=f"c{number}", name="Ana", addresses=[home])
            await well.users.create(well.as_("operator", "op"), request)

    async def _prepare(self, race: Race) -> Scene:
        needs_notices = race.first.needs_notices or race.second.needs_notices
        scene = Scene(
            f"c{self.random.randrange(CUSTOMERS)}",
            f"r{self.random.randrange(RESTAURANTS)}",
            uuid4().hex[:12],
            source=TOLD if needs_notices else "tok_ok",
        )
        await STAGES[race.stage].come(self.hands, scene)
        if needs_notices:
            await self.post.until_told(scene, STAGES[race.stage].has_refund)
        return scene

    async def _hold(self, race: Race, scene: Scene) -> Held:
        stage = STAGES[race.stage]
        due = {"order": stage.order_due, "case": stage.case_due, "payment": stage.payment_due, None: 0}
        ahead = max(due[step.loop_of] or 0 for step in race[:2])
        meeting = Meeting(self.random.choice((1, 1, 2, 3)))
        parties = (meeting.join(), meeting.join())
        is_overtaken = race.first is race.second and race.first.loop_of is not None
        aheads = (ahead, ahead + OVERTAKEN_S if is_overtaken else ahead)

        async def go(which: int) -> str:
            ahead_s.set(aheads[which])
            only_order.set(int(scene.id))
            party.set(parties[which])
            try:
                await race[which].does(self.world, self.racing[which], scene, which)
            except Refusal as refusal:
                return refusal.code
            except Unavailable as error:
                return error.code if error.code in HARMLESS else f"bug: {error!r}"
            except Exception as error:
                return f"bug: {error!r}"
            finally:
                meeting.leave(parties[which])
            return "ok"

        async with asyncio.timeout(TIMEOUT_S):
            first, second = await asyncio.gather(go(0), go(1))
        return Held(race, scene, (first, second), meeting.took_place)

    async def _come_to_rest(self, held: Sequence[Held]) -> None:
        """First what is under way, then every deadline."""
        self.clock.base = self.drain.later(61)
        await self.drain.until_quiet()
        for seconds in _DEADLINES_S:
            self.clock.base = self.drain.later(seconds)
            await self.drain.until_quiet()


def _session() -> aiohttp.ClientSession:
    """It lets go of connections before the sandbox does: a question on a closing one would have no answer."""
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=1))


def _batches(races: Sequence[Race]) -> list[Sequence[Race]]:
    return [races[start : start + AT_ONCE_MAX] for start in range(0, len(races), AT_ONCE_MAX)]


_HERE = c.Place(latitude=3, longitude=-76)
_DAY = 86_400
_DEADLINES_S = (8 * _DAY, 8 * _DAY, 8 * _DAY)
"""What waits for an answer has one after the first; what cannot be given back is owed after the second, and
all of it filed after the third."""
_WON = {
    (True, True): "both", (True, False): "the first alone", (False, True): "the second alone",
    (False, False): "neither",
}  # fmt: skip
