"""The limits of the IDL, for what came over Thrift: exactly the checks that JSON gets at the gateway.

This is the last word on whatever the quick question of `bounds.py` did not say yes to. The C codec knows
types only. What it finds is read by msgspec into the types that JSON is read into at the gateway, so every
limit there is (pattern, length, bounds, one of, items) holds for whoever calls. What JSON cannot say at all
shows in the value written as JSON: NUL is an escape there, and what is no number is null.
"""

import math
import re
from typing import Any, TypeVar

import msgspec

from tiffin.primitives.errors import Refusal
from tiffin.rpc.specs import Fields

Checked = TypeVar("Checked", bound=msgspec.Struct)

_ESCAPED_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_REPLACED = "\ufffd".encode()
_encode = msgspec.json.Encoder().encode


def checked(fields: Fields, kind: type[Checked], payload: bytes) -> Checked:
    """What the codec found, as the contract's type. `Refusal` ("invalid_request") if it is past a limit.

    `payload` is where it was found: the codec replaces bytes that are not UTF-8, and the replacements then
    outnumber those that were there.
    """
    try:
        value = msgspec.convert(fields, kind)
    except msgspec.ValidationError as error:
        raise misshapen(error) from None
    text = _encode(value)
    refuse_escaped_nul(text)
    if not text.isascii() and text.count(_REPLACED) > payload.count(_REPLACED):
        raise Refusal("invalid_request", "text is not UTF-8")
    if b"null" in text and not _is_finite(value):
        raise Refusal("invalid_request", "a number is not finite")
    return value


def _is_finite(value: Any) -> bool:
    """Whether no number in it is NaN or infinite: JSON writes those as null, as an optional field may be."""
    match value:
        case float():
            return math.isfinite(value)
        case list():
            return all(_is_finite(each) for each in value)  # pyright: ignore[reportUnknownVariableType]
        case msgspec.Struct():
            return all(_is_finite(getattr(value, name)) for name in value.__struct_fields__)
        case _:
            return True


def refuse_escaped_nul(text: bytes) -> None:
    """PostgreSQL's text cannot hold NUL, which JSON can write only as an escape."""
    if b"\\" in text and b"\\u0000" in text and _ESCAPED_NUL.search(text):
        raise Refusal("invalid_request", "text must not contain the character NUL")


def misshapen(error: msgspec.ValidationError) -> Refusal:
    """What msgspec says about a value that does not fit its type, and where that is."""
    message = str(error)
    at = message.rpartition(" - at `")[2][:-1] if " - at `" in message else None
    return Refusal("invalid_request", message, {"at": at} if at else None)
