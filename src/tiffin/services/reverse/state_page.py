"""Writes `docs/case-states.md` from the state table: `python -m tiffin.services.reverse.state_page`."""

from pathlib import Path

from tiffin.services.reverse.states import EDGES, ON_DEADLINE, TERMINAL, Edge

PAGE = Path(__file__).parents[4] / "docs" / "case-states.md"

_INTRODUCTION = """# The states of a case

Made from the table in [`services/reverse/states.py`](../src/tiffin/services/reverse/states.py) by
`python -m tiffin.services.reverse.state_page`; a test fails if the two differ. What cases are:
[reverse.md](reverse.md).

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
        "| from | event | to | who | only if | deadline that begins | claim | why |",
        "|---|---|---|---|---|---|---|---|",
    ]
    return head + [f"| {' | '.join(_cells(edge))} |" for edge in EDGES]


def _cells(edge: Edge) -> list[str]:
    by_itself = edge.source is not None and ON_DEADLINE.get(edge.source) == edge.event
    return [
        edge.source or "",
        f"{edge.event} (by itself)" if by_itself and "system" in edge.who else edge.event,
        edge.target,
        ", ".join(edge.who),
        ", ".join(guard.replace("_", " ") for guard in edge.guards),
        {"same": "the same", None: ""}.get(edge.starts, edge.starts or ""),
        "released" if edge.releases else "",
        edge.why,
    ]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
