"""Errors as `application/problem+json` (RFC 9457), and the one table that maps them to a status."""

import math
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from tiffin.primitives.errors import CODES, Kind, Refusal, Unavailable

CONTENT_TYPE = b"application/problem+json"

STATUS_OF_KIND: Mapping[Kind, int] = {
    Kind.INVALID: 422,
    Kind.UNAUTHENTICATED: 401,
    Kind.FORBIDDEN: 403,
    Kind.NOT_FOUND: 404,
    Kind.CONFLICT: 409,
    Kind.TOO_LARGE: 413,
    Kind.TOO_MANY: 429,
}

STATUS_OF_CODE: Mapping[str, int] = {
    **{code: STATUS_OF_KIND[kind] for code, kind in CODES.items()},
    # HTTP has a word of its own for these
    "invalid_json": 400,
    "invalid_encoding": 400,
    "method_not_allowed": 405,
    "request_timeout": 408,
    "unsupported_media_type": 415,
}

_CHALLENGES: Mapping[str, bytes] = {
    "bad_token": b'Bearer realm="tiffin", error="invalid_token"',
    "bad_code": b'Bearer realm="tiffin", error="invalid_grant"',
    "bad_refresh_token": b'Bearer realm="tiffin", error="invalid_grant"',
    "bad_signature": b"Payment-Signature",
}
DETAIL_LENGTH_MAX = 500

Headers = list[tuple[bytes, bytes]]


class Problem(NamedTuple):
    """An error as an answer."""

    status: int
    body: bytes
    headers: Headers


def problem_of(error: Exception, request_id: str) -> Problem:
    """The answer to an error. Of a bug it says nothing but that it is one."""
    if isinstance(error, Refusal):
        status = STATUS_OF_CODE[error.code]
        body = _encode(status, error.code, error.message, request_id, error.details)
        return Problem(status, body, _refusal_headers(error))
    if isinstance(error, Unavailable):
        status = 504 if error.code == "deadline_passed" else 503
        retry_after_s = max(1, math.ceil(error.retry_after_ms / 1000))
        body = _encode(status, error.code, error.message, request_id, {})
        return Problem(status, body, [(b"retry-after", str(retry_after_s).encode())])
    return Problem(500, _encode(500, "internal_error", "The fault is ours.", request_id, {}), [])


def _refusal_headers(refusal: Refusal) -> Headers:
    if challenge := _CHALLENGES.get(refusal.code):
        return [(b"www-authenticate", challenge)]
    if refusal.kind is Kind.TOO_MANY and "retry_after_s" in refusal.details:
        return [(b"retry-after", str(refusal.details["retry_after_s"]).encode())]
    if refusal.code == "method_not_allowed":
        return [(b"allow", str(refusal.details["allowed"]).encode())]
    return []


def _encode(status: int, code: str, detail: str, request_id: str, details: Mapping[str, object]) -> bytes:
    problem: dict[str, object] = {
        "type": f"urn:tiffin:problem:{code}",
        "title": code.replace("_", " ").capitalize(),
        "status": status,
        "detail": detail[:DETAIL_LENGTH_MAX],
        "code": code,
        "request_id": request_id,
    }
    for name, value in details.items():
        problem.setdefault(name, value)
    return msgspec.json.encode(problem)
