"""Who may do what with people, staff and keys: decided here, by the caller alone. Pure."""

from collections.abc import Collection, Mapping

from msgspec import structs

from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c

MANAGES: Mapping[str | None, frozenset[str]] = {
    None: frozenset(("owner", "manager", "staff")),
    "owner": frozenset(("owner", "manager", "staff")),
    "manager": frozenset(("staff",)),
    "staff": frozenset(),
    "system": frozenset(),
}
"""Whom somebody with this access may take on, change and dismiss. None: a token of the platform's own key."""

ALL_MAY = ("operator", "system")


def is_person(caller: c.Caller, person_id: str) -> bool:
    """Whether the caller is this person, in whichever role."""
    if caller.role == "restaurant":
        return caller.person == person_id
    return caller.role != "visitor" and caller.id == person_id


def check_self(caller: c.Caller, person_id: str) -> None:
    """Only the person, an operator or the platform."""
    if caller.role not in ALL_MAY and not is_person(caller, person_id):
        raise Refusal("person_not_found", "no such person", {"person_id": person_id})


def check_operator(caller: c.Caller) -> None:
    """Only an operator or the platform."""
    if caller.role not in ALL_MAY:
        raise Refusal("forbidden", f"not for the role {caller.role}")


def check_restaurant(caller: c.Caller, restaurant_id: str) -> None:
    """Only the restaurant, an operator or the platform."""
    if caller.role not in ALL_MAY and (caller.role, caller.id) != ("restaurant", restaurant_id):
        raise Refusal("restaurant_not_found", "no such restaurant", {"restaurant_id": restaurant_id})


def check_manages(caller: c.Caller, access: str) -> None:
    """Only who may take on and dismiss somebody with this access."""
    if caller.role not in ALL_MAY and access not in MANAGES[caller.access]:
        raise Refusal("forbidden", f"your access does not reach as far as that of the {access}")


def check_owner_stays(caller: c.Caller, owners: Collection[str | None], person_id: str) -> None:
    """Somebody has to be able to take people on: only an operator takes the last owner (by person) away."""
    if caller.role not in ALL_MAY and not set(owners) - {person_id}:
        raise Refusal("last_owner", "a restaurant has to have an owner: make somebody else one first")


def show_member(caller: c.Caller, member: c.StaffMember) -> c.StaffMember:
    """A member as the caller may see them. A restaurant would know its customer by the person's id."""
    person_id = member.person_id
    assert person_id is not None
    is_caller = True if is_person(caller, person_id) else None
    shown = person_id if caller.role in ALL_MAY else None
    return structs.replace(member, person_id=shown, is_caller=is_caller)


def check_keys_of(caller: c.Caller, role: str, subject: str) -> None:
    """Keys of a restaurant are its owners' business; all others the operators'."""
    if caller.role in ALL_MAY:
        return
    if (caller.role, caller.id) != ("restaurant", subject) or role != "restaurant":
        raise Refusal("api_key_not_found", "no keys there")
    if caller.access not in (None, "owner"):
        raise Refusal("forbidden", "keys are for the owners of a restaurant to see to")
