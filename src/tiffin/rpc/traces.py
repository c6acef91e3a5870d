"""W3C trace context: every hop is a new span of the caller's trace."""

import re
from dataclasses import dataclass
from uuid import uuid4

_TRACE_PARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_SAMPLED = 0x01


@dataclass(frozen=True, slots=True)
class Span:
    """One service's part of a trace. Ids are hexadecimal text."""

    trace_id: str
    parent_id: str
    span_id: str
    flags: str

    @property
    def sampled(self) -> bool:
        """Somebody upstream wants to see this trace."""
        return bool(int(self.flags, 16) & _SAMPLED)

    @property
    def trace_parent(self) -> str:
        """What calls made from here carry."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"


def continued(trace_parent: str | None) -> Span | None:
    """A new span under the caller's. None if the caller has no trace, or sent what is none."""
    match = _TRACE_PARENT.fullmatch(trace_parent) if trace_parent else None
    if match is None:
        return None
    trace_id, parent_id, flags = match.groups()
    if not int(trace_id, 16) or not int(parent_id, 16):
        return None
    return Span(trace_id, parent_id, uuid4().hex[:16], flags)
