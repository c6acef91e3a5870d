"""The call context: who calls, under which request, and until when the answer is wanted."""

from datetime import datetime
from typing import Literal
from uuid import uuid4

from tiffin.primitives.clock import Clock
from tiffin.primitives.errors import Unavailable
from tiffin.rpc.contracts import CallContext, Caller

Role = Literal["customer", "restaurant", "courier", "operator", "system"]

TIMEOUT_MS = 10_000


def new_context(
    role: Role, caller_id: str, now: datetime, timeout_ms: int = TIMEOUT_MS, request_id: str | None = None
) -> CallContext:
    """The context of a call that starts here."""
    return CallContext(
        request_id=request_id or uuid4().hex,
        caller=Caller(role=role, id=caller_id),
        deadline_ms=int(now.timestamp() * 1000) + timeout_ms,
    )


def remaining_s(context: CallContext, clock: Clock, margin_ms: int = 0) -> float:
    """Seconds until the caller stops waiting. `Unavailable` if it already has: no work is done for it.
    Nor if it will within `margin_ms`, what the work takes at the least."""
    left = context.deadline_ms / 1000 - clock().timestamp()
    if left <= margin_ms / 1000:
        raise Unavailable("deadline_passed", "the caller has stopped waiting")
    return left
