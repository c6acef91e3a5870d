"""The platform as an actor sees it: calls with their own token, asked again until the outcome is known."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from tiffin.load.http import Answer, Http, NoAnswer
from tiffin.load.tally import Tally

Mint = Callable[[str, str], str]
"""A token for (role, subject)."""

PATIENCE_S = 120.0
"""How long an actor keeps asking a platform that does not answer, or waits for an order to move."""

FIRST_WAIT_S, LONGEST_WAIT_S = 0.05, 2.0
TOKENS_MAX = 200_000

_NOT_NOW = frozenset((408, 429, 502, 503, 504))
_encode = msgspec.json.Encoder().encode


class GaveUp(Exception):
    """The platform was away, or an order did not move, for longer than anybody waits."""


class Refused(Exception):
    """The platform said no, and would say it again."""

    def __init__(self, operation: str, answer: Answer) -> None:
        self.operation, self.status, self.code, self.body = operation, answer.status, answer.code, answer.body
        super().__init__(f"{operation}: {answer.status} {self.code} {answer.body[:300]!r}")


class Backoff:
    """Waits that double, until patience is at its end."""

    def __init__(self, patience_s: float = PATIENCE_S, first_s: float = FIRST_WAIT_S) -> None:
        self._until = asyncio.get_running_loop().time() + patience_s
        self._next_s = first_s

    def next_s(self, what: str) -> float:
        """How long to wait now. `GaveUp`, naming what was waited for, once patience has ended."""
        wait_s, self._next_s = self._next_s, min(self._next_s * 2, LONGEST_WAIT_S)
        if asyncio.get_running_loop().time() + wait_s > self._until:
            raise GaveUp(f"{what}: no end to the waiting")
        return wait_s


class Platform:
    """Calls to one platform over HTTP. Counts how long each operation took, refusals, and what was resent."""

    def __init__(self, http: Http, mint: Mint, tally: Tally) -> None:
        self._http = http
        self._mint = mint
        self._tally = tally
        self._tokens: dict[tuple[str, str], str] = {}

    def token(self, role: str, subject: str) -> str:
        """This actor's token, made once."""
        token = self._tokens.get((role, subject))
        if token is None:
            if len(self._tokens) >= TOKENS_MAX:
                self._tokens.clear()
            token = self._tokens[role, subject] = self._mint(role, subject)
        return token

    async def once(
        self, operation: str, actor: tuple[str, str], method: str, path: str, body: Any = None,
        key: str = "", intended: float | None = None,
    ) -> bytes | None:  # fmt: skip
        """The body of a 2xx answer; None if the outcome is not known or the platform said "not now".

        `Refused` for any other answer. `intended` is when the actor meant to act, if that was before now.
        """
        loop = asyncio.get_running_loop()
        started = loop.time() if intended is None else intended
        data = b"" if body is None else _encode(body)
        try:
            answer = await self._http.request(method, path, self.token(*actor), data, key)
        except NoAnswer:
            self._tally.resent += 1
            return None
        self._tally.took(operation, loop.time() - started)
        if answer.ok:
            return answer.body
        if answer.status in _NOT_NOW or answer.code == "request_in_progress":
            self._tally.resent += 1
            return None
        refused = Refused(operation, answer)
        self._tally.refusals[operation, refused.code] += 1
        raise refused

    async def until_known(
        self, operation: str, actor: tuple[str, str], method: str, path: str, body: Any = None,
        key: str = "", intended: float | None = None,
    ) -> bytes:  # fmt: skip
        """The same, sent again until it is answered: for what may be said twice."""
        backoff: Backoff | None = None
        while True:
            answer = await self.once(operation, actor, method, path, body, key, intended)
            if answer is not None:
                return answer
            backoff = backoff or Backoff()
            await asyncio.sleep(backoff.next_s(operation))
