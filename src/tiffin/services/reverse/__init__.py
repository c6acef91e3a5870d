"""The reverse flow: undoing. What of an order goes back, to whom, and who bears it.

Owns: the schema `reverse` (cases, their copy by restaurant, what is claimed of each order, the rules),
the state table of cases and its deadlines. May import: events, rpc, sharding, storage, observability,
primitives. Asks `orders` (an order, and to call it off), `payments` (money back), `ledger` (fees, entries).
Publishes: `case.*`, one event a transition, as `CaseEvent`.
Never: changes an order itself, moves money itself, gives back more than was paid, does other than it quoted.
"""
