"""The versions of the fees, as the directory keeps them."""

from tiffin.primitives.clock import Clock
from tiffin.services.payments.ledger.policy import Fees, Policy
from tiffin.services.payments.ledger.store import QUERIES
from tiffin.storage.node import Node
from tiffin.storage.versions import KnownVersions, VersionsTable

TABLE = VersionsTable(QUERIES["policies"], QUERIES["add_policy"], Fees, Policy)
read_policies, add_policy = TABLE.read, TABLE.add


class KnownPolicies(KnownVersions[Policy]):
    """The fees, remembered for a while."""

    def __init__(self, directory: Node, clock: Clock) -> None:
        super().__init__(read_policies, directory, clock)
