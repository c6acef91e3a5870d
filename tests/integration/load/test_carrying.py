"""The actors against a platform that loses answers, says "not now", and goes away."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from manual_clock import ManualClock
from one_order_town import AFTER, Town
from scripted_server import NEVER, Reply, problem
from tiffin.load import catalogue
from tiffin.load.day import demo_day
from tiffin.load.fates import ENDINGS, PAYMENTS
from tiffin.load.http import Http
from tiffin.load.journal import Acknowledged, Journal, read_journal
from tiffin.load.pace import FlatOut
from tiffin.load.platform import Platform
from tiffin.load.registration import register
from tiffin.load.run import Deadlines, Run
from tiffin.load.story import carry
from tiffin.load.tally import Tally

ARRIVAL = replace(demo_day(1)[0], wanted_at_s=None, payment=PAYMENTS[0], ending=ENDINGS[0])
ALL_THE_WAY = ["place", "accept", "assign-courier", "ready", "pick-up", "deliver", "complete"]


def arrival(payment="cash", end="confirmed"):
    return replace(
        ARRIVAL,
        payment=next(row for row in PAYMENTS if row.name == payment),
        ending=next(row for row in ENDINGS if row.end == end),
    )


@pytest.fixture
def town(scripted):
    town = Town()
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
            "run-1", platform, menus, FlatOut(), Deadlines(), tally,
            ManualClock(datetime(2026, 6, 1, 12, tzinfo=UTC)), None, journal,
        )  # fmt: skip
    await http.close()


async def drive(run, one):
    await run.pace.begin(one.at_s)
    await carry(run, one, asyncio.get_running_loop().time())
    run.pace.end()


async def test_an_order_goes_all_the_way_with_each_actors_own_token(run, town, scripted):
    await drive(run, arrival())
    assert town.done == ALL_THE_WAY
    who = {request.path.rpartition("/")[2]: request.headers["authorization"] for request in scripted.asked}
    assert who["orders"] == who["complete"] == f"Bearer customer:{ARRIVAL.customer_id}"
    assert who["accept"] == who["ready"] == f"Bearer restaurant:{ARRIVAL.restaurant_id}"
    assert who["assign-courier"] == who["pick-up"] == who["deliver"]
    assert who["deliver"].startswith(f"Bearer courier:{ARRIVAL.city}-courier-")
    assert run.tally.outcomes == {("delivered and confirmed", "completed"): 1}
    assert run.tally.unexpected == []


@pytest.mark.parametrize(
    "lost", [NEVER, Reply(201, {"id": "17"}, cut_after=10), problem(503, "outcome_unknown")]
)
async def test_a_placing_without_an_answer_is_repeated_with_the_same_key_and_body(run, town, scripted, lost):
    town.faults["orders"] = [("then", lost), ("then", lost)]
    await drive(run, arrival())
    placings = [request for request in scripted.asked if request.path == "/v1/orders"]
    assert len(placings) == 3
    assert len({request.headers["idempotency-key"] for request in placings}) == 1
    assert len({request.body for request in placings}) == 1
    assert town.done == ALL_THE_WAY
    assert run.tally.counts["placed"] == 1
    assert run.tally.resent == 2


async def test_a_placing_that_is_still_in_progress_is_asked_about_again(run, town):
    town.faults["orders"] = [problem(409, "request_in_progress")]
    await drive(run, arrival())
    assert run.tally.counts["placed"] == 1
    assert run.tally.unexpected == []


@pytest.mark.parametrize("action", ALL_THE_WAY[1:])
async def test_a_move_that_was_made_but_not_answered_is_not_made_again(run, town, action):
    town.faults[action] = [("then", NEVER)]
    await drive(run, arrival())
    assert town.done == ALL_THE_WAY
    assert run.tally.outcomes == {("delivered and confirmed", "completed"): 1}


@pytest.mark.parametrize("action", ALL_THE_WAY[1:])
async def test_a_move_that_was_neither_made_nor_answered_is_made(run, town, action):
    town.faults[action] = [NEVER, problem(503, "overloaded")]
    await drive(run, arrival())
    assert town.done == ALL_THE_WAY


async def test_a_platform_that_goes_away_and_comes_back_loses_no_order(run, town, scripted):
    async def go_away(request):
        await scripted.stop()
        await asyncio.sleep(0.2)
        await scripted.start()

    away = []

    def answer(request):
        if request.path.endswith("/accept") and not away:
            away.append(asyncio.ensure_future(go_away(request)))
            return NEVER
        return town(request)

    scripted.answer = answer
    await drive(run, arrival())
    assert town.done == ALL_THE_WAY
    assert run.tally.unexpected == []


async def test_every_acknowledged_state_is_in_the_journal(run, town, tmp_path):
    await drive(run, arrival())
    (key,) = town.keys
    assert read_journal(tmp_path / "journal") == {"17": Acknowledged(key, "17", "completed", 7)}
    assert len((tmp_path / "journal").read_bytes().splitlines()) == 7


async def test_what_was_never_acknowledged_is_not_in_the_journal(run, town, tmp_path):
    town.faults["orders"] = [problem(422, "invalid_request")]
    await drive(run, arrival())
    assert read_journal(tmp_path / "journal") == {}
    assert run.tally.unexpected_count == 1


async def test_a_dish_that_is_sold_out_is_left_out_under_another_key(run, town, scripted):
    town.faults["orders"] = [problem(409, "out_of_stock")]
    await drive(run, arrival())
    first, second = (request for request in scripted.asked if request.path == "/v1/orders")
    assert first.headers["idempotency-key"] != second.headers["idempotency-key"]
    assert run.tally.refusals == {("place", "out_of_stock"): 1}
    assert run.tally.counts["placed"] == 1


async def test_an_order_refused_to_the_end_is_counted_by_its_code_and_is_no_fault(run, town):
    town.faults["orders"] = [problem(409, "out_of_stock")] * 3
    await drive(run, arrival())
    assert run.tally.refused == {"out_of_stock": 1}
    assert run.tally.outcomes == {("delivered and confirmed", "not placed"): 1}
    assert run.tally.unexpected == []


@pytest.mark.parametrize(
    "reply", [problem(500, "internal_error"), problem(403, "forbidden"), Reply(200, [1])]
)
async def test_what_should_never_be_answered_is_unexpected_and_told(run, town, reply):
    town.faults["accept"] = [reply]
    await drive(run, arrival())
    assert run.tally.unexpected_count == 1
    assert ARRIVAL.id in run.tally.unexpected[0]


async def test_a_declined_payment_is_followed_by_the_next_source(run, town, scripted):
    await drive(run, arrival("online, declined first"))
    sources = [request.json["source"] for request in scripted.asked if request.path.endswith("/payments")]
    assert sources == ["tok_declined", "tok_ok"]
    assert run.tally.counts["paid"] == 1
    assert town.done == ALL_THE_WAY


async def test_a_slow_payment_is_waited_for_and_said_once(run, town):
    await drive(run, arrival("online, slowly"))
    assert town.payments == ["succeeded"]
    assert town.done == ALL_THE_WAY


async def test_a_payment_without_an_answer_is_said_again(run, town):
    town.faults["payments"] = [NEVER]
    await drive(run, arrival("online"))
    assert town.payments == ["succeeded"]


@pytest.mark.parametrize(
    ("payment", "end", "done", "fate"),
    [
        ("cash", "left", ALL_THE_WAY[:-1], "delivered, never confirmed"),
        ("cash", "rejected", ["place", "reject"], "rejected by the restaurant"),
        ("cash", "unanswered", ["place", "reject"], "never answered by the restaurant"),
        ("cash", "cancelled_before_acceptance", ["place", "cancel"], "cancelled before acceptance"),
        ("cash", "cancelled_after_acceptance", ["place", "accept", "cancel"], "cancelled in the free minute"),
        ("online, never", "confirmed", ["place", "cancel"], "never paid"),
    ],
)
async def test_each_fate_ends_as_it_says(run, town, payment, end, done, fate):
    await drive(run, arrival(payment, end))
    assert town.done == done
    assert run.tally.outcomes == {(fate, AFTER[done[-1]]): 1}


async def test_second_thoughts_that_come_too_late_do_not_stop_the_order(run, town):
    town.faults["cancel"] = [problem(409, "wrong_state")]
    await drive(run, arrival(end="cancelled_after_acceptance"))
    assert town.done == ALL_THE_WAY


async def test_an_order_the_platform_has_cancelled_ends_there_and_is_no_fault(run, town, scripted):
    def answer(request):
        if request.path.endswith("/accept"):
            town.order["state"] = "cancelled"
        return town(request)

    scripted.answer = answer
    await drive(run, arrival())
    assert run.tally.outcomes == {("delivered and confirmed", "cancelled"): 1}
    assert run.tally.unexpected == []


async def test_registering_again_fills_limited_dishes_up_and_no_further(scripted):
    one = next(each for each in demo_day(300) if catalogue.menu(each.restaurant_id, each.city).portions)
    level, added = list[int](), dict[str, int]()

    def answer(request):
        if request.path.endswith("/stock") and request.method == "POST":
            key = request.headers["idempotency-key"]
            if key not in added:
                added[key] = request.json["quantity"]
                level[:] = [sum(level) + request.json["quantity"]]
                return NEVER
            return Reply(200, {})
        if request.path.endswith("/stock"):
            items = [{"item_id": catalogue.SPECIAL_ID, "on_hand": n, "held": 0} for n in level]
            return Reply(200, {"restaurant_id": one.restaurant_id, "items": items})
        return problem(409, "id_taken") if request.method == "POST" else Reply(200, {})

    scripted.answer = answer
    http = Http(scripted.url, deadline_s=0.2)
    menus = await register(Platform(http, lambda role, subject: "t", Tally()), [one], lambda *seen: None)
    assert list(added.values()) == [menus[one.restaurant_id].portions[catalogue.SPECIAL_ID]]
    await http.close()
