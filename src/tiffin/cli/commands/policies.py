"""Commands about what holds for orders: versions of the fees, and of the rules of cases."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import cyclopts
from cyclopts import Parameter

from tiffin.cli.commands.shell import ConfigFile, configure, console, run
from tiffin.cli.config import FILE

commands = cyclopts.App()
fees_app = cyclopts.App(name="fees", help="Commission and courier pay, in versions that never change.")
commands.command(fees_app)
rules_app = cyclopts.App(
    name="rules", help="Windows of cases and who bears them, in versions that never change."
)
commands.command(rules_app)

Begins = Annotated[
    datetime | None,
    Parameter(
        help="From when on, such as 2026-12-01T00:00:00Z, not within five minutes; else in ten minutes."
    ),
]


@fees_app.command(name="list")
def list_fees(*, config: ConfigFile = FILE) -> None:
    """Show every version of the fees."""
    from tiffin.cli.policies import FEES, list_versions

    run(list_versions(configure(config), FEES, console))


@fees_app.command(name="add")
def add_fees(file: Path, *, begins: Begins = None, config: ConfigFile = FILE) -> None:
    """Add the next version of the fees: orders placed from its beginning on have it.

    Parameters
    ----------
    file
        TOML as in docs/ledger.md. What it does not say is as usual, not as in the version before.
    """
    from tiffin.cli.policies import FEES, add_version

    run(add_version(configure(config), FEES, file, begins, console))


@rules_app.command(name="list")
def list_rules(*, config: ConfigFile = FILE) -> None:
    """Show every version of the rules of cases."""
    from tiffin.cli.policies import RULES, list_versions

    run(list_versions(configure(config), RULES, console))


@rules_app.command(name="add")
def add_rules(file: Path, *, begins: Begins = None, config: ConfigFile = FILE) -> None:
    """Add the next version of the rules: orders placed from its beginning on have it.

    Parameters
    ----------
    file
        TOML as in docs/reverse.md. What it does not say is as usual, not as in the version before.
    """
    from tiffin.cli.policies import RULES, add_version

    run(add_version(configure(config), RULES, file, begins, console))
