"""What the sandbox does with a charge, by its source."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Script:
    """One behaviour. As it stands: everything succeeds at once, the answer comes, no webhook is sent."""

    declined: str | None = None
    """The reason, if it is declined."""
    slow: bool = False
    """First pending; decided later."""
    webhooks: int = 0
    """How many times the decision is sent; so are captures, voids and refunds."""
    loses_charge_reply: bool = False
    """Charges, but the answer to the first request never comes."""
    loses_capture_reply: bool = False
    loses_void_reply: bool = False
    loses_refund_reply: bool = False
    fails_first: bool = False
    """The first request is answered 500 and charges nothing."""
    capture_declined: bool = False
    """Authorised, and nothing can be taken after all."""
    refund_failed: str | None = None
    """The reason, if refunds fail."""
    slow_refund: bool = False
    """Refunds are pending at first."""


SCRIPTS: Mapping[str, Script] = {
    "tok_ok": Script(),
    "tok_declined": Script(declined="insufficient_funds"),
    "tok_slow": Script(slow=True, webhooks=1),
    "tok_slow_declined": Script(slow=True, webhooks=1, declined="insufficient_funds"),
    "tok_slow_silent": Script(slow=True),
    "tok_repeat": Script(webhooks=3),
    "tok_lost_reply": Script(loses_charge_reply=True),
    "tok_lost_capture_reply": Script(loses_capture_reply=True),
    "tok_lost_void_reply": Script(loses_void_reply=True),
    "tok_lost_refund_reply": Script(loses_refund_reply=True),
    "tok_error": Script(fails_first=True),
    "tok_capture_declined": Script(capture_declined=True),
    "tok_refund_failed": Script(refund_failed="account_closed"),
    "tok_slow_refund": Script(slow_refund=True, webhooks=1),
}

UNKNOWN_SOURCE = Script(declined="unknown_source")
