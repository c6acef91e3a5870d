"""A trace goes on under a new span; what is no trace is not carried on."""

import pytest

from tiffin.rpc.traces import continued

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def test_a_hop_is_a_new_span_of_the_same_trace():
    first, second = (continued(f"00-{TRACE}-{PARENT}-01") for _ in range(2))
    assert first is not None
    assert second is not None
    assert first.trace_parent == f"00-{TRACE}-{first.span_id}-01"
    assert first.parent_id == second.parent_id == PARENT
    assert len({first.span_id, second.span_id, PARENT}) == 3


def test_the_next_hop_is_under_this_one():
    first = continued(f"00-{TRACE}-{PARENT}-00")
    assert first is not None
    second = continued(first.trace_parent)
    assert second is not None
    assert second.parent_id == first.span_id


@pytest.mark.parametrize(("flags", "sampled"), [("00", False), ("01", True), ("02", False), ("ff", True)])
def test_sampled_is_the_lowest_flag(flags: str, sampled: bool):
    span = continued(f"00-{TRACE}-{PARENT}-{flags}")
    assert span is not None
    assert span.sampled is sampled


@pytest.mark.parametrize(
    "given",
    [None, "", "nonsense", f"01-{TRACE}-{PARENT}-01", f"00-{TRACE.upper()}-{PARENT}-01",
     f"00-{TRACE}-{PARENT}", f"00-{'0' * 32}-{PARENT}-01", f"00-{TRACE}-{'0' * 16}-01",
     f"00-{TRACE}-{PARENT}-01\n"],
)  # fmt: skip
def test_what_is_no_trace_is_not_carried_on(given: str | None):
    assert continued(given) is None
