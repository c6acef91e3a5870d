"""API keys: `users` says whose they are; what it said is believed for `FRESH_S`."""

from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from tiffin.gateway.visitors import Visitors
from tiffin.primitives.clock import Clock
from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.rpc.context import new_context

PREFIX = "tk_"
KEY_LENGTH_MAX = 200
FRESH_S = 5.0
"""A revoked key opens nothing any more after so long at the latest."""
CACHED_MAX = 10_000


class _Said(NamedTuple):
    caller: c.Caller | None
    at_s: float


class ApiKeys:
    """Keys that came within the last moments, good and bad ones: a bad one costs no more than a good one.

    How many bad ones an address may come with is limited: whoever makes them up would have each looked up.
    """

    def __init__(self, users: c.Users, clock: Clock, visitors: Visitors) -> None:
        self._users = users
        self._clock = clock
        self._visitors = visitors
        self._said: OrderedDict[str, _Said] = OrderedDict()

    async def verify(self, key: str, now_s: float, address: Callable[[], str]) -> c.Caller:
        """For whom the key acts. `Refusal("bad_token")` if it opens nothing.

        `Refusal("too_many_requests")` if too many that open nothing came from this address. A key that has
        been good is not held up by them.
        """
        said = self._said.get(key)
        if said is None or not 0 <= now_s - said.at_s < FRESH_S:
            said = await self._ask(key, now_s, None if said and said.caller else address())
        if said.caller is None:
            raise Refusal("bad_token", "this API key opens nothing")
        return said.caller

    async def _ask(self, key: str, now_s: float, address: str | None) -> _Said:
        if len(key) > KEY_LENGTH_MAX or not key.isascii():
            return _Said(None, now_s)
        if address is not None:  # before the answer: of many that come at once each counts
            self._visitors.enter(address, now_s)
        context = new_context("system", "gateway", self._clock())
        try:
            about = await self._users.check_api_key(context, c.CheckApiKey(key=key))
        except Refusal:
            said = _Said(None, now_s)
        else:
            access = "system" if about.role == "restaurant" else None
            said = _Said(c.Caller(role=about.role, id=about.subject, access=access), now_s)
            if address is not None:
                self._visitors.give_back(address)
        self._said[key] = said
        self._said.move_to_end(key)
        if len(self._said) > CACHED_MAX:
            self._said.popitem(last=False)
        return said
