"""Writes `docs/states.md` from the state table: `python -m tiffin.services.orders.state_page`."""

from pathlib import Path

from tiffin.primitives.state_table import state_page
from tiffin.services.orders.states import EDGES, ON_DEADLINE, TERMINAL

PAGE = Path(__file__).parents[4] / "docs" / "states.md"

_INTRODUCTION = """# The states of an order

Made from the table in [`services/orders/states.py`](../src/tiffin/services/orders/states.py) by
`python -m tiffin.services.orders.state_page`; a test fails if the two differ.

"""


def page() -> str:
    """The page's text: a diagram, and every edge with who may take it."""
    return _INTRODUCTION + state_page(EDGES, {**ON_DEADLINE}, TERMINAL, {})


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
