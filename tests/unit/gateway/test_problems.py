import json

import pytest

from tiffin.gateway.problems import STATUS_OF_KIND, problem_of
from tiffin.primitives.errors import CODES, Kind, Refusal, Unavailable


def test_every_kind_has_a_status_of_its_own() -> None:
    assert set(STATUS_OF_KIND) == set(Kind)
    assert len(set(STATUS_OF_KIND.values())) == len(Kind)


@pytest.mark.parametrize("code", CODES)
def test_every_code_becomes_a_complete_problem(code: str) -> None:
    problem = problem_of(Refusal(code, "words", {"allowed": "GET"}), "request-1")
    assert 400 <= problem.status < 500
    assert json.loads(problem.body) == {
        "type": f"urn:tiffin:problem:{code}",
        "title": code.replace("_", " ").capitalize(),
        "status": problem.status,
        "detail": "words",
        "code": code,
        "request_id": "request-1",
        "allowed": "GET",
    }
    assert (problem.status == 401) == any(name == b"www-authenticate" for name, _ in problem.headers)


def test_details_never_replace_what_every_problem_has() -> None:
    details = {"status": 200, "code": "fine", "request_id": "x", "total": 5}
    problem = json.loads(problem_of(Refusal("price_changed", "words", details), "request-1").body)
    assert (problem["status"], problem["code"], problem["request_id"]) == (409, "price_changed", "request-1")
    assert problem["total"] == 5


@pytest.mark.parametrize(("wait_ms", "wait_s"), [(0, b"1"), (1000, b"1"), (1001, b"2"), (30_000, b"30")])
def test_who_is_sent_away_is_told_when_to_come_back(wait_ms: int, wait_s: bytes) -> None:
    problem = problem_of(Unavailable("lane_full", "later", wait_ms), "request-1")
    assert (problem.status, problem.headers) == (503, [(b"retry-after", wait_s)])


def test_a_bug_tells_nothing() -> None:
    problem = problem_of(KeyError("secret"), "request-1")
    assert problem.status == 500
    assert b"secret" not in problem.body


def test_words_that_a_client_sent_do_not_come_back_without_end() -> None:
    assert len(problem_of(Refusal("invalid_request", "x" * 100_000), "request-1").body) < 1000
