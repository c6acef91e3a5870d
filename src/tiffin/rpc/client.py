"""Calls to a service in other processes, through the same protocol as to the service object itself.

A call ends at its context's deadline at the latest; the service is given a little less, so that what it says
last still arrives. It is made again, elsewhere if there is another address, only if nothing was begun, or if
its method may be asked twice (`Method.repeatable`) and the service was lost or said `Unavailable`; only
within the deadline, and only as often as the retry budget allows.

What a caller gets is what the service raised (`Refusal`, `Unavailable`), `RpcBug`, or `Unavailable` with
  overloaded       too many calls wait for a place, or none came; nothing was done
  unreachable      no address can be reached; nothing was done (or the method may be asked twice)
  deadline_passed  no answer in time; nothing was done (or the method may be asked twice)
  outcome_unknown  the call went out and no answer came back: it may have been carried out, or still will
  shutting_down    this client was closed
"""

import asyncio
from collections.abc import Sequence
from functools import partial
from time import perf_counter
from types import SimpleNamespace
from typing import Any

import msgspec

from tiffin.primitives.clock import Clock
from tiffin.primitives.errors import Refusal, Unavailable
from tiffin.rpc import contracts as c
from tiffin.rpc import health_checks, retries, wire
from tiffin.rpc.addresses import parse_address
from tiffin.rpc.balancer import Balancer
from tiffin.rpc.client_metrics import MethodMetrics, Outcome
from tiffin.rpc.connection import CallLost
from tiffin.rpc.context import remaining_s
from tiffin.rpc.pool import ClientLimits, Pool
from tiffin.rpc.retries import TRIES_MAX, Chance, RetryBudget

MARGIN_MS = 10
"""So much earlier than its caller a service stops, at every step of a chain."""
_FINAL = frozenset({"deadline_passed", "outcome_unknown"})
"""Trying again cannot make these better."""
_NOTHING_BEGUN = "draining"
"""A server's word about itself: the call was not begun. Told on as `unreachable`, so that it never means that
something further down the chain is stopping, after this call had begun."""


_DEFAULT_LIMITS = ClientLimits()


class Client:
    """One service, wherever it runs. Made within a running loop; `close` it there.

    `service` is the contract's protocol: `orders: c.Orders = Client("Orders", ...).service`.
    """

    def __init__(
        self,
        service: str,
        addresses: Sequence[str],
        clock: Clock,
        chance: Chance,
        limits: ClientLimits = _DEFAULT_LIMITS,
    ) -> None:
        """`addresses` as in `addresses.py`, at least one; `ValueError` if one is none. `chance` gives numbers
        from 0 up to 1."""
        if not addresses:
            raise ValueError(f"{service}: no addresses")
        self._loop = asyncio.get_running_loop()
        self._name = service
        self._clock = clock
        self._chance = chance
        self._budget = RetryBudget()
        self._balancer = Balancer(service, [parse_address(text) for text in addresses], limits)
        self._watch = health_checks.watch(service, self._balancer.pools, clock, chance)
        methods = wire.services[service]
        self.service: Any = SimpleNamespace(
            **{
                name: partial(self._call, method, MethodMetrics(service, name))
                for name, method in methods.items()
            }
        )

    @property
    def is_served(self) -> bool:
        """Whether any address is thought to serve: by what it last said, asked about once a second."""
        return any(pool.healthy for pool in self._balancer.pools)

    async def check_health(self) -> None:
        """Ask every address how it is, now and not only when its turn comes."""
        await health_checks.check(self._name, self._balancer.pools, self._clock)

    async def close(self) -> None:
        """Calls under way are lost, later ones refused."""
        self._watch.cancel()
        await asyncio.gather(self._watch, return_exceptions=True)
        self._balancer.close()

    async def _call(
        self, method: wire.MethodWire, metrics: MethodMetrics, context: c.CallContext, request: msgspec.Struct
    ) -> Any:
        began = perf_counter()
        outcome: Outcome = "bug"
        try:
            answer = await self._ask(method, metrics, context, request)
            outcome = "ok"
            return answer
        except Refusal:
            outcome = "refused"
            raise
        except Unavailable:
            outcome = "unavailable"
            raise
        except asyncio.CancelledError:
            outcome = "cancelled"
            raise
        finally:
            metrics.ended(outcome, perf_counter() - began)

    async def _ask(
        self, method: wire.MethodWire, metrics: MethodMetrics, context: c.CallContext, request: msgspec.Struct
    ) -> Any:
        """Once, or again and again while that may help."""
        until = self._loop.time() + remaining_s(context, self._clock, MARGIN_MS)
        context = _earlier(context)
        self._budget.pay_in()
        avoid, tries = None, 0
        while True:
            pool = self._balancer.take(avoid) or await self._balancer.wait(until)
            if tries:
                metrics.retried()
            tries += 1
            try:
                return await _once(pool, method, context, request, until)
            except CallLost as lost:
                error = _told(method, lost)
                again = not lost.expired and (method.method.repeatable or not lost.sent)
            except Unavailable as said:
                error, again = said, method.method.repeatable and said.code not in _FINAL
                if said.code == _NOTHING_BEGUN:
                    pool.healthy = False
                    error, again = Unavailable("unreachable", f"{self._name}: {said.message}"), True
            pause_s = retries.pause_s(tries, self._chance)
            in_time = self._loop.time() + pause_s < until
            if not (again and tries < TRIES_MAX and in_time and self._budget.take()):
                raise error
            avoid = pool
            await asyncio.sleep(pause_s)


async def _once(
    pool: Pool, method: wire.MethodWire, context: c.CallContext, request: msgspec.Struct, until: float
) -> Any:
    connection, number, answer = pool.begin(method, context, request, until)
    try:
        return await answer
    except asyncio.CancelledError:
        connection.give_up(number)
        if answer.done() and not answer.cancelled():
            answer.exception()  # it came in the same moment, and nobody wants it
        raise


def _earlier(context: c.CallContext) -> c.CallContext:
    return c.CallContext(
        request_id=context.request_id,
        caller=context.caller,
        deadline_ms=context.deadline_ms - MARGIN_MS,
        trace_parent=context.trace_parent,
    )


def _told(method: wire.MethodWire, lost: CallLost) -> Unavailable:
    """What the caller has to know."""
    name = f"{method.service}.{method.name}"
    if lost.sent and not method.method.repeatable:
        return Unavailable("outcome_unknown", f"{name}: {lost}; it may have been carried out")
    return Unavailable("deadline_passed" if lost.expired else "unreachable", f"{name}: {lost}")
