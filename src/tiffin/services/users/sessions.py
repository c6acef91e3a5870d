"""Sessions: a refresh token that changes with every use, and the access tokens it brings."""

from datetime import datetime, timedelta
from typing import NamedTuple

import asyncpg
import structlog

from tiffin.primitives.clock import to_text
from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.services.users.credentials import Credentials, hash_of_secret, is_secret
from tiffin.services.users.ended import EndedTokens
from tiffin.services.users.key_store import KeyStore
from tiffin.services.users.policy import SignInPolicy
from tiffin.services.users.queries import QUERIES
from tiffin.services.users.signing import person_claims
from tiffin.sharding.router import Router
from tiffin.sharding.slots import shard_of
from tiffin.storage.node import Node

PREFIX = "tr_"

_log = structlog.get_logger()


class RefreshToken(NamedTuple):
    """`tr_<person>.<session>.<secret>`. To its bearer it is one opaque text."""

    person_id: str
    session_id: str
    secret: str

    @classmethod
    def read(cls, text: str) -> "RefreshToken":
        """The parts. `Refusal("bad_refresh_token")` if it has other ones."""
        parts = text.removeprefix(PREFIX).rsplit(".", 2)
        if (
            not text.startswith(PREFIX)
            or len(parts) != 3
            or not all(parts)
            or not text.isascii()
            or "\0" in text
        ):
            raise bad_refresh_token()
        return cls(*parts)

    def text(self) -> str:
        """As the bearer has it."""
        return f"{PREFIX}{self.person_id}.{self.session_id}.{self.secret}"


class Sessions:
    """Rows beside their person. Each knows one refresh token that is good; another one ends it."""

    def __init__(
        self,
        router: Router,
        policy: SignInPolicy,
        credentials: Credentials,
        keys: KeyStore,
        ended: EndedTokens,
    ) -> None:
        self._router = router
        self._policy = policy
        self._credentials = credentials
        self._keys = keys
        self._ended = ended

    async def start(self, person_id: str, caller: c.Caller, is_new: bool, now: datetime) -> c.SignedIn:
        """A new session, and an access token for `caller`."""
        token = RefreshToken(person_id, self._credentials.new_id(), self._credentials.new_secret())
        shard = shard_of(person_id)

        async def do(node: Node) -> str:
            return await node.execute(
                QUERIES["start_session"], shard, person_id, token.session_id, hash_of_secret(token.secret),
                now, self._expires(now), self._policy.sessions_max - 1,
            )  # fmt: skip

        await self._router.write("customer", shard, do)
        return await self._answer(token, caller, is_new, now)

    async def check(self, token: RefreshToken, now: datetime) -> None:
        """`Refusal("bad_refresh_token")` unless it is the good one. One that was good ends the session."""
        kept = await self._row(token.person_id, "session", token.session_id, now)
        if kept is None:
            raise bad_refresh_token()
        if not is_secret(kept["refresh_hash"], token.secret):
            await self._end_reused(token, now)

    async def refresh(self, token: RefreshToken, caller: c.Caller, now: datetime) -> c.SignedIn:
        """The next refresh token and an access token for `caller`; this refresh token is used up."""
        following = token._replace(secret=self._credentials.new_secret())
        row = await self._row(
            token.person_id, "next_refresh", token.session_id, hash_of_secret(token.secret),
            hash_of_secret(following.secret), now, self._expires(now),
        )  # fmt: skip
        if row is None:
            await self._end_reused(token, now)
        return await self._answer(following, caller, False, now)

    async def end(self, token: RefreshToken, now: datetime) -> int:
        """End this session, access tokens included. How many have ended: 1, or 0 if it had already."""
        await self.check(token, now)
        return await self._end(token.person_id, token.session_id, now)

    async def end_all(self, person_id: str, now: datetime) -> int:
        """End every session of the person, access tokens included. How many there were."""
        shard = shard_of(person_id)
        ended = await self._router.read(
            "customer", shard, lambda node: node.fetch(QUERIES["end_sessions"], shard, person_id)
        )
        await self._ended.end(person_id, now)
        return len(ended)

    async def _end(self, person_id: str, session_id: str, now: datetime) -> int:
        row = await self._row(person_id, "end_session", session_id)
        await self._ended.end(session_id, now)
        return 1 if row else 0

    async def _end_reused(self, token: RefreshToken, now: datetime) -> None:
        """Two have this session's token, and nobody knows which of them is the thief: neither goes on."""
        _log.warning("refresh_token_reused", person_id=token.person_id, session_id=token.session_id)
        await self._end(token.person_id, token.session_id, now)
        raise bad_refresh_token()

    async def _row(self, person_id: str, query: str, *arguments: object) -> asyncpg.Record | None:
        shard = shard_of(person_id)
        return await self._router.read(
            "customer", shard, lambda node: node.fetchrow(QUERIES[query], shard, person_id, *arguments)
        )

    async def _answer(self, token: RefreshToken, caller: c.Caller, is_new: bool, now: datetime) -> c.SignedIn:
        key = await self._keys.signing_key(now)
        lifetime_s = self._policy.access_token_s
        return c.SignedIn(
            access_token=key.sign(person_claims(caller, token.session_id, now, lifetime_s)),
            expires_in_s=lifetime_s,
            refresh_token=token.text(),
            refresh_expires_at=to_text(self._expires(now)),
            person_id=token.person_id,
            is_new=is_new,
        )

    def _expires(self, now: datetime) -> datetime:
        return now + timedelta(seconds=self._policy.session_s)


def bad_refresh_token() -> Refusal:
    """Unknown, expired, used or signed out: one answer for all."""
    return Refusal("bad_refresh_token", "this refresh token is not good (any more): sign in again")
