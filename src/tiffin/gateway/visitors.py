"""How often one address may come to the doors that need no token, or with an API key that opens nothing."""

import math
from collections import OrderedDict

from tiffin.primitives.errors import Refusal

ADDRESSES_MAX = 50_000


class Visitors:
    """A bucket an address, filled by `per_minute` and holding as many. Of each process: at several gateways
    an address has several.

    Kept is one number an address, the moment at which its bucket is full again (the generic cell rate
    algorithm, ITU-T I.371). Of more than `ADDRESSES_MAX` addresses those are forgotten that came first.
    """

    def __init__(self, per_minute: int) -> None:
        self._each_s = 60.0 / per_minute
        self._full_at_s: OrderedDict[str, float] = OrderedDict()

    def enter(self, address: str, now_s: float) -> None:
        """Let the address in, or `Refusal("too_many_requests")`, which says when it may come again."""
        full_at_s = max(self._full_at_s.get(address, now_s), now_s) + self._each_s
        wait_s = full_at_s - now_s - 60.0
        if wait_s > 1e-6:
            raise Refusal(
                "too_many_requests", "too many requests without a good token from this address",
                {"retry_after_s": math.ceil(wait_s)},
            )  # fmt: skip
        self._full_at_s[address] = full_at_s
        self._full_at_s.move_to_end(address)
        if len(self._full_at_s) > ADDRESSES_MAX:
            self._full_at_s.popitem(last=False)

    def give_back(self, address: str) -> None:
        """What the address came for is not to count."""
        if address in self._full_at_s:
            self._full_at_s[address] -= self._each_s
