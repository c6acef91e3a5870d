"""What an access token says. `users` signs it, the gateway checks it; both know it from here.

A JSON Web Token, signed with Ed25519 (`alg` EdDSA and no other), its header naming the key (`kid`) and the
kind of token (`typ`, RFC 9068).
"""

from typing import Annotated, Literal

import msgspec

ISSUER = "tiffin"
AUDIENCE = "tiffin"
ALGORITHM = "EdDSA"
TYPE = "at+jwt"

LIFETIME_MAX_S = 3600
"""A person's access token never holds longer: what has been over for an hour may be forgotten."""

Access = Literal["owner", "manager", "staff", "system"]
_Id = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.:-]{1,64}\Z")]


class Claims(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The claims. `system` is no role here: the platform's own parts do not come in by HTTP."""

    iss: Literal["tiffin"]
    aud: Literal["tiffin"]
    sub: _Id
    role: Literal["customer", "restaurant", "courier", "operator"]
    iat: float
    """Seconds since the epoch, as finely as the clock gives them."""
    exp: int
    nbf: float = 0.0
    sid: str | None = None
    """The session; none in tokens of the platform's own key."""
    person: _Id | None = None
    """Who acts, where `sub` is a restaurant."""
    access: Access | None = None
    """What they may do there."""
