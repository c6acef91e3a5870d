"""The way in from a monolith: its one orders table, copied, followed, compared, and taken over.

Owns: the schema `migration` on the directory (what is known of each migration), the mapping file, and the
readers of sources (`sources/`). May import: services' contracts and pure modules, events, rpc, sharding,
storage, primitives. Publishes nothing. Never: writes an order, which only `orders` does (`Orders.adopt`);
writes to a source, but for what `live/` says.

Stages and who keeps them (docs/migrating.md):

* `planning`, `backfill`, `comparing`, `undoing`: what is at rest. `live/`: dual writing, following the
  source's replication stream, reading new, authority, finish.
* `rows.convert` turns a row of the source into a `LegacyOrder` by the `mapping.Mapping`; `record.Record`
  keeps the mapping, the stage, the backfill's cursor, the read share, the authority, positions of
  followers, and every change with its time.

What `Orders` promises of adopted orders, for whoever builds on it:

* `Orders.adopt` makes one order for each (source, legacy_id), whatever comes twice, late, at once or half.
  Of two words the one with the higher revision stands ("stale" for the other); of two with the same
  revision the later call. Only the role `system` (and operators) may call it.
* An adopted order is *held* by the old system: the platform's deadlines leave it alone, and whoever moves
  it in Tiffin is refused (`held_elsewhere`). Its money is elsewhere (`payment_method` "elsewhere") for
  ever: no entry, no payment, no settlement, no refund is made of it (`paid_elsewhere`).
* `Orders.release(source, limit)`, called until it answers `more: false`, hands orders that have not ended
  to the platform: their deadlines begin, people may move them, and the old system's word is refused
  (`taken_over`). `Orders.hold`, called in the same way, is the way back: it counts for orders that Tiffin
  has moved meanwhile, so the old system has to be brought up to them first. Orders that have ended stay
  held, and have no deadlines. Orders placed in Tiffin itself are none of a source's, and stay as they are.
* `Orders.legacy` answers old ids with orders (`read-new`); `Orders.adopted` with the `LegacyOrder` as it
  stands; `Orders.list_legacy` pages through a source's ids; `Orders.disown` is the way back of `adopt`,
  refused (`taken_over`) of orders that were released.
"""
