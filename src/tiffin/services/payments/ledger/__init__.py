"""The ledger: double entry for everything an order moves, and what restaurants and couriers are owed for it.

Owns: the schema `ledger` (entries, balances, dues, settlements, fee policies); its own service, role and
reader of the log beside payments'. May import: events, rpc, sharding, storage, primitives, the payments
service's contract and nothing else of its package. Asks `orders` what was agreed about money. Publishes the
stream `ledger`: entry.made (only of facts that no event told of), settlement.made, settlement.paid.
Never changes or removes an entry (an undoing is a new, reversed one), never moves money itself, never
makes the way of an order wait for it.
"""
