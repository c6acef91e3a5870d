"""What people wrote, on the screen of whoever runs the platform."""

import io

import pytest
from rich.console import Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from tiffin.cli.screen import Screen


def shown(*what: object, terminal: bool = False) -> str:
    screen = Screen(file=io.StringIO(), width=60, force_terminal=terminal)
    screen.print(*what, highlight=False)
    return screen.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "note", ["no [/b] onions", "[red]", "[link=http://x]here[/link]", "restaurant:pizza:EUR"]
)
def test_what_looks_like_markup_is_shown_as_it_was_written(note: str) -> None:
    table = Table()
    table.add_row(note)
    for said in (shown(note), shown(table), shown(Group(Text(note), Panel(note)))):
        assert note in said


@pytest.mark.parametrize("terminal", [True, False])
def test_no_text_moves_the_cursor_or_turns_the_writing(terminal: bool) -> None:
    note = "a\x1b[2Jb\x1b]0;title\x07c\x9b31md\u202ee\u2066f\rg"
    table = Table()
    table.add_row(note)
    for said in (shown(note, terminal=terminal), shown(table, terminal=terminal)):
        assert "a[2Jb]0;titlec31mdefg" in said
        assert not set("\x07\x9b\u202e\u2066\r") & set(said)


def test_lines_and_colours_of_our_own_stay() -> None:
    assert shown("one\ntwo") == "one\ntwo\n"
    assert "\x1b[" in shown(Text("late", style="red"), terminal=True)
