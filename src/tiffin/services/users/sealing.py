"""What the platform's secret is stretched into: one key for each purpose, so that none stands for another."""

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES = 32


def derive(secret: bytes, purpose: str) -> bytes:
    """A key of `KEY_BYTES` for this purpose (RFC 5869)."""
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=f"tiffin users: {purpose}".encode()).derive(secret)
