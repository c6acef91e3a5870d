"""Who may see to which endpoints. Pure. What is another's does not exist."""

from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c

ALL_MAY = ("operator", "system")
_MAY_SEE_TO = (None, "owner", "manager", "system")
"""Access within a restaurant; `system` is an API key, None a token of the platform's own."""
_MAY_LET = (None, "owner", "manager")
"""A till's key says for itself where it is called, and not who else hears of the restaurant."""


def check_endpoint(caller: c.Caller, kind: str, owner: str) -> None:
    """Only whose endpoint it is, and operators."""
    if caller.role in ALL_MAY:
        return
    if (caller.role, caller.id, kind) != ("restaurant", owner, "restaurant"):
        raise no_endpoint()
    _check_access(caller)


def check_owner(caller: c.Caller, kind: str, owner: str) -> None:
    """Only who may have endpoints for this restaurant or partner."""
    if caller.role in ALL_MAY:
        return
    if (caller.role, caller.id, kind) != ("restaurant", owner, "restaurant"):
        raise Refusal("restaurant_not_found", "no such restaurant", {"restaurant_id": owner})
    _check_access(caller)


def check_lets(caller: c.Caller, restaurant_id: str) -> None:
    """Only who decides for the restaurant whom else it tells."""
    check_owner(caller, "restaurant", restaurant_id)
    if caller.role not in ALL_MAY and caller.access not in _MAY_LET:
        raise Refusal("forbidden", "partners are for the owners and managers of a restaurant to see to")


def no_endpoint() -> Refusal:
    """There is none, or not for the caller to know of."""
    return Refusal("webhook_not_found", "no such webhook endpoint")


def _check_access(caller: c.Caller) -> None:
    if caller.access not in _MAY_SEE_TO:
        raise Refusal("forbidden", "webhooks are for the owners and managers of a restaurant to see to")
