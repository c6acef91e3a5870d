"""Whether a way through the states, as the log tells it, is one that the state tables allow. No I/O."""

from collections.abc import Sequence
from typing import NamedTuple

from tiffin.services.orders.states import LEGACY_EVENTS, edges_from
from tiffin.services.payments.states import BEGINNINGS
from tiffin.services.payments.states import EDGES as PAYMENT_EDGES

DISOWNED = "order.disowned"
"""After it an order is here no more."""

_PAYMENT_NEXT = {(edge.state, edge.event): edge.to for edge in PAYMENT_EDGES}


class Row(NamedTuple):
    """Where the row says that the walk has ended."""

    state: str
    version: int
    began_before: bool
    """It began before the log does: its first events may be missing."""
    ended_before: bool
    """Nothing has happened to it since the log begins: it may have no events at all."""


class OrderStep(NamedTuple):
    """An event of an order. `agrees`: its data names the same order, version and type as its columns."""

    version: int
    type: str
    source: str | None
    target: str
    role: str
    agrees: bool


class PaymentStep(NamedTuple):
    """An event of a payment."""

    version: int
    type: str
    agrees: bool


def parse_order_step(text: str) -> OrderStep | None:
    """`1 order.placed - awaiting_payment customer t`; None if a part is missing."""
    parts = text.split(" ")
    if len(parts) != 6:
        return None
    version, type_, source, target, role, agrees = parts
    return OrderStep(int(version), type_, None if source == "-" else source, target, role, agrees == "t")


def parse_payment_step(text: str) -> PaymentStep | None:
    """`1 payment.started t`; None if a part is missing."""
    parts = text.split(" ")
    return PaymentStep(int(parts[0]), parts[1], parts[2] == "t") if len(parts) == 3 else None


def order_faults(walk: Sequence[OrderStep | None], row: Row | None) -> list[str]:
    """What is wrong with an order's way, in words; empty if nothing."""
    steps = [step for step in walk if step is not None]
    last = steps[-1] if steps else None
    if last is not None and last.type == DISOWNED:
        if row is not None:
            return ["was taken away and is there"]
        row = Row(last.target, last.version, began_before=True, ended_before=False)
    faults = _frame_faults("order", walk, steps, row)
    before: OrderStep | None = None
    for step in steps:
        name = f"version {step.version}, {step.type},"
        if before is not None and step.source != before.target:
            faults.append(f"{name} comes from {step.source}, but the order was {before.target}")
        edges = edges_from(step.source, step.type.removeprefix("order."))  # type: ignore[arg-type] - any text
        if step.type.removeprefix("order.") in LEGACY_EVENTS:
            faults += [f"{name} {fault}" for fault in _legacy_faults(step)]
        elif not any(edge.target == step.target for edge in edges):
            faults.append(f"{name} leads from {step.source} to {step.target}: no such edge")
        elif not any(edge.target == step.target and step.role in edge.who for edge in edges):
            faults.append(f"{name} was said by a {step.role}, who may not")
        before = step
    if row is not None and before is not None and before.target != row.state:
        faults.append(f"is {row.state}, but its last event led to {before.target}")
    return faults


def _legacy_faults(step: OrderStep) -> list[str]:
    """Another system's word may lead anywhere, a change of hands nowhere. Only the platform says either."""
    faults: list[str] = []
    if step.type != "order.adopted" and step.source != step.target:
        faults.append(f"leads from {step.source} to {step.target}")
    if (step.version == 1) != (step.source is None):
        faults.append(f"comes from {step.source}")
    if step.role not in ("system", "operator"):
        faults.append(f"was said by a {step.role}, who may not")
    return faults


def payment_faults(walk: Sequence[PaymentStep | None], row: Row | None) -> list[str]:
    """The same for a payment, whose events name no states: they follow from the table."""
    steps = [step for step in walk if step is not None]
    faults = _frame_faults("payment", walk, steps, row)
    if not steps or steps[0].version != 1:
        return faults
    state: str | None = BEGINNINGS.get(steps[0].type, "pending")  # type: ignore[call-overload] - any text
    if steps[0].type not in BEGINNINGS:
        faults.append(f"begins with {steps[0].type}")
    for step in steps[1:]:
        after = _PAYMENT_NEXT.get((state, step.type))  # type: ignore[arg-type] - any text
        if after is None:
            faults.append(f"version {step.version}, {step.type}, cannot happen to a payment that is {state}")
            return faults
        state = after
    if row is not None and state != row.state:
        faults.append(f"is {row.state}, but its last event led to {state}")
    return faults


def _frame_faults(
    what: str,
    walk: Sequence[OrderStep | PaymentStep | None],
    steps: Sequence[OrderStep] | Sequence[PaymentStep],
    row: Row | None,
) -> list[str]:
    """Numbers without gaps from the first to the row's own; a row for the events, and events for the row."""
    faults: list[str] = []
    if len(steps) < len(walk):
        faults.append("has an event whose data lacks something")
    faults += [
        f"version {step.version}, {step.type}, carries the data of something else"
        for step in steps
        if not step.agrees
    ]
    if row is None:
        return [*faults, f"has events, but there is no such {what}"]
    versions = [step.version for step in steps]
    if not versions:
        return faults if row.ended_before or walk else ["has no events"]
    first = versions[0] if row.began_before else 1
    if versions != list(range(first, first + len(versions))):
        faults.append(f"has versions {', '.join(map(str, versions))} in the log, with a gap or a repeat")
    if versions[-1] != row.version:
        faults.append(f"is at version {row.version}, but its last event is version {versions[-1]}")
    return faults
