"""The server, over a real socket: who is answered, who is refused, and when."""

import asyncio
from typing import Any

import msgspec
import pytest
import structlog

from rpc_peers import Held, Peers, serving
from rpc_values import example
from tiffin.primitives.errors import Refusal, Unavailable
from tiffin.rpc import contracts as c
from tiffin.rpc import wire
from tiffin.rpc.frames import ANSWER_BYTES_MAX
from tiffin.rpc.limits import Limits, Share

REF = c.OrderRef(order_id="1")
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SMALL = Limits(customer=Share(2, 1), restaurant=Share(2, 1), background=Share(2, 1))


def code(answer: Any) -> str:
    assert isinstance(answer, Refusal | Unavailable), answer
    return answer.code


def hold(peers: Peers, request_id: str) -> Held:
    held = peers.orders.doing[request_id] = Held(example(c.Order))
    return held


async def test_every_method_of_every_service_answers():
    async with serving(*(name for name in c.services if name != "Health")) as peers:
        client = await peers.client()
        calls = [(name, method) for name in peers.services for method in wire.services[name].values()]
        for number, (name, method) in enumerate(calls):
            client.call(number, f"{name}.{method.name}", example(method.method.request), peers.context())
        answers = await client.answers(len(calls))
        for number, (_, method) in enumerate(calls):
            assert type(answers[number]) is method.method.result


async def test_the_service_gets_what_was_sent_and_the_caller_what_it_answers():
    async with serving() as peers:
        client = await peers.client()
        request = example(c.PlaceOrder)
        client.call(1, "Orders.place", request, peers.context("mine"))
        assert await client.answer() == (1, example(c.Order))
        assert peers.orders.asked["mine"] == (peers.context("mine"), request)


async def test_answers_come_when_they_are_ready_whatever_was_asked_before():
    async with serving() as peers:
        client = await peers.client()
        held = hold(peers, "slow")
        client.call(1, "Orders.get", REF, peers.context("slow"))
        client.call(2, "Orders.get", REF, peers.context("quick"))
        assert (await client.answer())[0] == 2
        held.let_go()
        assert (await client.answer())[0] == 1


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (Refusal("order_not_found", "no such order", {"at": "order_id"}), Refusal),
        (Unavailable("database_busy", "later", 17), Unavailable),
    ],
)
async def test_what_a_service_refuses_is_told_whole(raised: Exception, told: type[Exception]):
    async with serving() as peers:

        async def refuse(context: c.CallContext, request: Any) -> Any:
            raise raised

        peers.orders.doing["refused"] = refuse
        client = await peers.client()
        client.call(1, "Orders.get", REF, peers.context("refused"))
        _, error = await client.answer()
        assert type(error) is told
        assert vars(error) == vars(raised)


@pytest.mark.parametrize(
    "result", [None, 5, "text", example(c.Quote)], ids=["None", "5", "text", "another struct"]
)
async def test_a_service_that_answers_nonsense_is_a_bug(result: Any):
    async with serving() as peers:

        async def nonsense(context: c.CallContext, request: Any) -> Any:
            return result

        peers.orders.doing["nonsense"] = nonsense
        client = await peers.client()
        client.call(1, "Orders.get", REF, peers.context("nonsense"))
        _, error = await client.answer()
        assert isinstance(error, wire.RpcBug)


@pytest.mark.parametrize(
    "error", [ValueError("secret-17"), KeyError("secret-17"), asyncio.CancelledError("secret-17")]
)
async def test_a_bug_is_told_without_its_insides_and_logged_with_its_request(error: BaseException):
    async with serving() as peers:

        async def fail(context: c.CallContext, request: Any) -> Any:
            raise error

        peers.orders.doing["buggy"] = fail
        client = await peers.client()
        with structlog.testing.capture_logs() as logs:
            client.call(1, "Orders.get", REF, peers.context("buggy"))
            client.call(2, "Orders.get", REF, peers.context("other"))
            answers = await client.answers(2)
        assert isinstance(answers[1], wire.RpcBug)
        assert answers[1].kind == wire.INTERNAL_ERROR
        assert "secret-17" not in str(answers[1])
        assert "buggy" in str(answers[1])
        assert answers[2] == example(c.Order)
        (line,) = [line for line in logs if line["event"] == "rpc_bug"]
        assert (line["method"], line["request_id"], line["exc_info"]) == ("get", "buggy", True)


async def test_an_answer_too_long_for_a_frame_is_a_bug_and_costs_no_other_call():
    async with serving() as peers:

        async def too_much(context: c.CallContext, request: Any) -> Any:
            return msgspec.structs.replace(example(c.Order), note="x" * ANSWER_BYTES_MAX)

        peers.orders.doing["too much"] = too_much
        client = await peers.client()
        with structlog.testing.capture_logs():
            client.call(1, "Orders.get", REF, peers.context("too much"))
            client.call(2, "Orders.get", REF, peers.context("other"))
            answers = await client.answers(2)
        assert isinstance(answers[1], wire.RpcBug)
        assert answers[2] == example(c.Order)


async def test_an_unknown_method_is_told_so():
    async with serving("Orders", "Users") as peers:
        client = await peers.client()
        for number, name in enumerate((b"Orders:destroy", b"Payments:pay", b"get", b"", b"\xff\xfe")):
            head = b"\x80\x01\x00\x01" + len(name).to_bytes(4, "big") + name
            payload = head + number.to_bytes(4, "big") + b"\x00"
            client.send(len(payload).to_bytes(4, "big") + payload)
            _, error = await client.answer()
            assert isinstance(error, wire.RpcBug)
            assert error.kind == wire.UNKNOWN_METHOD


async def test_a_service_alone_also_answers_to_plain_names():
    async with serving("Users") as peers:
        client = await peers.client()
        method = wire.services["Users"]["get"]
        frame = method.encode_call(7, peers.context(), c.CustomerRef(customer_id="c"))
        payload = frame[4:].replace(b"\x00\x00\x00\x09Users:get", b"\x00\x00\x00\x03get")
        client.send(len(payload).to_bytes(4, "big") + payload)
        answer = await client.payload()
        assert answer is not None
        assert method.decode_reply(answer, wire.read_message(answer)) == example(c.Customer)


async def test_a_call_past_a_limit_never_reaches_the_service():
    async with serving() as peers:
        client = await peers.client()
        client.call(1, "Orders.get", c.OrderRef(order_id="not a number"), peers.context("misshapen"))
        assert code((await client.answer())[1]) == "invalid_request"
        assert peers.orders.asked == {}


# deadlines


async def test_work_whose_deadline_has_passed_is_not_begun():
    async with serving() as peers:
        client = await peers.client()
        client.call(1, "Orders.get", REF, peers.context("late", timeout_ms=0))
        assert code((await client.answer())[1]) == "deadline_passed"
        assert peers.orders.asked == {}


async def test_nor_is_work_whose_deadline_passed_while_it_waited_for_its_turn():
    async with serving(limits=Limits(customer=Share(1, 10))) as peers:
        client = await peers.client()
        first = hold(peers, "first")
        client.call(1, "Orders.get", REF, peers.context("first"))
        client.call(2, "Orders.get", REF, peers.context("waits", timeout_ms=500))
        client.call(3, "Orders.get", REF, peers.context("patient", timeout_ms=5000))
        await first.begun.wait()
        peers.clock.advance(2)
        first.let_go()
        answers = await client.answers(3)
        assert code(answers[2]) == "deadline_passed"
        assert answers[1] == answers[3] == example(c.Order)
        assert set(peers.orders.asked) == {"first", "patient"}


async def test_a_call_that_has_begun_is_finished_though_its_caller_is_gone():
    async with serving() as peers:
        client = await peers.client()
        held = hold(peers, "orphan")
        client.call(1, "Orders.get", REF, peers.context("orphan"))
        await held.begun.wait()
        peers.clock.advance(60)
        await client.close()
        other = await peers.client()
        other.call(1, "Orders.get", REF, peers.context("other"))
        await other.answer()
        assert not held.ended.is_set()
        held.let_go()
        assert await peers.server.drain(10) == 0
        assert held.ended.is_set()


# shares


async def fill(peers: Peers, role: str, count: int) -> list[Held]:
    """Take `count` places of a role's class; the last of them wait."""
    client = await peers.client()
    all_held = [hold(peers, f"{role}-{number}") for number in range(count)]
    for number in range(count):
        client.call(number, "Orders.get", REF, peers.context(f"{role}-{number}", role))
    await asyncio.gather(*(held.begun.wait() for held in all_held[:2]))
    return all_held


async def test_who_comes_when_everything_is_taken_is_refused_at_once():
    async with serving(limits=SMALL) as peers:
        all_held = await fill(peers, "customer", 3)
        client = await peers.client()
        client.call(1, "Orders.get", REF, peers.context("one too many"))
        _, error = await client.answer()
        assert code(error) == "overloaded"
        assert error.retry_after_ms > 0
        assert "one too many" not in peers.orders.asked
        for held in all_held:
            held.let_go()
        assert len(await peers.clients[0].answers(3)) == 3
        client.call(2, "Orders.get", REF, peers.context("now"))
        assert (await client.answer())[1] == example(c.Order)


@pytest.mark.parametrize("crowd", ["customer", "restaurant", "system"])
async def test_no_class_of_callers_starves_another(crowd: str):
    async with serving(limits=SMALL) as peers:
        all_held = await fill(peers, crowd, 3)
        client = await peers.client()
        for number, role in enumerate({"customer", "restaurant", "system"} - {crowd}):
            client.call(number, "Orders.get", REF, peers.context(f"a {role}", role))
            assert await client.answer() == (number, example(c.Order))
        for held in all_held:
            held.let_go()


async def test_couriers_and_operators_share_with_restaurants():
    async with serving(limits=SMALL) as peers:
        all_held = await fill(peers, "courier", 3)
        client = await peers.client()
        client.call(1, "Orders.get", REF, peers.context("x", "operator"))
        assert code((await client.answer())[1]) == "overloaded"
        for held in all_held:
            held.let_go()


# health


async def test_health_is_answered_when_nothing_else_is_and_says_how_much_is_under_way():
    async with serving(limits=SMALL) as peers:
        all_held = await fill(peers, "system", 3)
        client = await peers.client()
        client.call(1, "Orders.health", c.HealthQuery(), peers.context("health", "system"))
        assert await client.answer() == (1, c.HealthReport(state="serving", in_flight=3))
        for held in all_held:
            held.let_go()


# draining


async def test_a_draining_server_finishes_what_it_has_begun_and_takes_nothing_new():
    async with serving(limits=SMALL) as peers:
        client, other = await peers.client(), await peers.client()
        held = [hold(peers, f"{number}") for number in range(3)]
        for number in range(3):
            client.call(number, "Orders.get", REF, peers.context(f"{number}"))
        await asyncio.gather(held[0].begun.wait(), held[1].begun.wait())
        drained = asyncio.create_task(peers.server.drain(10))
        assert code((await client.answers(1))[2]) == "draining"
        other.call(7, "Orders.get", REF, peers.context("new"))
        other.call(8, "Orders.health", c.HealthQuery(), peers.context("health", "system"))
        answers = await other.answers(2)
        assert code(answers[7]) == "draining"
        assert answers[8] == c.HealthReport(state="draining", in_flight=2)
        with pytest.raises(OSError):
            await peers.client()
        for each in held:
            each.let_go()
        assert await client.answers(2) == {0: example(c.Order), 1: example(c.Order)}
        assert await drained == 0
        assert await client.payload() is None
        assert set(peers.orders.asked) == {"0", "1"}


async def test_a_drain_that_runs_out_of_time_says_what_it_gave_up():
    async with serving() as peers:
        client = await peers.client()
        held = hold(peers, "stuck")
        client.call(1, "Orders.get", REF, peers.context("stuck"))
        await held.begun.wait()
        assert await peers.server.drain(0) == 1
        assert await client.payload() is None
        assert not held.ended.is_set()


# what is measured and told


async def test_calls_are_counted_by_how_they_ended():
    async with serving() as peers:
        client = await peers.client()

        async def refuse(context: c.CallContext, request: Any) -> Any:
            raise Refusal("order_not_found", "no")

        async def fail(context: c.CallContext, request: Any) -> Any:
            raise ValueError

        peers.orders.doing |= {"refused": refuse, "bug": fail}
        for number, request_id in enumerate(("ok", "ok", "refused", "bug")):
            client.call(number, "Orders.get", REF, peers.context(request_id))
        client.call(4, "Orders.get", REF, peers.context("late", timeout_ms=0))
        client.call(5, "Orders.get", c.OrderRef(order_id="x"), peers.context())
        await client.answers(6)
        of = {"service": "Orders", "method": "get"}
        counted = {
            outcome: peers.measured("tiffin_rpc_server_calls_total", **of, outcome=outcome)
            for outcome in ("ok", "refused", "bug", "unavailable")
        }
        assert counted == {"ok": 2, "refused": 2, "bug": 1, "unavailable": 1}
        assert peers.measured("tiffin_rpc_server_call_duration_seconds_count", **of) == 4
        late = {"caller_class": "customer", "reason": "deadline_passed"}
        assert peers.measured("tiffin_rpc_server_turned_away_total", **late) == 1


async def test_what_is_under_way_and_what_waits_can_be_seen():
    async with serving(limits=SMALL) as peers:
        all_held = await fill(peers, "customer", 3)
        of = {"service": "Orders", "method": "get"}
        assert peers.measured("tiffin_rpc_server_calls_in_flight", **of) == 2
        assert peers.measured("tiffin_rpc_server_calls_waiting", caller_class="customer") == 1
        for held in all_held:
            held.let_go()
        await peers.clients[0].answers(3)
        assert peers.measured("tiffin_rpc_server_calls_waiting", caller_class="customer") == 0


async def test_a_trace_goes_on_under_a_span_of_its_own_and_is_logged_if_sampled():
    async with serving() as peers:
        client = await peers.client()
        with structlog.testing.capture_logs() as logs:
            for number, flags in enumerate(("01", "00")):
                trace_parent = f"00-{TRACE}-{PARENT}-{flags}"
                client.call(
                    number, "Orders.get", REF, peers.context(f"traced-{flags}", trace_parent=trace_parent)
                )
            client.call(2, "Orders.get", REF, peers.context("untraced"))
            await client.answers(3)
            await peers.server.drain(10)
        spans = {}
        for flags in ("01", "00"):
            onward = peers.orders.asked[f"traced-{flags}"][0].trace_parent
            assert onward is not None
            version, trace_id, spans[flags], onward_flags = onward.split("-")
            assert (version, trace_id, onward_flags) == ("00", TRACE, flags)
        assert len({PARENT, *spans.values()}) == 3
        assert peers.orders.asked["untraced"][0].trace_parent is None
        (line,) = [line for line in logs if line["event"] == "rpc_call"]
        assert (line["trace_id"], line["parent_id"], line["span_id"]) == (TRACE, PARENT, spans["01"])
        assert (line["method"], line["outcome"], line["request_id"]) == ("get", "ok", "traced-01")


# connections


async def test_the_answers_of_one_turn_of_the_loop_leave_in_one_write(monkeypatch: pytest.MonkeyPatch):
    async with serving() as peers:
        client = await peers.client()
        frames = [wire.services["Orders"]["get"].encode_call(n, peers.context(), REF) for n in range(50)]
        client.send(b"".join(frames))
        (connection,) = peers.server._connections
        writes = []
        transport = connection._transport
        assert transport is not None

        class Counting:
            def write(self, data: bytes) -> None:
                writes.append(len(data))
                transport.write(data)

            def __getattr__(self, name: str) -> Any:
                return getattr(transport, name)

        connection._transport = Counting()
        assert len(await client.answers(50)) == 50
        assert len(writes) == 1


async def test_a_client_that_does_not_read_is_not_heard_until_it_does():
    async with serving(limits=Limits(customer=Share(512, 100_000))) as peers:
        client = await peers.client()
        (connection,) = peers.server._connections
        assert connection._transport is not None
        big = example(c.Order)
        big.note = "x" * 100_000

        async def answer(context: c.CallContext, request: Any) -> Any:
            return big

        peers.orders.doing["big"] = answer
        call = wire.services["Orders"]["get"].encode_call(1, peers.context("big"), REF)
        for _ in range(400):
            client.send(call)
            await client._writer.drain()
        while connection._transport.is_reading():
            await asyncio.sleep(0)
        for _ in range(400):
            assert await client.payload() is not None
        client.call(2, "Orders.get", REF, peers.context("after"))
        assert (await client.answer())[0] == 2


async def test_connections_beyond_the_limit_are_closed_at_once():
    async with serving(limits=Limits(connections_max=1)) as peers:
        first, second = await peers.client(), await peers.client()
        assert await second.payload() is None
        first.call(1, "Orders.get", REF, peers.context())
        assert (await first.answer())[0] == 1


async def test_a_frame_that_does_not_arrive_in_time_closes_the_connection():
    async with serving(limits=Limits(frame_s=0.0)) as peers:
        client = await peers.client()
        client.send(b"\x00\x00\x00\x10half")
        assert await client.payload() is None


async def test_every_frame_has_the_whole_time_for_itself():
    async with serving() as peers:
        client = await peers.client()
        client.call(1, "Orders.get", REF, peers.context())
        await client.answer()
        (connection,) = peers.server._connections
        frame = wire.services["Orders"]["get"].encode_call(2, peers.context(), REF)
        connection.data_received(frame[:9])
        first = connection._frame_timer
        connection.data_received(frame[9:] + frame[:9])
        second = connection._frame_timer
        connection.data_received(frame[9:])
        assert first is not None
        assert second is not None
        assert first.cancelled()
        assert second.cancelled()
        assert connection._frame_timer is None
        assert [await client.answer() for _ in range(2)] == [(2, example(c.Order))] * 2
