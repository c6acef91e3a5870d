import pytest

from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.services.users.addresses import ADDRESSES_MAX, check_unique, with_address, without_address


def address(id_: str, label: str = "Home") -> c.Address:
    return c.Address(
        id=id_, label=label, street="Calle 1", city="Cali", place=c.Place(latitude=3.4, longitude=-76.5)
    )


def customer(*addresses: c.Address) -> c.Customer:
    return c.Customer(id="c", name="Ana", addresses=list(addresses))


def test_a_new_address_comes_last():
    assert with_address(customer(address("a")), address("b")).addresses == [address("a"), address("b")]


def test_an_address_of_the_same_id_is_replaced_in_its_place():
    changed = with_address(customer(address("a"), address("b")), address("a", "Work"))
    assert changed.addresses == [address("a", "Work"), address("b")]


def test_a_change_leaves_the_customer_it_was_made_from_alone():
    before = customer(address("a"))
    with_address(before, address("b"))
    without_address(before, "a")
    assert before == customer(address("a"))


def test_there_is_an_end_to_addresses_but_not_to_replacing_them():
    full = customer(*(address(f"a{number}") for number in range(ADDRESSES_MAX)))
    with pytest.raises(Refusal) as refused:
        with_address(full, address("one-more"))
    assert refused.value.code == "too_many_addresses"
    assert len(with_address(full, address("a0", "Work")).addresses) == ADDRESSES_MAX


def test_an_address_that_is_not_there_cannot_be_forgotten():
    assert without_address(customer(address("a"), address("b")), "a").addresses == [address("b")]
    with pytest.raises(Refusal) as refused:
        without_address(customer(address("a")), "b")
    assert refused.value.code == "address_not_found"


def test_two_addresses_of_one_id_are_refused_by_name():
    check_unique([address("a"), address("b")])
    with pytest.raises(Refusal) as refused:
        check_unique([address("a"), address("b"), address("a")])
    assert refused.value.details == {"address_ids": ["a"]}
