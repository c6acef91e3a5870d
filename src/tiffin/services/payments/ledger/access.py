"""Who of a restaurant may know what it earns. Pure."""

from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c

_MAY_SEE = (None, "owner", "manager", "system")
"""Access within a restaurant; `system` is an API key, which an owner has given to somebody, None a token of
the platform's own."""


def check_access(caller: c.Caller) -> None:
    """Balances and settlements are not everybody's who works there."""
    if caller.access not in _MAY_SEE:
        raise Refusal("forbidden", "the money is for the owners and managers of a restaurant to see to")
