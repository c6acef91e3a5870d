"""Bytes that are no call: told apart in bounded time and memory, whatever they are."""

import random
import tracemalloc

import pytest

from hostile_bytes import CALLS, LIST, MAP, STRING, STRUCT, mutated, nested, unknown
from tiffin.primitives.errors import Refusal
from tiffin.rpc import wire
from tiffin.rpc.codec import Unreadable


def take(payload: bytes) -> None:
    """As the server reads a call. `Unreadable` and `Refusal` are the only errors there may be."""
    message = wire.read_message(payload)
    service, _, name = message.name.decode(errors="replace").partition(":")
    if (method := wire.services.get(service, {}).get(name)) is not None and message.kind == wire.CALL:
        method.decode_call(payload, message.body_at)


@pytest.mark.parametrize("name", CALLS)
def test_a_call_cut_off_at_any_byte_is_no_call(name: str):
    for length in range(len(CALLS[name])):
        with pytest.raises(Unreadable):
            take(CALLS[name][:length])


@pytest.mark.parametrize("more", [b"\x00", b"\x0c", b"a whole lot more"])
def test_nor_is_one_with_bytes_after_its_end(more: bytes):
    with pytest.raises(Unreadable):
        take(CALLS["place"] + more)


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x80", id="a byte"),
        pytest.param(b"\x80\x01\x00", id="three bytes"),
        pytest.param(b"\x00\x01\x00\x01" + b"\x00" * 20, id="no version"),
        pytest.param(b"\x80\x02\x00\x01" + b"\x00" * 20, id="another version"),
        pytest.param(b"\x80\x01\x00\x01\x7f\xff\xff\xff", id="a name of 2 GB"),
        pytest.param(b"\x80\x01\x00\x01\xff\xff\xff\xffget", id="a name of -1"),
        pytest.param(b"\x80\x01\x00\x01\x00\x00\x00\x03get", id="no sequence id"),
        pytest.param(b"\x00\x00\x00\x03get\x01\x00\x00\x00\x07\x00", id="not strict"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", id="HTTP"),
    ],
)
def test_what_has_no_header_is_no_message(header: bytes):
    with pytest.raises(Unreadable):
        wire.read_message(header)


@pytest.mark.parametrize("kind", [STRUCT, LIST, MAP], ids=["structs", "lists", "maps"])
@pytest.mark.parametrize("depth", [10, 50])
def test_some_depth_is_passed_over(kind: bytes, depth: int):
    take(nested(kind, depth))


@pytest.mark.parametrize("kind", [STRUCT, LIST, MAP], ids=["structs", "lists", "maps"])
@pytest.mark.parametrize("depth", [64, 100, 1000, 10_000, 50_000, 250_000])
def test_no_depth_is_too_much_to_refuse(kind: bytes, depth: int):
    with pytest.raises(Unreadable, match="depth"):
        take(nested(kind, depth))


SIZES = [b"\x7f\xff\xff\xff", b"\x00\x0f\xff\xff", b"\x80\x00\x00\x00", b"\xff\xff\xff\xff"]
LINES = CALLS["place"].index(b"\x0f\x00\x03\x0c\x00\x00\x00\x01")
ORDER_ID = CALLS["get"].rindex(b"\x0b\x00\x01\x00\x00\x00\x01")


@pytest.mark.parametrize("size", SIZES, ids=["2 GB", "a million", "-2 GB", "-1"])
@pytest.mark.parametrize(
    "payload_of",
    [
        lambda size: CALLS["place"][: LINES + 4] + size + CALLS["place"][LINES + 8 :],
        lambda size: CALLS["get"][: ORDER_ID + 3] + size + CALLS["get"][ORDER_ID + 7 :],
        lambda size: unknown(LIST, STRING + size),
        lambda size: unknown(LIST, b"\x02" + size),
        lambda size: unknown(STRING, size),
        lambda size: unknown(MAP, STRING + STRING + size),
    ],
    ids=["a list", "text", "an unknown list", "an unknown list of bool", "unknown text", "an unknown map"],
)
def test_sizes_beyond_the_payload_cost_nothing(payload_of, size: bytes):
    payload = payload_of(size)
    tracemalloc.start()
    try:
        with pytest.raises(Unreadable):
            take(payload)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 200_000


@pytest.mark.parametrize("name", CALLS)
def test_mutations_are_calls_or_are_refused(name: str):
    chance = random.Random(name)
    outcomes = {"taken": 0, "unreadable": 0, "refused": 0}
    for _ in range(2_000):
        try:
            take(mutated(CALLS[name], chance))
            outcomes["taken"] += 1
        except Unreadable:
            outcomes["unreadable"] += 1
        except Refusal:
            outcomes["refused"] += 1
    assert all(outcomes.values()), outcomes
