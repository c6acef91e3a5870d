"""The cases of an order, against a platform that is quicker than people or loses answers."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from manual_clock import ManualClock
from one_order_town import Town
from scripted_server import NEVER, Reply, problem
from tiffin.load import catalogue, undoing
from tiffin.load.day import demo_day
from tiffin.load.fates import ENDINGS, PAYMENTS
from tiffin.load.http import Http
from tiffin.load.journal import Journal, read_cases
from tiffin.load.pace import FlatOut
from tiffin.load.platform import Platform
from tiffin.load.run import Deadlines, Run
from tiffin.load.story import carry
from tiffin.load.tally import Tally
from tiffin.load.troubles import ANSWERS, TROUBLES
from tiffin.primitives.clock import to_text

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
ONLINE = next(row for row in PAYMENTS if row.name == "online")
ARRIVAL = replace(demo_day(1)[0], wanted_at_s=None, payment=ONLINE, ending=ENDINGS[0])
MISSING, CANCEL, LATE = (
    next(row for row in TROUBLES if row.name == name)
    for name in ("dishes are missing", "changes their mind when it is packed", "late")
)
TWICE = next(row for row in TROUBLES if row.name == "missing, then bad")


def money(amount):
    return {"amount": amount, "currency": "COP"}


class CaseTown(Town):
    """One case at a time, beside the order: quoted 30, given back by payment."""

    def __init__(self, answered_by="restaurant", deadline_s=900.0):
        super().__init__()
        self.order |= {
            "total": money(100),
            "lines": [
                {"item_id": "a", "name": "A", "quantity": 3, "unit_price": 20, "total": 60, "options": []},
                {"item_id": "b", "name": "B", "quantity": 2, "unit_price": 20, "total": 40, "options": []},
            ],
        }
        self.answered_by, self.deadline_s = answered_by, deadline_s
        self.quoted, self.given = 30, 30
        self.ends_order = False
        self.cases = []
        self.told = []
        self.refunds = []

    def act(self, operation, request):
        if operation == "quote":
            return Reply(200, {"order_id": "17", "kind": self.kind(request), "outcome": self.outcome(),
                               "answered_by": self.answered_by})  # fmt: skip
        if operation == "cases":
            self.cases.append(self.open(request))
            return Reply(201, self.cases[-1])
        if request.path.startswith("/v1/cases/"):
            return self.move_case(operation)
        if operation == "payments" and self.cases:
            return Reply(200, {"payments": [], "refunds": self.refunds})
        return super().act(operation, request)

    def kind(self, request):
        return "cancel_later" if request.json["kind"] == "cancel" else request.json["kind"]

    def outcome(self):
        return {"refund": money(self.quoted), "back_to": "payment", "ends_order": self.ends_order,
                "shares": [], "policy": 1}  # fmt: skip

    def open(self, request):
        self.told.append(f"open {self.kind(request)}")
        case = {
            "id": f"17-{len(self.cases)}", "order_id": "17", "customer_id": "c", "restaurant_id": "r",
            "kind": self.kind(request), "state": "requested", "version": 1, "opened_by": "customer",
            "outcome": self.outcome(), "opened_at": to_text(NOW), "updated_at": to_text(NOW),
            "due_at": to_text(NOW + timedelta(seconds=self.deadline_s)),
        }  # fmt: skip
        if self.answered_by == "nobody":
            self.refund(case)
        return case

    def move_case(self, operation):
        case = self.cases[-1]
        if operation == case["id"]:
            if self.deadline_s < 1 and case["state"] in ("requested", "in_arbitration"):
                self.refund(case)
            return Reply(200, case)
        if case["state"] not in ("requested", "rejected", "in_arbitration"):
            return problem(409, "wrong_state", state=case["state"])
        self.told.append(operation)
        case["version"] += 1
        case["reason"] = {"dismiss": "dismissed"}.get(operation)
        case["state"] = {
            "reject": "rejected", "dispute": "in_arbitration", "withdraw": "withdrawn", "dismiss": "closed",
        }.get(operation, case["state"])  # fmt: skip
        if operation == "approve":
            self.refund(case)
        return Reply(200, case)

    def refund(self, case):
        case["state"] = "refunded"
        case["version"] += 1
        if case["outcome"]["ends_order"]:
            self.order |= {"state": "cancelled", "version": self.order["version"] + 1}
        self.refunds.append(
            {"id": "17-r", "order_id": "17", "amount": money(self.given), "state": "succeeded",
             "parts": [{"payment_id": "17-p", "amount": money(self.given), "state": "succeeded"}],
             "key": case["id"], "created_at": "", "updated_at": ""}
        )  # fmt: skip


def troubled(trouble):
    return replace(ARRIVAL, trouble=trouble)


@pytest.fixture
def town(scripted):
    town = CaseTown()
    scripted.answer = town
    return town


@pytest.fixture
async def run(scripted, tmp_path):
    tally = Tally()
    http = Http(scripted.url, deadline_s=0.2)
    menus = {ARRIVAL.restaurant_id: catalogue.menu(ARRIVAL.restaurant_id, ARRIVAL.city)}
    platform = Platform(http, lambda role, subject: f"{role}:{subject}", tally)
    with Journal(tmp_path / "journal") as journal:
        yield Run(
            "run-1", platform, menus, FlatOut(), Deadlines(), tally, ManualClock(NOW), None, journal
        )  # fmt: skip
    await http.close()


@pytest.fixture
def answer(monkeypatch):
    def choose(name):
        chosen = next(row for row in ANSWERS if row.name == name)
        monkeypatch.setattr(undoing, "draw", lambda table, rng: chosen)

    choose("agreed")
    return choose


async def drive(run, one):
    await run.pace.begin(one.at_s)
    await carry(run, one, asyncio.get_running_loop().time())
    run.pace.end()


@pytest.mark.parametrize(
    ("name", "told", "result"),
    [
        ("agreed", ["approve"], "given back"),
        ("agreed to what was shown", ["evidence", "approve"], "given back"),
        ("not answered", ["approve"], "given back"),
        ("refused, left at that", ["reject"], "refused"),
        ("refused, agreed by an operator", ["reject", "dispute", "evidence", "approve"], "given back"),
        ("refused, by an operator too", ["reject", "dispute", "dismiss"], "refused"),
        ("refused, withdrawn then", ["reject", "dispute", "withdraw"], "withdrawn"),
        ("withdrawn", ["withdraw"], "withdrawn"),
    ],
)
async def test_a_case_goes_the_way_of_its_answer_and_the_order_goes_on(run, town, answer, name, told, result):
    answer(name)
    await drive(run, troubled(MISSING))
    assert town.told == ["open missing_items", *told]
    assert run.tally.cases == {("missing_items", result): 1}
    assert run.tally.outcomes == {("delivered and confirmed", "completed"): 1}
    assert run.tally.counts["given back"] == run.tally.counts["read back"] == (result == "given back")
    assert run.tally.unexpected == []


async def test_each_step_is_taken_by_whoever_may(run, town, answer, scripted):
    answer("refused, agreed by an operator")
    await drive(run, troubled(MISSING))
    who = [
        (request.path.rpartition("/")[2], request.headers["authorization"].split(":")[0])
        for request in scripted.asked
        if request.path.startswith("/v1/cases/")
    ]
    assert who == [
        ("reject", "Bearer restaurant"), ("dispute", "Bearer customer"), ("evidence", "Bearer customer"),
        ("approve", "Bearer operator"),
    ]  # fmt: skip


async def test_an_order_that_a_case_has_called_off_goes_no_further(run, town, answer):
    town.ends_order = True
    await drive(run, troubled(CANCEL))
    assert town.done == ["place", "accept", "assign-courier", "ready"]
    assert run.tally.outcomes == {("asked to be called off", "cancelled"): 1}
    assert run.tally.cases == {("cancel_later", "given back"): 1}


async def test_an_order_that_may_not_be_called_off_is_brought(run, town, answer):
    answer("refused, left at that")
    town.ends_order = True
    await drive(run, troubled(CANCEL))
    assert run.tally.outcomes == {("asked to be called off", "completed"): 1}


async def test_a_near_deadline_is_waited_for(run, scripted, answer):
    answer("not answered")
    scripted.answer = town = CaseTown(deadline_s=0.05)
    await drive(run, troubled(MISSING))
    assert town.told == ["open missing_items"]
    assert run.tally.answers == {"not answered": 1}
    assert run.tally.cases == {("missing_items", "given back"): 1}


async def test_a_deadline_that_is_quicker_than_people_is_right(run, town, answer):
    answer("refused, left at that")

    def be_quick(operation, request):
        if operation == "reject":
            town.refund(town.cases[-1])
        return CaseTown.act(town, operation, request)

    town.act = be_quick
    await drive(run, troubled(MISSING))
    assert run.tally.cases == {("missing_items", "given back"): 1}
    assert run.tally.unexpected == []


@pytest.mark.parametrize("lost", [NEVER, problem(503, "overloaded")])
async def test_what_was_said_of_a_case_and_not_answered_is_looked_up(run, town, answer, lost):
    town.faults["approve"] = [("then", lost)]
    town.faults["cases"] = [lost]
    await drive(run, troubled(MISSING))
    assert town.told == ["open missing_items", "approve"]
    assert run.tally.cases == {("missing_items", "given back"): 1}


async def test_a_case_that_was_neither_moved_nor_answered_is_moved(run, town, answer):
    town.faults["approve"] = [NEVER]
    await drive(run, troubled(MISSING))
    assert run.tally.cases == {("missing_items", "given back"): 1}


async def test_an_outcome_that_has_changed_is_quoted_again(run, town, answer, scripted):
    town.faults["cases"] = [problem(409, "outcome_changed")]
    await drive(run, troubled(MISSING))
    opened = [request for request in scripted.asked if request.path.endswith("/cases")]
    assert len({request.headers["idempotency-key"] for request in opened}) == 2
    assert all(request.json["expected_refund"] == money(30) for request in opened)
    assert run.tally.cases == {("missing_items", "given back"): 1}


async def test_other_money_than_was_quoted_is_unexpected(run, town, answer):
    town.given = 29
    await drive(run, troubled(MISSING))
    assert run.tally.unexpected_count == 1
    assert "17-0" in run.tally.unexpected[0]


async def test_two_cases_of_an_order_are_not_about_the_same_portions(run, town, answer, scripted):
    for number in range(20):
        await drive(run, replace(troubled(TWICE), id=f"order-{number}"))
        asked = [
            {line["line"]: line["quantity"] for line in request.json["lines"]}
            for request in scripted.asked
            if request.path.endswith("/cases")
        ]
        taken = [sum(each.get(line, 0) for each in asked) for line in (0, 1)]
        assert taken[0] <= 3
        assert taken[1] <= 2
        scripted.asked.clear()
        town.order |= {"state": "none", "version": 0}
        for told in (town.payments, town.keys, town.cases, town.refunds):
            told.clear()
    assert run.tally.cases["quality", "given back"] > 10
    assert run.tally.unexpected == []


async def test_what_was_acknowledged_of_a_case_is_in_the_journal(run, town, answer, tmp_path):
    await drive(run, troubled(MISSING))
    (case,) = read_cases(tmp_path / "journal").values()
    assert (case.order_id, case.case_id, case.state) == ("17", "17-0", "refunded")


async def test_an_operator_owes_what_a_provider_does_not_give_back(run, town, answer):
    def refuse(operation, request):
        reply = CaseTown.act(town, operation, request)
        if operation == "approve":
            town.cases[-1]["state"] = "refund_failed"
            town.refunds[-1]["parts"][0]["state"] = "failed"
        if operation == "credit":
            town.refund(town.cases[-1])
            town.refunds[-1]["key"] += ":balance"
            town.cases[-1]["outcome"]["back_to"] = "balance"
            return Reply(200, town.cases[-1])
        return reply

    town.act = refuse
    await drive(run, troubled(MISSING))
    assert run.tally.cases == {("missing_items", "owed"): 1}
    assert run.tally.unexpected == []


@pytest.mark.parametrize(("state", "unexpected"), [("cancelled", 0), ("delivered", 1)])
async def test_no_case_of_an_order_that_somebody_else_called_off(run, town, answer, state, unexpected):
    def call_off(operation, request):
        if operation == "quote":
            town.order["state"] = state
            return problem(409, "case_not_possible", state=state)
        return CaseTown.act(town, operation, request)

    town.act = call_off
    await drive(run, troubled(CANCEL))
    assert run.tally.unexpected_count == unexpected
    assert (("asked to be called off", "cancelled") in run.tally.outcomes) == (state == "cancelled")
