"""The client: what goes out, what comes back, and that no answer is ever another call's."""

import asyncio
from pathlib import Path
from types import SimpleNamespace

import pytest

from scripted_rpc import Asked, ScriptedRpc, context, now, payment_list
from tiffin.primitives.errors import Refusal, Unavailable
from tiffin.rpc import contracts as c
from tiffin.rpc import wire
from tiffin.rpc.client import MARGIN_MS
from tiffin.rpc.pool import ClientLimits
from tiffin.rpc.server import RpcServer
from tiffin.rpc.wire import INTERNAL_ERROR, RpcBug, encode_application_error

WHICH = c.PaymentsOf(order_id="1")
PAY = c.PayOrder(order_id="1", source="card")
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def code_of(result: object) -> str:
    assert isinstance(result, Unavailable), result
    return result.code


async def ended(*tasks: "asyncio.Task[object]") -> list[object]:
    async with asyncio.timeout(20):
        return await asyncio.gather(*tasks, return_exceptions=True)


async def test_what_is_asked_arrives_whole_and_its_answer_comes_back(peer: ScriptedRpc, make_client):
    peer.on_call = lambda asked: asked.answer(payment_list(asked.request.order_id))
    given = context(request_id="r-1", trace_parent=TRACE)
    answer = await make_client(peer.address).service.list_payments(given, WHICH)
    assert answer == payment_list("1")
    (asked,) = peer.asked
    assert asked.request == WHICH
    assert (asked.context.request_id, asked.context.caller) == ("r-1", given.caller)
    assert asked.context.trace_parent == TRACE


async def test_a_service_is_given_less_time_than_its_caller_has(peer: ScriptedRpc, make_client):
    peer.on_call = lambda asked: asked.answer(payment_list())
    given = context()
    before = given.deadline_ms
    await make_client(peer.address).service.list_payments(given, WHICH)
    assert peer.asked[0].context.deadline_ms == before - MARGIN_MS
    assert given.deadline_ms == before


async def test_a_refusal_comes_back_with_its_details(peer: ScriptedRpc, make_client):
    refusal = Refusal("wrong_state", "not now", {"state": "delivered", "tries": [1, {"at": None}]})
    peer.on_call = lambda asked: asked.answer(refusal)
    with pytest.raises(Refusal) as raised:
        await make_client(peer.address).service.pay(context(), PAY)
    assert (raised.value.code, raised.value.message) == ("wrong_state", "not now")
    assert raised.value.details == refusal.details


async def test_what_a_service_says_is_unavailable_comes_back_as_it_said_it(peer: ScriptedRpc, make_client):
    peer.on_call = lambda asked: asked.answer(Unavailable("payment_in_progress", "wait", 1234))
    with pytest.raises(Unavailable) as raised:
        await make_client(peer.address).service.pay(context(), PAY)
    assert (raised.value.code, raised.value.retry_after_ms) == ("payment_in_progress", 1234)
    assert len(peer.asked) == 1


async def test_a_bug_of_the_service_is_no_refusal_and_is_not_tried_again(peer: ScriptedRpc, make_client):
    peer.on_call = lambda asked: asked.send(
        encode_application_error(b"list_payments", asked.sequence_id, INTERNAL_ERROR, "oops")
    )
    with pytest.raises(RpcBug, match="oops"):
        await make_client(peer.address).service.list_payments(context(), WHICH)
    assert len(peer.asked) == 1


async def test_answers_in_any_order_find_their_calls_on_one_connection(peer: ScriptedRpc, make_client):
    service = make_client(peer.address).service
    calls = [
        asyncio.create_task(service.list_payments(context(), c.PaymentsOf(order_id=str(n))))
        for n in range(1, 51)
    ]
    for asked in reversed(await peer.got(50)):
        asked.answer(payment_list(asked.request.order_id))
    answers = await ended(*calls)
    assert answers == [payment_list(str(n)) for n in range(1, 51)]
    assert len({asked.connection for asked in peer.asked}) == 1


async def test_a_late_reply_is_never_taken_for_the_next_calls(peer: ScriptedRpc, make_client):
    service = make_client(peer.address).service
    with pytest.raises(Unavailable) as raised:
        await service.list_payments(context(timeout_ms=100), WHICH)
    assert raised.value.code == "deadline_passed"
    (late,) = peer.asked
    following = asyncio.create_task(service.list_payments(context(), WHICH))
    _, second = await peer.got(2)
    late.answer(payment_list("late"))
    late.send(late.frame(payment_list("late"), second.sequence_id))
    assert second.connection is not late.connection
    second.answer(payment_list("right"))
    assert await ended(following) == [payment_list("right")]


async def test_a_timeout_ends_its_connection_but_no_other_call_on_it(peer: ScriptedRpc, make_client):
    service = make_client(peer.address).service
    patient = asyncio.create_task(service.pay(context(), PAY))
    await peer.got(1)
    hasty = asyncio.create_task(service.list_payments(context(timeout_ms=100), WHICH))
    first, second = await peer.got(2)
    assert first.connection is second.connection
    assert [code_of(each) for each in await ended(hasty)] == ["deadline_passed"]
    second.answer(payment_list("late"))
    first.answer(payment_list("x").payments[0])
    assert await ended(patient) == [payment_list("x").payments[0]]
    await peer.until(lambda: first.connection.lost)
    peer.on_call = lambda asked: asked.answer(payment_list())
    await service.list_payments(context(), WHICH)
    assert peer.asked[-1].connection is not first.connection


async def test_a_call_whose_deadline_has_passed_is_not_sent(peer: ScriptedRpc, make_client):
    service = make_client(peer.address).service
    for left_ms in (-1000, 0, MARGIN_MS):
        with pytest.raises(Unavailable) as raised:
            await service.list_payments(context(timeout_ms=left_ms), WHICH)
        assert raised.value.code == "deadline_passed"
    assert peer.asked == []


async def test_a_caller_that_goes_tears_no_other_call_on_its_connection(peer: ScriptedRpc, make_client):
    service = make_client(peer.address).service
    going, staying = (asyncio.create_task(service.list_payments(context(), WHICH)) for _ in range(2))
    first, second = await peer.got(2)
    going.cancel()
    await asyncio.gather(going, return_exceptions=True)
    first.answer(payment_list("for nobody"))
    second.answer(payment_list("right"))
    assert await ended(staying) == [payment_list("right")]
    peer.on_call = lambda asked: asked.answer(payment_list())
    await service.list_payments(context(), WHICH)
    assert len({asked.connection for asked in peer.asked}) == 1


async def test_a_caller_that_goes_before_its_call_is_sent_asks_nothing(peer: ScriptedRpc, make_client):
    peer.on_call = lambda asked: asked.answer(payment_list())
    service = make_client(peer.address).service
    going = asyncio.create_task(service.pay(context(), PAY))
    await asyncio.sleep(0)  # the call has begun; the connection is not up yet
    going.cancel()
    await asyncio.gather(going, return_exceptions=True)
    await service.list_payments(context(), WHICH)
    assert [asked.method.name for asked in peer.asked] == ["list_payments"]


def cut_short(asked: Asked) -> bytes:
    """A frame of the right length whose struct is not whole."""
    frame = asked.frame(payment_list("a", "b"))
    return (len(frame) - 4 - 10).to_bytes(4, "big") + frame[4:-10]


BAD_REPLIES = {
    "the sequence id of no call": lambda asked: asked.frame(payment_list(), 77),
    "sequence id 0": lambda asked: asked.frame(payment_list(), 0),
    "sequence id of 32 bits": lambda asked: asked.frame(payment_list(), (1 << 32) - 1),
    "garbage": lambda asked: b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "an empty frame": lambda asked: b"\0\0\0\0",
    "an oversized frame": lambda asked: (1 << 30).to_bytes(4, "big"),
    "a negative length": lambda asked: b"\xff\xff\xff\xff",
    "a frame whose struct is cut short": cut_short,
    "bytes after the struct": lambda asked: (
        (len(frame := asked.frame(payment_list())) - 3).to_bytes(4, "big") + frame[4:] + b"\0"
    ),
    "another method's answer": lambda asked: asked.frame(payment_list()).replace(
        b"list_payments", b"list_paymentz"
    ),
    "a call": lambda asked: asked.method.encode_call(asked.sequence_id, asked.context, asked.request),
    "details that are no JSON": lambda asked: asked.frame(Refusal("wrong_state", "no", {"a": "b"})).replace(
        b'{"a":"b"}', b'{"a":"b"]'
    ),
}


@pytest.mark.parametrize("bad", BAD_REPLIES.values(), ids=BAD_REPLIES)
async def test_a_bad_reply_ends_its_connection_and_the_next_call_is_answered(
    bad, peer: ScriptedRpc, make_client, caplog: pytest.LogCaptureFixture
):
    def answer(asked: Asked) -> None:
        asked.answer(payment_list("right")) if len(peer.asked) > 1 else asked.send(bad(asked))

    peer.on_call = answer
    assert await make_client(peer.address).service.list_payments(context(), WHICH) == payment_list("right")
    first, second = peer.asked
    await peer.until(lambda: first.connection.lost)
    assert second.connection is not first.connection
    assert caplog.records == []  # the loop had nothing to clean up


async def test_an_answer_that_comes_twice_ends_the_connection(peer: ScriptedRpc, make_client):
    service = make_client(peer.address).service
    first = asyncio.create_task(service.list_payments(context(), WHICH))
    second = asyncio.create_task(service.pay(context(), PAY))
    asked, _ = await peer.got(2)
    asked.send(asked.frame(payment_list("right")) * 2)
    right, lost = await ended(first, second)
    assert right == payment_list("right")
    assert code_of(lost) == "outcome_unknown"


async def test_bytes_that_nobody_asked_for_end_the_connection(peer: ScriptedRpc, make_client):
    peer.on_call = lambda asked: asked.answer(payment_list())
    service = make_client(peer.address).service
    await service.list_payments(context(), WHICH)
    peer.asked[0].send(peer.asked[0].frame(payment_list()))
    await peer.until(lambda: peer.asked[0].connection.lost)
    assert await service.list_payments(context(), WHICH) == payment_list()


async def test_one_answer_in_many_pieces_is_one_answer(peer: ScriptedRpc, make_client):
    service = make_client(peer.address).service
    calls = [asyncio.create_task(service.list_payments(context(), WHICH)) for _ in range(2)]
    frames = b"".join(asked.frame(payment_list("a")) for asked in await peer.got(2))
    for at in range(len(frames)):
        peer.asked[0].send(frames[at : at + 1])
    assert await ended(*calls) == [payment_list("a")] * 2


async def test_calls_that_the_network_does_not_take_yet_wait_and_may_still_be_taken_back(
    peer: ScriptedRpc, make_client
):
    """Megabytes of calls to a service that reads nothing for a while."""
    peer.on_call = lambda asked: asked.answer(c.NoticeTaken(known=True))
    limits = ClientLimits(connections_max=1, calls_per_connection_max=500)
    service = make_client(peer.address, limits=limits).service

    async def begin(signature: str) -> list["asyncio.Task[object]"]:
        notice = c.ProviderNotice(body="b" * 60_000, signature=signature)
        calls = [asyncio.create_task(service.take_notice(context(), notice)) for _ in range(100)]
        for _ in range(10):
            await asyncio.sleep(0)
        return calls

    await service.take_notice(context(), c.ProviderNotice(body="b", signature="first"))
    connection = peer.connections[-1]
    connection.transport.pause_reading()
    written, waiting, taken_back = await begin("written"), await begin("waiting"), await begin("taken back")
    for call in taken_back:
        call.cancel()
    await ended(*taken_back)
    connection.transport.resume_reading()
    assert await ended(*written, *waiting) == [c.NoticeTaken(known=True)] * 200
    assert {asked.request.signature for asked in peer.asked} == {"first", "written", "waiting"}


async def test_a_unix_socket_is_an_address_too(tmp_path: Path, make_client):
    peer = ScriptedRpc()
    await peer.listen(tmp_path / "rpc")
    peer.on_call = lambda asked: asked.answer(payment_list("here"))
    try:
        assert await make_client(peer.address).service.list_payments(context(), WHICH) == payment_list("here")
    finally:
        await peer.close()


async def test_after_closing_calls_under_way_are_lost_and_later_ones_refused(peer: ScriptedRpc, make_client):
    client = make_client(peer.address)
    under_way = [
        asyncio.create_task(client.service.pay(context(), PAY)),
        asyncio.create_task(client.service.list_payments(context(), WHICH)),
    ]
    await peer.got(2)
    await client.close()
    assert [code_of(each) for each in await ended(*under_way)] == ["outcome_unknown", "shutting_down"]
    with pytest.raises(Unavailable, match="shutting_down"):
        await client.service.list_payments(context(), WHICH)
    await peer.until(lambda: not peer.open_connections)


async def test_the_real_server_answers_like_the_object_behind_it(make_client):
    async def list_payments(context: c.CallContext, request: c.PaymentsOf) -> c.PaymentList:
        if request.order_id == "9":
            raise Refusal("order_not_found", "no order 9", {"order_id": "9"})
        return payment_list(context.caller.id, request.order_id)

    async def buggy(context: c.CallContext, request: object) -> None:
        raise ValueError("secret")

    methods = dict.fromkeys(wire.services["Payments"])
    payments = SimpleNamespace(**{**methods, "list_payments": list_payments, "pay": buggy})
    async with RpcServer({"Payments": payments}, now) as server:
        await server.listen("127.0.0.1", 0)
        service: c.Payments = make_client("{}:{}".format(*server.address)).service
        assert await service.list_payments(context(), WHICH) == payment_list("ann", "1")
        with pytest.raises(Refusal) as refused:
            await service.list_payments(context(), c.PaymentsOf(order_id="9"))
        assert refused.value.details == {"order_id": "9"}
        with pytest.raises(RpcBug, match=r"^(?!.*secret)"):
            await service.pay(context(), PAY)
