"""What every command shares: configuration, limits of its parameters, the screen, how it runs and ends."""

import asyncio
import os
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, NoReturn

import uvloop
from cyclopts import Parameter
from cyclopts.validators import Number

from tiffin.cli.config import Config, read_config
from tiffin.cli.screen import Screen
from tiffin.observability.logs import configure_logs

ConfigFile = Annotated[Path, Parameter(name="--config", help="The configuration; it need not exist.")]
Flag = Annotated[bool, Parameter(negative=())]
Count = Annotated[int, Parameter(validator=Number(gte=1))]

console = Screen()


def configure(file: Path) -> Config:
    """Logs as the terminal wants them, and the configuration: `file`, then the environment."""
    configure_logs(pretty=sys.stderr.isatty())
    return read_config(file, os.environ)


def run(work: Coroutine[Any, Any, Any]) -> Any:
    """Run to the end, or until SIGINT or SIGTERM; then a server that was started for it is stopped, too."""
    signal.signal(signal.SIGTERM, _end)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(work)
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def _end(number: int, _: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)
