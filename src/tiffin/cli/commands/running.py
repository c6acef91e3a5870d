"""Commands that run the platform: start it, keep its databases, let people in, drive it, measure it."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import cyclopts
import msgspec
from cyclopts import Parameter
from cyclopts.validators import Number

from tiffin.cli.commands.shell import ConfigFile, Count, Flag, configure, console, run
from tiffin.cli.config import FILE

HOURS_MAX = 10 * 365 * 24
"""Ten years: no token is meant to be valid for ever."""

commands = cyclopts.App()
bench_app = cyclopts.App(name="bench")
commands.command(bench_app)

Role = Literal["customer", "restaurant", "courier", "operator"]
Service = Literal[
    "users", "restaurants", "orders", "payments", "notifications", "ledger", "reverse", "webhooks", "gateway",
    "sandbox", "log",
]  # fmt: skip
Port = Annotated[int, Parameter(validator=Number(gte=0, lte=65535))]
Hours = Annotated[float, Parameter(validator=Number(gt=0, lte=HOURS_MAX))]
Seconds = Annotated[float, Parameter(validator=Number(gte=1))]
Speed = Annotated[float, Parameter(validator=Number(gt=0))]


@commands.command
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

    settings = configure(config)
    given = {"host": host, "port": port}
    server = msgspec.structs.replace(settings.server, **{k: v for k, v in given.items() if v is not None})
    settings = msgspec.structs.replace(settings, server=server)
    run(up_processes(settings, config, console) if processes else up(settings, console))


@commands.command
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

    run(serve(configure(config), service, listen))


@commands.command
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
            PlatformTokens(read_secret(configure(config).data_directory), utc_now).mint(
                role, subject, int(hours * 3600)
            )
        )
    except ValueError as error:
        raise SystemExit(f"tiffin: {error}") from None


@commands.command
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

    if not run(demo(config, configure(config), orders, seed, processes, console)):
        sys.exit(1)


@commands.command
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
    if not run(replay(config, configure(config), file, selection, console)):
        sys.exit(1)


@bench_app.default
def bench(
    *,
    seconds: Seconds = 10,
    rounds: Count = 3,
    callers: Count | None = None,
    nodes: Count = 1,
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
        Orders wanted at the same time: 64, or 32 for each of many nodes.
    nodes
        More than one: instead of pgbench, a platform of so many nodes beside one of one node.
    processes
        Every service in a process of its own.
    """
    from tiffin.cli.bench import CALLERS, bench
    from tiffin.cli.bench_nodes import CALLERS_PER_NODE, bench_nodes

    settings = configure(config)
    if nodes > 1:
        callers = callers or CALLERS_PER_NODE * nodes
        run(bench_nodes(config, settings, nodes, seconds, rounds, callers, processes, console))
    else:
        run(bench(config, settings, seconds, rounds, callers or CALLERS, processes, console))


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


@bench_app.command(name="events")
def bench_events(
    *, events: Count = 50_000, seconds: Seconds = 5, rounds: Count = 3, config: ConfigFile = FILE
) -> None:
    """Measure: events from the log to their effect, by the log alone and by RabbitMQ where it is.

    The broker is the one of `[events] url`; give it a virtual host that nobody uses.

    Parameters
    ----------
    events
        So many are published, and consumed, at full speed.
    seconds
        How long the lag at half load is measured.
    rounds
        Rounds of each transport, in turns.
    """
    from tiffin.cli.bench_events import bench

    if not run(bench(configure(config), events, seconds, rounds, console)):
        sys.exit(1)
