"""The versions of the rules, as the directory keeps them."""

from tiffin.primitives.clock import Clock
from tiffin.services.reverse.policy import Policy, Terms
from tiffin.services.reverse.store import QUERIES
from tiffin.storage.node import Node
from tiffin.storage.versions import KnownVersions, VersionsTable

TABLE = VersionsTable(QUERIES["policies"], QUERIES["add_policy"], Terms, Policy)
read_policies, add_policy = TABLE.read, TABLE.add


class KnownPolicies(KnownVersions[Policy]):
    """The rules, remembered for a while."""

    def __init__(self, directory: Node, clock: Clock) -> None:
        super().__init__(read_policies, directory, clock)
