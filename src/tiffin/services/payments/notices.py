"""Signed notices: `t=<unix seconds>,v1=<hex hmac-sha256 of "t.body">`."""

import hmac
import re
from datetime import datetime

from tiffin.primitives.errors import Refusal

AGE_MAX_S = 300
"""How far a notice's own time may be from ours, either way: how long a captured one can be replayed."""


_FORM = re.compile(r"t=([0-9]{1,12}),v1=([0-9a-f]{64})")


def check_signature(body: str, signature: str, secret: bytes, now: datetime) -> None:
    """`Refusal("bad_signature")` unless whoever knows the secret signed this very body, lately."""
    match = _FORM.fullmatch(signature)
    if match is None:
        raise Refusal("bad_signature", "the signature is not of the form t=...,v1=...")
    sent_at, digest = match.groups()
    expected = hmac.new(secret, f"{sent_at}.{body}".encode("utf-8", "surrogatepass"), "sha256").hexdigest()
    if not hmac.compare_digest(expected, digest):
        raise Refusal("bad_signature", "the signature does not match the body")
    if abs(now.timestamp() - int(sent_at)) > AGE_MAX_S:
        raise Refusal("bad_signature", "the notice is too old")
