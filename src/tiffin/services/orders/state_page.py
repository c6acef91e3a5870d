"""Writes `docs/states.md` from the state table: `python -m tiffin.services.orders.state_page`."""

from pathlib import Path

from tiffin.services.orders.states import EDGES, ON_DEADLINE, TERMINAL, Edge

PAGE = Path(__file__).parents[4] / "docs" / "states.md"

_INTRODUCTION = """# The states of an order

Made from the table in [`services/orders/states.py`](../src/tiffin/services/orders/states.py) by
`python -m tiffin.services.orders.state_page`; a test fails if the two differ.

"""


def page() -> str:
    """The page's text: a diagram, and every edge with who may take it."""
    return _INTRODUCTION + "\n".join([*_diagram(), "", *_table(), ""])


def _diagram() -> list[str]:
    arrows = {(edge.source or "[*]", edge.target, edge.event): None for edge in EDGES}
    lines = [f"    {source} --> {target}: {event}" for source, target, event in arrows if source != target]
    return [
        "```mermaid",
        "stateDiagram-v2",
        *lines,
        *(f"    {state} --> [*]" for state in sorted(TERMINAL)),
        "```",
    ]


def _table() -> list[str]:
    head = [
        "| from | event | to | who | only if | deadline that begins | why |",
        "|---|---|---|---|---|---|---|",
    ]
    return head + [f"| {' | '.join(_cells(edge))} |" for edge in EDGES]


def _cells(edge: Edge) -> list[str]:
    by_itself = (
        edge.source is not None and ON_DEADLINE.get(edge.source) == edge.event and "system" in edge.who
    )
    return [
        edge.source or "",
        f"{edge.event} (by itself)" if by_itself else edge.event,
        edge.target,
        ", ".join(edge.who),
        ", ".join(guard.replace("_", " ") for guard in edge.guards),
        {"same": "the same", None: ""}.get(edge.starts, edge.starts or ""),
        edge.why,
    ]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
