import jwt
import pytest

from manual_clock import ManualClock
from tiffin.services.users.signing import PlatformTokens, SigningKey, platform_key

SECRET = b"s" * 32


@pytest.mark.parametrize("role", ["system", "visitor", "", "Customer", "root"])
def test_a_role_that_http_does_not_know_gets_no_token(clock: ManualClock, role: str) -> None:
    with pytest.raises(ValueError, match="no token"):
        PlatformTokens(SECRET, clock).mint(role, "someone", 60)


@pytest.mark.parametrize("subject", ["", "a b", "x" * 65, "a\n", "é"])
def test_a_subject_that_is_no_id_gets_no_token(clock: ManualClock, subject: str) -> None:
    with pytest.raises(ValueError, match="no token"):
        PlatformTokens(SECRET, clock).mint("customer", subject, 60)


def test_a_short_secret_is_refused(clock: ManualClock) -> None:
    with pytest.raises(ValueError, match="31 bytes"):
        PlatformTokens(b"s" * 31, clock)


def test_the_platforms_key_is_the_secrets_and_no_others() -> None:
    assert platform_key(SECRET).public == platform_key(SECRET).public
    assert platform_key(SECRET).kid != platform_key(b"t" * 32).kid


def test_a_token_names_its_key_and_what_it_is_and_holds_no_key(clock: ManualClock) -> None:
    header = jwt.get_unverified_header(PlatformTokens(SECRET, clock).mint("customer", "ana", 60))
    assert header == {"alg": "EdDSA", "typ": "at+jwt", "kid": platform_key(SECRET).kid}


def test_a_key_is_named_by_its_public_half() -> None:
    assert len({SigningKey.of(bytes([number]) * 32).kid for number in range(50)}) == 50
