"""Signatures: only the very body, by who knows the secret, lately."""

from datetime import UTC, datetime

import pytest

from tiffin.primitives.errors import Refusal
from tiffin.services.payments.notices import AGE_MAX_S, check_signature
from tiffin.services.payments.sandbox.webhooks import sign

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
SECRET = b"secret"
BODY = '{"key": "1-a", "note": "día \\u2603"}'


@pytest.mark.parametrize("age_s", [-AGE_MAX_S, 0, 1, AGE_MAX_S])
@pytest.mark.parametrize("body", ["", BODY, "☃", "\0"])
def test_what_the_sandbox_signs_is_believed(body: str, age_s: int) -> None:
    check_signature(body, sign(body, SECRET, NOW.timestamp() - age_s), SECRET, NOW)


@pytest.mark.parametrize("position", range(len(f"t={int(NOW.timestamp())},v1=") + 64))
def test_any_character_of_the_signature_changed_is_refused(position: int) -> None:
    signature = sign(BODY, SECRET, NOW.timestamp())
    other = "1" if signature[position] != "1" else "2"
    with pytest.raises(Refusal, match="bad_signature"):
        check_signature(BODY, signature[:position] + other + signature[position + 1 :], SECRET, NOW)


@pytest.mark.parametrize("position", range(len(BODY)))
def test_any_character_of_the_body_changed_is_refused(position: int) -> None:
    signature = sign(BODY, SECRET, NOW.timestamp())
    with pytest.raises(Refusal, match="bad_signature"):
        check_signature(BODY[:position] + "~" + BODY[position + 1 :], signature, SECRET, NOW)


@pytest.mark.parametrize("age_s", [AGE_MAX_S + 1, -AGE_MAX_S - 1, 10**6])
def test_another_time_is_refused(age_s: int) -> None:
    with pytest.raises(Refusal, match="too old"):
        check_signature(BODY, sign(BODY, SECRET, NOW.timestamp() - age_s), SECRET, NOW)


def test_a_body_that_is_no_text_is_refused() -> None:
    with pytest.raises(Refusal, match="bad_signature"):
        check_signature("\ud800", sign(BODY, SECRET, NOW.timestamp()), SECRET, NOW)
