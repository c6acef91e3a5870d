from datetime import timedelta

from manual_clock import ManualClock
from tiffin.services.users.forgetting import ROUNDS, next_round
from tiffin.services.users.rotation import AHEAD, SKEW, Known, next_signs_from, retired, signer

AGE = timedelta(days=7)
LIFETIME = timedelta(hours=1)


def test_the_first_key_signs_at_once(clock: ManualClock) -> None:
    assert signer([], clock()) is None
    assert next_signs_from([], clock(), AGE) == clock()


def test_in_a_year_of_looking_every_minute_there_is_always_one_signer_and_its_successor_is_known_before(
    clock: ManualClock,
) -> None:
    keys: list[Known] = []
    known_since: dict[str, object] = {}
    signers: list[str] = []
    for minute in range(0, 60 * 24 * 60):
        now = clock.now + timedelta(minutes=minute)
        gone = retired(keys, now, LIFETIME)
        keys = [key for key in keys if key.kid not in gone]
        if (signs_from := next_signs_from(keys, now, AGE)) is not None:
            keys.append(Known(f"key-{minute}", signs_from))
            known_since[f"key-{minute}"] = now
        signing = signer(keys, now)
        assert signing is not None
        assert signing.kid not in gone
        if not signers or signers[-1] != signing.kid:
            signers.append(signing.kid)
            if len(signers) > 1:
                assert now - known_since[signing.kid] >= AHEAD  # type: ignore[operator]
        assert len(keys) <= 3
    assert len(signers) == len(set(signers)) == 60 // 7 + 1


def test_a_platform_that_slept_goes_on_with_its_old_key_until_the_next_is_known(clock: ManualClock) -> None:
    old = Known("old", clock())
    now = clock.now + 100 * AGE
    assert next_signs_from([old], now, AGE) == now + AHEAD
    keys = [old, Known("new", now + AHEAD)]
    assert signer(keys, now) == old
    assert signer(keys, now + AHEAD) == keys[1]
    assert retired(keys, now + AHEAD + LIFETIME, LIFETIME) == []
    assert retired(keys, now + AHEAD + LIFETIME + SKEW, LIFETIME) == ["old"]


def test_a_younger_age_makes_the_next_key_come_sooner(clock: ManualClock) -> None:
    keys = [Known("old", clock())]
    assert next_signs_from(keys, clock.now + timedelta(days=2), AGE) is None
    assert next_signs_from(keys, clock.now + timedelta(days=2), timedelta(days=1)) is not None


def test_an_erasure_is_told_a_few_times_and_then_no_more(clock: ManualClock) -> None:
    due = [next_round(clock(), told) for told in range(1, len(ROUNDS) + 2)]
    assert due == [*(clock() + after for after in ROUNDS), None]
    assert max(ROUNDS) > timedelta(days=7), "longer than an order can be ahead"
