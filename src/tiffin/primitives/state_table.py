"""State tables: every legal move of something, who may make it. Service, store, docs and tests read one."""

from collections.abc import Mapping, Sequence
from typing import Generic, Protocol, TypeVar


class Move(Protocol):
    """A legal move: from a state (None: it is not there yet), by an event, to a state."""

    @property
    def source(self) -> str | None: ...

    @property
    def event(self) -> str: ...

    @property
    def target(self) -> str: ...

    @property
    def who(self) -> Sequence[str]: ...

    @property
    def guards(self) -> Sequence[str]: ...

    @property
    def starts(self) -> str | None: ...

    @property
    def why(self) -> str: ...


Edge = TypeVar("Edge", bound=Move)


class StateTable(Generic[Edge]):
    """A table, looked up."""

    def __init__(self, edges: Sequence[Edge]) -> None:
        self.events = frozenset(edge.event for edge in edges)
        self.who: Mapping[str, frozenset[str]] = {
            event: frozenset(role for edge in edges if edge.event == event for role in edge.who)
            for event in self.events
        }
        """Who may say of some state or other that this has happened. Everybody else never may."""
        self._leaving: dict[tuple[str | None, str], list[Edge]] = {}
        for edge in edges:
            self._leaving.setdefault((edge.source, edge.event), []).append(edge)

    def edges_from(self, source: str | None, event: str) -> Sequence[Edge]:
        """The edges that leave a state by an event; they differ in role or guard."""
        return self._leaving.get((source, event), ())


def state_page(
    edges: Sequence[Edge],
    on_deadline: Mapping[str, str | None],
    terminal: frozenset[str],
    more: Mapping[str, Mapping[Edge, str]],
) -> str:
    """A table for people, in Markdown: a diagram, and every edge with who may take it. `on_deadline`: what
    happens by itself when a state's deadline has passed. `more`: further columns before the last."""
    arrows = {(edge.source or "[*]", edge.target, edge.event): None for edge in edges}
    head = ("from", "event", "to", "who", "only if", "deadline that begins", *more, "why")
    lines = [
        "```mermaid",
        "stateDiagram-v2",
        *(f"    {source} --> {target}: {event}" for source, target, event in arrows if source != target),
        *(f"    {state} --> [*]" for state in sorted(terminal)),
        "```",
        "",
        f"| {' | '.join(head)} |",
        "|---" * len(head) + "|",
        *(f"| {' | '.join(_cells(edge, on_deadline, more))} |" for edge in edges),
        "",
    ]
    return "\n".join(lines)


def _cells(
    edge: Edge, on_deadline: Mapping[str, str | None], more: Mapping[str, Mapping[Edge, str]]
) -> Sequence[str]:
    by_itself = (
        edge.source is not None and on_deadline.get(edge.source) == edge.event and "system" in edge.who
    )
    return [
        edge.source or "",
        f"{edge.event} (by itself)" if by_itself else edge.event,
        edge.target,
        ", ".join(edge.who),
        ", ".join(guard.replace("_", " ") for guard in edge.guards),
        {"same": "the same", None: ""}.get(edge.starts, edge.starts or ""),
        *(column.get(edge, "") for column in more.values()),
        edge.why,
    ]
