"""Who carries messages to people, and what they say about it."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Parcel:
    """What a provider is given."""

    key: str
    """The same for every attempt at one message; for providers that take an idempotency key."""
    phone: str | None
    text: str


@dataclass(frozen=True, slots=True)
class Taken:
    """The provider has taken it."""

    readable_here: bool = False
    """Whoever it is for reads it with `tiffin messages`: secrets stay readable until the message expires."""


@dataclass(frozen=True, slots=True)
class NotTaken:
    """The provider has not taken it, or nobody knows."""

    reason: str
    """For operators; names no person."""
    again: bool
    """Whether it may be tried again."""


class Provider(Protocol):
    """Carries messages. Has its own time limit and never raises for what happens on the way."""

    needs_phone: bool
    """Without it nobody's number is looked up but customers', who may be gone."""

    async def deliver(self, parcel: Parcel) -> Taken | NotTaken:
        """Hand it over. Called again with the same key where the outcome was lost."""
        ...


class LocalOutbox:
    """Carries nothing anywhere: messages are read where they are kept. To try things with."""

    needs_phone = False

    async def deliver(self, parcel: Parcel) -> Taken:
        """Nothing can go wrong."""
        del parcel
        return Taken(readable_here=True)
