"""A process that backfills a migration until it is killed: a node's URL, the migration's name, rows/s.

It tells a line for every chunk, so that whoever kills it knows that it is at work.
"""

import asyncio
import sys

from old_side import Side
from tiffin.storage.node import Node


async def main(url: str, name: str, rows_per_s: str) -> None:
    node = await Node.open("newplace", url)
    side = await Side.open(node, name, lambda what, done, total: print(done, flush=True))
    await side.backfill(int(rows_per_s))
    print("finished", flush=True)
    await side.close()
    await node.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
