import itertools

import pytest

from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.services.users.access import MANAGES, check_keys_of, check_operator, check_restaurant, check_self

ROLES = ("customer", "restaurant", "courier", "operator", "system", "visitor")


def may(check, *arguments: object) -> bool:
    try:
        check(*arguments)
    except Refusal:
        return False
    return True


@pytest.mark.parametrize(("role", "own"), list(itertools.product(ROLES, (True, False))))
def test_a_person_is_themselves_and_operators_are_anybody(role: str, own: bool) -> None:
    caller = c.Caller(role=role, id="p-1" if own else "p-2")
    own_roles = ("customer", "courier")
    assert may(check_self, caller, "p-1") == (role in ("operator", "system") or (own and role in own_roles))


def test_staff_are_themselves_and_a_restaurant_of_their_id_is_not() -> None:
    assert may(check_self, c.Caller(role="restaurant", id="roma", person="p-1"), "p-1")
    assert not may(check_self, c.Caller(role="restaurant", id="p-1"), "p-1")
    assert not may(check_self, c.Caller(role="restaurant", id="p-1", person="p-2"), "p-1")


@pytest.mark.parametrize(("role", "own"), list(itertools.product(ROLES, (True, False))))
def test_a_restaurant_is_its_own_and_the_operators(role: str, own: bool) -> None:
    caller = c.Caller(role=role, id="roma" if own else "napoli")
    allowed = role in ("operator", "system") or (own and role == "restaurant")
    assert may(check_restaurant, caller, "roma") == allowed
    assert may(check_keys_of, caller, "restaurant", "roma") == allowed
    assert may(check_keys_of, caller, "customer", "roma") == (role in ("operator", "system"))
    assert may(check_operator, caller) == (role in ("operator", "system"))


@pytest.mark.parametrize(("access", "allowed"), [(None, True), ("owner", True), ("manager", False),
                                                 ("staff", False), ("system", False)])  # fmt: skip
def test_keys_are_for_owners(access: str | None, allowed: bool) -> None:
    caller = c.Caller(role="restaurant", id="roma", access=access)
    assert may(check_keys_of, caller, "restaurant", "roma") == allowed


def test_nobody_manages_who_stands_as_high_but_owners() -> None:
    order = ("owner", "manager", "staff", "system")
    for access in order[1:]:
        above = set(order[: order.index(access) + 1])
        assert not MANAGES[access] & above
