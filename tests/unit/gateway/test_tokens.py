import pytest

from manual_clock import ManualClock
from tiffin.gateway.tokens import Tokens
from tiffin.primitives.errors import Refusal

SECRET = b"s" * 32


@pytest.mark.parametrize("role", ["customer", "restaurant", "courier", "operator"])
def test_a_minted_token_names_its_holder_until_it_expires(clock: ManualClock, role: str) -> None:
    tokens = Tokens(SECRET, clock)
    token = tokens.mint(role, "someone-1", 60)
    now_s = clock().timestamp()
    for at_s in (now_s, now_s + 59.9):
        caller = tokens.verify(token, at_s)
        assert (caller.role, caller.id) == (role, "someone-1")
    with pytest.raises(Refusal, match="bad_token"):
        tokens.verify(token, now_s + 60)


@pytest.mark.parametrize("role", ["system", "", "Customer", "root"])
def test_a_role_that_http_does_not_know_gets_no_token(clock: ManualClock, role: str) -> None:
    with pytest.raises(ValueError, match="no token"):
        Tokens(SECRET, clock).mint(role, "someone", 60)


@pytest.mark.parametrize("subject", ["", "a b", "x" * 65, "a\n", "é"])
def test_a_subject_that_is_no_id_gets_no_token(clock: ManualClock, subject: str) -> None:
    with pytest.raises(ValueError, match="regex"):
        Tokens(SECRET, clock).mint("customer", subject, 60)


def test_a_short_secret_is_refused(clock: ManualClock) -> None:
    with pytest.raises(ValueError, match="31 bytes"):
        Tokens(b"s" * 31, clock)


def test_another_secret_opens_nothing(clock: ManualClock) -> None:
    token = Tokens(SECRET, clock).mint("customer", "someone", 60)
    with pytest.raises(Refusal, match="bad_token"):
        Tokens(b"t" * 32, clock).verify(token, clock().timestamp())
