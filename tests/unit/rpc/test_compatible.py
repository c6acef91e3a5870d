"""What breaks callers of a released contract is told; what they can live with is not."""

from pathlib import Path

import pytest

from tiffin.rpc import compatible
from tiffin.rpc.compatible import breaks, release
from tiffin.rpc.contracts import IDL_DIRECTORY
from tiffin.rpc.idl import read_idl

BASE = """
struct Context {
  1: required string id (max_length = "64"),
}
exception Refusal {
  1: required string code,
}
exception Unavailable {
  1: optional i32 retry_after_ms,
}
"""
SHOP = """
include "base.thrift"
struct Line {
  1: required string item (pattern = "^[a-z]+$"),
  2: required i32 quantity (ge = "1", le = "99"),
}
struct Buy {
  1: required list<Line> lines (min_items = "1", max_items = "100"),
  2: required string method (one_of = "cash card"),
  3: optional string note (min_length = "2", max_length = "150"),
  4: optional string word,
  5: optional i32 limit = 20,
  6: optional i32 free,
}
struct Sale {
  1: required string id (max_length = "64"),
  2: required string state (one_of = "open closed"),
  3: required i64 total (le = "1000"),
  4: optional string word,
}
struct Ref {
  1: required string id,
}
struct Event {
  1: required string id (max_length = "64"),
}
service Shop {
  Sale buy(1: base.Context context, 2: Buy request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable),
  Sale find(1: base.Context context, 2: Ref request)
      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable),
}
"""


def changed(directory: Path, old: str, new: str) -> list[str]:
    """What breaks when this has been changed since the release."""
    for name, edit in (("released", False), ("now", True)):
        place = directory / name
        place.mkdir()
        for file, text in (("base", BASE), ("shop", SHOP)):
            (place / f"{file}.thrift").write_text(text.replace(old, new) if edit else text)
    assert (BASE + SHOP).count(old) == 1, "the edit is not one edit"
    return breaks(read_idl(directory / "released"), read_idl(directory / "now"))


BREAKS = {
    "a field removed": ("  4: optional string word,\n  5:", "  5:", "shop:Buy.word: removed"),
    "a field of an answer removed": (
        '  3: required i64 total (le = "1000"),\n', "", "shop:Sale.total: removed",
    ),
    "a field of an event removed": (
        'struct Event {\n  1: required string id (max_length = "64"),', "struct Event {",
        "shop:Event.id: removed",
    ),
    "a field of the context removed": (
        'struct Context {\n  1: required string id (max_length = "64"),', "struct Context {",
        "base:Context.id: removed",
    ),
    "a field renamed": (
        "  6: optional i32 free,", "  6: optional i32 gratis,",
        "shop:Buy.free: removed, and its id 6 is now gratis",
    ),
    "a number made wider": (
        "required i32 quantity", "required i64 quantity", "shop:Line.quantity: its type was i32 and is i64",
    ),
    "text made a number": (
        "  4: optional string word,\n  5:", "  4: optional i32 word,\n  5:",
        "shop:Buy.word: its type was string and is i32",
    ),
    "a list of something else": (
        "list<Line>", "list<Ref>", "shop:Buy.lines: its type was list<shop:Line> and is list<shop:Ref>",
    ),
    "another id": (
        "  6: optional i32 free,", "  7: optional i32 free,", "shop:Buy.free: its id was 6 and is 7",
    ),
    "a new field that is required": (
        "  6: optional i32 free,", "  6: optional i32 free,\n  7: required i32 more,",
        "shop:Buy.more: new and required; callers of the release do not know it",
    ),
    "a field made required": (
        "6: optional i32 free", "6: required i32 free", "shop:Buy.free: was optional and is required",
    ),
    "an answer's field made optional": (
        "3: required i64 total", "3: optional i64 total",
        "shop:Sale.total: was required and is optional; readers of the release count on it",
    ),
    "another default": ("limit = 20", "limit = 50", "shop:Buy.limit: its default was 20 and is 50"),
    "a shorter text": (
        'max_length = "150"', 'max_length = "149"',
        "shop:Buy.note: max_length is narrower: was 150, is 149",
    ),
    "a text as long as any made shorter": (
        "optional string word,\n  5", 'optional string word (max_length = "50"),\n  5',
        "shop:Buy.word: max_length is narrower: was 200, is 50",
    ),
    "a longer shortest text": (
        'min_length = "2"', 'min_length = "3"', "shop:Buy.note: min_length is narrower: was 2, is 3",
    ),
    "fewer lines": (
        'max_items = "100"', 'max_items = "99"', "shop:Buy.lines: max_items is narrower: was 100, is 99",
    ),
    "more lines needed": (
        'min_items = "1"', 'min_items = "2"', "shop:Buy.lines: min_items is narrower: was 1, is 2",
    ),
    "a smaller largest number": (
        'le = "99"', 'le = "98"', "shop:Line.quantity: le is narrower: was 99, is 98",
    ),
    "a larger smallest number": ('ge = "1"', 'ge = "2"', "shop:Line.quantity: ge is narrower: was 1, is 2"),
    "a new limit": (
        "6: optional i32 free", '6: optional i32 free (le = "9"), // ',
        "shop:Buy.free: le is narrower: was not limited, is 9",
    ),
    "another pattern": (
        "^[a-z]+$", "^[a-y]+$", "shop:Line.item: its pattern was ^[a-z]+$ and is ^[a-y]+$",
    ),
    "a new pattern": (
        "optional string word,\n  5", 'optional string word (pattern = "^x$"),\n  5',
        "shop:Buy.word: its pattern was not limited and is ^x$",
    ),
    "a value that is no longer taken": (
        '"cash card"', '"cash"', "shop:Buy.method: can no longer be card",
    ),
    "a text made one of few": (
        "optional string word,\n  5", 'optional string word (one_of = "yes no"),\n  5',
        "shop:Buy.word: was any text and is one of yes, no",
    ),
    "a struct removed": (
        'struct Event {\n  1: required string id (max_length = "64"),\n}', "", "shop:Event: removed",
    ),
    "a service renamed": ("service Shop", "service Store", "shop:Shop: removed"),
    "a method renamed": ("Sale find(", "Sale look_up(", "shop:Shop.find: removed"),
    "another request": (
        "2: Ref request", "2: Event request",
        "shop:Shop.find argument.request: its type was shop:Ref and is shop:Event",
    ),
    "another argument's id": (
        "2: Ref request", "3: Ref request", "shop:Shop.find argument.request: its id was 2 and is 3",
    ),
    "another result": (
        "Sale find", "Event find", "shop:Shop.find: its result was shop:Sale and is shop:Event",
    ),
    "an exception's field removed": (
        "  1: optional i32 retry_after_ms,\n", "", "base:Unavailable.retry_after_ms: removed",
    ),
    "an exception no longer thrown": (
        "2: Ref request)\n      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable),",
        "2: Ref request)\n      throws (1: base.Refusal refusal),",
        "shop:Shop.find exception.unavailable: removed",
    ),
    "an exception that nobody knows": (
        "2: Ref request)\n      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable),",
        "2: Ref request)\n      throws (1: base.Refusal refusal, 2: base.Unavailable unavailable,"
        " 3: base.Unavailable away),",
        "shop:Shop.find exception.away: new; callers of the release cannot read it",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "told"), BREAKS.values(), ids=BREAKS.keys())
def test_what_breaks_callers_of_the_release_is_told(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert changed(tmp_path, old, new) == [told]


HARMLESS = {
    "nothing": ("service Shop", "service Shop"),
    "a new optional field": (
        "  6: optional i32 free,", "  6: optional i32 free,\n  7: optional string more,",
    ),
    "a new field with a default": (
        "  6: optional i32 free,", "  6: optional i32 free,\n  7: optional i32 more = 7,",
    ),
    "a new struct with required fields": (
        "struct Event", "struct New {\n  1: required string id,\n}\nstruct Event",
    ),
    "a new method": ("  Sale find(", "  Sale peek(1: base.Context context, 2: Ref request),\n  Sale find("),
    "a new service": ("service Shop", "service Other {\n  Sale find(1: Ref request)\n}\nservice Shop"),
    "a new value": ('"cash card"', '"cash card barter"'),
    "a new state": ('"open closed"', '"open closed lost"'),
    "a request's field made optional": ("required list<Line>", "optional list<Line>"),
    "a longer text": ('max_length = "150"', 'max_length = "151"'),
    "a larger number": ('le = "99"', 'le = "100"'),
    "a limit taken away": (' (ge = "1", le = "99")', ""),
    "a pattern taken away": (' (pattern = "^[a-z]+$")', ""),
    "one of few made any text": (' (one_of = "cash card")', ""),
    "an answer that may be less": ('le = "1000"', 'le = "999"'),
    "words": ('(one_of = "cash card")', '(one_of = "card cash", doc = "How.")'),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new"), HARMLESS.values(), ids=HARMLESS.keys())
def test_what_callers_of_the_release_can_live_with_passes(tmp_path: Path, old: str, new: str) -> None:
    assert changed(tmp_path, old, new) == []


def test_a_released_idl_understands_itself_and_forgets_files_that_are_gone(tmp_path: Path) -> None:
    released = tmp_path / "released"
    released.mkdir()
    (released / "gone.thrift").write_text("struct Gone {\n  1: required string id,\n}")
    release(IDL_DIRECTORY, released)
    assert {file.name for file in released.iterdir()} == {
        file.name for file in IDL_DIRECTORY.glob("*.thrift")
    }
    assert breaks(read_idl(released), read_idl(IDL_DIRECTORY)) == []


def test_the_check_fails_when_something_breaks_and_passes_without_a_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["compatible"])
    monkeypatch.setattr(compatible, "RELEASED_DIRECTORY", tmp_path / "released")
    assert compatible.main() == 0
    changed(tmp_path, "service Shop", "service Store")
    monkeypatch.setattr(compatible, "IDL_DIRECTORY", tmp_path / "now")
    assert compatible.main() == 1
    assert capsys.readouterr().out.splitlines()[-1] == "shop:Shop: removed"


def test_todays_idl_understands_callers_of_the_last_release() -> None:
    if compatible.RELEASED_DIRECTORY.is_dir():
        assert breaks(read_idl(compatible.RELEASED_DIRECTORY), read_idl(IDL_DIRECTORY)) == []
