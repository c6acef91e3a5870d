"""The quick way to a yes: whatever is right gets one, and texts looked at together are told apart."""

from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rpc_values import values
from tiffin.rpc import contracts as c
from tiffin.rpc.bounds import within_bounds

# That nothing past a limit of any method gets a yes is in test_wire.


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(sorted(c.structs)).flatmap(lambda name: values(c.structs[name])))
def test_it_says_yes_to_whatever_is_right(value: Any):
    assert within_bounds(type(value))(value)


CALLER = within_bounds(c.Caller)


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("ana-1", True), ("a" * 64, True), ("", False), ("a" * 65, False), ("ana\n", False), ("ana 1", False),
        ("ana\0ana", False), ("\0ana", False), ("ana\0", False), ("\0", False), ("añа", False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("at", ["id", "person"])
def test_texts_that_are_matched_together_are_each_a_text_of_its_own(text: str, right: bool, at: str):
    texts = {"id": "r-1", "person": "p-1", at: text}
    assert CALLER(c.Caller(role="restaurant", **texts)) is right


class _Code(msgspec.Struct):
    code: Annotated[str, msgspec.Meta(pattern="[A-Z]{3}")]


def test_a_pattern_that_may_match_a_part_of_a_text_is_not_supported():
    with pytest.raises(NotImplementedError):
        within_bounds(_Code)
