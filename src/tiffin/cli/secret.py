"""The platform's secret: signs tokens and the sandbox provider's notices."""

import secrets
from pathlib import Path

SECRET_BYTES = 32


def read_secret(data_directory: Path) -> bytes:
    """The secret kept in the data directory, made at first use; readable by its owner only."""
    file = data_directory / "secret"
    data_directory.mkdir(parents=True, exist_ok=True)
    try:
        with file.open("x") as new:
            file.chmod(0o600)
            new.write(secrets.token_hex(SECRET_BYTES))
    except FileExistsError:
        pass
    return bytes.fromhex(file.read_text())
