"""Writes `docs/case-states.md` from the state table: `python -m tiffin.services.reverse.state_page`."""

from pathlib import Path

from tiffin.primitives.state_table import state_page
from tiffin.services.reverse.states import EDGES, ON_DEADLINE, TERMINAL

PAGE = Path(__file__).parents[4] / "docs" / "case-states.md"

_INTRODUCTION = """# The states of a case

Made from the table in [`services/reverse/states.py`](../src/tiffin/services/reverse/states.py) by
`python -m tiffin.services.reverse.state_page`; a test fails if the two differ. What cases are:
[reverse.md](reverse.md).

"""


_CLAIMS = {edge: "released" for edge in EDGES if edge.releases}


def page() -> str:
    """The page's text: a diagram, and every edge with who may take it."""
    return _INTRODUCTION + state_page(EDGES, {**ON_DEADLINE}, TERMINAL, {"claim": _CLAIMS})


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
