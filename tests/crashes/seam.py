"""Where a process can die: before and after everything it does outside itself.

A seam is put round the database connections, the provider and the peers of a child process of the tests. It
counts the passages through every site, and kills the process (SIGKILL) at the one it was told.
"""

import os
import signal
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import FrameType
from typing import Any, Literal, NamedTuple
from weakref import WeakKeyDictionary

import asyncpg

from tiffin.storage.node import _StatelessConnection

When = Literal["before", "after"]

_RUNS = ("execute", "executemany", "fetch", "fetchrow", "fetchval", "fetchmany")
_NEVER_USED = (
    "cursor", "prepare", "copy_from_query", "copy_from_table", "copy_records_to_table", "copy_to_table",
)  # fmt: skip
"""Other ways to the database. Whoever begins to use one adds it to the seam."""
OWN = "-- asked by the test\n"
"""How a statement begins that is no service's."""


class Crash(NamedTuple):
    """The n-th passage through a site, before or after what is done there."""

    site: str
    when: When
    nth: int


Passage = tuple[str, When]


class Seam:
    """Counts passages while it is armed."""

    def __init__(
        self, names: Mapping[str, str], foreign: frozenset[str], services: str,
        dying: Callable[[Sequence[Passage]], None],
    ) -> None:  # fmt: skip
        """`names`: sites of statements by their text; `foreign`: statements that are no sites; `services`:
        the directory in whose code a transaction is a site of its own; `dying` hears what is died at."""
        self._dying = dying
        self._names = names
        self._foreign = foreign
        self._services = services
        self._readers: WeakKeyDictionary[asyncpg.Connection, str] = WeakKeyDictionary()
        self._crash: Crash | None = None
        self._armed = False
        self.lose: str | None = None
        """The statement whose next answer is lost, with its connection."""
        self.passed: list[Passage] = []
        self._times: Counter[Passage] = Counter()
        self.unknown: set[str] = set()

    def arm(self, crash: Crash | None) -> None:
        """Count from here; die at the crash, if there is one."""
        self._crash, self._armed, self.passed = crash, True, []
        self._times.clear()

    def disarm(self) -> None:
        """What follows is the test's own doing."""
        self._armed = False

    async def around(self, site: str, call: Callable[[], Awaitable[Any]]) -> Any:
        """Do something outside the process."""
        self._pass(site, "before")
        try:
            answer = await call()
        except Exception:  # that is an answer, too
            self._pass(site, "after")
            raise
        self._pass(site, "after")
        return answer

    def peer(self, name: str, peer: object) -> Any:
        """A peer, or the provider, whose every method is a site `<name>.<method>`."""
        return _Passing(self, name, peer)

    def install(self) -> None:
        """Put the seam round every connection of this process."""
        for name in _RUNS:
            setattr(_StatelessConnection, name, self._around_statement(getattr(asyncpg.Connection, name)))
        for name in _NEVER_USED:
            setattr(_StatelessConnection, name, _refuse(name))

    def _around_statement(self, run: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def around(connection: asyncpg.Connection, query: str, *arguments: Any, **named: Any) -> Any:
            async def call() -> Any:
                answer = await run(connection, query, *arguments, **named)
                if self.lose is not None and site == self.lose:
                    self.lose = None
                    raise ConnectionResetError("the answer is lost, and the connection with it")
                return answer

            site = self._site(connection, query, arguments)
            return await (call() if site is None else self.around(site, call))

        return around

    def _site(self, connection: asyncpg.Connection, query: str, arguments: tuple[Any, ...]) -> str | None:
        known = self._names.get(query)
        if known in ("log.lead", "log.cursor"):
            self._readers[connection] = arguments[0]
        if known in ("log.lead", "log.cursor", "log.read_of_types", "log.move_cursor"):
            return f"{known} of {self._readers[connection]}"
        if known is None and query == "COMMIT;":
            function = self._whose(sys._getframe())
            return function and f"commit of {function}"
        if known is None and self._armed and query not in self._foreign and not query.startswith(OWN):
            self.unknown.add(query)
        return known

    def _whose(self, frame: FrameType | None) -> str | None:
        """The method of a service for which this is done."""
        while frame is not None:
            if frame.f_code.co_filename.startswith(self._services):
                return frame.f_code.co_qualname.partition(".<locals>")[0]
            frame = frame.f_back
        return None

    def _pass(self, site: str, when: When) -> None:
        if not self._armed:
            return
        self._times[site, when] += 1
        self.passed.append((site, when))
        if Crash(site, when, self._times[site, when]) == self._crash:
            self._dying(died_at(self.passed))
            os.kill(os.getpid(), signal.SIGKILL)


def died_at(passed: Sequence[Passage]) -> Sequence[Passage]:
    """What a process has died at whose last passages these are. Between the end of one thing and the
    beginning of the next nothing happens outside: who dies there has died after the one and before the
    other."""
    between = len(passed) > 1 and (passed[-2][1], passed[-1][1]) == ("after", "before")
    return passed[-2:] if between else passed[-1:]


class _Passing:
    """A peer through the seam. What is no coroutine does nothing outside."""

    def __init__(self, seam: Seam, name: str, peer: object) -> None:
        self._seam, self._name, self._peer = seam, name, peer

    def __getattr__(self, method: str) -> Any:
        found = getattr(self._peer, method)
        if not callable(found) or method == "read_notice":
            return found
        return lambda *arguments: self._seam.around(f"{self._name}.{method}", lambda: found(*arguments))


def _refuse(name: str) -> Callable[..., None]:
    def refuse(*arguments: Any, **named: Any) -> None:
        raise AssertionError(f"Connection.{name}: a way to the database that the seam does not know")

    return refuse
