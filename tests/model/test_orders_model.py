"""Whatever people do in whatever order: the orders service on PostgreSQL and the model agree."""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, cast
from uuid import uuid4

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

import databases
from manual_clock import ManualClock
from marketplace import COURIER, Marketplace, attempt
from model.order_model import ModelOrder, Said, place
from order_rules import EVENTS, FINAL, ROLES, RULES, STEPS
from tiffin.primitives.clock import to_text
from tiffin.rpc import contracts as c
from tiffin.rpc.context import Role
from tiffin.services.orders.service import OrdersService
from tiffin.sharding.router import Router
from tiffin.storage.embedded import EmbeddedServer

Result = TypeVar("Result")

COMMON: dict[str, Any] = {
    "deadline": None, "suppress_health_check": [HealthCheck.too_slow], "print_blob": True, "database": None,
}  # fmt: skip
settings.register_profile("dev", max_examples=120, stateful_step_count=30, **COMMON)
settings.register_profile("soak", max_examples=600, stateful_step_count=60, **COMMON)

COURIERS = (COURIER, "courier-2")
PROCESSES = st.sampled_from((0, 1))
NEXT = {
    "awaiting_payment": ("paid", "system"), "scheduled": ("released", "system"),
    "awaiting_acceptance": ("accepted", "restaurant"), "preparing": ("prepared", "restaurant"),
    "ready": ("picked_up", "operator"), "delivering": ("delivered", "operator"),
    "delivered": ("completed", "customer"),
}  # fmt: skip
"""What comes next if nothing goes wrong."""
WAITS_S = (1, 59, 61, 299, 300, 900, 3000, 7200, 90_000)


@dataclass
class Placed:
    """An order in both worlds, and the answer that its customer got."""

    request: c.PlaceOrder
    order: c.Order
    model: ModelOrder


class World:
    """The real service, made to look synchronous."""

    def __init__(self, loop: asyncio.Runner, market: Marketplace, clock: ManualClock) -> None:
        self._loop = loop
        self.market = market
        self.clock = clock
        self.processes = (market.orders, market.process())

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return self._loop.run(work)

    def new_people(self) -> None:
        """A customer and a restaurant that have no orders yet."""
        self.market.customer, self.market.restaurant = (f"{kind}-{uuid4().hex[:12]}" for kind in "cr")
        self.run(self.market.add_customer(self.market.customer))
        self.run(self.market.add_restaurant(self.market.restaurant))


class OrdersMachine(RuleBasedStateMachine):
    """One customer and one restaurant; two processes of the service, either of which may be asked."""

    world: World
    orders = Bundle("orders")

    @initialize()
    def begin(self) -> None:
        self.world.new_people()
        self.market = self.world.market
        self.placed: list[Placed] = []
        self.touched: list[Placed] = []

    @property
    def now(self) -> datetime:
        return self.world.clock()

    def try_to(self, work: Coroutine[Any, Any, c.Order]) -> c.Order | str:
        return self.world.run(attempt(work))

    @rule(
        target=orders,
        payment_method=st.sampled_from(("cash", "online")),
        ahead_s=st.sampled_from((None, 1800, 3001, 4 * 3600)),
        process=PROCESSES,
    )
    def place_new(self, payment_method: str, ahead_s: int | None, process: int) -> Placed:
        scheduled_for = None if ahead_s is None else self.now + timedelta(seconds=ahead_s)
        request = self.market.request(
            payment_method=payment_method, scheduled_for=to_text(scheduled_for) if scheduled_for else None
        )
        order = self.world.run(self.market.place(request, orders=self._process(process)))
        model = place(self.market.customer, self.market.restaurant, payment_method, scheduled_for, self.now)
        placed = Placed(request, order, model)
        self.placed.append(placed)
        self.touched = [placed]
        return placed

    @rule(placed=orders, process=PROCESSES)
    def place_again(self, placed: Placed, process: int) -> None:
        again = self.world.run(self.market.place(placed.request, orders=self._process(process)))
        assert msgspec.json.encode(again) == msgspec.json.encode(placed.order)
        self.touched = [placed]

    @rule(placed=orders)
    def place_something_else_with_its_key(self, placed: Placed) -> None:
        other = msgspec.structs.replace(placed.request, note="something else")
        assert self.try_to(self.market.place(other)) == "idempotency_key_reused"
        self.touched = [placed]

    @rule(
        placed=orders,
        event=st.sampled_from((*EVENTS, "flown")),
        role=st.sampled_from(ROLES),
        whose=st.sampled_from(("mine", "mine", "mine", "another's")),
        courier_id=st.sampled_from((None, *COURIERS)),
        reason=st.sampled_from((None, "because")),
        behind=st.sampled_from((None, None, 0, 1, -1)),
        process=PROCESSES,
    )
    def somebody_says_anything(
        self,
        placed: Placed,
        event: str,
        role: str,
        whose: str,
        courier_id: str | None,
        reason: str | None,
        behind: int | None,
        process: int,
    ) -> None:
        expected = None if behind is None else max(1, placed.model.version - behind)
        self._say(placed, event, role, whose, courier_id, reason, expected, process)

    @rule(placed=orders, data=st.data())
    def somebody_says_what_may_be_said(self, placed: Placed, data: st.DataObject) -> None:
        """A step that goes on is likelier than one that ends it: an order should get far."""
        may = [each for each in RULES if each.state == placed.model.state]
        on = [each for each in may if each.target not in FINAL]
        if may:
            step = data.draw(st.sampled_from(on * 4 + may))
            named = data.draw(st.sampled_from(COURIERS)) if step.role == "operator" else None
            whose = "another's" if step.role == "courier" and placed.model.courier == COURIERS[1] else "mine"
            self._say(placed, step.event, step.role, whose, named, None, None, data.draw(PROCESSES))

    @rule(placed=orders, steps=st.sampled_from((1, 2, 3, 5)))
    def all_goes_well(self, placed: Placed, steps: int) -> None:
        """Orders have to get far for the rest to be tried there."""
        for _ in range(steps):
            step = NEXT.get(placed.model.state)
            if step is None:
                break
            if placed.model.state == "ready" and placed.model.courier is None:
                step = ("courier_assigned", "operator")
            courier_id = COURIER if step[0] == "courier_assigned" else None
            self._say(placed, *step, "mine", courier_id, None, None, 0)

    @rule(seconds=st.sampled_from(WAITS_S), sweeping=st.booleans())
    def time_passes(self, seconds: int, sweeping: bool) -> None:
        """Deadlines are acted on, or the sweeper is late."""
        self.world.clock.advance(seconds)
        if sweeping:
            self.world.run(self.market.sweep())
            for placed in self.placed:
                while placed.model.pass_deadline(self.now):
                    pass
            self.touched = self.placed

    @rule(placed=orders)
    def the_copy_catches_up(self, placed: Placed) -> None:
        self.world.run(self.market.copy(placed.order))
        assert self._row(placed, "restaurant") == self._row(placed, "customer")
        self.touched = [placed]

    @invariant()
    def each_touched_order_is_as_the_model_says(self) -> None:
        for placed in self.touched:
            row, model = self._row(placed, "customer"), placed.model
            real = (
                row["state"], row["version"], row["due_at"], row["updated_at"], row["accepted_at"],
                row["courier_id"], row["reason"], row["scheduled_for"],
            )  # fmt: skip
            assert real == (
                model.state, model.version, model.due_at, model.updated_at, model.accepted_at,
                model.courier, model.reason, model.scheduled_for,
            )  # fmt: skip
        self.touched = []

    def teardown(self) -> None:
        if not getattr(self, "placed", None):
            return
        self.touched = self.placed
        self.each_touched_order_is_as_the_model_says()
        self.world.run(self.market.copy(*(placed.order for placed in self.placed)))
        for placed in self.placed:
            assert self._row(placed, "restaurant") == self._row(placed, "customer")
            history = self._history(placed)
            assert history == placed.model.history
            assert [said.version for said in history] == list(range(1, len(history) + 1))
            assert all((said.source, said.event, said.target) in STEPS for said in history)
        everything = [placed.order.id for placed in self.placed]
        for of in ({"customer_id": self.market.customer}, {"restaurant_id": self.market.restaurant}):
            pages = self.world.run(self.market.pages(limit=3, **of))
            assert sorted(order.id for page in pages for order in page) == sorted(everything)

    def _say(
        self,
        placed: Placed,
        event: str,
        role: str,
        whose: str,
        courier_id: str | None,
        reason: str | None,
        expected_version: int | None,
        process: int,
    ) -> None:
        mine = self.market.context(cast(Role, role)).caller.id
        others = COURIERS[1] if role == "courier" else "another"
        caller_id = mine if whose == "mine" else others
        answer = self.try_to(
            self.market.say(
                placed.order,
                event,
                cast(Role, role),
                caller_id,
                orders=self._process(process),
                courier_id=courier_id,
                reason=reason,
                expected_version=expected_version,
            )
        )
        refused = placed.model.say(
            event, role, caller_id, self.now,
            courier_id=courier_id, reason=reason, expected_version=expected_version,
        )  # fmt: skip
        if refused is None:
            assert isinstance(answer, c.Order), (answer, event, role, placed.model)
            assert (answer.state, answer.version) == (placed.model.state, placed.model.version)
            assert answer == self.world.run(self.market.get(answer)), (
                "the answer is what everybody then reads"
            )
        else:
            assert answer == refused, (event, role, placed.model)
        self.touched = [placed]

    def _process(self, number: int) -> OrdersService:
        return self.world.processes[number]

    def _row(self, placed: Placed, dimension: str) -> dict[str, Any]:
        row = self.world.run(self.market.row(placed.order, cast(Any, dimension)))
        assert row is not None
        return row

    def _history(self, placed: Placed) -> list[Said]:
        return [
            Said(
                event.version, event.from_state, event.type.removeprefix("order."), event.to_state,
                event.actor.role, event.actor.id, event.reason,
            )
            for event in self.world.run(self.market.history(placed.order))
        ]  # fmt: skip


@contextmanager
def world(server: EmbeddedServer, name: str) -> Iterator[World]:
    """A platform of its own on a loop of its own: Hypothesis calls from outside any loop."""
    clock = ManualClock(datetime(2026, 6, 1, 12, 0, tzinfo=UTC))
    with asyncio.Runner() as loop:
        (node,) = loop.run(databases.open_platform(server, [name]))
        market = Marketplace(loop.run(Router.open([node])), clock, lambda kind: f"{kind}-{uuid4().hex[:12]}")
        try:
            yield World(loop, market, clock)
        finally:
            loop.run(market.close())
            loop.run(node.close())
            loop.run(databases.drop_platform(server, [name]))


def run(server: EmbeddedServer, profile: str) -> None:
    with world(server, f"model_{profile}") as real:
        machine = type("Machine", (OrdersMachine,), {"world": real})
        run_state_machine_as_test(machine, settings=settings.get_profile(profile))


def test_whatever_people_do_the_service_and_the_model_agree(server: EmbeddedServer) -> None:
    run(server, "dev")


@pytest.mark.soak
@pytest.mark.timeout(3000)
def test_whatever_people_do_for_long_the_service_and_the_model_agree(server: EmbeddedServer) -> None:
    run(server, "soak")
