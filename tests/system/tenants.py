"""Tenants of one platform: a customer, a restaurant and a courier who have to do with each other only.

Everything they have says whose it is: what anybody may know carries one mark, the rest another.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from system.town import ALWAYS, CURRENCY, FEE, OPERATOR, PRICE, WAY, Answer, Town, database, eventually
from tiffin.services.payments.ledger.settlements import Settlements
from tiffin.sharding.router import Router

Json = Any


@dataclass
class Tenant:
    """What is one tenant's, by the names that the API has for it."""

    public: str
    """In everything anybody may know: a restaurant, its menu."""
    private: str
    """In everything else."""
    subjects: dict[str, str]
    """Role to id."""
    ids: dict[str, list[str]]
    """The name of an id to theirs; the first is the one to try first."""

    def who(self, role: str) -> tuple[str, str]:
        """This tenant in one of its roles."""
        return role, self.subjects[role]

    def owned(self) -> set[str]:
        """Every id that is theirs."""
        return {value for values in self.ids.values() for value in values}


async def settle(town: Town, name: str, latitude: float) -> Tenant:
    """A tenant that has everything but orders. Marks and ids contain `name`."""
    public, private = f"public-{name}", f"private-{name}"
    customer, restaurant, courier = f"{private}-customer", f"{public}-restaurant", f"{private}-courier"
    home, soup, cake = f"{private}-home", f"{public}-soup", f"{public}-cake"
    place = {"latitude": latitude, "longitude": -74.1}
    address = {
        "id": home, "label": f"{private} label", "street": f"{private} street", "city": f"{private} city",
        "place": place, "note": f"{private} bell",
    }  # fmt: skip
    tenant = Tenant(
        public, private, {"customer": customer, "restaurant": restaurant, "courier": courier},
        {
            "customer_id": [customer], "restaurant_id": [restaurant], "courier_id": [courier],
            "address_id": [home], "Address.id": [home], "item_id": [soup, cake], "MenuItem.id": [soup],
            "OptionChoice.id": [f"{public}-corn"],
            "OptionGroup.id": [f"{public}-extras"], "Idempotency-Key": [f"{private}-key"],
            "phone": [f"+57601{_digits(name)}"], "subject": [restaurant],
        },
    )  # fmt: skip
    registration = {
        "id": customer, "name": f"{private} name", "phone": tenant.ids["phone"][0], "addresses": [address]
    }  # fmt: skip
    opening = {
        "id": restaurant, "name": f"{public} name", "currency": CURRENCY, "time_zone": "America/Bogota",
        "place": place, "delivery_fee": FEE, "minimum_subtotal": 0, "hours": ALWAYS,
    }  # fmt: skip
    menu = [
        {"id": soup, "name": f"{public} soup", "price": PRICE,
         "options": [{"id": f"{public}-corn", "name": f"{public} corn", "price": 1,
                      "group": f"{public}-extras"}],
         "option_groups": [{"id": f"{public}-extras", "name": f"{public} extras", "choose_max": 1}],
         },
        {"id": cake, "name": f"{public} cake", "price": PRICE, "limited": True},
    ]  # fmt: skip
    kitchen = tenant.who("restaurant")
    await _done(await town.ask(OPERATOR, "POST", "/v1/customers", registration))
    await _done(await town.ask(OPERATOR, "POST", "/v1/restaurants", opening))
    await _done(await town.ask(kitchen, "PUT", f"/v1/restaurants/{restaurant}/menu", {"items": menu}))
    stock = {"item_id": cake, "quantity": 10}
    added = await town.ask(
        kitchen, "POST", f"/v1/restaurants/{restaurant}/stock", stock, {"Idempotency-Key": f"{private}-oven"}
    )
    await _done(added)
    await _employ(town, tenant)
    return tenant


async def _employ(town: Town, tenant: Tenant) -> None:
    """Staff, a key for the till, and a sign-in that is under way."""
    kitchen, restaurant = tenant.who("restaurant"), tenant.subjects["restaurant"]
    staff = {"phone": f"+57602{_digits(tenant.private)}", "access": "staff"}
    hired = await _done(await town.ask(kitchen, "POST", f"/v1/restaurants/{restaurant}/staff", staff))
    staff = (await _done(await town.ask(OPERATOR, "GET", f"/v1/restaurants/{restaurant}/staff")))["staff"]
    tenant.ids["person_id"] = [tenant.subjects["customer"], staff[0]["person_id"]]
    tenant.ids["member_id"] = [hired["member_id"]]
    till = {"role": "restaurant", "subject": restaurant, "label": f"{tenant.private} till"}
    key = await _done(await town.ask(kitchen, "POST", "/v1/api-keys", till))
    tenant.ids["key_id"] = [key["about"]["key_id"]]
    await _listen(town, tenant)
    phone = {"phone": tenant.ids["phone"][0]}
    started = await _done(await town.ask(None, "POST", "/v1/sign-in/codes", phone))
    tenant.ids["sign_in_id"] = [started["sign_in_id"]]


async def _listen(town: Town, tenant: Tenant) -> None:
    """A system of the restaurant's that is called about nothing that happens here, a test delivery to it, and
    a partner's that it lets. Nobody answers; so that its log stays as it is the endpoint is disabled."""
    kitchen, restaurant = tenant.who("restaurant"), tenant.subjects["restaurant"]
    hook = {"url": f"https://{tenant.private}.invalid/hook", "types": ["settlement.paid"]}
    made = await _done(await town.ask(kitchen, "POST", f"/v1/restaurants/{restaurant}/webhooks", hook))
    endpoint = f"/v1/webhook-endpoints/{made['about']['endpoint_id']}"
    ping = await _done(await town.ask(kitchen, "POST", f"{endpoint}/ping"))
    await _done(await town.ask(kitchen, "PUT", endpoint, {**hook, "enabled": False}))
    delivery = f"{endpoint}/deliveries/{ping['delivery_id']}"

    async def is_over() -> bool:
        return (await town.get(kitchen, delivery))["state"] == "failed"

    await eventually(is_over, "what waited for the endpoint has failed")
    partner = f"{tenant.private}-partner"
    await _done(await town.ask(OPERATOR, "POST", f"/v1/partners/{partner}/webhooks", hook))
    await _done(await town.ask(kitchen, "PUT", f"/v1/restaurants/{restaurant}/partners/{partner}"))
    tenant.ids["endpoint_id"] = [made["about"]["endpoint_id"]]
    tenant.ids["delivery_id"] = [ping["delivery_id"]]
    tenant.ids["partner_id"] = [partner]


def _digits(name: str) -> str:
    return "".join(str(ord(letter) % 10) for letter in f"{name:>8}"[-8:])


async def order(town: Town, tenant: Tenant, **changes: Json) -> Json:
    """An order of the tenant's customer at the tenant's restaurant; its id is one of the tenant's."""
    item = changes.pop("item", tenant.ids["item_id"][0])
    key = f"{tenant.ids['Idempotency-Key'][0]}-{len(tenant.ids.get('order_id', ()))}"
    placed = await town.try_to_place(
        tenant.subjects["customer"],
        {
            "restaurant_id": tenant.subjects["restaurant"], "address_id": tenant.ids["address_id"][0],
            "lines": [{"item_id": item, "quantity": 1}], "payment_method": "cash",
            "expected_total": {"amount": PRICE + FEE, "currency": CURRENCY},
            "note": f"{tenant.private} note", **changes,
        },
        key,
    )  # fmt: skip
    await _done(placed)
    tenant.ids.setdefault("order_id", []).append(placed.json["id"])
    return placed.json


async def carry(town: Town, tenant: Tenant, order: Json, steps: int) -> None:
    """Move an order along its way, by the tenant's own people."""
    for role, action in WAY[:steps]:
        said = await town.try_to_say(
            tenant.who(role), order, action, {"reason": f"{tenant.private} {action}"}
        )
        await _done(said)


async def pay(town: Town, tenant: Tenant, order: Json, source: str) -> None:
    """A payment for an order; its id is one of the tenant's."""
    paid = await town.try_to_say(tenant.who("customer"), order, "payments", {"source": source})
    await _done(paid)
    tenant.ids.setdefault("payment_id", []).append(paid.json["id"])


async def complain(town: Town, tenant: Tenant, order: Json, cases: int) -> None:
    """Cases of an order that has arrived, for the restaurant to answer; their ids are the tenant's."""
    for number in range(cases):
        opened = await town.ask(
            tenant.who("customer"), "POST", f"/v1/orders/{order['id']}/cases",
            {"kind": "quality", "amount": {"amount": 1, "currency": CURRENCY},
             "note": f"{tenant.private} was cold"},
            {"Idempotency-Key": f"{tenant.private}-case-{number}"},
        )  # fmt: skip
        await _done(opened)
        tenant.ids.setdefault("case_id", []).append(opened.json["id"])


async def earn(town: Town, tenant: Tenant) -> None:
    """An order to its end, a refund of it, and statements of what restaurant and courier have earned, with
    their ids."""
    earned = await order(town, tenant)
    await carry(town, tenant, earned, len(WAY))
    decision = {"kind": "operator_decision", "amount": {"amount": 1, "currency": CURRENCY}}
    key, path = {"Idempotency-Key": f"{tenant.private}-decision"}, f"/v1/orders/{earned['id']}"
    await _done(await town.ask(OPERATOR, "POST", f"{path}/cases", decision, key))
    (refund,) = (await town.get(tenant.who("customer"), f"{path}/payments"))["refunds"]
    tenant.ids["refund_id"] = [refund["id"]]
    parties = [f"{role}:{tenant.subjects[role]}" for role in ("restaurant", "courier")]

    async def is_owed() -> bool:
        held = [await town.get(OPERATOR, f"/v1/parties/{party}/balances") for party in parties]
        return all(each["accounts"][0]["balances"] for each in held)

    await eventually(is_owed, "the ledger has the order")
    async with database(town.process) as node:
        settlements = Settlements(await Router.open([node]))
        await settlements.settle_due(datetime.now(UTC) + timedelta(days=8), uuid4().hex[:12])
    for party in parties:
        listed = await town.get(OPERATOR, f"/v1/parties/{party}/settlements")
        tenant.ids.setdefault("settlement_id", []).extend(each["id"] for each in listed["settlements"])


async def live(town: Town, tenant: Tenant) -> None:
    """A tenant's orders: just placed, cooking, on the way, delivered; paid, and declined; settled."""
    await earn(town, tenant)
    orders = [await order(town, tenant) for _ in range(3)]
    limited = await order(town, tenant, item=tenant.ids["item_id"][1])
    for carried, steps in zip([*orders[1:], limited], (2, 4, 5), strict=True):
        await carry(town, tenant, carried, steps)
    await complain(town, tenant, limited, 1)
    online = [await order(town, tenant, payment_method="online") for _ in range(2)]
    await pay(town, tenant, online[0], "tok_ok")
    await pay(town, tenant, online[1], "tok_declined")
    listed = await town.get(tenant.who("customer"), "/v1/orders?limit=1")
    tenant.ids["cursor"] = [listed["next_cursor"]]

    async def is_in_hand() -> bool:
        told = await town.get(tenant.who("courier"), "/v1/me/balances")
        return [money["amount"] for money in told["accounts"][1]["balances"]] == [-2 * (PRICE + FEE)]

    await eventually(is_in_hand, "the ledger has all the courier's cash")
    for each in (*orders, limited, *online):
        await eventually(lambda each=each: town.is_in_restaurants_list(each), "the restaurant sees it")


async def prepare(town: Town, tenant: Tenant) -> None:
    """Orders that wait for whatever may be said of an order: enough for every move once; and one settled."""
    await earn(town, tenant)
    for method in ("cash", "cash", "cash", "online"):
        await order(town, tenant, payment_method=method)
    arrived = await order(town, tenant)
    await carry(town, tenant, arrived, 5)
    await complain(town, tenant, arrived, 5)
    rejected = f"/v1/cases/{tenant.ids['case_id'][-1]}/reject"
    await _done(await town.ask(tenant.who("restaurant"), "POST", rejected, {}))
    listed = await town.get(tenant.who("customer"), "/v1/orders?limit=1")
    tenant.ids["cursor"] = [listed["next_cursor"]]


async def _done(answer: Answer) -> Json:
    assert answer.status < 300, (answer.status, answer.body)
    return answer.json
