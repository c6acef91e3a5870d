"""`tiffin demo` and `tiffin replay`: drive a day through a server over HTTP, then audit."""

from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import msgspec
from rich.console import Console

from tiffin.cli.clock import utc_now
from tiffin.cli.config import Config, ConfigError
from tiffin.cli.inspect import audit
from tiffin.cli.ledger import reconcile
from tiffin.cli.running import find, running_server
from tiffin.cli.secret import read_secret
from tiffin.load.day import Arrival, demo_day, select, with_every_trouble
from tiffin.load.orders_csv import BadFile, read_orders
from tiffin.load.platform import Mint
from tiffin.load.replay import Drive
from tiffin.load.replay import replay as drive_day
from tiffin.load.report import Display, summary_tables
from tiffin.load.run import Deadlines
from tiffin.services.users.signing import PlatformTokens

TOKEN_LIFETIME_S = 2 * 24 * 60 * 60
DEMO_PAYMENT_S = 15
"""In the demo an unpaid order waits seconds, not a quarter of an hour, so that one sees it expire."""
DEMO_ANSWER_S = 5
"""Nor has who is asked about a case."""
DEMO_SPEED = 2880.0
"""The demo's day passes in half a minute."""


@dataclass(frozen=True)
class Selection:
    """Which part of a file, how fast, and where to note what was acknowledged."""

    speed: float | None = None
    limit: int | None = None
    city: str | None = None
    journal: Path | None = None


async def demo(file: Path, config: Config, orders: int, seed: int, processes: bool, console: Console) -> bool:
    """The built-in day. True if nothing unexpected happened and the audit is clean."""
    if running := find(config.data_directory):
        raise SystemExit(f"tiffin: a server is up at {running.url}: stop it first, the demo starts its own")
    policy = msgspec.structs.replace(config.policy, payment_s=DEMO_PAYMENT_S)
    hurried = msgspec.structs.replace(config, policy=policy)
    console.print(f"A day of {orders:,} orders in half a minute, over HTTP.", highlight=False)
    environment = {
        "TIFFIN_POLICY_PAYMENT_S": str(DEMO_PAYMENT_S),
        "TIFFIN_DEMONSTRATION_ANSWER_S": str(DEMO_ANSWER_S),
    }
    return await _drive(
        file,
        hurried,
        with_every_trouble(demo_day(orders, seed)),
        Selection(DEMO_SPEED),
        console,
        environment,
        processes,
    )


async def replay(file: Path, config: Config, csv: Path, selection: Selection, console: Console) -> bool:
    """A day from a file. True if nothing unexpected happened and the audit is clean."""
    try:
        day = with_every_trouble(select(read_orders(csv), selection.city, selection.limit))
    except BadFile as error:
        raise ConfigError(str(error)) from error
    if not day:
        raise ConfigError(f"{csv}: no orders of {selection.city or 'any city'} in it")
    return await _drive(file, config, day, selection, console, {})


async def _drive(
    file: Path,
    config: Config,
    day: list[Arrival],
    selection: Selection,
    console: Console,
    environment: dict[str, str],
    processes: bool = False,
) -> bool:
    arguments = ["--config", str(file), *(["--processes"] if processes else [])]
    with running_server(config.data_directory, arguments, environment) as server:
        console.print(f"The server is up at {server.url}", highlight=False)
        policy = config.policy
        drive = Drive(
            uuid4().hex[:8],
            selection.speed,
            deadlines=Deadlines(policy.payment_s, policy.acceptance_s, policy.schedule_lead_s),
            journal=selection.journal,
        )
        with Display(console) as display:
            summary = await drive_day(server.url, mint_for(config), day, drive, utc_now, display)
        for part in summary_tables(summary):
            console.print(part)
        clean = await audit(config, console)
        matched = await reconcile(config, console)
    return clean and matched and not summary.unexpected_count


def mint_for(config: Config) -> Mint:
    """Makes tokens that the server on this data directory accepts."""
    tokens = PlatformTokens(read_secret(config.data_directory), utc_now)
    return lambda role, subject: tokens.mint(role, subject, TOKEN_LIFETIME_S)
