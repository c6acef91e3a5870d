"""Where the archive's tables are: in a tablespace of their own, on disks that need not be fast."""

from tiffin.services.orders.archive import QUERIES
from tiffin.storage.node import Node

TIMEOUT_S = 3600.0
"""A partition that is elsewhere is written anew; who reads its shard's archive waits for that."""


class NoTablespace(Exception):
    """A node has no tablespace of that name."""


async def put_archive(node: Node, tablespace: str) -> int:
    """As the databases' owner: have the archive, and every partition it gets, in a tablespace ("": the
    database's own). Returns how many tables and indexes were elsewhere."""
    if tablespace:
        found = await node.fetchrow(QUERIES["has_tablespace"], tablespace)
        if not (found and found["it"]):
            raise NoTablespace(
                f"node {node.name} has no tablespace {tablespace}: CREATE TABLESPACE there first"
            )
    elsewhere = await node.fetch(QUERIES["elsewhere"], tablespace)
    if not elsewhere:
        return 0
    connection = await node.connect(TIMEOUT_S)
    try:
        for each in elsewhere:
            kind = "INDEX" if each["is_index"] else "TABLE"
            await connection.execute(f"ALTER {kind} {each['name']} SET TABLESPACE {each['tablespace']}")
    finally:
        await connection.close()
    return len(elsewhere)
