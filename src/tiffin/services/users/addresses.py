"""A customer's addresses: which changes are possible."""

from collections.abc import Sequence

import msgspec

from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c

ADDRESSES_MAX = 50


def check_unique(addresses: Sequence[c.Address]) -> None:
    """Refuse a list in which two addresses have the same id."""
    ids = [address.id for address in addresses]
    if repeated := sorted({id_ for id_ in ids if ids.count(id_) > 1}):
        raise Refusal("invalid_request", "two addresses have the same id", {"address_ids": repeated})


def with_address(customer: c.Customer, address: c.Address) -> c.Customer:
    """The customer with the address added, or in the place of the one with its id."""
    addresses = [address if kept.id == address.id else kept for kept in customer.addresses]
    if all(kept.id != address.id for kept in addresses):
        addresses.append(address)
    if len(addresses) > ADDRESSES_MAX:
        raise Refusal("too_many_addresses", f"at most {ADDRESSES_MAX} addresses", {"max": ADDRESSES_MAX})
    return msgspec.structs.replace(customer, addresses=addresses)


def without_address(customer: c.Customer, address_id: str) -> c.Customer:
    """The customer without the address; refused if there is none of that id."""
    addresses = [kept for kept in customer.addresses if kept.id != address_id]
    if len(addresses) == len(customer.addresses):
        raise Refusal("address_not_found", "no such address", {"address_id": address_id})
    return msgspec.structs.replace(customer, addresses=addresses)
