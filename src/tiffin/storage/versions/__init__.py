"""Tables of versions: rules and fees that begin at a time and never change.

Owns: the schema `versions`, the functions that guard such tables; the tables are their services'. May import:
storage, primitives. Publishes: `VersionsTable`, `KnownVersions`. Never knows what a version says.
"""

from tiffin.storage.versions.table import KNOWN_FOR, KnownVersions, VersionsTable

__all__ = ["KNOWN_FOR", "KnownVersions", "VersionsTable"]
