"""The platform's secret: signs tokens and the sandbox provider's notices, gives database roles passwords."""

import hmac
import os
import secrets
from pathlib import Path

from tiffin.cli.config import ConfigError

SECRET_BYTES = 32


def read_secret(data_directory: Path) -> bytes:
    """The secret kept in the data directory, made at first use; readable by its owner only.

    `ConfigError` if what is kept there is none.
    Made beside its place and linked there whole: whoever comes at the same moment reads the same.
    """
    file = data_directory / "secret"
    if not file.exists():
        data_directory.mkdir(parents=True, exist_ok=True)
        unfinished = data_directory / f"secret.{os.getpid()}.new"
        unfinished.touch(mode=0o600)
        unfinished.write_text(secrets.token_hex(SECRET_BYTES))
        try:
            file.hardlink_to(unfinished)
        except FileExistsError:
            pass
        finally:
            unfinished.unlink()
    try:
        secret = bytes.fromhex(file.read_text())
    except ValueError:
        secret = b""
    if len(secret) < SECRET_BYTES:
        raise ConfigError(
            f"{file}: no secret of {SECRET_BYTES} bytes in hexadecimal digits; take it from a backup of the"
            " data directory (without the file a new one is made, and no token made so far is good any more)"
        )
    return secret


def role_password(secret: bytes, role: str) -> str:
    """The password of a database role: whoever has the platform's secret needs no second one."""
    return hmac.digest(secret, f"database role {role}".encode(), "sha256").hex()
