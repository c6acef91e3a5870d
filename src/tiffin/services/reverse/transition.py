"""What an event does to a case: pure, by the state table alone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from tiffin.primitives.clock import to_text
from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.services.reverse.case import EVIDENCE_MAX, Case, details_of, encode_details, event_of
from tiffin.services.reverse.kinds import RULES, answerer_of
from tiffin.services.reverse.policy import Terms
from tiffin.services.reverse.states import EVENTS, ON_DEADLINE, WHO, Edge, Guard, State, edges_from

NEXT_LOOK_S = 5
"""Whoever moves a case carries it on at once; a worker looks after it so much later."""


class Command(NamedTuple):
    """Somebody says that something has happened to a case."""

    event: str
    caller: c.Caller
    request_id: str
    note: str | None = None
    pictures: Sequence[str] = ()


class Moved(NamedTuple):
    """The case after an event, and the event as the log gets it."""

    case: Case
    releases: bool
    type: str
    data: str
    trace: str


GUARDS: Mapping[Guard, Callable[[Case, c.Caller], bool]] = {
    "to_answer": lambda case, caller: answerer_of(case.kind, case.opener) != "nobody",
    "decided": lambda case, caller: answerer_of(case.kind, case.opener) == "nobody",
    "answerer": lambda case, caller: RULES[case.kind].answerer == caller.role,
    "opener": lambda case, caller: (case.opener, case.opener_id) == (caller.role, caller.id),
}
"""What a guard asks of the case and of the caller."""

_encode = msgspec.json.Encoder().encode


def open_case(case: Case, command: Command, terms: Terms) -> Moved:
    """A new case in its first state. `case` carries everything but state and deadline."""
    return _move(replace(case, version=0), None, _choose(case, None, command), command, terms, case.opened_at)


def advance(case: Case, command: Command, terms: Terms, now: datetime) -> Moved:
    """The case after an event. Refuses what the table does not allow, and says how it stands."""
    return _move(case, case.state, _choose(case, case.state, command), command, terms, now)


def choose(case: Case, command: Command) -> Edge:
    """The edge that an event takes. `Refusal` if there is none for this caller."""
    return _choose(case, case.state, command)


def _choose(case: Case, source: State | None, command: Command) -> Edge:
    if command.event not in EVENTS:
        raise Refusal("unknown_event", f"{command.event!r} is no event of a case")
    role = command.caller.role
    if role not in WHO[command.event]:
        raise Refusal("forbidden", f"a {role} cannot say that a case is {command.event}")
    edges = edges_from(source, command.event)
    mine = [edge for edge in edges if role in edge.who]
    for edge in mine:
        if all(GUARDS[guard](case, command.caller) for guard in edge.guards):
            return edge
    if mine:
        raise Refusal("forbidden", f"it is not for this {role} to say that the case is {command.event}")
    raise Refusal(
        "wrong_state", f"a case that is {source} cannot be {command.event}",
        {"state": case.state, "version": case.version},
    )  # fmt: skip


def _move(
    case: Case, source: State | None, edge: Edge, command: Command, terms: Terms, now: datetime
) -> Moved:
    due_at = case.due_at
    if edge.starts != "same":
        due_at = now + timedelta(seconds=terms.wait_s(edge.starts)) if edge.starts else None
        if edge.starts == "carrying":
            due_at = now + timedelta(seconds=NEXT_LOOK_S)
    moved = replace(
        case,
        state=edge.target,
        version=case.version + 1,
        updated_at=now,
        due_at=due_at,
        released=edge.releases,
        reason=(command.note if command.caller.role == "system" else None) or edge.event,
        details=_details_after(case, edge, command, now),
    )
    event = event_of(moved, edge.event, source, command.caller, command.request_id)
    return Moved(moved, edge.releases, event.type, _encode(event).decode(), command.request_id)


def _details_after(case: Case, edge: Edge, command: Command, now: datetime) -> str:
    if command.note or command.pictures:
        case = replace(case, details=_with_evidence(case, command, now))
    if edge.event == "credited":
        details = details_of(case)
        outcome = msgspec.structs.replace(details.outcome, back_to="balance")
        return encode_details(msgspec.structs.replace(details, outcome=outcome))
    return case.details


def _with_evidence(case: Case, command: Command, now: datetime) -> str:
    """What somebody says with an event is kept with the case; the platform's own words are not evidence."""
    role = command.caller.role
    if role not in ("customer", "restaurant", "operator"):
        return case.details
    details = details_of(case)
    if len(details.evidence) >= EVIDENCE_MAX:
        raise Refusal("invalid_request", f"a case has room for {EVIDENCE_MAX} pieces of evidence")
    said = c.Evidence(
        role=role,
        at=to_text(now),
        note=command.note,
        pictures=list(command.pictures) or None,
    )
    return encode_details(msgspec.structs.replace(details, evidence=[*details.evidence, said]))


def on_deadline(case: Case) -> str | None:
    """What the platform says of a case whose deadline has passed; None: it carries it on."""
    return ON_DEADLINE.get(case.state)
