"""The codec: the same bytes as any Thrift library's, and nothing past the IDL's limits gets in."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from thriftpy2.protocol.binary import TBinaryProtocol
from thriftpy2.thrift import TType
from thriftpy2.transport import TMemoryBuffer

from rpc_values import example, past_a_limit, values
from tiffin.primitives.errors import CODES, Refusal, Unavailable
from tiffin.rpc import contracts as c
from tiffin.rpc import wire
from tiffin.rpc.codec import Unreadable, encode
from tiffin.rpc.codec import read as read_struct
from tiffin.rpc.specs import spec_of

MADE = {**c.structs, **c.exceptions}
METHODS = [pytest.param(method, id=f"{name}.{each}") for name, methods in wire.services.items()
           for each, method in methods.items()]  # fmt: skip
CONTEXT = c.CallContext(
    request_id="request-1", caller=c.Caller(role="customer", id="customer-1"), deadline_ms=1_780_000_000_000
)


def parsed() -> Iterator[tuple[str, Any]]:
    for module in c.parse_idl():
        for each in (*module.__thrift_meta__["structs"], *module.__thrift_meta__["exceptions"]):
            yield each.__name__, each


PARSED = dict(parsed())


def as_thriftpy2(value: msgspec.Struct) -> Any:
    """The same value as an object of another Thrift library."""

    def other(part: Any) -> Any:
        if isinstance(part, msgspec.Struct):
            return as_thriftpy2(part)
        return [other(each) for each in part] if isinstance(part, list) else part

    fields = value.__struct_fields__
    return PARSED[type(value).__name__](**{name: other(getattr(value, name)) for name in fields})


def in_pure_python(value: msgspec.Struct) -> bytes:
    buffer = TMemoryBuffer()
    TBinaryProtocol(buffer).write_struct(as_thriftpy2(value))
    return buffer.getvalue()


def read(data: bytes, struct: type[msgspec.Struct]) -> Any:
    return read_struct(data, 0, spec_of(struct))


def write(value: msgspec.Struct) -> bytes:
    return encode(value, spec_of(type(value)))


@pytest.mark.parametrize("struct", MADE.values(), ids=MADE)
def test_every_struct_travels_as_another_library_writes_it(struct: type[msgspec.Struct]):
    whole = example(struct)
    assert write(whole) == in_pure_python(whole)
    assert read(write(whole), struct) == whole


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(sorted(MADE)).flatmap(lambda name: values(MADE[name])))
def test_whatever_a_struct_holds_arrives_and_another_library_writes_the_same(value: msgspec.Struct):
    assert write(value) == in_pure_python(value)
    assert read(write(value), type(value)) == value


def call_of(method: wire.MethodWire, request: Any, context: c.CallContext = CONTEXT) -> bytes:
    """The payload of a call."""
    return method.encode_call(7, context, request)[4:]


def decoded(method: wire.MethodWire, payload: bytes) -> tuple[c.CallContext, Any]:
    return method.decode_call(payload, wire.read_message(payload).body_at)


def answered(method: wire.MethodWire, frame: bytes) -> Any:
    message = wire.read_message(frame[4:])
    assert message.sequence_id == 7
    return method.decode_reply(frame[4:], message)


@pytest.mark.parametrize("method", METHODS)
def test_calls_and_answers_of_every_method_arrive(method: wire.MethodWire):
    request, result = example(method.method.request), example(method.method.result)
    assert decoded(method, call_of(method, request)) == (CONTEXT, request)
    assert answered(method, method.encode_result(7, result)) == result


@pytest.mark.parametrize("code", CODES)
def test_every_refusal_arrives_whole(code: str):
    method = wire.services["Orders"]["get"]
    sent = Refusal(code, "no, and «why»", {"at": 3, "of": ["a"]})
    with pytest.raises(Refusal) as caught:
        answered(method, method.encode_refusal(7, sent))
    assert vars(caught.value) == vars(sent)


def test_unavailable_arrives_whole():
    method = wire.services["Orders"]["get"]
    with pytest.raises(Unavailable) as caught:
        answered(method, method.encode_unavailable(7, Unavailable("draining", "stopping", 17)))
    assert (caught.value.code, caught.value.message, caught.value.retry_after_ms) == (
        "draining",
        "stopping",
        17,
    )


@pytest.mark.parametrize(
    "frame",
    [
        wire.encode_application_error(b"get", 7, wire.INTERNAL_ERROR, "ours"),
        wire.services["Orders"]["get"]._reply(7, 9, b"\x00"),
        wire.services["Orders"]["get"]._reply(7, 1, encode(
            c.exceptions["Refusal"](code="of_tomorrow", message="m"), spec_of(c.exceptions["Refusal"])
        )),
    ],
    ids=["an application error", "an answer without a result", "a code of a newer version"],
)  # fmt: skip
def test_what_is_no_answer_is_a_bug(frame: bytes):
    with pytest.raises(wire.RpcBug):
        answered(wire.services["Orders"]["get"], frame)


def test_the_answer_to_another_method_is_not_taken():
    another = wire.services["Orders"]["advance"].encode_result(7, example(c.Order))
    with pytest.raises(Unreadable):
        answered(wire.services["Orders"]["get"], another)


@pytest.mark.parametrize("method", METHODS)
def test_a_thrift_caller_gets_past_no_limit_of_the_idl(method: wire.MethodWire):
    got_past = []
    for where, bad in past_a_limit(method.method.request):
        try:
            decoded(method, call_of(method, bad))
        except Refusal as refusal:
            assert refusal.code == "invalid_request"
        else:
            got_past.append((where, bad))
    assert got_past == []


@pytest.mark.parametrize(("where", "bad"), [*past_a_limit(c.CallContext)])
def test_nor_does_a_context(where: str, bad: Any):
    method = wire.services["Orders"]["get"]
    with pytest.raises(Refusal, match="invalid_request"):
        decoded(method, call_of(method, c.OrderRef(order_id="1"), bad))


def test_a_limit_says_where_it_is():
    method = wire.services["Orders"]["get"]
    with pytest.raises(Refusal) as caught:
        decoded(method, call_of(method, c.OrderRef(order_id="x")))
    assert caught.value.details == {"at": "$.request.order_id"}


NOTED = c.Address(
    id="home", label="Home", street="s", city="c", place=c.Place(latitude=1, longitude=2), note="?"
)


@pytest.mark.parametrize("text", ["\ufffd", "\\u0000", "\\\\u0000", "𝄞", "é\ufffd"])
def test_unusual_text_is_taken_as_it_is(text: str):
    method = wire.services["Users"]["save_address"]
    request = c.SaveAddress(customer_id="customer-1", address=msgspec.structs.replace(NOTED, note=text))
    assert decoded(method, call_of(method, request))[1] == request


@pytest.mark.parametrize(
    "raw", [b"\xff\xfe", b"\xed\xa0\x80", b"\xc0\x80", b"ok\xef\xbf\xbd\xff", b"a\x00b"],
    ids=["no UTF-8", "half a surrogate pair", "overlong", "beside a real replacement character", "NUL"],
)  # fmt: skip
def test_bytes_that_are_no_text_are_refused(raw: bytes):
    method = wire.services["Users"]["save_address"]
    place = "\x07" * len(raw)
    request = c.SaveAddress(customer_id="customer-1", address=msgspec.structs.replace(NOTED, note=place))
    payload = call_of(method, request).replace(place.encode(), raw)
    with pytest.raises(Refusal, match="invalid_request"):
        decoded(method, payload)


def body(*fields: bytes) -> bytes:
    return b"".join(fields) + b"\x00"


def field(kind: int, number: int, value: bytes) -> bytes:
    return bytes([kind]) + number.to_bytes(2, "big", signed=True) + value


GET = wire.services["Orders"]["get"]
HEAD = GET._call_head + (7).to_bytes(4, "big")
CONTEXT_FIELD = field(TType.STRUCT, 1, write(CONTEXT))
ORDER_ID = field(TType.STRING, 1, b"\x00\x00\x00\x0242")


def test_fields_of_a_newer_contract_are_passed_over():
    newer = field(
        TType.MAP,
        9,
        b"\x0b\x0f\x00\x00\x00\x01" + b"\x00\x00\x00\x01k" + b"\x08\x00\x00\x00\x01" + b"\x01" * 4,
    )
    payload = HEAD + body(CONTEXT_FIELD, newer, field(TType.STRUCT, 2, body(newer, ORDER_ID)))
    assert decoded(GET, payload) == (CONTEXT, c.OrderRef(order_id="42"))


@pytest.mark.parametrize(
    "given",
    [
        body(CONTEXT_FIELD),
        body(field(TType.STRUCT, 2, body(ORDER_ID))),
        body(CONTEXT_FIELD, field(TType.STRUCT, 2, body())),
        body(CONTEXT_FIELD, field(TType.STRUCT, 2, body(field(TType.I32, 1, b"\x00\x00\x00\x01")))),
        body(CONTEXT_FIELD, field(TType.STRING, 2, b"\x00\x00\x00\x0242")),
    ],
    ids=["no request", "no context", "no order id", "an order id that is a number", "a request that is text"],
)  # fmt: skip
def test_what_is_required_must_be_there_and_of_its_type(given: bytes):
    with pytest.raises(Refusal, match="missing required field"):
        decoded(GET, HEAD + given)


def test_a_list_of_the_wrong_type_cannot_be_read():
    quote = wire.services["Orders"]["quote"]
    whole = call_of(quote, c.QuoteRequest(restaurant_id="r", lines=[c.BasketLine(item_id="i", quantity=1)]))
    wrong = whole.replace(b"\x0f\x00\x02\x0c\x00\x00\x00\x01", b"\x0f\x00\x02\x0b\x00\x00\x00\x01")
    assert wrong != whole
    with pytest.raises(Unreadable):
        decoded(quote, wrong)
