"""Commands that look at the platform: how it is, what has happened in it, whether it adds up, its menus."""

import sys
from pathlib import Path
from typing import Literal

import cyclopts

from tiffin.cli.commands.shell import ConfigFile, Flag, configure, console, run
from tiffin.cli.config import FILE

commands = cyclopts.App()
menu_app = cyclopts.App(name="menu", help="A restaurant's menu as a file, by the server that is up.")
commands.command(menu_app)


@commands.command
def ps(*, config: ConfigFile = FILE) -> None:
    """Show the platform's processes and how they are. Exit code 1 unless all of them serve."""
    from tiffin.cli.ps import ps

    if not run(ps(configure(config), console)):
        sys.exit(1)


@commands.command
def audit(*, dimension: Flag = False, config: ConfigFile = FILE) -> None:
    """Prove that everything fits together. Exit code 1 and a list if something does not.

    Parameters
    ----------
    dimension
        Only hold the restaurant dimension against the truth, as the platform always does in the background,
        and repair what differs. Exit code 1 if something could not be repaired or judged.
    """
    from tiffin.cli.inspect import audit
    from tiffin.cli.reconciler import reconcile_dimension

    if not run((reconcile_dimension if dimension else audit)(configure(config), console)):
        sys.exit(1)


@commands.command
def reconcile(*, config: ConfigFile = FILE) -> None:
    """Compare payments, ledger and the provider's statement; say of each difference what to do."""
    from tiffin.cli.ledger import reconcile

    if not run(reconcile(configure(config), console)):
        sys.exit(1)


@commands.command
def order(order_id: str, *, config: ConfigFile = FILE) -> None:
    """Show an order and everything that has happened to it.

    Parameters
    ----------
    order_id
        Its number.
    """
    from tiffin.cli.inspect import order

    if not run(order(configure(config), order_id, console)):
        sys.exit(1)


@commands.command
def case(case_id: str, *, config: ConfigFile = FILE) -> None:
    """Show a case of undoing: what it gives to whom, who bears it, and what has happened to it.

    Parameters
    ----------
    case_id
        Its id, such as 1074694770-5b1c.
    """
    from tiffin.cli.case import case

    if not run(case(configure(config), case_id, console)):
        sys.exit(1)


@commands.command
def ledger(order_id: str, *, config: ConfigFile = FILE) -> None:
    """Show what an order has moved between accounts, and what is left in each of them.

    Parameters
    ----------
    order_id
        Its number.
    """
    from tiffin.cli.ledger import ledger

    if not run(ledger(configure(config), order_id, console)):
        sys.exit(1)


@commands.command
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

    run(messages(configure(config), console, order, to, follow))


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

    run(export_menu(configure(config), restaurant_id, file))


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

    if not run(import_menu(configure(config), restaurant_id, file, mode, console)):
        sys.exit(1)
