"""How the databases' owner enters the nodes: kept in the directory, sealed with the platform's secret."""

from base64 import urlsafe_b64encode

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tiffin.sharding.registry import Listed, NodeError, enlist
from tiffin.storage.node import Node
from tiffin.storage.roles import without_owner


class Owners:
    """Seals and opens the owner's addresses of nodes."""

    def __init__(self, platform_secret: bytes) -> None:
        derived = HKDF(SHA256(), 32, salt=None, info=b"tiffin nodes: owners' addresses").derive(
            platform_secret
        )
        self._seal = Fernet(urlsafe_b64encode(derived))

    def open(self, listed: Listed) -> str:
        """The owner's URL of a node. `NodeError` if it was sealed with another secret, or is gone."""
        try:
            return self._seal.decrypt(listed.sealed or "").decode()
        except InvalidToken:
            raise NodeError(
                "sealed",
                f"how to enter node {listed.name} is sealed with another secret than the data directory's:"
                f" `tiffin nodes add URL --name {listed.name}` says it anew",
            ) from None

    async def enlist(self, directory: Node, name: str, url: str, known: Listed | None = None) -> bool:
        """Make a node known to everybody, unless it is `known` under this very address already."""
        if known is not None and known.sealed is not None:
            try:
                if self.open(known) == url:
                    return False
            except NodeError:
                pass
        await enlist(directory, name, without_owner(url), self._seal.encrypt(url.encode()).decode())
        return True
