"""Three kinds of error and no more."""

import pytest

from tiffin.primitives.errors import CODES, Refusal, Unavailable


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_has_a_kind_and_reads_like_one(code: str):
    refusal = Refusal(code, "why", {"limit": 1})
    assert refusal.kind is CODES[code]
    assert refusal.details == {"limit": 1}
    assert code == code.lower()
    assert code.replace("_", "").isalpha()


def test_a_code_nobody_listed_is_a_bug():
    with pytest.raises(KeyError):
        Refusal("no_such_code", "why")


def test_details_are_the_refusals_own():
    details = {"limit": 1}
    refusal = Refusal("invalid_request", "why", details)
    details["limit"] = 2
    assert refusal.details == {"limit": 1}


def test_unavailable_says_when_to_try_again():
    assert Unavailable("overloaded", "full").retry_after_ms > 0
