"""Commands about events on their way: how far consumers are, and what they could not take."""

import sys
from typing import Annotated

import cyclopts
from cyclopts import Parameter

from tiffin.cli.commands.shell import ConfigFile, Count, Flag, configure, console, run
from tiffin.cli.config import FILE

commands = cyclopts.App()
consumers_app = cyclopts.App(name="consumers", help="Who reads the log, and how far they are.")
commands.command(consumers_app)
letters_app = cyclopts.App(name="dead-letters", help="Events that consumers could not take.")
commands.command(letters_app)

Consumer = Annotated[str | None, Parameter(help="Only this consumer's.")]
Order = Annotated[str | None, Parameter(help="Only about this order.")]
Restaurant = Annotated[str | None, Parameter(help="Only about this restaurant's orders.")]
Reason = Annotated[str | None, Parameter(help="Only with this in their reason.")]
Since = Annotated[
    str | None, Parameter(help="Only what failed last then or later: 2026-11-22T10:00Z, or 2h.")
]
Until = Annotated[str | None, Parameter(help="Only what failed last before then.")]
Event = Annotated[str | None, Parameter(help="Only this one: stream:key:version.")]


@consumers_app.default
def consumers(*, config: ConfigFile = FILE) -> None:
    """Show each consumer on each node: events waiting (depth), age of the oldest, lag from an event to its
    effect, events a second, failures, open dead letters."""
    from tiffin.cli.consumers import consumers

    run(consumers(configure(config), console))


@consumers_app.command(name="replay")
def replay_events(name: str, *, since: str, config: ConfigFile = FILE) -> None:
    """Have a consumer take again everything since a moment. It must be idempotent, as all are.

    Parameters
    ----------
    name
        The consumer.
    since
        2026-11-22T10:00Z, or 2h for two hours ago; as far back as the log goes.
    """
    from tiffin.cli.consumers import replay

    if not run(replay(configure(config), console, name, since)):
        sys.exit(1)


@consumers_app.command
def reset(name: str, *, to: str, config: ConfigFile = FILE) -> None:
    """Have a consumer go on from somewhere else. What lies between is taken again, or never.

    Parameters
    ----------
    name
        The consumer.
    to
        start: all that the log has. end: only what happens from now on. Or a moment: 2026-11-22T10:00Z, 2h.
    """
    from tiffin.cli.consumers import reset

    if not run(reset(configure(config), console, name, to)):
        sys.exit(1)


@letters_app.command(name="list")
def list_letters(
    *,
    consumer: Consumer = None,
    order: Order = None,
    restaurant: Restaurant = None,
    reason: Reason = None,
    since: Since = None,
    until: Until = None,
    settled: Flag = False,
    limit: Count = 50,
    config: ConfigFile = FILE,
) -> None:
    """Show dead letters, the newest failures first.

    Parameters
    ----------
    settled
        Also those that have been replayed or discarded.
    limit
        So many at most.
    """
    from tiffin.cli.dead_letters import Criteria, list_letters

    criteria = Criteria(None, consumer, order, restaurant, reason, since, until)
    run(list_letters(configure(config), console, criteria, settled, limit))


@letters_app.command
def show(event: str, *, consumer: Consumer = None, config: ConfigFile = FILE) -> None:
    """Show an event's dead letters with data and stack.

    Parameters
    ----------
    event
        stream:key:version, as the list shows it.
    """
    from tiffin.cli.dead_letters import Criteria, show

    if not run(show(configure(config), console, Criteria(event, consumer))):
        sys.exit(1)


@letters_app.command
def replay(
    event: Event = None,
    /,
    *,
    consumer: Consumer = None,
    order: Order = None,
    restaurant: Restaurant = None,
    reason: Reason = None,
    since: Since = None,
    until: Until = None,
    config: ConfigFile = FILE,
) -> None:
    """Have dead letters handled again by their consumers, each once. What fails again is dead again."""
    from tiffin.cli.dead_letters import Criteria, replay

    criteria = Criteria(event, consumer, order, restaurant, reason, since, until)
    run(replay(configure(config), console, criteria))


@letters_app.command
def discard(
    event: Event = None,
    /,
    *,
    consumer: Consumer = None,
    order: Order = None,
    restaurant: Restaurant = None,
    reason: Reason = None,
    since: Since = None,
    until: Until = None,
    config: ConfigFile = FILE,
) -> None:
    """Give dead letters up. They are kept for a while to be seen."""
    from tiffin.cli.dead_letters import Criteria, discard

    criteria = Criteria(event, consumer, order, restaurant, reason, since, until)
    run(discard(configure(config), console, criteria))
