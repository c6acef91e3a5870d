"""When a process is to stop: on a signal, or when whoever started it is gone."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping

LIFELINE = "TIFFIN_LIFELINE"
"""Set by the supervisor: standard input is a pipe that only it holds open. The end of it is its end, however
that came about, and nobody stays behind."""


def stop_event(environment: Mapping[str, str] = os.environ) -> asyncio.Event:
    """Set once the process is to stop. A second signal changes nothing."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if environment.get(LIFELINE):

        def look() -> None:
            if not os.read(sys.stdin.fileno(), 1):
                loop.remove_reader(sys.stdin.fileno())
                stop.set()

        loop.add_reader(sys.stdin.fileno(), look)
    return stop
