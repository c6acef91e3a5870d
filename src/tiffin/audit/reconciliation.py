"""The three books of every payment side by side: ours, the ledger's, the provider's statement."""

from collections import defaultdict
from collections.abc import Sequence

from tiffin.audit.order_money import entered_of
from tiffin.audit.payments import StatementLine
from tiffin.services.payments.ledger.entry import Entry
from tiffin.services.payments.ledger.reconciliation import Difference, Entered, Line, Ours, reconcile
from tiffin.services.payments.ledger.store import entry_of
from tiffin.services.payments.payment import order_id_of
from tiffin.sharding.order_id import customer_shard
from tiffin.sharding.router import Router
from tiffin.storage.queries import load_queries

_MONEY = load_queries("tiffin.audit", "money.sql")
_PAYMENTS = load_queries("tiffin.services.payments")


async def reconcile_all(
    router: Router, statement: Sequence[StatementLine] | None, provider: str = "sandbox"
) -> list[Difference]:
    """Every difference of every payment, shard by shard; changes nothing. Lines of keys that are no payment's
    of ours come first. `provider`: whose statement it is.

    For a platform at rest, or a statement that is closed: what is still under way differs until it is done.
    """
    lines: defaultdict[int | None, defaultdict[str, list[Line]]] = defaultdict(lambda: defaultdict(list))
    for line in statement or ():
        order_id = order_id_of(line.key)
        shard = None if order_id is None else customer_shard(order_id)
        lines[shard][line.key].append(Line(line.kind, line.amount, line.currency))
    found = reconcile({}, {}, lines[None], provider)
    for node in router.nodes:
        for shard in router.shards_on("customer", node):
            ours = {
                row["id"]: Ours(*(row[name] for name in Ours._fields))
                for row in await node.fetch(_PAYMENTS["audit_payments"], [shard])
            }
            entries = [entry_of(row) for row in await node.fetch(_MONEY["entries_of_shard"], shard)]
            said = None if statement is None else lines[shard]
            found += reconcile(ours, _entered(entries), said, provider)
    return found


def _entered(entries: Sequence[Entry]) -> dict[str, Entered]:
    """By payment; an entry is undone within its order."""
    of_order: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        of_order[entry.subject].append(entry)
    return {key: sums for some in of_order.values() for key, sums in entered_of(some).items()}
