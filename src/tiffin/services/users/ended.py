"""Access tokens that are over before their time, for as long as gateways could still take them."""

from datetime import datetime, timedelta

from tiffin.rpc import contracts as c
from tiffin.rpc.access_token import LIFETIME_MAX_S
from tiffin.services.users.queries import QUERIES
from tiffin.storage.node import Node

ENDED_MAX = 50_000
"""So many are told. More within an hour, and the oldest of them end with their time."""
_LIFETIME = timedelta(seconds=LIFETIME_MAX_S)


class EndedTokens:
    """A few rows on the directory node: who signed out, was dismissed or erased within the last hour."""

    def __init__(self, directory: Node) -> None:
        self._directory = directory

    async def end(self, id_: str, now: datetime) -> None:
        """Of this session or person no token counts that was issued up to now."""
        await self._directory.execute(QUERIES["end_tokens"], id_, now)

    async def recent(self, now: datetime) -> list[c.Ended]:
        """Those that matter still, the latest first."""
        rows = await self._directory.fetch(QUERIES["ended"], now - _LIFETIME, ENDED_MAX)
        return [c.Ended(id=row["id"], before_s=row["before_s"]) for row in rows]

    async def forget(self, now: datetime) -> None:
        """Those whose tokens have expired meanwhile."""
        await self._directory.execute(QUERIES["forget_ended"], now - _LIFETIME)
