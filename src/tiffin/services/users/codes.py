"""One-time codes: how they are made, kept and compared, and how often they may be asked for. Pure."""

from collections.abc import Callable
from datetime import datetime, timedelta
from hmac import compare_digest, digest

from tiffin.primitives.errors import Refusal
from tiffin.services.users.policy import SignInPolicy

DIGITS = 6


def normal_phone(phone: str) -> str:
    """The phone as it is stored and sent to: without blanks."""
    return phone.replace(" ", "")


def new_code(random_below: Callable[[int], int]) -> str:
    """A code nobody can foresee."""
    return f"{random_below(10**DIGITS):0{DIGITS}}"


def hash_of(key: bytes, phone: str, sign_in_id: str, code: str) -> bytes:
    """What is kept of a code. Keyed: a million codes are tried in a second by whoever reads the table."""
    return digest(key, f"{phone}\n{sign_in_id}\n{code}".encode(), "sha256")


def is_right(kept: bytes, key: bytes, phone: str, sign_in_id: str, code: str) -> bool:
    """Whether it is the code, in a time that does not tell how nearly."""
    return compare_digest(kept, hash_of(key, phone, sign_in_id, code))


def too_many(
    policy: SignInPolicy, now: datetime, asked_at: datetime, window_began_at: datetime, asked: int
) -> Refusal:
    """Why no code is sent now, and when one will be."""
    again_at = asked_at + timedelta(seconds=policy.code_again_s)
    if asked >= policy.codes_per_phone_max:
        again_at = max(again_at, window_began_at + timedelta(seconds=policy.codes_window_s))
    wait_s = max(1, -int((now - again_at).total_seconds() // 1))
    return Refusal(
        "too_many_codes", f"another code can be sent in {wait_s} seconds", {"retry_after_s": wait_s}
    )


def wrong_code() -> Refusal:
    """Wrong, expired, used, guessed at too often, never sent: one answer for all."""
    return Refusal("bad_code", "this code is not good (any more): ask for another one")
