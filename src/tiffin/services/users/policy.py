"""How people sign in: lifetimes and limits, as data."""

from typing import Annotated

import msgspec

from tiffin.rpc.access_token import LIFETIME_MAX_S

_Seconds = Annotated[int, msgspec.Meta(ge=1)]
_Count = Annotated[int, msgspec.Meta(ge=1)]


class SignInPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a platform may set under `[sign_in]`."""

    code_s: _Seconds = 300
    """How long a code is good."""
    code_again_s: _Seconds = 30
    """How long after a code the next may be asked for."""
    codes_per_phone_max: _Count = 10
    """Codes sent to one phone within `codes_window_s`."""
    codes_window_s: _Seconds = 24 * 3600
    guesses_max: _Count = 5
    """Guesses at one code. With the limit above: 50 guesses at a million numbers a day."""
    access_token_s: Annotated[int, msgspec.Meta(ge=1, le=LIFETIME_MAX_S)] = 600
    session_s: _Seconds = 30 * 24 * 3600
    """How long a session lasts that is not used."""
    sessions_max: _Count = 20
    """Sessions of one person; a further one ends the one that was used least recently."""
    key_age_s: _Seconds = 7 * 24 * 3600
    """How old a signing key becomes before the next takes over."""
