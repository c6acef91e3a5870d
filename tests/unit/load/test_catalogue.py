from random import Random

import msgspec
import pytest

from tiffin.load import catalogue
from tiffin.load.basket import draw_basket, without_limited
from tiffin.load.catalogue import Point
from tiffin.rpc import contracts as c

CITIES = [city.name for city in catalogue.CITIES] + ["medellin"]
PLACE = Point(4.6, -74.1)


def as_sent(struct, **more):
    return msgspec.convert({**msgspec.to_builtins(struct), **more}, type(struct))


@pytest.mark.parametrize("city", CITIES)
def test_whatever_is_drawn_has_the_shape_the_contract_wants(city):
    for number in range(200):
        name = f"{city}-{number}"
        menu = catalogue.menu(name, city)
        msgspec.convert({"restaurant_id": name, "items": msgspec.to_builtins(menu.items)}, c.SetMenu)
        as_sent(catalogue.restaurant(name, city, PLACE))
        as_sent(catalogue.customer(name, city, PLACE))


@pytest.mark.parametrize("city", CITIES)
def test_no_menu_has_a_dish_twice_and_every_dish_costs_something(city):
    for number in range(200):
        items = catalogue.menu(f"{city}-{number}", city).items
        assert len({item.id for item in items}) == len(items)
        assert all(item.price > 0 for item in items)


def test_the_same_id_is_the_same_restaurant_menu_and_customer():
    assert catalogue.menu("r-1", "bogota") == catalogue.menu("r-1", "bogota")
    assert catalogue.restaurant("r-1", "bogota", PLACE) == catalogue.restaurant("r-1", "bogota", PLACE)
    assert catalogue.customer("c-1", "bogota", PLACE) == catalogue.customer("c-1", "bogota", PLACE)


def test_restaurants_are_open_at_every_hour_of_the_week():
    hours = catalogue.restaurant("r-1", "bogota", PLACE).hours
    assert [(each.weekday, each.opens, each.closes) for each in hours] == [
        (day, "00:00", "24:00") for day in range(7)
    ]


def test_a_city_the_catalogue_does_not_know_charges_in_pesos():
    assert catalogue.menu("pereira-1", "pereira").currency == "COP"
    assert catalogue.menu("london-1", "london").currency == "GBP"


def test_some_restaurants_have_a_dish_of_the_day_with_few_portions():
    menus = [catalogue.menu(f"r-{number}", "bogota") for number in range(400)]
    limited = [menu for menu in menus if menu.portions]
    assert 60 < len(limited) < 200
    for menu in limited:
        assert {item.id for item in menu.items if item.limited} == set(menu.portions)
        assert all(portions >= 1 for portions in menu.portions.values())


def baskets(count=1000):
    for number in range(count):
        name = f"r-{number % 40}"
        menu = catalogue.menu(name, "bogota")
        minimum = catalogue.restaurant(name, "bogota", PLACE).minimum_subtotal
        yield menu, minimum, draw_basket(menu, minimum, Random(number))


def test_every_basket_is_on_the_menu_and_reaches_the_minimum():
    for menu, minimum, lines in baskets():
        price = {item.id: item.price for item in menu.items}
        assert sum(price[line.item_id] * line.quantity for line in lines) >= minimum
        assert len({line.item_id for line in lines}) == len(lines)
        for line in lines:
            as_sent(line)


def test_a_basket_without_limited_dishes_still_reaches_the_minimum():
    for menu, minimum, lines in baskets():
        price = {item.id: item.price for item in menu.items}
        rest = without_limited(lines, menu)
        assert sum(price[line.item_id] * line.quantity for line in rest) >= minimum
        assert not {line.item_id for line in rest} & set(menu.portions)


def test_baskets_have_five_lines_and_six_portions_at_the_median():
    drawn = [lines for _, _, lines in baskets(2000)]
    lines = sorted(len(each) for each in drawn)
    portions = sorted(sum(line.quantity for line in each) for each in drawn)
    assert lines[1000] == 5
    assert portions[1000] in (5, 6)
