"""Rules for choosing options: which a dish can have, and which choices keep them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.services.restaurants.choices import make_choices, price_choice, problems
from unit.restaurants.samples import group, item, option

PIZZA = item(
    "pizza",
    option_groups=[group("size", 1, 1), group("top", 0, 2), group("dip", 2, 3)],
    options=[
        option("small", 0, "size"), option("big", 300, "size"), option("huge", 500, "size"),
        option("ham", 100, "top", quantity_max=2), option("corn", 50, "top"), option("basil", 20, "top"),
        option("aioli", 10, "dip", quantity_max=3), option("chili", 10, "dip"),
        option("box", 5), option("napkin", 1, quantity_max=3), option("gold", 999, available=False),
    ],
)  # fmt: skip
CHOICES = make_choices(PIZZA)
LEAST = ["small", "aioli", "aioli"]


@pytest.mark.parametrize(
    ("chosen", "extra"),
    [
        (LEAST, 20),
        (["big", "aioli", "chili"], 320),
        (["huge", "aioli", "aioli", "aioli"], 530),
        ([*LEAST, "ham", "ham"], 220),
        ([*LEAST, "ham", "corn"], 170),
        ([*LEAST, "box", "napkin", "napkin", "napkin"], 28),
    ],
)
def test_a_choice_that_keeps_the_rules_costs_its_options(chosen: list[str], extra: int):
    price, names = price_choice(CHOICES, "pizza", chosen)
    assert (price, names) == (extra, [each.title() for each in chosen])


@pytest.mark.parametrize(
    ("chosen", "code", "details"),
    [
        ([], "invalid_choice", {"group_id": "size", "choose_min": 1, "choose_max": 1, "chosen": 0}),
        (["big"], "invalid_choice", {"group_id": "dip", "choose_min": 2, "choose_max": 3, "chosen": 0}),
        (["big", "aioli"], "invalid_choice",
         {"group_id": "dip", "choose_min": 2, "choose_max": 3, "chosen": 1}),
        ([*LEAST, "big"], "invalid_choice",
         {"group_id": "size", "choose_min": 1, "choose_max": 1, "chosen": 2}),
        ([*LEAST, "ham", "corn", "basil"], "invalid_choice",
         {"group_id": "top", "choose_min": 0, "choose_max": 2, "chosen": 3}),
        ([*LEAST, "ham", "ham", "corn"], "invalid_choice",
         {"group_id": "top", "choose_min": 0, "choose_max": 2, "chosen": 3}),
        ([*LEAST, "aioli", "chili"], "invalid_choice",
         {"group_id": "dip", "choose_min": 2, "choose_max": 3, "chosen": 4}),
        ([*LEAST, "corn", "corn"], "invalid_choice", {"option_id": "corn", "quantity_max": 1, "chosen": 2}),
        ([*LEAST, "box", "box"], "invalid_choice", {"option_id": "box", "quantity_max": 1, "chosen": 2}),
        ([*LEAST, "ham", "ham", "ham"], "invalid_choice",
         {"option_id": "ham", "quantity_max": 2, "chosen": 3}),
        ([*LEAST, "gold"], "item_unavailable", {"option_id": "gold"}),
        ([*LEAST, "size"], "option_not_found", {"option_id": "size"}),
    ],
)  # fmt: skip
def test_a_choice_against_a_rule_is_refused_by_the_rule(
    chosen: list[str], code: str, details: dict[str, object]
):
    with pytest.raises(Refusal) as refused:
        price_choice(CHOICES, "pizza", chosen)
    assert (refused.value.code, refused.value.details) == (code, {"item_id": "pizza", **details})


def keeps_the_rules(dish: c.MenuItem, chosen: list[str]) -> bool:
    """In the plainest words."""
    options = {each.id: each for each in dish.options or []}
    return all(chosen.count(id_) <= (options[id_].quantity_max or 1) for id_ in chosen) and all(
        (rule.choose_min or 0) <= sum(options[id_].group == rule.id for id_ in chosen) <= rule.choose_max
        for rule in dish.option_groups or []
    )


names = [each.id for each in PIZZA.options or [] if each.available]


@given(st.lists(st.sampled_from(names), max_size=8))
def test_exactly_the_choices_that_keep_every_rule_are_taken(chosen: list[str]):
    try:
        extra, _ = price_choice(CHOICES, "pizza", chosen)
    except Refusal:
        assert not keeps_the_rules(PIZZA, chosen)
    else:
        assert keeps_the_rules(PIZZA, chosen)
        prices = {each.id: each.price for each in PIZZA.options or []}
        assert extra == sum(prices[id_] for id_ in chosen)


@pytest.mark.parametrize(
    ("groups", "options", "fields"),
    [
        ([], [], []),
        ([group("g", 0, 1)], [option("a", 0, "g")], []),
        ([group("g", 3, 3)], [option("a", 0, "g", quantity_max=3)], []),
        ([group("g", 1, 20)], [option("a", 0, "g")], []),
        ([], [option("a", 0, "g")], ["options"]),
        ([group("g", 0, 1)], [], ["option_groups"]),
        ([group("g", 2, 1)], [option("a", 0, "g", quantity_max=2)], ["option_groups"]),
        ([group("g", 2, 2)], [option("a", 0, "g")], ["option_groups"]),
        ([group("g", 0, 1), group("g", 0, 2)], [option("a", 0, "g")], ["option_groups"]),
        ([], [option("a"), option("a"), option("b"), option("b"), option("b")], ["options", "options"]),
    ],
)  # fmt: skip
def test_rules_that_nobody_can_keep_are_told(
    groups: list[c.OptionGroup], options: list[c.OptionChoice], fields: list[str]
):
    assert [field for field, _ in problems(item("x", option_groups=groups, options=options))] == fields
