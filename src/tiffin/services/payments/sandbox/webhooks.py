"""The sandbox's webhooks: signed, sent again while they are not answered 2xx, given up after a while."""

import asyncio
import hmac
from collections.abc import Callable, Sequence

import aiohttp

SIGNATURE_HEADER = "Payment-Signature"
TIMEOUT_S = 5.0


def sign(body: str, secret: bytes, now: float) -> str:
    """`t=<unix seconds>,v1=<hex hmac-sha256 of "t.body">`."""
    sent_at = int(now)
    digest = hmac.new(secret, f"{sent_at}.{body}".encode(), "sha256").hexdigest()
    return f"t={sent_at},v1={digest}"


class Webhooks:
    """Sends notices in the background."""

    def __init__(self, secret: bytes, retry_delays_s: Sequence[float], now: Callable[[], float]) -> None:
        self._secret = secret
        self._retry_delays_s = retry_delays_s
        self._now = now
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S))
        self._tasks: set[asyncio.Task[None]] = set()

    def send(self, url: str, body: str, times: int) -> None:
        """Send a notice, so many times over."""
        for _ in range(times):
            task = asyncio.create_task(self._deliver(url, body))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Drop what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._session.close()

    async def _deliver(self, url: str, body: str) -> None:
        for delay_s in (0.0, *self._retry_delays_s):
            await asyncio.sleep(delay_s)
            headers = {
                SIGNATURE_HEADER: sign(body, self._secret, self._now()),
                "Content-Type": "application/json",
            }
            try:
                async with self._session.post(url, data=body, headers=headers) as response:
                    if 200 <= response.status < 300:
                        return
            except (aiohttp.ClientError, TimeoutError, OSError):
                continue
