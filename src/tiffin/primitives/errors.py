"""Three kinds of error and no more: `Refusal`, `Unavailable`, and any other exception, a bug of ours."""

from collections.abc import Mapping
from enum import Enum


class Kind(Enum):
    """What sort of no a refusal is. Every wire maps these seven, and nothing else."""

    INVALID = "invalid"
    """The request makes no sense by itself."""
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    """This role may never do this."""
    NOT_FOUND = "not_found"
    """No such thing, or not the caller's to know of."""
    CONFLICT = "conflict"
    """The request makes sense, but not as things stand."""
    TOO_LARGE = "too_large"
    TOO_MANY = "too_many"
    """The request came too often: `retry_after_s` among the details says when to come back."""


CODES: Mapping[str, Kind] = {
    # the gateway
    "invalid_json": Kind.INVALID,
    "invalid_encoding": Kind.INVALID,
    "unsupported_media_type": Kind.INVALID,
    "method_not_allowed": Kind.INVALID,
    "request_timeout": Kind.INVALID,
    # any service
    "invalid_request": Kind.INVALID,
    "invalid_time": Kind.INVALID,
    "invalid_cursor": Kind.INVALID,
    "request_too_large": Kind.TOO_LARGE,
    "bad_token": Kind.UNAUTHENTICATED,
    "too_many_requests": Kind.TOO_MANY,
    "forbidden": Kind.FORBIDDEN,
    "no_such_endpoint": Kind.NOT_FOUND,
    "id_taken": Kind.CONFLICT,
    # users
    "customer_not_found": Kind.NOT_FOUND,
    "address_not_found": Kind.NOT_FOUND,
    "too_many_addresses": Kind.CONFLICT,
    "bad_code": Kind.UNAUTHENTICATED,
    "bad_refresh_token": Kind.UNAUTHENTICATED,
    "too_many_codes": Kind.TOO_MANY,
    "person_not_found": Kind.NOT_FOUND,
    "role_not_granted": Kind.FORBIDDEN,
    "too_many_staff": Kind.CONFLICT,
    "last_owner": Kind.CONFLICT,
    "api_key_not_found": Kind.NOT_FOUND,
    "too_many_api_keys": Kind.CONFLICT,
    # restaurants
    "restaurant_not_found": Kind.NOT_FOUND,
    "item_not_found": Kind.NOT_FOUND,
    "option_not_found": Kind.NOT_FOUND,
    "invalid_menu": Kind.INVALID,
    "invalid_time_zone": Kind.INVALID,
    "invalid_currency": Kind.INVALID,
    "restaurant_closed": Kind.CONFLICT,
    "item_unavailable": Kind.CONFLICT,
    "item_not_limited": Kind.CONFLICT,
    "out_of_stock": Kind.CONFLICT,
    "below_minimum": Kind.CONFLICT,
    "out_of_area": Kind.CONFLICT,
    "invalid_area": Kind.INVALID,
    "invalid_choice": Kind.INVALID,
    "not_ready": Kind.CONFLICT,
    "hold_expired": Kind.CONFLICT,
    # orders
    "order_not_found": Kind.NOT_FOUND,
    "unknown_event": Kind.INVALID,
    "currency_mismatch": Kind.INVALID,
    "price_changed": Kind.CONFLICT,
    "idempotency_key_reused": Kind.INVALID,
    "request_in_progress": Kind.CONFLICT,
    "wrong_state": Kind.CONFLICT,
    "version_conflict": Kind.CONFLICT,
    "not_your_delivery": Kind.FORBIDDEN,
    "held_elsewhere": Kind.CONFLICT,
    "taken_over": Kind.CONFLICT,
    "parties_changed": Kind.CONFLICT,
    "invalid_legacy_order": Kind.INVALID,
    "paid_elsewhere": Kind.CONFLICT,
    # payments
    "payment_not_expected": Kind.CONFLICT,
    "payment_not_found": Kind.NOT_FOUND,
    "refund_not_found": Kind.NOT_FOUND,
    "refund_too_large": Kind.CONFLICT,
    "not_refundable": Kind.CONFLICT,
    "bad_signature": Kind.UNAUTHENTICATED,
    # notifications
    "unknown_template": Kind.INVALID,
    "invalid_variables": Kind.INVALID,
    # webhooks
    "webhook_not_found": Kind.NOT_FOUND,
    "webhook_delivery_not_found": Kind.NOT_FOUND,
    "partner_not_found": Kind.NOT_FOUND,
    "too_many_webhooks": Kind.CONFLICT,
    "webhook_disabled": Kind.CONFLICT,
    "invalid_webhook_url": Kind.INVALID,
    # cases
    "case_not_found": Kind.NOT_FOUND,
    "case_not_possible": Kind.CONFLICT,
    "case_open": Kind.CONFLICT,
    "window_over": Kind.CONFLICT,
    "nothing_left": Kind.CONFLICT,
    "outcome_changed": Kind.CONFLICT,
    # the ledger
    "entry_not_found": Kind.NOT_FOUND,
    "entry_differs": Kind.CONFLICT,
    "insufficient_balance": Kind.CONFLICT,
    "settlement_not_found": Kind.NOT_FOUND,
    "already_paid": Kind.CONFLICT,
}
"""Every code a refusal can carry. Codes are stable: programs branch on them."""


class Refusal(Exception):
    """A typed business no. The same request would be refused again.

    `details` is what the caller needs to do better, as JSON-ready values.
    """

    def __init__(self, code: str, message: str, details: Mapping[str, object] | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.kind = CODES[code]
        self.message = message
        self.details = dict(details or {})


class Unavailable(Exception):
    """Not now: a dependency is away, a limit is reached, or an outcome is not known yet. Try again, maybe."""

    def __init__(self, code: str, message: str, retry_after_ms: int = 1000) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.retry_after_ms = retry_after_ms
