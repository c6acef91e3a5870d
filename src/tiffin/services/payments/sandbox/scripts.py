"""What the sandbox does with a charge, by its source."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Script:
    """One behaviour. As it stands: the charge succeeds at once, the answer comes, no webhook is sent."""

    declined: str | None = None
    """The reason, if it is declined."""
    slow: bool = False
    """First pending; decided later."""
    webhooks: int = 0
    """How many times the decision is sent."""
    loses_charge_reply: bool = False
    """Charges, but the answer to the first request never comes."""
    loses_refund_reply: bool = False
    fails_first: bool = False
    """The first request is answered 500 and charges nothing."""


SCRIPTS: Mapping[str, Script] = {
    "tok_ok": Script(),
    "tok_declined": Script(declined="insufficient_funds"),
    "tok_slow": Script(slow=True, webhooks=1),
    "tok_slow_declined": Script(slow=True, webhooks=1, declined="insufficient_funds"),
    "tok_repeat": Script(webhooks=3),
    "tok_lost_reply": Script(loses_charge_reply=True),
    "tok_lost_refund_reply": Script(loses_refund_reply=True),
    "tok_error": Script(fails_first=True),
}

UNKNOWN_SOURCE = Script(declined="unknown_source")
