"""The screen that commands print on: what people have written is shown on it, and never obeyed."""

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

_KEPT = {"\t", "\n"}
_UNSEEN = dict.fromkeys(
    code
    for code in (*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A))
    if chr(code) not in _KEPT
)
"""Controls, with which a note could move the cursor or write somewhere else, and overrides of the direction
of writing, with which it could show what it does not say."""


class Screen(Console):
    """A console to which `[bold]`, `:pizza:` and escape sequences in a text are text.

    Ids, menus, notes and reasons are printed here as they came from outside.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(markup=False, emoji=False, **settings)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """As the console does, without the characters that cannot be seen."""
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                yield Segment(segment.text.translate(_UNSEEN), segment.style)
