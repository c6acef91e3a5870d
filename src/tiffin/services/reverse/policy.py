"""The rules as data with versions: windows, free seconds, who bears what.

An order keeps the version it was placed under by its `placed_at` alone (docs/decisions/0015).
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

import msgspec

from tiffin.primitives.versions import Versions
from tiffin.services.reverse.kinds import ACCEPTED, Kind
from tiffin.services.reverse.states import Wait

WHOLE_BP = 10_000
"""Basis points: hundredths of a per cent."""

BasisPoints = Annotated[int, msgspec.Meta(ge=0, le=WHOLE_BP)]
Seconds = Annotated[int, msgspec.Meta(ge=0, le=10**9)]


class Bears(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who bears a case, in basis points of it; together the whole. A customer bears only calling off."""

    customer: BasisPoints = 0
    restaurant: BasisPoints = 0
    courier: BasisPoints = 0
    platform: BasisPoints = 0

    def __post_init__(self) -> None:
        if self.customer + self.restaurant + self.courier + self.platform != WHOLE_BP:
            raise ValueError("those who bear a case bear the whole of it")


_BEARS: Mapping[Kind, Bears] = {
    "cancel_before_acceptance": Bears(restaurant=WHOLE_BP),
    "free_cancel": Bears(restaurant=WHOLE_BP),
    "cancel_later": Bears(customer=WHOLE_BP),
    "missing_items": Bears(restaurant=WHOLE_BP),
    "wrong_items": Bears(restaurant=WHOLE_BP),
    "late": Bears(restaurant=5_000, platform=5_000),
    "never_arrived": Bears(courier=WHOLE_BP),
    "quality": Bears(restaurant=WHOLE_BP),
    "cannot_supply": Bears(restaurant=WHOLE_BP),
    "courier_failure": Bears(courier=WHOLE_BP),
    "operator_decision": Bears(platform=WHOLE_BP),
}


_COOKED = {"preparing": 5_000, "ready": WHOLE_BP, "delivering": WHOLE_BP}


class Terms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The rules of a version."""

    free_cancel_s: Seconds = 60
    """So long after acceptance calling off costs nothing."""
    window_s: Seconds = 7 * 24 * 3600
    """So long after its last move an order that has arrived may be complained about."""
    answer_s: Seconds = 15 * 60
    """Who does not answer a request has agreed."""
    dispute_s: Seconds = 3 * 24 * 3600
    """So long a customer may take a rejection to an operator."""
    arbitration_s: Seconds = 24 * 3600
    """An operator who does not decide has decided for the customer."""
    repair_s: Seconds = 24 * 3600
    """After a refund has failed for good the customer is owed it instead."""
    filing_s: Seconds = 7 * 24 * 3600
    cooked_bp: Mapping[str, BasisPoints] = msgspec.field(default_factory=lambda: dict(_COOKED))
    """How much of the goods a restaurant has earned by the order's state, if it is not at fault itself."""
    bears: Mapping[Kind, Bears] = {}
    """In place of the usual, by kind."""

    def __post_init__(self) -> None:
        if unknown := self.cooked_bp.keys() - ACCEPTED:
            raise ValueError(f"nothing is cooked of an order that is {', '.join(sorted(unknown))}")

    def bearing(self, kind: Kind) -> Bears:
        """Who bears a kind."""
        return self.bears.get(kind) or _BEARS[kind]

    def wait_s(self, wait: Wait) -> int:
        """How long a wait lasts."""
        return 0 if wait == "carrying" else int(getattr(self, f"{wait}_s"))


class Policy(msgspec.Struct, frozen=True):
    """A version of the rules."""

    version: int
    begins_at: datetime
    terms: Terms


Policies = Versions[Policy]
