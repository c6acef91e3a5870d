"""Structs as binary Thrift and back, by Apache Thrift's C codec.

It fills the contracts' structs directly, ends at 64 levels of nesting, and never allocates for more elements
than there are bytes. It knows types; limits are asked elsewhere (`bounds.py`, `checks.py`).
"""

from collections.abc import Callable
from importlib import import_module
from io import BytesIO
from typing import Any, NoReturn

import msgspec

from tiffin.rpc.specs import StructSpec

CONTAINER_ITEMS_MAX = 10_000

_codec: Any = import_module("thrift.protocol.fastbinary")  # compiled, and without types
_decode = _codec.decode_binary
encode: Callable[[msgspec.Struct, StructSpec], bytes] = _codec.encode_binary
"""A struct's bytes."""


class Unreadable(Exception):
    """These bytes are not what the contract says."""


class _Input:
    """A payload in the form the C codec reads from: protocol and transport in one."""

    __slots__ = ("cstringio_buf",)
    string_length_limit = 0x7FFFFFFF  # the codec reads no further than the buffer's end
    container_length_limit = CONTAINER_ITEMS_MAX

    def __init__(self, payload: bytes, at: int) -> None:
        self.cstringio_buf = BytesIO(payload)
        self.cstringio_buf.seek(at)

    @property
    def trans(self) -> "_Input":
        return self

    def cstringio_refill(self, partial: bytes, wanted: int) -> NoReturn:
        raise EOFError(f"{wanted} bytes wanted, {len(partial)} are left")


def read(payload: bytes, at: int, spec: StructSpec) -> Any:
    """The struct that fills the payload from `at` to its end."""
    source = _Input(payload, at)
    try:
        made = _decode(None, source, spec)
    except Exception as error:  # the codec has many words for bytes it cannot read
        raise Unreadable(str(error) or type(error).__name__) from None
    if source.cstringio_buf.tell() != len(payload):
        raise Unreadable("bytes after the end")
    return made
