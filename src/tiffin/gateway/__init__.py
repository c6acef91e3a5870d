"""HTTP in, service calls out.

Owns: the table of endpoints, how callers are known (it can sign nothing), the JSON and problem+json shapes,
live streams. Owns no data.
May import: rpc, events, observability, primitives; of services the state tables alone, for /asyncapi.json.
Publishes nothing. Never decides a business rule: it checks who is calling and whether the request has the
contract's shape, and asks the service.
"""
