"""Providers through Apprise: more than a hundred, each a URL."""

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar, copy_context
from typing import Any
from urllib.parse import quote, urlsplit

import apprise

from tiffin.services.notifications.providers import NotTaken, Parcel, Taken

THREADS = 32
"""Apprise is synchronous. As many as a sender's two lanes hand over at once."""
DEADLINE_S = 20.0
"""For one message, at all providers together. A thread that takes longer is left to its sockets' own time
limits."""
SOCKET_LIMITS = "cto=5&rto=10"
REASON_MAX = 200

_said: ContextVar[list[str] | None] = ContextVar("said", default=None)


class InvalidProvider(ValueError):
    """A URL that Apprise does not understand. The message does not repeat it: it may hold a password."""


class Apprise:
    """Tries the providers one after the other until one takes the message.

    A URL is a pattern: `{phone}` is the person's number, `{key}` the message's own key, for providers that
    take one (`json://host/path?+Idempotency-Key={key}`).
    """

    def __init__(self, urls: Sequence[str]) -> None:
        for number, url in enumerate(urls, 1):
            if _instance(url, Parcel(key="0" * 32, phone="+10000000000", text="")) is None:
                raise InvalidProvider(f"provider {number} ({urlsplit(url).scheme}://...): {_hint(url)}")
        self.needs_phone = any("{phone}" in url for url in urls)
        self._urls = tuple(urls)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="apprise")

    async def deliver(self, parcel: Parcel) -> Taken | NotTaken:
        """Hand it to the first provider that takes it."""
        if parcel.phone is None and all("{phone}" in url for url in self._urls):
            return NotTaken("no_phone_number", again=False)
        reasons: list[str] = []
        try:
            async with asyncio.timeout(DEADLINE_S):
                for url in self._urls:
                    if parcel.phone is None and "{phone}" in url:
                        continue
                    reason = await self._try(url, parcel)
                    if reason is None:
                        return Taken()
                    reasons.append(reason)
        except TimeoutError:
            reasons.append(f"no answer within {DEADLINE_S:g} s")
        return NotTaken("; ".join(reasons)[:REASON_MAX], again=True)

    def close(self) -> None:
        """Wait for nobody: what is under way ends with its thread."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _try(self, url: str, parcel: Parcel) -> str | None:
        """None if the provider has taken it; else why not."""
        context = copy_context()
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, lambda: context.run(_notify, url, parcel)
        )


def _notify(url: str, parcel: Parcel) -> str | None:
    said: list[str] = []
    _said.set(said)
    try:
        provider = _instance(url, parcel)
        taken = provider is not None and provider.notify(
            body=parcel.text, body_format=apprise.NotifyFormat.TEXT
        )
    except Exception as error:  # a plugin's own
        return f"the provider's plugin failed: {type(error).__name__}"
    if taken:
        return None
    return _without(said[-1], parcel) if said else "not taken"


def _instance(url: str, parcel: Parcel) -> Any:
    filled = url.replace("{phone}", quote((parcel.phone or "").replace(" ", ""), safe=""))
    filled = filled.replace("{key}", quote(parcel.key, safe=""))
    joined = f"{filled}{'&' if '?' in filled else '?'}{SOCKET_LIMITS}"
    return apprise.Apprise.instantiate(joined)  # pyright: ignore[reportUnknownMemberType]


def _hint(url: str) -> str:
    return "Apprise does not understand it" if "://" in url else "this is no Apprise URL"


def _without(reason: str, parcel: Parcel) -> str:
    """The reason without the person's number, in any spelling of Apprise's."""
    digits = (parcel.phone or "").replace(" ", "").lstrip("+")
    return (reason.replace(digits, "…") if digits else reason)[:REASON_MAX]


class _Listening(logging.Handler):
    """Apprise answers yes or no; why not it only tells its logger."""

    def emit(self, record: logging.LogRecord) -> None:
        said = _said.get()
        if said is not None and record.levelno >= logging.WARNING:
            said.append(record.getMessage())


_logger = logging.getLogger("apprise")
_logger.addHandler(_Listening())
_logger.propagate = False  # it names people's numbers; what matters of it is in the message's reason
