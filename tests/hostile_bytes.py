"""Calls, and what can be made of them that is none."""

import random

import msgspec

from rpc_values import example
from tiffin.rpc import contracts as c
from tiffin.rpc import wire

SERVICES = ("Orders", "Restaurants", "Users")
CONTEXT = msgspec.structs.replace(example(c.CallContext), deadline_ms=1 << 42)
METHODS = {
    "place": wire.services["Orders"]["place"],
    "get": wire.services["Orders"]["get"],
    "menu": wire.services["Restaurants"]["set_menu"],
    "addresses": wire.services["Users"]["create"],
}
CALLS = {
    name: method.encode_call(7, CONTEXT, example(method.method.request))[4:]
    for name, method in METHODS.items()
}
STRUCT, LIST, MAP, STRING = b"\x0c", b"\x0f", b"\x0d", b"\x0b"


def unknown(kind: bytes, value: bytes) -> bytes:
    """A call with one more field, of which the contract knows nothing."""
    return CALLS["get"][:-1] + kind + b"\x00\x63" + value + b"\x00"


def nested(kind: bytes, depth: int) -> bytes:
    if kind == STRUCT:
        return unknown(STRUCT, (STRUCT + b"\x00\x01") * depth + b"\x00" * (depth + 1))
    if kind == LIST:
        return unknown(LIST, (LIST + b"\x00\x00\x00\x01") * depth + STRING + b"\x00" * 4)
    return unknown(MAP, (b"\x03" + MAP + b"\x00\x00\x00\x01\x01") * depth + b"\x03\x03" + b"\x00" * 4)


def mutated(payload: bytes, chance: random.Random) -> bytes:
    """Some bytes changed, some taken out, some put in."""
    changed = bytearray(payload)
    for _ in range(chance.choice((1, 1, 2, 5, 20))):
        at = chance.randrange(len(changed) + 1)
        match chance.randrange(4):
            case 0 if at < len(changed):
                changed[at] = chance.randrange(256)
            case 1 if at < len(changed):
                changed[at] ^= 1 << chance.randrange(8)
            case 2:
                del changed[at : at + chance.randrange(1, 9)]
            case _:
                changed[at:at] = chance.randbytes(chance.randrange(1, 9))
    return bytes(changed)
