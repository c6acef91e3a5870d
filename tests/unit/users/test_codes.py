from collections import Counter
from datetime import datetime, timedelta
from random import Random

import pytest

from manual_clock import ManualClock
from tiffin.services.users.codes import hash_of, is_right, new_code, normal_phone, too_many
from tiffin.services.users.credentials import Credentials
from tiffin.services.users.policy import SignInPolicy

KEY = b"k" * 32
POLICY = SignInPolicy()


def test_codes_have_six_digits_and_every_one_is_possible() -> None:
    assert new_code(lambda limit: 0) == "000000"
    assert new_code(lambda limit: limit - 1) == "999999"


def test_every_digit_comes_as_often_as_the_others_at_every_place() -> None:
    credentials = Credentials(b"s" * 32, Random(1).randbytes)
    codes = [new_code(credentials.random_below) for _ in range(20_000)]
    for place in range(6):
        counts = Counter(code[place] for code in codes)
        assert len(counts) == 10
        assert max(counts.values()) < 1.15 * min(counts.values())


@pytest.mark.parametrize(
    "guess",
    [(KEY, "+391", "id", "123457"), (KEY, "+392", "id", "123456"), (KEY, "+391", "di", "123456"),
     (b"x" * 32, "+391", "id", "123456"), (KEY, "+391", "id", "")],
)  # fmt: skip
def test_a_code_is_right_for_its_phone_and_its_sign_in_only(guess: tuple[bytes, str, str, str]) -> None:
    kept = hash_of(KEY, "+391", "id", "123456")
    assert is_right(kept, KEY, "+391", "id", "123456")
    assert not is_right(kept, *guess)


def test_a_phone_is_its_digits() -> None:
    assert normal_phone("+39 06 555 0101") == normal_phone("+39065550101") == "+39065550101"


@pytest.mark.parametrize(
    ("after_s", "asked", "wait_s"),
    [
        (0, 1, 30), (0.5, 1, 30), (29.9, 1, 1), (29, 1, 1),
        (30, POLICY.codes_per_phone_max, POLICY.codes_window_s - 30),
        (POLICY.codes_window_s - 1, POLICY.codes_per_phone_max, 1),
    ],
)  # fmt: skip
def test_who_asks_too_often_is_told_for_how_long(
    clock: ManualClock, after_s: float, asked: int, wait_s: int
) -> None:
    began: datetime = clock()
    refusal = too_many(POLICY, began + timedelta(seconds=after_s), began, began, asked)
    assert (refusal.code, refusal.details) == ("too_many_codes", {"retry_after_s": wait_s})
