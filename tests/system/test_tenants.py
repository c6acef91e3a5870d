"""Nothing of one tenant ever reaches another, whatever ids they send.

Every operation that the platform itself says it has, in every role, with every id that is another's, alone
and among one's own.

An operation that is new is tried by itself. If its request cannot be made from its schema, or does not work
for its own tenant, the test fails with its name: tell FILL, the tenants' ids or CONTROLS what it needs.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import pytest

from system import tenants
from system.operations import Operation, Request, UnfillableError, operations
from system.tenants import Tenant
from system.town import ALWAYS, CURRENCY, FEE, OPERATOR, PRICE, Answer, Town
from tiffin_process import TiffinProcess

Caller = tuple[str, str] | None

PUBLIC = {
    "GET /v1/restaurants": "anybody may look for a restaurant",
    "GET /v1/restaurants/{restaurant_id}": "anybody may look at a restaurant",
    "GET /v1/restaurants/{restaurant_id}/menu": "anybody may read a menu",
    "GET /v1/search/restaurants": "anybody may look for a restaurant",
    "POST /v1/quotes": "anybody may ask for a price",
}
"""Show what carries a tenant's public mark, to anybody. Nothing ever shows a private one."""

PUBLIC_IDS = {"restaurant_id", "item_id", "cursor"}
"""What they are asked with."""

NAMED = {
    ("POST /v1/me/addresses", "Address.id"): "names an address within its customer",
    ("PUT /v1/restaurants/{restaurant_id}/menu", "MenuItem.id"): "names a dish within its restaurant",
    ("PUT /v1/restaurants/{restaurant_id}/menu", "OptionChoice.id"): "names an option within its dish",
    ("PUT /v1/restaurants/{restaurant_id}/menu", "OptionGroup.id"): "names a rule within its dish",
    ("PUT /v1/restaurants/{restaurant_id}/profile", "phone"): "whatever number a restaurant answers",
    ("POST /v1/restaurants/{restaurant_id}/staff", "phone"): "names a member of its staff, whoever that is",
    ("POST /v1/restaurants/{restaurant_id}/stock", "Idempotency-Key"): "names a delivery to its restaurant",
    ("POST /v1/orders", "Idempotency-Key"): "names an order within its customer",
    ("POST /v1/orders/{order_id}/cases", "Idempotency-Key"): "names a case within its order",
    ("GET /v1/cases", "cursor"): "a place in the caller's own list",
    ("GET /v1/restaurants/{restaurant_id}/cases", "cursor"): "a place in the caller's own list",
    ("GET /v1/orders", "cursor"): "a place in the caller's own list",
    ("GET /v1/webhook-endpoints/{endpoint_id}/deliveries", "cursor"): "a place in the caller's own list",
    ("GET /v1/restaurants/{restaurant_id}/orders", "cursor"): "a place in the caller's own list",
}
"""Ids that callers make up within what is theirs: another's is as good as any."""

ANYBODYS = {
    ("POST /v1/orders", "restaurant_id"): "anybody may order anywhere",
    ("POST /v1/sign-in/codes", "phone"): "whoever has the phone gets the code, whoever asks for it",
    ("PUT /v1/restaurants/{restaurant_id}/partners/{partner_id}", "partner_id"): "anybody may let it",
    ("DELETE /v1/restaurants/{restaurant_id}/partners/{partner_id}", "partner_id"): "or no longer",
}
"""Ids of others that one is meant to use."""

OPEN = {
    "POST /v1/sign-in/codes": "nobody has a token yet",
    "POST /v1/sign-in": "the code is what lets them in",
    "POST /v1/sign-in/refresh": "the refresh token is what lets them in",
    "POST /v1/sign-out": "the refresh token says who leaves",
    "POST /v1/webhooks/payments": "the provider signs what it sends",
}
"""Operations that need no token."""

REFUSED_CONTROLS = {
    "POST /v1/sign-in/codes": "they have one already, and have to wait for the next",
    "POST /v1/sign-in": "only the phone has the code",
    "POST /v1/sign-in/refresh": "only a session has a refresh token",
    "POST /v1/people/{person_id}/erase": "only the phone has the code",
    "POST /v1/webhooks/payments": "only the provider can sign",
    "POST /v1/cases/{case_id}/evidence": "evidence is a note, or pictures",
}
"""Operations whose request cannot work here even with one's own ids."""

NO_ANSWER = ("bad_token", "invalid_request", "too_many_requests")
"""Refusals that say nothing about whose an id is."""

PEOPLE = "/v1/people/"
"""Here a customer and a courier of the same id are the same person."""

FILL: Mapping[str, Any] = {
    "expected_total": {"amount": PRICE + FEE, "currency": CURRENCY},
    "price": PRICE,
    "hours": ALWAYS,
    "source": "tok_ok",
    "role": "restaurant",
    "code": "0000",
    "for_minutes": 0,
    "delivery_fee": FEE,
    "special_days": [],
    "url": "https://nobody.invalid/hook",
    "types": ["settlement.paid"],
}

ROLES = ("customer", "restaurant", "courier")


@dataclass
class Border:
    """Two tenants, and what the platform offers them."""

    town: Town
    ours: Tenant
    theirs: Tenant
    operations: list[Operation]
    taken: set[str] = field(default_factory=set[str])
    """Their names that our things have by now, because we gave them."""

    async def send(self, who: Caller, request: Request) -> Answer:
        """Ask; of a stream only its beginning."""
        headers = {**self.town.headers(who), **request.headers}
        url = self.town.process.url + request.path
        async with self.town.http.request(
            request.method, url, json=request.body, headers=headers
        ) as response:
            is_stream = response.content_type == "text/event-stream"
            told = await (response.content.readany() if is_stream else response.read())
            return Answer(response.status, told, response.headers)

    def leaked(self, operation: Operation, answer: Answer, sent: set[str]) -> str | None:
        """What of the others is in an answer, but for what was in the request."""
        text = answer.body.decode() + "".join(f"\n{name}: {value}" for name, value in answer.headers.items())
        for value in sorted(sent | self.taken, key=len, reverse=True):
            text = text.replace(value, "")
        public = str(operation) in PUBLIC
        secret = {value for value in self.theirs.owned() if not (public and self.theirs.public in value)}
        secret |= {self.theirs.private} if public else {self.theirs.private, self.theirs.public}
        return next((value for value in secret - sent - self.taken if value in text), None)


@pytest.fixture(scope="module")
async def border(platform: TiffinProcess) -> AsyncIterator[Border]:
    async with Town.open(platform) as town:
        ours = await tenants.settle(town, "ours4f21", 4.6)
        theirs = await tenants.settle(town, "theirs9c", 4.61)
        await tenants.live(town, theirs)
        await tenants.prepare(town, ours)
        document = (await town.ask(None, "GET", "/openapi.json")).json
        yield Border(town, ours, theirs, operations(document, FILL))


def is_public(operation: Operation, name: str) -> bool:
    if str(operation) in PUBLIC:
        return name in PUBLIC_IDS
    return (str(operation), name) in {**NAMED, **ANYBODYS}


def mixes(operation: Operation, ours: Tenant, theirs: Tenant) -> Iterator[tuple[str, dict[str, str]]]:
    """Ids for a request in which one is another's, each in turn, and in which all are."""
    foreign = [each for each in operation.ids if (str(operation), each.name) not in ANYBODYS]
    own = {each.name: ours.ids[each.name][0] for each in operation.ids if each.required}
    for each in foreign:
        for value in theirs.ids[each.name]:
            yield f"their {each.name}", {**own, each.name: value}
    all_theirs = [each for each in foreign if (str(operation), each.name) not in NAMED]
    if len(all_theirs) > 1:
        for values in product(*(theirs.ids[each.name] for each in all_theirs)):
            names = (each.name for each in all_theirs)
            yield "all theirs", {**own, **dict(zip(names, values, strict=True))}


def unheard_of(value: str) -> str:
    """An id of the same form that nobody has."""
    if value.isdigit():
        return str(int(value) + (1 << 45))
    return value[:-1] + ("1" if value[-1] != "1" else "2")


async def try_to_cross(border: Border, operation: Operation) -> dict[str, str]:
    """What is wrong with the operation, by what was asked."""
    wrong: dict[str, str] = {}
    for what, ids in mixes(operation, border.ours, border.theirs):
        foreign = {name: value for name, value in ids.items() if value in border.theirs.owned()}
        must_fail = not all(is_public(operation, name) for name in foreign)
        request = operation.request(ids)
        for who in callers(border, operation):
            answer = await border.send(who, request)
            at = f"{operation} with {what} as {who and ' '.join(who)}"
            said = f"{answer.status} {answer.body[:300]!r}"
            if leaked := border.leaked(operation, answer, {*ids.values(), *(who or ())}):
                wrong[at] = f"tells {leaked}: {said}"
            elif who is None and not operation.is_open:
                if answer.status != 401:
                    wrong[at] = f"without a token: {said}"
            elif who and who[0] not in operation.roles:
                if answer.status != 403:
                    wrong[at] = f"not for this role: {said}"
            elif must_fail:
                if not 400 <= answer.status < 500 or code(answer) in NO_ANSWER:
                    wrong[at] = f"is not refused for whose it is: {said}"
                nobodys = {name: unheard_of(ids[name]) if name in foreign else ids[name] for name in ids}
                other = await border.send(who, operation.request(nobodys))
                if (other.status, code(other)) != (answer.status, code(answer)):
                    wrong[at] = f"tells that it is there: {said}, of nobody's {other.body[:300]!r}"
            elif answer.status < 300 and str(operation) not in PUBLIC:
                border.taken |= set(foreign.values())
    return wrong


def code(answer: Answer) -> str:
    return answer.json["code"] if answer.status >= 400 else ""


def callers(border: Border, operation: Operation) -> list[Caller]:
    """Our people; whoever has an id that is theirs, but in another role; somebody without a token."""
    if operation.is_open:
        return [None]
    roles = ("restaurant",) if operation.path.startswith(PEOPLE) else ROLES
    strangers = [(role, border.theirs.subjects[other]) for role in roles for other in ROLES if other != role]
    return [*(border.ours.who(role) for role in ROLES), *strangers, None]


async def works_for_its_own(border: Border, operation: Operation) -> str | None:
    """That a request made of one's own ids does what it should: the attempts to cross were no nonsense."""
    names = [each.name for each in operation.ids if each.required]
    last: Answer | None = None
    for values in product(*(border.ours.ids[name] for name in names)):
        ids = dict(zip(names, values, strict=True))
        for role in operation.roles:
            if role in ROLES:
                last = await border.send(border.ours.who(role), operation.request(ids))
                sent = {*ids.values(), *border.ours.owned()}
                if leaked := border.leaked(operation, last, sent):
                    return f"tells {leaked}: {last.body[:300]!r}"
                if last.status < 300:
                    return None
    return f"{last.status} {last.body[:300]!r}" if last else None


async def dismiss_all(town: Town, tenant: Tenant) -> None:
    """Nobody acts for the tenant's restaurant any more."""
    path = f"/v1/restaurants/{tenant.subjects['restaurant']}/staff"
    listed = await town.ask(tenant.who("restaurant"), "GET", path)
    for member in listed.json["staff"]:
        answer = await town.ask(tenant.who("restaurant"), "DELETE", f"{path}/{member['member_id']}")
        assert answer.status == 200, answer.body


async def everything_of(border: Border, tenant: Tenant) -> dict[str, str]:
    """All that a tenant, and an operator for them, can read of what is theirs."""
    found: dict[str, str] = {}
    for operation in border.operations:
        if operation.method != "GET" or operation.is_stream or operation.is_open:
            continue
        names = [each.name for each in operation.ids if each.required]
        if not names and str(operation) in PUBLIC:
            continue  # others are in it, too
        for role in operation.roles:
            who = OPERATOR if role == "operator" else tenant.who(role)
            if who is OPERATOR and not names:
                continue
            for values in product(*(tenant.ids[name] for name in names)):
                request = operation.request(dict(zip(names, values, strict=True)))
                answer = await border.send(who, request)
                told = answer.body.decode() if answer.status < 300 else code(answer)
                found[f"{request.method} {request.path} as {role}"] = told
    return found


def in_order(operation: Operation) -> tuple[bool, bool, bool, bool]:
    """What takes away comes late, then what gives others' names to one's own things, then who signs out."""
    makes_names = any(
        at == str(operation) and name != "Idempotency-Key" and operation.method != "GET" for at, name in NAMED
    )
    is_people, is_read = operation.path.startswith(PEOPLE), operation.method == "GET"
    return is_people, makes_names, operation.method == "DELETE", not is_read


async def test_every_operation_and_every_id_of_it_is_known(border: Border) -> None:
    """What is new has to be judged by somebody once."""
    roles = {role for operation in border.operations for role in operation.roles}
    assert roles == {*ROLES, "operator"}
    assert {str(operation) for operation in border.operations if operation.is_open} == OPEN.keys()
    known = border.ours.ids.keys() & border.theirs.ids.keys()
    unknown: dict[str, str] = {}
    for operation in border.operations:
        wanted = {each.name for each in operation.ids if not set(operation.roles) <= {"operator"}}
        if missing := wanted - known:
            unknown[str(operation)] = f"the tenants have no {', '.join(sorted(missing))}"
            continue
        try:
            if wanted or not operation.ids:
                operation.request({name: border.ours.ids[name][0] for name in wanted})
        except UnfillableError as error:
            unknown[str(operation)] = str(error)
    assert unknown == {}
    offered = {str(operation) for operation in border.operations}
    mentioned = {*PUBLIC, *OPEN, *REFUSED_CONTROLS, *(at for at, _ in (*NAMED, *ANYBODYS))}
    assert mentioned <= offered, "these are gone"


async def test_nothing_of_others_comes_back_and_nothing_of_theirs_changes(border: Border) -> None:
    before = await everything_of(border, border.theirs)
    assert sum(told.startswith("{") for told in before.values()) > 50
    shown = "".join(before.values())
    assert all(mark in shown for mark in (border.theirs.private, border.theirs.public))
    unseen = {name for name, values in border.theirs.ids.items() for value in values if value not in shown}
    assert unseen == {"cursor", "Idempotency-Key", "sign_in_id"}
    wrong: dict[str, str] = {}
    for operation in sorted(border.operations, key=in_order):
        if set(operation.roles) == {"operator"}:
            continue
        wrong |= await try_to_cross(border, operation)
        problem = await works_for_its_own(border, operation)
        if problem and str(operation) not in REFUSED_CONTROLS:
            wrong[f"{operation} with one's own"] = problem
    assert wrong == {}
    await dismiss_all(border.town, border.ours)  # some of theirs are among them
    after = await everything_of(border, border.theirs)
    assert {what: told for what, told in after.items() if told != before[what]} == {}


async def test_what_is_for_operators_is_for_nobody_else(border: Border) -> None:
    wrong: dict[str, str] = {}
    for operation in border.operations:
        if set(operation.roles) != {"operator"}:
            continue
        ids = {each.name: border.theirs.ids.get(each.name, ["1"])[0] for each in operation.ids}
        for who in callers(border, operation):
            answer = await border.send(who, operation.request(ids))
            if answer.status not in (401, 403) or border.leaked(operation, answer, {*ids.values()}):
                wrong[f"{operation} as {who}"] = f"{answer.status} {answer.body[:300]!r}"
    assert wrong == {}
