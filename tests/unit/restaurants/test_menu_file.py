"""Menus as files: what is written is read again, and what cannot be read is told line by line."""

import csv
import io
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiffin.rpc import contracts as c
from tiffin.services.restaurants.menu import Card, check_menu, problems, tidied
from tiffin.services.restaurants.menu_csv import COLUMNS
from tiffin.services.restaurants.menu_file import Reading, make_report, read_menu, write_menu
from unit.restaurants.samples import MENU, group, item, option, window

ids = st.from_regex(r"[A-Za-z0-9_.:-]{1,12}", fullmatch=True)
odd_texts = [
    "=1+1", "+1", "-1", "@SUM(A1)", "'quoted'", "''", "'=", "\t=1", "\r", "\n", "\r\n", "a,b;c", '"', '""',
    " x ", "\ufeff",
]  # fmt: skip
characters = st.characters(codec="utf-8", exclude_characters="\0")
texts = st.text(characters, min_size=1, max_size=20) | st.sampled_from(odd_texts)
prices = st.integers(0, 10**8)
times = st.from_regex(r"([01][0-9]|2[0-3]):[0-5][0-9]", fullmatch=True)
windows = st.lists(
    st.builds(
        c.AvailabilityWindow,
        weekdays=st.none() | st.lists(st.integers(0, 6), unique=True, max_size=7),
        starts=times,
        ends=times | st.just("24:00"),
    ).filter(lambda each: each.starts != each.ends),
    max_size=3,
)


@st.composite
def dishes(draw: st.DrawFn) -> c.MenuItem:
    groups = draw(st.lists(ids, unique=True, max_size=3))
    options = [
        c.OptionChoice(
            id=id_, name=draw(texts), price=draw(prices),
            group=groups[place] if place < len(groups) else draw(st.sampled_from([None, *groups])),
            quantity_max=draw(st.integers(1, 20)), available=draw(st.booleans()),
        )
        for place, id_ in enumerate(draw(st.lists(ids, unique=True, min_size=len(groups), max_size=5)))
    ]  # fmt: skip
    limited = draw(st.booleans())
    return c.MenuItem(
        id=draw(ids), name=draw(texts), price=draw(prices), category=draw(st.sampled_from([None, "A", "=B"])),
        description=draw(st.none() | texts), options=options, available=draw(st.booleans()), limited=limited,
        option_groups=[
            c.OptionGroup(
                id=id_, name=draw(texts), choose_min=draw(st.integers(0, 1)),
                choose_max=draw(st.integers(1, 20)),
            )
            for id_ in groups
        ],
        windows=draw(windows), preparation_minutes=draw(st.none() | st.integers(0, 1440)),
        daily_portions=draw(st.none() | st.integers(1, 10**6)) if limited else None,
    )  # fmt: skip


cards = st.builds(
    Card,
    st.lists(dishes(), max_size=6, unique_by=lambda dish: dish.id),
    st.sampled_from([[], ["A", "=B"], ["=B", "A", "Never"]]).flatmap(
        lambda names: st.tuples(
            *(
                st.builds(c.MenuCategory, name=st.just(name), description=st.none() | texts, windows=windows)
                for name in names
            )
        ).map(list)
    ),
)


@pytest.mark.parametrize("file_format", ["csv", "json"])
@given(card=cards)
def test_a_menu_written_and_read_is_the_same_menu(file_format: str, card: Card):
    card = tidied(card.items, card.categories)
    check_menu(card)
    text = write_menu(card, file_format)
    reading = read_menu(text, file_format)
    assert reading == Reading(card, [], readable=True)
    assert write_menu(reading.card, file_format) == text


@given(card=cards)
def test_no_cell_of_a_written_file_is_a_formula(card: Card):
    card = tidied(card.items, card.categories)
    rows = list(csv.reader(io.StringIO(write_menu(card, "csv"), newline="")))
    assert not [cell for row in rows for cell in row if cell and cell[0] in "=+-@\t\r\n"]


HEAD = ",".join(COLUMNS) + "\n"


def told(text: str, file_format: str = "csv") -> list[tuple[int, str | None, str]]:
    """Line, dish and field of everything that is refused."""
    return [(row.line, row.item_id, row.field) for row in read_menu(text, file_format).refused]


GOOD = "item,,soup,Soup,800,,,,,,,,,,,\n"


@pytest.mark.parametrize(
    ("rows", "refused", "taken"),
    [
        ("", [], []),
        (GOOD, [], ["soup"]),
        ("item,,soup,Soup,8.50,,,,,,,,,,,\n", [(2, "soup", "price")], []),
        ("item,,soup,Soup,-1,,,,,,,,,,,\n", [(2, "soup", "price")], []),
        ("item,,soup,Soup,1e3,,,,,,,,,,,\n", [(2, "soup", "price")], []),
        ("item,,soup,Soup,NaN,,,,,,,,,,,\n", [(2, "soup", "price")], []),
        ("item,,soup,Soup," + "9" * 500 + ",,,,,,,,,,,\n", [(2, "soup", "price")], []),
        ("item,,soup,,800,,,,,,,,,,,\n", [(2, "soup", "name")], []),
        ("item,,,,,,,,,,,,,,,\n", [(2, None, "id"), (2, None, "name"), (2, None, "price")], []),
        ("item,,so up,Soup,800,,,,,,,,,,,\n", [(2, "so up", "id")], []),
        ("item,,soup," + "x" * 201 + ",800,,,,,,,,,,,\n", [(2, "soup", "name")], []),
        ("drink,,soup,Soup,800,,,,,,,,,,,\n" + GOOD, [(2, None, "kind")], ["soup"]),
        ("item,,soup,Soup,800,,,,,,,maybe,,,,\n", [(2, "soup", "available")], []),
        ("item,,soup,Soup,800,,,,1,,,,,,,\n", [(2, "soup", "choose_min")], []),
        ("item,,soup,Soup,800,,,,,,,,,,,breakfast\n", [(2, "soup", "windows")], []),
        ("item,,soup,Soup,800,,,,,,,,,,,xyz 07:00-11:00\n", [(2, "soup", "windows")], []),
        ("item,,soup,Soup,800,,,,,,,,,,,07:00-07:00\n", [(2, "soup", "windows")], []),
        (GOOD + GOOD, [(3, "soup", "id")], []),
        (GOOD + 'item,,a,"two\nlines",1,,,,,,,,,,,\nitem,,b,B,x,,,,,,,,,,,\n', [(5, "b", "price")],
         ["soup", "a"]),
        # what belongs to a dish takes the dish with it
        (GOOD + "option,soup,egg,Egg,x,,,,,,,,,,,\n", [(3, "soup", "price")], []),
        (GOOD + "option,soup,egg,Egg,1,,yolk,,,,,,,,,\n", [(2, "soup", "options")], []),
        (GOOD + "group,soup,size,Size,,,,,2,1,,,,,,\noption,soup,s,S,0,,size,,,,,,,,,\n",
         [(2, "soup", "option_groups")], []),
        (GOOD + "option,stew,egg,Egg,1,,,,,,,,,,,\n", [(3, "stew", "dish")], ["soup"]),
        (GOOD + "option,,egg,Egg,1,,,,,,,,,,,\n", [(3, None, "dish")], ["soup"]),
        (GOOD + "".join(f"option,soup,o{n},O,1,,,,,,,,,,,\n" for n in range(51)), [(2, "soup", "options")],
         []),
        # categories: in the file, so every dish's has to be good
        ("category,,,Soups,,,,,,,,,,,,\nitem,,soup,Soup,800,Stews,,,,,,,,,,\n", [(3, "soup", "category")],
         []),
        ("category,,,Soups,,,,,,,,,,,,noon\nitem,,soup,Soup,800,Soups,,,,,,,,,,\n",
         [(2, None, "windows"), (3, "soup", "category")], []),
        ("category,,,Soups,,,,,,,,,,,,\ncategory,,,Soups,,,,,,,,,,,,\n", [(3, None, "name")], []),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_by_line_and_field(
    rows: str, refused: list[tuple[int, str | None, str]], taken: list[str]
):
    assert told(HEAD + rows) == refused
    assert [dish.id for dish in read_menu(HEAD + rows, "csv").card.items] == taken


@pytest.mark.parametrize(
    "text",
    ["", "\n", "a,b\n1,2\n", "kind,kind\n", "name,price\n", HEAD + 'item,,"soup\n', HEAD + "item" + ",x" * 30,
     HEAD + "item\n" * 20_001, HEAD + 'item,,"a"b,Soup,1\n',
     HEAD + GOOD + 'item,,"' + "x" * 200_000 + '",Soup,1\n', "kind\0,id\n"],
)  # fmt: skip
def test_what_is_no_menu_file_is_not_applied_in_any_mode(text: str):
    reading = read_menu(text, "csv")
    assert not reading.readable
    assert [row.field for row in reading.refused] == ["file"]
    assert not reading.may_apply("valid")
    assert not reading.may_apply("all")


def test_files_as_spreadsheets_write_them_are_read():
    text = (
        "\ufeffKind;id ;dish;Name;price;windows\r\n"
        'item; soup ;;Soup; 800 ;"mon-wed 07:00-11:00; fri-mon 18:00-02:00"\r\n;;;;;\r\n'
        'OPTION;egg;soup;"Egg; fried";50;\r\n'
    )
    (soup,) = read_menu(text, "csv").card.items
    assert soup.windows == [window("07:00", "11:00", 0, 1, 2), window("18:00", "02:00", 0, 4, 5, 6)]
    assert soup.options == [option("egg", 50, name="Egg; fried", available=True)]


@pytest.mark.parametrize(
    ("document", "refused"),
    [
        ({"items": []}, []),
        ({"items": [{"id": "a", "name": "A", "price": 1}]}, []),
        ({"items": [{"id": "a", "name": "A", "price": -1}]}, [(1, "a", "price")]),
        ({"items": [{"id": "a", "name": "A", "price": 1.5}]}, [(1, "a", "price")]),
        ({"items": [{"id": "a", "name": "A", "price": 1, "cost": 1}]}, [(1, "a", "items")]),
        ({"items": [{"id": "b", "name": "B", "price": 1}, {"id": "a", "name": "A"}]}, [(2, "a", "items")]),
        ({"items": [7, None, "x", []]}, [(n, None, "items") for n in (1, 2, 3, 4)]),
        ({"items": [{"id": "a", "name": "n\0", "price": 1}]}, [(1, "a", "item")]),
        ({"items": [{"id": "a", "name": "\\u0000", "price": 1}]}, []),
        ({"items": [{"id": "a", "name": "A", "price": 1, "options": [{"id": "o", "name": "", "price": 1}]}]},
         [(1, "a", "options[0].name")]),
        ({"categories": [{"name": "x"}, {}], "items": [item("a", 1, category="y")]},
         [(1, "a", "category"), (2, None, "categories")]),
        ({"items": [item("a"), item("a")]}, [(2, "a", "id")]),
        ({"items": {}}, [(1, None, "file")]),
        ({"dishes": []}, [(1, None, "file")]),
        ([], [(1, None, "file")]),
    ],
)  # fmt: skip
def test_what_is_wrong_in_json_is_told_by_place_and_field(
    document: object, refused: list[tuple[int, str | None, str]]
):
    assert told(msgspec.json.encode(document).decode(), "json") == refused


@pytest.mark.parametrize(
    "text",
    ['{"items":[' + "7," * 20_000 + "7]}", "", "{", "[" * 100_000, '{"items":' * 50_000, "NaN", "null"],
)
def test_what_is_no_json_is_told(text: str):
    assert told(text, "json") == [(1, None, "file")]


def test_a_dish_too_many_is_refused_and_the_report_has_an_end():
    rows = "".join(f"item,,dish-{number},Dish,1,,,,,,,,,,,\n" for number in range(2700))
    reading = read_menu(HEAD + rows, "csv")
    assert (len(reading.card.items), len(reading.refused)) == (2000, 700)
    report = make_report(reading, applied=False, version=1)
    assert (report.taken, report.refused_total, len(report.refused)) == (2000, 700, 500)
    assert report.refused[0].line == 2002


@pytest.mark.parametrize(
    ("rows", "may"),
    [
        (GOOD, {"all", "valid"}),
        (GOOD + "item,,b,B,x,,,,,,,,,,,\n", {"valid"}),
        ("item,,b,B,x,,,,,,,,,,,\n", set()),
    ],
)
def test_a_file_is_applied_whole_or_as_far_as_it_is_good(rows: str, may: set[str]):
    reading = read_menu(HEAD + rows, "csv")
    assert {mode for mode in ("all", "valid") if reading.may_apply(mode)} == may


@given(
    st.text(max_size=200)
    | st.text(st.sampled_from("kinditem,;\"\n\r\t='x1-:"), max_size=200).map(HEAD.__add__)
)
def test_no_text_is_too_odd_to_be_answered(text: str):
    for file_format in ("csv", "json"):
        reading = read_menu(text, file_format)
        assert not list(problems(reading.card))


def test_a_written_file_is_for_people_to_read():
    menu = [*MENU[:1], item("stew", option_groups=[group("side", 1, 1)], options=[option("rice", 5, "side")])]
    assert write_menu(tidied(menu, None), "csv").splitlines()[1:] == [
        "item,,soup,Soup,800,,,,,,,,,,,",
        "item,,stew,Stew,1000,,,,,,,,,,,",
        "group,stew,side,Side,,,,,1,1,,,,,,",
        "option,stew,rice,Rice,5,,side,,,,,,,,,",
    ]
    assert json.loads(write_menu(tidied(menu[:1], None), "json")) == {
        "items": [{"id": "soup", "name": "Soup", "price": 800}]
    }
