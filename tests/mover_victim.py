"""`tiffin shards ...` that kills itself behind a step.

    python -m mover_victim PASSED shards resume

Every statement that a mover sends, and every commit, is a step; its name and its function are the site.
The process dies (SIGKILL) behind the first step whose site is not in the file PASSED yet, and writes it there
before; if all are, it comes to its end. `MOVER_VICTIM_ONLY`: behind others than these it does not die.
"""

import os
import re
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import FrameType
from typing import Any

import asyncpg

import tiffin.sharding.moving
from tiffin.cli.app import main
from tiffin.sharding.moving.tables import QUERIES
from tiffin.storage.node import _StatelessConnection
from tiffin.storage.queries import load_queries

_MOVING = str(Path(tiffin.sharding.moving.__file__).parent)
_NAMES = {text: f"log.{name}" for name, text in load_queries("tiffin.sharding.moving", "log.sql").items()} | {
    text: name for name, text in QUERIES.items()
}
_MADE = re.compile(
    r"BEGIN|COMMIT|ROLLBACK|SET LOCAL|(?:CREATE|ALTER|DROP) (?:PUBLICATION|SUBSCRIPTION|TABLE)"
    r"|DELETE FROM|SELECT count|SELECT hash_record_extended"
)
UNKNOWN = "unknown: "


def site_of(query: str, frame: FrameType | None) -> str | None:
    """The step's name, if a mover takes it."""
    while frame is not None and not frame.f_code.co_filename.startswith(_MOVING):
        frame = frame.f_back
    if frame is None:
        return None
    made = _MADE.match(query)
    name = _NAMES.get(query) or (made[0] if made else UNKNOWN + query)
    return f"{frame.f_code.co_qualname}: {name}"


def install(passed: Path) -> None:
    """Have every connection of this process die where it should."""
    known = set(passed.read_text().splitlines())
    only = re.compile(os.environ.get("MOVER_VICTIM_ONLY", ""))

    def around(run: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def dying(connection: asyncpg.Connection, query: str, *arguments: Any, **named: Any) -> Any:
            site = site_of(query, sys._getframe())
            answer = await run(connection, query, *arguments, **named)
            if site is not None and site not in known and only.search(site):
                with passed.open("a") as file:
                    file.write(site + "\n")
                os.kill(os.getpid(), signal.SIGKILL)
            return answer

        return dying

    for name in ("execute", "fetch", "fetchrow", "fetchval"):
        setattr(_StatelessConnection, name, around(getattr(asyncpg.Connection, name)))


if __name__ == "__main__":
    install(Path(sys.argv[1]))
    sys.argv = ["tiffin", *sys.argv[2:]]
    main()
