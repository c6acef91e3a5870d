"""Many callers on few places: answers or fast refusals, and never a standstill."""

import asyncio
from collections import Counter
from random import Random
from types import SimpleNamespace

from scripted_rpc import ScriptedRpc, context, now, payment_list
from tiffin.primitives.errors import Unavailable
from tiffin.rpc import contracts as c
from tiffin.rpc import wire
from tiffin.rpc.pool import ClientLimits
from tiffin.rpc.server import RpcServer

WHICH = c.PaymentsOf(order_id="1")
FIVE = ClientLimits(connections_max=5, calls_per_connection_max=1, waiting_max=100)
PATIENT = ClientLimits(connections_max=5, calls_per_connection_max=1, waiting_max=1000)


def outcome(result: object) -> str:
    return result.code if isinstance(result, Unavailable) else type(result).__name__


async def all_of(tasks: list["asyncio.Task[object]"]) -> list[object]:
    async with asyncio.timeout(30):
        return await asyncio.gather(*tasks, return_exceptions=True)


async def test_1000_callers_on_a_pool_of_5_get_answers_or_fast_refusals(peer: ScriptedRpc, make_client):
    service = make_client(peer.address, limits=FIVE).service
    callers = [asyncio.create_task(service.list_payments(context(), WHICH)) for _ in range(1000)]
    await peer.got(5)
    done, waiting = await asyncio.wait(callers, return_when=asyncio.FIRST_COMPLETED)
    refused = Counter(outcome(task.exception()) for task in done)
    assert refused == {"overloaded": 895}  # before a single call was answered
    assert (len(waiting), len(peer.asked)) == (105, 5)
    peer.on_call = lambda asked: asked.answer(payment_list())
    for asked in peer.asked[:5]:
        asked.answer(payment_list())
    assert Counter(map(outcome, await all_of([*waiting]))) == {"PaymentList": 105}
    assert len(peer.connections) <= 5
    assert await service.list_payments(context(), WHICH) == payment_list()


async def test_all_of_1000_callers_who_may_wait_are_answered_by_the_real_server(make_client):
    running = most = 0

    async def list_payments(context: c.CallContext, request: c.PaymentsOf) -> c.PaymentList:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return payment_list(request.order_id)

    methods = dict.fromkeys(wire.services["Payments"])
    payments = SimpleNamespace(**{**methods, "list_payments": list_payments})
    async with RpcServer({"Payments": payments}, now) as server:
        await server.listen("127.0.0.1", 0)
        service: c.Payments = make_client("{}:{}".format(*server.address), limits=PATIENT).service
        callers = [
            asyncio.create_task(service.list_payments(context(), c.PaymentsOf(order_id=str(n))))
            for n in range(1, 1001)
        ]
        assert await all_of(callers) == [payment_list(str(n)) for n in range(1, 1001)]
        assert most <= 5


async def test_callers_that_go_at_any_moment_leave_no_place_taken(peer: ScriptedRpc, make_client):
    """While they wait, in the moment a place is handed to them, while their call is under way."""
    chance = Random(1)
    service = make_client(peer.address, limits=PATIENT).service
    peer.on_call = lambda asked: asked.answer(payment_list())
    for _ in range(5):
        callers = [asyncio.create_task(service.list_payments(context(), WHICH)) for _ in range(200)]
        async with asyncio.timeout(30):
            while any(not caller.done() for caller in callers):
                for caller in chance.sample(callers, 10):
                    caller.cancel()
                await asyncio.sleep(0)
    async with asyncio.timeout(30):
        answers = await asyncio.gather(*(service.list_payments(context(), WHICH) for _ in range(5)))
    assert answers == [payment_list()] * 5


async def test_whoever_waits_past_their_deadline_is_refused_and_never_sent(peer: ScriptedRpc, make_client):
    service = make_client(peer.address, limits=FIVE).service
    first = [asyncio.create_task(service.list_payments(context(), WHICH)) for _ in range(5)]
    await peer.got(5)
    late = [asyncio.create_task(service.list_payments(context(timeout_ms=100), WHICH)) for _ in range(20)]
    assert Counter(map(outcome, await all_of(late))) == {"overloaded": 20}
    for asked in peer.asked:
        asked.answer(payment_list())
    await all_of(first)
    assert len(peer.asked) == 5


async def test_a_place_is_taken_as_long_as_the_service_works_even_if_nobody_waits(
    peer: ScriptedRpc, make_client
):
    service = make_client(peer.address, limits=FIVE).service
    gone = [asyncio.create_task(service.list_payments(context(), WHICH)) for _ in range(5)]
    await peer.got(5)
    for caller in gone:
        caller.cancel()
    await all_of(gone)
    following = asyncio.create_task(service.list_payments(context(), WHICH))
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(peer.asked) == 5
    peer.asked[0].answer(payment_list("for nobody"))
    *_, asked = await peer.got(6)
    asked.answer(payment_list("right"))
    assert await all_of([following]) == [payment_list("right")]


async def test_first_come_first_served(peer: ScriptedRpc, make_client):
    limits = ClientLimits(connections_max=1, calls_per_connection_max=1)
    service = make_client(peer.address, limits=limits).service
    peer.on_call = lambda asked: asked.answer(payment_list())
    numbers = [str(n) for n in range(1, 101)]
    callers = [
        asyncio.create_task(service.list_payments(context(), c.PaymentsOf(order_id=n))) for n in numbers
    ]
    await all_of(callers)
    assert [asked.request.order_id for asked in peer.asked] == numbers
