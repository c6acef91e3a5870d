"""Every status by every event, and what has to be there before customers may see a restaurant."""

from itertools import product

import pytest

from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.services.restaurants.menu import Card
from tiffin.services.restaurants.onboarding import missing, move
from unit.restaurants.samples import item, place, restaurant

LEGAL = {
    ("draft", "go_live"): "live",
    ("live", "go_live"): "live",
    ("live", "suspend"): "suspended",
    ("suspended", "suspend"): "suspended",
    ("suspended", "reinstate"): "live",
    ("live", "reinstate"): "live",
}


@pytest.mark.parametrize(
    ("status", "event"), [*product(["draft", "live", "suspended"], ["go_live", "suspend", "reinstate"])]
)
def test_a_restaurant_moves_along_the_table_and_no_other_way(status: str, event: str):
    if (status, event) in LEGAL:
        assert move(status, event) == LEGAL[status, event]
        return
    with pytest.raises(Refusal) as refused:
        move(status, event)
    assert (refused.value.code, refused.value.details) == ("wrong_state", {"status": status})


WHOLE = {"street": "Calle 1", "phone": "601 555 0100", "area": c.DeliveryArea(radius_m=1000)}
SPECIAL = c.SpecialDay(date="2026-12-25", hours=[c.DayHours(opens="10:00", closes="12:00")])


@pytest.mark.parametrize(
    ("changes", "menu", "fields"),
    [
        ({}, [item("soup")], []),
        ({}, [], ["menu"]),
        ({}, [item("soup", available=False)], ["menu"]),
        ({}, [item("soup", available=False), item("stew")], []),
        ({"hours": []}, [item("soup")], ["hours"]),
        ({"hours": [], "special_days": [SPECIAL]}, [item("soup")], []),
        (
            {"hours": [], "special_days": [c.SpecialDay(date="2026-12-25", hours=[])]},
            [item("soup")],
            ["hours"],
        ),
        ({"place": place(0, 0)}, [item("soup")], ["place"]),
        ({"street": None}, [item("soup")], ["street"]),
        ({"phone": None}, [item("soup")], ["phone"]),
        ({"area": None}, [item("soup")], ["area"]),
        ({"area": None, "phone": None, "hours": []}, [], ["menu", "hours", "phone", "area"]),
    ],
)
def test_what_is_missing_is_told(changes: dict[str, object], menu: list[c.MenuItem], fields: list[str]):
    assert [each.field for each in missing(restaurant(**{**WHOLE, **changes}), Card(menu))] == fields
