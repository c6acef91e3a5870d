"""What drives a running platform: a demo day, the replay of real order days, the HTTP half of the bench.

Owns: days of orders and what becomes of each order, the actors who carry them, what they measured. Owns no
data of the platform's. May import: rpc's contracts, primitives. Publishes nothing. Never touches a database
or a service: everything goes over HTTP, with the actors' own tokens. The one exception is the bench of the
write path alone (`write_path`), which calls the order store to leave HTTP out.
"""
