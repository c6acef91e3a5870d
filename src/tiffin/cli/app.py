"""`tiffin`: the commands."""

import asyncio
import os
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, Literal, NoReturn

import cyclopts
import msgspec
import uvloop
from cyclopts import Parameter
from cyclopts.validators import Number
from rich.console import Console

from tiffin.cli.config import FILE, Config, ConfigError, read_config
from tiffin.observability.logs import configure_logs
from tiffin.primitives.errors import Unavailable
from tiffin.storage.migrations import EditedMigration
from tiffin.storage.roles import RoleError

HOURS_MAX = 10 * 365 * 24
"""Ten years: no token is meant to be valid for ever."""

app = cyclopts.App(name="tiffin", help="An order platform for on-demand delivery, on PostgreSQL.")
menu_app = cyclopts.App(name="menu", help="A restaurant's menu as a file, by the server that is up.")
app.command(menu_app)
bench_app = cyclopts.App(name="bench")
app.command(bench_app)

ConfigFile = Annotated[Path, Parameter(name="--config", help="The configuration; it need not exist.")]
Role = Literal["customer", "restaurant", "courier", "operator"]
Service = Literal[
    "users", "restaurants", "orders", "payments", "notifications", "ledger", "reverse", "gateway", "sandbox",
    "log",
]  # fmt: skip
Flag = Annotated[bool, Parameter(negative=())]
Count = Annotated[int, Parameter(validator=Number(gte=1))]
Port = Annotated[int, Parameter(validator=Number(gte=0, lte=65535))]
Hours = Annotated[float, Parameter(validator=Number(gt=0, lte=HOURS_MAX))]
Seconds = Annotated[float, Parameter(validator=Number(gte=1))]
Speed = Annotated[float, Parameter(validator=Number(gt=0))]

console = Console()


def main() -> None:
    """The console script."""
    try:
        app()
    except (ConfigError, EditedMigration, RoleError, Unavailable, OSError) as error:
        raise SystemExit(f"tiffin: {error}") from None


@app.command
def up(
    *,
    host: str | None = None,
    port: Port | None = None,
    processes: Flag = False,
    config: ConfigFile = FILE,
) -> None:
    """Start the whole platform, with an embedded PostgreSQL unless nodes are configured.

    Parameters
    ----------
    host
        Listen on this address.
    port
        Listen on this port; 0 for any free one.
    processes
        Every service in a process of its own, instead of all in this one.
    """
    from tiffin.cli.supervisor import up_processes
    from tiffin.cli.up import up

    settings = _configure(config)
    given = {"host": host, "port": port}
    server = msgspec.structs.replace(settings.server, **{k: v for k, v in given.items() if v is not None})
    settings = msgspec.structs.replace(settings, server=server)
    _run(up_processes(settings, config, console) if processes else up(settings, console))


@app.command
def serve(service: Service, *, listen: str | None = None, config: ConfigFile = FILE) -> None:
    """Start one service in this process. The others are where the configuration says ([services]).

    Parameters
    ----------
    service
        `sandbox` is the payment provider to try things with, `log` makes and drops the log's days.
    listen
        host:port, instead of the configured one.
    """
    from tiffin.cli.serve import serve

    _run(serve(_configure(config), service, listen))


@app.command
def migrate(*, new_passwords: Flag = False, config: ConfigFile = FILE) -> None:
    """Bring the databases up to date, as their owner: schemas, roles, shards, the log's days.

    Parameters
    ----------
    new_passwords
        Give the services' roles the passwords that go with the secret in the data directory.
    """
    from tiffin.cli.inspect import migrate

    _run(migrate(_configure(config), new_passwords, console))


@app.command
def ps(*, config: ConfigFile = FILE) -> None:
    """Show the platform's processes and how they are. Exit code 1 unless all of them serve."""
    from tiffin.cli.ps import ps

    if not _run(ps(_configure(config), console)):
        sys.exit(1)


@app.command
def token(role: Role, subject: str, *, hours: Hours = 24, config: ConfigFile = FILE) -> None:
    """Print a bearer token, signed by whoever has the data directory's secret.

    Parameters
    ----------
    role
        What its bearer may do.
    subject
        Who they are: a customer's id, a restaurant's id, ...
    hours
        How long it is valid.
    """
    from tiffin.cli.clock import utc_now
    from tiffin.cli.secret import read_secret
    from tiffin.services.users.signing import PlatformTokens

    try:
        print(
            PlatformTokens(read_secret(_configure(config).data_directory), utc_now).mint(
                role, subject, int(hours * 3600)
            )
        )
    except ValueError as error:
        raise SystemExit(f"tiffin: {error}") from None


@app.command
def demo(*, orders: Count = 2000, seed: int = 1, processes: Flag = False, config: ConfigFile = FILE) -> None:
    """Start the platform, drive a whole day of orders through it over HTTP, audit it, and tell what happened.

    Parameters
    ----------
    orders
        How many; they follow the published arrival curve of real cities.
    seed
        Another seed is another day.
    processes
        Every service in a process of its own.
    """
    from tiffin.cli.drive import demo

    if not _run(demo(config, _configure(config), orders, seed, processes, console)):
        sys.exit(1)


@app.command
def replay(
    file: Path,
    *,
    speed: Speed | None = None,
    limit: Count | None = None,
    city: str | None = None,
    journal: Path | None = None,
    config: ConfigFile = FILE,
) -> None:
    """Replay a real day from a CSV file over HTTP, carry every order to its end, and audit.

    Uses the server that is up on this data directory, or starts one for as long as it takes.

    Parameters
    ----------
    file
        Columns as in the documentation (docs/replay.md); may be gzipped.
    speed
        1 is as it was, 10 ten times as fast, open loop. Without it: as fast as it goes.
    limit
        Only the first so many orders.
    city
        Only this city.
    journal
        Append every acknowledged order to this file.
    """
    from tiffin.cli.drive import Selection, replay

    selection = Selection(speed, limit, city, journal)
    if not _run(replay(config, _configure(config), file, selection, console)):
        sys.exit(1)


@app.command
def audit(*, config: ConfigFile = FILE) -> None:
    """Prove that everything fits together. Exit code 1 and a list if something does not."""
    from tiffin.cli.inspect import audit

    if not _run(audit(_configure(config), console)):
        sys.exit(1)


@app.command
def reconcile(*, config: ConfigFile = FILE) -> None:
    """Compare payments, ledger and the sandbox's statement; say of each difference what to do."""
    from tiffin.cli.ledger import reconcile

    if not _run(reconcile(_configure(config), console)):
        sys.exit(1)


@app.command
def case(case_id: str, *, config: ConfigFile = FILE) -> None:
    """Show a case of undoing: what it gives to whom, who bears it, and what has happened to it.

    Parameters
    ----------
    case_id
        Its id, such as 1074694770-5b1c.
    """
    from tiffin.cli.case import case

    if not _run(case(_configure(config), case_id, console)):
        sys.exit(1)


@app.command
def ledger(order_id: str, *, config: ConfigFile = FILE) -> None:
    """Show what an order has moved between accounts, and what is left in each of them.

    Parameters
    ----------
    order_id
        Its number.
    """
    from tiffin.cli.ledger import ledger

    if not _run(ledger(_configure(config), order_id, console)):
        sys.exit(1)


@app.command
def order(order_id: str, *, config: ConfigFile = FILE) -> None:
    """Show an order and everything that has happened to it.

    Parameters
    ----------
    order_id
        Its number.
    """
    from tiffin.cli.inspect import order

    if not _run(order(_configure(config), order_id, console)):
        sys.exit(1)


@app.command
def messages(
    *, order: str | None = None, to: str | None = None, follow: Flag = False, config: ConfigFile = FILE
) -> None:
    """Show what the platform has told people. Without a provider this is where they read it.

    Parameters
    ----------
    order
        Only about this order.
    to
        Only to this person or restaurant.
    follow
        Go on showing them until Ctrl-C.
    """
    from tiffin.cli.messages import messages

    _run(messages(_configure(config), console, order, to, follow))


@app.command
def shards(*, config: ConfigFile = FILE) -> None:
    """Show which node holds which shards, and how many orders each node carries."""
    from tiffin.cli.inspect import shards

    _run(shards(_configure(config), console))


@bench_app.default
def bench(
    *,
    seconds: Seconds = 10,
    rounds: Count = 3,
    callers: Count = 64,
    processes: Flag = False,
    config: ConfigFile = FILE,
) -> None:
    """Measure: orders over HTTP, and the write path beside pgbench, with CPU an order from /proc.

    Parameters
    ----------
    seconds
        How long each round lasts.
    rounds
        Rounds of each, in turns.
    callers
        Orders wanted at the same time.
    processes
        Every service in a process of its own.
    """
    from tiffin.cli.bench import bench

    _run(bench(config, _configure(config), seconds, rounds, callers, processes, console))


@bench_app.command(name="rpc")
def bench_rpc(*, seconds: Seconds = 3, rounds: Count = 3) -> None:
    """Measure: calls with a kilobyte there and back, beside grpc.aio where it is installed.

    Parameters
    ----------
    seconds
        How long each round lasts.
    rounds
        Rounds of each, in turns.
    """
    from tiffin.cli.bench_rpc import bench

    bench(seconds, rounds, console)


@menu_app.command(name="export")
def export_menu(restaurant_id: str, file: Path, *, config: ConfigFile = FILE) -> None:
    """Write a restaurant's menu to a file. Imported again, it makes the same menu.

    Parameters
    ----------
    restaurant_id
        Whose.
    file
        A .csv or a .json file.
    """
    from tiffin.cli.menu import export_menu

    _run(export_menu(_configure(config), restaurant_id, file))


@menu_app.command(name="import")
def import_menu(
    restaurant_id: str, file: Path, *, mode: Literal["all", "valid"] = "all", config: ConfigFile = FILE
) -> None:
    """Replace a restaurant's menu by a file's, and show what was refused. Exit code 1 if nothing changed.

    Parameters
    ----------
    restaurant_id
        Whose.
    file
        As in docs/restaurants.md.
    mode
        all: nothing changes if anything is refused. valid: what is good becomes the menu.
    """
    from tiffin.cli.menu import import_menu

    if not _run(import_menu(_configure(config), restaurant_id, file, mode, console)):
        sys.exit(1)


def _configure(file: Path) -> Config:
    configure_logs(pretty=sys.stderr.isatty())
    return read_config(file, os.environ)


def _run(work: Coroutine[Any, Any, Any]) -> Any:
    """Run to the end, or until SIGINT or SIGTERM; then a server that was started for it is stopped, too."""
    signal.signal(signal.SIGTERM, _end)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(work)
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def _end(number: int, _: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)
