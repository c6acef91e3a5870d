import pytest

from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.services.restaurants import menu
from tiffin.services.restaurants.menu import MENU_BYTES_MAX, Card
from unit.restaurants.samples import MENU, item, option, prices


def check_menu(items: list[c.MenuItem]) -> None:
    menu.check_menu(Card(items))


def test_a_good_menu_is_taken():
    check_menu(MENU)
    check_menu([])


def test_dishes_of_one_id_are_refused_by_name():
    with pytest.raises(Refusal) as refused:
        check_menu([item("soup"), item("stew"), item("soup")])
    assert (refused.value.code, refused.value.details) == (
        "invalid_menu",
        {"item_id": "soup", "field": "id", "place": 2},
    )


def test_options_of_one_id_are_refused_within_a_dish_only():
    check_menu([item("soup", options=[option("egg", 1)]), item("stew", options=[option("egg", 1)])])
    with pytest.raises(Refusal) as refused:
        check_menu([item("soup", options=[option("egg", 1), option("egg", 2)])])
    assert (refused.value.code, refused.value.details) == (
        "invalid_menu",
        {"item_id": "soup", "field": "options", "place": 0},
    )


def test_a_menu_of_megabytes_is_refused():
    many = [item(f"dish-{number}", description="ñ" * 1000) for number in range(600)]
    with pytest.raises(Refusal) as refused:
        check_menu(many)
    assert refused.value.code == "request_too_large"
    assert refused.value.details["bytes_max"] == MENU_BYTES_MAX


def test_a_dish_is_on_sale_and_unlimited_unless_the_menu_says_otherwise():
    dishes = prices(
        [item("a"), item("b", available=None, limited=None), item("c", available=False, limited=True)]
    ).dishes
    assert [(dish.available, dish.limited) for dish in dishes.values()] == [
        (True, False),
        (True, False),
        (False, True),
    ]
