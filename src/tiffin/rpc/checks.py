"""The limits of the IDL, for what came over Thrift: exactly the checks that JSON gets at the gateway.

The C codec knows types only. Written as JSON and read by the gateway's decoder, a call passes every limit
there is (pattern, length, bounds, one of, items), whoever sent it.
"""

import math
import re
from collections.abc import Callable
from typing import Any

import msgspec

from tiffin.primitives.errors import Refusal

_ESCAPED_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_REPLACED = "\ufffd".encode()
_encode = msgspec.json.Encoder().encode


def checked(decode: Callable[[bytes], Any], value: msgspec.Struct, payload: bytes) -> Any:
    """The value, read again by `decode`. `Refusal` ("invalid_request") if it is past a limit of its contract.

    `payload` is what the value came from: the codec replaces bytes that are not UTF-8, and the replacements
    then outnumber those that were there.
    """
    text = _encode(value)
    refuse_escaped_nul(text)
    if not text.isascii() and text.count(_REPLACED) > payload.count(_REPLACED):
        raise Refusal("invalid_request", "text is not UTF-8")
    if b"null" in text and not _is_finite(value):
        raise Refusal("invalid_request", "a number is not finite")
    try:
        return decode(text)
    except msgspec.ValidationError as error:
        raise misshapen(error) from None


def _is_finite(value: Any) -> bool:
    """Whether no number in it is NaN or infinite: JSON writes those as null, which an optional field may be."""
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
