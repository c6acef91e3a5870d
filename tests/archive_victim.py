"""A process that archives what it can until it is killed: name=url ..., and what its clock says.

It tells a line a shard, so that whoever kills it knows that it is at work.
"""

import asyncio
import sys
from collections.abc import Sequence
from datetime import datetime

from tiffin.services.orders.archive import AGE_MIN
from tiffin.services.orders.archiver import Archived, Archiver
from tiffin.sharding.router import Router
from tiffin.storage.node import Node


class Telling(Archiver):
    async def archive_orders(self, node: Node, shard: int) -> Archived:
        done = await super().archive_orders(node, shard)
        print(f"orders {done.orders}", flush=True)
        return done

    async def archive_copies(self, node: Node, shard: int) -> Archived:
        done = await super().archive_copies(node, shard)
        print(f"copies {done.copies}", flush=True)
        return done


async def main(now: str, *places: str) -> None:
    async def all_are_settled(order_ids: Sequence[int]) -> set[int]:
        return set()

    nodes = [await Node.open(*place.split("=", 1)) for place in places]
    moment = datetime.fromisoformat(now)
    archiver = Telling(await Router.open(nodes), lambda: moment, all_are_settled, AGE_MIN)
    while True:
        for node in nodes:
            await archiver.lead(node)
        print("round", flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
