"""The client when services fail: what is tried again and what never, who is left alone, who takes over."""

import asyncio
import socket
from functools import partial

import pytest
from prometheus_client import REGISTRY

from scripted_rpc import Asked, ScriptedRpc, context, payment_list
from tcp_proxy import TcpProxy
from tiffin.primitives.errors import Unavailable
from tiffin.rpc import contracts as c
from tiffin.rpc.breaker import Breaker
from tiffin.rpc.pool import ClientLimits
from tiffin.rpc.retries import BUDGET_BURST, BUDGET_SHARE, TRIES_MAX

WHICH = c.PaymentsOf(order_id="1")
PAY = c.PayOrder(order_id="1", source="card")


@pytest.fixture
def quick_breakers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Breakers that rest for no time: open, and at once ready for a trial."""
    monkeypatch.setattr("tiffin.rpc.pool.Breaker", partial(Breaker, open_s=0.0))


@pytest.fixture
def patient_breakers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Breakers that never open: for what else there is against an outage."""
    monkeypatch.setattr("tiffin.rpc.pool.Breaker", partial(Breaker, failures_to_open=1_000_000))


async def code(call) -> str:
    with pytest.raises(Unavailable) as raised:
        await call
    return raised.value.code


def nowhere() -> str:
    """An address where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"


def cut(asked: Asked) -> None:
    asked.cut()


def answer(asked: Asked) -> None:
    asked.answer(payment_list("right"))


def pay_answer(asked: Asked) -> None:
    asked.answer(payment_list("right").payments[0])


# what is tried again


async def test_a_read_whose_connection_is_lost_is_asked_again(peer: ScriptedRpc, make_client):
    peer.on_call = lambda asked: asked.cut() if len(peer.asked) == 1 else answer(asked)
    assert await make_client(peer.address).service.list_payments(context(), WHICH) == payment_list("right")
    assert len(peer.asked) == 2


async def test_what_may_not_be_asked_twice_is_sent_once_and_its_outcome_is_unknown(
    peer: ScriptedRpc, make_client
):
    peer.on_call = cut
    assert await code(make_client(peer.address).service.pay(context(), PAY)) == "outcome_unknown"
    assert len(peer.asked) == 1


@pytest.mark.parametrize("fault", ["cut", "silence"])
async def test_a_reply_lost_on_the_way_is_an_unknown_outcome_of_one_call(
    fault: str, peer: ScriptedRpc, make_client
):
    peer.on_call = pay_answer
    async with TcpProxy.before(f"tcp://{peer.address}") as proxy:
        service = make_client(proxy.url.removeprefix("tcp://")).service
        await service.pay(context(), PAY)
        proxy.on_reply = lambda data: fault
        assert await code(service.pay(context(timeout_ms=200), PAY)) == "outcome_unknown"
        assert len(peer.asked) == 2


async def test_what_was_never_sent_is_tried_elsewhere_whatever_it_is(
    peer: ScriptedRpc, make_client, patient_breakers
):
    peer.on_call = pay_answer
    service = make_client(nowhere(), peer.address).service
    for _ in range(4):
        assert await service.pay(context(), PAY) == payment_list("right").payments[0]
    assert len(peer.asked) == 4


async def test_a_call_that_a_stopping_process_did_not_begin_goes_elsewhere_whatever_it_is(
    peer: ScriptedRpc, other_peer: ScriptedRpc, make_client
):
    peer.on_call = lambda asked: asked.answer(Unavailable("draining", "nothing was begun"))
    other_peer.on_call = pay_answer
    service = make_client(peer.address, other_peer.address).service
    for _ in range(4):
        assert await service.pay(context(), PAY) == payment_list("right").payments[0]
    assert len(other_peer.asked) == 4
    assert len(peer.asked) <= 1


async def test_a_read_is_asked_again_elsewhere_even_where_more_is_going_on(
    peer: ScriptedRpc, other_peer: ScriptedRpc, make_client
):
    peer.on_call = cut
    service = make_client(peer.address, other_peer.address).service
    busy = asyncio.create_task(service.list_payments(context(), WHICH))
    (held,) = await other_peer.got(1)
    other_peer.on_call = answer
    assert await service.list_payments(context(), WHICH) == payment_list("right")
    answer(held)
    assert await busy == payment_list("right")


async def test_draining_is_not_told_on_as_if_this_call_had_not_begun(peer: ScriptedRpc, make_client):
    peer.on_call = lambda asked: asked.answer(Unavailable("draining", "nothing was begun"))
    assert await code(make_client(peer.address).service.pay(context(), PAY)) == "unreachable"
    assert len(peer.asked) == TRIES_MAX


@pytest.mark.parametrize("last_word", ["deadline_passed", "outcome_unknown"])
async def test_what_another_try_cannot_better_is_not_tried_again(
    last_word: str, peer: ScriptedRpc, make_client
):
    peer.on_call = lambda asked: asked.answer(Unavailable(last_word, "that is how it is"))
    assert await code(make_client(peer.address).service.list_payments(context(), WHICH)) == last_word
    assert len(peer.asked) == 1


async def test_a_read_that_stays_unavailable_is_given_up_after_a_few_tries(peer: ScriptedRpc, make_client):
    peer.on_call = lambda asked: asked.answer(Unavailable("database_unavailable", "it is away"))
    called = make_client(peer.address).service.list_payments(context(), WHICH)
    assert await code(called) == "database_unavailable"
    assert len(peer.asked) == TRIES_MAX


async def test_under_a_full_outage_retries_stay_within_their_budget(peer: ScriptedRpc, make_client):
    peer.on_call = lambda asked: asked.answer(Unavailable("database_unavailable", "it is away"))
    service = make_client(peer.address).service
    calls = 300
    for _ in range(calls):
        assert await code(service.list_payments(context(), WHICH)) == "database_unavailable"
    assert calls < len(peer.asked) <= calls * (1 + BUDGET_SHARE) + BUDGET_BURST


async def test_no_try_begins_after_the_deadline(
    peer: ScriptedRpc, make_client, monkeypatch: pytest.MonkeyPatch
):
    """The pause before it would last longer than the caller waits: then the error is told at once."""
    monkeypatch.setattr("tiffin.rpc.retries.PAUSE_S", 1000)
    monkeypatch.setattr("tiffin.rpc.retries.PAUSE_MAX_S", 1000)
    peer.on_call = lambda asked: asked.answer(Unavailable("database_unavailable", "it is away"))
    called = make_client(peer.address, chance=0.5).service.list_payments(context(), WHICH)
    assert await code(called) == "database_unavailable"
    assert len(peer.asked) == 1


# who is left alone


async def test_an_address_that_keeps_failing_is_left_alone(peer: ScriptedRpc, make_client):
    peer.on_call = cut
    service = make_client(peer.address).service
    for _ in range(10):
        await code(service.pay(context(), PAY))
    connections = len(peer.connections)
    assert await code(service.pay(context(), PAY)) == "unreachable"
    assert len(peer.asked) == 5
    assert len(peer.connections) == connections


async def test_after_its_rest_one_call_tries_and_the_others_are_refused_until_it_is_answered(
    peer: ScriptedRpc, make_client, quick_breakers
):
    peer.on_call = cut
    service = make_client(peer.address).service
    for _ in range(5):
        assert await code(service.pay(context(), PAY)) == "outcome_unknown"
    peer.on_call = lambda asked: None
    trial = asyncio.create_task(service.pay(context(), PAY))
    *_, asked = await peer.got(6)
    for _ in range(20):
        assert await code(service.pay(context(), PAY)) == "unreachable"
    pay_answer(asked)
    assert await trial == payment_list("right").payments[0]
    peer.on_call = pay_answer
    await service.pay(context(), PAY)
    assert len(peer.asked) == 7


async def test_a_trial_whose_caller_goes_does_not_keep_the_breaker_shut(
    peer: ScriptedRpc, make_client, quick_breakers
):
    peer.on_call = cut
    service = make_client(peer.address).service
    for _ in range(5):
        await code(service.pay(context(), PAY))
    peer.on_call = lambda asked: None
    trial = asyncio.create_task(service.pay(context(), PAY))
    *_, asked = await peer.got(6)
    trial.cancel()
    await asyncio.gather(trial, return_exceptions=True)
    assert await code(service.pay(context(), PAY)) == "unreachable"
    peer.on_call = pay_answer
    asked.cut()
    async with asyncio.timeout(20):
        while len(peer.asked) == 6:  # until the client has noticed
            await asyncio.gather(service.pay(context(), PAY), return_exceptions=True)
            await asyncio.sleep(0)
    assert await service.pay(context(), PAY) == payment_list("right").payments[0]


async def test_a_trial_that_is_taken_back_before_it_is_sent_makes_way_for_the_next(
    peer: ScriptedRpc, make_client, quick_breakers
):
    peer.on_call = cut
    service = make_client(peer.address).service
    for _ in range(5):
        await code(service.pay(context(), PAY))
    peer.on_call = pay_answer
    trial = asyncio.create_task(service.pay(context(), PAY))
    await asyncio.sleep(0)  # the trial has begun; there is no connection yet
    trial.cancel()
    await asyncio.gather(trial, return_exceptions=True)
    assert await service.pay(context(), PAY) == payment_list("right").payments[0]


async def test_an_address_that_does_not_answer_is_left_alone(peer: ScriptedRpc, make_client):
    service = make_client(peer.address).service
    calls = [asyncio.create_task(service.pay(context(timeout_ms=200), PAY)) for _ in range(5)]
    for call in calls:
        assert await code(call) == "outcome_unknown"
    assert await code(service.pay(context(), PAY)) == "unreachable"
    assert len(peer.asked) == 5


async def test_callers_in_too_great_a_hurry_say_nothing_about_the_service(
    peer: ScriptedRpc, make_client, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("tiffin.rpc.pool.PATIENCE_S", 10)
    service = make_client(peer.address).service
    calls = [asyncio.create_task(service.pay(context(timeout_ms=200), PAY)) for _ in range(20)]
    for call in calls:
        assert await code(call) == "outcome_unknown"
    peer.on_call = pay_answer
    assert await service.pay(context(), PAY) == payment_list("right").payments[0]


async def test_answers_of_any_kind_keep_the_breaker_closed(peer: ScriptedRpc, make_client):
    peer.on_call = lambda asked: asked.answer(Unavailable("busy", "not now"))
    service = make_client(peer.address).service
    for _ in range(20):
        assert await code(service.pay(context(), PAY)) == "busy"
    assert len(peer.asked) == 20


async def test_who_waits_when_the_last_address_fails_is_refused_at_once(peer: ScriptedRpc, make_client):
    limits = ClientLimits(connections_max=5, calls_per_connection_max=1)
    service = make_client(peer.address, limits=limits).service
    first = [asyncio.create_task(service.pay(context(), PAY)) for _ in range(5)]
    await peer.got(5)
    waiting = [asyncio.create_task(service.pay(context(), PAY)) for _ in range(10)]
    await asyncio.sleep(0)
    await peer.close()
    for call in first:
        assert await code(call) == "outcome_unknown"
    for call in waiting:
        assert await code(call) == "unreachable"


# who takes over


async def test_a_black_hole_is_found_by_asking_how_it_is_and_then_avoided(
    peer: ScriptedRpc, other_peer: ScriptedRpc, make_client, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("tiffin.rpc.health_checks.ANSWER_MS", 100)
    peer.on_call = other_peer.on_call = answer
    async with TcpProxy.before(f"tcp://{peer.address}") as proxy:
        client = make_client(proxy.url.removeprefix("tcp://"), other_peer.address)
        await client.check_health()
        await client.service.list_payments(context(), WHICH)
        proxy.swallow_replies = True
        await client.check_health()
        before = len(peer.asked)
        for _ in range(20):
            assert await client.service.list_payments(context(), WHICH) == payment_list("right")
        assert len(peer.asked) == before
        proxy.swallow_replies = False
        await client.check_health()
        for _ in range(2):
            await client.service.list_payments(context(), WHICH)
        assert len(peer.asked) == before + 1


async def test_an_address_that_takes_no_connection_is_given_up_soon_and_another_is_tried(
    peer: ScriptedRpc, make_client, monkeypatch: pytest.MonkeyPatch
):
    """A listener whose queue is full: the network drops what would open a connection."""
    monkeypatch.setattr("tiffin.rpc.connection.CONNECT_S", 0.05)
    peer.on_call = pay_answer
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        queued = [socket.socket() for _ in range(2)]
        for each in queued:
            each.setblocking(False)
            each.connect_ex(listener.getsockname())
        service = make_client(f"127.0.0.1:{listener.getsockname()[1]}", peer.address).service
        for _ in range(4):
            assert await service.pay(context(), PAY) == payment_list("right").payments[0]
        for each in queued:
            each.close()


async def test_an_address_that_drains_gets_no_calls_while_another_serves(
    peer: ScriptedRpc, other_peer: ScriptedRpc, make_client
):
    peer.on_call = other_peer.on_call = answer
    client = make_client(peer.address, other_peer.address)
    peer.state = "draining"
    await client.check_health()
    for _ in range(10):
        await client.service.list_payments(context(), WHICH)
    assert (len(peer.asked), len(other_peer.asked)) == (0, 10)


async def test_if_nobody_says_that_it_serves_calls_are_tried_all_the_same(peer: ScriptedRpc, make_client):
    peer.on_call = answer
    client = make_client(peer.address)
    peer.state = "draining"
    await client.check_health()
    assert await client.service.list_payments(context(), WHICH) == payment_list("right")


async def test_calls_go_to_whoever_has_the_fewest(peer: ScriptedRpc, other_peer: ScriptedRpc, make_client):
    service = make_client(peer.address, other_peer.address).service
    calls = [asyncio.create_task(service.list_payments(context(), WHICH)) for _ in range(10)]
    await peer.got(5)
    await other_peer.got(5)
    for asked in peer.asked:
        answer(asked)
    await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
    async with asyncio.timeout(20):
        while sum(call.done() for call in calls) < 5:
            await asyncio.sleep(0)
    calls += [asyncio.create_task(service.list_payments(context(), WHICH)) for _ in range(5)]
    await peer.got(10)
    assert len(other_peer.asked) == 5
    for asked in peer.asked[5:] + other_peer.asked:
        answer(asked)
    assert await asyncio.gather(*calls) == [payment_list("right")] * 15


async def test_a_service_that_comes_back_is_found_again(peer: ScriptedRpc, make_client, quick_breakers):
    peer.on_call = pay_answer
    service = make_client(peer.address).service
    await service.pay(context(), PAY)
    await peer.close()
    for _ in range(10):
        assert await code(service.pay(context(), PAY)) in ("unreachable", "outcome_unknown")
    await peer.listen()
    assert await service.pay(context(), PAY) == payment_list("right").payments[0]


async def test_a_service_left_alone_is_tried_as_soon_as_it_says_that_it_serves(
    peer: ScriptedRpc, make_client
):
    peer.on_call = pay_answer
    client = make_client(peer.address)
    await peer.close()
    for _ in range(10):
        await code(client.service.pay(context(), PAY))
    await client.check_health()
    await peer.listen()
    await client.check_health()
    assert await client.service.pay(context(), PAY) == payment_list("right").payments[0]


# what is counted


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def test_calls_retries_and_breakers_are_counted(peer: ScriptedRpc, make_client):
    where = {"service": "Payments", "address": peer.address}
    call = {"service": "Payments", "method": "list_payments"}
    durations = partial(counted, "tiffin_rpc_client_duration_seconds_count", **call)
    before = durations(outcome="unavailable"), counted("tiffin_rpc_client_retries_total", **call)
    peer.on_call = cut
    client = make_client(peer.address)
    await code(client.service.list_payments(context(), WHICH))
    await code(client.service.list_payments(context(), WHICH))
    assert durations(outcome="unavailable") == before[0] + 2
    assert counted("tiffin_rpc_client_retries_total", **call) == before[1] + len(peer.asked) - 2
    assert counted("tiffin_rpc_client_breaker", **where) == 2
    assert counted("tiffin_rpc_client_in_flight", **where) == 0
    await client.close()
    assert REGISTRY.get_sample_value("tiffin_rpc_client_breaker", where) is None
