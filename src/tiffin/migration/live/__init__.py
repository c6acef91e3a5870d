"""The live half of a migration: changes of the monolith's orders as they happen, and who has the truth.

Owns: what is kept in the monolith's database (`tiffin_settings`, `tiffin_outbox`, triggers, the slot), the
follower, writing back, the switch of authority. May import what `tiffin.migration` may. Publishes nothing.
Never holds the truth about how far a migration is: that is the record; only who has authority is the source's
own, because there it can be changed in one transaction with everybody who writes.
"""
