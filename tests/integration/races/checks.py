"""What must hold of every order once everything has come to rest, whoever was first."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from integration.races.scene import TOTAL, Scene
from tiffin.rpc import contracts as c
from tiffin.services.orders.states import EDGES as ORDER_EDGES
from tiffin.services.payments.states import BEGINNINGS, CLAIMING
from tiffin.services.payments.states import EDGES as PAYMENT_EDGES
from tiffin.services.reverse.case import Case, details_of
from tiffin.services.reverse.states import EDGES as CASE_EDGES
from tiffin.services.reverse.store import case_of
from tiffin.sharding.order_id import customer_shard
from tiffin.sharding.router import Router

if TYPE_CHECKING:
    from integration.races.races import Held

ORDER_WALK = {
    (edge.source, f"order.{edge.event}", edge.target, role) for edge in ORDER_EDGES for role in edge.who
}
CASE_WALK = {
    (edge.source, f"case.{edge.event}", edge.target, role) for edge in CASE_EDGES for role in edge.who
}
AT_REST = ("succeeded", "voided", "declined")
OUR_KEYS = ("one-", "all-", "order_cancelled:", "charged_after_all:")
"""How refunds are called that no case has asked for."""


@dataclass
class Facts:
    """All that is on record of an order."""

    order: Any = None
    payments: list[Any] = field(default_factory=list[Any])
    refunds: list[Any] = field(default_factory=list[Any])
    cases: list[Case] = field(default_factory=list[Case])
    events: defaultdict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    """By what they are about."""
    lines: Sequence[Mapping[str, Any]] = ()
    """The provider's."""

    @property
    def ended_by_case(self) -> bool:
        return any(details_of(case).outcome.ends_order and not case.released for case in self.cases)


async def faults(
    held: "Sequence[Held]", router: Router, statement: Mapping[str, list[dict[str, Any]]]
) -> list[str]:
    """What is wrong with the orders of some races, with the race, what both were answered, and the way."""
    facts = await _read(held, router)
    found: list[str] = []
    for each in held:
        known = facts[each.scene.id]
        known.lines = statement.get(each.scene.id, ())
        wrong = [
            *(answer for answer in each.answers if answer.startswith("bug")),
            *_order(known),
            *_payments(each.scene, known),
            *_cases(known),
            *_refunds(known),
            *_said(each.scene, known),
        ]
        if wrong:
            found.append(f"{each.race} {each.answers}: {'; '.join(wrong)}\n{_way(known)}")
    return found


def _order(known: Facts) -> list[str]:
    """It has gone a way that the table allows, one version after the other, and stands where that ended."""
    order, state, wrong = known.order, None, []
    for number, event in enumerate(known.events[str(order["id"])], 1):
        told = msgspec.json.decode(event["data"], type=c.OrderEvent)
        step = (told.from_state, event["type"], told.to_state, told.actor.role)
        if event["version"] != number or told.from_state != state or step not in ORDER_WALK:
            wrong.append(f"no way for an order: {step} at version {event['version']} from {state}")
        state = told.to_state
    if (state, len(known.events[str(order["id"])])) != (order["state"], order["version"]):
        wrong.append(f"the order is {order['state']} at version {order['version']}, its way ends at {state}")
    return wrong


def _payments(scene: Scene, known: Facts) -> list[str]:
    wrong: list[str] = []
    charges = Counter(line["key"] for line in known.lines if line["kind"] == "charge")
    if any(count > 1 for count in charges.values()):
        wrong.append("charged twice for one payment")
    if charges.keys() - {row["id"] for row in known.payments}:
        wrong.append("the provider has charged for a payment that we have not")
    for row in known.payments:
        if row["state"] not in AT_REST or row["refunding"]:
            wrong.append(f"{row['id']} is {row['state']}, {row['refunding']} on its way back")
        if not row["refunded"] <= row["captured"] <= row["amount"] <= row["total"]:
            wrong.append(f"{row['id']}: {row['refunded']} back of {row['captured']} taken of {row['amount']}")
        wrong += _payment_walk(row, known.events[row["id"]])
        wrong += _apart(row, known) if row["method"] == "card" else []
    wrong += _covered(known)
    kept = sum(row["captured"] - row["refunded"] for row in known.payments)
    if kept > TOTAL:
        wrong.append(f"{kept} kept of {TOTAL}")
    fell_alone = known.order["state"] == "cancelled" and not known.ended_by_case
    if fell_alone and kept and scene.source != "tok_refund_failed":
        wrong.append(f"the order has fallen, and {kept} is kept")
    return wrong


def _apart(row: Any, known: Facts) -> list[str]:
    """What is on record beside what the provider says, who knows nothing of what customers are owed."""
    charged, back = (_moved(known.lines, kind)[row["id"]] for kind in ("charge", "refund"))
    owed = sum(each["amount"] for each in known.refunds if _is_owed(each) and each["payment_id"] == row["id"])
    if (row["captured"], row["refunded"] - owed) == (charged, back):
        return []
    ours = f"{row['captured']} taken, {row['refunded']} back, {owed} of it owed"
    return [f"{row['id']}: {ours}; the provider says {charged}, {back}"]


def _covered(known: Facts) -> list[str]:
    """At no moment payments cover more than the order costs, also of one that has fallen since."""
    states: dict[str, str] = {}
    amounts = {row["id"]: row["amount"] for row in known.payments if row["method"] != "cash"}
    events = [event for id_ in amounts for event in known.events[id_]]
    for event in sorted(events, key=lambda each: each["position"]):
        id_, type_ = event["key"], event["type"]
        state = states.get(id_)
        if type_ == "payment.refund_started" and state != "succeeded":
            states[id_] = "surplus"
        elif state != "surplus":
            to = {edge.to for edge in PAYMENT_EDGES if (edge.state, edge.event) == (state, type_)}
            states[id_] = to.pop() if to else BEGINNINGS.get(type_, "unknown")
        covered = sum(amounts[each] for each, stands in states.items() if stands in CLAIMING)
        if covered > TOTAL:
            return [f"payments cover {covered} of {TOTAL}"]
    return []


def _payment_walk(row: Any, events: Sequence[Any]) -> list[str]:
    state: str | None = None
    for number, event in enumerate(events, 1):
        nexts = {edge.to for edge in PAYMENT_EDGES if (edge.state, edge.event) == (state, event["type"])}
        nexts |= {BEGINNINGS[event["type"]]} if state is None and event["type"] in BEGINNINGS else set()
        if event["version"] != number or len(nexts) != 1:
            return [f"no way for a payment: {event['type']} at version {event['version']} from {state}"]
        (state,) = nexts
    return (
        []
        if (state, len(events)) == (row["state"], row["version"])
        else [f"{row['id']} is not where its way ends"]
    )


def _cases(known: Facts) -> list[str]:
    wrong: list[str] = []
    for case in known.cases:
        state: str | None = None
        for number, event in enumerate(known.events[case.id], 1):
            told = msgspec.json.decode(event["data"], type=c.CaseEvent)
            step = (told.from_state, event["type"], told.to_state, told.actor.role)
            if event["version"] != number or told.from_state != state or step not in CASE_WALK:
                wrong.append(f"no way for a case: {step} at version {event['version']} from {state}")
            state = told.to_state
        if (state, len(known.events[case.id])) != (case.state, case.version):
            wrong.append(f"{case.id} is {case.state} at version {case.version}, its way ends at {state}")
        if case.state not in ("closed", "withdrawn"):
            wrong.append(f"{case.id} has been left {case.state}")
    return wrong


def _refunds(known: Facts) -> list[str]:
    """Each has one reason, and went back once; a case has given back what it said."""
    wrong: list[str] = []
    lines = [line for line in known.lines if line["kind"] == "refund"]
    if len({line["refund_key"] for line in lines}) != len(lines):
        wrong.append("given back twice under one key")
    back: Counter[str] = Counter()
    cases = {case.id: case for case in known.cases}
    for row in known.refunds:
        if row["state"] == "pending":
            wrong.append(f"refund {row['key']} is pending")
        asker = row["key"].removesuffix(":balance")
        if asker not in cases and not asker.startswith(OUR_KEYS):
            wrong.append(f"nobody has asked for refund {row['key']}")
        back[asker] += row["amount"] if row["state"] == "succeeded" else 0
    for case in known.cases:
        outcome = details_of(case).outcome
        owes = 0 if case.released else outcome.refund
        if back[case.id] != owes:
            wrong.append(f"{case.id} ({case.kind}, {case.reason}) has given back {back[case.id]}, not {owes}")
    return wrong


def _is_owed(refund: Any) -> bool:
    """It has gone back to the customer's balance."""
    return refund["to_balance"] and refund["state"] == "succeeded"


def _said(scene: Scene, known: Facts) -> list[str]:
    """Whatever somebody was told has happened is on record."""
    made = {
        (msgspec.json.decode(event["data"]).get("request_id"), event["type"])
        for events in known.events.values()
        for event in events
    }
    keys = {row["key"] for row in known.refunds}
    return [
        f"{event} by {request_id} is lost"
        for request_id, event in scene.said.items()
        if (request_id, event) not in made and request_id.removeprefix("refund ") not in keys
    ]


def _moved(lines: Sequence[Mapping[str, Any]], kind: str) -> Counter[str]:
    sums: Counter[str] = Counter()
    for line in lines:
        if line["kind"] == kind:
            sums[line["key"]] += abs(line["amount"])
    return sums


def _way(known: Facts) -> str:
    events = sorted(
        (event for some in known.events.values() for event in some), key=lambda each: each["position"]
    )
    lines = [f"    {event['key']} {event['version']} {event['type']}" for event in events]
    lines += [f"    refund {row['key']} {row['amount']} {row['state']}" for row in known.refunds]
    return "\n".join(lines + [f"    provider: {line['kind']} {line['amount']}" for line in known.lines])


async def _read(held: "Sequence[Held]", router: Router) -> dict[str, Facts]:
    facts = {each.scene.id: Facts() for each in held}
    ids = [int(id_) for id_ in facts]
    shards = sorted({customer_shard(id_) for id_ in ids})
    for node in router.nodes:
        for row in await node.fetch(
            "SELECT * FROM orders.orders WHERE shard = ANY($1) AND id = ANY($2)", shards, ids
        ):
            facts[str(row["id"])].order = row
        for row in await node.fetch(_PAYMENTS, shards, ids):
            facts[str(row["order_id"])].payments.append(row)
        of_payment = {row["id"]: str(row["order_id"]) for known in facts.values() for row in known.payments}
        for row in await node.fetch(_REFUNDS, shards, list(of_payment)):
            facts[of_payment[row["payment_id"]]].refunds.append(row)
        for row in await node.fetch(_CASES, shards, ids):
            facts[str(row["order_id"])].cases.append(case_of(row))
        keys = [*facts, *of_payment, *(case.id for known in facts.values() for case in known.cases)]
        for row in await node.fetch(_EVENTS, keys):
            facts[row["key"].partition("-")[0]].events[row["key"]].append(row)
    return facts


_PAYMENTS = (
    "SELECT * FROM payments.payments WHERE shard = ANY($1) AND order_id = ANY($2) ORDER BY created_at, id"
)
_REFUNDS = "SELECT * FROM payments.refunds WHERE shard = ANY($1) AND payment_id = ANY($2) ORDER BY created_at"
_CASES = "SELECT * FROM reverse.cases WHERE shard = ANY($1) AND order_id = ANY($2) ORDER BY opened_at, id"
_EVENTS = (
    "SELECT key, version, type, data, position FROM log.events"
    " WHERE key = ANY($1) AND stream IN ('order', 'payment', 'case') ORDER BY key, version"
)
